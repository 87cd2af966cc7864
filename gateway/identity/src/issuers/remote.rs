//! The keys that one issuer publishes: fetched, kept, and asked for again when a token names one that is not there.
//!
//! - One fetch at a time. Whoever needs one while it is under way waits for that one; if it brings nothing new, it may have
//!   begun too early for those who came later, and is repeated once.
//! - A fetch that was made for an unknown key and was in vain begins a cooldown, so that made-up key names cost the issuer
//!   one or two requests a cooldown. One that brought new keys does not: the next rotation is followed at once.
//! - A set takes the place of the one before only if it can be used. During an outage the last good one stays, up to
//!   `stale`.
//!
//! Lengths of time are measured by tokio's clock, which does not jump and which tests can pause.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;
use rampart_fetch::{Client, FetchError, Options};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::metrics::IssuerMetrics;
use crate::issuer::Published;
use crate::jwks::{BadSet, KeySet, LeftOut, MAX_SET_BYTES};

/// Time for one fetch.
const FETCH_DEADLINE: Duration = Duration::from_secs(5);
/// How long a request waits for a fetch.
const WAIT_DEADLINE: Duration = Duration::from_secs(3);
/// After the first failure in a row the next attempt comes so soon; then twice as late each time, up to the longest.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_mins(1);

/// The keys of one issuer.
#[derive(Debug)]
pub(super) struct Remote {
    issuer: Arc<str>,
    published: ArcSwap<Published>,
    client: Result<Client, FetchError>,
    held: ArcSwapOption<Held>,
    progress: Mutex<Progress>,
    /// Counts fetches that ended.
    ended: watch::Sender<u64>,
    metrics: Arc<IssuerMetrics>,
    /// The configuration names it no more; requests that began before may still need its keys.
    retired: AtomicBool,
}

#[derive(Debug)]
struct Held {
    keys: Arc<KeySet>,
    fetched: Instant,
}

#[derive(Debug)]
struct Progress {
    under_way: bool,
    /// A token needs the fetch that is under way.
    demanded: bool,
    /// Somebody came when it had begun already.
    joined: bool,
    failures_in_a_row: u32,
    /// How many fetches have begun, repetitions among them; and which of them was the last that brought keys, from 1.
    begun: u64,
    succeeded: u64,
    /// When the next one is due.
    due: Instant,
    /// Not before is one made because of an unknown key.
    cooled: Instant,
}

/// What a fetch brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Other keys than before.
    Changed,
    /// The same.
    Unchanged,
    /// No answer.
    Unreachable,
    /// An answer that is not 200.
    Status,
    /// No set of keys that can be used.
    BadSet,
}

/// Why a fetch brought nothing.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}")]
    Fetch(String),
    #[error("the answer has status {0}")]
    Status(u16),
    #[error("{0}")]
    Set(#[from] BadSet),
}

// === impl Outcome ===

impl Outcome {
    /// All of them, in the order of their declaration.
    pub(super) const ALL: [Self; 5] = [Self::Changed, Self::Unchanged, Self::Unreachable, Self::Status, Self::BadSet];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Unreachable => "unreachable",
            Self::Status => "status",
            Self::BadSet => "bad_set",
        }
    }
}

impl Failed {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Fetch(_) => Outcome::Unreachable,
            Self::Status(_) => Outcome::Status,
            Self::Set(_) => Outcome::BadSet,
        }
    }
}

// === impl Remote ===

impl Remote {
    pub(super) fn new(issuer: &Arc<str>, published: &Arc<Published>, metrics: &Arc<IssuerMetrics>) -> Self {
        let now = Instant::now();
        let options = Options { authorities: published.authorities.clone(), plain_http: published.plain_http };
        Self {
            issuer: Arc::clone(issuer),
            published: ArcSwap::new(Arc::clone(published)),
            client: Client::new(&options),
            held: ArcSwapOption::empty(),
            progress: Mutex::new(Progress {
                under_way: false,
                demanded: false,
                joined: false,
                failures_in_a_row: 0,
                begun: 0,
                succeeded: 0,
                due: now,
                cooled: now,
            }),
            ended: watch::Sender::new(0),
            metrics: Arc::clone(metrics),
            retired: AtomicBool::new(false),
        }
    }

