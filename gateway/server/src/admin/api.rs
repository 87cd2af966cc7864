//! The calls behind the token.

use std::net::SocketAddr;
use std::path::Path;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Query, State};
use axum::response::Response;
use http::StatusCode;
use rampart_record::{QueryError, Reader};
use serde::Serialize;
use serde_json::json;

use super::{Endpoints, answer};
use crate::filters::{ActionFilters, EventFilters};
use crate::reload::status::Reload;
use crate::reload::worker::Cause;

/// What is said when too many reloads wait.
const RETRY: &str = "too many reloads wait already; ask again in a moment";

/// What is in force: digest, counts, addresses, the last reload in full.
pub(super) async fn snapshot(State(endpoints): State<Endpoints>) -> Response {
    let shared = &endpoints.shared;
    let snapshot = shared.snapshot.load();
    let config = &snapshot.config;
    let listeners: Vec<_> = config
        .listeners
        .iter()
        .map(|l| json!({ "name": &*l.name, "address": l.address, "tls": l.tls.is_some() }))
        .collect();
    let body = json!({
        "digest": snapshot.digest, "loaded": snapshot.loaded, "listeners": listeners,
        "stage": shared.lifecycle.stage().to_string(), "reload": shared.status.last(),
    });
    answer::json(StatusCode::OK, &body)
}

/// Reloads and waits for the result. The reload itself is recorded by whoever does it.
pub(super) async fn reload(
    State(endpoints): State<Endpoints>,
    Extension(ConnectInfo(peer)): Extension<ConnectInfo<SocketAddr>>,
) -> Response {
    match endpoints.reload.ask_and_wait(Cause::Admin { client: Some(peer.ip()) }).await {
        Some(result @ Reload::Failed { .. }) => answer::json(StatusCode::UNPROCESSABLE_ENTITY, &result),
        Some(result) => answer::json(StatusCode::OK, &result),
        None => answer::problem(StatusCode::SERVICE_UNAVAILABLE, "busy", RETRY),
    }
}

/// Security events: `since`, `until`, `client`, `route`, `verdict`, `rule`, `code`, `request_id`, `limit`, `before`.
pub(super) async fn events(
    State(endpoints): State<Endpoints>,
    filters: Result<Query<EventFilters>, QueryRejection>,
) -> Response {
    let query = match filters {
        Ok(Query(filters)) => filters.query(),
        Err(rejection) => return bad_query(&rejection.body_text()),
    };
    match query {
        Ok(query) => search(endpoints, move |reader| reader.events(&query)).await,
        Err(error) => bad_query(&error.to_string()),
    }
}

/// Admin actions: `since`, `until`, `actor`, `action`, `outcome`, `limit`, `before`.
pub(super) async fn actions(
    State(endpoints): State<Endpoints>,
    filters: Result<Query<ActionFilters>, QueryRejection>,
) -> Response {
    let query = match filters {
        Ok(Query(filters)) => filters.query(),
        Err(rejection) => return bad_query(&rejection.body_text()),
    };
    match query {
        Ok(query) => search(endpoints, move |reader| reader.actions(&query)).await,
        Err(error) => bad_query(&error.to_string()),
    }
}

/// Reads the store on a thread that may block.
async fn search<T: Serialize + Send + 'static>(
    endpoints: Endpoints,
    read: impl FnOnce(&Reader) -> Result<T, QueryError> + Send + 'static,
) -> Response {
    let Some(path) = endpoints.shared.store.clone() else {
        return answer::problem(StatusCode::NOT_FOUND, "no_store", "[storage] is off: nothing is kept");
    };
    let found = tokio::task::spawn_blocking(move || open_and(&path, read)).await;
    match found {
        Ok(Ok(page)) => answer::json(StatusCode::OK, &page),
        Ok(Err(error @ QueryError::Limit(_))) => bad_query(&error.to_string()),
        Ok(Err(error)) => {
            log::error!(target: "rampart", "audit query: {error}");
            answer::problem(StatusCode::INTERNAL_SERVER_ERROR, "store", &error.to_string())
        }
        Err(_) => answer::problem(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the query ended early"),
    }
}

fn open_and<T>(path: &Path, read: impl FnOnce(&Reader) -> Result<T, QueryError>) -> Result<T, QueryError> {
    read(&Reader::open(path)?)
}

fn bad_query(detail: &str) -> Response {
    answer::problem(StatusCode::BAD_REQUEST, "bad_query", detail)
}
