//! The control thread: everything beside traffic that needs a runtime. It has one of its own, so that a gateway whose
//! serving threads are busy still answers `/ready`, reloads and stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::sync::watch::{self, Receiver};
use tokio::time::{sleep, timeout};

use super::{Addresses, Assembly, Order, addresses, prepare_upstreams, store};
use crate::admin::{self, Endpoints, Face, listener};
use crate::cli::BUILD;
use crate::health;
use crate::process::drain::LastThings;
use crate::process::lifecycle::Stage;
use crate::process::notify;
use crate::reload::apply::{self, Reloading};
use crate::reload::retire::Retired;
use crate::reload::watch::Watch;
use crate::reload::worker::{self, Cause};
use crate::resolve;
use crate::shared::Shared;

/// Time for Pingora to open the listeners.
const LISTEN_DEADLINE: Duration = Duration::from_secs(10);
/// Threads for what blocks: queries of the store, name resolution.
const BLOCKING_THREADS_MAX: usize = 8;
/// Pause before an admin listener that could not be taken over is tried again.
const RETRY_EVERY: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What the thread works with.
pub(super) struct Plan {
    pub(super) assembly: Assembly,
    pub(super) order: Order,
    pub(super) addresses: Addresses,
    pub(super) last_things: LastThings,
}

/// The running thread, which waits for the listening sockets.
pub(super) struct Control {
    go: oneshot::Sender<()>,
}

impl Control {
    /// The process has its listening sockets, or is about to bind them: come up.
    pub(super) fn go(self) {
        let _ = self.go.send(());
    }
}

/// Starts the thread; returns when the upstreams are ready, files are watched and, unless another process still listens
/// there, the admin listener is bound.
///
/// # Errors
/// When anything of that fails.
pub(super) fn start(plan: Plan) -> anyhow::Result<Control> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).max_blocking_threads(BLOCKING_THREADS_MAX).thread_name("control").enable_all();
    let runtime = builder.build().context("cannot start the control runtime")?;
    let (go, gone) = oneshot::channel();
    let shared = Arc::clone(&plan.assembly.shared);
    runtime.block_on(prepare(plan, runtime.handle().clone(), gone))?;
    store::start(&shared)?;
    let forever = move || runtime.block_on(std::future::pending::<()>());
    thread::Builder::new().name("control".into()).spawn(forever).context("cannot start the control thread")?;
    Ok(Control { go })
}

async fn prepare(plan: Plan, runtime: Handle, go: oneshot::Receiver<()>) -> anyhow::Result<()> {
    let Plan { assembly, order, addresses, last_things } = plan;
    let shared = Arc::clone(&assembly.shared);
    prepare_upstreams(&shared).await;
    let (reload, watch) = start_reloading(assembly, &order, runtime)?;
    let endpoints = Endpoints { shared: Arc::clone(&shared), reload: reload.clone() };
    if !order.takes_over {
        for (address, face) in &addresses.faces {
            open_face(&endpoints, *address, *face, false)?;
        }
    }
    tokio::spawn(resolve::keep_fresh(Arc::clone(&shared.snapshot), Arc::clone(&shared.runtime)));
    tokio::spawn(health::keep_watch(Arc::clone(&shared.snapshot), Arc::clone(&shared.runtime)));
    let keys = Arc::clone(&shared);
    tokio::spawn(async move { keys.runtime.issuers().run().await });
    tokio::spawn(follow_signals(Arc::clone(&shared), reload));
    tokio::spawn(cut_drain_short(Arc::clone(&shared), last_things));
    tokio::spawn(async move {
        // Without it the process ends before it has begun.
        let _ = go.await;
        if order.takes_over {
            tokio::spawn(take_over_faces(endpoints, addresses.faces.clone()));
        }
        come_up(&shared, &addresses).await;
        (order.announce)(&addresses);
        // Once a successor has the sockets, the files are its business.
        shared.lifecycle.reached(Stage::HandedOver).await;
        drop(watch);
    });
    Ok(())
}

fn start_reloading(assembly: Assembly, order: &Order, runtime: Handle) -> anyhow::Result<(worker::Handle, Arc<Watch>)> {
    let targets = apply::targets(&order.sources, &assembly.shared.snapshot.load());
    let (reload, queue) = worker::queue();
    let asking = reload.clone();
    let watch = Watch::start(targets, move || asking.ask(Cause::Files)).context("cannot watch the files")?;
    let watch = Arc::new(watch);
    let mut reloading = Reloading {
        sources: order.sources.clone(),
        shared: assembly.shared,
        started_with: assembly.started_with,
        certificates: assembly.certificates.into_iter().map(|(_, certificates)| certificates).collect(),
        certificates_due: false,
        budget: assembly.budget,
        runtime,
        retired: Retired::start().context("cannot start the thread that frees snapshots")?,
        watch: Arc::downgrade(&watch),
    };
    queue.work(move |causes| reloading.reload(causes)).context("cannot start the reload worker")?;
    Ok((reload, watch))
}

