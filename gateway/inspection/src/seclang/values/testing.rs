//! Requests as text, and what is seen of them, for tests.

use rampart_message::{Body, Head, Headers, Limits, Message, Scratch, Version};

use super::store::{Buffers, Kept, Values};
use super::{Connection, read_body, read_head};
use crate::seclang::ast::{BodyProcessor, EngineMode};
use crate::seclang::program::Settings;
use crate::seclang::variable::Variable;

/// Everything on, nothing limited.
pub(super) fn settings() -> Settings {
    Settings {
        engine: EngineMode::On,
        request_body: true,
        response_body: true,
        response_types: Vec::new(),
        request_body_limit: 0,
        request_body_no_files_limit: 0,
        request_body_reject: true,
        json_depth: 0,
        arguments: 0,
        response_body_limit: 0,
        response_body_reject: true,
        argument_separator: b'&',
        web_app_id: "".into(),
        collection_timeout: 0,
    }
}

pub(super) fn connection() -> Connection {
    Connection { client: "192.0.2.7:4711".parse().unwrap(), server: "[2001:db8::1]:8443".parse().unwrap() }
}

/// What is seen of a request: the values, kept as they are for the phases of the response.
pub(super) struct Seen(pub(super) Kept);

/// Reads `raw`, a request as it travels. A body is read by `chosen`, or by its Content-Type.
pub(super) fn seen(raw: &[u8], chosen: Option<BodyProcessor>) -> Seen {
    seen_with(raw, chosen, &settings(), None)
}

pub(super) fn seen_with(
    raw: &[u8],
    chosen: Option<BodyProcessor>,
    settings: &Settings,
    authority: Option<&[u8]>,
) -> Seen {
    let end = raw.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let (head, body) = (&raw[..end], &raw[end + 4..]);
    let mut lines = head.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let line = lines.next().unwrap();
    let (first, last) =
        (line.iter().position(|&byte| byte == b' ').unwrap(), line.iter().rposition(|&byte| byte == b' ').unwrap());
    let fields: Vec<(&[u8], &[u8])> = lines
        .map(|line| {
            let colon = line.iter().position(|&byte| byte == b':').unwrap();
            (&line[..colon], line[colon + 1..].strip_prefix(b" ").unwrap_or(&line[colon + 1..]))
        })
        .collect();
    let version = match &line[last + 1..] {
        b"HTTP/2.0" => Version::Http2,
        b"HTTP/1.0" => Version::Http10,
        _ => Version::Http11,
    };
    let headers = Headers::new(&fields);
    let head = Head { method: &line[..first], target: &line[first + 1..last], version, authority, headers };
    let limits = Limits::DEFAULT;
    let mut message = Message::parse_head(head, &limits, &mut Scratch::new());
    let opened = Body::open(&headers, body, &limits);
    if !body.is_empty() {
        message.parse_body(&opened, &limits);
    }
    let mut values = Values::new(Buffers::default());
    read_head(&head, &connection(), settings, &mut values);
    read_body(&message, chosen, settings, &limits, &mut values);
    Seen(values.keep(u64::MAX))
}

impl Seen {
    /// The values of a variable as `name=value`, or as `value` where they have no name; bytes as Rust escapes them.
    pub(super) fn values(&self, variable: &str) -> Vec<String> {
        let values = Values::resume(&self.0, Buffers::default());
        let sources = Variable::of(variable).unwrap().sources();
        let shown = values.of(sources).map(|(_, value)| {
            let bytes = value.bytes.escape_ascii();
            if value.name.is_empty() { bytes.to_string() } else { format!("{}={bytes}", value.name.escape_ascii()) }
        });
        shown.collect()
    }

    pub(super) fn scalar(&self, variable: &str) -> String {
        let values = Values::resume(&self.0, Buffers::default());
        values.scalar(Variable::of(variable).unwrap()).unwrap().escape_ascii().to_string()
    }
}
