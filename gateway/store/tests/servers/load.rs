//! Many calls at the same time, each of which has to get its own answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rampart_store::{Arg, Key, Redis, Script, Unavailable, Value};
use tokio::task::JoinHandle;

use crate::{DEADLINE, SLACK};

/// Counts at its key, and gives its argument back: an answer to another call shows.
const SCRIPT: &str = "\
local count = redis.call('INCR', KEYS[1])
redis.call('PEXPIRE', KEYS[1], 600000)
return {ARGV[1], count}
";

/// Workers that call without a pause of more than a millisecond.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    workers: Vec<JoinHandle<Vec<Call>>>,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) at: Instant,
    pub(crate) took: Duration,
    pub(crate) key: Key,
    pub(crate) failure: Option<Unavailable>,
}

impl Load {
    /// The calls are spread over `keys` keys, and so slots.
    pub(crate) fn start(redis: &Redis, workers: u64, keys: u64) -> Self {
        let prefix = redis.clone();
        Self::start_with(redis, workers, move |number| prefix.key("load", &(number % keys).to_be_bytes(), b""))
    }

    /// `key` makes the key of a call from its number.
    pub(crate) fn start_with<K>(redis: &Redis, workers: u64, key: K) -> Self
    where
        K: Fn(u64) -> Key + Send + Sync + 'static,
    {
        let key = Arc::new(key);
        let stop = Arc::new(AtomicBool::new(false));
        let number = Arc::new(AtomicU64::new(0));
        let script = Arc::new(Script::new("load", 1, SCRIPT));
        let worker = || {
            let (redis, stop, number) = (redis.clone(), Arc::clone(&stop), Arc::clone(&number));
            let (script, key) = (Arc::clone(&script), Arc::clone(&key));
            tokio::spawn(async move {
                let mut calls = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let own = number.fetch_add(1, Ordering::Relaxed);
                    calls.push(call(&redis, &script, key(own), own).await);
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                calls
            })
        };
        Self { workers: (0..workers).map(|_| worker()).collect(), stop }
    }

    /// All calls, in the order of their beginning.
    pub(crate) async fn stop(self) -> Vec<Call> {
        self.stop.store(true, Ordering::Relaxed);
        let mut calls = Vec::new();
        for worker in self.workers {
            calls.extend(worker.await.unwrap());
        }
        calls.sort_by_key(|call| call.at);
        calls
    }
}

async fn call(redis: &Redis, script: &Script, key: Key, own: u64) -> Call {
    let at = Instant::now();
    let answer = redis.eval(script, std::slice::from_ref(&key), &[Arg::from(own.to_string())]).await;
    let took = at.elapsed();
    let failure = match answer {
        Ok(Value::List(items)) => {
            assert_eq!(items[0].int(), i64::try_from(own).ok(), "the answer belongs to another call");
            None
        }
        Ok(other) => panic!("{other:?}"),
        Err(failure) => Some(failure),
    };
    Call { at, took, key, failure }
}

/// No call took longer than a deadline; and says how many missed theirs.
pub(crate) fn check_times(calls: &[Call]) -> usize {
    let slowest = calls.iter().max_by_key(|call| call.took).expect("there were calls");
    assert!(slowest.took <= DEADLINE + SLACK, "{slowest:?} of {} calls", calls.len());
    calls.iter().filter(|call| call.failure == Some(Unavailable::Deadline)).count()
}

/// What was not asked took no time; looked at as a whole, for single calls wait for the machine.
pub(crate) fn check_skipped(calls: &[Call]) -> usize {
    let mut skipped: Vec<Duration> =
        calls.iter().filter(|call| call.failure == Some(Unavailable::Down)).map(|call| call.took).collect();
    skipped.sort_unstable();
    if let Some(usual) = skipped.get(skipped.len() / 2) {
        assert!(*usual < Duration::from_millis(1), "{usual:?} for a call that is not made");
    }
    skipped.len()
}

/// The calls of the last `span` all succeeded.
pub(crate) fn check_healed(calls: &[Call], span: Duration) {
    let end = calls.last().expect("there were calls").at;
    let late: Vec<&Call> = calls.iter().filter(|call| end - call.at < span).collect();
    let failed = late.iter().filter(|call| call.failure.is_some()).count();
    assert!(failed * 100 <= late.len(), "{failed} of the last {} calls failed: {:?}", late.len(), late.last());
}
