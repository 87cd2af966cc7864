//! `identity` of a route: who may come in, and what the upstream is told about them.
//!
//! [`Access::check`] finds the credential of a request, has it verified, and compares what it proves with what the
//! route asks for. The rules, in the order in which they are applied:
//!
//! - Looked at are the places that the route's issuers take tokens from and, with `api_keys`, `X-Api-Key` and
//!   `Authorization: Bearer rk_...` or `ApiKey rk_...`. Anything else (another scheme in `Authorization`, say) is the upstream's business.
//! - The same credential in two places is one. Two different ones are refused: which of them counts would be decided
//!   differently here and behind.
//! - A credential that does not hold is refused also where none is required: it was meant to prove something. Only a
//!   request without any is anonymous.
//! - A token is verified by those of the route's issuers that take it from where it stands, and by no other.
//! - Scopes and claims come last; the caller is known then, and named in the record of the refusal.
//!
//! What the upstream learns ([`Access::forward`]) stands in headers that nobody else can set: incoming ones of the
//! same name are removed first, in every spelling that a server may take for the same name.
//!
//! Never here: a clock, a key, a network. [`Checked::Unknown`] says when fetching an issuer's keys may help.

mod challenge;
mod claim;
mod compile;
mod describe;
mod find;
mod forward;
mod metrics;
mod raw;

use std::sync::Arc;
use std::time::SystemTime;

use rampart_message::Headers;

use self::claim::RequiredClaim;
use self::find::{Credential, Found};
use self::forward::{Forward, Keep};
use crate::api_key::ApiKeys;
use crate::issuer::Issuer;
use crate::issuers::{Issuers, MissingKey, Verification};
use crate::principal::Principal;
use crate::reason::Reason;

pub use compile::Known;
pub(crate) use compile::compile_scopes;
pub use metrics::AccessMetrics;
pub use raw::{RawAccess, RawClaim, RawClaimValue};

/// What a route asks of its callers, checked.
#[derive(Debug)]
pub struct Access {
    issuers: Box<[Arc<Issuer>]>,
    api_keys: Option<Arc<ApiKeys>>,
    required: bool,
    scopes: Box<[Box<str>]>,
    any_scope: Box<[Box<str>]>,
    claims: Box<[RequiredClaim]>,
    forward: Box<[Forward]>,
    keep: Keep,
    realm: Box<str>,
}

/// What verifies tokens: [`Issuers`]; in tests, a table.
pub trait Tokens {
    /// Verifies `token` as one of those of `candidates` that it claims to be of; `missing` is the key that was asked for
    /// because of it, if one was.
    fn verify(
        &self,
        candidates: &[Arc<Issuer>],
        token: &[u8],
        now: SystemTime,
        missing: Option<&MissingKey>,
    ) -> Verification;
}

/// What became of a request's credentials.
#[derive(Debug)]
pub enum Checked {
    /// There are none, and none are required.
    Anonymous,
    /// The caller is this one, and may come in.
    Known(Principal),
    /// The caller may not come in.
    Refused(Box<Denial>),
    /// The token names a key that is not known: await [`Issuers::refresh`], then [`Access::check_again`].
    Unknown(MissingKey),
}

/// Why a caller may not come in, and what it is told.
#[derive(Debug)]
pub struct Denial {
    /// Why.
    pub reason: Reason,
    /// Values of `WWW-Authenticate`, one field line each (RFC 9110 section 11.6.1). None with status 503.
    pub challenges: Vec<String>,
    /// Who it is, where that was proved.
    pub principal: Option<Principal>,
    /// The issuer or API key that was asked: `jwt:main`, `api_key:ci`. Never the credential itself.
    pub via: Option<String>,
}

// === impl Tokens ===

impl Tokens for Issuers {
    fn verify(
        &self,
        candidates: &[Arc<Issuer>],
        token: &[u8],
        now: SystemTime,
        missing: Option<&MissingKey>,
    ) -> Verification {
        match missing {
            None => Self::verify(self, candidates, token, now),
            Some(missing) => self.verify_again(candidates, token, now, missing),
        }
    }
}

// === impl Access ===

impl Access {
    /// Checks the credentials of a request.
    pub fn check(&self, headers: &Headers<'_>, tokens: &dyn Tokens, now: SystemTime) -> Checked {
        self.look(headers, tokens, now, None)
    }

    /// Checks them once more, after the key that was `missing` was asked for; never [`Checked::Unknown`].
    pub fn check_again(
        &self,
        headers: &Headers<'_>,
        tokens: &dyn Tokens,
        now: SystemTime,
        missing: &MissingKey,
    ) -> Checked {
        self.look(headers, tokens, now, Some(missing))
    }

    fn look(&self, headers: &Headers<'_>, tokens: &dyn Tokens, now: SystemTime, asked: Option<&MissingKey>) -> Checked {
        let principal = match find::credential(self, headers) {
            Found::Nothing if self.required => return self.refuse(Reason::Missing, None),
            Found::Nothing => return Checked::Anonymous,
            Found::Unusable(reason) => return self.refuse(reason, None),
            Found::One(Credential::Token { text, issuers }) => match tokens.verify(&issuers, text, now, asked) {
                Verification::Good(token) => {
                    let via = format!("jwt:{}", token.issuer);
                    match Principal::of_token(token) {
                        Ok(principal) => principal,
                        Err(reason) => return self.refuse(reason, Some(via)),
                    }
                }
                Verification::Refused { flaw, issuer } => {
                    return self.refuse(flaw.into(), issuer.map(|issuer| format!("jwt:{issuer}")));
                }
                Verification::UnknownKey(missing) if asked.is_none() => return Checked::Unknown(missing),
                Verification::UnknownKey(missing) => {
                    return self.refuse(Reason::KeysUnavailable, Some(format!("jwt:{}", missing.issuer)));
                }
            },
            Found::One(Credential::ApiKey { text, keys }) => match keys.verify(text, now) {
                Ok(key) => Principal::of_api_key(&key.name, &key.tenant, &key.scopes),
                Err((reason, name)) => return self.refuse(reason, name.map(|name| format!("api_key:{name}"))),
            },
        };
        match self.permit(&principal) {
            Ok(()) => Checked::Known(principal),
            Err(reason) => Checked::Refused(self.denial(reason, Some(principal.via()), Some(principal))),
        }
    }

    /// Whether a request without a credential is refused.
    pub const fn is_required(&self) -> bool {
        self.required
    }

    /// Whether the route asks for what the caller proved: scopes, claims, and values that headers can carry.
    fn permit(&self, principal: &Principal) -> Result<(), Reason> {
        let all = self.scopes.iter().all(|scope| principal.has_scope(scope));
        let any = self.any_scope.is_empty() || self.any_scope.iter().any(|scope| principal.has_scope(scope));
        if !(all && any) {
            return Err(Reason::Scope);
        }
        if !self.claims.iter().all(|claim| claim.holds(principal)) {
            return Err(Reason::Forbidden);
        }
        // What cannot be said to the upstream would look to it like a caller without that claim.
        self.forward.iter().try_for_each(|forward| forward.value(principal).map(drop))
    }

    fn refuse(&self, reason: Reason, via: Option<String>) -> Checked {
        Checked::Refused(self.denial(reason, via, None))
    }

    fn denial(&self, reason: Reason, via: Option<String>, principal: Option<Principal>) -> Box<Denial> {
        Box::new(Denial { reason, challenges: challenge::challenges(self, reason), principal, via })
    }
}

#[cfg(test)]
mod tests;
