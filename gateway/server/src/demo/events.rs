//! `GET /events`: server-sent events, one tick after another, until the client leaves or `count` is reached.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::Query;
use axum::response::Sse;
use axum::response::sse::Event;
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use serde_json::json;

/// Shortest pause between two events, in milliseconds.
const INTERVAL_MIN_MS: u64 = 10;
const INTERVAL_DEFAULT_MS: u64 = 1_000;
const INTERVAL_MAX_MS: u64 = 60_000;

#[derive(Deserialize)]
pub(super) struct Ticks {
    /// Events to send; without it the stream has no end.
    count: Option<u64>,
    interval_ms: Option<u64>,
}

/// `event: tick` with an id and its number; the first one comes at once.
pub(super) async fn stream(Query(ticks): Query<Ticks>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let pause = ticks.interval_ms.unwrap_or(INTERVAL_DEFAULT_MS).clamp(INTERVAL_MIN_MS, INTERVAL_MAX_MS);
    let pause = Duration::from_millis(pause);
    let count = ticks.count.unwrap_or(u64::MAX);
    Sse::new(stream::unfold(0_u64, move |sent| async move {
        if sent >= count {
            return None;
        }
        if sent > 0 {
            tokio::time::sleep(pause).await;
        }
        let event = Event::default().event("tick").id(sent.to_string()).data(json!({ "tick": sent }).to_string());
        Some((Ok(event), sent + 1))
    }))
}
