//! Whose quota a request draws on.
//!
//! A key is a tuple of parts of the request. Each part is framed by its kind and its length before it is hashed, so
//! that no two tuples look alike, and a request that lacks a part counts under its client's address, marked as a
//! stand-in: neither leaving a header out nor sending an address in it gains a fresh quota.
//!
//! The hash is SipHash-2-4 with 128 bits (Aumasson and Bernstein, 2012) under a secret key: whoever sends requests
//! cannot make two keys meet, and whoever reads the shared store cannot tell addresses from their hashes. Never here:
//! a clear key that outlives the call.

mod described;

use std::borrow::Cow;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher as _};
use std::net::IpAddr;

use siphasher::sip128::{Hasher128 as _, SipHasher24};

pub use described::{Described, InvalidDescription};

/// The methods that count as themselves (RFC 9110 section 9, RFC 5789); others are one: otherwise a made-up method
/// would be a fresh quota.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
const OTHER_METHOD: &str = "other";

/// A request, as far as keys and costs are taken from it.
pub trait KeySource {
    /// The client's address.
    fn client(&self) -> IpAddr;
    /// The value of the first field line called `name` (given in lower case).
    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>>;
    /// The value of the first cookie called `name`.
    fn cookie(&self, name: &str) -> Option<Cow<'_, [u8]>>;
    /// The decoded value of the first query parameter called `name`.
    fn query(&self, name: &str) -> Option<Cow<'_, [u8]>>;
    /// A claim of the verified identity, as text.
    fn claim(&self, name: &str) -> Option<Cow<'_, str>>;
    /// Who the verified identity is.
    fn subject(&self) -> Option<&str>;
    /// Whom the verified identity belongs to.
    fn tenant(&self) -> Option<&str>;
    /// The name of the verified API key.
    fn api_key(&self) -> Option<&str>;
    /// The name of the route.
    fn route(&self) -> &str;
    /// The method.
    fn method(&self) -> &str;
    /// The length of the body, where the header of the request says it.
    fn request_bytes(&self) -> Option<u64>;
}

/// One part of a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeyPart {
    /// The client's address; IPv6 by prefix.
    ClientAddress,
    /// The field of this name (in lower case), where there is one line of it: of several it counts as missing.
    Header(Box<str>),
    /// The cookie of this name.
    Cookie(Box<str>),
    /// The query parameter of this name.
    Query(Box<str>),
    /// The claim of this name.
    Claim(Box<str>),
    /// Who the caller is.
    Subject,
    /// Whom the caller belongs to.
    Tenant,
    /// The name of the caller's API key.
    ApiKey,
    /// The name of the route.
    Route,
    /// The method; unknown ones are one.
    Method,
}

/// Why a text does not name a part of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeyPart {
    /// Not one of the kinds.
    #[error(
        "a key is `client_address`, `header:NAME`, `cookie:NAME`, `query:NAME`, `claim:NAME`, `subject`, `tenant`, \
         `api_key`, `route` or `method`"
    )]
    Kind,
    /// A name that no header and no cookie can have.
    #[error("a header or cookie name is one or more letters, digits and the characters !#$%&'*+-.^_`|~")]
    Token,
    /// An empty name.
    #[error("the name is missing")]
    Empty,
}

/// A hashed key: 16 bytes that say nothing without the secret.
///
/// The first two bytes come from the first part of the tuple alone ([`KeyHash::partition`]), so that the quotas of one
/// client can stand beside each other in a store that is split; the others from the whole tuple.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash(pub [u8; 16]);

/// What hashes keys: a random secret of the process, or the one that all gateways of a cluster derive.
#[derive(Clone)]
pub struct KeyHasher {
    secret: [u8; 16],
}

impl fmt::Display for KeyPart {
    /// As it is written in rules.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientAddress => f.write_str("client_address"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
            Self::Claim(name) => write!(f, "claim:{name}"),
            Self::Subject => f.write_str("subject"),
            Self::Tenant => f.write_str("tenant"),
            Self::ApiKey => f.write_str("api_key"),
            Self::Route => f.write_str("route"),
            Self::Method => f.write_str("method"),
        }
    }
}

impl KeyPart {
    /// Reads `client_address`, `header:NAME` and so on.
    pub fn parse(text: &str) -> Result<Self, InvalidKeyPart> {
        let plain = match text {
            "client_address" => Some(Self::ClientAddress),
            "subject" => Some(Self::Subject),
            "tenant" => Some(Self::Tenant),
            "api_key" => Some(Self::ApiKey),
            "route" => Some(Self::Route),
            "method" => Some(Self::Method),
            _ => None,
        };
        if let Some(plain) = plain {
            return Ok(plain);
        }
        match text.split_once(':') {
            Some(("header", name)) if is_token(name) => Ok(Self::Header(name.to_ascii_lowercase().into())),
            Some(("cookie", name)) if is_token(name) => Ok(Self::Cookie(name.into())),
            Some(("header" | "cookie", _)) => Err(InvalidKeyPart::Token),
            Some(("query" | "claim", "")) => Err(InvalidKeyPart::Empty),
            Some(("query", name)) => Ok(Self::Query(name.into())),
            Some(("claim", name)) => Ok(Self::Claim(name.into())),
            _ => Err(InvalidKeyPart::Kind),
        }
    }

    /// True if it is known only once the caller is.
    pub fn needs_identity(&self) -> bool {
        matches!(self, Self::Claim(_) | Self::Subject | Self::Tenant | Self::ApiKey)
    }

