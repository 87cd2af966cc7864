//! Origins: as they are configured, and whether one is among them (RFC 6454, Fetch section 3.2).
//!
//! Browsers send an origin in one spelling only: scheme and host in lower case, the port left out where it is the
//! scheme's own. What is configured is brought into that spelling once; then bytes are compared.

use std::collections::BTreeSet;

use http::HeaderValue;

/// The origins of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origins {
    /// Every page of the world.
    Any,
    /// These.
    Listed { exact: BTreeSet<Box<[u8]>>, wildcards: Box<[Wildcard]> },
}

/// `https://*.example.com:8443`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wildcard {
    /// `https://`
    scheme: Box<str>,
    /// `.example.com:8443`
    suffix: Box<str>,
}

/// One configured origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pattern {
    Any,
    Null,
    Exact(String),
    Wildcard(Wildcard),
}

/// Why a text is no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadOrigin {
    #[error("an origin begins with http:// or https://, or with the scheme of an app")]
    Scheme,
    #[error("an origin ends after host and port, without a path or a slash")]
    Path,
    #[error("the host is no name or address (a name with other letters is written in its ASCII form, xn--...)")]
    Host,
    #[error("the port is no number from 1 to 65535")]
    Port,
    #[error(
        "a wildcard stands for whole labels at the beginning of a name of at least two others: https://*.example.com"
    )]
    Wildcard,
}

/// Bytes of an origin at most.
const MAX_ORIGIN_BYTES: usize = 300;

// === impl Origins ===

impl Origins {
    /// The value of `Access-Control-Allow-Origin`, if `origin` is allowed.
    pub(super) fn allowed(&self, origin: &[u8]) -> Option<HeaderValue> {
        match self {
            Self::Any => Some(HeaderValue::from_static("*")),
            Self::Listed { exact, wildcards } => {
                let listed = exact.contains(origin) || wildcards.iter().any(|wildcard| wildcard.covers(origin));
                if listed { HeaderValue::from_bytes(origin).ok() } else { None }
            }
        }
    }
}

// === impl Wildcard ===

impl Wildcard {
    /// Whether the origin is that of a name below, with labels of the letters that host names have and nothing else.
    fn covers(&self, origin: &[u8]) -> bool {
        let labels = origin
            .strip_prefix(self.scheme.as_bytes())
            .and_then(|rest| rest.strip_suffix(self.suffix.as_bytes()))
            .filter(|_| origin.len() <= MAX_ORIGIN_BYTES);
        labels.is_some_and(|labels| labels.split(|&byte| byte == b'.').all(is_label))
    }

    /// How many labels follow the wildcard.
    pub(super) fn fixed_labels(&self) -> usize {
        self.suffix.matches('.').count()
    }
}

// === impl Pattern ===

impl Pattern {
    /// Whether what is said to this origin can be read on the way.
    pub(super) fn is_plain_http(&self) -> bool {
        match self {
            Self::Exact(origin) => {
                let local = ["http://localhost", "http://127.0.0.1", "http://[::1]"];
                let is_local =
                    |base: &str| origin.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
                origin.starts_with("http://") && !local.into_iter().any(is_local)
            }
            Self::Wildcard(wildcard) => &*wildcard.scheme == "http://",
            Self::Any | Self::Null => false,
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, BadOrigin> {
        match text {
            "*" => return Ok(Self::Any),
            "null" => return Ok(Self::Null),
            _ => {}
        }
        let (scheme, rest) = text.split_once("://").ok_or(BadOrigin::Scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        let first_is_letter = scheme.starts_with(|c: char| c.is_ascii_lowercase());
        if !first_is_letter || !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) {
            return Err(BadOrigin::Scheme);
        }
        if rest.contains(['/', '?', '#', '@']) {
            return Err(BadOrigin::Path);
        }
        let (host, port) = split_port(rest)?;
        let host = host.to_ascii_lowercase();
        let port = match (port, scheme.as_str()) {
            (None, _) | (Some(443), "https") | (Some(80), "http") => String::new(),
            (Some(port), _) => format!(":{port}"),
        };
        if let Some(name) = host.strip_prefix("*.") {
            if !is_name(name) || !name.contains('.') || is_ipv4(name) {
                return Err(BadOrigin::Wildcard);
            }
            return Ok(Self::Wildcard(Wildcard {
                scheme: format!("{scheme}://").into(),
                suffix: format!(".{name}{port}").into(),
            }));
        }
        if host.contains('*') {
            return Err(BadOrigin::Wildcard);
        }
        if !(is_name(&host) || is_ipv6(&host)) {
            return Err(BadOrigin::Host);
        }
        Ok(Self::Exact(format!("{scheme}://{host}{port}")))
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), BadOrigin> {
    let colon = match authority.rfind(']') {
        Some(bracket) => authority.get(bracket + 1..).filter(|rest| !rest.is_empty()).map(|_| bracket + 1),
        None if authority.starts_with('[') => return Err(BadOrigin::Host),
        None => authority.find(':'),
    };
    let Some(colon) = colon else { return Ok((authority, None)) };
    let (host, port) = authority.split_at_checked(colon).ok_or(BadOrigin::Host)?;
    let digits = port.strip_prefix(':').filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
    let port = digits.and_then(|digits| digits.parse().ok()).filter(|&port| port != 0).ok_or(BadOrigin::Port)?;
    Ok((host, Some(port)))
}

/// A host name, or an IPv4 address in its usual form; 253 bytes at most (RFC 1035 section 2.3.4).
fn is_name(name: &str) -> bool {
    name.len() <= 253 && name.as_bytes().split(|&byte| byte == b'.').all(is_label)
}

fn is_label(label: &[u8]) -> bool {
    let inner = label.iter().all(|&byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte));
    inner && (1..=63).contains(&label.len()) && !label.starts_with(b"-") && !label.ends_with(b"-")
}

fn is_ipv4(name: &str) -> bool {
    name.rsplit('.').next().is_some_and(|last| last.bytes().all(|digit| digit.is_ascii_digit()))
}

fn is_ipv6(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    address
        .and_then(|text| text.parse::<std::net::Ipv6Addr>().ok().filter(|address| address.to_string() == text))
        .is_some()
}
