//! Redis as callers see it: commands that end in time, and a state that says whether to try.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::{ClientLike, KeysInterface, LuaInterface};
use fred::types::{Expiration, Value as Reply};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::cluster_key::ClusterKey;
use crate::config::RedisConfig;
use crate::error::{Meaning, Unavailable, meaning};
use crate::inner::Inner;
use crate::key::Key;
use crate::metrics::{ConnectionCounts, Metrics, Outcome};
use crate::pool::Connection;
use crate::script::Script;
use crate::tasks::{self, Tasks};
use crate::value::{Arg, Value};

/// What a call may take beyond the command deadline: the client's own timer fires first, and marks the command so that
/// it is not sent late.
const SLACK: Duration = Duration::from_millis(3);

/// How long [`Redis::stop`] waits for the servers.
const STOP: Duration = Duration::from_millis(500);

/// A pool of connections to Redis. Clones share it; the connections end with [`Redis::stop`] or with the last clone.
#[derive(Clone)]
pub struct Redis(Arc<Handle>);

struct Handle {
    inner: Arc<Inner>,
    /// Ended when the last clone is dropped.
    tasks: Tasks,
}

/// Whether Redis can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// There was no connection since the start, and the first attempts are under way.
    Connecting,
    /// At least one connection can be used.
    Up,
    /// None can be used.
    Down {
        /// Since when.
        since: SystemTime,
    },
}

// === impl State ===

impl State {
    /// Its name in reports: `connecting`, `up` or `down`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Up => "up",
            Self::Down { .. } => "down",
        }
    }
}

// === impl Redis ===

impl Redis {
    /// Connects in the background and keeps at it for ever. Never fails and never waits for a server: until there is a
    /// connection every command ends with [`Unavailable::Down`] at once.
    #[expect(clippy::unused_async, reason = "it starts tasks: only a runtime may call it")]
    pub async fn start(config: RedisConfig, metrics: &Metrics) -> Self {
        let inner = Arc::new(Inner::new(config, metrics.clone()));
        let tasks = tasks::spawn(&inner);
        Self(Arc::new(Handle { inner, tasks }))
    }

    /// Whether it can be used, as of now.
    pub fn state(&self) -> State {
        *self.0.inner.state.borrow()
    }

    /// Tells of every change of [`Redis::state`].
    pub fn watch(&self) -> watch::Receiver<State> {
        self.0.inner.state.subscribe()
    }

    /// Whether a command would be sent at all: a connection is open and its breaker closed. Costs nothing.
    pub fn usable(&self) -> bool {
        self.0.inner.connections().iter().any(Connection::is_usable)
    }

    /// How many gateways share, this one included: as configured, or as those with the same cluster key (or its
    /// neighbour in a rotation) last counted each other. Kept while Redis is down. At least 1.
    pub fn instances(&self) -> u32 {
        self.0.inner.instances()
    }

    /// How many living gateways have the same prefix but another cluster key, as last counted. They share nothing with
    /// this one, and [`Redis::instances`] leaves them out.
    pub fn other_keys(&self) -> u32 {
        self.0.inner.other_keys()
    }

    /// Why it cannot be used, for operators: at most 200 characters, no secret. `None` while it can be used, and where
    /// no reason is known yet.
    pub fn fault(&self) -> Option<String> {
        self.0.inner.why()
    }

    /// The secret that the gateways share.
    pub fn cluster_key(&self) -> &ClusterKey {
        &self.0.inner.config.cluster_key
    }

