//! What stands between the accepted socket and the proxy phases: connection cap, TLS, deadlines of heads and idling,
//! HTTP/2 limits.
//!
//! Pingora's `Service` only binds and accepts (it also hands sockets over to a new process); each accepted socket comes here
//! raw, so that a connection counts, and its TLS handshake is timed, from its first moment. Plain listeners speak HTTP/1
//! only: Pingora's h2c detection waits for 24 bytes without a deadline. Where a load balancer announces its clients (PROXY
//! protocol), that is read before TLS and HTTP; Pingora's own hook for it runs on TLS listeners alone.

mod app;
mod connections;
mod io;
mod proxied;
mod redirect;
mod request_line;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora::server::configuration::ServerConf;
use pingora::services::listening::Service;
use rampart_policy::{Listener, Snapshot};

pub use app::ListenerApp;
pub use connections::Connections;
pub(crate) use io::gate_of;
pub use tls::{CertificateError, Certificates};

pub(crate) use crate::metrics::Cut;
use crate::{Gateway, Metrics};

/// What a request inherits from the listener that it came in by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// From a head to the last byte of its body, unless the route says otherwise.
    pub(crate) body_deadline: Duration,
    /// Whether it is not known whose connection it is, because a balancer that tells such things did not: no hop fields are
    /// believed then.
    pub(crate) anonymous: bool,
}

tokio::task_local! {
    /// Set around the proxy for each request; Pingora's phases have no other way to learn of the listener.
    static ARRIVAL: Arrival;
}

impl Arrival {
    /// That of the request whose task this is.
    pub(crate) fn current() -> Self {
        ARRIVAL.try_with(|arrival| *arrival).unwrap_or(Self { body_deadline: Duration::from_mins(1), anonymous: false })
    }
}

/// What all listeners of a process share: one proxy (and so one pool of upstream connections) and one connection cap.
#[derive(Clone)]
pub struct Front {
    proxy: Arc<pingora::proxy::HttpProxy<Gateway>>,
    connections: Arc<Connections>,
    metrics: Arc<Metrics>,
    /// Whose PROXY headers are believed is in the configuration in force.
    snapshot: Arc<ArcSwap<Snapshot>>,
}

// === impl Front ===

impl Front {
    /// A front around `gateway`. `max_connections` caps all listeners together. Retries are bounded by the gateway itself,
    /// Pingora's own count is `conf.max_retries`: set it to [`Gateway::MAX_TRIES`].
    pub fn new(gateway: Gateway, conf: &Arc<ServerConf>, max_connections: usize) -> Self {
        let metrics = Arc::clone(gateway.metrics());
        let snapshot = Arc::clone(&gateway.parts.snapshot);
        Self {
            proxy: Arc::new(pingora::proxy::http_proxy(conf, gateway)),
            connections: Connections::new(max_connections),
            metrics,
            snapshot,
        }
    }

    /// The service that listens as `listener` says; add it to the Pingora server. `certificates` are those of
    /// `listener.tls`, loaded by [`Certificates::load`]: whoever keeps a clone can reload them.
    pub fn service(
        &self,
        listener: &Listener,
        certificates: Option<&Arc<Certificates>>,
    ) -> Result<Service<ListenerApp>, CertificateError> {
        let app = ListenerApp::new(self.clone(), listener, certificates)?;
        let mut service = Service::new(format!("listener {}", listener.name), app);
        service.add_tcp(&listener.address.to_string());
        Ok(service)
    }

    /// Connections that are open on all listeners.
    pub fn connections(&self) -> &Arc<Connections> {
        &self.connections
    }
}
