//! The admin and probe endpoints.
//!
//! | endpoint | token | answer |
//! |---|---|---|
//! | `GET /health` | no | 200 while the process lives |
//! | `GET /ready` | no | 200 while it accepts requests, 503 before and after; each dependency's state |
//! | `GET /metrics` | no | every metric, OpenMetrics text |
//! | `GET /admin/snapshot` | yes | what is in force |
//! | `POST /admin/reload` | yes | 200 with the result, 422 when the files do not compile |
//! | `GET /admin/events` | yes | security events, newest first |
//! | `GET /admin/actions` | yes | admin actions, newest first |
//! | `GET /admin/upstreams` | yes | every endpoint: breaker, health, ejection |
//! | `POST /admin/upstreams/NAME/breaker` | yes | `{"force": "open"}`, `"closed"` or `"auto"` |
//! | `GET /admin/quotas`, `/admin/quotas/NAME?client_address=IP` | yes | the quotas; where a key stands |
//! | `GET`, `POST /admin/bans`, `DELETE /admin/bans/IP` | yes | bans: list, add `{"address": IP, "for_s": 3600}`, lift |
//!
//! Every call that changes something is recorded, refused ones too.

mod answer;
mod api;
mod auth;
mod bans;
pub(crate) mod listener;
mod probe;
mod quotas;
mod upstreams;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::{delete, get, post};
use http::StatusCode;
use rampart_record::{AdminAction, Clock, Outcome, SystemClock};

use crate::reload::worker;
use crate::shared::Shared;

/// Which endpoints an address has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Face {
    /// `/admin/...`
    Admin,
    /// `/health`, `/ready`, `/metrics`
    Probe,
    /// All of them.
    Both,
}

/// What the endpoints work on.
#[derive(Clone)]
pub(crate) struct Endpoints {
    pub(crate) shared: Arc<Shared>,
    pub(crate) reload: worker::Handle,
}

/// The addresses to listen on and what each is for.
pub(crate) fn faces(admin: Option<SocketAddr>, probe: Option<SocketAddr>) -> Vec<(SocketAddr, Face)> {
    match (admin, probe) {
        (Some(admin), Some(probe)) if admin == probe => vec![(admin, Face::Both)],
        (admin, probe) => {
            let admin = admin.map(|address| (address, Face::Admin));
            admin.into_iter().chain(probe.map(|address| (address, Face::Probe))).collect()
        }
    }
}

/// The routes of an address.
pub(crate) fn router(face: Face, endpoints: &Endpoints) -> Router {
    let mut router = Router::new();
    if matches!(face, Face::Probe | Face::Both) {
        router = router.merge(probes(Arc::clone(&endpoints.shared)));
    }
    if matches!(face, Face::Admin | Face::Both) {
        router = router.merge(admin(endpoints.clone()));
    }
    router
        .fallback(async || answer::problem(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            answer::problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path has another method")
        })
}

fn probes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/health", get(probe::health))
        .route("/ready", get(probe::ready))
        .route("/metrics", get(probe::metrics))
        .with_state(shared)
}

fn admin(endpoints: Endpoints) -> Router {
    Router::new()
        .route("/admin/snapshot", get(api::snapshot))
        .route("/admin/reload", post(api::reload))
        .route("/admin/events", get(api::events))
        .route("/admin/actions", get(api::actions))
        .route("/admin/upstreams", get(upstreams::list))
        .route("/admin/upstreams/{name}/breaker", post(upstreams::force))
        .route("/admin/quotas", get(quotas::list))
        .route("/admin/quotas/{name}", get(quotas::show))
        .route("/admin/bans", get(bans::list).post(bans::add))
        .route("/admin/bans/{address}", delete(bans::lift))
        .route_layer(middleware::from_fn_with_state(endpoints.clone(), auth::require_token))
        .with_state(endpoints)
}

/// Records what an admin did, or tried to.
fn note(
    endpoints: &Endpoints,
    peer: SocketAddr,
    action: &'static str,
    target: Option<String>,
    outcome: Outcome,
    detail: Option<String>,
) {
    endpoints.shared.records.action(AdminAction {
        time: SystemClock.now(),
        actor: "admin".into(),
        client: Some(peer.ip()),
        action: action.into(),
        target,
        outcome,
        detail,
    });
}