    /// What the servers are: `single`, `sentinel` or `cluster`.
    pub fn mode(&self) -> &'static str {
        self.0.inner.config.mode()
    }

    /// How long one command may take.
    pub fn command_deadline(&self) -> Duration {
        self.0.inner.config.command_deadline
    }

    /// Connections as they are now.
    pub fn connections(&self) -> ConnectionCounts {
        self.0.inner.count_connections()
    }

    /// The key of `kind` (a word of this program, such as `quota`) with `rest`, in the slot of `tag`. What one script
    /// touches has to have one tag. Both are to be hashed or public: they are readable in Redis.
    pub fn key(&self, kind: &str, tag: &[u8], rest: &[u8]) -> Key {
        Key::new(&self.0.inner.config.prefix, kind, tag, rest)
    }

    /// Runs `script` on `keys`, which share a slot. One round trip, or two where the server does not know the script
    /// yet. It may have run even if the answer is an error.
    pub async fn eval(&self, script: &Script, keys: &[Key], args: &[Arg]) -> Result<Value, Unavailable> {
        debug_assert!(keys.windows(2).all(|pair| matches!(pair, [a, b] if a.slot() == b.slot())), "{keys:?}");
        let names: Vec<fred::types::Key> = keys.iter().map(|key| key.as_str().into()).collect();
        let values: Vec<Reply> = args.iter().map(Reply::from).collect();
        let reply = self.run(script.name(), keys.first(), |client| {
            let (names, values) = (names.clone(), values.clone());
            async move {
                let known = client.evalsha(script.digest(), names.clone(), values.clone()).await;
                match known {
                    Err(error) if meaning(&error) == Meaning::NoScript => {
                        client.eval(script.source(), names, values).await
                    }
                    known => known,
                }
            }
        });
        reply.await.map(Value::from)
    }

    /// The value of `key`; `None` if there is none.
    pub async fn get(&self, key: &Key) -> Result<Option<Bytes>, Unavailable> {
        let reply = self.run("get", Some(key), |client| async move { client.get(key.as_str()).await });
        match Value::from(reply.await?) {
            Value::Bytes(bytes) => Ok(Some(bytes)),
            Value::Nil | Value::Int(_) | Value::List(_) => Ok(None),
        }
    }

    /// Stores `value` for `lifetime`, which is at least a millisecond.
    pub async fn set(&self, key: &Key, value: Bytes, lifetime: Duration) -> Result<(), Unavailable> {
        let milliseconds = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX).max(1);
        let reply = self.run("set", Some(key), |client| {
            let value = value.clone();
            async move { client.set(key.as_str(), value, Some(Expiration::PX(milliseconds)), None, false).await }
        });
        reply.await.map(drop)
    }

    /// Deletes `key`; true if it was there.
    pub async fn del(&self, key: &Key) -> Result<bool, Unavailable> {
        let reply = self.run("del", Some(key), |client| async move { client.del(key.as_str()).await });
        Ok(Value::from(reply.await?).int() == Some(1))
    }

    /// Asks whether a server is there.
    pub async fn ping(&self) -> Result<(), Unavailable> {
        self.run("ping", None, |client| async move { client.ping(None).await }).await.map(drop)
    }

    /// Tells the other gateways that this one goes, and ends the connections. Takes at most half a second.
    pub async fn stop(&self) {
        self.0.inner.leaving.store(true, Ordering::Relaxed);
        let farewell = async {
            tasks::leave(self).await;
            for connection in self.0.inner.connections() {
                let _ = connection.client.quit().await;
            }
        };
        let _ = timeout(STOP, farewell).await;
        self.0.tasks.end();
        self.0.inner.refresh();
    }

    /// What this gateway is called among the others.
    pub(crate) fn member(&self) -> String {
        self.0.inner.member.clone()
    }

    pub(crate) fn from_inner(inner: &Arc<Inner>) -> Self {
        Self(Arc::new(Handle { inner: Arc::clone(inner), tasks: Tasks::default() }))
    }

    /// One command: a usable connection, one deadline, the breaker, the metrics.
    async fn run<F, W>(&self, name: &'static str, key: Option<&Key>, call: F) -> Result<Reply, Unavailable>
    where
        F: Fn(Client) -> W,
        W: Future<Output = Result<Reply, Error>>,
    {
        let inner = &self.0.inner;
        let Some(connection) = inner.pick() else {
            inner.metrics.command(name, Outcome::Skipped, 0.0);
            return Err(Unavailable::Down);
        };
        let _busy = connection.begin();
        let begun = Instant::now();
        let answer = timeout(inner.config.command_deadline + SLACK, send(&connection.client, &call)).await;
        let (outcome, result) = match answer {
            Ok(Ok(reply)) => (Outcome::Ok, Ok(reply)),
            Ok(Err(error)) => judge(&error),
            Err(_) => (Outcome::Deadline, Err(Unavailable::Deadline)),
        };
        inner.metrics.command(name, outcome, begun.elapsed().as_secs_f64());
        match outcome {
            Outcome::Deadline => inner.trip_all(key),
            Outcome::Lost => inner.trip(connection, key),
            Outcome::Ok | Outcome::Refused | Outcome::Skipped => {}
        }
        result
    }
}

/// Once more where the slot has moved: the client has read the new table by then. The first node did nothing.
async fn send<F, W>(client: &Client, call: &F) -> Result<Reply, Error>
where
    F: Fn(Client) -> W,
    W: Future<Output = Result<Reply, Error>>,
{
    match call(client.clone()).await {
        Err(error) if meaning(&error) == Meaning::Moved => call(client.clone()).await,
        answer => answer,
    }
}

fn judge(error: &Error) -> (Outcome, Result<Reply, Unavailable>) {
    match meaning(error) {
        Meaning::Deadline => (Outcome::Deadline, Err(Unavailable::Deadline)),
        Meaning::Lost => (Outcome::Lost, Err(Unavailable::Down)),
        Meaning::Moved => (Outcome::Refused, Err(Unavailable::Refused("the slot is on the move".to_owned()))),
        Meaning::NoScript | Meaning::Refused => {
            (Outcome::Refused, Err(Unavailable::Refused(error.details().to_owned())))
        }
    }
}

// === impl Value, Arg ===

impl From<&Arg> for Reply {
    fn from(arg: &Arg) -> Self {
        match arg {
            Arg::Int(number) => Self::Integer(*number),
            Arg::Bytes(bytes) => Self::Bytes(bytes.clone()),
        }
    }
}

impl From<Reply> for Value {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Null | Reply::Queued | Reply::Map(_) => Self::Nil,
            Reply::Boolean(truth) => Self::Int(truth.into()),
            Reply::Integer(number) => Self::Int(number),
            Reply::Double(number) => Self::Bytes(number.to_string().into()),
            Reply::String(text) => Self::Bytes(text.into_inner()),
            Reply::Bytes(bytes) => Self::Bytes(bytes),
            Reply::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
        }
    }
}
