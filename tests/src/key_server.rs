//! `KeyServer`: an issuer's JSON Web Key Set over HTTP, which can rotate, be slow, talk nonsense or be gone; and which
//! counts how often it is asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rustls::ServerConfig;
use serde_json::{Value, json};

use crate::origin::{Answer, CountingOrigin};
use crate::token::SigningKey;

/// The server; stops when dropped.
pub struct KeyServer {
    origin: CountingOrigin,
    said: Arc<Mutex<Answer>>,
    scheme: &'static str,
}

impl KeyServer {
    /// A server that publishes these keys.
    pub async fn start(keys: &[&SigningKey]) -> Self {
        let said = Arc::new(Mutex::new(Answer::json(set_of(keys).to_string())));
        let says = Arc::clone(&said);
        let origin = CountingOrigin::scripted(move |_| says.lock().unwrap().clone()).await;
        Self { origin, said, scheme: "http" }
    }

    /// The same behind TLS.
    pub async fn start_tls(keys: &[&SigningKey], tls: Arc<ServerConfig>) -> Self {
        let said = Arc::new(Mutex::new(Answer::json(set_of(keys).to_string())));
        let says = Arc::clone(&said);
        let origin = CountingOrigin::scripted_tls(tls, move |_| says.lock().unwrap().clone()).await;
        Self { origin, said, scheme: "https" }
    }

    /// The `jwks_url`.
    pub fn url(&self) -> String {
        format!("{}://{}/jwks.json", self.scheme, self.origin.address)
    }

    /// From now on these are the keys.
    pub fn publish(&self, keys: &[&SigningKey]) {
        self.say(Answer::json(set_of(keys).to_string()));
    }

    /// From now on these are the keys, and it takes so long to say so.
    pub fn publish_slowly(&self, keys: &[&SigningKey], pause: Duration) {
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        self.say(Answer::Chunks(headers, vec![(pause, Bytes::from(set_of(keys).to_string()))]));
    }

    /// From now on it says this.
    pub fn say(&self, answer: Answer) {
        *self.said.lock().unwrap() = answer;
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.origin.requests()
    }
}

/// A JSON Web Key Set (RFC 7517 section 5).
pub fn set_of(keys: &[&SigningKey]) -> Value {
    json!({"keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>()})
}
