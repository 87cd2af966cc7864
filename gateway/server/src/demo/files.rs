//! Uploads that are counted and forgotten, downloads that are made up as they are sent: both stream, neither is kept.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use serde::Deserialize;
use serde_json::json;

use super::answer;

/// Largest upload, in bytes.
const UPLOAD_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// Largest download, in bytes.
const DOWNLOAD_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
const DOWNLOAD_BYTES_DEFAULT: u64 = 1024;
/// One chunk of a download.
static CHUNK: [u8; 16 * 1024] = [b'.'; 16 * 1024];

/// Reads the whole body and says how long it was.
pub(super) async fn upload(Path(name): Path<String>, body: Body) -> Response {
    let mut stream = body.into_data_stream();
    let mut bytes = 0_u64;
    while let Some(chunk) = stream.next().await {
        match chunk {
            Ok(chunk) => bytes += chunk.len() as u64,
            Err(_) => return answer::error(StatusCode::BAD_REQUEST, "the body ended early"),
        }
        if bytes > UPLOAD_BYTES_MAX {
            return answer::error(StatusCode::PAYLOAD_TOO_LARGE, "the upload is too large");
        }
    }
    (StatusCode::CREATED, Json(json!({ "name": name, "bytes": bytes }))).into_response()
}

#[derive(Deserialize)]
pub(super) struct Length {
    bytes: Option<u64>,
}

/// `bytes` dots as `application/octet-stream`, with a Content-Length.
pub(super) async fn download(Query(length): Query<Length>) -> Response {
    let total = length.bytes.unwrap_or(DOWNLOAD_BYTES_DEFAULT);
    if total > DOWNLOAD_BYTES_MAX {
        return answer::error(StatusCode::BAD_REQUEST, "bytes is too large");
    }
    let chunks = stream::unfold(total, |left| async move {
        let size = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK.len());
        let chunk = CHUNK.get(..size).filter(|chunk| !chunk.is_empty())?;
        Some((Ok::<_, std::convert::Infallible>(Bytes::from_static(chunk)), left - size as u64))
    });
    let mut response = Body::from_stream(chunks).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(total));
    response
}
