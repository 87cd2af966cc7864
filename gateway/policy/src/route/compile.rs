//! From what an admin wrote to a route.

use std::sync::Arc;

use http::HeaderValue;
use rampart_identity::Access;
use rampart_inspection::{BodyMode, Exclusions, Mode, Profiles};
use rampart_limits::Quota;
use rampart_message::PathPolicy;
use rampart_settings::{Duration, Place, Size};
use rampart_upstream::{Deadlines, Resilience};

use super::edits::Direction;
use super::{Action, HeaderEdits, Redirect, Rewrite, Route, RouteQuotas};
use crate::load::Callers;
use crate::query;
use crate::raw_rules::{RawNames, RawRedirect, RawRoute, RawRouteMatch};
use crate::routing::{Conditions, HostPattern, Matcher, Methods, Pattern, compile_conditions};
use crate::snapshot::UpstreamIndex;

/// No deadline of a body is longer.
const LONGEST_BODY_DEADLINE: Duration = Duration::hours(24);

/// What routes refer to.
pub(crate) struct Known<'k> {
    pub(crate) profiles: &'k Profiles,
    pub(crate) exclusions: &'k Exclusions,
    pub(crate) upstreams: &'k [rampart_upstream::Upstream],
    pub(crate) callers: &'k Callers,
    /// What is used where a route names no `[resilience.NAME]`.
    pub(crate) resilience: Arc<Resilience>,
}

/// Compiles a route; `None` if something is wrong with it, which was reported.
pub(crate) fn compile(raw: &RawRoute, index: usize, known: &Known<'_>, place: &Place<'_>) -> Option<(Route, Matcher)> {
    let path_policy = PathPolicy::compile(&raw.allow);
    let matcher = compile_match(&raw.matches, path_policy, &place.key("match"));
    let action = compile_action(raw, known, place);
    let rewrite = Rewrite::compile(raw, matcher.as_ref().map(|matcher| &matcher.path), place);
    let profile = known.profiles.get(raw.inspection.as_str());
    if profile.is_none() {
        let names = known.profiles.keys().map(AsRef::as_ref);
        place.key("inspection").unknown_name("profile", &raw.inspection, names);
    }
    if let Some(missing) = profile.and_then(|profile| profile.unavailable.as_deref()) {
        place.key("inspection").error_help(
            format!("the profile \"{}\" has no rules: {missing}", raw.inspection),
            "put the files there, or name where they are in the profile's `seclang`",
        );
    }
    let query = query::compile(raw, place);
    let quotas = compile_quotas(raw, known.callers, place);
    let access = compile_access(raw, known.callers, place);
    let cors = raw.cors.as_deref().and_then(|name| {
        let cors = known.callers.cors.get(name);
        if cors.is_none() {
            place.key("cors").unknown_name("cors", name, known.callers.cors.keys().map(AsRef::as_ref));
        }
        cors.cloned()
    });
    let resilience = raw.resilience.as_deref().and_then(|name| {
        let resilience = known.callers.resilience.get(name);
        if resilience.is_none() {
            place.key("resilience").unknown_name(
                "resilience",
                name,
                known.callers.resilience.keys().map(AsRef::as_ref),
            );
        }
        resilience.cloned()
    });
    let own = body_mode(raw, place);
    let body_deadline = raw.body_deadline.map(|deadline| {
        if deadline.is_zero() || deadline > LONGEST_BODY_DEADLINE {
            place.key("body_deadline").error(format!("{deadline} is not from 1ms to {LONGEST_BODY_DEADLINE}"));
        }
        deadline.get()
    });
    let request_headers = HeaderEdits::compile(&raw.request_headers, Direction::Request, &place.key("request_headers"));
    let response_headers =
        HeaderEdits::compile(&raw.response_headers, Direction::Response, &place.key("response_headers"));
    let (matcher, action, profile) = (matcher?, action?, profile?);
    let body = own.unwrap_or(profile.body);
    warn_uninspected(raw, body, profile.mode, place);
    let mut limits = profile.limits;
    if let Some(limit) = raw.body_limit {
        limits.body = limit.get();
    }
    let streams = body == BodyMode::Stream;
    let body_limit_bytes = if streams { raw.body_limit.map(Size::bytes) } else { Some(limits.body as u64) };
    let deadlines = deadlines(raw, &action, known, place);
    let route = Route {
        index,
        name: Arc::from(raw.name.as_str()),
        action,
        quotas,
        access,
        reserved: Arc::default(),
        cors,
        resilience: resilience.unwrap_or_else(|| Arc::clone(&known.resilience)),
        profile: Arc::clone(profile),
        exclusions: known.exclusions.for_route(&raw.name),
        limits,
        body,
        body_limit_bytes,
        body_deadline,
        path_policy,
        query,
        rewrite,
        deadlines,
        websocket: raw.websocket,
        request_headers,
        response_headers,
    };
    Some((route, matcher))
}

