//! The backend that cases expect: it answers what it is asked to answer.
//!
//! `POST /reflect` with `{"status", "headers", "body", "encodedBody"}` gets that answer; everything else gets 200 with an
//! empty body. It is how rules about responses are tried. `rampart demo --backend-only --reflect` serves it on a socket.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::input::Reflection;

/// Where reflections are asked for.
pub(crate) const PATH: &str = "/reflect";

/// The body of a request for a reflection.
#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    headers: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default, rename = "encodedBody", alias = "encoded_body")]
    encoded_body: Option<String>,
}

/// An answer of the backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reflected {
    /// Status code, from 200 to 599.
    pub(crate) status: u16,
    /// Its fields.
    pub(crate) fields: Vec<(String, String)>,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

/// What the backend answers to a request.
pub(crate) fn backend(method: &[u8], target: &[u8], body: &[u8]) -> Reflected {
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    if method != b"POST" || path != PATH.as_bytes() {
        return Reflected { status: 200, fields: Vec::new(), body: Vec::new() };
    }
    match asked(body) {
        Ok(reflection) => reflect(&reflection),
        Err(message) => {
            let fields = vec![("Content-Type".to_owned(), "text/plain; charset=utf-8".to_owned())];
            Reflected { status: 400, fields, body: message.into_bytes() }
        }
    }
}

/// The answer that is asked for, its gaps filled.
pub(crate) fn reflect(asked: &Reflection) -> Reflected {
    let mut fields = asked.fields.clone();
    if !asked.body.is_empty() && !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        fields.push(("Content-Type".to_owned(), kind(&asked.body).to_owned()));
    }
    let status = asked.status.filter(|status| (200..600).contains(status)).unwrap_or(200);
    Reflected { status, fields, body: asked.body.clone() }
}

fn asked(body: &[u8]) -> Result<Reflection, String> {
    let asked: Asked = serde_json::from_slice(body).map_err(|error| format!("no reflection: {error}"))?;
    let body = match (asked.body, asked.encoded_body.filter(|text| !text.is_empty())) {
        (Some(body), None) => body.into_bytes(),
        (None, Some(encoded)) => STANDARD.decode(encoded).map_err(|error| format!("encodedBody: {error}"))?,
        (None, None) => Vec::new(),
        (Some(_), Some(_)) => return Err("body and encodedBody exclude one another".to_owned()),
    };
    let mut fields = Vec::new();
    for (name, value) in asked.headers {
        match value {
            serde_json::Value::String(value) => fields.push((name, value)),
            serde_json::Value::Array(values) => {
                let values = values.iter().filter_map(|value| value.as_str().map(str::to_owned));
                fields.extend(values.map(|value| (name.clone(), value)));
            }
            other => fields.push((name, other.to_string())),
        }
    }
    Ok(Reflection { status: asked.status, fields, body })
}

/// The type of a body that came without one, as a common server guesses it from the first bytes.
fn kind(body: &[u8]) -> &'static str {
    let start = body.trim_ascii_start();
    let begins = |prefix: &str| start.get(..prefix.len()).is_some_and(|b| b.eq_ignore_ascii_case(prefix.as_bytes()));
    if ["<!doctype html", "<html", "<head", "<body", "<script", "<table", "<div", "<h1", "<p>"].into_iter().any(begins)
    {
        "text/html; charset=utf-8"
    } else if begins("<?xml") {
        "text/xml; charset=utf-8"
    } else if body.starts_with(&[0x1f, 0x8b]) {
        "application/x-gzip"
    } else if body.iter().any(|byte| *byte < b' ' && !b"\t\n\r\x0c\x1b".contains(byte)) {
        "application/octet-stream"
    } else {
        "text/plain; charset=utf-8"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, target: &str, body: &str, expect: (u16, &[(&str, &str)], &[u8])) {
        let answer = backend(method.as_bytes(), target.as_bytes(), body.as_bytes());
        let fields: Vec<(&str, &str)> = answer.fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!((answer.status, &*fields, &*answer.body), expect, "{method} {target} {body}");
    }

    #[test]
    fn it_answers_what_it_is_asked_to_answer() {
        let text: (&str, &str) = ("Content-Type", "text/plain; charset=utf-8");
        check("POST", "/reflect", r#"{"body": "hello"}"#, (200, &[text], b"hello"));
        check("POST", "/reflect?x=1", r#"{"status": 500, "encodedBody": "aGk="}"#, (500, &[text], b"hi"));
        let fields =
            r#"{"headers": {"Content-Type": "text/css", "X-N": 1, "Set-Cookie": ["a=1", "b=2"]}, "body": "x"}"#;
        let expect = [("Content-Type", "text/css"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-N", "1")];
        check("POST", "/reflect", fields, (200, &expect, b"x"));
        check(
            "POST",
            "/reflect",
            r#"{"body": "<html>"}"#,
            (200, &[("Content-Type", "text/html; charset=utf-8")], b"<html>"),
        );
    }

    #[test]
    fn everything_else_is_fine_and_empty() {
        for (method, target) in [("GET", "/reflect"), ("POST", "/"), ("POST", "/reflect/x"), ("DELETE", "/get")] {
            check(method, target, r#"{"body": "no"}"#, (200, &[], b""));
        }
    }

    #[test]
    fn nonsense_is_told() {
        for body in ["", "{", r#"{"body": "a", "encodedBody": "YQ=="}"#, r#"{"encodedBody": "*"}"#] {
            assert_eq!(backend(b"POST", b"/reflect", body.as_bytes()).status, 400, "{body}");
        }
    }
}
