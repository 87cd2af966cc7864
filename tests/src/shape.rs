//! Request bytes, well-formed and not: what a raw client sends.

use bytes::Bytes;

/// The boundaries at which the gateway changes its way of holding a body (64 KiB is Pingora's retry buffer), and the
/// ends of the range that the contract names.
pub const BODY_SIZES: [usize; 8] = [0, 1, 65_535, 65_536, 65_537, 131_073, 1 << 20, 10 << 20];

/// A request head for HTTP/1.1 with `Host: gateway.test` and the given further field lines.
pub fn head(method: &str, target: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: gateway.test\r\n");
    for (name, value) in fields {
        head.push_str(name);
        head.push_str(": ");
        head.push_str(value);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// A GET without a body.
pub fn get(target: &str) -> Vec<u8> {
    head("GET", target, &[])
}

/// A POST with Content-Length.
pub fn post(target: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes =
        head("POST", target, &[("Content-Type", content_type), ("Content-Length", &body.len().to_string())]);
    bytes.extend_from_slice(body);
    bytes
}

/// A POST in chunks of `chunk` bytes.
pub fn post_chunked(target: &str, content_type: &str, body: &[u8], chunk: usize) -> Vec<u8> {
    let mut bytes = head("POST", target, &[("Content-Type", content_type), ("Transfer-Encoding", "chunked")]);
    bytes.extend_from_slice(&chunked(body, chunk));
    bytes
}

/// `body` in the chunked transfer coding (RFC 9112 section 7.1), its last chunk included.
pub fn chunked(body: &[u8], chunk: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len() + 64);
    for piece in body.chunks(chunk) {
        bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// A benign JSON text of exactly `size` bytes, whatever the size, within the shipped content limits: no string longer
/// than 10,000 characters, no array longer than 1,000 elements, no deeper than 10. Below 2 bytes there is no such
/// document but a digit; nothing at all for 0.
pub fn benign_json(size: usize) -> Bytes {
    match size {
        0 => return Bytes::new(),
        1 => return Bytes::from_static(b"7"),
        _ => {}
    }
    // An array of at most 1,000 arrays of two long strings each; few values, so that no limit on their number is met.
    let sentence = b"the quarterly figures are ready and a short note for the team about shipping dates would be kind ";
    let mut out = Vec::with_capacity(size);
    out.push(b'[');
    let mut row = 0;
    while size - out.len() > 20_000 {
        if row > 0 {
            out.push(b',');
        }
        out.push(b'[');
        push_string(&mut out, sentence, 9_000);
        out.push(b',');
        push_string(&mut out, sentence, 9_000);
        out.push(b']');
        row += 1;
    }
    // The rest, exactly: whitespace is as good as any byte between tokens, and a string of what fits.
    let left = size - out.len() - 1;
    let comma = usize::from(row > 0);
    if left > comma + 2 {
        if row > 0 {
            out.push(b',');
        }
        let text = (left - comma - 2).min(9_000);
        push_string(&mut out, sentence, text);
    }
    while out.len() < size - 1 {
        out.push(b' ');
    }
    out.push(b']');
    assert_eq!(out.len(), size, "the builder of benign documents is off");
    Bytes::from(out)
}

fn push_string(out: &mut Vec<u8>, sentence: &[u8], length: usize) {
    out.push(b'"');
    out.extend(sentence.iter().copied().cycle().take(length));
    out.push(b'"');
}

/// The SQL injection of the contract, followed by so much benign text that the document has `size` bytes: the attack
/// stands at the very end, so that a gateway that judges a prefix lets it through.
pub fn hostile_json(size: usize) -> Bytes {
    let attack = br#""'; DROP TABLE users; --""#;
    let tail = [b",".as_slice(), attack, b"]"].concat();
    if size < tail.len() + 2 + 2 {
        return Bytes::from(SQL_INJECTION.as_bytes().to_vec());
    }
    let front = benign_json(size - tail.len());
    // The front's closing bracket becomes a space: `[ ... , attack ]`.
    let mut out = front.to_vec();
    out.pop();
    if out.iter().all(|byte| *byte == b'[' || *byte == b' ') {
        out.extend_from_slice(b"0");
    } else {
        out.push(b' ');
    }
    out.extend_from_slice(&tail);
    Bytes::from(out)
}

/// The request body of the SQL injection contract.
pub const SQL_INJECTION: &str = r#"{"title": "'; DROP TABLE users; --"}"#;

/// JSON nested `depth` arrays deep.
pub fn deep_json(depth: usize) -> Vec<u8> {
    [vec![b'['; depth], b"1".to_vec(), vec![b']'; depth]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_have_their_size_and_are_json() {
        for size in
            BODY_SIZES.into_iter().chain([2, 3, 100, 1_024, 1_025, 9_003, 20_001, 20_002, 20_003, 38_010, 38_011])
        {
            let body = benign_json(size);
            assert_eq!(body.len(), size);
            if size > 0 {
                let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
                assert!(json.as_array().is_none_or(|rows| rows.len() <= 1_000), "{size}");
            }
        }
    }

    #[test]
    fn hostile_documents_are_json_and_hold_the_attack_at_their_end() {
        for size in BODY_SIZES {
            let body = hostile_json(size);
            assert!(body.len() == size || size < SQL_INJECTION.len(), "{size}");
            serde_json::from_slice::<serde_json::Value>(&body).unwrap_or_else(|error| panic!("{size}: {error}"));
            let end = &body[body.len().saturating_sub(40)..];
            assert!(end.windows(10).any(|window| window == b"DROP TABLE"), "{size}");
        }
    }

    #[test]
    fn chunks_are_framed() {
        assert_eq!(chunked(b"abcde", 2), b"2\r\nab\r\n2\r\ncd\r\n1\r\ne\r\n0\r\n\r\n");
        assert_eq!(chunked(b"", 2), b"0\r\n\r\n");
    }
}
