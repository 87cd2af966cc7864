//! What of an upstream's breakers and ejections the log tells: a line when one begins, a line when it is over.
//!
//! The states are compared once a second, so that requests pay nothing for the log and a flapping endpoint is worth two lines a
//! second at most. What begins and ends between two looks is not told; the metrics count all of it. A breaker that is tried
//! out (half-open) is not closed: it is told of when it opens and when it closes, not at each try.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::Level;
use rampart_upstream::{BreakerState, EndpointId, EndpointState, Force, Pool};

/// How the endpoints stood when they were last looked at.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Only those with which something is the matter. An upstream that left and returned has other endpoints by the same
    /// numbers, so the socket is part of the key.
    bad: HashMap<Key, Matters>,
}

type Key = (Arc<str>, EndpointId, SocketAddr);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Matters {
    broken: bool,
    ejected: bool,
}

/// One line for the log.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    upstream: Arc<str>,
    socket: SocketAddr,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// The breaker let requests pass before. `None`: an operator ordered it open.
    Opened(Option<Duration>),
    Closed {
        /// An operator ordered it.
        ordered: bool,
    },
    Ejected(Duration),
    Returned,
}

impl Changes {
    /// Says in the log what has changed since the last call.
    pub(super) fn say<'p>(&mut self, pools: impl IntoIterator<Item = &'p Pool>, now: Instant) {
        for change in self.follow(pools, now) {
            log::log!(target: "rampart", change.what.level(), "{change}");
        }
    }

    /// What has changed since the last call. Endpoints that left are forgotten.
    fn follow<'p>(&mut self, pools: impl IntoIterator<Item = &'p Pool>, now: Instant) -> Vec<Change> {
        let before = std::mem::take(&mut self.bad);
        let mut changes = Vec::new();
        for pool in pools {
            for state in pool.states(now) {
                let key = (Arc::clone(pool.name()), state.id, state.socket);
                let matters = Matters::of(&state);
                let differences = before.get(&key).copied().unwrap_or_default().differences(&state);
                let change = |what| Change { upstream: Arc::clone(pool.name()), socket: state.socket, what };
                changes.extend(differences.into_iter().flatten().map(change));
                if matters != Matters::default() {
                    self.bad.insert(key, matters);
                }
            }
        }
        changes
    }
}

impl Matters {
    fn of(state: &EndpointState) -> Self {
        Self { broken: state.breaker != BreakerState::Closed, ejected: state.ejected_for.is_some() }
    }

    /// What is to be said when this has become `state`.
    fn differences(self, state: &EndpointState) -> [Option<What>; 2] {
        let now = Self::of(state);
        let breaker = match (self.broken, now.broken) {
            (false, true) => Some(What::Opened(state.open_for.filter(|_| state.force == Force::Auto))),
            (true, false) => Some(What::Closed { ordered: state.force == Force::Closed }),
            _ => None,
        };
        let ejection = match (self.ejected, state.ejected_for) {
            (false, Some(time)) => Some(What::Ejected(time)),
            (true, None) => Some(What::Returned),
            _ => None,
        };
        [breaker, ejection]
    }
}

