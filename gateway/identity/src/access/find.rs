//! The credential of a request: where it may stand, and whether there is exactly one.

use std::borrow::Cow;
use std::sync::Arc;

use rampart_message::{Headers, cookies};

use super::Access;
use crate::api_key::{self, ApiKeys};
use crate::issuer::{Issuer, TokenPlace};
use crate::reason::Reason;

/// The header in which API keys are sent.
pub(super) const API_KEY_HEADER: &str = "x-api-key";
pub(super) const AUTHORIZATION: &str = "authorization";

/// What a request has to show.
pub(super) enum Found<'a, 'h> {
    Nothing,
    One(Credential<'a, 'h>),
    Unusable(Reason),
}

/// A credential, and who can say whether it holds.
pub(super) enum Credential<'a, 'h> {
    Token { text: &'h [u8], issuers: Cow<'a, [Arc<Issuer>]> },
    ApiKey { text: &'h [u8], keys: &'a ApiKeys },
}

/// Looks for the credential in every place where the route takes one.
pub(super) fn credential<'a, 'h>(access: &'a Access, headers: &Headers<'h>) -> Found<'a, 'h> {
    let bearer = match bearer(access, headers) {
        Ok(bearer) => bearer,
        Err(reason) => return Found::Unusable(reason),
    };
    let (key_in_bearer, token_in_bearer) = match bearer {
        Some(text) if access.api_keys.is_some() && api_key::looks_like_one(text) => (Some(text), None),
        other => (None, other),
    };
    let mut key = One::new(key_in_bearer);
    if access.api_keys.is_some() {
        headers.get_all(API_KEY_HEADER).for_each(|value| key.add(value.trim_ascii()));
    }
    let mut token = One::new(None);
    let mut takers = 0;
    for issuer in &access.issuers {
        let before = token.count;
        issuer.token.iter().for_each(|place| tokens_at(place, token_in_bearer, headers, |text| token.add(text)));
        takers += usize::from(token.count > before);
    }
    if key.differ || token.differ || (key.text.is_some() && token.text.is_some()) {
        return Found::Unusable(Reason::Ambiguous);
    }
    match (key.text, token.text, &access.api_keys) {
        (Some(text), _, Some(keys)) => Found::One(Credential::ApiKey { text, keys }),
        (_, Some(text), _) => {
            let issuers = if takers == access.issuers.len() {
                Cow::Borrowed(&*access.issuers)
            } else {
                Cow::Owned(takers_of(access, text, token_in_bearer, headers))
            };
            Found::One(Credential::Token { text, issuers })
        }
        _ => Found::Nothing,
    }
}

/// The one text that all places agree on.
struct One<'h> {
    text: Option<&'h [u8]>,
    differ: bool,
    count: usize,
}

impl<'h> One<'h> {
    fn new(text: Option<&'h [u8]>) -> Self {
        Self { text, differ: false, count: usize::from(text.is_some()) }
    }

    fn add(&mut self, text: &'h [u8]) {
        self.differ |= self.text.is_some_and(|known| known != text);
        self.text = Some(text);
        self.count += 1;
    }
}

/// The issuers that take the token from one of the places where it stands.
fn takers_of(access: &Access, text: &[u8], bearer: Option<&[u8]>, headers: &Headers<'_>) -> Vec<Arc<Issuer>> {
    let takes = |issuer: &&Arc<Issuer>| {
        let mut found = false;
        issuer.token.iter().for_each(|place| tokens_at(place, bearer, headers, |at| found |= at == text));
        found
    };
    access.issuers.iter().filter(takes).map(Arc::clone).collect()
}

/// What stands at a place. An empty cookie is what a sign-out leaves behind, and no credential.
fn tokens_at<'h>(place: &TokenPlace, bearer: Option<&'h [u8]>, headers: &Headers<'h>, mut each: impl FnMut(&'h [u8])) {
    match place {
        TokenPlace::Bearer => bearer.into_iter().for_each(each),
        TokenPlace::Header(name) => {
            headers.get_all(name).for_each(|value| each(after_bearer(value).unwrap_or(value.trim_ascii())));
        }
        TokenPlace::Cookie(name) => headers
            .get_all("cookie")
            .flat_map(cookies::split)
            .filter(|(given, value)| *given == Some(name.as_bytes()) && !value.is_empty())
            .for_each(|(_, value)| each(value)),
    }
}

/// What `Authorization` holds after the scheme `Bearer`, where the route looks there at all. Two lines of it are refused
/// although they agree: the field is no list (RFC 9110 section 11.6.2), and which one counts behind is not known here.
fn bearer<'h>(access: &Access, headers: &Headers<'h>) -> Result<Option<&'h [u8]>, Reason> {
    if !access.looks_at_authorization() {
        return Ok(None);
    }
    let mut lines = headers.get_all(AUTHORIZATION);
    let line = lines.next();
    if lines.next().is_some() {
        return Err(Reason::Ambiguous);
    }
    let Some(text) = line.and_then(after_bearer) else { return Ok(None) };
    if text.is_empty() {
        return Err(Reason::Malformed);
    }
    Ok(Some(text))
}

/// What follows the scheme `Bearer`, in any case (RFC 9110 section 11.1).
pub(super) fn after_bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.trim_ascii().split_at_checked(6)?;
    let bearer = scheme.eq_ignore_ascii_case(b"bearer") && (rest.is_empty() || rest.starts_with(b" "));
    bearer.then(|| rest.trim_ascii())
}

impl Access {
    /// Whether `Authorization` may hold a credential of this route.
    pub(super) fn looks_at_authorization(&self) -> bool {
        self.api_keys.is_some() || self.takes_bearer_tokens()
    }

    /// Whether one of the issuers takes tokens from `Authorization`.
    pub(super) fn takes_bearer_tokens(&self) -> bool {
        self.issuers.iter().any(|issuer| issuer.token.contains(&TokenPlace::Bearer))
    }
}
