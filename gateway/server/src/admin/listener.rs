//! The socket under the admin and probe endpoints: few connections, small headers, short deadlines.
//!
//! It runs on the control runtime, not on the serving threads, so that `/ready` and `/metrics` answer when traffic has every
//! serving thread busy. Whatever a peer does here costs at most [`CONNECTIONS_MAX`] connections of
//! [`HEADER_BYTES_MAX`] + [`BODY_BYTES_MAX`] bytes; a further connection is closed at once.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, DefaultBodyLimit, Request};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::{Extension, Router};
use http::StatusCode;
use hyper::body::Body as _;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::answer::problem;

/// Connections at once, per listener.
const CONNECTIONS_MAX: usize = 128;
/// Time for a whole request header.
const HEADER_DEADLINE: Duration = Duration::from_secs(5);
/// Time for a request's body and its answer. A reload that compiles many rules takes seconds.
const ANSWER_DEADLINE: Duration = Duration::from_mins(1);
/// Life of a connection, however many requests it carries.
const CONNECTION_DEADLINE: Duration = Duration::from_mins(5);
const HEADER_BYTES_MAX: usize = 16 * 1024;
const HEADER_FIELDS_MAX: usize = 64;
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Connections that the kernel keeps waiting for us.
const BACKLOG: u32 = 256;
/// Pause after an accept that failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Binds `address`. The socket may be shared (`SO_REUSEPORT`), so that during an upgrade the new process listens before
/// the old one has stopped; `takes_over` says that this is one. Otherwise an address in use is an error, as it should be.
///
/// # Errors
/// When the address cannot be bound.
pub(crate) fn bind(address: SocketAddr, takes_over: bool) -> io::Result<TcpListener> {
    let socket = |shared: bool| {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.set_reuseport(shared)?;
        socket.bind(address)?;
        io::Result::Ok(socket)
    };
    if !takes_over {
        // Alone first: this fails where anyone else listens, shared or not.
        drop(socket(false)?.listen(1)?);
    }
    socket(true)?.listen(BACKLOG)
}

/// Serves `router` on `listener` until `stop` turns true or its sender is gone.
pub(crate) async fn serve(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    let router = router.layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).layer(middleware::from_fn(guard));
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                // No place: closing at once tells a probe more than waiting would.
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
                let router = router.clone().layer(Extension(ConnectInfo(peer)));
                tokio::spawn(async move {
                    let _place = place;
                    // A peer that is cut off or sends nonsense is its own affair.
                    let _ = timeout(CONNECTION_DEADLINE, converse(stream, router)).await;
                });
            }
            Err(error) => {
                log::warn!(target: "rampart", "admin listener: cannot accept: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, router: Router) -> Result<(), hyper::Error> {
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE)
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADER_FIELDS_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await
}

/// Refuses a body that announces too much before reading it, and bounds the time of the rest.
async fn guard(request: Request, next: Next) -> Response {
    if request.body().size_hint().lower() > BODY_BYTES_MAX as u64 {
        return problem(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "the body is larger than this listener takes");
    }
    match timeout(ANSWER_DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => problem(StatusCode::GATEWAY_TIMEOUT, "deadline", "the answer took too long"),
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::{get, post};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    fn start() -> (SocketAddr, watch::Sender<bool>) {
        let listener = bind(LOOPBACK, false).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let router = Router::new().route("/", get(async || "here")).route("/", post(async |body: String| body));
        tokio::spawn(serve(listener, router, stopped));
        (address, stop)
    }

    async fn exchange(address: SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.unwrap().unwrap();
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn an_address_in_use_is_refused_unless_taken_over() {
        let first = bind(LOOPBACK, false).unwrap();
        let address = first.local_addr().unwrap();
        assert_eq!(bind(address, false).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert!(bind(address, true).is_ok());
    }

    #[tokio::test]
    async fn it_answers_until_stopped() {
        let (address, stop) = start();
        let answer = exchange(address, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("here"), "{answer}");
        stop.send(true).unwrap();
        for _ in 0..200 {
            if TcpStream::connect(address).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("still listening");
    }

    #[tokio::test]
    async fn a_long_header_and_a_long_body_are_refused() {
        let (address, _stop) = start();
        let long = "x".repeat(HEADER_BYTES_MAX + 1);
        let answer = exchange(address, format!("GET / HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        let length = BODY_BYTES_MAX + 1;
        let head = format!("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
        let answer = exchange(address, head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_header_that_does_not_come_is_cut_off() {
        let (address, _stop) = start();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
        let mut rest = Vec::new();
        let ended = timeout(HEADER_DEADLINE * 4, stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "the connection was kept");
    }
}
