//! The id under which one request is known: in the response, in the log, at the upstream.
//!
//! 128 bits, laid out as a ULID: 48 bits of Unix time in milliseconds, then 80 random bits. So ids sort by the time of
//! their request, indexes over them grow at one end, and a person can cut a log by id. Printed as 26 characters of
//! Crockford's base 32 (no I, L, O, U: nothing to misread on the telephone), without allocation.
//!
//! A client may send an id of its own. It is taken over only from a trusted proxy or where configured: who can choose
//! ids can make two requests look like one.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hop::is_token;

/// Characters of a printed id.
pub const REQUEST_ID_CHARS: usize = 26;

/// The longest id that is taken over from a client, in bytes.
pub const MAX_CLIENT_REQUEST_ID_BYTES: usize = 128;

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

const RANDOM_BITS: u32 = 80;

/// An id made here. Orders by time (to the millisecond), then at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(u128);

/// A printed [`RequestId`], on the stack.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestIdText([u8; REQUEST_ID_CHARS]);

/// The text is not an id that [`RequestId`] prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a request id is {REQUEST_ID_CHARS} characters of Crockford's base 32")]
pub struct InvalidRequestId;

/// An id that a client sent, well formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientRequestId<'h>(&'h str);

/// From whom a request id is taken over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TakeOver {
    /// From trusted proxies only.
    #[default]
    Trusted,
    /// From everybody: only where every client is known.
    Always,
    /// From nobody.
    Never,
}

// === impl RequestId ===

impl RequestId {
    /// The id of a request that arrived `unix_ms` milliseconds after 1970, with 80 of the given random bits. Times
    /// after the year 10889 wrap.
    pub fn new(unix_ms: u64, random: u128) -> Self {
        Self(u128::from(unix_ms) << RANDOM_BITS | random & ((1 << RANDOM_BITS) - 1))
    }

    /// The time in the id, in milliseconds after 1970.
    pub fn unix_ms(self) -> u64 {
        u64::try_from(self.0 >> RANDOM_BITS).unwrap_or(u64::MAX)
    }

    /// All 128 bits.
    pub fn bits(self) -> u128 {
        self.0
    }

    /// The id as text.
    pub fn text(self) -> RequestIdText {
        let mut rest = self.0;
        let mut text = [b'0'; REQUEST_ID_CHARS];
        for character in text.iter_mut().rev() {
            let digit = usize::from(rest.to_le_bytes()[0] & 31);
            *character = CROCKFORD.get(digit).copied().unwrap_or(b'0');
            rest >>= 5;
        }
        RequestIdText(text)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text().as_str())
    }
}

impl FromStr for RequestId {
    type Err = InvalidRequestId;

    /// Reads what [`RequestId::text`] prints, in either case.
    fn from_str(text: &str) -> Result<Self, InvalidRequestId> {
        if text.len() != REQUEST_ID_CHARS {
            return Err(InvalidRequestId);
        }
        let mut bits = 0_u128;
        for character in text.bytes() {
            let character = character.to_ascii_uppercase();
            let digit = CROCKFORD.iter().position(|&known| known == character).ok_or(InvalidRequestId)?;
            if bits >> (u128::BITS - 5) != 0 {
                return Err(InvalidRequestId);
            }
            bits = bits << 5 | digit as u128;
        }
        Ok(Self(bits))
    }
}

// === impl RequestIdText ===

impl RequestIdText {
    /// The 26 characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl AsRef<str> for RequestIdText {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for RequestIdText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl ClientRequestId ===

impl<'h> ClientRequestId<'h> {
    /// The id in the only field line of the header: 1 to 128 token characters (RFC 9110 section 5.6.2). `None` when
    /// there is none, several, or another one.
    pub fn parse(mut lines: impl Iterator<Item = &'h [u8]>) -> Option<Self> {
        let line = lines.next()?;
        if lines.next().is_some() || line.len() > MAX_CLIENT_REQUEST_ID_BYTES || !is_token(line) {
            return None;
        }
        std::str::from_utf8(line).ok().map(Self)
    }

