//! The gateway as a process: from a snapshot to listening sockets, and to the end.
//!
//! | thread | what it does |
//! |---|---|
//! | main | Pingora's server: waits for the signals that end it |
//! | `listener NAME` (several) | requests |
//! | control | admin and probe endpoints, HUP and USR1, name resolution, health probes of upstreams (`control`) |
//! | reload, watch, retire, drain | what their names say |
//!
//! What can be wrong is found out before the first socket is opened: configuration, addresses in use, files that cannot be
//! written. An error says what to do, and the exit code is 2.

mod addresses;
mod control;
mod patterns;
mod pid_file;
mod store;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use pingora::server::configuration::{Opt, ServerConf};
use pingora::server::{RunArgs, Server};
use prometheus_client::registry::Registry;
use rampart_identity::Issuers;
use rampart_limits::Limits;
use rampart_policy::{Config, Runtime, Snapshot};
use rampart_proxy::{BodyBudget, Certificates, Connections, Front, Gateway, Parts};
use rampart_record::{Clock, Records, SystemClock};
use rampart_upstream::Pools;

use self::patterns::PatternsCollector;
use crate::cli::{BUILD, Outcome, report};
use crate::load::Sources;
use crate::process::descriptors;
use crate::process::drain::{self, LastThings};
use crate::process::lifecycle::Lifecycle;
use crate::process::signals::EndSignals;
use crate::process::usage::UsageCollector;
use crate::reload::status::{self, Status};
use crate::resolve;
use crate::shared::Shared;

pub(crate) use addresses::Addresses;

/// How long the writers of logs and store may take at the end.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Idle upstream connections kept, of all upstreams together.
const IDLE_UPSTREAM_CONNECTIONS: usize = 1_024;
/// Time for Pingora's runtimes to end when the grace period is over; tasks that still run are dropped.
const RUNTIME_END_S: u64 = 1;

/// What to serve.
pub(crate) struct Order {
    /// The configuration.
    pub(crate) sources: Sources,
    /// Whether a running process hands its sockets over.
    pub(crate) takes_over: bool,
    /// Called once requests are accepted.
    pub(crate) announce: Box<dyn FnOnce(&Addresses) + Send>,
}

/// Runs the gateway until a signal ends it.
///
/// # Errors
/// When it cannot start.
pub(crate) fn serve(order: Order) -> anyhow::Result<Outcome> {
    let (findings, snapshot) = order.sources.load();
    let Some(mut snapshot) = snapshot else {
        report::refuse(findings, "cannot start");
        return Ok(Outcome::Unusable);
    };
    report::log_warnings(findings);
    descriptors::raise();
    let started_with = snapshot.config.clone();
    let addresses = addresses::settle(&mut snapshot.config, order.takes_over)?;
    let gateway = Assembly::new(snapshot, started_with)?;
    let server = gateway.server(order.takes_over)?;
    gateway.run(server, order, addresses)
}

/// The parts of the gateway before anything runs.
struct Assembly {
    shared: Arc<Shared>,
    started_with: Config,
    certificates: Vec<(Arc<str>, Arc<Certificates>)>,
    budget: Arc<BodyBudget>,
    proxy_metrics: Arc<rampart_proxy::Metrics>,
}

impl Assembly {
    fn new(snapshot: Snapshot, started_with: Config) -> anyhow::Result<Self> {
        let now = SystemClock.now();
        let record_metrics = rampart_record::Metrics::default();
        let upstream_metrics = rampart_upstream::Metrics::default();
        let limits_metrics = rampart_limits::Metrics::default();
        let store_metrics = rampart_store::Metrics::default();
        let proxy_metrics = Arc::new(rampart_proxy::Metrics::default());
        let status = Status::started(&snapshot.digest, now);

        let mut registry = Registry::default();
        let ours = registry.sub_registry_with_prefix("rampart");
        status::register_build(ours, BUILD.version, BUILD.commit);
        status.register(ours);
        proxy_metrics.register(ours);
        record_metrics.register(ours);
        ours.register_collector(Box::new(PatternsCollector));
        upstream_metrics.register(&mut registry);
        limits_metrics.register(&mut registry);
        let limits = Limits::new(&snapshot.config.limits, limits_metrics);
        let runtime = Runtime::new(Pools::new(upstream_metrics), limits, Issuers::new());
        runtime.issuers().metrics().register(&mut registry);
        runtime.access_metrics().register(&mut registry);
        store_metrics.register(&mut registry);
        registry.register_collector(Box::new(UsageCollector { started: now }));

        let certificates = certificates(&snapshot.config)?;
        let budget = BodyBudget::new(snapshot.config.process.buffer_budget_bytes, &proxy_metrics);
        let records = records(&snapshot.config, &record_metrics)?;
        let shared = Shared {
            store: snapshot.config.records.store.as_ref().map(|store| store.path.clone()),
            runtime: Arc::new(runtime),
            redis: OnceLock::new(),
            redis_runtime: OnceLock::new(),
            store_metrics,
            records: Arc::new(records),
            snapshot: Arc::new(ArcSwap::from_pointee(snapshot)),
            status,
            registry,
            lifecycle: Lifecycle::new(),
        };
        Ok(Self { shared: Arc::new(shared), started_with, certificates, budget, proxy_metrics })
    }

