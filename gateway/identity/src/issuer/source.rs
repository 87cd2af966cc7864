//! Where an issuer's keys come from: a URL, a file, or one shared secret.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Uri;
use rampart_secrets::{Secret, weakness};
use rampart_settings::{Duration as RawDuration, Place};
use zeroize::Zeroizing;

use super::Sources;
use super::raw::RawIssuer;
use crate::digest;
use crate::jwks::{BadSet, KeySet};
use crate::jwt::{Algorithm, Family};

const REFRESH: (RawDuration, RawDuration) = (RawDuration::minutes(1), RawDuration::hours(24));
const COOLDOWN: (RawDuration, RawDuration) = (RawDuration::secs(1), RawDuration::hours(1));
const LONGEST_STALE: RawDuration = RawDuration::days(30);
const SOURCES: [&str; 4] = ["jwks_url", "jwks_file", "key", "public_key_file"];
/// What only a `jwks_url` makes use of.
const PUBLISHED_ONLY: [&str; 5] = ["ca_file", "allow_http", "refresh", "cooldown", "stale"];

/// Where an issuer's keys come from.
pub enum KeySource {
    /// They came with the configuration.
    Fixed(Arc<KeySet>),
    /// The issuer publishes them.
    Published(Arc<Published>),
    /// The secret was not there when the configuration was checked, on a machine that does not have it. Every token is
    /// refused as long as there are no keys.
    Missing,
}

/// Keys that an issuer publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Where.
    pub url: Box<str>,
    /// Certificate authorities to trust instead of the system's, in PEM.
    pub authorities: Option<Vec<u8>>,
    /// Whether the URL may be `http`.
    pub plain_http: bool,
    /// What the keys are to be used for.
    pub algorithms: Box<[Algorithm]>,
    /// Two sources with the same digest hold the same keys, for the same use.
    pub(crate) digest: [u8; 16],
    /// How often they are fetched.
    pub refresh: Duration,
    /// After a fetch for an unknown key was in vain: how long none is made for that reason.
    pub cooldown: Duration,
    /// How long they are used while they cannot be fetched.
    pub stale: Duration,
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(_) => f.write_str("fixed"),
            Self::Published(published) => write!(f, "{}", published.url),
            Self::Missing => f.write_str("missing"),
        }
    }
}

/// The one source that `raw` names. `None` where something is wrong with it, which is reported.
pub(super) fn compile(
    raw: &RawIssuer,
    algorithms: &[Algorithm],
    sources: &Sources<'_>,
    place: &Place<'_>,
) -> Option<KeySource> {
    if !has_one_source(raw, place) || !fits_algorithms(raw, algorithms, place) {
        return None;
    }
    if raw.jwks_url.is_none() {
        for key in PUBLISHED_ONLY.into_iter().filter(|key| place.key(key).exists()) {
            place.key(key).warn_at_key("without effect: the keys are not fetched", "remove it, or name a jwks_url");
        }
    }
    let fixed = |set: Result<KeySet, BadSet>, place: &Place<'_>| match set {
        Ok(keys) => Some(KeySource::Fixed(Arc::new(keys))),
        Err(error) => {
            place.error(error.to_string());
            None
        }
    };
    if let Some(url) = &raw.jwks_url {
        return published(raw, url, algorithms, sources, place)
            .map(|published| KeySource::Published(Arc::new(published)));
    }
    if let Some(reference) = &raw.key {
        let place = place.key("key");
        let Some(secret) = (sources.secret)(reference, &place) else { return Some(KeySource::Missing) };
        return fixed(KeySet::shared(&secret_bytes(&secret, &place)?, algorithms), &place);
    }
    if let Some(file) = &raw.public_key_file {
        let place = place.key("public_key_file");
        return fixed(KeySet::from_pem(&(sources.file)(file, &place)?, algorithms), &place);
    }
    let place = place.key("jwks_file");
    let set = KeySet::parse(&(sources.file)(raw.jwks_file.as_ref()?, &place)?, algorithms).map(|(keys, left_out)| {
        for key in left_out {
            place.warn(key.to_string(), "the key is left out");
        }
        keys
    });
    fixed(set, &place)
}

fn has_one_source(raw: &RawIssuer, place: &Place<'_>) -> bool {
    let given = [raw.jwks_url.is_some(), raw.jwks_file.is_some(), raw.key.is_some(), raw.public_key_file.is_some()];
    let named: Vec<&str> = SOURCES.iter().zip(given).filter(|(_, given)| *given).map(|(name, _)| *name).collect();
    match named.as_slice() {
        [_] => true,
        [] => {
            place.error_help("the issuer has no keys", format!("add one of: {}", SOURCES.join(", ")));
            false
        }
        [.., last] => {
            place
                .key(last)
                .error_at_key(format!("keys from two sources: {}", named.join(", ")), Some("keep one".into()));
            false
        }
    }
}

