//! What must hold of a head before anything else is asked: one length, one host.
//!
//! These protect the process and whoever parses the message next, so no profile switches them off. They stand beside
//! what the HTTP library refuses by itself, on purpose: a smuggled request is one that two parsers read differently
//! (RFC 9112 section 11.2), and the library is one of the two.

use rampart_message::{Head, Headers, Version};

use crate::{Code, Declared, Refusal};

/// Longest host that is taken, in bytes: 253 of a name (RFC 1035 section 2.3.4) and a port.
const MAX_HOST: usize = 260;

/// Refuses framing that can be read in two ways (RFC 9112 section 6.3).
pub(crate) fn framing(head: &Head<'_>) -> Result<(), Refusal> {
    let mut lengths = head.headers.get_all("content-length");
    let length = lengths.next();
    if lengths.next().is_some() || length.is_some_and(|value| !is_length(value)) {
        return Err(invalid("Content-Length is repeated or is no number"));
    }
    let mut codings = head.headers.get_all("transfer-encoding");
    let coding = codings.next();
    if coding.is_none() {
        return Ok(());
    }
    if length.is_some() {
        return Err(invalid("the request has both Content-Length and Transfer-Encoding"));
    }
    if head.version != Version::Http11 {
        return Err(invalid("Transfer-Encoding exists in HTTP/1.1 only"));
    }
    if codings.next().is_some() || !coding.is_some_and(|value| value.eq_ignore_ascii_case(b"chunked")) {
        return Err(invalid("the only transfer coding taken is chunked, once"));
    }
    Ok(())
}

fn is_length(value: &[u8]) -> bool {
    (1..=19).contains(&value.len()) && value.iter().all(u8::is_ascii_digit)
}

fn invalid(error: &'static str) -> Refusal {
    Refusal::new(Code::FramingInvalid, error, "Send each request with one unambiguous length")
}

/// The host that the request is for: the target's own authority, else `:authority`, else the one `Host` field
/// (RFC 9112 section 3.2.2, RFC 9113 section 8.3.1). Empty for an HTTP/1.0 request that names none.
pub(crate) fn host<'a>(head: &Head<'a>, in_target: Option<&'a [u8]>) -> Result<&'a [u8], Refusal> {
    let mut fields = head.headers.get_all("host");
    let field = fields.next();
    if fields.next().is_some() {
        return Err(bad_host("the request has more than one Host field"));
    }
    let authority = in_target.or(head.authority.filter(|given| !given.is_empty()));
    if head.version == Version::Http2 && authority.zip(field).is_some_and(|(a, b)| !a.eq_ignore_ascii_case(b)) {
        return Err(bad_host("Host and :authority differ"));
    }
    let host = match authority.or(field) {
        Some(host) => host,
        None if head.version == Version::Http10 => return Ok(b""),
        None => return Err(bad_host("the request names no host")),
    };
    if field.is_some_and(|field| !is_host(field)) || !is_host(host) {
        return Err(bad_host("the host is no name or address"));
    }
    Ok(host)
}

/// `uri-host [ ":" port ]` of RFC 9110 section 7.2, without user information and with the bytes that real names have.
fn is_host(host: &[u8]) -> bool {
    if host.is_empty() || host.len() > MAX_HOST {
        return false;
    }
    let (name, port) = match host.strip_prefix(b"[") {
        Some(rest) => {
            let Some(end) = memchr::memchr(b']', rest) else { return false };
            let (address, after) = rest.split_at(end);
            if address.is_empty() || !address.iter().all(|&b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.')) {
                return false;
            }
            match after.strip_prefix(b"]").unwrap_or_default() {
                b"" => return true,
                rest => (&b"x"[..], rest.strip_prefix(b":")),
            }
        }
        None => match memchr::memchr(b':', host) {
            Some(at) => (host.get(..at).unwrap_or_default(), host.get(at + 1..)),
            None => return is_name(host),
        },
    };
    is_name(name) && port.is_some_and(|port| port.len() <= 5 && port.iter().all(u8::is_ascii_digit))
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
}

fn bad_host(error: &'static str) -> Refusal {
    Refusal::new(Code::HostInvalid, error, "Name the host once, as a name or an address, with an optional port")
}

