//! Hosts: exact names, `*.` and a name for all below it, or any.

use std::fmt;

/// Bytes of a host name at most (RFC 1035 section 2.3.4); what is longer matches no name.
const LONGEST: usize = 255;

/// What the host has to be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum HostPattern {
    Any,
    /// All names that end so: `.example.com`.
    Below(Box<[u8]>),
    Exact(Box<[u8]>),
}

impl HostPattern {
    /// Reads a name, an IP address, or `*.` and a name. Upper and lower case are alike.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        let (wildcard, name) = match lower.strip_prefix('*') {
            Some(rest) => (true, rest.strip_prefix('.').ok_or("`*` is followed by a dot: \"*.example.com\"")?),
            None => (false, lower.as_str()),
        };
        if name.is_empty() || name.len() > LONGEST {
            return Err(format!("{text:?} is not a host name"));
        }
        if name.starts_with('[') {
            let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
            let good = address.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
            return if good && !wildcard {
                Ok(Self::Exact(name.as_bytes().into()))
            } else {
                Err(format!("{text:?} is not an IPv6 address in brackets"))
            };
        }
        if name.contains(':') {
            return Err("a port is not matched: write the name alone, an IPv6 address in brackets".to_owned());
        }
        if !name.is_ascii() {
            return Err(format!("{text:?} is not ASCII: write international names in their xn-- form"));
        }
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        if !name.split('.').all(label) {
            return Err(format!("{text:?} is not a host name"));
        }
        Ok(if wildcard {
            Self::Below(format!(".{name}").into_bytes().into())
        } else {
            Self::Exact(name.as_bytes().into())
        })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any host"),
            Self::Below(suffix) => write!(f, "*{}", String::from_utf8_lossy(suffix)),
            Self::Exact(name) => write!(f, "{}", String::from_utf8_lossy(name)),
        }
    }
}

/// A host in the form that is matched: lower case, without port and without the dot of the root. On the stack.
pub(crate) struct Folded {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Folded {
    pub(crate) fn new(host: &[u8]) -> Self {
        let name = without_port(host);
        let name = name.strip_suffix(b".").unwrap_or(name);
        let mut folded = Self { bytes: [0; LONGEST], length: 0 };
        if let Some(target) = folded.bytes.get_mut(..name.len()) {
            target.copy_from_slice(name);
            target.make_ascii_lowercase();
            folded.length = name.len();
        }
        folded
    }

    /// The name; empty if there was none, or one too long for any pattern.
    pub(crate) fn name(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

fn without_port(host: &[u8]) -> &[u8] {
    let end = if host.first() == Some(&b'[') {
        host.iter().position(|byte| *byte == b']').map(|bracket| bracket + 1)
    } else {
        host.iter().position(|byte| *byte == b':')
    };
    end.and_then(|end| host.get(..end)).unwrap_or(host)
}

/// What of a name can follow a `*`, longest first: of `a.b.c` that is `.b.c`, `.c`.
pub(crate) fn suffixes(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    name.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'.').filter_map(|(dot, _)| name.get(dot..))
}
