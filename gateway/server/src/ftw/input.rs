//! From what a case says to send to the bytes that are sent.
//!
//! Cases are written for go-ftw, so headers are completed as it completes them: `Connection: close`; `Content-Length`
//! where there is a body or the method has one; a form's `Content-Type` where a body has none, and a form's body encoded
//! if decoding would not change it; parts of a multipart body end in CR LF whatever the YAML could hold.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use regex::{Captures, Regex};
use std::sync::LazyLock;

use super::schema::{RawField, RawInput, RawResponse, RawTemplate};

/// Bytes that `repeat` in a body makes at most.
const REPEAT_BYTES_MAX: usize = 16 * 1024 * 1024;

const FORM: &str = "application/x-www-form-urlencoded";

/// A request as a case describes it.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) version: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
    /// The request byte by byte, in place of all the above.
    pub(crate) raw: Option<Vec<u8>>,
    /// Complete the field lines.
    pub(crate) completes: bool,
    /// Ask for the place that the answer before this one named.
    pub(crate) follows_redirect: bool,
    /// Keep the cookies of the answer for the requests after it.
    pub(crate) saves_cookies: bool,
    /// What the backend is asked to answer.
    pub(crate) reflection: Option<Reflection>,
}

/// An answer that a backend is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reflection {
    /// 200 if not said.
    pub(crate) status: Option<u16>,
    /// Its fields.
    pub(crate) fields: Vec<(String, String)>,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

impl Input {
    pub(super) fn of_raw<D: Into<String>>(raw: RawInput<D>) -> Result<Self, String> {
        let bytes = raw.encoded_request.or(raw.raw_request).filter(|text| !text.is_empty());
        let data = raw.data.map(Into::into);
        let body = match (data, raw.encoded_data) {
            (Some(_), Some(_)) => return Err("`data` and `encoded_data` exclude one another".to_owned()),
            (Some(data), None) => Some(expand(&data, "").into_bytes()),
            (None, Some(encoded)) => Some(decode(&encoded)?),
            (None, None) => None,
        };
        if bytes.is_some() && body.as_ref().is_some_and(|body| !body.is_empty()) {
            return Err("`encoded_request` excludes a body beside it".to_owned());
        }
        let mut fields = raw.headers.0;
        fields.extend(raw.ordered_headers.into_iter().map(pair));
        Ok(Self {
            method: raw.method.unwrap_or_else(|| "GET".to_owned()),
            uri: raw.uri.unwrap_or_else(|| "/".to_owned()),
            version: raw.version.unwrap_or_else(|| "HTTP/1.1".to_owned()),
            fields,
            body,
            raw: bytes.as_deref().map(decode).transpose()?,
            completes: raw.autocomplete_headers.or(raw.stop_magic.map(|stops| !stops)).unwrap_or(true),
            follows_redirect: raw.follow_redirect.unwrap_or(false),
            saves_cookies: raw.save_cookie.unwrap_or(false),
            reflection: raw.response.map(Reflection::of_raw).transpose()?,
        })
    }

    /// The request of a template (v3): of the file, overridden by the test, with the test's payload.
    pub(super) fn of_template(file: &RawTemplate, test: Option<&RawTemplate>, payload: &str) -> Self {
        let own = test.cloned().unwrap_or_default();
        let filled = |text: Option<&String>| text.map(|text| expand(text, payload));
        let stops = own.stop_magic.or(file.stop_magic).map(|stops| !stops);
        let fields = own.headers.or_else(|| file.headers.clone()).unwrap_or_default();
        Self {
            method: own.method.or_else(|| file.method.clone()).unwrap_or_else(|| "GET".to_owned()),
            uri: filled(own.uri.as_ref().or(file.uri.as_ref())).unwrap_or_else(|| "/".to_owned()),
            version: own.version.or_else(|| file.version.clone()).unwrap_or_else(|| "HTTP/1.1".to_owned()),
            fields: fields.into_iter().map(pair).map(|(name, value)| (name, expand(&value, payload))).collect(),
            body: filled(own.data.as_ref().or(file.data.as_ref())).map(String::into_bytes),
            raw: None,
            completes: own.autocomplete_headers.or(file.autocomplete_headers).or(stops).unwrap_or(true),
            follows_redirect: false,
            saves_cookies: own.save_cookie.or(file.save_cookie).unwrap_or(false),
            reflection: None,
        }
    }

