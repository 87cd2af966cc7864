//! One accepted socket: cap, PROXY header, handshake, guarded IO, then HTTP/1 or HTTP/2 into the proxy.
//!
//! HTTP/1 pipelining stays off (Pingora's default). With it on, 0.9.1 takes what follows a chunked body of certain sizes
//! for the start of another request (measured: 65,535 bytes over TLS, every time), which behind a connection-sharing proxy is
//! request smuggling. A pipelining client has its connection closed after the response and asks again (RFC 9112 section
//! 9.3.2).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp};
use pingora::listeners::tls::Acceptor;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::protocols::l4::stream::Stream as L4Stream;
use pingora::protocols::{ALPN, IO, Stream};
use pingora::server::ShutdownWatch;
use rampart_policy::Listener;

use super::connections::{Connections, Slot};
use super::io::{Deadlines, GuardedIo, gate_of};
use super::proxied::{self, Fault};
use super::tls::Certificates;
use super::{ARRIVAL, Arrival, CertificateError, Cut, Front, redirect};

/// Bytes of one decoded HTTP/2 header list (RFC 9113 section 10.5.1).
const HEADER_LIST_BYTES: u32 = 64 * 1024;
/// HTTP/2 streams reset by the peer before they were accepted; one more closes the connection (CVE-2023-44487).
const PENDING_RESETS: usize = 20;
/// HTTP/2 streams that this side reset because of the peer's errors; one more closes the connection.
const ERROR_RESETS: usize = 128;
/// Response bytes that may wait in one HTTP/2 stream's send buffer. A connection whose client opens every stream and reads
/// none holds this much for each of them: 3.2 MB with the 100 streams of the default.
const SEND_BUFFER_BYTES: usize = 32 * 1024;
/// Window of one HTTP/2 stream: what a client may send ahead of a slow reader.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// Window of one HTTP/2 connection.
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// From the last accept to the closing of connections that have sent no request.
const LAST_REQUESTS: Duration = Duration::from_millis(500);

/// The application behind one listening address.
pub struct ListenerApp {
    front: Front,
    shared: Arc<Shared>,
    /// What every request inherits; a connection may know more.
    arrival: Arrival,
    acceptor: Option<Acceptor>,
    /// Whether each connection begins with a PROXY header.
    proxied: bool,
    handshake_deadline: Duration,
    deadlines: Deadlines,
    cut: Arc<Cut>,
    connections: Arc<Connections>,
}

/// What the connections of one listener share.
struct Shared {
    write_deadline: Duration,
    /// HTTP/2 streams open at a time. Requests that still run after their stream was reset count too, up to twice this.
    streams: u32,
    server_options: HttpServerOptions,
    redirect_to_https: Option<u16>,
}

/// One connection, seen as an HTTP application: HTTP/2 calls it once a stream, HTTP/1 once a request.
struct Connection {
    front: Front,
    shared: Arc<Shared>,
    arrival: Arrival,
    /// Requests of this connection that run now.
    running: AtomicUsize,
}

/// Counts one request of a connection while it runs.
struct Running<'a>(&'a AtomicUsize);

// === impl ListenerApp ===

impl ListenerApp {
    pub(super) fn new(
        front: Front,
        listener: &Listener,
        certificates: Option<&Arc<Certificates>>,
    ) -> Result<Self, CertificateError> {
        let acceptor = match (&listener.tls, certificates) {
            (Some(tls), Some(certificates)) => {
                Some(Acceptor::from_server_config(Arc::new(certificates.server_config(tls.http2)?)))
            }
            (Some(_), None) => return Err(CertificateError::None),
            (None, _) => None,
        };
        let mut server_options = HttpServerOptions::default();
        server_options.h2_idle_timeout = Some(listener.idle);
        server_options.keepalive_request_limit = listener.max_requests;
        Ok(Self {
            acceptor,
            proxied: listener.proxy_protocol,
            arrival: Arrival { body_deadline: listener.body_deadline, anonymous: false },
            handshake_deadline: listener.handshake_deadline,
            deadlines: Deadlines { head: listener.header_deadline, idle: listener.idle },
            cut: Arc::new(front.metrics.cut(&listener.name)),
            connections: Connections::new(listener.max_connections),
            shared: Arc::new(Shared {
                write_deadline: listener.write_deadline,
                streams: listener.http2.streams,
                server_options,
                redirect_to_https: listener.redirect_to_https,
            }),
            front,
        })
    }

