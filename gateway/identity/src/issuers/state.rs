//! What is shown of an issuer's keys: for whoever asks why its tokens are refused, or will be soon.

use std::time::Duration;

use super::{Asked, Issuers};
use crate::issuer::Issuer;

/// The keys of one issuer as they are at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeysState {
    /// How they stand.
    pub status: KeysStatus,
    /// How many tokens are checked with now.
    pub held: usize,
    /// How long ago the set was last fetched with success, whether it is still used or not; `None`: never, or it is
    /// configured.
    pub age: Option<Duration>,
}

/// How an issuer's keys stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysStatus {
    /// They came with the configuration.
    Configured,
    /// The issuer publishes them, and the last fetch brought them.
    Current,
    /// The last fetch failed. Those of an earlier one are used until they are older than `stale`.
    Kept,
    /// There are none (yet, or those that were there are too old): its tokens are refused.
    Unavailable,
}

// === impl KeysStatus ===

impl KeysStatus {
    /// Its name in the admin interface.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::Current => "current",
            Self::Kept => "kept",
            Self::Unavailable => "unavailable",
        }
    }
}

// === impl Issuers ===

impl Issuers {
    /// How the keys stand with which tokens of `issuer` are checked.
    pub fn keys_of(&self, issuer: &Issuer) -> KeysState {
        let slots = self.slots.load();
        let asked = Asked { issuer, slot: slots.get(&issuer.name).map(|slot| &**slot) };
        let held = asked.keys().map(|keys| keys.len());
        let (age, failing) = asked.remote().map_or((None, false), |remote| remote.freshness());
        let status = match held {
            None => KeysStatus::Unavailable,
            Some(_) if issuer.fixed_keys().is_some() => KeysStatus::Configured,
            Some(_) if failing => KeysStatus::Kept,
            Some(_) => KeysStatus::Current,
        };
        KeysState { status, held: held.unwrap_or(0), age }
    }
}
