//! The demo agent backend: what an agent platform looks like to a gateway in front of it.
//!
//! It is a real HTTP server with state in memory, so that every line the demo prints can be tried against it: agents and
//! tasks (create, read, list, delete), a login, a chat-completions endpoint in the OpenAI wire form (whole and streamed),
//! server-sent events, a WebSocket echo, uploads and downloads. It knows nothing of the gateway and defends itself
//! against nothing but running out of memory: its collections and bodies are bounded.

mod answer;
mod chat;
mod collection;
mod events;
mod files;
mod login;
mod reflect;
mod socket;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use serde_json::{Value, json};

use collection::Collection;

/// Largest body that the JSON endpoints take, in bytes. Larger than the gateway's own limit, so that a refusal seen in the
/// demo is the gateway's.
const JSON_BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What the backend keeps: two collections, in memory, for as long as it runs.
struct Shelves {
    agents: Collection,
    tasks: Collection,
}

/// The backend's routes over fresh, seeded state.
pub(crate) fn router() -> Router {
    let shelves = Arc::new(Shelves { agents: Collection::agents(), tasks: Collection::tasks() });
    Router::new()
        .route("/", get(index))
        .merge(collection::routes("/api/v1/agents", |s| &s.agents))
        .merge(collection::routes("/api/v1/tasks", |s| &s.tasks))
        .route("/auth/login", post(login::login))
        .route("/v1/chat/completions", post(chat::completions))
        .layer(DefaultBodyLimit::max(JSON_BODY_BYTES_MAX))
        .route("/events", get(events::stream))
        .route("/ws", get(socket::echo))
        .route("/uploads/{name}", post(files::upload).put(files::upload))
        .route("/download", get(files::download))
        .fallback(answer::not_found)
        .with_state(shelves)
}

/// Which backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The agent platform.
    Agents,
    /// One that answers what it is asked to answer, for conformance cases.
    Reflecting,
}

/// Binds the backend to `address` and serves it until the returned task is dropped with its runtime.
///
/// # Errors
/// When the address cannot be bound.
pub(crate) async fn start(address: SocketAddr, kind: Kind) -> std::io::Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let router = match kind {
        Kind::Agents => router(),
        Kind::Reflecting => reflect::router(),
    };
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            log::error!("demo backend stopped: {error}");
        }
    });
    Ok(bound)
}

async fn index() -> Json<Value> {
    Json(json!({
        "name": "demo agent backend",
        "endpoints": [
            "GET|POST /api/v1/agents", "GET|DELETE /api/v1/agents/{id}",
            "GET|POST /api/v1/tasks", "GET|DELETE /api/v1/tasks/{id}",
            "POST /auth/login", "POST /v1/chat/completions",
            "GET /events", "GET /ws", "POST /uploads/{name}", "GET /download?bytes=N",
        ],
    }))
}

#[cfg(test)]
mod tests;
