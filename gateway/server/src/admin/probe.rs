//! `/health`, `/ready` and `/metrics`: for whoever watches the process. They need no token, so they name no client, no rule
//! and no text of the configuration.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use rampart_identity::Issuer;
use rampart_upstream::{BreakerState, EndpointState, Force, Pool, ProbedHealth};
use serde_json::{Value, json};

use super::answer;
use crate::process::lifecycle::Stage;
use crate::reload::status::Reload;
use crate::shared::Shared;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The process lives: that it answers is the answer.
pub(super) async fn health() -> Response {
    answer::json(StatusCode::OK, &json!({ "status": "alive" }))
}

/// 200 while requests are accepted. What a dependency lacks is shown, and does not make the gateway unready: other routes
/// still work, and nothing that Rampart itself needs to decide is outside it.
pub(super) async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let stage = shared.lifecycle.stage();
    let status = match stage {
        Stage::Serving | Stage::HandedOver => StatusCode::OK,
        Stage::Starting | Stage::Draining => StatusCode::SERVICE_UNAVAILABLE,
    };
    let body = json!({
        "status": if stage == Stage::Serving { "ready".to_owned() } else { stage.to_string() },
        "snapshot": shared.snapshot.load().digest,
        "reload": reload(&shared),
        "dependencies": {
            "upstreams": upstreams(&shared), "issuers": issuers(&shared), "redis": redis(&shared),
            "records": records(&shared),
        },
    });
    answer::json(status, &body)
}

/// The last reload without its diagnostics: those quote the configuration.
fn reload(shared: &Shared) -> Value {
    let last = shared.status.last();
    let (result, error) = match &last.reload {
        None => ("none", None),
        Some(Reload::Swapped { .. }) => ("swapped", None),
        Some(Reload::Unchanged { .. }) => ("unchanged", None),
        Some(Reload::Failed { summary, .. }) => ("failed", Some(summary.clone())),
    };
    json!({
        "result": result, "error": error, "at": last.at, "last_success": last.good_at,
        "restart_needed": last.restart_needed,
    })
}

fn upstreams(shared: &Shared) -> Value {
    let mut pools = shared.runtime.pools().all();
    pools.sort_by(|a, b| a.name().cmp(b.name()));
    let now = Instant::now();
    pools.iter().map(|pool| upstream(pool, now)).collect()
}

fn upstream(pool: &Pool, now: Instant) -> Value {
    let unresolved: Vec<String> = pool.unresolved().iter().map(|name| name.authority().to_owned()).collect();
    let endpoints = pool.states(now);
    let count = |of: fn(&EndpointState) -> bool| endpoints.iter().filter(|endpoint| of(endpoint)).count();
    let status = match endpoints.as_slice() {
        [] => "unresolved",
        some if some.iter().any(may_be_asked) => "known",
        _ => "unusable",
    };
    json!({
        "name": &**pool.name(), "status": status, "endpoints": endpoints.len(), "usable": count(|state| state.usable),
        "unhealthy": count(|state| state.health == ProbedHealth::Unhealthy),
        "ejected": count(|state| state.ejected_for.is_some()),
        "breakers_open": count(|state| state.breaker == BreakerState::Open),
        "in_flight": pool.in_flight(), "unresolved": unresolved,
    })
}

/// Whether a request may be given to the endpoint, if to no other: one that is ejected is asked when all are.
fn may_be_asked(state: &EndpointState) -> bool {
    let breaker_lets_in = match state.breaker {
        BreakerState::Closed => true,
        // Open for long enough: the next request is its probe.
        BreakerState::Open => state.force == Force::Auto && state.open_for.is_none(),
        BreakerState::HalfOpen => false,
    };
    let is_ejected = state.ejected_for.is_some();
    state.usable || is_ejected && breaker_lets_in && state.health != ProbedHealth::Unhealthy
}

/// The issuers of the snapshot in force, with the keys that their tokens are checked with.
fn issuers(shared: &Shared) -> Value {
    let known = shared.runtime.issuers();
    let shown = |issuer: &Arc<Issuer>| {
        let keys = known.keys_of(issuer);
        json!({
            "name": &*issuer.name, "status": keys.status.as_str(), "keys": keys.held,
            "age_s": keys.age.map(|age| age.as_secs()),
        })
    };
    shared.snapshot.load().callers.issuers.iter().map(shown).collect()
}

/// `null` where there is none in the configuration. `other_keys`: gateways with the same prefix that share nothing with this
/// one, since their `cluster_key` is another.
fn redis(shared: &Shared) -> Value {
    let Some(redis) = shared.redis.get() else { return Value::Null };
    let state = redis.state();
    let connections = redis.connections();
    json!({
        "status": state.as_str(), "error": redis.fault(), "mode": redis.mode(), "gateways": redis.instances(),
        "other_keys": redis.other_keys(),
        "connections": { "active": connections.active, "idle": connections.idle, "total": connections.total },
    })
}

fn records(shared: &Shared) -> Value {
    let statuses = shared.records.status();
    statuses
        .iter()
        .map(|writer| {
            json!({
                "name": writer.name, "status": if writer.fault.is_some() { "failing" } else { "ok" },
                "error": writer.fault.as_ref().map(|fault| &fault.message), "written": writer.lines,
                "dropped": writer.dropped, "queued_bytes": writer.queued_bytes,
            })
        })
        .collect()
}

/// Every metric in the OpenMetrics text format.
pub(super) async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let mut text = String::new();
    if prometheus_client::encoding::text::encode(&mut text, &shared.registry).is_err() {
        return answer::problem(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the metrics cannot be written");
    }
    ([(header::CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS))], text).into_response()
}
