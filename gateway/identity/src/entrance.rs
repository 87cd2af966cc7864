//! The scheme and the port by which a client came in: where there are trusted proxies in front, those of the outermost.
//!
//! A load balancer that ends TLS speaks plain HTTP to this gateway. It says so in `X-Forwarded-Proto` and
//! `X-Forwarded-Port`, and from a trusted proxy each is taken if it is one plain value. A list, another scheme or a
//! repeated field is nobody's clear word; then what the connection itself tells is true. The host is never taken from
//! such a field: whoever routes by `Host` must tell upstreams the same host.

/// How a client came in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Entrance {
    /// Over TLS.
    pub https: bool,
    /// The port that it connected to.
    pub port: u16,
}

impl Entrance {
    /// `self` is what the connection tells. `scheme` and `port` are the field lines of `X-Forwarded-Proto` and
    /// `X-Forwarded-Port` where they come from a trusted proxy.
    #[must_use]
    pub fn through<'h>(self, scheme: impl Iterator<Item = &'h [u8]>, port: impl Iterator<Item = &'h [u8]>) -> Self {
        let https = only(scheme).and_then(parse_scheme).unwrap_or(self.https);
        let own = if https == self.https { self.port } else { default_port(https) };
        Self { https, port: only(port).and_then(parse_port).unwrap_or(own) }
    }

    /// `https` or `http`.
    pub const fn scheme(self) -> &'static str {
        if self.https { "https" } else { "http" }
    }
}

/// The value of a field that is there once.
fn only<'h>(mut lines: impl Iterator<Item = &'h [u8]>) -> Option<&'h [u8]> {
    let line = lines.next()?;
    lines.next().is_none().then_some(line)
}

fn parse_scheme(text: &[u8]) -> Option<bool> {
    [(&b"https"[..], true), (b"http", false)]
        .into_iter()
        .find_map(|(scheme, https)| text.eq_ignore_ascii_case(scheme).then_some(https))
}

/// 1 to 65,535, in digits without leading zeros.
fn parse_port(text: &[u8]) -> Option<u16> {
    let plain = matches!(text, [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit));
    std::str::from_utf8(text).ok().filter(|_| plain)?.parse().ok()
}

const fn default_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(own: (bool, u16), scheme: &[&str], port: &[&str], expect: (bool, u16)) {
        let bytes = |lines: &[&str]| lines.iter().map(|line| line.as_bytes().to_vec()).collect::<Vec<_>>();
        let (scheme, port) = (bytes(scheme), bytes(port));
        let came = Entrance { https: own.0, port: own.1 };
        let came = came.through(scheme.iter().map(Vec::as_slice), port.iter().map(Vec::as_slice));
        assert_eq!((came.https, came.port), expect, "{scheme:?} {port:?}");
    }

    #[test]
    fn one_plain_value_is_taken() {
        check((false, 8080), &[], &[], (false, 8080));
        check((false, 8080), &["https"], &[], (true, 443));
        check((false, 8080), &["HTTPS"], &["8443"], (true, 8443));
        check((true, 8443), &["http"], &[], (false, 80));
        check((true, 8443), &["https"], &[], (true, 8443));
        check((false, 8080), &[], &["80"], (false, 80));
    }

    #[test]
    fn anything_else_is_not() {
        for scheme in ["", "https,http", "https, https", "wss", "httpss", " https", "https\0"] {
            check((false, 8080), &[scheme], &[], (false, 8080));
        }
        check((false, 8080), &["https", "https"], &[], (false, 8080));
        for port in ["", "0", "080", "+80", "65536", "443,80", "80 ", "999999999999999999999"] {
            check((false, 8080), &[], &[port], (false, 8080));
        }
        check((false, 8080), &[], &["80", "80"], (false, 8080));
    }
}