    /// The id as sent.
    pub fn as_str(self) -> &'h str {
        self.0
    }
}

// === impl TakeOver ===

impl TakeOver {
    /// Whether an id sent over a connection from a trusted proxy, or not, becomes the request's id.
    pub fn applies(self, peer_trusted: bool) -> bool {
        match self {
            Self::Trusted => peer_trusted,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_published_ulid_prints_as_published() {
        // The example of the ULID specification: 01ARZ3NDEKTSV4RRFFQ69G5FAV is of 2016-07-30T23:54:10.259Z.
        let id: RequestId = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
        assert_eq!(id.unix_ms(), 1_469_922_850_259);
        assert_eq!(id.to_string(), "01ARZ3NDEKTSV4RRFFQ69G5FAV");
        assert_eq!(RequestId::new(u64::MAX, u128::MAX).to_string(), "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
        assert_eq!(RequestId::new(0, 0).to_string(), "0".repeat(26));
        assert_eq!(format!("{:>30}", RequestId::new(0, 1)), format!("    {}1", "0".repeat(25)));
    }

    #[test]
    fn text_that_is_no_id() {
        for text in ["", "01ARZ3NDEKTSV4RRFFQ69G5FA", "01ARZ3NDEKTSV4RRFFQ69G5FAVV", "8ZZZZZZZZZZZZZZZZZZZZZZZZZ"] {
            assert_eq!(text.parse::<RequestId>(), Err(InvalidRequestId), "{text}");
        }
        assert_eq!("01ARZ3NDEKTSV4RRFFQ69G5FAU".parse::<RequestId>(), Err(InvalidRequestId));
        assert_eq!("é01ARZ3NDEKTSV4RRFFQ69G5F".parse::<RequestId>(), Err(InvalidRequestId));
    }

    fn check(lines: &[&[u8]], expect: Option<&str>) {
        assert_eq!(ClientRequestId::parse(lines.iter().copied()).map(ClientRequestId::as_str), expect, "{lines:?}");
    }

    #[test]
    fn client_ids() {
        check(&[], None);
        check(&[b"7f3c-1"], Some("7f3c-1"));
        check(&[b"a"], Some("a"));
        check(&[b"!#$%&'*+-.^_`|~"], Some("!#$%&'*+-.^_`|~"));
        check(&[b""], None);
        check(&[b"a b"], None);
        check(&[b"a,b"], None);
        check(&[b"a\"b"], None);
        check(&[b"a\r\nX: y"], None);
        check(&[b"<script>"], None);
        check(&["é".as_bytes()], None);
        check(&[b"\0"], None);
        check(&[b"one", b"two"], None);
        check(&["x".repeat(128).as_bytes()], Some(&"x".repeat(128)));
        check(&["x".repeat(129).as_bytes()], None);
    }

    #[test]
    fn taken_over_from() {
        for (take_over, trusted, stranger) in
            [(TakeOver::Trusted, true, false), (TakeOver::Always, true, true), (TakeOver::Never, false, false)]
        {
            assert_eq!((take_over.applies(true), take_over.applies(false)), (trusted, stranger), "{take_over:?}");
        }
    }

    proptest! {
        #[test]
        fn printed_ids_are_read_back(unix_ms in 0..1_u64 << 48, random: u128) {
            let id = RequestId::new(unix_ms, random);
            prop_assert_eq!(id.unix_ms(), unix_ms);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert_eq!(id.to_string().to_lowercase().parse(), Ok(id));
            prop_assert!(is_token(id.text().as_str().as_bytes()));
        }

        #[test]
        fn ids_and_their_text_sort_by_time(
            earlier in 0..1_u64 << 40, later in 1_u64 << 40..1_u64 << 48, one: u128, other: u128,
        ) {
            let (first, second) = (RequestId::new(earlier, one), RequestId::new(later, other));
            prop_assert!(first < second);
            prop_assert!(first.to_string() < second.to_string());
        }
    }
}