    pub(super) fn digest(&self) -> [u8; 16] {
        self.published.load().digest
    }

    /// The configuration names it (again), with these times.
    pub(super) fn renew(&self, published: &Arc<Published>) {
        self.published.store(Arc::clone(published));
        self.retired.store(false, Ordering::Relaxed);
        let mut progress = self.progress.lock();
        progress.due = progress.due.min(Instant::now() + published.refresh);
    }

    /// The configuration names it no more. True if that is so for the second time.
    pub(super) fn retire(&self) -> bool {
        self.retired.swap(true, Ordering::Relaxed)
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }

    /// The keys, unless they were never fetched, or too long ago.
    pub(super) fn keys(&self) -> Option<Arc<KeySet>> {
        let held = self.held.load();
        let held = held.as_ref()?;
        (held.fetched.elapsed() <= self.published.load().stale).then(|| Arc::clone(&held.keys))
    }

    /// When the keys that are held, even if for too long, were last fetched; and whether the last fetch failed.
    pub(super) fn freshness(&self) -> (Option<Duration>, bool) {
        let failing = self.progress.lock().failures_in_a_row > 0;
        (self.held.load().as_ref().map(|held| held.fetched.elapsed()), failing)
    }

    /// How many fetches have begun, if asking the issuer because of an unknown key is allowed now.
    pub(super) fn may_ask(&self) -> Option<u64> {
        let progress = self.progress.lock();
        let may = !self.is_retired() && (progress.under_way || Instant::now() >= progress.cooled);
        may.then_some(progress.begun)
    }

    /// Whether one of the fetches after the first `begun` has brought keys.
    pub(super) fn succeeded_after(&self, begun: u64) -> bool {
        self.progress.lock().succeeded > begun
    }

    /// Fetches the keys because a token needs one that is not in the set of this digest; true if another set is there.
    ///
    /// Between the look and the wish, another may have come: then none is fetched. What made many requests wait would else
    /// be fetched again by those that come late, to no avail, and begin a cooldown.
    pub(super) async fn ask(self: &Arc<Self>, looked_in: Option<[u8; 16]>) -> bool {
        let mut ended = self.ended.subscribe();
        if self.begin_for_token(looked_in) {
            // A request that waited too long is refused; the fetch goes on for others.
            let _ = timeout(WAIT_DEADLINE, ended.changed()).await;
        }
        self.digest_of_keys() != looked_in
    }

    fn digest_of_keys(&self) -> Option<[u8; 16]> {
        self.keys().map(|keys| *keys.digest())
    }

    /// Begins a fetch, if one is due.
    pub(super) fn fetch_if_due(self: &Arc<Self>) {
        let mut progress = self.progress.lock();
        if !self.is_retired() && !progress.under_way && Instant::now() >= progress.due {
            self.begin(&mut progress);
        }
    }

    /// Joins the fetch that is under way, or begins one. False where another set is there already, and during a cooldown.
    fn begin_for_token(self: &Arc<Self>, looked_in: Option<[u8; 16]>) -> bool {
        // A fetch ends under this lock, after its keys are there.
        let mut progress = self.progress.lock();
        if self.digest_of_keys() != looked_in {
            return false;
        }
        if progress.under_way {
            progress.joined = true;
        } else if self.is_retired() || Instant::now() < progress.cooled {
            return false;
        } else {
            self.begin(&mut progress);
        }
        progress.demanded = true;
        true
    }

    fn begin(self: &Arc<Self>, progress: &mut Progress) {
        progress.under_way = true;
        progress.begun += 1;
        progress.demanded = false;
        progress.joined = false;
        tokio::spawn(Fetch { remote: Arc::clone(self), outcome: Outcome::Unreachable }.run());
    }

