//! `MoodyOrigin`: an HTTP/1 backend that fails on command, in the ways in which backends fail, and counts what reached it.
//!
//! It tells requests apart by their targets, so that a test can say of each how often it arrived: what the gateway
//! repeated, and what it must not have repeated.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::http1::find;

/// How an origin is at the moment. It counts for each request when that has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// 200 to everything.
    Well,
    /// This status to everything.
    Status(u16),
    /// Requests are read and never answered.
    Stalled,
    /// Requests are read; then the connection is closed.
    HalfClosing,
    /// Requests are read; then the connection is reset.
    Resetting,
}

/// What the origin has counted.
#[derive(Debug)]
struct State {
    mood: Mutex<Mood>,
    /// How long a request takes.
    work: Mutex<Duration>,
    /// Arrivals of each target but the probe's.
    arrivals: Mutex<HashMap<String, usize>>,
    /// Requests for [`MoodyOrigin::HEALTH`].
    probes: AtomicUsize,
    connections: AtomicUsize,
    in_flight: AtomicUsize,
    peak: AtomicUsize,
}

/// The origin; stops when dropped.
pub struct MoodyOrigin {
    /// Where it listens, or listened.
    pub address: SocketAddr,
    state: Arc<State>,
    running: Option<JoinHandle<()>>,
}

impl Drop for MoodyOrigin {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}

impl MoodyOrigin {
    /// The target of health probes; these are counted apart.
    pub const HEALTH: &str = "/health";

    /// An origin that is well.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            mood: Mutex::new(Mood::Well),
            work: Mutex::new(Duration::ZERO),
            arrivals: Mutex::default(),
            probes: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
        });
        let running = Some(tokio::spawn(serve(listener, Arc::clone(&state))));
        Self { address, state, running }
    }

    /// Several, all well.
    pub async fn several(count: usize) -> Vec<Self> {
        let mut origins = Vec::new();
        for _ in 0..count {
            origins.push(Self::start().await);
        }
        origins
    }

    /// From the next request on it is like this.
    pub fn turn(&self, mood: Mood) {
        *self.state.mood.lock().unwrap() = mood;
    }

    /// How long a request takes from now on.
    pub fn work(&self, time: Duration) {
        *self.state.work.lock().unwrap() = time;
    }

    /// Ends it as a crash would: nobody listens, and every connection breaks.
    pub async fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
            let _ = running.await;
        }
    }

    /// Starts it again at the same address, well.
    pub async fn revive(&mut self) {
        self.turn(Mood::Well);
        let listener = TcpListener::bind(self.address).await.expect("the origin's port is still free");
        self.running = Some(tokio::spawn(serve(listener, Arc::clone(&self.state))));
    }

    /// Requests so far, without probes.
    pub fn requests(&self) -> usize {
        self.state.arrivals.lock().unwrap().values().sum()
    }

    /// How often each target arrived.
    pub fn arrivals(&self) -> HashMap<String, usize> {
        self.state.arrivals.lock().unwrap().clone()
    }

    /// Health probes so far.
    pub fn probes(&self) -> usize {
        self.state.probes.load(Ordering::SeqCst)
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Requests that it works on at this moment.
    pub fn in_flight(&self) -> usize {
        self.state.in_flight.load(Ordering::SeqCst)
    }

    /// The most requests that it worked on at a time.
    pub fn peak(&self) -> usize {
        self.state.peak.load(Ordering::SeqCst)
    }
}

/// Aborted, it takes its connections with it.
async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut conversations = JoinSet::new();
    while let Ok((wire, _)) = listener.accept().await {
        state.connections.fetch_add(1, Ordering::SeqCst);
        conversations.spawn(converse(wire, Arc::clone(&state)));
        while conversations.try_join_next().is_some() {}
    }
}

async fn converse(mut wire: TcpStream, state: Arc<State>) {
    let _ = wire.set_nodelay(true);
    let mut unread = Vec::new();
    while let Some((target, bodiless)) = next_request(&mut wire, &mut unread).await {
        if target == MoodyOrigin::HEALTH {
            state.probes.fetch_add(1, Ordering::SeqCst);
        } else {
            *state.arrivals.lock().unwrap().entry(target).or_default() += 1;
        }
        let working = Working::begin(&state);
        let (mood, work) = (*state.mood.lock().unwrap(), *state.work.lock().unwrap());
        if !work.is_zero() {
            // A client that leaves ends the work.
            let mut byte = [0];
            if tokio::time::timeout(work, wire.peek(&mut byte)).await.is_ok_and(|read| !matches!(read, Ok(1))) {
                return;
            }
        }
        let status = match mood {
            Mood::Well => 200,
            Mood::Status(status) => status,
            Mood::Stalled => {
                let mut byte = [0];
                let _ = wire.peek(&mut byte).await;
                return;
            }
            Mood::HalfClosing => return,
            Mood::Resetting => {
                let _ = wire.set_zero_linger();
                return;
            }
        };
        drop(working);
        let body = if bodiless { "" } else { "{\"ok\":true}" };
        let head =
            format!("HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{body}");
        if wire.write_all(head.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Target of the next request once it is there whole, and whether its answer has no body (HEAD).
async fn next_request(wire: &mut TcpStream, unread: &mut Vec<u8>) -> Option<(String, bool)> {
    loop {
        if let Some(end) = find(unread, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&unread[..end]).into_owned();
            let length = head.to_ascii_lowercase().lines().find_map(|line| {
                line.strip_prefix("content-length:").map(|length| length.trim().parse::<usize>().expect("a length"))
            });
            assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "the gateway declares lengths: {head}");
            let whole = end + 4 + length.unwrap_or(0);
            if unread.len() >= whole {
                unread.drain(..whole);
                let mut words = head.split(' ');
                let head_only = words.next() == Some("HEAD");
                return Some((words.next()?.to_owned(), head_only));
            }
        }
        unread.reserve(16 * 1024);
        if !matches!(wire.read_buf(unread).await, Ok(read) if read > 0) {
            return None;
        }
    }
}

/// A request under way.
struct Working<'a>(&'a State);

impl<'a> Working<'a> {
    fn begin(state: &'a State) -> Self {
        let now = state.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        state.peak.fetch_max(now, Ordering::SeqCst);
        Self(state)
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}