    /// Pingora's server, before it has any socket.
    fn server(&self, takes_over: bool) -> anyhow::Result<Server> {
        let process = &self.started_with.process;
        if takes_over && process.upgrade_socket.is_none() {
            anyhow::bail!("--upgrade needs [process] upgrade_socket in the configuration, the same in both processes");
        }
        let conf = server_conf(&self.started_with);
        Ok(Server::new_with_opt_and_conf(Opt { upgrade: takes_over, ..Opt::default() }, conf))
    }

    fn run(self, mut server: Server, order: Order, addresses: Addresses) -> anyhow::Result<Outcome> {
        let shared = Arc::clone(&self.shared);
        let connections = self.add_listeners(&mut server, &addresses)?;
        let (records, pid_file) = (Arc::clone(&shared.records), self.started_with.process.pid_file.clone());
        let last_things = LastThings::new({
            let (pid_file, shared) = (pid_file.clone(), Arc::clone(&shared));
            move || {
                store::end(&shared);
                if !records.close(LAST_WORDS) {
                    log::error!(target: "rampart", "some records could not be written before the end");
                }
                pid_file::remove(pid_file.as_deref());
            }
        });
        let open = Arc::clone(&connections);
        let in_flight = move || open.open() as u64;
        drain::follow(server.watch_execution_phase(), shared.lifecycle.clone(), in_flight, last_things.clone())
            .context("cannot start the drain thread")?;
        let signals = EndSignals {
            upgrade_socket: self.started_with.process.upgrade_socket.clone(),
            lifecycle: shared.lifecycle.clone(),
        };
        let takes_over = order.takes_over;
        let plan = control::Plan { assembly: self, order, addresses, last_things: last_things.clone() };
        let control = control::start(plan)?;
        // From here on nothing may fail when sockets are taken over: the process that had them is on its way out.
        if takes_over {
            log::info!(target: "rampart", "waiting for the running process to hand its listening sockets over");
        }
        server.bootstrap();
        match pid_file::write(pid_file.as_deref()) {
            Err(error) if takes_over => log::error!(target: "rampart", "{error:#}"),
            written => written?,
        }
        control.go();
        server.run(RunArgs { shutdown_signal: Box::new(signals) });
        if connections.open() > 0 {
            log::warn!(target: "rampart", "stopped with {} connections open", connections.open());
        }
        last_things.run();
        Ok(Outcome::Good)
    }

    fn add_listeners(&self, server: &mut Server, addresses: &Addresses) -> anyhow::Result<Arc<Connections>> {
        let gateway = Gateway::new(Parts {
            snapshot: Arc::clone(&self.shared.snapshot),
            runtime: Arc::clone(&self.shared.runtime),
            records: Arc::clone(&self.shared.records),
            metrics: Arc::clone(&self.proxy_metrics),
            budget: Arc::clone(&self.budget),
        });
        let front = Front::new(gateway, &server.configuration, self.started_with.process.max_connections);
        for listener in &addresses.listeners {
            let certificates = self.certificates.iter().find(|(name, _)| *name == listener.name).map(|(_, c)| c);
            let service = front
                .service(listener, certificates)
                .with_context(|| format!("[listener.{}] cannot be set up", listener.name))?;
            server.add_service(service);
        }
        Ok(Arc::clone(front.connections()))
    }
}

fn server_conf(config: &Config) -> ServerConf {
    let process = &config.process;
    let upgrade_sock = process.upgrade_socket.as_ref().map(|path| path.display().to_string());
    ServerConf {
        threads: process.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
        grace_period_seconds: Some(process.grace.as_secs()),
        graceful_shutdown_timeout_seconds: Some(RUNTIME_END_S),
        max_retries: Gateway::MAX_TRIES,
        upstream_keepalive_pool_size: IDLE_UPSTREAM_CONNECTIONS,
        // Never reached without a socket: QUIT and --upgrade are refused then.
        upgrade_sock: upgrade_sock.unwrap_or_default(),
        ..ServerConf::default()
    }
}

fn certificates(config: &Config) -> anyhow::Result<Vec<(Arc<str>, Arc<Certificates>)>> {
    let listeners = config.listeners.iter().filter_map(|listener| Some((listener, listener.tls.as_ref()?)));
    listeners
        .map(|(listener, tls)| {
            let loaded = Certificates::load(tls.certificates.clone());
            let loaded = loaded.with_context(|| format!("[listener.{}.tls]", listener.name))?;
            Ok((Arc::clone(&listener.name), loaded))
        })
        .collect()
}

fn records(config: &Config, metrics: &rampart_record::Metrics) -> anyhow::Result<Records> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let report: rampart_record::FaultReport = Arc::new(|fault| {
        let level = if fault.recovered { log::Level::Info } else { log::Level::Error };
        log::log!(target: "rampart", level, "record: {fault}");
    });
    Records::open(&config.records, &clock, metrics, &report).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}", errors.join("\n  and "))
    })
}

/// Resolves the upstreams' names and gives every upstream its pool, before the first request.
async fn prepare_upstreams(shared: &Shared) {
    let snapshot = shared.snapshot.load_full();
    let resolved = resolve::missing_names(&shared.runtime, &snapshot).await;
    shared.runtime.reconcile(&snapshot, &resolved);
}