/// The route's own quotas, and those of every route.
fn compile_quotas(raw: &RawRoute, callers: &Callers, place: &Place<'_>) -> RouteQuotas {
    let mut quotas: Vec<&Arc<Quota>> = callers.quotas.values().filter(|quota| quota.every_route).collect();
    for (index, name) in raw.quotas.iter().enumerate() {
        let place = place.key("quotas").index(index);
        match callers.quotas.get(name.as_str()) {
            Some(quota) if quotas.iter().any(|known| known.name == quota.name) => {
                place.warn(format!("the quota \"{name}\" counts this route already"), "remove it here");
            }
            Some(quota) => quotas.push(quota),
            None => place.unknown_name("quota", name, callers.quotas.keys().map(AsRef::as_ref)),
        }
    }
    for quota in quotas.iter().filter(|quota| quota.needs_identity() && raw.identity.is_none() && !quota.every_route) {
        place.key("quotas").warn(
            format!("the quota \"{}\" counts by identity, and this route asks for none", quota.name),
            "it counts by the client's address here; add `identity`, or give the quota another key",
        );
    }
    let (identified, open) = quotas.into_iter().cloned().partition(|quota| quota.needs_identity());
    RouteQuotas { open, identified }
}

fn compile_access(raw: &RawRoute, callers: &Callers, place: &Place<'_>) -> Option<Access> {
    let identity = raw.identity.as_ref()?;
    let known = rampart_identity::Known { issuers: &callers.issuers, api_keys: &callers.api_keys };
    Some(Access::compile(identity, known, &place.key("identity")))
}

fn compile_match(raw: &RawRouteMatch, policy: PathPolicy, place: &Place<'_>) -> Option<Matcher> {
    let path = match Pattern::parse(&raw.path, policy) {
        Ok(pattern) => Some(pattern),
        Err(bad) => {
            match bad.help {
                Some(help) => place.key("path").error_help(bad.message, help),
                None => place.key("path").error(bad.message),
            }
            None
        }
    };
    let hosts = compile_hosts(&raw.host, &place.key("host"));
    for (index, method) in raw.methods.iter().enumerate() {
        let place = place.key("methods").index(index);
        match Methods::check(method) {
            Ok(()) if raw.methods.iter().take(index).any(|other| other == method) => {
                place.error(format!("\"{method}\" is listed twice"));
            }
            Ok(()) => {}
            Err(why) => place.error(why),
        }
    }
    let methods = Methods::of(raw.methods.iter().map(String::as_str));
    let conditions: Conditions = compile_conditions(raw, place);
    Some(Matcher { hosts, path: path?, methods, conditions })
}

fn compile_hosts(raw: &RawNames, place: &Place<'_>) -> Vec<HostPattern> {
    let (names, listed) = match raw {
        RawNames::One(name) => (std::slice::from_ref(name), false),
        RawNames::Many(names) => (names.as_slice(), true),
    };
    let mut hosts = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        let place = if listed { place.index(index) } else { place.clone() };
        match HostPattern::parse(name) {
            Ok(host) if hosts.contains(&host) => place.error(format!("\"{name}\" is listed twice")),
            Ok(host) => hosts.push(host),
            Err(why) => place.error(why),
        }
    }
    if names.is_empty() {
        hosts.push(HostPattern::Any);
    }
    hosts
}

