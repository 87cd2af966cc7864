//! Health probes: who is asked how it is, and when; and what the log is told of endpoints ([`changes`]).
//!
//! Every endpoint of an upstream with a `health` table has a task that asks it, again and again, and tells its pool the answer
//! ([`Endpoint::probed`]); what follows from it is the pool's business. The tasks follow the pools: once a second
//! endpoints that came (by a reload, or because a name resolves to them now) get one, those of endpoints that left end. What
//! is asked, and by which TLS settings, is read from the snapshot in force before each question.
//!
//! Questions begin at a random time and do not keep step, so that neither many endpoints nor many gateways ask at once; never
//! more than [`AT_A_TIME`] are open. Nothing here is on the way of requests: it runs on the control runtime.

mod changes;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use rampart_policy::{Runtime, Snapshot};
use rampart_proxy::Prober;
use rampart_upstream::{Endpoint, EndpointId, HealthCheck};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use self::changes::Changes;

/// How often pools are looked at: for endpoints that came and went, and for what changes with time alone.
const TICK: Duration = Duration::from_secs(1);
/// Questions that are open at a time, of all endpoints together.
const AT_A_TIME: usize = 64;

/// Keeps every pool probed and up to date, for as long as the process lives.
pub(crate) async fn keep_watch(snapshot: Arc<ArcSwap<Snapshot>>, runtime: Arc<Runtime>) {
    let (mut probes, mut changes) = (Probes::new(snapshot), Changes::default());
    loop {
        let now = Instant::now();
        let mut wanted = Vec::new();
        let pools = runtime.pools().all();
        for pool in &pools {
            pool.refresh(now);
            if let Some(plan) = pool.probe_plan() {
                let of_plan =
                    |endpoint| Wanted { upstream: Arc::clone(pool.name()), check: Arc::clone(&plan.check), endpoint };
                wanted.extend(plan.endpoints.into_iter().map(of_plan));
            }
        }
        probes.follow(wanted);
        changes.say(pools.iter().map(|pool| &**pool), now);
        sleep(TICK).await;
    }
}

/// An endpoint that is to be asked.
struct Wanted {
    upstream: Arc<str>,
    check: Arc<HealthCheck>,
    endpoint: Arc<Endpoint>,
}

/// What all probes share.
struct Common {
    snapshot: Arc<ArcSwap<Snapshot>>,
    /// Made when the first question is asked: it reads the system's certificate authorities.
    prober: OnceLock<Prober>,
    turns: Semaphore,
    /// Random numbers: the hash of how many have been asked for.
    random: RandomState,
}

/// The tasks that ask; all end when this is dropped.
struct Probes {
    common: Arc<Common>,
    tasks: JoinSet<()>,
    running: HashMap<(Arc<str>, EndpointId), Running>,
}

/// A task that asks; it ends when this is dropped.
struct Running {
    check: Arc<HealthCheck>,
    endpoint: Arc<Endpoint>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Probes {
    fn new(snapshot: Arc<ArcSwap<Snapshot>>) -> Self {
        let (prober, turns, random) = (OnceLock::new(), Semaphore::new(AT_A_TIME), RandomState::new());
        let common = Arc::new(Common { snapshot, prober, turns, random });
        Self { common, tasks: JoinSet::new(), running: HashMap::new() }
    }

    /// Makes the tasks those of `wanted`. Who is asked the same as before goes on being asked.
    fn follow(&mut self, wanted: Vec<Wanted>) {
        while self.tasks.try_join_next().is_some() {}
        let mut before = std::mem::take(&mut self.running);
        for Wanted { upstream, check, endpoint } in wanted {
            let key = (Arc::clone(&upstream), endpoint.id());
            // An upstream that left and returned has other endpoints by the same numbers.
            let same = before.remove(&key).filter(|running| {
                running.check == check && Arc::ptr_eq(&running.endpoint, &endpoint) && !running.task.is_finished()
            });
            let running = same.unwrap_or_else(|| {
                let common = Arc::clone(&self.common);
                let asking = keep_asking(common, upstream, Arc::clone(&check), Arc::clone(&endpoint));
                Running { check, endpoint, task: self.tasks.spawn(asking) }
            });
            self.running.insert(key, running);
        }
    }
}

async fn keep_asking(common: Arc<Common>, upstream: Arc<str>, check: Arc<HealthCheck>, endpoint: Arc<Endpoint>) {
    let seed = (Arc::clone(&upstream), endpoint.id());
    let random = |turn: u64| common.random.hash_one((&seed, turn));
    let mut last = None;
    sleep(check.first_in(random(0))).await;
    for turn in 1.. {
        let Ok(permit) = common.turns.acquire().await else { return };
        let Some(answer) = ask(&common, &upstream, &check, &endpoint).await else { return };
        drop(permit);
        let good = answer.is_ok();
        endpoint.probed(good, Instant::now());
        if last.replace(good) != Some(good) {
            say(&upstream, &endpoint, &answer);
        }
        sleep(check.next_in(random(turn))).await;
    }
}

/// The answer of an endpoint, good or bad; `None` where its upstream has left the configuration.
async fn ask(common: &Common, upstream: &str, check: &HealthCheck, endpoint: &Endpoint) -> Option<Result<(), String>> {
    let snapshot = common.snapshot.load_full();
    let upstream = snapshot.upstreams.iter().find(|known| &*known.name == upstream)?;
    let prober = common.prober.get_or_init(Prober::default);
    Some(match prober.ask(&snapshot.digest, upstream, check, endpoint).await {
        Ok(status) if check.is_good(status) => Ok(()),
        Ok(status) => Err(format!("it answered with {status}")),
        Err(fault) => Err(fault.to_string()),
    })
}

fn say(upstream: &str, endpoint: &Endpoint, answer: &Result<(), String>) {
    let socket = endpoint.socket();
    match answer {
        Ok(()) => log::info!(target: "rampart", "upstream {upstream}: {socket} answers its health check"),
        Err(reason) => log::warn!(target: "rampart", "upstream {upstream}: {socket} fails its health check: {reason}"),
    }
}
