//! The backend on its own, driven over real sockets where streaming matters and in place where it does not.

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::router;

const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

async fn send(router: &axum::Router, method: &str, uri: &str, body: Option<Value>) -> (StatusCode, Vec<u8>) {
    let mut request = Request::builder().method(method).uri(uri);
    if body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let body = body.map_or_else(Body::empty, |value| Body::from(value.to_string()));
    let response = router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    let status = response.status();
    (status, to_bytes(response.into_body(), ANSWER_BYTES_MAX).await.unwrap().to_vec())
}

async fn json_of(router: &axum::Router, method: &str, uri: &str, body: Option<Value>) -> (StatusCode, Value) {
    let (status, bytes) = send(router, method, uri, body).await;
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

#[tokio::test]
async fn a_task_lives_from_create_to_delete() {
    let router = router();
    let (status, task) = json_of(&router, "POST", "/api/v1/tasks", Some(json!({ "title": "try" }))).await;
    assert_eq!(status, StatusCode::CREATED);
    let path = format!("/api/v1/tasks/{}", task["id"]);
    assert_eq!(json_of(&router, "GET", &path, None).await, (StatusCode::OK, json!({ "id": 2, "title": "try" })));
    let (_, list) = json_of(&router, "GET", "/api/v1/tasks?skip=1&limit=1", None).await;
    assert_eq!(list, json!({ "items": [{ "id": 2, "title": "try" }], "total": 2 }));
    assert_eq!(send(&router, "DELETE", &path, None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(send(&router, "GET", &path, None).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_not_a_task_is_refused() {
    for (body, expect) in [
        (json!({ "name": "no title" }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "title": 7 }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!(["title"]), StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        assert_eq!(send(&router(), "POST", "/api/v1/tasks", Some(body.clone())).await.0, expect, "{body}");
    }
}

#[tokio::test]
async fn login_knows_one_account() {
    let good = json!({ "username": "demo", "password": "demo" });
    let bad = json!({ "username": "demo", "password": "guess" });
    assert_eq!(send(&router(), "POST", "/auth/login", Some(good)).await.0, StatusCode::OK);
    assert_eq!(send(&router(), "POST", "/auth/login", Some(bad)).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_completion_is_the_same_whole_and_streamed() {
    let router = router();
    let mut ask = json!({ "model": "demo", "messages": [
        { "role": "system", "content": "be brief" },
        { "role": "user", "content": [{ "type": "text", "text": "hello there" }] },
    ]});
    let (_, whole) = json_of(&router, "POST", "/v1/chat/completions", Some(ask.clone())).await;
    let content = whole["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    assert_eq!(content, "You said: hello there");

    ask["stream"] = json!(true);
    ask["stream_options"] = json!({ "include_usage": true });
    let (_, stream) = send(&router, "POST", "/v1/chat/completions", Some(ask)).await;
    let stream = String::from_utf8(stream).unwrap();
    let lines: Vec<&str> = stream.lines().filter_map(|l| l.strip_prefix("data: ")).collect();
    assert_eq!(lines.last(), Some(&"[DONE]"));
    let chunks: Vec<Value> = lines[..lines.len() - 1].iter().map(|l| serde_json::from_str(l).unwrap()).collect();
    let pieces: Vec<&str> = chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(pieces.concat(), content);
    assert_eq!(chunks.last().unwrap()["usage"], whole["usage"]);
    assert_eq!(chunks[chunks.len() - 2]["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn events_are_numbered_and_end_with_the_count() {
    let (_, body) = send(&router(), "GET", "/events?count=3&interval_ms=10", None).await;
    let text = String::from_utf8(body).unwrap();
    let ids: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("id: ")).collect();
    assert_eq!(ids, ["0", "1", "2"]);
}

#[tokio::test]
async fn a_download_has_the_length_asked_for() {
    for bytes in [0, 1, 16 * 1024, 16 * 1024 + 1, 100_000] {
        let (status, body) = send(&router(), "GET", &format!("/download?bytes={bytes}"), None).await;
        assert_eq!((status, body.len()), (StatusCode::OK, bytes));
    }
}

#[tokio::test]
async fn an_upload_is_counted() {
    let request = Request::post("/uploads/report.bin").body(Body::from(vec![7; 200_000])).unwrap();
    let response = router().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    let body = to_bytes(response.into_body(), ANSWER_BYTES_MAX).await.unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), json!({ "name": "report.bin", "bytes": 200_000 }));
}

#[tokio::test]
async fn the_reflecting_backend_answers_what_it_is_asked_to() {
    let router = super::reflect::router();
    let asked =
        json!({ "status": 503, "headers": { "X-Leak": "1" }, "body": "ORA-00933: SQL command not properly ended" });
    let request = Request::post("/reflect").body(Body::from(asked.to_string())).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["x-leak"], "1");
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/plain; charset=utf-8");
    let body = to_bytes(response.into_body(), ANSWER_BYTES_MAX).await.unwrap();
    assert_eq!(&*body, b"ORA-00933: SQL command not properly ended");
    assert_eq!(send(&router, "PUT", "/anything?x=1", Some(json!({ "a": 1 }))).await, (StatusCode::OK, Vec::new()));
}
