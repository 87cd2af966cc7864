//! A body opened: content codings undone, charset made UTF-8, its processor chosen.
//!
//! This is a step of its own because it may make new bytes, and the values of a [`Message`](crate::Message) borrow
//! from them: the caller keeps the `Body` as long as the message.
//!
//! The processor follows the Content-Type. A type that is not known, is missing or is mislabelled is no way past
//! inspection: the message also tries what the body looks like (see [`Message::parse_body`](crate::Message::parse_body)).

use std::borrow::Cow;

use crate::charset::{Charset, to_utf8};
use crate::collector::{Problems, note};
use crate::{At, ContentType, Headers, Limits, Problem, ProblemCode, decode};

/// Which parser a body goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Processor {
    /// `application/x-www-form-urlencoded`.
    Urlencoded,
    /// `multipart/*`.
    Multipart,
    /// `application/json`, `text/json` and `+json`.
    Json,
    /// A sequence of JSON documents: NDJSON, JSON lines, `application/json-seq`.
    JsonSequence,
    /// `application/xml`, `text/xml` and `+xml`.
    Xml,
    /// Everything else: one value, and whatever it looks like.
    Text,
}

/// A body made readable. It owns what had to be decoded, so that the values of a [`Message`](crate::Message) can
/// borrow from it.
#[derive(Clone, Debug)]
pub struct Body<'a> {
    raw: &'a [u8],
    decoded: Cow<'a, [u8]>,
    content_type: Option<ContentType<'a>>,
    processor: Processor,
    whole: bool,
    prefix: bool,
    problems: Problems,
}

impl Processor {
    /// The processor of a media type.
    pub fn of(content_type: &ContentType<'_>) -> Self {
        let is = |essence| content_type.is(essence);
        let multipart = content_type.essence.get(..10).is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/"));
        if is("application/json") || is("text/json") || content_type.has_suffix("json") {
            Self::Json
        } else if is("application/x-www-form-urlencoded") {
            Self::Urlencoded
        } else if multipart {
            Self::Multipart
        } else if is("application/xml") || is("text/xml") || content_type.has_suffix("xml") {
            Self::Xml
        } else if SEQUENCES.into_iter().any(is) || content_type.has_suffix("json-seq") {
            Self::JsonSequence
        } else {
            Self::Text
        }
    }

    /// The name as events show it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Urlencoded => "urlencoded",
            Self::Multipart => "multipart",
            Self::Json => "json",
            Self::JsonSequence => "json_sequence",
            Self::Xml => "xml",
            Self::Text => "text",
        }
    }
}

const SEQUENCES: [&str; 5] = [
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonlines",
    "application/json-seq",
];

impl<'a> Body<'a> {
    /// Opens the body `raw` of a message with `headers`. Size is judged here too: the caller has bounded what it reads,
    /// but a profile's own limit may be lower.
    pub fn open(headers: &Headers<'a>, raw: &'a [u8], limits: &Limits) -> Self {
        let mut problems = Problems::new();
        if raw.len() > limits.body {
            note(&mut problems, Problem::limit("body", At::Body, raw.len(), limits.body));
        }
        let content_type = headers.get("content-type").map(ContentType::parse);
        if !raw.is_empty() {
            judge_type(content_type.as_ref(), &mut problems);
        }
        let processor = content_type.as_ref().map_or(Processor::Text, Processor::of);
        let (decoded, whole) = decode::undo(headers, raw, limits, &mut problems);
        let decoded = match processor {
            // Its parts have charsets of their own.
            Processor::Multipart => decoded,
            _ => readable(decoded, content_type.as_ref(), processor, &mut problems),
        };
        Self { raw, decoded, content_type, processor, whole, prefix: false, problems }
    }

    /// Opens the first bytes of a longer body (body mode `prefix`): what only shows that it was cut is no problem.
    pub fn open_prefix(headers: &Headers<'a>, raw: &'a [u8], limits: &Limits) -> Self {
        let mut body = Self::open(headers, raw, limits);
        body.prefix = true;
        body.problems.retain(|problem| !problem.code.comes_of_cutting());
        body
    }

