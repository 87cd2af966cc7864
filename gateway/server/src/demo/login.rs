//! `POST /auth/login`: one demo account, `demo` with the password `demo`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::answer;

#[derive(Deserialize)]
pub(super) struct Credentials {
    username: String,
    password: String,
}

/// Answers with a token that nothing checks, or 401: enough to show quotas and inspection on a login route.
pub(super) async fn login(Json(given): Json<Credentials>) -> Response {
    if given.username == "demo" && given.password == "demo" {
        Json(json!({ "token": "demo-session", "token_type": "bearer", "expires_in": 3600 })).into_response()
    } else {
        answer::error(StatusCode::UNAUTHORIZED, "wrong user name or password (the demo account is demo / demo)")
    }
}
