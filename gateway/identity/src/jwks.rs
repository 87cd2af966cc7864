//! Sets of keys: what an issuer publishes (RFC 7517), what a PEM file holds, or one shared secret.
//!
//! A key that cannot be used is left out and said, and the others are used: issuers publish keys for purposes that are not
//! ours. A set without one usable key is an error, so that it never takes the place of a good one.

mod entry;
mod pem;

use std::fmt;

use serde_json::Value;

use crate::digest;
use crate::jwt::{Algorithm, BadKey, Compact, Flaw, Key, object};

/// The largest set that is read, in bytes.
pub const MAX_SET_BYTES: usize = 512 * 1_024;

/// Keys of a set at most. The largest known issuers publish about twenty.
pub const MAX_KEYS: usize = 100;

/// Keys that are tried at most for a token that does not say which one it was signed with.
const MAX_TRIED: usize = 8;

/// The keys of an issuer, each good for one of its algorithms at least.
#[derive(Debug)]
pub struct KeySet {
    keys: Box<[Key]>,
    digest: [u8; 16],
}

/// A key that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its place in the set, from 0.
    pub index: usize,
    /// Its `kid`, where it has one: printable, and cut.
    pub id: Option<String>,
    /// Why.
    pub why: Unused,
}

/// Why a key of a set is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unused {
    /// A type of key that is not known here.
    #[error("a key of type \"{0}\" is not known here")]
    Type(String),
    /// The key is for encryption, or for something else than checking signatures.
    #[error("the key is not for checking signatures")]
    Use,
    /// The algorithm that it names is none of the issuer's.
    #[error("its algorithm \"{0}\" is none of the issuer's")]
    Algorithm(String),
    /// A member is missing or not what it has to be.
    #[error("its member \"{0}\" is missing or wrong")]
    Member(&'static str),
    /// The private key stands there: whoever can read the set can sign.
    #[error("its private part is published with it, so anybody can sign with this key")]
    Private,
    /// A shared secret in a set of public keys.
    #[error("a shared secret does not belong into a set of keys; name it with `key`")]
    Secret,
    /// The same key as one before.
    #[error("the same key stands there twice")]
    Duplicate,
    /// There are more keys than [`MAX_KEYS`].
    #[error("there are more than {MAX_KEYS} keys")]
    TooMany,
    /// The key itself is bad.
    #[error("{0}")]
    Bad(#[from] BadKey),
}

/// Why there is no set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSet {
    /// Larger than [`MAX_SET_BYTES`].
    #[error("the set of keys is larger than {MAX_SET_BYTES} bytes")]
    TooLarge,
    /// No JSON object, or one with a member twice.
    #[error("the set of keys is no proper JSON object")]
    Json,
    /// The member `keys` is missing, or no list.
    #[error("the set of keys has no list \"keys\"")]
    NoList,
    /// Not one key of it can be used.
    #[error("none of the {} keys can be used{}", .0.len(), first_reason(.0))]
    NoKey(Vec<LeftOut>),
    /// The PEM file does not hold one public key.
    #[error("{0}")]
    Pem(&'static str),
    /// The one key is bad.
    #[error("{0}")]
    Bad(#[from] BadKey),
}

/// What the keys say to a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unverified {
    pub(crate) flaw: Flaw,
    /// Whether another set may hold the key: none of this one has the name that the token gives.
    pub(crate) another_may: bool,
}

// === impl KeySet ===

impl KeySet {
    /// Reads a JSON Web Key Set, and says which of its keys are left out.
    pub fn parse(text: &[u8], algorithms: &[Algorithm]) -> Result<(Self, Vec<LeftOut>), BadSet> {
        if text.len() > MAX_SET_BYTES {
            return Err(BadSet::TooLarge);
        }
        let members = object(text).ok_or(BadSet::Json)?;
        let Some(Value::Array(entries)) = members.get("keys") else { return Err(BadSet::NoList) };
        let mut keys: Vec<Key> = Vec::new();
        let mut left_out = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let key = if keys.len() < MAX_KEYS { entry::read(entry, algorithms) } else { Err(Unused::TooMany) };
            match key {
                Ok(key) if keys.iter().any(|other| other.id == key.id && other.is_same(&key)) => {
                    left_out.push(LeftOut::new(index, entry, Unused::Duplicate));
                }
                Ok(key) => keys.push(key),
                Err(why) => left_out.push(LeftOut::new(index, entry, why)),
            }
        }
        if keys.is_empty() {
            return Err(BadSet::NoKey(left_out));
        }
        Ok((Self::of(keys), left_out))
    }

    /// The one public key of a PEM file.
    pub fn from_pem(text: &[u8], algorithms: &[Algorithm]) -> Result<Self, BadSet> {
        pem::read(text, algorithms).map(|key| Self::of(vec![key]))
    }

    /// One shared secret.
    pub fn shared(secret: &[u8], algorithms: &[Algorithm]) -> Result<Self, BadSet> {
        Ok(Self::of(vec![Key::shared(secret, algorithms)?]))
    }

    /// How many keys there are; never 0.
    #[expect(clippy::len_without_is_empty, reason = "a set is never empty")]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Two sets with the same digest are the same.
    pub(crate) fn digest(&self) -> &[u8; 16] {
        &self.digest
    }

    fn of(keys: Vec<Key>) -> Self {
        let parts: Vec<Vec<u8>> = keys.iter().map(Key::description).collect();
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        Self { digest: digest::short(&parts), keys: keys.into() }
    }

    /// Whether one of these keys has signed the token. A `kid` says which; a token without one, and keys without one,
    /// are tried as far as the algorithm allows.
    pub(crate) fn check(&self, token: &Compact<'_>) -> Result<(), Unverified> {
        let refused = |flaw, another_may| Err(Unverified { flaw, another_may });
        let Some(algorithm) = token.header.algorithm else { return refused(Flaw::Algorithm, false) };
        let wanted = token.header.key_id.as_deref();
        let named = wanted.is_some_and(|id| self.keys.iter().any(|key| key.id.as_deref() == Some(id)));
        let is_candidate = |key: &&Key| match (wanted, named) {
            (None, _) => true,
            (Some(_), true) => key.id.as_deref() == wanted,
            (Some(_), false) => key.id.is_none(),
        };
        let mut candidates = self.keys.iter().filter(is_candidate).peekable();
        if candidates.peek().is_none() {
            return refused(Flaw::UnknownKey, true);
        }
        let mut fitting = candidates.filter(|key| key.allows(algorithm)).take(MAX_TRIED).peekable();
        if fitting.peek().is_none() {
            return refused(Flaw::Algorithm, false);
        }
        if fitting.any(|key| key.verify(algorithm, token.signed, &token.signature)) {
            return Ok(());
        }
        refused(Flaw::Signature, wanted.is_some() && !named)
    }
}

// === impl LeftOut ===

impl LeftOut {
    fn new(index: usize, entry: &Value, why: Unused) -> Self {
        let id = entry.get("kid").and_then(Value::as_str).map(shown);
        Self { index, id, why }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => write!(f, "key \"{id}\": {}", self.why),
            None => write!(f, "key {} of the set: {}", self.index + 1, self.why),
        }
    }
}

/// A stranger's text, for a log.
fn shown(text: &str) -> String {
    const LONGEST: usize = 64;
    text.chars().take(LONGEST).flat_map(char::escape_default).collect()
}

fn first_reason(left_out: &[LeftOut]) -> String {
    left_out.first().map(|first| format!("; {first}")).unwrap_or_default()
}

#[cfg(test)]
mod tests;
