//! One entry of a hop header, as an address.
//!
//! `X-Forwarded-For` has no specification; what proxies write is an address, sometimes with a port, IPv6 sometimes in
//! brackets. `Forwarded` (RFC 7239 sections 4 and 6) has `for=` parameters, where an address may be quoted, and where
//! `unknown` and `_obfuscated` names stand for hops that a proxy would not tell. What is not plainly an address gives
//! `None`: nothing is guessed, completed or resolved.

use std::net::{IpAddr, Ipv6Addr};

/// The longest entry looked at, in bytes: a bracketed IPv6 address with embedded IPv4 and a port has 53.
const MAX_ENTRY_BYTES: usize = 64;

/// The address in an entry of `X-Forwarded-For`: `192.0.2.1`, `192.0.2.1:8080`, `2001:db8::1`, `[2001:db8::1]`,
/// `[2001:db8::1]:8080`, with blanks around it. IPv4-mapped IPv6 becomes IPv4.
pub fn parse_entry(entry: &[u8]) -> Option<IpAddr> {
    let entry = trim(entry);
    if entry.len() > MAX_ENTRY_BYTES {
        return None;
    }
    parse_node(std::str::from_utf8(entry).ok()?, Ipv6Form::Either)
}

/// The address in the `for=` of one element of `Forwarded`, such as `for="[2001:db8::1]:4711";proto=https`. An element
/// without `for=`, or with two, is malformed; so is one in which any parameter is neither a token nor a whole quoted
/// string. That strictness is what makes it safe to cut a field value at every comma: a piece that began inside a
/// quoted string has an odd number of quotes and cannot pass.
pub fn parse_forwarded_element(element: &[u8]) -> Option<IpAddr> {
    let mut address = None;
    for parameter in Split::new(trim(element), b';') {
        let equals = parameter.iter().position(|&byte| byte == b'=')?;
        let (name, value) = parameter.split_at_checked(equals)?;
        let value = value.get(1..)?;
        if !is_token(name) || !(is_token(value) || is_quoted_string(value)) {
            return None;
        }
        if name.eq_ignore_ascii_case(b"for") && address.replace(parse_forwarded_for(value)?).is_some() {
            return None;
        }
    }
    address
}

/// Unquoted there is room for IPv4 without a port only: colons and brackets are no token characters (RFC 7239
/// section 4).
fn parse_forwarded_for(value: &[u8]) -> Option<IpAddr> {
    if value.len() > MAX_ENTRY_BYTES {
        return None;
    }
    let text = std::str::from_utf8(value).ok()?;
    match text.strip_prefix('"') {
        Some(rest) => parse_node(rest.strip_suffix('"')?, Ipv6Form::Bracketed),
        None => text.parse().ok().filter(IpAddr::is_ipv4).filter(is_host),
    }
}

/// One or more `tchar` (RFC 9110 section 5.6.2).
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// A quoted string with nothing before or after it (RFC 9110 section 5.6.4).
fn is_quoted_string(text: &[u8]) -> bool {
    let [b'"', inside @ .., b'"'] = text else { return false };
    let mut escaped = false;
    for &byte in inside {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return false,
            _ => {}
        }
    }
    !escaped
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ipv6Form {
    Either,
    Bracketed,
}

fn parse_node(text: &str, form: Ipv6Form) -> Option<IpAddr> {
    let address = if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        if !port.is_empty() {
            check_port(port.strip_prefix(':')?)?;
        }
        IpAddr::V6(address.parse::<Ipv6Addr>().ok()?)
    } else if let Ok(address) = text.parse::<IpAddr>() {
        if address.is_ipv6() && form == Ipv6Form::Bracketed {
            return None;
        }
        address
    } else {
        let (address, port) = text.split_once(':')?;
        check_port(port)?;
        IpAddr::V4(address.parse().ok()?)
    };
    Some(address.to_canonical()).filter(is_host)
}

/// The unspecified address, multicast and broadcast name nobody who could have sent a request.
pub(crate) fn is_host(address: &IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !(address.is_unspecified() || address.is_multicast() || broadcast)
}

