//! Quotas: which there are, and where one key stands.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::StatusCode;
use rampart_limits::{KeySource, QuotaState};
use rampart_proxy::steady;
use serde_json::{Value, json};

use super::{Endpoints, answer};

/// The quotas of the configuration in force, and how many keys are held in all.
pub(super) async fn list(State(endpoints): State<Endpoints>) -> Response {
    let snapshot = endpoints.shared.snapshot.load();
    let names: Vec<&str> = snapshot.callers.quotas.iter().map(|quota| &*quota.name).collect();
    let held = endpoints.shared.runtime.limits().occupancy();
    let memory = json!({ "keys": held.keys, "bytes": held.bytes, "bound_bytes": held.bound_bytes });
    answer::json(StatusCode::OK, &json!({ "quotas": names, "memory": memory }))
}

/// Where a key of a quota stands. The parts of the key are parameters: `client_address`, `subject` (`jwt:ISSUER:SUB`), `tenant`, `api_key`,
/// `route`, `method`, `header:NAME`, `cookie:NAME`, `query:NAME`, `claim:NAME`.
pub(super) async fn show(
    State(endpoints): State<Endpoints>,
    Path(name): Path<String>,
    Query(parts): Query<HashMap<String, String>>,
) -> Response {
    let snapshot = endpoints.shared.snapshot.load_full();
    let Some(quota) = snapshot.callers.quotas.iter().find(|quota| *quota.name == *name) else {
        return answer::problem(StatusCode::NOT_FOUND, "unknown_quota", "no quota of this name is configured");
    };
    let client = match parts.get("client_address").map(|text| text.parse()) {
        None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Some(Ok(client)) => client,
        Some(Err(_)) => {
            return answer::problem(StatusCode::BAD_REQUEST, "bad_query", "client_address is not an IP address");
        }
    };
    let limits = endpoints.shared.runtime.limits();
    let key = quota.key(&Parts { client, parts }, &limits.hasher());
    let shared = if quota.is_shared() { limits.peek_shared(quota, key).await } else { None };
    let state = shared.unwrap_or_else(|| limits.peek(quota, key, steady()));
    answer::json(StatusCode::OK, &shown(&state))
}

fn shown(state: &QuotaState) -> Value {
    json!({
        "quota": &*state.quota.name, "limit": state.limit, "remaining": state.remaining, "reset_s": state.reset_s,
        "retry_after_s": state.retry_after_s, "source": state.source.as_str(),
    })
}

/// A key, given part by part.
struct Parts {
    client: IpAddr,
    parts: HashMap<String, String>,
}

impl Parts {
    fn part(&self, kind: &str, name: &str) -> Option<&str> {
        self.parts.get(&format!("{kind}:{name}")).map(String::as_str)
    }

    fn plain(&self, name: &str) -> Option<&str> {
        self.parts.get(name).map(String::as_str)
    }
}

impl KeySource for Parts {
    fn client(&self) -> IpAddr {
        self.client
    }

    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.part("header", name).map(|value| Cow::Borrowed(value.as_bytes()))
    }

    fn cookie(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.part("cookie", name).map(|value| Cow::Borrowed(value.as_bytes()))
    }

    fn query(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.part("query", name).map(|value| Cow::Borrowed(value.as_bytes()))
    }

    fn claim(&self, name: &str) -> Option<Cow<'_, str>> {
        self.part("claim", name).map(Cow::Borrowed)
    }

    fn subject(&self) -> Option<&str> {
        self.plain("subject")
    }

    fn tenant(&self) -> Option<&str> {
        self.plain("tenant")
    }

    fn api_key(&self) -> Option<&str> {
        self.plain("api_key")
    }

    fn route(&self) -> &str {
        self.plain("route").unwrap_or_default()
    }

    fn method(&self) -> &str {
        self.plain("method").unwrap_or_default()
    }

    fn request_bytes(&self) -> Option<u64> {
        None
    }
}