impl What {
    const fn level(self) -> Level {
        match self {
            Self::Opened(_) | Self::Ejected(_) => Level::Warn,
            Self::Closed { .. } | Self::Returned => Level::Info,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { upstream, socket, what } = self;
        write!(f, "upstream {upstream}: {socket} ")?;
        match what {
            What::Opened(None) => f.write_str("gets no requests: its breaker is open"),
            What::Opened(Some(time)) => {
                write!(f, "gets no requests: its breaker is open and is tried in {} s", whole(*time))
            }
            What::Closed { ordered: false } => f.write_str("gets requests again: its breaker is closed"),
            What::Closed { ordered: true } => f.write_str("gets requests: its breaker is ordered closed"),
            What::Ejected(time) => write!(f, "is ejected for {} s because of its answers", whole(*time)),
            What::Returned => f.write_str("is back: its ejection is over"),
        }
    }
}

/// In seconds, begun ones included.
fn whole(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use rampart_policy::Runtime;
    use rampart_upstream::Resolved;

    use super::*;
    use crate::load::Sources;

    const CONFIG: &str = "version = 1\n[listener.main]\naddress = \"127.0.0.1:8080\"\n[upstream.agents]\n\
                          addresses = [\"http://192.0.2.1:80\", \"http://192.0.2.2:80\"]\n";
    const BREAKER_ALONE: &str = "breaker = { consecutive = 2, open_for = \"3s\" }\nejection = { enabled = false }\n";
    const EJECTION_ALONE: &str =
        "breaker = { enabled = false }\nejection = { consecutive_gateway = 2, for = \"30s\" }\n";
    const RULES: &str = "version = 1\n[profile.default]\n[[route]]\nname = \"all\"\nmatch = { path = \"/**\" }\n\
                         upstream = \"agents\"\n";

    fn pool(keys: &str) -> Arc<Pool> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("rules")).unwrap();
        std::fs::write(directory.path().join("rules/all.toml"), RULES).unwrap();
        std::fs::write(directory.path().join("config.toml"), format!("{CONFIG}{keys}")).unwrap();
        let (report, snapshot) = Sources::of_files(&directory.path().join("config.toml")).load();
        let snapshot = snapshot.unwrap_or_else(|| panic!("{:#?}", report.into_sorted()));
        let runtime = Runtime::default();
        runtime.reconcile(&snapshot, &Resolved::default());
        runtime.pool("agents").unwrap()
    }

    /// The next request goes to the endpoint `number` and is answered with `status`.
    fn answer(pool: &Pool, number: usize, status: u16, now: Instant) {
        let others: Vec<EndpointId> = pool.endpoints().iter().map(|endpoint| endpoint.id()).collect();
        let others = others.iter().enumerate().filter(|(at, _)| *at != number).map(|(_, id)| *id).collect::<Vec<_>>();
        let lease = pool.pick(|| 0, &others, rampart_upstream::RequestBody::InHand, now).unwrap();
        assert_eq!(lease.endpoint().id(), pool.endpoints()[number].id());
        lease.responded(status, Duration::from_millis(1), now);
    }

    fn said(changes: &mut Changes, pool: &Pool, now: Instant) -> Vec<String> {
        changes.follow([pool], now).iter().map(|change| format!("{} {change}", change.what.level())).collect()
    }

    #[test]
    fn a_breaker_is_told_of_when_it_opens_and_when_it_closes() {
        let (pool, start, mut changes) = (pool(BREAKER_ALONE), Instant::now(), Changes::default());
        let at = |millis| start + Duration::from_millis(millis);
        answer(&pool, 0, 503, at(0));
        assert_eq!(said(&mut changes, &pool, at(0)), [""; 0]);
        answer(&pool, 0, 503, at(100));
        let opened = ["WARN upstream agents: 192.0.2.1:80 gets no requests: its breaker is open and is tried in 3 s"];
        assert_eq!(said(&mut changes, &pool, at(600)), opened, "2.5 s are left");
        assert_eq!(said(&mut changes, &pool, at(1_600)), [""; 0], "said once");
        // It is tried, in vain, and open for longer.
        answer(&pool, 0, 503, at(3_200));
        assert_eq!(said(&mut changes, &pool, at(3_200)), [""; 0]);
        answer(&pool, 0, 200, at(60_000));
        let closed = ["INFO upstream agents: 192.0.2.1:80 gets requests again: its breaker is closed"];
        assert_eq!(said(&mut changes, &pool, at(60_000)), closed);
    }

    #[test]
    fn an_order_is_told_of_at_every_endpoint_that_it_changes() {
        let (pool, now, mut changes) = (pool(BREAKER_ALONE), Instant::now(), Changes::default());
        pool.force_breaker(Force::Open, None);
        let all = |text: &str| ["192.0.2.1", "192.0.2.2"].map(|ip| text.replace("IP", &format!("{ip}:80")));
        let expect = all("WARN upstream agents: IP gets no requests: its breaker is open");
        assert_eq!(said(&mut changes, &pool, now), expect);
        pool.force_breaker(Force::Closed, None);
        let expect = all("INFO upstream agents: IP gets requests: its breaker is ordered closed");
        assert_eq!(said(&mut changes, &pool, now), expect);
        pool.force_breaker(Force::Auto, None);
        assert_eq!(said(&mut changes, &pool, now), [""; 0]);
    }

    #[test]
    fn an_ejection_is_told_of_when_it_begins_and_when_its_time_is_over() {
        let (pool, start, mut changes) = (pool(EJECTION_ALONE), Instant::now(), Changes::default());
        let at = |millis| start + Duration::from_millis(millis);
        for _ in 0..2 {
            answer(&pool, 1, 502, at(0));
        }
        let ejected = ["WARN upstream agents: 192.0.2.2:80 is ejected for 30 s because of its answers"];
        assert_eq!(said(&mut changes, &pool, at(0)), ejected);
        assert_eq!(said(&mut changes, &pool, at(29_999)), [""; 0]);
        let returned = ["INFO upstream agents: 192.0.2.2:80 is back: its ejection is over"];
        assert_eq!(said(&mut changes, &pool, at(30_001)), returned);
        assert_eq!(said(&mut changes, &pool, at(31_000)), [""; 0]);
        assert!(changes.bad.is_empty(), "who is well takes no memory");
    }
}
