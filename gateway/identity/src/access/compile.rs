//! `identity` of a route, checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderName;
use rampart_settings::{Place, nearest};

use super::claim::RequiredClaim;
use super::find::{API_KEY_HEADER, AUTHORIZATION};
use super::forward::{Forward, Keep, What};
use super::{Access, RawAccess};
use crate::api_key::ApiKeys;
use crate::issuer::{Issuer, TokenPlace};

/// Issuers of one route at most: each is asked for the `iss` of a token.
const MAX_ISSUERS: usize = 16;
/// Scopes, claims and headers of one route at most.
const MAX_ITEMS: usize = 64;
/// Bytes of a realm at most.
const MAX_REALM_BYTES: usize = 64;

/// Headers that are not the gateway's to fill with an identity: they frame the message, name its target or the client's
/// address, or carry the credentials themselves.
const NOT_FORWARDED: [&str; 19] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-api-key",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
];

/// What a route may refer to.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The issuers, by name.
    pub issuers: &'a BTreeMap<Arc<str>, Arc<Issuer>>,
    /// The API keys.
    pub api_keys: &'a Arc<ApiKeys>,
}

impl Access {
    /// Checks `raw`, which stands at `place`, and reports everything that is wrong with it. The value is used only if
    /// nothing was reported as an error.
    pub fn compile(raw: &RawAccess, known: Known<'_>, place: &Place<'_>) -> Self {
        let access = Self {
            issuers: compile_issuers(raw, known, place),
            api_keys: raw.api_keys.then(|| Arc::clone(known.api_keys)),
            required: raw.required,
            scopes: compile_scopes(&raw.scopes, &place.key("scopes")),
            any_scope: compile_scopes(&raw.any_scope, &place.key("any_scope")),
            claims: compile_claims(raw, &place.key("claims")),
            forward: compile_forward(raw, &place.key("forward")),
            keep: match raw.keep_credentials {
                None => Keep::Tokens,
                Some(true) => Keep::All,
                Some(false) => Keep::None,
            },
            realm: compile_realm(&raw.realm, &place.key("realm")),
        };
        if raw.issuers.as_slice().is_empty() && !raw.api_keys {
            place.error_help(
                "nobody can show who they are: neither issuers nor api_keys",
                "write issuers = [\"NAME\"] for tokens of an [issuer.NAME], api_keys = true for keys, or both",
            );
        }
        access.warn(raw, known, place);
        access
    }

    /// What works, and is likely not what was meant.
    fn warn(&self, raw: &RawAccess, known: Known<'_>, place: &Place<'_>) {
        if raw.api_keys && known.api_keys.is_empty() {
            place.key("api_keys").warn(
                "no [[api_key]] is defined, so no key will ever hold",
                "`rampart apikey new --name NAME` makes one",
            );
        }
        let asks = !(self.scopes.is_empty() && self.any_scope.is_empty() && self.claims.is_empty());
        if asks && !raw.required {
            place.key("required").warn(
                "a caller without a credential needs no scope and no claim here: only those who show one are checked",
                "remove required = false, or what is asked for",
            );
        }
        if raw.api_keys && !self.claims.is_empty() {
            place.key("claims").warn(
                "an API key has no claims, so the keys that api_keys = true takes are all refused",
                "ask for scopes, which keys have too, or remove api_keys",
            );
        }
        let keys = known.api_keys;
        if raw.api_keys && self.issuers.is_empty() && !keys.is_empty() && !keys.any_may(|scopes| self.lets_in(scopes)) {
            place
                .key("scopes")
                .warn("no [[api_key]] has the scopes that are asked for", "every request will be refused");
        }
        if let [only] = raw.any_scope.as_slice() {
            place.key("any_scope").warn(
                format!("of one scope, one is all: the same as scopes = [\"{only}\"]"),
                "list several, or write it under scopes",
            );
        }
    }

    fn lets_in(&self, scopes: &[Box<str>]) -> bool {
        self.scopes.iter().all(|scope| scopes.contains(scope))
            && (self.any_scope.is_empty() || self.any_scope.iter().any(|scope| scopes.contains(scope)))
    }
}

fn compile_issuers(raw: &RawAccess, known: Known<'_>, place: &Place<'_>) -> Box<[Arc<Issuer>]> {
    let place = place.key("issuers");
    let names = raw.issuers.as_slice();
    if names.len() > MAX_ISSUERS {
        place.error(format!("{} issuers are more than {MAX_ISSUERS}", names.len()));
    }
    let mut issuers: Vec<Arc<Issuer>> = Vec::with_capacity(names.len().min(MAX_ISSUERS));
    for (index, name) in names.iter().take(MAX_ISSUERS).enumerate() {
        // One name may stand there without a list around it.
        let place = if place.text().is_some() { place.clone() } else { place.index(index) };
        match known.issuers.get(name.as_str()) {
            None => place.unknown_name("issuer", name, known.issuers.keys().map(AsRef::as_ref)),
            Some(issuer) if issuers.iter().any(|other| other.name == issuer.name) => {
                place.error(format!("\"{name}\" is listed twice"));
            }
            Some(issuer) => {
                if raw.api_keys && issuer.token.contains(&TokenPlace::Header(API_KEY_HEADER.into())) {
                    place.error_help(
                        format!("\"{name}\" takes tokens from {API_KEY_HEADER}, where API keys are sent"),
                        "let the issuer take its tokens from another header, or remove api_keys",
                    );
                }
                issuers.push(Arc::clone(issuer));
            }
        }
    }
    issuers.into()
}

