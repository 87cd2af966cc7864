//! The backend that conformance cases expect, on a socket: see [`crate::ftw::reflect`] for what it answers.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Method, Response, StatusCode, Uri};

use super::JSON_BODY_BYTES_MAX;
use crate::ftw::reflect::{Reflected, backend};

/// A backend that reflects, whatever the path.
pub(super) fn router() -> Router {
    Router::new().fallback(answer).layer(DefaultBodyLimit::max(JSON_BODY_BYTES_MAX))
}

async fn answer(method: Method, uri: Uri, body: Bytes) -> Response<Body> {
    let Reflected { status, fields, body } = backend(method.as_str().as_bytes(), uri.path().as_bytes(), &body);
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    for (name, value) in fields {
        // A field that HTTP cannot carry is left out, as any server would.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            answer.headers_mut().append(name, value);
        }
    }
    answer
}