/// Whether the request becomes a WebSocket: a handshake of RFC 6455 section 4.1, and nothing that only looks like one.
///
/// What follows a handshake passes unread, so the two fields alone must not make one of a request that has a body. A request
/// that names both and is no handshake is refused.
pub(crate) fn websocket(head: &Head<'_>, declared: Declared) -> Result<bool, Refusal> {
    let names = |field: &str, word: &[u8]| {
        head.headers
            .get_all(field)
            .any(|value| value.split(|&b| b == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(word)))
    };
    if !names("upgrade", b"websocket") || !names("connection", b"upgrade") {
        return Ok(false);
    }
    let one = |field: &str| {
        let mut values = head.headers.get_all(field);
        values.next().filter(|_| values.next().is_none()).map(<[u8]>::trim_ascii)
    };
    let handshake = head.method == b"GET"
        && head.version == Version::Http11
        && declared == Declared::Nothing
        && head.headers.get("content-length").is_none_or(|length| length == b"0")
        && head.headers.get("transfer-encoding").is_none()
        && one("sec-websocket-key").is_some_and(|key| !key.is_empty())
        && one("sec-websocket-version") == Some(b"13");
    if handshake {
        return Ok(true);
    }
    Err(Refusal::new(
        Code::UpgradeRefused,
        "the request asks for a WebSocket and is no handshake of one",
        "Send GET over HTTP/1.1 without a body, with Sec-WebSocket-Key and Sec-WebSocket-Version 13",
    ))
}