/// Shared secrets are for HMAC and public keys are not: mixing the two is how a public key becomes a secret.
fn fits_algorithms(raw: &RawIssuer, algorithms: &[Algorithm], place: &Place<'_>) -> bool {
    let is_shared = |algorithm: &&Algorithm| algorithm.family() == Family::Hmac;
    let wrong = match raw.key {
        Some(_) => algorithms.iter().find(|each| !is_shared(each)),
        None => algorithms.iter().find(is_shared),
    };
    let Some(wrong) = wrong else { return !algorithms.is_empty() };
    let message = match raw.key {
        Some(_) => format!("{wrong} needs a public key, and `key` is a shared secret"),
        None => format!("{wrong} needs a shared secret, and these are public keys, which anybody knows"),
    };
    place.key("algorithms").error_help(message, "make two issuers of it, each with the algorithms of its keys");
    false
}

fn published(
    raw: &RawIssuer,
    url: &str,
    algorithms: &[Algorithm],
    sources: &Sources<'_>,
    place: &Place<'_>,
) -> Option<Published> {
    let plain_http = check_url(url, raw.allow_http, &place.key("jwks_url"));
    let authorities = match &raw.ca_file {
        Some(file) => {
            let pem = (sources.file)(file, &place.key("ca_file"))?;
            if let Err(error) = rampart_fetch::check_authorities(&pem) {
                place.key("ca_file").error(error.to_string());
            }
            Some(pem)
        }
        None => None,
    };
    let refresh = bounded(raw.refresh, REFRESH, &place.key("refresh"));
    let stale = bounded(raw.stale, (raw.refresh.min(LONGEST_STALE), LONGEST_STALE), &place.key("stale"));
    let plain_http = plain_http?;
    let what = format!("{url}\n{plain_http}\n{algorithms:?}\n{authorities:?}");
    Some(Published {
        digest: digest::short(&[what.as_bytes()]),
        url: url.into(),
        authorities,
        plain_http,
        algorithms: algorithms.into(),
        refresh,
        cooldown: bounded(raw.cooldown, COOLDOWN, &place.key("cooldown")),
        stale,
    })
}

/// Whether the URL is `http`. `None` where it cannot be used, which is reported.
fn check_url(text: &str, allow_http: bool, place: &Place<'_>) -> Option<bool> {
    let wrong = |message: String, help: &str| {
        place.error_help(message, help);
        None
    };
    let example = "such as \"https://login.example.com/.well-known/jwks.json\"";
    let uri =
        text.parse::<Uri>().ok().filter(|uri| !text.contains('#') && uri.host().is_some_and(|host| !host.is_empty()));
    let Some(uri) = uri else { return wrong(format!("\"{text}\" is no URL"), example) };
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return wrong("a URL with a user name and a password is not taken".to_owned(), example);
    }
    match uri.scheme_str() {
        Some("https") => Some(false),
        Some("http") if is_this_host(uri.host().unwrap_or_default()) => Some(true),
        Some("http") if allow_http => {
            place.warn(
                "the keys are fetched over plain HTTP: whoever is on the path can sign tokens",
                "use https, with ca_file for an authority of your own",
            );
            Some(true)
        }
        Some("http") => wrong(
            "keys that are fetched over plain HTTP can be changed on the way".to_owned(),
            "use https (with ca_file for an authority of your own), or allow_http = true",
        ),
        _ => wrong(format!("\"{text}\" does not begin with https://"), example),
    }
}

fn is_this_host(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// The bytes of a shared secret, and whether it is one.
fn secret_bytes(secret: &Secret, place: &Place<'_>) -> Option<Zeroizing<Vec<u8>>> {
    const ADVICE: &str = "make one: openssl rand -hex 32 (48 or 64 for HS384 and HS512)";
    let given = secret.expose();
    let decoded = if let Some(text) = given.strip_prefix(b"base64:") {
        STANDARD.decode(text)
    } else if let Some(text) = given.strip_prefix(b"base64url:") {
        URL_SAFE_NO_PAD.decode(text)
    } else {
        Ok(given.to_vec())
    };
    let Ok(bytes) = decoded else {
        place.error("the secret is not written as its prefix says: base64 with padding, base64url without");
        return None;
    };
    let bytes = Zeroizing::new(bytes);
    if let Some(weakness) = weakness(&bytes) {
        place.error_help(format!("the secret {weakness}"), ADVICE);
        return None;
    }
    Some(bytes)
}

fn bounded(given: RawDuration, (least, most): (RawDuration, RawDuration), place: &Place<'_>) -> Duration {
    if given < least {
        place.error(format!("{given} is too short: at least {least}"));
    } else if given > most {
        place.error(format!("{given} is too long: at most {most}"));
    }
    given.clamp(least, most).get()
}
