//! One configured address of an upstream: scheme, host, port.
//!
//! The host is a DNS name or an IP literal. Written as a URL (`http://127.0.0.1:9000`, `https://api.example.com`) or as
//! `host:port`. An address has no path, query or user: what is sent there is the route's business.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// The longest DNS name, in characters (RFC 1035 section 2.3.4, as text).
const MAX_NAME_CHARS: usize = 253;
/// The longest label of a DNS name, in characters.
const MAX_LABEL_CHARS: usize = 63;

/// How an address is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

/// Where an address is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A DNS name, in lower case; resolved by whoever runs the pool.
    Name(Box<str>),
    /// An IP address, in canonical form.
    Ip(IpAddr),
}

/// One configured address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    scheme: Scheme,
    host: Host,
    port: u16,
    /// `host:port`, IPv6 in brackets: the key of resolutions and the label of metrics.
    authority: Arc<str>,
    /// The host as it stands in a certificate.
    server_name: Box<str>,
}

/// Why a text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// A scheme other than `http` and `https`.
    #[error("unknown scheme \"{0}\"")]
    Scheme(String),
    /// A user in front of the host.
    #[error("an address cannot hold a user or a password")]
    User,
    /// Something behind the port.
    #[error("an address ends with its port: \"{0}\" does not belong here")]
    Path(String),
    /// Neither a name nor an IP address.
    #[error("\"{0}\" is neither a host name nor an IP address")]
    Host(String),
    /// Not a port.
    #[error("\"{0}\" is not a port from 1 to 65535")]
    Port(String),
    /// No port, and no scheme that would give one.
    #[error("the port is missing")]
    NoPort,
}

impl Scheme {
    /// The port that the scheme stands for.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// As it is written in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl Address {
    /// Reads a URL without a path, or `host:port`, which is spoken to by `otherwise`.
    pub fn parse(text: &str, otherwise: Scheme) -> Result<Self, InvalidAddress> {
        let (scheme, rest) = match text.split_once("://") {
            None => (None, text),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Some(Scheme::Http), rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Some(Scheme::Https), rest),
            Some((scheme, _)) => return Err(InvalidAddress::Scheme(scheme.to_owned())),
        };
        // A single slash is how browsers print a URL without a path.
        let authority = rest.strip_suffix('/').filter(|_| scheme.is_some()).unwrap_or(rest);
        if let Some((_, path)) = authority.find(['/', '?', '#']).and_then(|at| authority.split_at_checked(at)) {
            return Err(InvalidAddress::Path(path.to_owned()));
        }
        if authority.contains('@') {
            return Err(InvalidAddress::User);
        }
        let (host, port) = split_port(authority)?;
        let port = match (port, scheme) {
            (Some(port), _) => parse_port(port)?,
            (None, Some(scheme)) => scheme.default_port(),
            (None, None) => return Err(InvalidAddress::NoPort),
        };
        Ok(Self::new(scheme.unwrap_or(otherwise), parse_host(host)?, port))
    }

    /// An address from its parts. The name of a [`Host::Name`] is taken as it is.
    pub fn new(scheme: Scheme, host: Host, port: u16) -> Self {
        let (authority, server_name) = match &host {
            Host::Name(name) => (format!("{name}:{port}"), name.trim_end_matches('.').into()),
            Host::Ip(ip) => (SocketAddr::new(*ip, port).to_string(), ip.to_string().into()),
        };
        Self { scheme, host, port, authority: authority.into(), server_name }
    }

    /// How it is spoken to.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `host:port`, IPv6 in brackets.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    pub(crate) fn shared_authority(&self) -> Arc<str> {
        Arc::clone(&self.authority)
    }

    /// What its certificate has to name: the host without a trailing dot, or the IP address. Never empty (with an empty
    /// server name Pingora verifies nothing).
    pub fn server_name(&self) -> &str {
        &self.server_name
    }

    /// The `Host` header that it would be sent by a client of its own: without the port where that is the scheme's.
    pub fn host_header(&self) -> &str {
        let whole: &str = &self.authority;
        if self.port != self.scheme.default_port() {
            return whole;
        }
        whole.rsplit_once(':').map_or(whole, |(host, _)| host)
    }

    /// The socket address, where no name has to be resolved.
    pub fn socket(&self) -> Option<SocketAddr> {
        match self.host {
            Host::Ip(ip) => Some(SocketAddr::new(ip, self.port)),
            Host::Name(_) => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.authority)
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), InvalidAddress> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or_else(|| InvalidAddress::Host(authority.to_owned()))?;
        host.parse::<Ipv6Addr>().map_err(|_| InvalidAddress::Host(host.to_owned()))?;
        return match port.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if port.is_empty() => Ok((host, None)),
            None => Err(InvalidAddress::Path(port.to_owned())),
        };
    }
    match authority.split_once(':') {
        None => Ok((authority, None)),
        // Without brackets it cannot be told where the address ends and the port begins.
        Some((_, port)) if port.contains(':') => Err(InvalidAddress::Host(authority.to_owned())),
        Some((host, port)) => Ok((host, Some(port))),
    }
}

