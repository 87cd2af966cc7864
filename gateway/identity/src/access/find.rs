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
/// The scheme in which keys may be sent in `Authorization`, and which challenges name. None is registered for API keys;
/// this name is what other gateways use.
pub(super) const API_KEY_SCHEME: &str = "ApiKey";

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
    let (key, token_in_bearer) = match authorization(access, headers) {
        Ok(Authorized::Nothing) => (None, None),
        Ok(Authorized::Key(text)) => (Some(text), None),
        Ok(Authorized::Bearer(text)) if access.api_keys.is_some() && api_key::looks_like_one(text) => {
            (Some(text), None)
        }
        Ok(Authorized::Bearer(text)) => (None, Some(text)),
        Err(reason) => return Found::Unusable(reason),
    };
    let mut key = One::new(key);
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

/// What `Authorization` holds for the route.
enum Authorized<'h> {
    Nothing,
    /// After the scheme `Bearer`: a token or a key.
    Bearer(&'h [u8]),
    /// After the scheme `ApiKey`.
    Key(&'h [u8]),
}

/// What `Authorization` holds, where the route looks there at all. Two lines of it are refused although they agree: the
/// field is no list (RFC 9110 section 11.6.2), and which one counts behind is not known here.
fn authorization<'h>(access: &Access, headers: &Headers<'h>) -> Result<Authorized<'h>, Reason> {
    if !access.looks_at_authorization() {
        return Ok(Authorized::Nothing);
    }
    let mut lines = headers.get_all(AUTHORIZATION);
    let line = lines.next();
    if lines.next().is_some() {
        return Err(Reason::Ambiguous);
    }
    let Some(line) = line else { return Ok(Authorized::Nothing) };
    let found = match (after_bearer(line), after_scheme(line, API_KEY_SCHEME)) {
        (Some(text), _) => Authorized::Bearer(text),
        (None, Some(text)) if access.api_keys.is_some() => Authorized::Key(text),
        _ => return Ok(Authorized::Nothing),
    };
    match found {
        Authorized::Bearer(b"") | Authorized::Key(b"") => Err(Reason::Malformed),
        found => Ok(found),
    }
}

/// What follows the scheme `Bearer`.
fn after_bearer(value: &[u8]) -> Option<&[u8]> {
    after_scheme(value, "Bearer")
}

/// What follows this scheme, in any case (RFC 9110 section 11.1). Where a space has to stand, servers take a tab too.
fn after_scheme<'v>(value: &'v [u8], name: &str) -> Option<&'v [u8]> {
    let (scheme, rest) = value.trim_ascii().split_at_checked(name.len())?;
    let is_it = scheme.eq_ignore_ascii_case(name.as_bytes()) && matches!(rest.first(), None | Some(b' ' | b'\t'));
    is_it.then(|| rest.trim_ascii())
}

/// Whether a value of `Authorization` has an API key in it, in whatever way: as what a scheme of ours is followed by, or
/// whole anywhere else.
pub(super) fn shows_api_key(value: &[u8]) -> bool {
    let ours = [after_bearer(value), after_scheme(value, API_KEY_SCHEME)];
    ours.into_iter().flatten().any(api_key::looks_like_one) || api_key::stands_in(value)
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
