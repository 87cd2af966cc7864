//! The connection to Redis, on a runtime of its own: what waits for it must not wait for anything else.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use rampart_proxy::steady;
use rampart_store::Redis;

use crate::shared::Shared;

/// The stack of the threads that read Redis's replies. The protocol's decoder (redis-protocol 6) calls itself for each level
/// of nesting and has no bound: 2 MiB end after some 7,000 levels, which a server that means ill sends in 30 kB. Ours nest
/// two deep; this is taken from the system only as far as it is used.
const STACK_BYTES: usize = 256 << 20;

/// How long the last words to Redis may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Asks Redis to connect, where the configuration has one, and hands it to whoever shares over it. Does not wait for the
/// connection: without Redis the gateway serves all the same.
pub(super) fn start(shared: &Arc<Shared>) -> anyhow::Result<()> {
    let Some(config) = shared.snapshot.load().config.redis.clone() else { return Ok(()) };
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).thread_name("store").thread_stack_size(STACK_BYTES).enable_all();
    let runtime = builder.build().context("cannot start the store's runtime")?;
    runtime.block_on(async {
        let redis = Redis::start(config, &shared.store_metrics).await;
        shared.runtime.limits().attach(Some(redis.clone()));
        let _ = shared.redis.set(redis);
        let shared = Arc::clone(shared);
        tokio::spawn(async move { shared.runtime.limits().run(steady).await });
    });
    let _ = shared.redis_runtime.set(runtime.handle().clone());
    let forever = move || runtime.block_on(std::future::pending::<()>());
    thread::Builder::new().name("store".into()).spawn(forever).context("cannot start the store's thread")?;
    Ok(())
}

/// Tells the other gateways what they should know before this one goes: corrections of counts, leases that end. Waits for
/// it, whether or not the caller runs on a runtime.
pub(super) fn end(shared: &Arc<Shared>) {
    let (Some(redis), Some(runtime)) = (shared.redis.get().cloned(), shared.redis_runtime.get()) else { return };
    let (done, ended) = mpsc::channel();
    let shared = Arc::clone(shared);
    runtime.spawn(async move {
        shared.runtime.limits().flush().await;
        redis.stop().await;
        let _ = done.send(());
    });
    if ended.recv_timeout(FAREWELL).is_err() {
        log::warn!(target: "rampart", "Redis was not told of the end: leases of requests end by themselves");
    }
}