    /// The bytes to send.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        if let Some(raw) = &self.raw {
            return raw.clone();
        }
        let mut fields = self.fields.clone();
        let body = self.completed(&mut fields);
        let mut bytes = format!("{} {} {}\r\n", self.method, self.uri, self.version).into_bytes();
        for (name, value) in &fields {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&body);
        bytes
    }

    /// Completes the fields and gives the body as it is sent.
    fn completed(&self, fields: &mut Vec<(String, String)>) -> Vec<u8> {
        let mut body = self.body.clone().unwrap_or_default();
        if self.completes && !body.is_empty() {
            add(fields, "Content-Type", FORM);
            if field(fields, "Content-Type") == Some(FORM) {
                body = encode_form(body);
            }
        }
        if field(fields, "Content-Type").is_some_and(|kind| kind.starts_with("multipart/form-data;")) {
            body = with_crlf(&body);
        }
        if self.completes {
            add(fields, "Connection", "close");
            if !body.is_empty() || matches!(self.method.as_str(), "POST" | "PUT" | "PATCH" | "DELETE") {
                add(fields, "Content-Length", &body.len().to_string());
            }
        }
        body
    }

    /// Sends `value` in this field, whatever it held.
    pub(crate) fn set(&mut self, name: &str, value: String) {
        self.fields.retain(|(held, _)| !held.eq_ignore_ascii_case(name));
        self.fields.push((name.to_owned(), value));
    }

    /// The value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        field(&self.fields, name)
    }
}

impl Reflection {
    fn of_raw(raw: RawResponse) -> Result<Self, String> {
        let body = match (raw.body, raw.encoded_body) {
            (Some(_), Some(_)) => return Err("`body` and `encoded_body` exclude one another".to_owned()),
            (Some(body), None) => body.into_bytes(),
            (None, Some(encoded)) => decode(&encoded)?,
            (None, None) => Vec::new(),
        };
        Ok(Self { status: raw.status, fields: raw.headers.0, body })
    }
}

fn pair(raw: RawField) -> (String, String) {
    (raw.name, raw.value.unwrap_or_default())
}

fn field<'f>(fields: &'f [(String, String)], name: &str) -> Option<&'f str> {
    fields.iter().find(|(held, _)| held.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Adds a field unless it has a value.
fn add(fields: &mut Vec<(String, String)>, name: &str, value: &str) {
    if field(fields, name).is_none_or(str::is_empty) {
        fields.retain(|(held, _)| !held.eq_ignore_ascii_case(name));
        fields.push((name.to_owned(), value.to_owned()));
    }
}

/// Base64, over several lines perhaps.
fn decode(text: &str) -> Result<Vec<u8>, String> {
    let plain: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&base64::alphabet::STANDARD, lenient)
        .decode(plain.as_bytes())
        .map_err(|error| format!("not base64: {error}"))
}

/// The two things that cases do with Go's templates: `{{ "x" | repeat 300 }}` and `{{.Payload}}`. Other braces are an
/// attack that is to be sent as it stands.
fn expand(text: &str, payload: &str) -> String {
    static TEMPLATE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let repeat =
            r#"(?:"(?<a>(?:[^"\\]|\\.)*)"\s*\|\s*repeat\s+(?<n>\d+)|repeat\s+(?<m>\d+)\s+"(?<b>(?:[^"\\]|\\.)*)")"#;
        Regex::new(&format!(r"\{{\{{-?\s*(?:{repeat}|(?<payload>\.Payload))\s*-?\}}\}}")).ok()
    });
    let Some(template) = TEMPLATE.as_ref() else { return text.to_owned() };
    let replace = |found: &Captures<'_>| {
        if found.name("payload").is_some() {
            return payload.to_owned();
        }
        let part = |one: &str, other: &str| found.name(one).or(found.name(other)).map_or("", |m| m.as_str());
        let text =
            serde_json::from_str(&format!("\"{}\"", part("a", "b"))).unwrap_or_else(|_| part("a", "b").to_owned());
        let times: usize = part("n", "m").parse().unwrap_or(0);
        text.repeat(times.min(REPEAT_BYTES_MAX / text.len().max(1)))
    };
    template.replace_all(text, replace).into_owned()
}

/// A form's body as a client would encode it, unless it is encoded already: names and values apart, the signs between
/// them left alone.
fn encode_form(body: Vec<u8>) -> Vec<u8> {
    if decoding_changes(&body) {
        return body;
    }
    let mut out = Vec::with_capacity(body.len() * 2);
    // An ampersand at the very end is dropped, as go-ftw drops it.
    for (number, pair) in body.strip_suffix(b"&").unwrap_or(&body).split(|byte| *byte == b'&').enumerate() {
        if number > 0 {
            out.push(b'&');
        }
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        push_encoded(&mut out, halves.next().unwrap_or_default());
        if let Some(value) = halves.next() {
            out.push(b'=');
            push_encoded(&mut out, value);
        }
    }
    out
}

/// Whether decoding as a form gives something else, or fails.
fn decoding_changes(body: &[u8]) -> bool {
    body.contains(&b'+') || body.contains(&b'%')
}

fn push_encoded(out: &mut Vec<u8>, text: &[u8]) {
    const HEX: [u8; 16] = *b"0123456789ABCDEF";
    for &byte in text {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte),
            b' ' => out.push(b'+'),
            _ => {
                let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
                out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
}

/// Every line feed preceded by a carriage return.
fn with_crlf(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + body.len() / 16);
    let mut last = 0;
    for &byte in body {
        if byte == b'\n' && last != b'\r' {
            out.push(b'\r');
        }
        out.push(byte);
        last = byte;
    }
    out
}