    /// The body as received.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The body after its content codings, in UTF-8 where the charset is known.
    pub fn decoded(&self) -> &[u8] {
        &self.decoded
    }

    /// The parsed Content-Type.
    pub fn content_type(&self) -> Option<&ContentType<'a>> {
        self.content_type.as_ref()
    }

    /// The parser that it goes to.
    pub fn processor(&self) -> Processor {
        self.processor
    }

    /// Sends it to another parser than its Content-Type asks for.
    #[must_use]
    pub fn with_processor(mut self, processor: Processor) -> Self {
        self.processor = processor;
        self
    }

    /// Whether every byte of it could be decoded.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Whether it is only the first bytes of a body.
    pub fn is_prefix(&self) -> bool {
        self.prefix
    }

    /// What was odd so far.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

fn judge_type(content_type: Option<&ContentType<'_>>, problems: &mut Problems) {
    match content_type {
        None => note(problems, Problem::new(ProblemCode::MissingContentType, At::Body)),
        Some(ContentType { odd: Some(odd), .. }) => {
            note(problems, Problem::case(ProblemCode::BadContentType, At::Body, odd));
        }
        Some(_) => {}
    }
}

/// The text in UTF-8, without its byte order mark.
fn readable<'a>(
    text: Cow<'a, [u8]>,
    content_type: Option<&ContentType<'_>>,
    processor: Processor,
    problems: &mut Problems,
) -> Cow<'a, [u8]> {
    let declared = content_type.and_then(|given| given.charset.as_deref()).map(Charset::of);
    if declared == Some(Charset::Unknown) {
        note(problems, Problem::case(ProblemCode::UnknownCharset, At::Body, "the charset of the body"));
    }
    let mark = Charset::of_mark(&text);
    let is_text = declared.is_some() || processor != Processor::Text || is_text_type(content_type);
    if mark.is_some() && is_text {
        note(problems, Problem::new(ProblemCode::ByteOrderMark, At::Body));
    }
    let (found, skip) = match mark {
        Some(mark) if is_text => mark,
        _ => (Charset::of_zeros(&text).filter(|_| is_text && declared.is_none()).unwrap_or(Charset::Utf8), 0),
    };
    // A mark is stronger than a label (WHATWG Encoding section 6.1); one that contradicts it has been noted.
    let charset = if mark.is_some() { found } else { declared.unwrap_or(found) };
    if found != Charset::Utf8 && declared.is_none() {
        note(problems, Problem::case(ProblemCode::InvalidCharset, At::Body, "UTF-16 or UTF-32 that is not declared"));
    }
    if !is_text {
        return text;
    }
    // Without a type the bytes may be anything (RFC 9110 section 8.3): only a type says that they are text.
    convert(text, charset, skip, content_type.is_some(), problems)
}

fn convert<'a>(
    text: Cow<'a, [u8]>,
    charset: Charset,
    skip: usize,
    named: bool,
    problems: &mut Problems,
) -> Cow<'a, [u8]> {
    let after_mark = match text {
        Cow::Borrowed(bytes) => Cow::Borrowed(bytes.get(skip..).unwrap_or_default()),
        Cow::Owned(bytes) if skip == 0 => Cow::Owned(bytes),
        Cow::Owned(bytes) => Cow::Owned(bytes.get(skip..).unwrap_or_default().to_vec()),
    };
    let note_invalid = |valid: bool, problems: &mut Problems| {
        if !valid && named {
            note(problems, Problem::new(ProblemCode::InvalidCharset, At::Body));
        }
    };
    let (converted, valid) = match &after_mark {
        Cow::Borrowed(bytes) => to_utf8(charset, bytes),
        Cow::Owned(bytes) => match to_utf8(charset, bytes) {
            (Cow::Owned(text), valid) => (Cow::Owned(text), valid),
            (Cow::Borrowed(_), valid) => {
                note_invalid(valid, problems);
                return after_mark;
            }
        },
    };
    note_invalid(valid, problems);
    converted
}

