//! How upstreams stand, and orders to their breakers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, Path, State};
use axum::response::Response;
use axum::{Extension, Json};
use http::StatusCode;
use rampart_record::Outcome;
use rampart_upstream::{EndpointState, Force, Pool};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Endpoints, answer, note};

/// Every upstream with its endpoints.
pub(super) async fn list(State(endpoints): State<Endpoints>) -> Response {
    let mut pools = endpoints.shared.runtime.pools().all();
    pools.sort_by(|a, b| a.name().cmp(b.name()));
    let now = Instant::now();
    let body: Vec<Value> = pools.iter().map(|pool| shown(pool, now)).collect();
    answer::json(StatusCode::OK, &body)
}

/// An order to the breakers of an upstream.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    /// `open`, `closed` or `auto`.
    force: String,
    /// One endpoint only.
    endpoint: Option<SocketAddr>,
}

/// Forces the breakers of an upstream open or closed, or lets them go by what happens again.
pub(super) async fn force(
    State(endpoints): State<Endpoints>,
    Extension(ConnectInfo(peer)): Extension<ConnectInfo<SocketAddr>>,
    Path(name): Path<String>,
    order: Result<Json<Order>, JsonRejection>,
) -> Response {
    const WANTED: &str = "send {\"force\": \"open\"}, \"closed\" or \"auto\"; with \"endpoint\": \"IP:PORT\" for one";
    let record = |outcome, detail: String| {
        note(&endpoints, peer, "force_breaker", Some(name.clone()), outcome, Some(detail));
    };
    let Ok(Json(order)) = order else {
        record(Outcome::Refused, "no order that can be read".to_owned());
        return answer::problem(StatusCode::BAD_REQUEST, "bad_order", WANTED);
    };
    let Some(force) = Force::parse(&order.force) else {
        record(Outcome::Refused, format!("{:?} is no order", order.force));
        return answer::problem(StatusCode::BAD_REQUEST, "bad_order", WANTED);
    };
    let Some(pool) = endpoints.shared.runtime.pool(&name) else {
        record(Outcome::Refused, "no such upstream".to_owned());
        return answer::problem(StatusCode::NOT_FOUND, "unknown_upstream", "no upstream of this name is configured");
    };
    let now = Instant::now();
    let reached = pool.force_breaker(force, order.endpoint);
    if reached == 0 {
        record(Outcome::Refused, "no such endpoint".to_owned());
        return answer::problem(StatusCode::NOT_FOUND, "unknown_endpoint", "the upstream has no such endpoint");
    }
    let which = order.endpoint.map_or_else(|| format!("{reached} endpoints"), |endpoint| endpoint.to_string());
    record(Outcome::Done, format!("{}: {which}", force.as_str()));
    answer::json(StatusCode::OK, &shown(&pool, now))
}

fn shown(pool: &Pool, now: Instant) -> Value {
    let endpoints: Vec<Value> = pool.states(now).iter().map(endpoint).collect();
    json!({ "name": &**pool.name(), "in_flight": pool.in_flight(), "endpoints": endpoints })
}

fn endpoint(state: &EndpointState) -> Value {
    json!({
        "endpoint": state.socket, "address": state.address.authority(), "in_flight": state.in_flight,
        "usable": state.usable, "health": state.health.as_str(), "breaker": state.breaker.as_str(),
        "force": state.force.as_str(), "open_for_s": state.open_for.map(seconds),
        "ejected_for_s": state.ejected_for.map(seconds), "ramp_percent": state.ramp_percent,
    })
}

/// In seconds, to the millisecond: what is finer is noise to whoever reads it. (A quotient of whole numbers is written
/// with as few digits as it has.) Seven weeks at most.
fn seconds(time: Duration) -> f64 {
    f64::from(u32::try_from(time.as_millis()).unwrap_or(u32::MAX)) / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_to_the_millisecond() {
        let check = |time, expect: &str| assert_eq!(json!(seconds(time)).to_string(), expect, "{time:?}");
        check(Duration::from_nanos(25_010_249_175), "25.01");
        check(Duration::from_nanos(4_999_999_999), "4.999");
        check(Duration::from_millis(600_001), "600.001");
        check(Duration::from_secs(30), "30.0");
        check(Duration::from_nanos(999_999), "0.0");
        check(Duration::MAX, "4294967.295");
    }
}
