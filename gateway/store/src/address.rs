//! `redis://host:port/database`, taken apart.
//!
//! Credentials are refused: configuration says where a secret is, never what it is.

/// A server as configuration names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: Box<str>,
    pub(crate) port: u16,
    pub(crate) tls: bool,
    pub(crate) database: Option<u8>,
}

/// Why a text is no address of a server. None of them repeats the text, which may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidAddress {
    #[error("it does not begin with redis:// or rediss://")]
    Scheme,
    #[error("credentials are not written into the URL")]
    Credentials,
    #[error("it has no host, or one that is neither a name nor an IP address")]
    Host,
    #[error("the port is no number from 1 to 65535")]
    Port,
    #[error("what follows the port is no number of a database, 0 to 255")]
    Database,
}

// === impl Address ===

impl Address {
    /// `port` is used where the text has none.
    pub(crate) fn parse(text: &str, port: u16) -> Result<Self, InvalidAddress> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidAddress::Scheme)?;
        let tls = match scheme {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            _ => return Err(InvalidAddress::Scheme),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if rest.contains('@') {
            return Err(InvalidAddress::Credentials);
        }
        let (host, given) = split_port(authority)?;
        let port = given.map_or(Ok(port), |digits| digits.parse().map_err(|_| InvalidAddress::Port))?;
        let database = match path {
            "" => None,
            digits => Some(digits.parse().map_err(|_| InvalidAddress::Database)?),
        };
        if port == 0 {
            return Err(InvalidAddress::Port);
        }
        Ok(Self { host: host.into(), port, tls, database })
    }
}

/// Host and port of `name:1`, `10.0.0.1:1` and `[::1]:1`; the host without brackets.
fn split_port(authority: &str) -> Result<(&str, Option<&str>), InvalidAddress> {
    if let Some(inner) = authority.strip_prefix('[') {
        let (host, after) = inner.split_once(']').ok_or(InvalidAddress::Host)?;
        host.parse::<std::net::Ipv6Addr>().map_err(|_| InvalidAddress::Host)?;
        return match after {
            "" => Ok((host, None)),
            _ => Ok((host, Some(after.strip_prefix(':').ok_or(InvalidAddress::Port)?))),
        };
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if host.is_empty() || host.len() > 253 || !host.bytes().all(letter) {
        return Err(InvalidAddress::Host);
    }
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        fn check(text: &str, expect: Result<(&str, u16, bool, Option<u8>), InvalidAddress>) {
            let address = Address::parse(text, 6379);
            let parts = address.as_ref().map(|it| (&*it.host, it.port, it.tls, it.database)).map_err(|error| *error);
            assert_eq!(parts, expect, "{text}");
        }
        check("redis://127.0.0.1", Ok(("127.0.0.1", 6379, false, None)));
        check("redis://127.0.0.1:7000/", Ok(("127.0.0.1", 7000, false, None)));
        check("valkeys://cache.example.com:1/15", Ok(("cache.example.com", 1, true, Some(15))));
        check("rediss://[::1]:6380/0", Ok(("::1", 6380, true, Some(0))));
        check("redis://[2001:db8::1]", Ok(("2001:db8::1", 6379, false, None)));
        check("127.0.0.1:6379", Err(InvalidAddress::Scheme));
        check("http://127.0.0.1", Err(InvalidAddress::Scheme));
        check("redis://user:word@host", Err(InvalidAddress::Credentials));
        check("redis://host/0?password=a@b", Err(InvalidAddress::Credentials));
        check("redis://", Err(InvalidAddress::Host));
        check("redis://ho st", Err(InvalidAddress::Host));
        check("redis://[::1", Err(InvalidAddress::Host));
        check("redis://[host]:1", Err(InvalidAddress::Host));
        check("redis://host:0", Err(InvalidAddress::Port));
        check("redis://host:65536", Err(InvalidAddress::Port));
        check("redis://host:1:2", Err(InvalidAddress::Port));
        check("redis://[::1]6379", Err(InvalidAddress::Port));
        check("redis://host/256", Err(InvalidAddress::Database));
        check("redis://host/0/1", Err(InvalidAddress::Database));
    }
}