/// Whether bytes of this type are text that has a charset; an upload of any other type may hold any byte.
fn is_text_type(content_type: Option<&ContentType<'_>>) -> bool {
    let text = |given: &ContentType<'_>| given.essence.get(..5).is_some_and(|s| s.eq_ignore_ascii_case(b"text/"));
    content_type.is_none_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(content_type: &str, raw: &[u8]) -> (Processor, Vec<u8>, Vec<ProblemCode>) {
        let fields = [(&b"content-type"[..], content_type.as_bytes())];
        let fields = if content_type.is_empty() { &fields[..0] } else { &fields[..] };
        let headers = Headers::new(fields);
        let body = Body::open(&headers, raw, &Limits::DEFAULT);
        let codes = body.problems().iter().map(|problem| problem.code).collect();
        (body.processor(), body.decoded().to_vec(), codes)
    }

    #[test]
    fn the_processor_follows_the_content_type() {
        let check = |field: &str, expect| assert_eq!(opened(field, b"x").0, expect, "{field}");
        check("application/json", Processor::Json);
        check("Application/JSON; charset=utf-8", Processor::Json);
        check("application/vnd.api+json", Processor::Json);
        check("application/x-ndjson", Processor::JsonSequence);
        check("application/x-www-form-urlencoded", Processor::Urlencoded);
        check("multipart/form-data; boundary=x", Processor::Multipart);
        check("multipart/mixed; boundary=x", Processor::Multipart);
        check("text/xml", Processor::Xml);
        check("image/svg+xml", Processor::Xml);
        check("text/plain", Processor::Text);
        check("application/jsonx", Processor::Text);
        check("", Processor::Text);
    }

    fn check(content_type: &str, raw: &[u8], text: &[u8], codes: &[ProblemCode]) {
        let (_, decoded, found) = opened(content_type, raw);
        assert_eq!((decoded.as_slice(), found.as_slice()), (text, codes), "{content_type} {raw:?}");
    }

    #[test]
    fn charsets_and_marks() {
        use ProblemCode::{ByteOrderMark, InvalidCharset, MissingContentType, UnknownCharset};
        check("application/json", b"{}", b"{}", &[]);
        check("application/json", b"\xef\xbb\xbf{}", b"{}", &[ByteOrderMark]);
        check("application/json", b"\"\xff\"", b"\"\xff\"", &[InvalidCharset]);
        check("application/json", b"{\0}\0", b"{}", &[InvalidCharset]);
        check("application/json", b"\0{\0}", b"{}", &[InvalidCharset]);
        check("application/json", b"\xff\xfe{\0}\0", b"{}", &[ByteOrderMark, InvalidCharset]);
        check("application/json; charset=utf-16le", b"{\0}\0", b"{}", &[]);
        check("application/json; charset=utf-7", b"+AHs-", b"+AHs-", &[UnknownCharset]);
        check("text/plain; charset=iso-8859-1", b"\xe9", "é".as_bytes(), &[]);
        check("text/plain", b"\xe9", b"\xe9", &[InvalidCharset]);
        check("image/png", b"\xff\xfe\x00", b"\xff\xfe\x00", &[]);
        check("", b"a", b"a", &[MissingContentType]);
        check("", b"\xff\xd8", b"\xff\xd8", &[MissingContentType]);
        check("", b"{\0}\0", b"{}", &[MissingContentType, InvalidCharset]);
        check("", b"", b"", &[]);
    }

    #[test]
    fn size() {
        let limits = Limits { body: 3, ..Limits::DEFAULT };
        let headers = Headers::default();
        assert!(!Body::open(&headers, b"abc", &limits).problems().iter().any(|p| p.code == ProblemCode::LimitExceeded));
        assert!(Body::open(&headers, b"abcd", &limits).problems().iter().any(|p| p.code == ProblemCode::LimitExceeded));
    }
}
