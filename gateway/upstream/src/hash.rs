//! What a request is hashed on, and the hash.
//!
//! Gateways beside each other must send the same key to the same endpoint, also across versions of the compiler and of
//! this program; so the function is fixed here and pinned by tests (the standard library's hasher promises neither). It
//! needs to spread well and be quick on short keys. It need not withstand somebody who chooses keys that fall together:
//! such keys fill one endpoint up to the load bound of the ring and then spill over.

use std::net::IpAddr;

/// The part of a request that picks its endpoint under `balance = "consistent_hash"`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum HashOn {
    /// The client's address.
    #[default]
    ClientAddress,
    /// The first field line of this name (in lower case).
    Header(Box<str>),
    /// The cookie of this name.
    Cookie(Box<str>),
    /// The normalised path, without the query.
    Path,
}

/// Why a text does not say what to hash on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHashOn {
    /// Not one of the four kinds.
    #[error("hash_on is `client_address`, `header:NAME`, `cookie:NAME` or `path`")]
    Kind,
    /// A name that no header and no cookie can have.
    #[error("a header or cookie name is one or more letters, digits and the characters !#$%&'*+-.^_`|~")]
    Name,
}

/// A request, as far as keys are taken from it.
pub trait KeySource {
    /// The client's address.
    fn client(&self) -> IpAddr;
    /// The value of the first field line called `name` (given in lower case).
    fn header(&self, name: &str) -> Option<&[u8]>;
    /// The value of the first cookie called `name`.
    fn cookie(&self, name: &str) -> Option<&[u8]>;
    /// The normalised path.
    fn path(&self) -> &[u8];
}

impl HashOn {
    /// Reads `client_address`, `header:NAME`, `cookie:NAME` or `path`.
    pub fn parse(text: &str) -> Result<Self, InvalidHashOn> {
        match (text, text.split_once(':')) {
            ("client_address", _) => Ok(Self::ClientAddress),
            ("path", _) => Ok(Self::Path),
            (_, Some(("header", name))) if is_token(name) => Ok(Self::Header(name.to_ascii_lowercase().into())),
            (_, Some(("cookie", name))) if is_token(name) => Ok(Self::Cookie(name.into())),
            (_, Some(("header" | "cookie", _))) => Err(InvalidHashOn::Name),
            _ => Err(InvalidHashOn::Kind),
        }
    }

    /// The key of a request. Where it lacks the header or cookie, or sends it empty, its client's address stands in:
    /// otherwise all such requests would fall on one endpoint.
    pub fn key(&self, request: &impl KeySource) -> u64 {
        let named = match self {
            Self::ClientAddress => None,
            Self::Header(name) => request.header(name),
            Self::Cookie(name) => request.cookie(name),
            Self::Path => Some(request.path()),
        };
        match (named.filter(|value| !value.is_empty()), request.client()) {
            (Some(value), _) => hash_key(value),
            (None, IpAddr::V4(v4)) => hash_key(&v4.octets()),
            (None, IpAddr::V6(v6)) => hash_key(&v6.octets()),
        }
    }
}

/// A `token` (RFC 9110 section 5.6.2).
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Odd constants with as many ones as zeros (digits of the golden ratio and of the square root of two).
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const STEP: u64 = 0xb504_f333_f9de_6485;

/// The hash of a key: eight bytes at a time through a 128-bit product, whose halves are folded together.
pub fn hash_key(key: &[u8]) -> u64 {
    let (words, rest) = key.as_chunks::<8>();
    let mut state = SEED ^ key.len() as u64;
    for word in words {
        state = fold(state ^ u64::from_le_bytes(*word), STEP);
    }
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    fold(fold(state ^ u64::from_le_bytes(last), STEP) ^ SEED, STEP)
}

/// The hash of `key` as the `index`-th of several.
pub(crate) fn hash_nth(key: u64, index: u64) -> u64 {
    fold(fold(key ^ index.wrapping_mul(SEED), STEP) ^ SEED, STEP)
}

fn fold(one: u64, other: u64) -> u64 {
    let (low, high) = one.carrying_mul(other, 0);
    low ^ high
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "the numbers of the tests are small")]
mod tests {
    use super::*;

