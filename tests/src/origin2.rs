//! `CountingOrigin2`: an HTTP/2 backend (TLS with ALPN) that records requests and answers like a gRPC server: a body
//! and trailers.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen2 {
    /// Method, URI and fields.
    pub head: Request<()>,
    /// Content.
    pub body: Bytes,
    /// Trailers.
    pub trailers: Option<HeaderMap>,
}

#[derive(Default)]
struct Counters {
    connections: AtomicUsize,
    seen: Mutex<Vec<Seen2>>,
    /// What becomes of the next streams.
    resets: Mutex<VecDeque<h2::Reason>>,
}

/// The origin; stops when dropped. It echoes each request's body frame by frame as it arrives and ends with the
/// trailer `grpc-status: 0`.
pub struct CountingOrigin2 {
    /// Where it listens.
    pub address: SocketAddr,
    counters: Arc<Counters>,
    accepting: JoinHandle<()>,
}

impl Drop for CountingOrigin2 {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl CountingOrigin2 {
    /// Starts with this certificate; `tls` must accept ALPN `h2`.
    pub async fn start(tls: Arc<ServerConfig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let counters = Arc::new(Counters::default());
        let counting = counters.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((wire, _)) = listener.accept().await {
                counting.connections.fetch_add(1, Ordering::SeqCst);
                let counters = counting.clone();
                let tls = tls.clone();
                tokio::spawn(async move {
                    let Ok(wire) = TlsAcceptor::from(tls).accept(wire).await else { return };
                    let Ok(mut connection) = h2::server::handshake(wire).await else { return };
                    while let Some(Ok((request, mut respond))) = connection.accept().await {
                        let reset = counters.resets.lock().unwrap().pop_front();
                        match reset {
                            Some(reason) => respond.send_reset(reason),
                            None => drop(tokio::spawn(echo(request, respond, counters.clone()))),
                        }
                    }
                });
            }
        });
        Self { address, counters, accepting }
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.counters.connections.load(Ordering::SeqCst)
    }

    /// Resets the next stream instead of answering it.
    pub fn reset_next(&self, reason: h2::Reason) {
        self.counters.resets.lock().unwrap().push_back(reason);
    }

    /// Whether every reset that was asked for has been given.
    pub fn has_reset(&self) -> bool {
        self.counters.resets.lock().unwrap().is_empty()
    }

    /// Requests received whole, in order.
    pub fn seen(&self) -> Vec<Seen2> {
        self.counters.seen.lock().unwrap().clone()
    }
}

async fn echo(
    request: Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    counters: Arc<Counters>,
) -> Option<()> {
    let (parts, mut stream) = request.into_parts();
    let content_type =
        parts.headers.get("content-type").cloned().unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let head = Response::builder().header("content-type", content_type).body(()).unwrap();
    let mut sending = respond.send_response(head, false).ok()?;
    let mut body = BytesMut::new();
    while let Some(frame) = stream.data().await {
        let frame = frame.ok()?;
        stream.flow_control().release_capacity(frame.len()).ok()?;
        body.extend_from_slice(&frame);
        sending.send_data(frame, false).ok()?;
    }
    let trailers = stream.trailers().await.ok()?;
    counters.seen.lock().unwrap().push(Seen2 { head: Request::from_parts(parts, ()), body: body.freeze(), trailers });
    let mut answer = HeaderMap::new();
    answer.insert("grpc-status", HeaderValue::from_static("0"));
    sending.send_trailers(answer).ok()
}
