//! Recorded requests: the JSON lines that `rampart replay` reads.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rampart_message::{Limits, Version};

pub(crate) struct Request {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) label: String,
    pub(crate) method: Vec<u8>,
    pub(crate) uri: Vec<u8>,
    pub(crate) version: Version,
    pub(crate) headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

/// The requests of all files; with `only`, those whose id holds it.
pub(crate) fn read(files: &[PathBuf], only: Option<&str>) -> Vec<Request> {
    let mut requests: Vec<Request> = files.iter().flat_map(|file| of_file(file)).collect();
    requests.retain(|request| only.is_none_or(|only| request.id.contains(only)));
    requests
}

fn of_file(path: &Path) -> Vec<Request> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(of_line).collect()
}

fn of_line(line: &str) -> Request {
    let value: serde_json::Value = serde_json::from_str(line).expect("a JSON line");
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let headers = value["headers"].as_array().into_iter().flatten();
    let pair = |h: &serde_json::Value| (latin1(h[0].as_str().unwrap_or("")), latin1(h[1].as_str().unwrap_or("")));
    Request {
        id: text("id"),
        source: text("source"),
        label: text("label"),
        method: latin1(&text("method")),
        uri: latin1(&text("uri")),
        version: match text("version").as_str() {
            "HTTP/1.0" => Version::Http10,
            "HTTP/2" | "HTTP/2.0" => Version::Http2,
            _ => Version::Http11,
        },
        headers: headers.map(pair).collect(),
        body: STANDARD.decode(text("body_b64")).expect("base64"),
    }
}

fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
}

/// Limits that nothing recorded meets.
pub(crate) const fn limits() -> Limits {
    let mut limits = Limits::DEFAULT;
    limits.body = 1 << 30;
    limits.decoded_body = 1 << 30;
    limits.uri_length = 1 << 20;
    limits.query_parameters = 100_000;
    limits.cookies = 10_000;
    limits.header_count = 10_000;
    limits.header_length = 1 << 20;
    limits.header_bytes = 4 << 20;
    limits.arguments = 1_000_000;
    limits.argument_name_length = 1 << 20;
    limits.string_length = 1 << 30;
    limits.form_fields = 1_000_000;
    limits.json_depth = 512;
    limits.array_length = 1_000_000;
    limits.object_keys = 1_000_000;
    limits.multipart_parts = 100_000;
    limits.files = 10_000;
    limits.file_size = 1 << 30;
    limits
}
