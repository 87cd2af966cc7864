//! From what an admin wrote to an [`Issuer`].

use rampart_settings::{Duration as RawDuration, Place};

use super::raw::RawIssuer;
use super::source::{self, KeySource};
use super::{Issuer, Sources, TokenPlace, plain_type};
use crate::digest;
use crate::jwt::{Algorithm, Rules};

/// More would make short-lived tokens long-lived.
const LONGEST_LEEWAY: RawDuration = RawDuration::minutes(5);
/// Texts of a list at most, and bytes of each.
const MAX_TEXTS: usize = 64;
const MAX_TEXT_BYTES: usize = 1_024;

impl Issuer {
    /// Checks `raw`, which stands at `place`, and reports everything that is wrong with it. The value is used only if
    /// nothing was reported as an error.
    pub fn compile(name: &str, raw: &RawIssuer, sources: &Sources<'_>, place: &Place<'_>) -> Option<Self> {
        let algorithms = compile_algorithms(&raw.algorithms, &place.key("algorithms"));
        let rules = compile_rules(name, raw, place);
        let token = TokenPlace::compile(&raw.token, &place.key("token"));
        let typ = raw.typ.as_deref().map(|typ| {
            check_text(typ, &place.key("typ"));
            plain_type(typ).into()
        });
        // Without algorithms every source would be wrong, and that was said already.
        let source = if algorithms.is_empty() { None } else { source::compile(raw, &algorithms, sources, place) };
        let source = source?;
        let digest = digest_of(raw, name, &source);
        Some(Self { name: name.into(), algorithms: algorithms.into(), typ, rules, token, source, digest })
    }
}

fn compile_algorithms(names: &[String], place: &Place<'_>) -> Vec<Algorithm> {
    if names.is_empty() {
        place.error_help("no algorithm is taken", "algorithms = [\"RS256\"], or what the issuer signs with");
    }
    let mut algorithms = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        let place = place.index(index);
        match Algorithm::parse(name) {
            Some(algorithm) if algorithms.contains(&algorithm) => place.error(format!("\"{name}\" is listed twice")),
            Some(algorithm) => algorithms.push(algorithm),
            None => unknown_algorithm(name, &place),
        }
    }
    algorithms
}

fn unknown_algorithm(name: &str, place: &Place<'_>) {
    match name {
        "ES512" => place.error_help(
            "ES512 is not supported: the library that checks signatures has no P-521",
            "have the issuer sign with ES384, ES256 or EdDSA",
        ),
        "ES256K" | "Ed448" => place.error_help(
            format!("{name} is not supported: the library that checks signatures has not this curve"),
            "have the issuer sign with ES256 or EdDSA",
        ),
        _ if name.eq_ignore_ascii_case("none") => place.error_help(
            "a token without a signature is whoever's who writes it",
            "name the algorithm that the issuer signs with",
        ),
        _ => place.unknown_name("algorithm", name, Algorithm::ALL.into_iter().map(Algorithm::as_str)),
    }
}

fn compile_rules(name: &str, raw: &RawIssuer, place: &Place<'_>) -> Rules {
    match &raw.issuer {
        Some(issuer) => check_text(issuer, &place.key("issuer")),
        None => place.warn(
            format!("issuer \"{name}\" takes tokens whatever their claim `iss` is"),
            "add issuer = \"https://...\", as the tokens have it",
        ),
    }
    let audience = texts(raw.audience.as_slice(), &place.key("audience"));
    if audience.is_empty() {
        place.warn(
            format!("issuer \"{name}\" takes tokens that were made for other services"),
            "add audience = \"...\", as the tokens for this gateway have it",
        );
    }
    let require = texts(&raw.require, &place.key("require"));
    if !require.iter().any(|claim| **claim == *"exp") && raw.max_age.is_none() {
        place.key("require").warn("a token without `exp` is good for ever", "add \"exp\", or set max_age");
    }
    if raw.leeway > LONGEST_LEEWAY {
        place.key("leeway").error(format!("{} is too long: at most {LONGEST_LEEWAY}", raw.leeway));
    }
    if raw.max_age.is_some_and(RawDuration::is_zero) {
        place.key("max_age").error("no token would be young enough");
    }
    check_text(&raw.subject, &place.key("subject"));
    check_text(&raw.scopes, &place.key("scopes"));
    if let Some(tenant) = &raw.tenant {
        check_text(tenant, &place.key("tenant"));
    }
    Rules {
        name: name.into(),
        issuer: raw.issuer.as_deref().map(Into::into),
        audience,
        require,
        subject: raw.subject.as_str().into(),
        tenant: raw.tenant.as_deref().map(Into::into),
        scopes: raw.scopes.as_str().into(),
        leeway: raw.leeway.min(LONGEST_LEEWAY).get(),
        max_age: raw.max_age.map(RawDuration::get),
    }
}

fn texts(given: &[String], place: &Place<'_>) -> Box<[Box<str>]> {
    if given.len() > MAX_TEXTS {
        place.error(format!("{} are more than {MAX_TEXTS}", given.len()));
    }
    for (index, text) in given.iter().enumerate() {
        check_text(text, &place.index(index));
    }
    given.iter().map(|text| text.as_str().into()).collect()
}

fn check_text(text: &str, place: &Place<'_>) {
    if text.is_empty() {
        place.error("is empty");
    } else if text.len() > MAX_TEXT_BYTES {
        place.error(format!("is longer than {MAX_TEXT_BYTES} bytes"));
    }
}

/// What tells one compiled issuer from another in the store of tokens that were checked already.
fn digest_of(raw: &RawIssuer, name: &str, source: &KeySource) -> [u8; 16] {
    // A derived `Debug` says every field; a reference to a secret is not the secret.
    let raw = format!("{raw:?}");
    let keys = match source {
        KeySource::Fixed(keys) => keys.digest().as_slice(),
        KeySource::Published(published) => &published.digest,
        KeySource::Missing => &[],
    };
    digest::short(&[name.as_bytes(), raw.as_bytes(), keys])
}