/// One to five digits, at most 65,535. The number itself says nothing about the client.
fn check_port(port: &str) -> Option<u16> {
    if !port.bytes().all(|byte| byte.is_ascii_digit()) || port.len() > 5 {
        return None;
    }
    port.parse().ok()
}

/// Without the blanks and tabs around it (OWS of RFC 9110 section 5.6.3).
pub(crate) fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// The parts between separators that stand outside quoted strings. An unfinished quoted string reaches to the end.
struct Split<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> Split<'a> {
    fn new(text: &'a [u8], separator: u8) -> Self {
        Self { rest: Some(text), separator }
    }
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let text = self.rest.take()?;
        let (mut quoted, mut escaped) = (false, false);
        for (at, &byte) in text.iter().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ if byte == self.separator && !quoted => {
                    let (part, rest) = text.split_at_checked(at)?;
                    self.rest = rest.get(1..);
                    return Some(part);
                }
                _ => {}
            }
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check_element(element: &str, expect: Option<&str>) {
        let expect = expect.map(|address| address.parse::<IpAddr>().unwrap());
        assert_eq!(parse_forwarded_element(element.as_bytes()), expect, "{element}");
    }

    #[test]
    fn forwarded_elements() {
        check_element("for=192.0.2.60;proto=http;by=203.0.113.43", Some("192.0.2.60"));
        check_element("For=\"[2001:db8:cafe::17]:4711\"", Some("2001:db8:cafe::17"));
        check_element(" proto=https;FOR=\"192.0.2.43:80\" ", Some("192.0.2.43"));
        check_element("for=192.0.2.43;host=\"a;for=6.6.6.6\"", Some("192.0.2.43"));
        check_element("for=192.0.2.43;host=\"a\\\";for=6.6.6.6\"", Some("192.0.2.43"));
        check_element("for=unknown", None);
        check_element("for=\"_gazonk\"", None);
        check_element("for=192.0.2.43:80", None);
        check_element("for=2001:db8::1", None);
        check_element("for=\"2001:db8::1\"", None);
        check_element("for=192.0.2.1;for=192.0.2.2", None);
        check_element("proto=https", None);
        check_element("for = 192.0.2.1", None);
        check_element("for=192.0.2.1;", None);
        check_element("for=192.0.2.1;x=\"", None);
        check_element("for=\"192.0.2.1", None);
        check_element("for=\"192.0.2.1\"x", None);
        check_element("", None);
    }

    proptest! {
        /// No fragment of a quoted string that a proxy wrote, cut at a comma inside it, can pass for an element.
        #[test]
        fn a_fragment_of_a_quoted_string_is_never_an_element(host in "[ -~]{0,40}", rest in "(;proto=https|;by=\"_x\")?") {
            let escaped = host.replace('\\', "\\\\").replace('"', "\\\"");
            let line = format!("{escaped}\"{rest}");
            for at in line.match_indices(',').map(|(at, _)| at) {
                if at < escaped.len() {
                    prop_assert_eq!(parse_forwarded_element(&line.as_bytes()[at + 1..]), None);
                }
            }
            prop_assert_eq!(parse_forwarded_element(format!("for=6.6.6.6;x={line}").as_bytes()), None);
        }

        /// What an address prints as is read back, in every form that proxies write it in.
        #[test]
        fn addresses_are_read_back(address: IpAddr, port: u16) {
            let expect = Some(address.to_canonical()).filter(is_host);
            prop_assert_eq!(parse_entry(address.to_string().as_bytes()), expect);
            let with_port = std::net::SocketAddr::new(address, port).to_string();
            prop_assert_eq!(parse_entry(with_port.as_bytes()), expect);
            let element = format!("for=\"{with_port}\"");
            prop_assert_eq!(parse_forwarded_element(element.as_bytes()), expect);
        }

        #[test]
        fn nothing_panics(entry: Vec<u8>) {
            let _ = (parse_entry(&entry), parse_forwarded_element(&entry));
        }
    }
}