    fn end(&self, outcome: Outcome) {
        let published = self.published.load();
        let now = Instant::now();
        let mut progress = self.progress.lock();
        let demanded = std::mem::take(&mut progress.demanded);
        progress.under_way = false;
        match outcome {
            Outcome::Changed | Outcome::Unchanged => {
                progress.failures_in_a_row = 0;
                progress.due = now + published.refresh;
            }
            Outcome::Unreachable | Outcome::Status | Outcome::BadSet => {
                let doublings = progress.failures_in_a_row.min(16);
                progress.failures_in_a_row = progress.failures_in_a_row.saturating_add(1);
                progress.due = now + (FIRST_BACKOFF * (1 << doublings)).min(LONGEST_BACKOFF).min(published.refresh);
            }
        }
        if demanded && outcome != Outcome::Changed {
            progress.cooled = now + published.cooldown;
        }
        drop(progress);
        self.ended.send_modify(|count| *count = count.wrapping_add(1));
    }

    async fn fetch_once(&self) -> Outcome {
        let published = self.published.load_full();
        match self.fetch_set(&published).await {
            Ok((keys, left_out)) => self.take(keys, &left_out, &published),
            Err(failed) => {
                self.metrics.fetched(failed.outcome(), None);
                if self.progress.lock().failures_in_a_row == 0 {
                    let kept =
                        if self.held.load().is_some() { "the last good ones stay in use" } else { "there are none" };
                    log::warn!(target: "rampart", "issuer {}: its keys cannot be fetched: {failed}; {kept}", self.issuer);
                }
                failed.outcome()
            }
        }
    }

    async fn fetch_set(&self, published: &Published) -> Result<(KeySet, Vec<LeftOut>), Failed> {
        let said = |error: &FetchError| Failed::Fetch(error.to_string());
        let client = self.client.as_ref().map_err(said)?;
        let response = client.get(&published.url, MAX_SET_BYTES, FETCH_DEADLINE).await.map_err(|error| said(&error))?;
        if response.status.as_u16() != 200 {
            return Err(Failed::Status(response.status.as_u16()));
        }
        Ok(KeySet::parse(&response.body, &published.algorithms)?)
    }

    /// A good set takes the place of the one before.
    fn take(&self, keys: KeySet, left_out: &[LeftOut], published: &Published) -> Outcome {
        let now = Instant::now();
        let before = self.held.load_full();
        let count = keys.len();
        let same = before.filter(|held| held.keys.digest() == keys.digest());
        let outcome = if same.is_some() { Outcome::Unchanged } else { Outcome::Changed };
        let keys = same.map_or_else(|| Arc::new(keys), |held| Arc::clone(&held.keys));
        self.held.store(Some(Arc::new(Held { keys, fetched: now })));
        let mut progress = self.progress.lock();
        progress.succeeded = progress.begun;
        drop(progress);
        self.metrics.fetched(outcome, Some(count));
        if outcome == Outcome::Changed {
            log::info!(target: "rampart", "issuer {}: {count} keys from {}", self.issuer, published.url);
            for key in left_out {
                log::info!(target: "rampart", "issuer {}: left out: {key}", self.issuer);
            }
        }
        outcome
    }
}

/// A fetch under way. However it ends, those who wait are told.
struct Fetch {
    remote: Arc<Remote>,
    outcome: Outcome,
}

impl Fetch {
    async fn run(mut self) {
        self.outcome = self.remote.fetch_once().await;
        if self.is_to_be_repeated() {
            self.outcome = self.remote.fetch_once().await;
        }
    }

    /// Whether it brought nothing new, and somebody came after it had begun. Counted, then, as one that begins now.
    fn is_to_be_repeated(&self) -> bool {
        let mut progress = self.remote.progress.lock();
        let repeat = std::mem::take(&mut progress.joined) && self.outcome == Outcome::Unchanged;
        progress.begun += u64::from(repeat);
        repeat
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.remote.end(self.outcome);
    }
}
