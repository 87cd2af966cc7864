//! API keys: secrets that are made here, handed out once, and known afterwards by their digest alone.
//!
//! A key is `rk_ID_SECRET`: a public id of 16 letters and digits, and 43 that are secret. Six of those are a checksum of
//! the whole, so that a mistyped or cut key is told from a wrong one, and scanners for leaked secrets can be sure of
//! what they found. 37 random letters and digits are 220 bits: a plain SHA-256 keeps them secret, and nothing
//! slower is needed (a slow hash protects what people choose, and would let anybody burn the processor).
//!
//! The configuration has the id and the digest. A key is found by its id, which is public, and its digest compared in
//! constant time.
//!
//! Never here: a key after it was made or checked. Randomness is an argument.

mod compile;
mod text;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::reason::Reason;

pub use compile::{RawApiKey, RawDigest};
pub use text::{ID_CHARACTERS, KEY_BYTES, KeyDigest, NewKey, PATTERN};
pub(crate) use text::{looks_like_one, stands_in};

/// A key, as far as it is known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its name in records; unique.
    pub name: Arc<str>,
    /// On whose behalf its holder acts.
    pub tenant: Arc<str>,
    /// What its holder may do.
    pub scopes: Arc<[Box<str>]>,
    /// From when on it holds.
    pub not_before: Option<SystemTime>,
    /// Until when it holds.
    pub expires: Option<SystemTime>,
    digest: [u8; 32],
}

/// The keys of a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiKeys {
    by_id: HashMap<[u8; ID_CHARACTERS], ApiKey>,
}

// === impl ApiKeys ===

impl ApiKeys {
    /// The key that `text` is, if it holds now.
    ///
    /// # Errors
    /// The reason; and the name of the key, where the text proved to be that key or claims its id.
    pub fn verify(&self, text: &[u8], now: SystemTime) -> Result<&ApiKey, (Reason, Option<Arc<str>>)> {
        let id = text::parse(text).ok_or((Reason::Malformed, None))?;
        let key = self.by_id.get(&id).ok_or((Reason::UnknownKey, None))?;
        let name = || Some(Arc::clone(&key.name));
        let digest: [u8; 32] = Sha256::digest(text).into();
        if !bool::from(digest.ct_eq(&key.digest)) {
            return Err((Reason::BadSignature, name()));
        }
        if key.expires.is_some_and(|expires| now >= expires) {
            return Err((Reason::Expired, name()));
        }
        if key.not_before.is_some_and(|not_before| now < not_before) {
            return Err((Reason::NotYet, name()));
        }
        Ok(key)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Whether the scopes of any key satisfy `enough`.
    pub(crate) fn any_may(&self, enough: impl Fn(&[Box<str>]) -> bool) -> bool {
        self.by_id.values().any(|key| enough(&key.scopes))
    }
}

#[cfg(test)]
mod tests;
