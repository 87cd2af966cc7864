//! Quotas: which there are, and where one key stands.

use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::StatusCode;
use rampart_limits::{Described, Quota, QuotaState};
use rampart_proxy::steady;
use serde_json::{Value, json};

use super::{Endpoints, answer};

/// The quotas of the configuration in force, and how full the memory for their keys is.
pub(super) async fn list(State(endpoints): State<Endpoints>) -> Response {
    let snapshot = endpoints.shared.snapshot.load();
    let names: Vec<&str> = snapshot.callers.quotas.iter().map(|quota| &*quota.name).collect();
    let held = endpoints.shared.runtime.limits().occupancy();
    let memory = json!({ "keys": held.keys, "bytes": held.bytes, "bound_bytes": held.bound_bytes });
    answer::json(StatusCode::OK, &json!({ "quotas": names, "memory": memory }))
}

/// Where a key of a quota stands. The parts of the key are parameters: `client_address`, `subject` (`jwt:ISSUER:SUB`),
/// `tenant`, `api_key`, `route`, `method`, `header:NAME`, `cookie:NAME`, `query:NAME`, `claim:NAME`.
pub(super) async fn show(
    State(endpoints): State<Endpoints>,
    Path(name): Path<String>,
    Query(parts): Query<Vec<(String, String)>>,
) -> Response {
    let snapshot = endpoints.shared.snapshot.load_full();
    let Some(quota) = snapshot.callers.quotas.iter().find(|quota| *quota.name == *name) else {
        return answer::problem(StatusCode::NOT_FOUND, "unknown_quota", "no quota of this name is configured");
    };
    let texts: Vec<String> = parts.iter().map(|(part, value)| format!("{part}={value}")).collect();
    let described = match Described::parse(texts.iter().map(String::as_str), &quota.parts) {
        Ok(described) => described,
        Err(error) => return answer::problem(StatusCode::BAD_REQUEST, "bad_query", &error.to_string()),
    };
    let limits = endpoints.shared.runtime.limits();
    let key = quota.key(&described, &limits.hasher());
    let shared = if quota.is_shared() { limits.peek_shared(quota, key).await } else { None };
    let state = shared.unwrap_or_else(|| limits.peek(quota, key, steady()));
    answer::json(StatusCode::OK, &shown(&state, quota))
}

fn shown(state: &QuotaState, quota: &Quota) -> Value {
    let key: Vec<String> = quota.parts.iter().map(ToString::to_string).collect();
    json!({
        "key": key,
        "quota": &*state.quota.name, "limit": state.limit, "remaining": state.remaining, "reset_s": state.reset_s,
        "retry_after_s": state.retry_after_s, "source": state.source.as_str(),
    })
}
