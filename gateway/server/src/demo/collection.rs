//! A bounded collection of JSON objects with create, list, read and delete: the agents and the tasks of the demo.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use parking_lot::RwLock;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Shelves, answer};

/// Objects that one collection keeps before it refuses more with 507.
const ENTRIES_MAX: usize = 10_000;
/// Objects that one list answer holds at most.
const PAGE_MAX: usize = 1_000;
const PAGE_DEFAULT: usize = 100;

/// Objects by id, each with the one field it must have.
pub(super) struct Collection {
    required: &'static str,
    path: &'static str,
    entries: RwLock<Entries>,
}

struct Entries {
    next_id: u64,
    by_id: BTreeMap<u64, Map<String, Value>>,
}

/// Which part of a collection a list shows.
#[derive(Deserialize)]
struct Page {
    limit: Option<usize>,
    skip: Option<usize>,
}

impl Collection {
    /// The agents: `name` is required, three are there from the start.
    pub(super) fn agents() -> Self {
        Self::seeded(
            "name",
            "/api/v1/agents",
            [
                json!({ "name": "researcher", "model": "demo-large", "status": "idle" }),
                json!({ "name": "coder", "model": "demo-large", "status": "running" }),
                json!({ "name": "reviewer", "model": "demo-small", "status": "idle" }),
            ],
        )
    }

    /// The tasks: `title` is required, one is there from the start.
    pub(super) fn tasks() -> Self {
        Self::seeded("title", "/api/v1/tasks", [json!({ "title": "Summarise the weekly report", "agent": 1 })])
    }

    fn seeded<const N: usize>(required: &'static str, path: &'static str, seeds: [Value; N]) -> Self {
        let entries = RwLock::new(Entries { next_id: 1, by_id: BTreeMap::new() });
        let collection = Self { required, path, entries };
        for seed in seeds {
            if let Value::Object(object) = seed {
                collection.insert(object);
            }
        }
        collection
    }

    /// Keeps an object under the next id; `None` when the collection is full.
    fn insert(&self, mut object: Map<String, Value>) -> Option<(u64, Value)> {
        let mut entries = self.entries.write();
        if entries.by_id.len() >= ENTRIES_MAX {
            return None;
        }
        let id = entries.next_id;
        entries.next_id += 1;
        object.insert("id".into(), id.into());
        entries.by_id.insert(id, object.clone());
        Some((id, Value::Object(object)))
    }

    fn list(&self, page: &Page) -> Value {
        let limit = page.limit.unwrap_or(PAGE_DEFAULT).min(PAGE_MAX);
        let entries = self.entries.read();
        let items: Vec<&Map<String, Value>> = entries.by_id.values().skip(page.skip.unwrap_or(0)).take(limit).collect();
        json!({ "items": items, "total": entries.by_id.len() })
    }

    fn get(&self, id: u64) -> Option<Value> {
        self.entries.read().by_id.get(&id).cloned().map(Value::Object)
    }

    fn remove(&self, id: u64) -> bool {
        self.entries.write().by_id.remove(&id).is_some()
    }
}

/// The routes of the collection that `pick` chooses, under `path`.
pub(super) fn routes(path: &str, pick: fn(&Shelves) -> &Collection) -> Router<Arc<Shelves>> {
    let list = move |State(s): State<Arc<Shelves>>, Query(page): Query<Page>| async move { Json(pick(&s).list(&page)) };
    let create = move |State(s): State<Arc<Shelves>>, body: Result<Json<Value>, JsonRejection>| async move {
        create_in(pick(&s), body)
    };
    let read = move |State(s): State<Arc<Shelves>>, Path(id): Path<u64>| async move {
        pick(&s).get(id).map_or_else(unknown, |object| Json(object).into_response())
    };
    let remove = move |State(s): State<Arc<Shelves>>, Path(id): Path<u64>| async move {
        if pick(&s).remove(id) { StatusCode::NO_CONTENT.into_response() } else { unknown() }
    };
    Router::new().route(path, get(list).post(create)).route(&format!("{path}/{{id}}"), get(read).delete(remove))
}

fn unknown() -> Response {
    answer::error(StatusCode::NOT_FOUND, "no such id")
}

fn create_in(collection: &Collection, body: Result<Json<Value>, JsonRejection>) -> Response {
    let object = match body {
        Ok(Json(Value::Object(object))) => object,
        Ok(_) => return answer::error(StatusCode::UNPROCESSABLE_ENTITY, "the body must be a JSON object"),
        Err(rejection) => return answer::error(rejection.status(), &rejection.body_text()),
    };
    if !object.get(collection.required).is_some_and(Value::is_string) {
        let message = format!("the member \"{}\" is required and must be a string", collection.required);
        return answer::error(StatusCode::UNPROCESSABLE_ENTITY, &message);
    }
    let Some((id, object)) = collection.insert(object) else {
        return answer::error(StatusCode::INSUFFICIENT_STORAGE, "the demo collection is full");
    };
    let mut response = (StatusCode::CREATED, Json(object)).into_response();
    if let Ok(location) = HeaderValue::try_from(format!("{}/{id}", collection.path)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
