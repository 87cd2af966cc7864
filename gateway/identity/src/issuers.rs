//! The issuers at work: their keys, fetched and kept, and the tokens that were checked already.
//!
//! Lives beside the snapshot and survives reloads.

use std::sync::Arc;
use std::time::SystemTime;

use crate::issuer::Issuer;
use crate::jwt::{Flaw, Token};

/// The keys of all issuers, and the tokens that were checked already.
#[derive(Debug, Default)]
pub struct Issuers {}

/// What became of a token.
#[derive(Debug, Clone)]
pub enum Verification {
    /// It is good.
    Good(Arc<Token>),
    /// It is not.
    Refused {
        /// Why.
        flaw: Flaw,
        /// The issuer that it claims to be of, where one is configured.
        issuer: Option<Arc<str>>,
    },
    /// It names a key that is not known, and asking the issuer may help: await [`Issuers::refresh`], then check again.
    UnknownKey {
        /// The name of the issuer's table.
        issuer: Arc<str>,
    },
}

impl Issuers {
    /// No issuers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes over the issuers of a new snapshot. Keys of issuers that stay are kept.
    pub fn reconcile(&self, issuers: &[Arc<Issuer>]) {
        let _ = issuers;
    }

    /// Checks a token against those of `candidates` that it claims to be of (by its `iss`).
    pub fn verify(&self, candidates: &[Arc<Issuer>], token: &[u8], now: SystemTime) -> Verification {
        let _ = (candidates, token, now);
        Verification::Refused { flaw: Flaw::KeysUnavailable, issuer: None }
    }

    /// Fetches the keys of an issuer because a token names one that is not there. Whoever calls this while a fetch is
    /// under way waits for that one. True if the keys are other than before.
    pub async fn refresh(&self, name: &str) -> bool {
        let _ = name;
        std::future::ready(false).await
    }

    /// Fetches keys when they are due, for as long as the process lives.
    pub async fn run(&self) {
        std::future::pending::<()>().await;
    }
}
