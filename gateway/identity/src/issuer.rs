//! `[issuer.NAME]` as it is used: checked, with nothing left to be wrong.
//!
//! An issuer has one source of keys, and it says which algorithms those keys are for. Shared secrets come from `key`
//! alone and public keys from the other sources alone, so that an algorithm of one kind never meets a key of the other.

mod compile;
mod place;
mod raw;
mod source;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rampart_secrets::{Secret, SecretRef};
use rampart_settings::Place;
use serde_json::{Map, Value};

use crate::jwks::KeySet;
use crate::jwt::{Algorithm, Compact, Flaw, Rules, Times, Token};

pub use place::TokenPlace;
pub use raw::{RawIssuer, RawStrings};
pub use source::{KeySource, Published};

/// What compiling an issuer needs from outside. Both report what is wrong at the place, and answer `None` then.
pub struct Sources<'a> {
    /// The secret behind a reference.
    pub secret: &'a dyn Fn(&SecretRef, &Place<'_>) -> Option<Arc<Secret>>,
    /// The content of a file, of 1 MiB at most; a relative path is relative to the folder of config.toml.
    pub file: &'a dyn Fn(&Path, &Place<'_>) -> Option<Vec<u8>>,
}

/// An issuer, checked.
pub struct Issuer {
    /// The name of its table.
    pub name: Arc<str>,
    /// Where tokens are, in this order.
    pub token: Box<[TokenPlace]>,
    /// What is taken.
    algorithms: Box<[Algorithm]>,
    /// What the header's `typ` has to be, in lower case, without `application/`.
    typ: Option<Box<str>>,
    rules: Rules,
    source: KeySource,
    /// Two issuers with the same digest take the same tokens for the same, given the same keys.
    digest: [u8; 16],
}

// === impl Issuer ===

impl Issuer {
    /// What `iss` has to be.
    pub fn issuer(&self) -> Option<&str> {
        self.rules.issuer.as_deref()
    }

    /// What `aud` has to name one of; empty: not looked at.
    pub fn audience(&self) -> &[Box<str>] {
        &self.rules.audience
    }

    /// The algorithms that are taken.
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// By how much clocks may differ.
    pub fn leeway(&self) -> Duration {
        self.rules.leeway
    }

    /// Where its keys come from.
    pub fn source(&self) -> &KeySource {
        &self.source
    }

    pub(crate) fn digest(&self) -> &[u8; 16] {
        &self.digest
    }

    /// Whether a token that says so may be of this issuer.
    pub(crate) fn may_be(&self, issuer: Option<&str>) -> bool {
        self.rules.issuer.is_none() || self.rules.issuer.as_deref() == issuer
    }

    /// Whether the header is one of this issuer's.
    pub(crate) fn check_header(&self, token: &Compact<'_>) -> Result<(), Flaw> {
        if !token.header.algorithm.is_some_and(|algorithm| self.algorithms.contains(&algorithm)) {
            return Err(Flaw::Algorithm);
        }
        let Some(expected) = &self.typ else { return Ok(()) };
        let given = token.header.typ.as_deref().map(plain_type);
        if given.as_deref() == Some(&**expected) { Ok(()) } else { Err(Flaw::Type) }
    }

    /// What the token says, once its signature is known to be good.
    pub(crate) fn check_claims(&self, claims: Map<String, Value>, now: SystemTime) -> Result<(Token, Times), Flaw> {
        self.rules.check(claims, now)
    }

    /// Whether a token that was good before is good at `now`.
    pub(crate) fn check_times(&self, times: &Times, now: SystemTime) -> Result<(), Flaw> {
        self.rules.check_times(times, now)
    }

    /// The keys that came with the configuration.
    pub(crate) fn fixed_keys(&self) -> Option<&Arc<KeySet>> {
        match &self.source {
            KeySource::Fixed(keys) => Some(keys),
            KeySource::Published(_) | KeySource::Missing => None,
        }
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("name", &self.name).field("source", &self.source).finish_non_exhaustive()
    }
}

/// A media type as `typ` writes it: `application/` may be left out, and case does not count (RFC 7515 section 4.1.9).
fn plain_type(text: &str) -> String {
    let text = text.to_ascii_lowercase();
    text.strip_prefix("application/").map_or_else(|| text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests;
