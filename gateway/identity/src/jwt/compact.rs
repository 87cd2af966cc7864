//! The compact form of a signed token: `HEADER.CLAIMS.SIGNATURE`, each part base64url (RFC 7515 section 7.1).
//!
//! There is one way to write a token: no padding, no white space, no other alphabet, and no bits set behind the last byte.
//! Two texts that differ never stand for the same token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::flaw::Flaw;
use super::{MAX_HEADER_BYTES, MAX_TOKEN_BYTES, json};

/// The longest `kid`, in bytes.
const MAX_KEY_ID_BYTES: usize = 256;

/// Members that would change how the token is checked, or with what. `crit` and `b64`: RFC 7515 section 4.1.11, RFC 7797.
/// `jku` and `x5u` would have the gateway fetch what a stranger names (RFC 8725 section 3.10).
const REFUSED_MEMBERS: [&str; 4] = ["crit", "b64", "jku", "x5u"];

/// A token, taken apart; nothing in it is believed yet.
#[derive(Debug)]
pub(crate) struct Compact<'t> {
    pub(crate) header: Header,
    /// What the signature is over.
    pub(crate) signed: &'t [u8],
    /// The claims as JSON text.
    pub(crate) claims: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

/// The header, as far as it counts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// `None` where the name is none of an algorithm that is known here.
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) key_id: Option<Box<str>>,
    pub(crate) typ: Option<Box<str>>,
}

// === impl Compact ===

impl<'t> Compact<'t> {
    pub(crate) fn read(token: &'t [u8]) -> Result<Self, Flaw> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Flaw::TooLarge);
        }
        let mut dots = memchr::memchr_iter(b'.', token);
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(Flaw::Form);
        };
        let part = |from: usize, to: usize| token.get(from..to).ok_or(Flaw::Form).and_then(decode);
        let header = part(0, first)?;
        if header.len() > MAX_HEADER_BYTES {
            return Err(Flaw::TooLarge);
        }
        Ok(Self {
            claims: part(first + 1, second)?,
            signature: part(second + 1, token.len())?,
            header: Header::read(&header)?,
            signed: token.get(..second).ok_or(Flaw::Form)?,
        })
    }
}

fn decode(part: &[u8]) -> Result<Vec<u8>, Flaw> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Flaw::Form)
}

// === impl Header ===

impl Header {
    fn read(text: &[u8]) -> Result<Self, Flaw> {
        let members = json::object(text).ok_or(Flaw::Json)?;
        if REFUSED_MEMBERS.iter().any(|name| members.contains_key(*name)) {
            return Err(Flaw::HeaderMember);
        }
        let algorithm = string(&members, "alg")?.ok_or(Flaw::Header)?;
        let key_id = string(&members, "kid")?;
        if key_id.is_some_and(|id| id.len() > MAX_KEY_ID_BYTES) {
            return Err(Flaw::Header);
        }
        Ok(Self {
            algorithm: Algorithm::parse(algorithm),
            key_id: key_id.map(Into::into),
            typ: string(&members, "typ")?.map(Into::into),
        })
    }
}

fn string<'m>(members: &'m Map<String, Value>, name: &str) -> Result<Option<&'m str>, Flaw> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Flaw::Header),
    }
}
