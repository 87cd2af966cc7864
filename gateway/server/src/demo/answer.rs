//! The backend's error bodies: `{"error": "..."}` with the fitting status.

use axum::Json;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// An error answer of the demo backend.
pub(super) fn error(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "error": message }))).into_response()
}

/// The answer to a path that the backend does not know.
pub(super) async fn not_found(uri: Uri) -> Response {
    error(StatusCode::NOT_FOUND, &format!("the demo backend has nothing at {}", uri.path()))
}
