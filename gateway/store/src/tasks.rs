//! What runs in the background: connecting, probing, watching the state, and telling the other gateways of this one.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use fred::clients::Client;
use fred::interfaces::{ClientLike, EventInterface, KeysInterface};
use fred::types::{ConnectHandle, Expiration, Value as Reply};
use parking_lot::Mutex;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{interval, sleep, timeout};

use crate::breaker::{Probe, pause};
use crate::error::{Meaning, meaning};
use crate::inner::Inner;
use crate::key::Key;
use crate::pool::{self, Connection};
use crate::random::random;
use crate::redis::{Redis, State};
use crate::roll::{self, BEAT, Census, Strangers};
use crate::sentinel;
use crate::telling::Telling;
use crate::value::Arg;

/// How often the state is worked out where no command does so.
const REFRESH: Duration = Duration::from_millis(50);
/// How often files of TLS that could not be read are tried again.
const REREAD: Duration = Duration::from_secs(2);
/// How long what a probe writes stays, in milliseconds.
const PROBE_MS: i64 = 1_000;
/// A connection that lasted this long was a good one.
const LASTING: Duration = Duration::from_secs(10);
/// Tasks that end with this.
#[derive(Default)]
pub(crate) struct Tasks(Mutex<Vec<JoinHandle<()>>>);

/// A connection of fred's, which would go on without whoever waits for it.
struct Driven(ConnectHandle);

// === impl Tasks ===

impl Tasks {
    pub(crate) fn end(&self) {
        self.0.lock().drain(..).for_each(|task| task.abort());
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.end();
    }
}