fn open_face(endpoints: &Endpoints, address: SocketAddr, face: Face, takes_over: bool) -> anyhow::Result<()> {
    let socket = listener::bind(address, takes_over).with_context(|| format!("cannot listen on {address}"))?;
    let router = admin::router(face, endpoints);
    tokio::spawn(listener::serve(socket, router, stop_when_handed_over(&endpoints.shared)));
    Ok(())
}

/// Opens the admin listeners beside those of the process that hands over. Traffic is served meanwhile, so a failure is
/// said and tried again rather than ending the process.
async fn take_over_faces(endpoints: Endpoints, faces: Vec<(SocketAddr, Face)>) {
    for (address, face) in faces {
        while let Err(error) = open_face(&endpoints, address, face, true) {
            log::error!(target: "rampart", "{error:#}; trying again");
            sleep(RETRY_EVERY).await;
        }
    }
}

/// Turns true when a successor answers in our place: some seconds after the hand-over, when we begin to drain. Without a
/// successor we go on answering that we drain.
fn stop_when_handed_over(shared: &Arc<Shared>) -> Receiver<bool> {
    let (stop, stopped) = watch::channel(false);
    let lifecycle = shared.lifecycle.clone();
    tokio::spawn(async move {
        lifecycle.reached(Stage::HandedOver).await;
        if lifecycle.stage() == Stage::HandedOver {
            lifecycle.reached(Stage::Draining).await;
            let _ = stop.send(true);
        } else {
            std::future::pending::<()>().await;
        }
    });
    stopped
}

/// HUP reloads, USR1 opens the log files anew.
async fn follow_signals(shared: Arc<Shared>, reload: worker::Handle) {
    let (Ok(mut hangup), Ok(mut user1)) = (signal(SignalKind::hangup()), signal(SignalKind::user_defined1())) else {
        log::error!(target: "rampart", "cannot receive HUP and USR1: reload through the admin API");
        return;
    };
    loop {
        tokio::select! {
            _ = hangup.recv() => reload.ask(Cause::Signal),
            _ = user1.recv() => {
                shared.records.reopen();
                log::info!(target: "rampart", "log files opened anew");
            }
        }
    }
}

/// INT and TERM while draining end the process at once: somebody does not want to wait.
async fn cut_drain_short(shared: Arc<Shared>, last_things: LastThings) {
    shared.lifecycle.reached(Stage::Draining).await;
    // Only signals from now on count: the one that began the drain has been received.
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    log::warn!(target: "rampart", "stopping at once, with requests in flight");
    last_things.run();
    std::process::exit(0);
}

/// Waits until every listener accepts, and says so once.
async fn come_up(shared: &Shared, addresses: &Addresses) {
    for listener in &addresses.listeners {
        let mut reachable = listener.address;
        if reachable.ip().is_unspecified() {
            reachable.set_ip(if reachable.is_ipv4() { [127, 0, 0, 1].into() } else { [0, 0, 0, 0, 0, 0, 0, 1].into() });
        }
        let accepts = async {
            while TcpStream::connect(reachable).await.is_err() {
                sleep(LOOK_EVERY).await;
            }
        };
        if timeout(LISTEN_DEADLINE, accepts).await.is_err() {
            log::error!(target: "rampart", "[listener.{}] does not listen on {}: stopping", listener.name, reachable);
            std::process::exit(2);
        }
    }
    shared.lifecycle.reach(Stage::Serving);
    let line = start_line(shared, addresses);
    log::info!(target: "rampart", "{line}");
    notify::ready(&line);
}

fn start_line(shared: &Shared, addresses: &Addresses) -> String {
    let snapshot = shared.snapshot.load();
    let loaded = &snapshot.loaded;
    let or_off = |address: Option<SocketAddr>| address.map_or_else(|| "off".to_owned(), |a| a.to_string());
    format!(
        "rampart {} serves on {}; admin {}, probes {}; {} routes, {} rules ({} cases hold), {} profiles, {} upstreams; \
         snapshot {}",
        BUILD.version,
        addresses::shown(&addresses.listeners),
        or_off(addresses.admin()),
        or_off(addresses.probe()),
        loaded.routes,
        loaded.rules,
        loaded.cases,
        loaded.profiles,
        loaded.upstreams,
        snapshot.digest,
    )
}