fn parse_port(text: &str) -> Result<u16, InvalidAddress> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|&port| digits && port != 0);
    port.ok_or_else(|| InvalidAddress::Port(text.to_owned()))
}

fn parse_host(text: &str) -> Result<Host, InvalidAddress> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        let ip = ip.to_canonical();
        return if ip.is_unspecified() || ip.is_multicast() {
            Err(InvalidAddress::Host(text.to_owned()))
        } else {
            Ok(Host::Ip(ip))
        };
    }
    if is_dns_name(text) {
        Ok(Host::Name(text.to_ascii_lowercase().into()))
    } else {
        Err(InvalidAddress::Host(text.to_owned()))
    }
}

/// Letters, digits, `-` and `_` in labels; one dot at the end is the root. A last label of digits would be an IPv4
/// address with a typing error, or one in a notation that resolvers read as an address (`127.1`).
pub(crate) fn is_dns_name(text: &str) -> bool {
    let relative = text.strip_suffix('.').unwrap_or(text);
    let label = |label: &str| {
        (1..=MAX_LABEL_CHARS).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = relative.rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
    relative.len() <= MAX_NAME_CHARS && relative.split('.').all(label) && !numeric
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let got = match Address::parse(text, Scheme::Http) {
            Ok(address) => format!("{address} host={} name={}", address.host_header(), address.server_name()),
            Err(error) => error.to_string(),
        };
        assert_eq!(got, expect, "{text}");
    }

    #[test]
    fn addresses() {
        check("http://127.0.0.1:9000", "http://127.0.0.1:9000 host=127.0.0.1:9000 name=127.0.0.1");
        check("127.0.0.1:9000", "http://127.0.0.1:9000 host=127.0.0.1:9000 name=127.0.0.1");
        check("https://api.example.com", "https://api.example.com:443 host=api.example.com name=api.example.com");
        check("https://API.Example.com:443/", "https://api.example.com:443 host=api.example.com name=api.example.com");
        check("HTTP://api.example.com:443", "http://api.example.com:443 host=api.example.com:443 name=api.example.com");
        check("http://[::1]:9000", "http://[::1]:9000 host=[::1]:9000 name=::1");
        check("https://[2001:DB8::1]", "https://[2001:db8::1]:443 host=[2001:db8::1] name=2001:db8::1");
        check("[::ffff:10.0.0.1]:80", "http://10.0.0.1:80 host=10.0.0.1 name=10.0.0.1");
        check(
            "agents.svc.cluster.local.:80",
            "http://agents.svc.cluster.local.:80 host=agents.svc.cluster.local. name=agents.svc.cluster.local",
        );
        check("agent_backend:8000", "http://agent_backend:8000 host=agent_backend:8000 name=agent_backend");
    }

    #[test]
    fn texts_that_are_no_address() {
        check("", "the port is missing");
        check("localhost", "the port is missing");
        check("ftp://example.com", "unknown scheme \"ftp\"");
        check("http://example.com/v1", "an address ends with its port: \"/v1\" does not belong here");
        check("http://example.com?x=1", "an address ends with its port: \"?x=1\" does not belong here");
        check("example.com:80/", "an address ends with its port: \"/\" does not belong here");
        check("http://user:pw@example.com", "an address cannot hold a user or a password");
        check("http://", "\"\" is neither a host name nor an IP address");
        check("http://exa mple.com", "\"exa mple.com\" is neither a host name nor an IP address");
        check("http://-a.com", "\"-a.com\" is neither a host name nor an IP address");
        check("http://a..b", "\"a..b\" is neither a host name nor an IP address");
        check("http://127.1", "\"127.1\" is neither a host name nor an IP address");
        check("http://256.0.0.1", "\"256.0.0.1\" is neither a host name nor an IP address");
        check("http://0.0.0.0:80", "\"0.0.0.0\" is neither a host name nor an IP address");
        check("http://::1", "\"::1\" is neither a host name nor an IP address");
        check("http://[::1", "\"[::1\" is neither a host name nor an IP address");
        check("http://[127.0.0.1]:80", "\"127.0.0.1\" is neither a host name nor an IP address");
        check("http://[::1]80", "an address ends with its port: \"80\" does not belong here");
        check("http://a:0", "\"0\" is not a port from 1 to 65535");
        check("http://a:65536", "\"65536\" is not a port from 1 to 65535");
        check("http://a:+80", "\"+80\" is not a port from 1 to 65535");
        check("http://a:", "\"\" is not a port from 1 to 65535");
        check(
            &format!("http://{}.com", "a".repeat(64)),
            &format!("\"{}.com\" is neither a host name nor an IP address", "a".repeat(64)),
        );
    }
}