    fn admit(&self) -> Option<[Slot; 2]> {
        let slots = self.front.connections.admit().zip(self.connections.admit());
        if slots.is_none() {
            self.cut.cap.inc();
        }
        slots.map(|(all, own)| [all, own])
    }

    fn guard<S: IO + 'static>(&self, io: S, slots: [Slot; 2]) -> Stream {
        Box::new(GuardedIo::new(io, self.deadlines, Arc::clone(&self.cut), slots))
    }

    /// The connection ready for HTTP, or `None` where it was refused or its handshake failed.
    async fn prepare(&self, stream: Stream) -> Option<(Stream, Arrival)> {
        let slots = self.admit()?;
        let mut plain = *stream.into_any().downcast::<L4Stream>().ok()?;
        let mut arrival = self.arrival;
        if self.proxied {
            arrival.anonymous = !self.announced(&mut plain).await?;
        }
        let Some(acceptor) = &self.acceptor else {
            return Some((self.guard(plain, slots), arrival));
        };
        match tokio::time::timeout(self.handshake_deadline, acceptor.tls_handshake(plain)).await {
            Ok(Ok(tls)) => Some((self.guard(tls, slots), arrival)),
            Ok(Err(error)) => {
                self.cut.handshake_failed.inc();
                log::debug!("TLS handshake failed: {error}");
                None
            }
            Err(_) => {
                self.cut.handshake_deadline.inc();
                None
            }
        }
    }

    /// Reads the PROXY header, after which the stream's peer is the client that it announces. `false`: it announces none.
    /// `None`: the connection ends here.
    async fn announced(&self, stream: &mut L4Stream) -> Option<bool> {
        let snapshot = self.front.snapshot.load_full();
        let fault = match proxied::announced(stream, &snapshot.config.trusted_proxies, self.deadlines.head).await {
            Ok(announced) => return Some(announced),
            Err(fault) => fault,
        };
        let counter = match fault {
            Fault::Stranger => &self.cut.proxy_stranger,
            Fault::Deadline => &self.cut.proxy_deadline,
            Fault::Invalid(_) | Fault::Ended => &self.cut.proxy_header,
        };
        counter.inc();
        log::debug!("a connection that should begin with a PROXY header was closed: {fault}");
        None
    }
}

#[async_trait]
impl ServerApp for ListenerApp {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let (stream, arrival) = self.prepare(stream).await?;
        let _open = self.front.metrics.connection(matches!(stream.selected_alpn_proto(), Some(ALPN::H2)));
        let connection = Arc::new(Connection {
            front: self.front.clone(),
            shared: Arc::clone(&self.shared),
            arrival,
            running: AtomicUsize::new(0),
        });
        ServerApp::process_new(&connection, stream, shutdown).await
    }

    async fn cleanup(&self) {
        // Pingora's clean-up closes every connection that waits for a request. One that was accepted a moment before the
        // listener stopped is about to send its first.
        tokio::time::sleep(LAST_REQUESTS).await;
        self.front.proxy.http_cleanup().await;
    }
}

// === impl Connection ===

impl Connection {
    /// Counts this request in, unless the connection has too many that run: streams that were opened and reset at once
    /// leave their requests behind.
    fn run(&self) -> Option<Running<'_>> {
        let most = (self.shared.streams as usize).saturating_mul(2);
        let running = Running(&self.running);
        (self.running.fetch_add(1, Ordering::Relaxed) < most).then_some(running)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl HttpServerApp for Connection {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let Some(_running) = self.run() else {
            session.shutdown().await;
            return None;
        };
        if session.get_keepalive().is_some() {
            // The IO object times idling; Pingora's timer would count each read of a head anew.
            session.set_keepalive(Some(0));
        }
        session.set_write_timeout(Some(self.shared.write_deadline));
        if let Some(gate) = session.stream().and_then(|stream| gate_of(&**stream)) {
            gate.await_request();
        }
        match self.shared.redirect_to_https {
            Some(port) => redirect::answer(session, port).await,
            None => ARRIVAL.scope(self.arrival, self.front.proxy.process_new_http(session, shutdown)).await,
        }
    }

    fn h2_options(&self) -> Option<H2Options> {
        let mut options = default_h2_options();
        options
            .max_concurrent_streams(self.shared.streams)
            .max_header_list_size(HEADER_LIST_BYTES)
            .max_pending_accept_reset_streams(PENDING_RESETS)
            .max_local_error_reset_streams(Some(ERROR_RESETS))
            .max_send_buffer_size(SEND_BUFFER_BYTES)
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
        Some(options)
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.shared.server_options)
    }
}
