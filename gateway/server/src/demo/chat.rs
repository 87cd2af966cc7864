//! `POST /v1/chat/completions` in the OpenAI wire form: one JSON answer, or a stream of `chat.completion.chunk` events.
//!
//! The "model" echoes the last user message. The stream sends one word at a time with a short pause, ends with
//! `finish_reason`, a usage chunk where `stream_options.include_usage` asks for it, and `data: [DONE]`.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer;

/// Pause between two streamed words: visible to the eye, short enough for a test.
const WORD_PAUSE: Duration = Duration::from_millis(40);
/// Words that one answer has at most.
const WORDS_MAX: usize = 400;

#[derive(Deserialize)]
pub(super) struct Request {
    model: String,
    messages: Vec<Turn>,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    stream_options: StreamOptions,
}

#[derive(Deserialize, Default)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Deserialize)]
struct Turn {
    role: String,
    #[serde(default)]
    content: Value,
}

/// One completion: who answers, what, and what it "cost".
struct Completion {
    id: String,
    created: u64,
    model: String,
    words: Vec<String>,
    prompt_tokens: usize,
}

/// The endpoint: whole or streamed as the request asks.
pub(super) async fn completions(Json(request): Json<Request>) -> Response {
    if request.messages.is_empty() {
        return answer::error(StatusCode::BAD_REQUEST, "messages must not be empty");
    }
    let completion = Completion::of(&request);
    if request.stream {
        Sse::new(completion.events(request.stream_options.include_usage)).into_response()
    } else {
        Json(completion.whole()).into_response()
    }
}

impl Completion {
    fn of(request: &Request) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let question = request.messages.iter().rev().find(|t| t.role == "user").map(|t| text(&t.content));
        let answer = format!("You said: {}", question.unwrap_or_default());
        Self {
            id: format!("chatcmpl-demo-{}", NEXT.fetch_add(1, Ordering::Relaxed)),
            created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
            model: request.model.clone(),
            words: answer.split_whitespace().take(WORDS_MAX).map(str::to_owned).collect(),
            prompt_tokens: request.messages.iter().map(|t| text(&t.content).split_whitespace().count()).sum(),
        }
    }

    fn usage(&self) -> Value {
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.words.len(),
            "total_tokens": self.prompt_tokens + self.words.len(),
        })
    }

    fn whole(&self) -> Value {
        json!({
            "id": self.id, "object": "chat.completion", "created": self.created, "model": self.model,
            "choices": [{
                "index": 0,
                "message": { "role": "assistant", "content": self.words.join(" ") },
                "finish_reason": "stop",
            }],
            "usage": self.usage(),
        })
    }

    fn chunk(&self, choices: &Value, usage: &Value) -> Event {
        let body = json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model,
            "choices": choices, "usage": usage,
        });
        Event::default().data(body.to_string())
    }

    fn delta(&self, delta: &Value, finish: &Value) -> Event {
        self.chunk(&json!([{ "index": 0, "delta": delta, "finish_reason": finish }]), &Value::Null)
    }

    fn events(self, include_usage: bool) -> impl Stream<Item = Result<Event, Infallible>> {
        let mut events = vec![self.delta(&json!({ "role": "assistant", "content": "" }), &Value::Null)];
        for (i, word) in self.words.iter().enumerate() {
            let piece = if i == 0 { word.clone() } else { format!(" {word}") };
            events.push(self.delta(&json!({ "content": piece }), &Value::Null));
        }
        events.push(self.delta(&json!({}), &json!("stop")));
        if include_usage {
            events.push(self.chunk(&json!([]), &self.usage()));
        }
        events.push(Event::default().data("[DONE]"));
        stream::iter(events).then(|event| async move {
            tokio::time::sleep(WORD_PAUSE).await;
            Ok(event)
        })
    }
}

/// The text of a message's content: a string, or the text parts of a list.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter_map(|p| p.get("text").and_then(Value::as_str)).collect::<Vec<_>>().join(" ")
        }
        _ => String::new(),
    }
}