fn compile_action(raw: &RawRoute, known: &Known<'_>, place: &Place<'_>) -> Option<Action> {
    match (&raw.upstream, &raw.redirect) {
        (Some(name), None) => {
            let position = known.upstreams.iter().position(|upstream| *upstream.name == **name);
            if position.is_none() {
                let names = known.upstreams.iter().map(|upstream| &*upstream.name);
                place.key("upstream").unknown_name("upstream", name, names);
            }
            position.map(|position| Action::Forward(UpstreamIndex(position)))
        }
        (None, Some(redirect)) => compile_redirect(redirect, &place.key("redirect")).map(Action::Redirect),
        (Some(_), Some(_)) => {
            place.key("redirect").error("a route has either an upstream or a redirect, not both");
            None
        }
        (None, None) => {
            place.error_help("the route leads nowhere", "set `upstream` to a name of config.toml, or `redirect`");
            None
        }
    }
}

fn compile_redirect(raw: &RawRedirect, place: &Place<'_>) -> Option<Redirect> {
    let mut good = true;
    if !matches!(raw.status, 301 | 302 | 303 | 307 | 308) {
        place.key("status").error(format!("{} is not 301, 302, 303, 307 or 308", raw.status));
        good = false;
    }
    let absolute = raw.to.starts_with("https://") || raw.to.starts_with("http://");
    // `//host` and `/\host` send browsers to another host.
    let local = raw.to.starts_with('/') && !raw.to.starts_with("//") && !raw.to.starts_with("/\\");
    let plain = raw.to.bytes().all(|byte| byte.is_ascii_graphic()) && HeaderValue::from_str(&raw.to).is_ok();
    if !plain || !(absolute || local) {
        let help = "a path (\"/new\") or a URL (\"https://example.com/new\"), without spaces";
        place.key("to").error_help(format!("{:?} is not an address to send clients to", raw.to), help);
        good = false;
    }
    good.then(|| Redirect { to: raw.to.as_str().into(), status: raw.status, keep_query: raw.keep_query })
}

fn body_mode(raw: &RawRoute, place: &Place<'_>) -> Option<BodyMode> {
    match raw.body.as_deref().map(BodyMode::parse)? {
        Ok(mode) => Some(mode),
        Err(why) => {
            place.key("body").error_help(why, "write \"buffer\", \"prefix:64KiB\" or \"stream\"");
            None
        }
    }
}

/// What is not inspected is said at every check.
fn warn_uninspected(raw: &RawRoute, body: BodyMode, mode: Mode, place: &Place<'_>) {
    let name = &raw.name;
    if mode == Mode::Off {
        let place = place.key("inspection");
        place.warn(format!("route \"{name}\": nothing is inspected"), format!("profile \"{}\" is off", raw.inspection));
        return;
    }
    match body {
        BodyMode::Stream => place.key("body").warn(
            format!("route \"{name}\": the body is not inspected"),
            "right for uploads, gRPC and sockets; elsewhere use \"buffer\"",
        ),
        BodyMode::Prefix(bytes) => place.key("body").warn(
            format!("route \"{name}\": the body is inspected only up to {bytes} bytes"),
            "right for large uploads; elsewhere use \"buffer\"",
        ),
        BodyMode::Buffer => {}
    }
}

fn deadlines(raw: &RawRoute, action: &Action, known: &Known<'_>, place: &Place<'_>) -> Deadlines {
    let upstream = match action {
        Action::Forward(index) => known.upstreams.get(index.0),
        Action::Redirect(_) => None,
    };
    let inherited = upstream.map(|upstream| upstream.deadlines).unwrap_or_default();
    raw.deadlines.as_ref().map_or(inherited, |raw| inherited.overridden(raw, &place.key("deadlines")))
}
