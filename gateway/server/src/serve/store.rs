//! The connection to Redis, on a runtime of its own: what waits for it must not wait for anything else.

use std::sync::Arc;
use std::thread;

use anyhow::Context;
use rampart_proxy::steady;
use rampart_store::Redis;

use crate::shared::Shared;

/// Asks Redis to connect, where the configuration has one, and hands it to whoever shares over it. Does not wait for the
/// connection: without Redis the gateway serves all the same.
pub(super) fn start(shared: &Arc<Shared>) -> anyhow::Result<()> {
    let Some(config) = shared.snapshot.load().config.redis.clone() else { return Ok(()) };
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).thread_name("store").enable_all().build();
    let runtime = runtime.context("cannot start the store's runtime")?;
    runtime.block_on(async {
        let redis = Redis::start(config, &shared.store_metrics).await;
        shared.runtime.limits().attach(Some(redis.clone()));
        let _ = shared.redis.set(redis);
        let shared = Arc::clone(shared);
        tokio::spawn(async move { shared.runtime.limits().run(steady).await });
    });
    let forever = move || runtime.block_on(std::future::pending::<()>());
    thread::Builder::new().name("store".into()).spawn(forever).context("cannot start the store's thread")?;
    Ok(())
}
