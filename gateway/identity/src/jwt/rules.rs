//! What the claims of a token have to say (RFC 7519 section 4.1).

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use super::flaw::Flaw;
use super::token::{Claims, Token};
use crate::principal::is_safe_name;

/// The end of the year 9999 in seconds: a later date is milliseconds taken for seconds.
const LAST_DATE_S: f64 = 253_402_300_799.0;

/// What an issuer's tokens have to say.
#[derive(Debug)]
pub(crate) struct Rules {
    /// The name of the issuer's table.
    pub(crate) name: Arc<str>,
    pub(crate) issuer: Option<Box<str>>,
    pub(crate) audience: Box<[Box<str>]>,
    pub(crate) require: Box<[Box<str>]>,
    pub(crate) subject: Box<str>,
    pub(crate) tenant: Option<Box<str>>,
    pub(crate) scopes: Box<str>,
    pub(crate) leeway: Duration,
    pub(crate) max_age: Option<Duration>,
}

/// When a token is good, in seconds since the Unix epoch. Checked again with every use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Times {
    expires: Option<f64>,
    not_before: Option<f64>,
    issued: Option<f64>,
}

// === impl Rules ===

impl Rules {
    /// What the claims say, if they are good at `now`. Whoever calls this has checked the signature.
    pub(crate) fn check(&self, claims: Map<String, Value>, now: SystemTime) -> Result<(Token, Times), Flaw> {
        let times = Times::read(&claims)?;
        self.check_issuer(&claims)?;
        self.check_audience(&claims)?;
        self.check_times(&times, now)?;
        let claims = Claims(claims);
        if self.require.iter().any(|name| claims.get(name).is_none_or(Value::is_null)) {
            return Err(Flaw::Claim);
        }
        let tenant = match &self.tenant {
            Some(name) => name_in(&claims, name)?,
            None => Arc::clone(&self.name),
        };
        let token = Token {
            issuer: Arc::clone(&self.name),
            subject: name_in(&claims, &self.subject)?,
            tenant,
            scopes: scopes_in(&claims, &self.scopes)?,
            claims,
        };
        Ok((token, times))
    }

    /// Whether the token is good at `now`.
    pub(crate) fn check_times(&self, times: &Times, now: SystemTime) -> Result<(), Flaw> {
        let now_s = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let leeway_s = self.leeway.as_secs_f64();
        if times.expires.is_some_and(|at| now_s >= at + leeway_s) {
            return Err(Flaw::Expired);
        }
        let begins = [times.not_before, times.issued];
        if begins.into_iter().flatten().any(|at| now_s < at - leeway_s) {
            return Err(Flaw::NotYet);
        }
        match (self.max_age, times.issued) {
            (Some(_), None) => Err(Flaw::Claim),
            (Some(age), Some(at)) if now_s >= at + age.as_secs_f64() + leeway_s => Err(Flaw::Expired),
            _ => Ok(()),
        }
    }

    fn check_issuer(&self, claims: &Map<String, Value>) -> Result<(), Flaw> {
        let Some(expected) = &self.issuer else { return Ok(()) };
        match claims.get("iss") {
            Some(Value::String(given)) if **given == **expected => Ok(()),
            _ => Err(Flaw::Issuer),
        }
    }

    fn check_audience(&self, claims: &Map<String, Value>) -> Result<(), Flaw> {
        if self.audience.is_empty() {
            return Ok(());
        }
        let ours = |given: &str| self.audience.iter().any(|each| **each == *given);
        let named = match claims.get("aud") {
            Some(Value::String(given)) => ours(given),
            Some(Value::Array(list)) => {
                let texts: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
                texts.ok_or(Flaw::Claim)?.into_iter().any(ours)
            }
            None => false,
            Some(_) => return Err(Flaw::Claim),
        };
        if named { Ok(()) } else { Err(Flaw::Audience) }
    }
}

// === impl Times ===

impl Times {
    fn read(claims: &Map<String, Value>) -> Result<Self, Flaw> {
        Ok(Self { expires: date(claims, "exp")?, not_before: date(claims, "nbf")?, issued: date(claims, "iat")? })
    }
}

/// A `NumericDate`: seconds since the Unix epoch, with a fraction or without (RFC 7519 section 2).
fn date(claims: &Map<String, Value>, name: &str) -> Result<Option<f64>, Flaw> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_f64().ok_or(Flaw::Claim)?;
    if (0.0..=LAST_DATE_S).contains(&seconds) { Ok(Some(seconds)) } else { Err(Flaw::Claim) }
}

/// A claim that names somebody: safe text, or a whole number. It becomes part of keys, headers and records.
fn name_in(claims: &Claims, claim: &str) -> Result<Arc<str>, Flaw> {
    let name: Arc<str> = match claims.get(claim) {
        Some(Value::String(text)) => text.as_str().into(),
        Some(Value::Number(number)) if number.is_u64() => number.to_string().into(),
        _ => return Err(Flaw::Claim),
    };
    if is_safe_name(&name) { Ok(name) } else { Err(Flaw::Claim) }
}

/// Scopes as RFC 8693 section 4.2 has them, with spaces between, or as a list.
fn scopes_in(claims: &Claims, claim: &str) -> Result<Arc<[Box<str>]>, Flaw> {
    let mut scopes: Vec<Box<str>> = match claims.get(claim) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => text.split(' ').filter(|scope| !scope.is_empty()).map(Into::into).collect(),
        Some(Value::Array(list)) => {
            let texts: Option<Vec<Box<str>>> = list.iter().map(|item| item.as_str().map(Into::into)).collect();
            texts.ok_or(Flaw::Claim)?
        }
        Some(_) => return Err(Flaw::Claim),
    };
    scopes.sort_unstable();
    scopes.dedup();
    Ok(scopes.into())
}
