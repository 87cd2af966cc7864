//! Recorded requests: JSON lines, or an HTTP archive (HAR 1.2).
//!
//! A line is `{"id", "label", "method", "uri", "version", "headers": [[name, value] ...], "body_b64"}`. Strings are
//! latin-1: a character is a byte, so that bytes which are no UTF-8 can be written.

use std::io::BufRead;

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rampart_message::Version;
use serde::Deserialize;

use crate::asked::Request;

/// Requests that are read at most.
const MAX_REQUESTS: usize = 1_000_000;

/// A request and what is known of it.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) id: String,
    pub(super) label: String,
    pub(super) request: Request,
}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    label: Option<String>,
    method: String,
    uri: String,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body_b64: Option<String>,
}

#[derive(Deserialize)]
struct Archive {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    request: ArchivedRequest,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArchivedRequest {
    method: String,
    url: String,
    #[serde(default)]
    http_version: String,
    #[serde(default)]
    headers: Vec<Pair>,
    #[serde(default)]
    post_data: Option<PostData>,
}

#[derive(Deserialize)]
struct Pair {
    name: String,
    value: String,
}

#[derive(Deserialize)]
struct PostData {
    #[serde(default)]
    text: String,
    /// Not of the standard, but written by several tools: `base64`.
    #[serde(default)]
    encoding: Option<String>,
}

/// Reads either format; which it is shows in the first bytes.
///
/// # Errors
/// With the line or entry that cannot be read.
pub(super) fn read(mut from: impl BufRead) -> anyhow::Result<Vec<Recorded>> {
    let mut text = Vec::new();
    from.read_to_end(&mut text)?;
    let first = text.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    if serde_json::from_slice::<Line>(first).is_err()
        && let Ok(archive) = serde_json::from_slice::<Archive>(&text)
    {
        let entries = archive.log.entries.into_iter().enumerate();
        return entries.map(|(at, entry)| of_entry(at, entry.request)).collect::<anyhow::Result<_>>().and_then(some);
    }
    let lines = (1..).zip(text.split(|byte| *byte == b'\n')).filter(|(_, line)| !line.trim_ascii().is_empty());
    let mut recorded = Vec::new();
    for (number, line) in lines {
        if recorded.len() == MAX_REQUESTS {
            bail!("line {number}: more than {MAX_REQUESTS} requests; split the file");
        }
        recorded.push(of_line(number, line).with_context(|| format!("line {number} is no recorded request"))?);
    }
    some(recorded)
}

fn some(recorded: Vec<Recorded>) -> anyhow::Result<Vec<Recorded>> {
    if recorded.is_empty() {
        bail!("the file holds no request");
    }
    Ok(recorded)
}

fn of_line(number: usize, line: &[u8]) -> anyhow::Result<Recorded> {
    let line: Line = serde_json::from_slice(line)?;
    let body = match line.body_b64.as_deref() {
        Some(encoded) => STANDARD.decode(encoded).context("`body_b64` is no base64")?,
        None => Vec::new(),
    };
    let fields = line.headers.iter().map(|(name, value)| Ok((latin1(name)?, latin1(value)?)));
    Ok(Recorded {
        id: line.id.unwrap_or_else(|| number.to_string()),
        label: line.label.unwrap_or_default(),
        request: Request {
            method: latin1(&line.method)?,
            target: latin1(&line.uri)?,
            version: version(line.version.as_deref().unwrap_or("HTTP/1.1"))?,
            fields: fields.collect::<anyhow::Result<_>>()?,
            body,
        },
    })
}

fn of_entry(at: usize, entry: ArchivedRequest) -> anyhow::Result<Recorded> {
    let place = || format!("entry {at} is no request");
    // The path and query of an absolute URL; the rest stands in the Host field.
    let rest = entry.url.split_once("://").map_or(entry.url.as_str(), |(_, rest)| rest);
    let (host, target) = match rest.find(['/', '?']) {
        Some(slash) if entry.url.contains("://") => rest.split_at(slash),
        None if entry.url.contains("://") => (rest, "/"),
        _ => ("", rest),
    };
    let target = target.split('#').next().unwrap_or_default();
    let target = if target.starts_with('?') { format!("/{target}") } else { target.to_owned() };
    let body = match entry.post_data {
        Some(PostData { text, encoding: Some(encoding) }) if encoding == "base64" => {
            STANDARD.decode(text).context("`postData` is no base64").with_context(place)?
        }
        Some(PostData { text, .. }) => text.into_bytes(),
        None => Vec::new(),
    };
    // Pseudo-header fields of HTTP/2, as browsers export them, are no fields.
    let fields = entry.headers.into_iter().filter(|pair| !pair.name.starts_with(':'));
    let mut request = Request {
        method: entry.method.into_bytes(),
        target: target.into_bytes(),
        // What HTTP/2 changes is lost in an archive: the fields are judged as those of HTTP/1.1.
        version: if entry.http_version.eq_ignore_ascii_case("HTTP/1.0") { Version::Http10 } else { Version::Http11 },
        fields: fields.map(|pair| (pair.name.into_bytes(), pair.value.into_bytes())).collect(),
        body,
    };
    if !host.is_empty() {
        request.add("Host", host);
    }
    Ok(Recorded { id: at.to_string(), label: String::new(), request })
}

fn latin1(text: &str) -> anyhow::Result<Vec<u8>> {
    let byte = |c: char| u8::try_from(u32::from(c)).ok().with_context(|| format!("`{c}` is no latin-1 character"));
    text.chars().map(byte).collect()
}

fn version(text: &str) -> anyhow::Result<Version> {
    Ok(match text.to_ascii_uppercase().as_str() {
        "HTTP/1.0" | "1.0" => Version::Http10,
        "HTTP/1.1" | "1.1" | "" => Version::Http11,
        "HTTP/2" | "HTTP/2.0" | "2" => Version::Http2,
        _ => bail!("`{text}` is no version: HTTP/1.0, HTTP/1.1 or HTTP/2"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Recorded {
        let mut all = read(text.as_bytes()).unwrap();
        assert_eq!(all.len(), 1);
        all.pop().unwrap()
    }

    #[test]
    fn a_line_keeps_its_bytes() {
        let line = r#"{"id":"a/1","label":"benign","method":"POST","uri":"/\u00bc?a=\u00ff","version":"HTTP/1.0",
            "headers":[["X-A","\u00e9"],["x-a","2"]],"body_b64":"AP8="}"#;
        let Recorded { id, label, request } = one(&line.replace('\n', " "));
        assert_eq!((id.as_str(), label.as_str()), ("a/1", "benign"));
        assert_eq!(request.target, b"/\xbc?a=\xff");
        assert_eq!(request.fields, [(b"X-A".to_vec(), b"\xe9".to_vec()), (b"x-a".to_vec(), b"2".to_vec())]);
        assert_eq!((request.body.as_slice(), request.version), (&b"\0\xff"[..], Version::Http10));
    }

    #[test]
    fn an_archive_is_told_by_its_shape() {
        let archive = r#"{"log":{"version":"1.2","entries":[{"request":{"method":"POST","url":"https://h.example/a?b=c#d",
            "httpVersion":"HTTP/2","headers":[{"name":":path","value":"/a"},{"name":"accept","value":"*/*"}],
            "postData":{"mimeType":"text/plain","text":"hello"}}}]}}"#;
        let Recorded { request, .. } = one(archive);
        assert_eq!(request.target, b"/a?b=c");
        assert_eq!(request.fields, [(b"accept".to_vec(), b"*/*".to_vec()), (b"Host".to_vec(), b"h.example".to_vec())]);
        assert_eq!(request.body, b"hello");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        #[track_caller]
        fn check(text: &str, expect: &str) {
            let error = format!("{:#}", read(text.as_bytes()).unwrap_err());
            assert!(error.contains(expect), "{error}");
        }
        check("", "no request");
        check(r#"{"log":{"entries":[]}}"#, "no request");
        check("{\"method\":\"GET\",\"uri\":\"/\"}\nnonsense\n", "line 2");
        check("{\"method\":\"GET\",\"uri\":\"/\u{2603}\"}", "latin-1");
        check("{\"method\":\"GET\",\"uri\":\"/\",\"version\":\"HTTP/9\"}", "HTTP/9");
        check("{\"method\":\"GET\",\"uri\":\"/\",\"body_b64\":\"*\"}", "base64");
    }
}
