//! Request lines that browsers would have written otherwise: `"`, `<` and `>` in the target, percent-encoded.
//!
//! No URI holds them (RFC 3986), but servers take them, and attacks are full of them. The library's URI type refuses them
//! before any phase runs, with a bare 400: no rule looks at the request and no event tells of it. Encoded as the URL
//! standard encodes them (WHATWG, query and path percent-encode sets) they mean the same to whoever decodes the target, and
//! the rules see the attack. Pingora itself does so with what its parser refuses.
//!
//! Only a request line that arrived whole in one read is changed, and only its target, so framing is what it was. Nothing
//! else is ever changed; a pipelined request or a longer line is refused as before.

/// The longest head of a read that is looked at: what the library reads at first.
const LINE_MAX: usize = 16 * 1024;

/// What was read, its request line encoded; `None` when there is nothing to encode.
pub(super) fn encoded(read: &[u8]) -> Option<Vec<u8>> {
    let end = read.iter().take(LINE_MAX).position(|byte| *byte == b'\n')?;
    let (line, rest) = read.split_at_checked(end)?;
    if !line.iter().any(|byte| is_refused(*byte)) {
        return None;
    }
    let start = line.iter().position(|byte| *byte == b' ')? + 1;
    let version = line.iter().rposition(|byte| *byte == b' ')?;
    let (method, target, version) = (line.get(..start - 1)?, line.get(start..version)?, line.get(version..)?);
    let is_request_line = !method.is_empty()
        && method.iter().all(u8::is_ascii_alphabetic)
        && !target.contains(&b' ')
        && version.strip_suffix(b"\r").unwrap_or(version).starts_with(b" HTTP/1.");
    if !is_request_line {
        return None;
    }
    let mut out = Vec::with_capacity(read.len() + 2 * target.len());
    out.extend_from_slice(line.get(..start)?);
    push_target(&mut out, target);
    out.extend_from_slice(version);
    out.extend_from_slice(rest);
    Some(out)
}

const fn is_refused(byte: u8) -> bool {
    matches!(byte, b'"' | b'<' | b'>' | b'`')
}

/// The target, with what the library refuses encoded: `<`, `>` and the back quote in a path, `"`, `<` and `>` in a query.
fn push_target(out: &mut Vec<u8>, target: &[u8]) {
    let mut in_query = false;
    for &byte in target {
        in_query |= byte == b'?';
        match byte {
            b'<' => out.extend_from_slice(b"%3C"),
            b'>' => out.extend_from_slice(b"%3E"),
            b'"' if in_query => out.extend_from_slice(b"%22"),
            b'`' if !in_query => out.extend_from_slice(b"%60"),
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(read: &str, expect: Option<&str>) {
        let got = encoded(read.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(got.as_deref(), expect, "{read:?}");
    }

    #[test]
    fn what_no_uri_holds_is_encoded_in_the_target_alone() {
        check(
            "GET /a?x=<b \"c>\" HTTP/1.1\r\n\r\n",
            None, // a space: not one target
        );
        check(
            "GET /a?x=<\"`> HTTP/1.1\r\nX: \"<\r\n\r\n<body>",
            Some("GET /a?x=%3C%22`%3E HTTP/1.1\r\nX: \"<\r\n\r\n<body>"),
        );
        check("POST /<`\"> HTTP/1.0\r\n", Some("POST /%3C%60\"%3E HTTP/1.0\r\n"));
        check("GET http://h/?\" HTTP/1.1\nHost: h\n\n", Some("GET http://h/?%22 HTTP/1.1\nHost: h\n\n"));
    }

    #[test]
    fn everything_else_stays() {
        for read in [
            "",
            "GET / HTTP/1.1\r\nX: \"<>\r\n\r\n<body>",
            "GET /?x=<",
            "X: \"<> y HTTP/1.1\r\n",
            "\"quoted\" text\r\n",
            "GET /?\"\r\n",
            "GET /?\" FTP/1.1\r\n",
            "\r\nGET /?\" HTTP/1.1\r\n",
        ] {
            check(read, None);
        }
    }
}