    struct Request {
        client: IpAddr,
        header: Option<&'static [u8]>,
        cookie: Option<&'static [u8]>,
    }

    impl KeySource for Request {
        fn client(&self) -> IpAddr {
            self.client
        }

        fn header(&self, name: &str) -> Option<&[u8]> {
            assert_eq!(name, "x-session");
            self.header
        }

        fn cookie(&self, name: &str) -> Option<&[u8]> {
            assert_eq!(name, "Sid");
            self.cookie
        }

        fn path(&self) -> &[u8] {
            b"/a/b"
        }
    }

    #[test]
    fn what_is_hashed() {
        let request = Request { client: [192, 0, 2, 1].into(), header: Some(b"s1"), cookie: Some(b"c1") };
        let key = |on: &str| HashOn::parse(on).unwrap().key(&request);
        assert_eq!(key("client_address"), hash_key(&[192, 0, 2, 1]));
        assert_eq!(key("header:X-Session"), hash_key(b"s1"));
        assert_eq!(key("cookie:Sid"), hash_key(b"c1"));
        assert_eq!(key("path"), hash_key(b"/a/b"));
    }

    #[test]
    fn a_request_without_the_header_falls_back_on_its_client() {
        for header in [None, Some(&b""[..])] {
            let request = Request { client: "2001:db8::1".parse().unwrap(), header, cookie: None };
            let client = HashOn::ClientAddress.key(&request);
            assert_eq!(HashOn::parse("header:x-session").unwrap().key(&request), client);
            assert_eq!(HashOn::parse("cookie:Sid").unwrap().key(&request), client);
        }
    }

    #[test]
    fn texts_that_say_nothing() {
        for text in ["", "client", "Path", "query:q", "header", "cookie"] {
            assert_eq!(HashOn::parse(text), Err(InvalidHashOn::Kind), "{text}");
        }
        for text in ["header:", "header:a b", "cookie:", "cookie:a=b", "header:é"] {
            assert_eq!(HashOn::parse(text), Err(InvalidHashOn::Name), "{text}");
        }
    }

    /// Gateways of different versions stand beside each other: a changed value here moves every session of theirs.
    #[test]
    fn the_function_is_pinned() {
        assert_eq!([hash_key(b""), hash_key(b"a"), hash_key(b"12345678"), hash_key(b"127.0.0.1:9000")], PINNED);
        assert_eq!(hash_nth(1, 2), PINNED_NTH);
    }

    const PINNED: [u64; 4] =
        [0xfc3a_af76_cee4_4e2e, 0xbeae_ea07_bcbf_85b7, 0x66ec_c3c5_4eef_6bd3, 0xc972_9e8e_090a_7ee8];
    const PINNED_NTH: u64 = 0xc9ce_cd19_f116_feee;

    #[test]
    fn keys_that_differ_little_spread_evenly() {
        const KEYS: u32 = 64_000;
        const BUCKETS: usize = 64;
        for shift in [0, 26, 58] {
            let mut buckets = [0_u32; BUCKETS];
            for number in 0..KEYS {
                let key = format!("user-{number}");
                buckets[(hash_key(key.as_bytes()) >> shift) as usize % BUCKETS] += 1;
            }
            let mean = f64::from(KEYS) / BUCKETS as f64;
            let chi_squared: f64 = buckets.iter().map(|&n| (f64::from(n) - mean).powi(2) / mean).sum();
            // 63 degrees of freedom: 120 is passed by chance once in 50,000 times.
            assert!(chi_squared < 120.0, "bits from {shift}: chi-squared {chi_squared}");
        }
    }

    #[test]
    fn one_flipped_bit_flips_half_of_the_hash() {
        let key = *b"session-0123456789abcdef";
        let mut flipped_bits = 0;
        for bit in 0..key.len() * 8 {
            let mut other = key;
            other[bit / 8] ^= 1 << (bit % 8);
            let flips = (hash_key(&key) ^ hash_key(&other)).count_ones();
            assert!((12..=52).contains(&flips), "bit {bit} flips {flips}");
            flipped_bits += flips;
        }
        let mean = f64::from(flipped_bits) / (key.len() * 8) as f64;
        assert!((30.0..34.0).contains(&mean), "{mean}");
    }
}