impl Future for Driven {
    type Output = <ConnectHandle as Future>::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(crate) fn spawn(inner: &Arc<Inner>) -> Tasks {
    let tasks = [
        tokio::spawn(connect(Arc::clone(inner))),
        tokio::spawn(watch(Arc::clone(inner))),
        tokio::spawn(beat(Arc::clone(inner))),
    ];
    Tasks(Mutex::new(tasks.into()))
}

/// Builds the pool, and drives every connection of it for ever.
async fn connect(inner: Arc<Inner>) {
    let sentinels = loop {
        match pool::build(&inner.config).and_then(|pool| Ok((pool, sentinel::build(&inner)?))) {
            Ok((pool, sentinels)) => {
                inner.set_pool(pool);
                break sentinels;
            }
            Err(error) => {
                log::error!("redis: {error}; trying again every {REREAD:?}");
                inner.note_text(error.to_string());
            }
        }
        sleep(REREAD).await;
    };
    let mut drivers = JoinSet::new();
    for index in 0..inner.connections().len() {
        let inner = Arc::clone(&inner);
        drivers.spawn(async move {
            if let Some(connection) = inner.connections().get(index) {
                tokio::join!(drive(&inner, connection), probe(&inner, connection));
            }
        });
    }
    for client in sentinels.clone() {
        let inner = Arc::clone(&inner);
        drivers.spawn(async move { keep_connected(&inner, client).await });
    }
    sentinel::watch(&inner, &sentinels).await;
    while drivers.join_next().await.is_some() {}
}

/// Runs the client for ever. fred reconnects by itself, but for errors that it holds to be final; nothing is final here.
async fn keep_connected(inner: &Inner, client: Client) {
    let mut failures = 0;
    loop {
        let begun = Instant::now();
        let ended = Driven(client.connect()).await;
        if let Ok(Err(error)) = ended {
            inner.note(&error);
        }
        failures = if begun.elapsed() > LASTING { 0 } else { failures + 1 };
        sleep(pause(failures, random())).await;
    }
}

/// Keeps a connection open, and its breaker in step with it.
async fn drive(inner: &Inner, connection: &Connection) {
    let mut opened = connection.client.reconnect_rx();
    let mut ended = connection.client.error_rx();
    let follow = async {
        loop {
            tokio::select! {
                // A stream that was not read in time skips; one that is closed ends with the client.
                event = opened.recv() => {
                    if matches!(event, Err(RecvError::Closed)) {
                        return;
                    }
                    connection.reconnected();
                }
                // From here to the first failed attempt to reconnect fred calls itself connected, and lets commands
                // wait: none is given to it.
                event = ended.recv() => {
                    match event {
                        Err(RecvError::Closed) => return,
                        Err(RecvError::Lagged(_)) => {}
                        Ok((error, _)) => inner.note(&error),
                    }
                    connection.failed();
                    inner.trip(connection, None);
                }
            }
            inner.refresh();
        }
    };
    tokio::join!(keep_connected(inner, connection.client.clone()), follow);
}

/// Sends one probe at a time while the breaker is open.
async fn probe(inner: &Inner, connection: &Connection) {
    loop {
        let due = connection.breaker.lock().probe_at();
        match due {
            None => connection.wake.notified().await,
            Some(due) => {
                let wait = due.saturating_duration_since(Instant::now());
                let _ = timeout(wait, connection.wake.notified()).await;
            }
        }
        let Some(question) = connection.breaker.lock().begin_probe(Instant::now()) else { continue };
        let good = is_answered(inner, connection, question).await;
        connection.breaker.lock().probed(good, Instant::now(), random());
        inner.refresh();
    }
}

/// A write, to the node that did not answer: a server that answers `PING` may still hold all writes back (`CLIENT PAUSE`,
/// `FAILOVER`), or have become a replica. What it refuses, it answered.
async fn is_answered(inner: &Inner, connection: &Connection, probe: Probe) -> bool {
    if !connection.client.is_connected() {
        return false;
    }
    let prefix = &inner.config.prefix;
    let key = probe.key.map_or_else(|| Key::new(prefix, "probe", b"0", b""), |key| key.neighbour(prefix, "probe"));
    let write = connection.client.set::<Reply, _, _>(key.as_str(), "", Some(Expiration::PX(PROBE_MS)), None, false);
    match timeout(inner.config.command_deadline, write).await {
        Ok(Err(error)) => matches!(meaning(&error), Meaning::Refused | Meaning::Moved),
        Ok(Ok(_)) => true,
        Err(_) => false,
    }
}

/// Keeps the state true where nothing is asked, and says what changes; also why there is no connection, which may never
/// have been one: a wrong password, a certificate that does not hold.
async fn watch(inner: Arc<Inner>) {
    let mut ticks = interval(REFRESH);
    let mut telling = Telling::new(inner.config.connect_deadline);
    let servers = inner.config.authority();
    loop {
        ticks.tick().await;
        inner.refresh();
        let state = *inner.state.borrow();
        if let Some(line) = telling.next(state, inner.why(), &servers, Instant::now()) {
            let level = if state == State::Up { log::Level::Info } else { log::Level::Warn };
            log::log!(level, "redis: {line}");
        }
    }
}

/// Says every second that this gateway is alive, and counts those that do.
async fn beat(inner: Arc<Inner>) {
    let redis = Redis::from_inner(&inner);
    let script = roll::beat_script();
    let key = [redis.key("gateways", b"alive", b"")];
    let mut changes = inner.state.subscribe();
    let mut strangers = Strangers::default();
    loop {
        let args = [Arg::from(redis.member()), Arg::Int(roll::ALIVE_MS)];
        if redis.usable()
            && !inner.leaving.load(Ordering::Relaxed)
            && let Ok(reply) = redis.eval(&script, &key, &args).await
            && let Some(census) = Census::read(&reply, redis.cluster_key())
        {
            inner.counted(census);
            if strangers.seen(census.other, Instant::now()) {
                log::warn!(
                    "redis: {} with prefix {:?} at {}, but another cluster_key: nothing is shared with them; give all \
                     gateways the same cluster_key, or these another prefix",
                    if census.other == 1 { "1 gateway".to_owned() } else { format!("{} gateways", census.other) },
                    inner.config.prefix,
                    inner.config.authority()
                );
            }
        }
        // At once when Redis comes up, so that shares are right from the first request on.
        let _ = timeout(BEAT, changes.changed()).await;
    }
}

/// The others need not wait until this gateway is missed.
pub(crate) async fn leave(redis: &Redis) {
    let key = [redis.key("gateways", b"alive", b"")];
    // Until it was heard, or the caller has waited enough.
    while redis.eval(&roll::leave_script(), &key, &[Arg::from(redis.member())]).await.is_err() {
        sleep(REFRESH).await;
    }
}
