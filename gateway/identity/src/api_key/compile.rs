//! `[[api_key]]` of the rules: as it is written, and checked.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use rampart_settings::{Location, Place};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::text::{BadDigest, ID_CHARACTERS};
use super::{ApiKey, ApiKeys, KeyDigest};
use crate::access::compile_scopes;
use crate::principal::is_safe_name;

/// A key that expires sooner than this is worth a warning.
const SOON: Duration = Duration::from_hours(14 * 24);

/// Keys at most.
const MAX_KEYS: usize = 10_000;

/// A key that a program shows to be let in, on routes with `identity = { api_keys = true }`. `rampart apikey new` makes
/// the key and this table; the key itself is nowhere but with its holder.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawApiKey {
    /// Its name in records and metrics, and the subject of whoever uses it; unique.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,

    /// What is known of the key here, as `rampart apikey new` or `rampart apikey digest` prints it.
    pub digest: RawDigest,

    /// What its holder may do. Without it only routes that ask for no scope let it in.
    #[serde(default)]
    pub scopes: Vec<String>,

    /// On whose behalf its holder acts. Default: its name.
    pub tenant: Option<String>,

    /// When it ceases to hold: `"2027-01-01"` (at midnight UTC, as the day begins) or `"2027-01-01T12:00:00Z"`.
    pub expires: Option<String>,

    /// When it begins to hold, written likewise.
    pub not_before: Option<String>,
}

/// `sha256:ID:DIGEST`. May hold a key by mistake, so messages never repeat it.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub struct RawDigest(String);

impl RawDigest {
    /// A digest of this text, right or not.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl JsonSchema for RawDigest {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ApiKeyDigest".into()
    }

    /// `writeOnly` tells validators that the value may be a secret by mistake, and is not to be repeated.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^sha256:[0-9A-Za-z]{16}:[0-9A-Fa-f]{64}$",
            "writeOnly": true,
            "description": "The digest of a key, sha256:ID:DIGEST. If the key itself stands here, make a new one: \
                            `rampart apikey new --name NAME`."
        })
    }
}

impl ApiKeys {
    /// Checks the keys of all files, each with its place, and reports everything that is wrong with them. `now` is for
    /// warnings about those that expire.
    pub fn compile<'r, 'p>(raw: impl IntoIterator<Item = (&'r RawApiKey, Place<'p>)>, now: SystemTime) -> Self {
        let mut by_id: HashMap<[u8; ID_CHARACTERS], (ApiKey, Location)> = HashMap::new();
        let mut names: HashMap<&str, Location> = HashMap::new();
        for (raw, place) in raw {
            if by_id.len() >= MAX_KEYS {
                place.error(format!("more than {MAX_KEYS} keys"));
                break;
            }
            if let Some(first) = names.insert(&raw.name, place.key("name").location()) {
                place.key("name").error(format!("the name \"{}\" is used at {first} already", raw.name));
            }
            let Some((id, key)) = compile(raw, &place, now) else { continue };
            let digest = place.key("digest");
            if let Some((other, first)) = by_id.insert(id, (key, digest.location())) {
                digest.error_help(
                    format!("the id of this key is that of \"{}\" at {first}", other.name),
                    "each program gets a key of its own: `rampart apikey new --name NAME`",
                );
            }
        }
        Self { by_id: by_id.into_iter().map(|(id, (key, _))| (id, key)).collect() }
    }
}

fn compile(raw: &RawApiKey, place: &Place<'_>, now: SystemTime) -> Option<([u8; ID_CHARACTERS], ApiKey)> {
    if !is_safe_name(&raw.name) {
        place.key("name").error("a name is 1 to 256 bytes of visible text without blanks at its ends");
    }
    let tenant = raw.tenant.as_ref().unwrap_or(&raw.name);
    if raw.tenant.is_some() && !is_safe_name(tenant) {
        place.key("tenant").error("a tenant is 1 to 256 bytes of visible text without blanks at its ends");
    }
    let expires = instant(raw.expires.as_deref(), &place.key("expires"));
    let not_before = instant(raw.not_before.as_deref(), &place.key("not_before"));
    if let (Some(not_before), Some(expires)) = (not_before, expires)
        && not_before >= expires
    {
        place.key("not_before").error("the key begins to hold when it has ceased to");
    }
    warn_of_expiry(&raw.name, expires, now, place);
    let scopes = compile_scopes(&raw.scopes, &place.key("scopes"));
    match raw.digest.0.parse::<KeyDigest>() {
        Ok(KeyDigest { id, digest }) => {
            let name = raw.name.as_str().into();
            Some((
                id,
                ApiKey { name, tenant: tenant.as_str().into(), scopes: scopes.into(), not_before, expires, digest },
            ))
        }
        // The key of the table rather than the value, which may be a secret.
        Err(error @ BadDigest::Key) => {
            place.key("name").error_help(
                format!("digest of \"{}\": {error}", raw.name),
                "take it out of the file and its history, make another with `rampart apikey new`, and tell the holder",
            );
            None
        }
        Err(error @ BadDigest::Form) => {
            place.key("name").error_help(
                format!("digest of \"{}\": {error}", raw.name),
                "`rampart apikey digest` reads a key and prints its digest",
            );
            None
        }
    }
}

fn warn_of_expiry(name: &str, expires: Option<SystemTime>, now: SystemTime, place: &Place<'_>) {
    let Some(expires) = expires else { return };
    let place = place.key("expires");
    match expires.duration_since(now) {
        Ok(left) if left.is_zero() || left > SOON => {}
        Ok(left) => place.warn(
            format!("the key \"{name}\" expires in {} days", left.as_secs().div_ceil(86_400)),
            "make its successor now, and let both hold until the holder has changed over",
        ),
        Err(_) => place.warn(
            format!("the key \"{name}\" has expired: whoever uses it is refused"),
            "remove the table, or set a later date if its holder may go on",
        ),
    }
}

/// A date, or a date with time and offset (RFC 3339).
fn instant(text: Option<&str>, place: &Place<'_>) -> Option<SystemTime> {
    let text = text?;
    let timestamp = if text.contains(['T', 't', ' ']) {
        text.parse::<jiff::Timestamp>().ok()
    } else {
        let midnight = text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == "2027-01-01".len());
        midnight.and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok()).map(|zoned| zoned.timestamp())
    };
    if timestamp.is_none() {
        place.error_help(
            format!("{text:?} is not a date"),
            "write \"2027-01-01\", or with a time \"2027-01-01T12:00:00Z\"",
        );
    }
    timestamp.map(SystemTime::from)
}
