//! What the fuzz targets share: a message made of fuzzed pieces, and the laws that hold for every message.
//!
//! A target hands its input to one parser through the public interface and then checks [`laws`] and what is special to the
//! parser. Where a slow, obvious oracle exists the two must agree.

use rampart_message::{At, Body, Head, Headers, Kind, Limits, Message, Name, Scratch, Version};

/// Fields of a head.
pub type Fields<'a> = [(&'a [u8], &'a [u8])];

/// Reads a message of `target`, `fields` and `body` and hands it to `check`, after the laws were checked.
pub fn message(target: &[u8], fields: &Fields<'_>, body: &[u8], check: impl FnOnce(&Message<'_>, &Body<'_>)) {
    let limits = Limits::DEFAULT;
    let headers = Headers::new(fields);
    let head = Head { method: b"POST", target, version: Version::Http11, authority: None, headers };
    let opened = Body::open(&headers, body, &limits);
    let mut scratch = Scratch::new();
    let mut message = Message::parse_head(head, &limits, &mut scratch);
    if !body.is_empty() {
        message.parse_body(&opened, &limits);
    }
    laws(&message, &opened, &limits);
    check(&message, &opened);
    message.recycle(&mut scratch);
}

/// What holds for every message.
fn laws(message: &Message<'_>, body: &Body<'_>, limits: &Limits) {
    // One value more than the bound: a body that did not parse.
    assert!(message.values.len() <= limits.arguments + 1);
    assert!(message.nodes.len() <= 2 * limits.arguments);
    assert!(message.problems.len() <= 400, "problems are bounded by their codes");
    for (node, index) in message.nodes.iter().zip(0..) {
        assert!(node.parent <= index, "a parent stands before its children");
    }
    for value in &message.values {
        if let Name::Node(node) = value.name {
            assert!((node as usize) < message.nodes.len());
        }
        assert!(value.bytes.len() <= body.decoded().len().max(3 * message.head.target.len()).max(longest(message)));
    }
    for problem in &message.problems {
        assert!(!message.describe(problem).is_empty());
    }
    if message.body.is_some_and(|facts| !facts.well_formed && !facts.decoded.is_empty()) {
        let whole = message.values.last().expect("a body that is not well-formed is a value");
        assert!(whole.kind == Kind::Body && *whole.bytes == *body.decoded());
        assert!(!message.problems.is_empty(), "it is said why");
    }
    assert!(message.names().count() <= message.values.len() + message.nodes.len());
    assert_eq!(message.locate(At::Body), "body");
}

fn longest(message: &Message<'_>) -> usize {
    message.head.headers.iter().map(|(name, value)| name.len().max(value.len())).max().unwrap_or(0)
}

/// Splits `input` at its first NUL: two fuzzed pieces of one input.
pub fn halves(input: &[u8]) -> (&[u8], &[u8]) {
    let at = input.iter().position(|&byte| byte == 0);
    at.map_or((input, b""), |at| (&input[..at], &input[at + 1..]))
}

/// Urlencoded pairs, byte by byte and without shortcuts.
pub fn pairs(input: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let pieces = input.split(|&byte| byte == b'&').filter(|piece| !piece.is_empty());
    pieces
        .map(|piece| {
            let mut halves = piece.splitn(2, |&byte| byte == b'=');
            (decoded(halves.next().unwrap_or_default()), decoded(halves.next().unwrap_or_default()))
        })
        .collect()
}

fn decoded(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).filter(|two| two.iter().all(u8::is_ascii_hexdigit));
        match (bytes[at], digits.and_then(|two| std::str::from_utf8(two).ok())) {
            (b'%', Some(two)) => {
                out.push(u8::from_str_radix(two, 16).expect("two hexadecimal digits"));
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    out
}

/// The values of `kind` as pairs.
pub fn flat(message: &Message<'_>, kind: Kind) -> Vec<(Vec<u8>, Vec<u8>)> {
    let values = message.values.iter().filter(|value| value.kind == kind);
    values.map(|value| (message.flat_name(value).unwrap_or_default().to_vec(), value.bytes.to_vec())).collect()
}