/// Refuses an expectation that nobody here meets (RFC 9110 section 10.1.1).
pub(crate) fn expectation(headers: &Headers<'_>) -> Result<(), Refusal> {
    match headers.get("expect") {
        Some(value) if !value.trim_ascii().eq_ignore_ascii_case(b"100-continue") => Err(Refusal::new(
            Code::ExpectationFailed,
            "the request expects something other than 100-continue",
            "Send the request without its Expect field",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(version: Version, fields: &[(&[u8], &[u8])]) -> (Result<(), Code>, Result<String, Code>) {
        let head = Head { method: b"POST", target: b"/", version, authority: None, headers: Headers::new(fields) };
        let host = host(&head, None).map(|host| String::from_utf8_lossy(host).into_owned());
        (framing(&head).map_err(|r| r.code), host.map_err(|r| r.code))
    }

    #[test]
    fn framing_that_can_be_read_twice_is_refused() {
        let good: &[&[(&[u8], &[u8])]] = &[
            &[],
            &[(b"Content-Length", b"0")],
            &[(b"Content-Length", b"12")],
            &[(b"Transfer-Encoding", b"chunked")],
            &[(b"Transfer-Encoding", b"Chunked")],
        ];
        for fields in good {
            assert_eq!(check(Version::Http11, fields).0, Ok(()), "{fields:?}");
        }
        let bad: &[&[(&[u8], &[u8])]] = &[
            &[(b"Content-Length", b"1"), (b"Content-Length", b"1")],
            &[(b"Content-Length", b"1, 1")],
            &[(b"Content-Length", b"+1")],
            &[(b"Content-Length", b"-1")],
            &[(b"Content-Length", b"0x1")],
            &[(b"Content-Length", b"")],
            &[(b"Content-Length", b"99999999999999999999")],
            &[(b"Content-Length", b"1"), (b"Transfer-Encoding", b"chunked")],
            &[(b"Transfer-Encoding", b"chunked"), (b"Transfer-Encoding", b"chunked")],
            &[(b"Transfer-Encoding", b"gzip, chunked")],
            &[(b"Transfer-Encoding", b"identity")],
            &[(b"Transfer-Encoding", b"xchunked")],
        ];
        for fields in bad {
            assert_eq!(check(Version::Http11, fields).0, Err(Code::FramingInvalid), "{fields:?}");
        }
        let chunked: &[(&[u8], &[u8])] = &[(b"Transfer-Encoding", b"chunked")];
        assert_eq!(check(Version::Http10, chunked).0, Err(Code::FramingInvalid));
    }

    #[test]
    fn a_host_is_named_once_and_is_one() {
        for good in ["a", "a.example:8080", "127.0.0.1:80", "[::1]", "[::1]:8080", "A_b-c.example."] {
            assert_eq!(check(Version::Http11, &[(b"Host", good.as_bytes())]).1, Ok(good.to_owned()));
        }
        for bad in ["", "a b", "a/b", "a@b", "a:b", "a:123456", "[::1", "[x]", "[::1]8080", "a,b", "a:80:80", "ä"] {
            assert_eq!(check(Version::Http11, &[(b"Host", bad.as_bytes())]).1, Err(Code::HostInvalid), "{bad}");
        }
        assert_eq!(check(Version::Http11, &[]).1, Err(Code::HostInvalid));
        assert_eq!(check(Version::Http10, &[]).1, Ok(String::new()));
        assert_eq!(check(Version::Http11, &[(b"Host", b"a"), (b"host", b"a")]).1, Err(Code::HostInvalid));
    }

    #[test]
    fn authority_goes_before_host_and_may_not_contradict_it() {
        let fields: [(&[u8], &[u8]); 1] = [(b"host", b"b.example")];
        let head = |version, authority| Head {
            method: b"GET",
            target: b"/",
            version,
            authority,
            headers: Headers::new(&fields),
        };
        let both = head(Version::Http2, Some(&b"a.example"[..]));
        assert_eq!(host(&both, None).map_err(|r| r.code), Err(Code::HostInvalid));
        let absolute = head(Version::Http11, None);
        assert_eq!(host(&absolute, Some(b"a.example")), Ok(&b"a.example"[..]));
    }

    #[test]
    fn a_websocket_is_a_whole_handshake_and_nothing_less() {
        type Fields<'a> = &'a [(&'a [u8], &'a [u8])];
        const UPGRADE: (&[u8], &[u8]) = (b"Upgrade", b"websocket");
        const CONNECTION: (&[u8], &[u8]) = (b"Connection", b"keep-alive, Upgrade");
        const KEY: (&[u8], &[u8]) = (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ==");
        const VERSION: (&[u8], &[u8]) = (b"Sec-WebSocket-Version", b"13");
        const HANDSHAKE: Fields<'_> = &[UPGRADE, CONNECTION, KEY, VERSION];
        #[track_caller]
        fn check(method: &str, version: Version, declared: Declared, fields: Fields<'_>, expect: Result<bool, Code>) {
            let headers = Headers::new(fields);
            let head = Head { method: method.as_bytes(), target: b"/", version, authority: None, headers };
            assert_eq!(websocket(&head, declared).map_err(|refusal| refusal.code), expect, "{fields:?}");
        }
        let http11 = |fields, expect| check("GET", Version::Http11, Declared::Nothing, fields, expect);
        http11(HANDSHAKE, Ok(true));
        http11(&[UPGRADE, CONNECTION, KEY, VERSION, (b"Content-Length", b"0")], Ok(true));
        http11(&[UPGRADE, KEY, VERSION], Ok(false));
        http11(&[(b"Upgrade", b"h2c"), CONNECTION, KEY, VERSION], Ok(false));
        http11(&[CONNECTION, KEY, VERSION], Ok(false));

        let refused = Err(Code::UpgradeRefused);
        http11(&[UPGRADE, CONNECTION, VERSION], refused);
        http11(&[UPGRADE, CONNECTION, KEY], refused);
        http11(&[UPGRADE, CONNECTION, VERSION, (b"Sec-WebSocket-Key", b" ")], refused);
        http11(&[UPGRADE, CONNECTION, VERSION, KEY, KEY], refused);
        http11(&[UPGRADE, CONNECTION, KEY, (b"Sec-WebSocket-Version", b"8")], refused);
        http11(&[UPGRADE, CONNECTION, KEY, (b"Sec-WebSocket-Version", b"13, 8")], refused);
        http11(&[UPGRADE, CONNECTION, KEY, VERSION, (b"Content-Length", b"5")], refused);
        http11(&[UPGRADE, CONNECTION, KEY, VERSION, (b"Transfer-Encoding", b"chunked")], refused);
        for method in ["POST", "PUT", "HEAD", "get"] {
            check(method, Version::Http11, Declared::Nothing, HANDSHAKE, refused);
        }
        check("GET", Version::Http10, Declared::Nothing, HANDSHAKE, refused);
        check("GET", Version::Http2, Declared::Nothing, HANDSHAKE, refused);
        check("GET", Version::Http11, Declared::Length(1), HANDSHAKE, refused);
        check("GET", Version::Http11, Declared::Unknown, HANDSHAKE, refused);
    }
}
