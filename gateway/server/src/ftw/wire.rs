//! HTTP/1 in both directions, for requests that stay in this process and for answers that came over the network.
//!
//! A request is read as the gateway's HTTP library reads it: what that refuses before any phase runs (RFC 9112: a line
//! without a colon, a control character in a value, a method that is no token) is refused here, too, with the same bare
//! 400, and a fragment of the target is dropped as it drops it. Apart from that nothing is repaired: spelling, order and
//! repetitions of fields are kept, because rules look at them.

use rampart_message::Version;

use crate::asked::Request;

/// An answer as it was read, its transfer coding removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// A request, its transfer coding removed; nothing where the library answers a bare 400.
pub(crate) fn request(bytes: &[u8]) -> Option<Request> {
    let (head, rest) = split_head(bytes)?;
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let (method, target, version) = request_line(lines.next()?)?;
    let fields = lines.map(field_line).collect::<Option<Vec<_>>>()?;
    let first = |name: &[u8]| fields.iter().find(|(held, _)| held.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let chunked = first(b"transfer-encoding").is_some_and(|value| value.to_ascii_lowercase().ends_with(b"chunked"));
    let length = first(b"content-length").and_then(|value| std::str::from_utf8(value).ok()?.parse::<usize>().ok());
    let body = match length {
        _ if chunked => unchunk(rest)?,
        Some(length) => rest.get(..length).unwrap_or(rest).to_vec(),
        None => Vec::new(),
    };
    Some(Request { method, target, version, fields, body })
}

/// A whole answer. `to_head` says that it answers a HEAD: what its fields say of a body is about none.
pub(crate) fn answer(bytes: &[u8], to_head: bool) -> Option<Answer> {
    let (head, rest) = split_head(bytes)?;
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let fields: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let mut answer = Answer { status, fields, body: Vec::new() };
    if to_head || status < 200 || matches!(status, 204 | 304) {
        return Some(answer);
    }
    answer.body = match (answer.field("transfer-encoding"), answer.field("content-length")) {
        (Some(_), _) => unchunk(rest)?,
        (None, Some(length)) => rest.get(..length.parse().ok()?)?.to_vec(),
        (None, None) => rest.to_vec(),
    };
    Some(answer)
}

/// Whether `bytes` are a whole answer, so that there is no need to wait for the end of the connection.
pub(crate) fn is_whole(bytes: &[u8], to_head: bool) -> bool {
    let framed = |answer: &Answer| {
        to_head
            || matches!(answer.status, 204 | 304)
            || answer.field("transfer-encoding").is_some()
            || answer.field("content-length").is_some()
    };
    answer(bytes, to_head).is_some_and(|answer| framed(&answer))
}

/// What stands before and after the empty line.
fn split_head(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((bytes.get(..end)?, bytes.get(end + 4..)?))
}

fn request_line(line: &[u8]) -> Option<(Vec<u8>, Vec<u8>, Version)> {
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let version = match version {
        b"HTTP/1.0" => Version::Http10,
        b"HTTP/1.1" => Version::Http11,
        _ => return None,
    };
    let target = target.split(|byte| *byte == b'#').next()?;
    let is_sound = is_token(method) && !target.is_empty() && target.iter().all(|byte| *byte > b' ' && *byte != 0x7f);
    (is_sound && words.next().is_none()).then(|| (method.to_vec(), target.to_vec(), version))
}

fn field_line(line: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?.trim_ascii());
    let is_sound = is_token(name) && value.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control());
    is_sound.then(|| (name.to_vec(), value.to_vec()))
}

