//! `Load`: clients that go on asking while something behind the gateway fails, and note how each request went.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::http1::Connection;

/// One request and its answer.
#[derive(Debug, Clone)]
pub struct Asked {
    /// When it was asked, from the start of the load.
    pub at: Duration,
    /// Until the answer was there, or was not.
    pub took: Duration,
    /// Status of the answer; 0 where the connection broke.
    pub status: u16,
    /// What was asked: every request has a target of its own.
    pub target: String,
    /// The answer's Retry-After, in seconds.
    pub retry_after_s: Option<u64>,
}

impl Asked {
    /// Whether the answer was the origin's 200.
    pub fn succeeded(&self) -> bool {
        self.status == 200
    }
}

/// Some clients, each on a connection that it keeps, asking one request after the other.
pub struct Load {
    started: Instant,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Asked>>>,
}

impl Load {
    /// Starts `clients` clients. `request` makes the bytes of a request for a target; between two requests a client waits
    /// for `pause`.
    pub fn start(
        address: SocketAddr,
        clients: usize,
        pause: Duration,
        request: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        /// Targets are told apart by a number that no two loads of a process share.
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let started = Instant::now();
        let stop = Arc::new(AtomicBool::new(false));
        let request = Arc::new(request);
        let ask_on = |_| {
            let (stop, request) = (Arc::clone(&stop), Arc::clone(&request));
            tokio::spawn(async move {
                let mut asked = Vec::new();
                let mut connection = None;
                while !stop.load(Ordering::Relaxed) {
                    let target = format!("/load/{}", NUMBER.fetch_add(1, Ordering::Relaxed));
                    let bytes = request(&target);
                    asked.push(ask(&mut connection, address, &bytes, target, started).await);
                    tokio::time::sleep(pause).await;
                }
                asked
            })
        };
        let clients = (0..clients).map(ask_on).collect();
        Self { started, stop, clients }
    }

    /// Since the start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Lets every client get its last answer; gives all of them, by time.
    pub async fn finish(self) -> Vec<Asked> {
        self.stop.store(true, Ordering::Relaxed);
        let mut asked = Vec::new();
        for client in self.clients {
            asked.extend(client.await.expect("a client of the load"));
        }
        asked.sort_by_key(|asked| asked.at);
        asked
    }
}

async fn ask(
    connection: &mut Option<Connection>,
    address: SocketAddr,
    bytes: &[u8],
    target: String,
    started: Instant,
) -> Asked {
    let mut open = match connection.take() {
        Some(open) => open,
        None => Connection::open(address).await,
    };
    let at = started.elapsed();
    let answer = match open.try_send(bytes).await {
        Ok(()) => open.try_response().await.ok(),
        Err(_) => None,
    };
    let took = started.elapsed().saturating_sub(at);
    let status = answer.as_ref().map_or(0, |answer| answer.status);
    let retry_after_s =
        answer.as_ref().and_then(|answer| answer.header("retry-after")).and_then(|seconds| seconds.parse().ok());
    let closes = answer.as_ref().is_none_or(|answer| {
        answer.header("connection").is_some_and(|connection| connection.eq_ignore_ascii_case("close"))
    });
    if !closes {
        *connection = Some(open);
    }
    Asked { at, took, status, target, retry_after_s }
}

/// The time within which so many percent of the requests were answered.
pub fn percentile(asked: &[Asked], percent: usize) -> Duration {
    let mut times: Vec<Duration> = asked.iter().map(|asked| asked.took).collect();
    times.sort_unstable();
    let last = times.len().saturating_sub(1);
    times.get(last * percent / 100).copied().unwrap_or_default()
}
