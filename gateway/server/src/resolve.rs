//! DNS for upstreams that are given by name: once before a snapshot takes over, then every `resolve_every`.
//!
//! Pools do not resolve (they have no I/O); they keep the last good addresses when a lookup fails. Lookups go through the
//! system's resolver, on the control runtime, never on a serving thread.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rampart_policy::{Runtime, Snapshot};
use rampart_upstream::{Address, Host, Resolution, Resolved};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// Time for one lookup.
const LOOKUP_DEADLINE: Duration = Duration::from_secs(5);
/// How often it is looked whether a name is due.
const TICK: Duration = Duration::from_secs(1);

/// Looks up the names of `snapshot` that no pool knows yet, all at once. What cannot be resolved is said and left out: the
/// upstream answers 502 until a later lookup succeeds.
pub(crate) async fn missing_names(runtime: &Runtime, snapshot: &Snapshot) -> Resolved {
    let mut lookups = JoinSet::new();
    for address in runtime.pools().names_to_resolve(&snapshot.upstreams) {
        lookups.spawn(async move { (look_up(&address).await, address) });
    }
    let mut resolved = Resolved::default();
    while let Some(Ok((sockets, address))) = lookups.join_next().await {
        match sockets {
            Ok(sockets) => resolved.insert(address.authority(), sockets),
            Err(reason) => log::warn!(target: "rampart", "upstream {}: {reason}", address.authority()),
        }
    }
    resolved
}

/// Refreshes every name when it is due, for as long as the process lives.
pub(crate) async fn keep_fresh(snapshot: Arc<ArcSwap<Snapshot>>, runtime: Arc<Runtime>) {
    let mut due: HashMap<(Arc<str>, String), Instant> = HashMap::new();
    loop {
        sleep(TICK).await;
        let current = snapshot.load_full();
        let now = Instant::now();
        let mut seen = HashMap::with_capacity(due.len());
        for upstream in &current.upstreams {
            for address in upstream.addresses.iter().map(|weighted| &weighted.address) {
                if !matches!(address.host(), Host::Name(_)) {
                    continue;
                }
                let key = (Arc::clone(&upstream.name), address.authority().to_owned());
                let at = due.get(&key).copied().unwrap_or(now + upstream.resolve_every);
                let next = if at > now { at } else { now + upstream.resolve_every };
                if at <= now {
                    tokio::spawn(refresh(Arc::clone(&runtime), Arc::clone(&upstream.name), Arc::clone(address)));
                }
                seen.insert(key, next);
            }
        }
        // Names that left the configuration are forgotten.
        due = seen;
    }
}

async fn refresh(runtime: Arc<Runtime>, upstream: Arc<str>, address: Arc<Address>) {
    let sockets = look_up(&address).await.unwrap_or_else(|reason| {
        log::warn!(target: "rampart", "upstream {upstream}: {reason}; the addresses known before stay");
        Vec::new()
    });
    let Some(pool) = runtime.pool(&upstream) else { return };
    if let Resolution::Changed { endpoints, left_out } = pool.set_addresses(address.authority(), &sockets) {
        log::info!(target: "rampart", "upstream {upstream}: {} changed, {endpoints} endpoints now", address.authority());
        if left_out > 0 {
            log::warn!(target: "rampart", "upstream {upstream}: {left_out} addresses beyond the bound were left out");
        }
    }
}

async fn look_up(address: &Address) -> Result<Vec<SocketAddr>, String> {
    let name = match address.host() {
        Host::Name(name) => name.to_string(),
        Host::Ip(ip) => return Ok(vec![SocketAddr::new(*ip, address.port())]),
    };
    match timeout(LOOKUP_DEADLINE, tokio::net::lookup_host((name.as_str(), address.port()))).await {
        Ok(Ok(sockets)) => Ok(sockets.collect()),
        Ok(Err(error)) => Err(format!("cannot resolve {name}: {error}")),
        Err(_) => Err(format!("cannot resolve {name}: no answer within {} s", LOOKUP_DEADLINE.as_secs())),
    }
}
