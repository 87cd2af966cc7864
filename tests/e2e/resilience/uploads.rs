//! Clients that owe bytes: what comes of their requests is no verdict on the upstream.

use std::net::SocketAddr;
use std::time::Duration;

use rampart_tests::{Connection, Gateway, Mood, MoodyOrigin, Setup, shape};

const UPLOADS: &str = "[[route]]\nname = \"uploads\"\nmatch = { path = \"/uploads/**\" }\nupstream = \"agents\"\n\
                       body = \"stream\"\n[[route]]\nname = \"rest\"\nmatch = { path = \"/**\" }\nupstream = \"agents\"\n";

async fn before(origin: SocketAddr, keys: &str) -> Gateway {
    let keys = format!("addresses = [\"http://{origin}\"]\n{keys}");
    Setup::bare().upstream("agents", &keys).routes(UPLOADS).start().await
}

/// An upload of which three bytes come, and no more.
async fn stalled(gateway: &Gateway) -> Connection {
    let mut connection = gateway.connect().await;
    let head = shape::head("PUT", "/uploads/x", &[("Content-Length", "1000000")]);
    connection.send(&[head, b"abc".to_vec()].concat()).await;
    connection
}

#[tokio::test(flavor = "multi_thread")]
async fn stalled_uploads_open_no_breaker() {
    let origin = MoodyOrigin::start().await;
    let gateway = before(origin.address, "deadlines = { read = \"500ms\" }\nbreaker = { consecutive = 3 }").await;
    let mut uploads = Vec::new();
    for _ in 0..8 {
        uploads.push(stalled(&gateway).await);
    }
    for upload in &mut uploads {
        upload.response().await.expect_problem(408, "body_timeout");
    }
    assert_eq!(gateway.get("/").await.status, 200);
    assert_eq!(gateway.metric_sum("rampart_upstream_breaker_opened_total").await, 0);
    // An upstream that has the whole of its requests and does not answer is another matter.
    origin.turn(Mood::Stalled);
    for _ in 0..3 {
        let whole = shape::post("/uploads/x", "application/json", b"[1]");
        gateway.ask(&whole).await.expect_problem(504, "upstream_timeout");
    }
    assert_eq!(gateway.metric_sum("rampart_upstream_breaker_opened_total").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_upload_does_not_keep_a_half_open_breaker_to_itself() {
    let origin = MoodyOrigin::start().await;
    let gateway = before(origin.address, "breaker = { consecutive = 3, open_for = \"300ms\" }").await;
    origin.turn(Mood::Status(503));
    for _ in 0..3 {
        assert_eq!(gateway.ask(&shape::post("/", "application/json", b"[1]")).await.status, 503);
    }
    origin.turn(Mood::Well);
    // Long after a body that is to come may probe, and nobody else has.
    tokio::time::sleep(Duration::from_millis(900)).await;
    let upload = stalled(&gateway).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(gateway.get("/").await.status, 200, "the upload is no reason to refuse others");
    assert_eq!(gateway.get("/").await.status, 200, "and the breaker is closed");
    drop(upload);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_plain_500s_opens_no_breaker() {
    let origin = MoodyOrigin::start().await;
    let gateway = before(origin.address, "").await;
    origin.turn(Mood::Status(500));
    for _ in 0..60 {
        assert_eq!(gateway.get("/").await.status, 500);
    }
    origin.turn(Mood::Well);
    assert_eq!(gateway.get("/").await.status, 200);
    assert_eq!(gateway.metric_sum("rampart_upstream_breaker_opened_total").await, 0);
}