    /// True if the client writes it as it likes, so that alone it bounds nobody.
    pub(crate) fn is_free_choice(&self) -> bool {
        matches!(self, Self::Header(_) | Self::Cookie(_) | Self::Query(_))
    }

    /// A number of its kind, fixed: gateways of different versions share a store.
    fn kind(&self) -> u8 {
        match self {
            Self::ClientAddress => 1,
            Self::Header(_) => 2,
            Self::Cookie(_) => 3,
            Self::Query(_) => 4,
            Self::Claim(_) => 5,
            Self::Subject => 6,
            Self::Tenant => 7,
            Self::ApiKey => 8,
            Self::Route => 9,
            Self::Method => 10,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Header(name) | Self::Cookie(name) | Self::Query(name) | Self::Claim(name) => name,
            _ => "",
        }
    }

    fn value<'a>(&self, source: &'a dyn KeySource) -> Option<Cow<'a, [u8]>> {
        let text = |text: Option<&'a str>| text.map(|text| Cow::Borrowed(text.as_bytes()));
        let value = match self {
            Self::ClientAddress => None,
            Self::Header(name) => source.header(name),
            Self::Cookie(name) => source.cookie(name),
            Self::Query(name) => source.query(name),
            Self::Claim(name) => source.claim(name).map(|claim| match claim {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            }),
            Self::Subject => text(source.subject()),
            Self::Tenant => text(source.tenant()),
            Self::ApiKey => text(source.api_key()),
            Self::Route => text(Some(source.route())),
            Self::Method => {
                let method = source.method();
                text(Some(if METHODS.contains(&method) { method } else { OTHER_METHOD }))
            }
        };
        value.filter(|value| !value.is_empty())
    }

    /// Feeds the part to the hash: kind, name, whether the address stands in for it, and value, each framed.
    fn feed(&self, source: &dyn KeySource, ipv6_prefix: u8, hasher: &mut SipHasher24) {
        const PRESENT: u8 = 0;
        const STAND_IN: u8 = 1;
        hasher.write(&[self.kind()]);
        if *self == Self::ClientAddress {
            return feed_address(source.client(), ipv6_prefix, hasher);
        }
        feed_framed(self.name().as_bytes(), hasher);
        if let Some(value) = self.value(source) {
            hasher.write(&[PRESENT]);
            feed_framed(&value, hasher);
        } else {
            hasher.write(&[STAND_IN]);
            feed_address(source.client(), ipv6_prefix, hasher);
        }
    }
}

impl KeyHash {
    /// The part that quotas of one client have in common, where their keys begin with the same part.
    pub fn partition(&self) -> u16 {
        let [first, second, ..] = self.0;
        u16::from_be_bytes([first, second])
    }

    pub(crate) fn words(self) -> [u64; 2] {
        let word = u128::from_le_bytes(self.0);
        [low(word), low(word >> 64)]
    }
}

impl KeyHasher {
    /// A hasher whose secret this process alone has.
    pub fn random() -> Self {
        // The standard library seeds these from the system's random source; their output is keyed SipHash.
        let word = || RandomState::new().hash_one(0_u64).to_le_bytes();
        Self::with_secret(concat(word(), word()))
    }

    /// A hasher with a given secret: for gateways on one store, one that they derive from their cluster key.
    pub fn with_secret(secret: [u8; 16]) -> Self {
        Self { secret }
    }

    /// The hash of the tuple `parts` of a request.
    pub fn hash(&self, parts: &[KeyPart], ipv6_prefix: u8, source: &dyn KeySource) -> KeyHash {
        let mut hasher = SipHasher24::new_with_key(&self.secret);
        let mut parts = parts.iter();
        if let Some(first) = parts.next() {
            first.feed(source, ipv6_prefix, &mut hasher);
        }
        let first = hasher.finish128().as_bytes();
        if parts.len() == 0 {
            return KeyHash(first);
        }
        parts.for_each(|part| part.feed(source, ipv6_prefix, &mut hasher));
        let mut whole = hasher.finish128().as_bytes();
        for (to, from) in whole.iter_mut().zip(first).take(2) {
            *to = from;
        }
        KeyHash(whole)
    }
}

impl std::fmt::Debug for KeyHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyHasher(secret)")
    }
}

/// The network of `address` that counts as one client, as bytes: an IPv4 address whole, also where it is written as
/// IPv6 (`::ffff:192.0.2.1`); an IPv6 address cut to `prefix` bits.
pub(crate) fn network(address: IpAddr, ipv6_prefix: u8) -> [u8; 16] {
    let bits = match address.to_canonical() {
        IpAddr::V4(v4) => return v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    let host_bits = 128_u32.saturating_sub(u32::from(ipv6_prefix));
    let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
    (bits & mask).to_be_bytes()
}

fn feed_address(address: IpAddr, ipv6_prefix: u8, hasher: &mut SipHasher24) {
    hasher.write(&network(address, ipv6_prefix));
}

fn feed_framed(bytes: &[u8], hasher: &mut SipHasher24) {
    hasher.write(&(bytes.len() as u64).to_le_bytes());
    hasher.write(bytes);
}

/// A `token` (RFC 9110 section 5.6.2).
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn concat(low: [u8; 8], high: [u8; 8]) -> [u8; 16] {
    (u128::from(u64::from_le_bytes(low)) | (u128::from(u64::from_le_bytes(high)) << 64)).to_le_bytes()
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is asked for")]
fn low(word: u128) -> u64 {
    word as u64
}

#[cfg(test)]
mod tests;
