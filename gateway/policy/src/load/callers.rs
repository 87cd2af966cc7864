//! What routes say of their callers: quotas, bans, issuers, API keys, CORS, retries. Compiled before the routes that
//! refer to them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rampart_identity::{ApiKeys, Cors, Issuer};
use rampart_inspection::Placed;
use rampart_limits::{Ban, Cost, Quota};
use rampart_secrets::SecretRef;
use rampart_settings::{Place, Report};
use rampart_upstream::Resilience;

use super::items::{Items, Named};
use crate::config::Checks;
use crate::raw_rules::RawRoute;

/// The codes of refusals that a client can be blamed for, and so banned; a test of `decision` compares them with its own.
pub const BLAMED: [&str; 25] = [
    "payload_blocked",
    "content_limit",
    "malformed_content",
    "path_refused",
    "host_invalid",
    "framing_invalid",
    "body_incomplete",
    "upgrade_refused",
    "query_refused",
    "identity_missing",
    "identity_invalid",
    "identity_expired",
    "identity_forbidden",
    "cors_refused",
    "route_not_found",
    "method_not_allowed",
    "body_timeout",
    "body_too_large",
    "uri_too_long",
    "content_encoding_unsupported",
    "expectation_failed",
    "rate_limited",
    "headers_too_large",
    "response_blocked",
    "banned",
];

/// Compiled tables by name.
pub(crate) type Compiled<T> = BTreeMap<Arc<str>, Arc<T>>;

/// Everything that a route may refer to about its callers.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    pub(crate) quotas: Compiled<Quota>,
    pub(crate) bans: Compiled<Ban>,
    pub(crate) issuers: Compiled<Issuer>,
    pub(crate) api_keys: Arc<ApiKeys>,
    pub(crate) cors: Compiled<Cors>,
    pub(crate) resilience: Compiled<Resilience>,
}

impl Callers {
    /// Compiles the tables of `items`; what is wrong is reported, and its name excused.
    pub(super) fn compile(items: &Items<'_>, checks: &Checks<'_>) -> Self {
        let secret = |reference: &SecretRef, place: &Place<'_>| checks.secret(reference, place);
        let file = |path: &Path, place: &Place<'_>| checks.public_file(path, place);
        let sources = rampart_identity::Sources { secret: &secret, file: &file };
        Self {
            quotas: each(&items.quotas, Quota::compile),
            bans: each(&items.bans, |name, raw, place| Ban::compile(name, raw, &BLAMED, place)),
            issuers: each(&items.issuers, |name, raw, place| Issuer::compile(name, raw, &sources, place)),
            api_keys: Arc::new(ApiKeys::compile(
                items.api_keys.iter().map(|key| (&key.raw, key.place.clone())),
                SystemTime::now(),
            )),
            cors: each(&items.cors, |_, raw, place| Some(Cors::compile(raw, place))),
            resilience: each(&items.resilience, |name, raw, place| Some(Resilience::compile(name, raw, place))),
        }
    }
}

fn each<R, T>(raws: &Named<'_, R>, mut compile: impl FnMut(&str, &R, &Place<'_>) -> Option<T>) -> Compiled<T> {
    let mut compiled = BTreeMap::new();
    for (name, Placed { raw, place }) in raws {
        match compile(name, raw, place) {
            Some(good) => drop(compiled.insert(Arc::from(name.as_str()), Arc::new(good))),
            None => place.report().excuse(name),
        }
    }
    compiled
}

/// Warns of tables that no route refers to.
pub(super) fn warn_unused(items: &Items<'_>, routes: &[Placed<'_, RawRoute>], report: &Report) {
    if !report.is_ok() {
        return;
    }
    let used = |names: &dyn Fn(&RawRoute) -> Vec<String>| -> BTreeSet<String> {
        routes.iter().flat_map(|route| names(&route.raw)).collect()
    };
    let quotas = used(&|route| route.quotas.clone());
    let everywhere = |name: &str| items.quotas.get(name).is_some_and(|quota| quota.raw.every_route);
    unused("quota", &items.quotas, "quotas = [\"NAME\"]", |name| quotas.contains(name) || everywhere(name));
    let cors = used(&|route| route.cors.iter().cloned().collect());
    unused("cors", &items.cors, "cors = \"NAME\"", |name| cors.contains(name));
    let resilience = used(&|route| route.resilience.iter().cloned().collect());
    unused("resilience", &items.resilience, "resilience = \"NAME\"", |name| resilience.contains(name));
    let issuers =
        used(&|route| route.identity.iter().flat_map(|identity| identity.issuers.as_slice().to_vec()).collect());
    unused("issuer", &items.issuers, "identity = { issuers = [\"NAME\"] }", |name| issuers.contains(name));
}

/// Warns of routes that ask for no identity although they lie within a place that another route protects: the more
/// specific route wins, and is open.
pub(super) fn warn_unprotected(routes: &[Placed<'_, RawRoute>]) {
    let protects = |route: &RawRoute| route.identity.as_ref().is_some_and(|identity| identity.required);
    for Placed { raw, place } in routes.iter().filter(|placed| placed.raw.identity.is_none()) {
        let around = routes.iter().filter(|other| protects(&other.raw)).find(|other| {
            let below = other.raw.matches.path.strip_suffix("**");
            below.is_some_and(|below| raw.matches.path.starts_with(below))
        });
        if let Some(around) = around {
            place.key("match").key("path").warn(
                format!(
                    "route \"{}\" asks for no identity, and lies within \"{}\", which does",
                    raw.name, around.raw.name
                ),
                "add `identity` to it as well, or move it to a path of its own if anybody may call it",
            );
        }
    }
}

/// Warns of quotas that count otherwise than they look.
pub(super) fn warn_miscounting(items: &Items<'_>, callers: &Callers, routes: &[Placed<'_, RawRoute>]) {
    for (name, Placed { place, .. }) in &items.quotas {
        let Some(quota) = callers.quotas.get(name.as_str()) else { continue };
        let open = routes.iter().find(|route| route.raw.identity.is_none());
        if let Some(open) = open.filter(|_| quota.every_route && quota.needs_identity()) {
            place.key("every_route").warn(
                format!("the key needs an identity, and the route \"{}\" asks for none", open.raw.name),
                "there it counts by the client's address; name the quota in the routes that know their callers",
            );
        }
        if quota.cost == Cost::LlmTokens {
            place.key("cost").warn(
                "nothing reports tokens yet: each request costs what is reserved",
                "use `cost = \"bytes\"` or count requests",
            );
        }
    }
}

fn unused<R>(what: &str, tables: &Named<'_, R>, how: &str, used: impl Fn(&str) -> bool) {
    for (name, placed) in tables.iter().filter(|(name, _)| !used(name)) {
        let help = format!("`{}` in a route makes use of it", how.replace("NAME", name));
        placed.place.warn_at_key(format!("no route uses the {what} \"{name}\""), help);
    }
}