/// `scope-token` of RFC 6749 section 3.3: visible ASCII without quotes and backslashes.
pub(crate) fn is_scope(scope: &str) -> bool {
    !scope.is_empty()
        && scope.len() <= 128
        && scope.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte))
}

/// A list of scopes; what is wrong is reported.
pub(crate) fn compile_scopes(raw: &[String], place: &Place<'_>) -> Box<[Box<str>]> {
    if raw.len() > MAX_ITEMS {
        place.error(format!("{} scopes are more than {MAX_ITEMS}", raw.len()));
    }
    let mut scopes: Vec<Box<str>> = Vec::with_capacity(raw.len().min(MAX_ITEMS));
    for (index, scope) in raw.iter().take(MAX_ITEMS).enumerate() {
        let place = place.index(index);
        if scope.contains(' ') {
            place.error_help(format!("\"{scope}\" is several scopes"), "write each as an item of its own");
        } else if !is_scope(scope) {
            place.error(format!(
                "{scope:?} is no scope: visible ASCII without quotes and backslashes, 1 to 128 characters"
            ));
        } else if scopes.iter().any(|known| **known == **scope) {
            place.error(format!("\"{scope}\" is listed twice"));
        } else {
            scopes.push(scope.as_str().into());
        }
    }
    scopes.into()
}

fn compile_claims(raw: &RawAccess, place: &Place<'_>) -> Box<[RequiredClaim]> {
    if raw.claims.len() > MAX_ITEMS {
        place.error(format!("{} claims are more than {MAX_ITEMS}", raw.claims.len()));
    }
    let claims = raw.claims.iter().take(MAX_ITEMS).map(|(name, values)| {
        let claim = RequiredClaim::new(name, values);
        if name.is_empty() {
            place.key(name).error_at_key("a claim has a name", None);
        }
        if claim.is_impossible() {
            place.key(name).error_help("no value would do", "list the values that are let in");
        }
        claim
    });
    claims.collect()
}

fn compile_forward(raw: &RawAccess, place: &Place<'_>) -> Box<[Forward]> {
    if raw.forward.len() > MAX_ITEMS {
        place.error(format!("{} headers are more than {MAX_ITEMS}", raw.forward.len()));
    }
    let mut forwards: Vec<Forward> = Vec::new();
    for (name, what) in raw.forward.iter().take(MAX_ITEMS) {
        let place = place.key(name);
        let header = forwarded_header(name, &forwards, &place);
        let said = What::parse(what);
        if said.is_none() {
            let help = nearest(what, What::WORDS.into_iter()).map_or_else(
                || format!("one of {}, claim:NAME", What::WORDS.join(", ")),
                |near| format!("did you mean \"{near}\"?"),
            );
            place.error_help(format!("\"{what}\" says nothing about a caller"), help);
        }
        if let (Some(header), Some(what)) = (header, said) {
            forwards.push(Forward { header, what });
        }
    }
    forwards.into()
}

fn forwarded_header(name: &str, others: &[Forward], place: &Place<'_>) -> Option<HeaderName> {
    let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else {
        place.error_at_key(format!("{name:?} is not the name of a header"), None);
        return None;
    };
    let spelled = header.as_str().replace('_', "-");
    if spelled == AUTHORIZATION || spelled == API_KEY_HEADER || NOT_FORWARDED.contains(&spelled.as_str()) {
        let help = "choose a name of your own, such as \"X-User\"".to_owned();
        place.error_at_key(format!("\"{name}\" has a meaning already and cannot carry an identity"), Some(help));
        return None;
    }
    if others.iter().any(|other| other.header.as_str().replace('_', "-") == spelled) {
        place.error_at_key(format!("\"{name}\" is set twice"), None);
        return None;
    }
    Some(header)
}

/// A realm stands in quotes in `WWW-Authenticate`.
fn compile_realm(realm: &str, place: &Place<'_>) -> Box<str> {
    let visible = realm.bytes().all(|byte| (byte.is_ascii_graphic() || byte == b' ') && !b"\"\\".contains(&byte));
    if !visible || realm.is_empty() || realm.len() > MAX_REALM_BYTES {
        place.error(format!(
            "a realm is 1 to {MAX_REALM_BYTES} visible ASCII characters without quotes and backslashes"
        ));
        return "rampart".into();
    }
    realm.into()
}