/// A token of RFC 9110 section 5.6.2.
fn is_token(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// The content of chunks (RFC 9112 section 7.1); nothing when they do not end.
fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = rest.get(..end)?.split(|byte| *byte == b';').next()?.trim_ascii();
        let size = usize::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
        if size == 0 {
            // Trailers, if any, up to an empty line.
            let trailers = rest.get(end..)?;
            return trailers.windows(4).any(|window| window == b"\r\n\r\n").then_some(content);
        }
        rest = rest.get(end + 2..)?;
        content.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

// === impl Answer ===

impl Answer {
    /// An answer with a status and nothing else.
    pub(crate) fn bare(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// The first value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(held, _)| held.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Head and body as text, to look for something in.
    pub(crate) fn text(&self) -> Vec<u8> {
        let mut text = format!("HTTP/1.1 {}\r\n", self.status).into_bytes();
        for (name, value) in &self.fields {
            text.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        text.extend_from_slice(b"\r\n");
        text.extend_from_slice(&self.body);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_stands() {
        let bytes = b"POST /a?b=\xc3\xa4 HTTP/1.1\r\nHost:h\r\nx-A:  1 \r\nX-a: \xff\r\nContent-Length: 3\r\n\r\nabcd";
        let read = request(bytes).unwrap();
        assert_eq!((&*read.method, &*read.target, &*read.body), (&b"POST"[..], &b"/a?b=\xc3\xa4"[..], &b"abc"[..]));
        let fields: Vec<_> = read.fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        let expect: [(&[u8], &[u8]); 4] =
            [(b"Host", b"h"), (b"x-A", b"1"), (b"X-a", b"\xff"), (b"Content-Length", b"3")];
        assert_eq!(fields, expect);
    }

    #[test]
    fn a_fragment_is_dropped() {
        let target = |line: &str| request(format!("{line}\r\n\r\n").as_bytes()).map(|request| request.target);
        assert_eq!(target("GET /a?b#c HTTP/1.1").as_deref(), Some(&b"/a?b"[..]));
        assert_eq!(target("GET #c HTTP/1.1"), None);
    }

    #[test]
    fn what_the_library_refuses_is_no_request() {
        for line in [
            "GET / HTTP/2.0",
            "GET  / HTTP/1.1",
            "GET /a b HTTP/1.1",
            "G(T / HTTP/1.1",
            "GET / HTTP/1.1\r\nX: a\rb",
            "GET / HTTP/1.1\r\nno colon",
            "GET / HTTP/1.1\r\n folded: 1",
            "GET / HTTP/1.1\r\nX : 1",
            "GET / HTTP/1.1\r\nX: \0",
        ] {
            assert!(request(format!("{line}\r\n\r\n").as_bytes()).is_none(), "{line:?}");
        }
        assert!(request(b"GET / HTTP/1.1\r\n").is_none(), "an unfinished head");
    }

    #[test]
    fn chunks_are_joined_and_must_end() {
        let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let body = |text: &str| request(format!("{head}{text}").as_bytes()).map(|request| request.body);
        assert_eq!(body("3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n").as_deref(), Some(&b"abcd"[..]));
        assert_eq!(body("0\r\nTrailer: 1\r\n\r\n").as_deref(), Some(&b""[..]));
        for bad in ["3\r\nabc\r\n", "3\r\nab", "x\r\n\r\n", "0\r\n", "2\r\nabc\r\n0\r\n\r\n"] {
            assert_eq!(body(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn an_answer_is_whole_when_its_framing_says_so() {
        let framed = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nX-Request-Id: 7\r\n\r\nno";
        let read = answer(framed, false).unwrap();
        assert_eq!((read.status, &*read.body, read.field("x-request-id")), (403, &b"no"[..], Some("7")));
        assert!(is_whole(framed, false) && !is_whole(&framed[..framed.len() - 1], false));
        assert!(is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true), "an answer to HEAD");
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
        assert!(is_whole(chunked, false) && !is_whole(&chunked[..chunked.len() - 2], false));
        let until_close = b"HTTP/1.1 200 OK\r\n\r\nsome";
        assert!(!is_whole(until_close, false));
        assert_eq!(answer(until_close, false).unwrap().body, b"some");
    }
}
