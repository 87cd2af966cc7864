//! `CountingOrigin`: an HTTP/1 backend that counts every connection and byte that reaches it.
//!
//! It parses what arrives strictly and by hand: bytes that are not one well-formed request (RFC 9112) are counted as
//! malformed, so that a smuggled request is seen as such and not swallowed by a lenient parser.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::http1::{Wire, find};

/// A 101 that is there before Pingora 0.9.1 has taken the (empty) request body from its own queue ends the tunnel at once
/// (pingora-proxy `proxy_h1.rs`, `proxy_handle_upstream`: the end of the body counts as the end of the upgraded
/// stream). It takes an origin that answers within microseconds, on loopback about one handshake in a few hundred; what
/// tests want to see lies behind it.
pub const BEFORE_101: Duration = Duration::from_millis(20);

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// The request target, raw.
    pub target: String,
    /// Field lines in the order of arrival, names as sent.
    pub headers: Vec<(String, String)>,
    /// Content, its transfer coding removed.
    pub body: Bytes,
    /// The client's end of the connection it came on.
    pub peer: Option<SocketAddr>,
}

impl Seen {
    /// The first value of a field; names compare without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Every value of a field.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(have, _)| have.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }
}

/// What the origin answers.
#[derive(Debug, Clone)]
pub enum Answer {
    /// An answer with Content-Length.
    Full {
        /// Status code.
        status: u16,
        /// Field lines besides Content-Length.
        headers: Vec<(String, String)>,
        /// Content.
        body: Bytes,
    },
    /// A chunked answer, each chunk held back for so long.
    Chunks(Vec<(String, String)>, Vec<(Duration, Bytes)>),
    /// These bytes as they are, then the connection is closed.
    Raw(Vec<u8>),
    /// 101 and then every byte back to its sender until either side closes.
    Echo(Vec<(String, String)>),
    /// Nothing, for so long; then the connection is closed.
    Silence(Duration),
    /// The connection is closed at once.
    Close,
}

impl Answer {
    /// 200 with a JSON body.
    pub fn json(body: impl Into<Bytes>) -> Self {
        Self::Full { status: 200, headers: vec![("Content-Type".into(), "application/json".into())], body: body.into() }
    }

    /// A status without a body to speak of.
    pub fn status(status: u16) -> Self {
        Self::Full { status, headers: Vec::new(), body: Bytes::from_static(b"ok") }
    }
}

/// What the origin has counted so far.
#[derive(Debug, Default)]
pub struct Counters {
    connections: AtomicUsize,
    open: AtomicUsize,
    bytes: AtomicUsize,
    malformed: AtomicUsize,
    seen: Mutex<Vec<Seen>>,
}

type Script = dyn Fn(&Seen) -> Answer + Send + Sync;

/// The origin; stops when dropped.
pub struct CountingOrigin {
    /// Where it listens.
    pub address: SocketAddr,
    counters: Arc<Counters>,
    accepting: JoinHandle<()>,
}

impl Drop for CountingOrigin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl CountingOrigin {
    /// An origin that says `{"ok":true}` to everything.
    pub async fn start() -> Self {
        Self::scripted(|_| Answer::json(r#"{"ok":true}"#)).await
    }

    /// An origin that answers by a script.
    pub async fn scripted(script: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        Self::serve(None, Arc::new(script)).await
    }

    /// An origin behind TLS that says `{"ok":true}` to everything.
    pub async fn start_tls(tls: Arc<ServerConfig>) -> Self {
        Self::serve(Some(tls), Arc::new(|_| Answer::json(r#"{"ok":true}"#))).await
    }

    /// An origin behind TLS that answers by a script.
    pub async fn scripted_tls(
        tls: Arc<ServerConfig>,
        script: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Some(tls), Arc::new(script)).await
    }

    async fn serve(tls: Option<Arc<ServerConfig>>, script: Arc<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let counters = Arc::new(Counters::default());
        let counting = counters.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((wire, peer)) = listener.accept().await {
                counting.connections.fetch_add(1, Ordering::SeqCst);
                let _ = wire.set_nodelay(true);
                let counters = counting.clone();
                let script = script.clone();
                let tls = tls.clone();
                tokio::spawn(async move {
                    counters.open.fetch_add(1, Ordering::SeqCst);
                    match tls {
                        None => converse(Box::new(wire), peer, &counters, &*script).await,
                        Some(config) => {
                            if let Ok(wire) = TlsAcceptor::from(config).accept(wire).await {
                                converse(Box::new(wire), peer, &counters, &*script).await;
                            }
                        }
                    }
                    counters.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, counters, accepting }
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.counters.connections.load(Ordering::SeqCst)
    }

    /// Connections open at this moment.
    pub fn open_connections(&self) -> usize {
        self.counters.open.load(Ordering::SeqCst)
    }

    /// Bytes received so far, heads and bodies together.
    pub fn bytes(&self) -> usize {
        self.counters.bytes.load(Ordering::SeqCst)
    }

    /// Connections on which something came that is no well-formed request.
    pub fn malformed(&self) -> usize {
        self.counters.malformed.load(Ordering::SeqCst)
    }

    /// Requests received whole, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.counters.seen.lock().unwrap().clone()
    }

    /// How many requests were received whole.
    pub fn requests(&self) -> usize {
        self.counters.seen.lock().unwrap().len()
    }

    /// The last request received whole.
    pub fn last(&self) -> Seen {
        self.counters.seen.lock().unwrap().last().expect("the origin has seen a request").clone()
    }

    /// Fails unless nothing at all has reached this origin: no connection, not one byte.
    #[track_caller]
    pub fn expect_untouched(&self) {
        assert_eq!(
            (self.connections(), self.bytes()),
            (0, 0),
            "connections and bytes at the origin: {:?}",
            self.seen()
        );
    }
}

async fn converse(mut wire: Box<dyn Wire>, peer: SocketAddr, counters: &Counters, script: &Script) {
    let mut unread = Vec::new();
    loop {
        let seen = match next_request(&mut wire, &mut unread, peer, counters).await {
            Ok(Some(seen)) => seen,
            Ok(None) => return,
            Err(problem) => {
                counters.malformed.fetch_add(1, Ordering::SeqCst);
                eprintln!("the origin got something that is no request: {problem}");
                return;
            }
        };
        counters.seen.lock().unwrap().push(seen.clone());
        if !answer(&mut wire, &mut unread, script(&seen), seen.method == "HEAD").await {
            return;
        }
    }
}

/// The next request; `None` at a clean end between requests or when the peer goes away in the middle of one.
async fn next_request(
    wire: &mut Box<dyn Wire>,
    unread: &mut Vec<u8>,
    peer: SocketAddr,
    counters: &Counters,
) -> Result<Option<Seen>, String> {
    let end = loop {
        if let Some(end) = find(unread, b"\r\n\r\n") {
            break end;
        }
        if !fill(wire, unread, counters).await {
            return Ok(None);
        }
    };
    let head: Vec<u8> = unread.drain(..end + 4).collect();
    let mut seen = parse_request(&head, peer)?;
    let Some(body) = read_body(wire, unread, &seen, counters).await? else { return Ok(None) };
    seen.body = body.into();
    Ok(Some(seen))
}

fn parse_request(head: &[u8], peer: SocketAddr) -> Result<Seen, String> {
    let text = String::from_utf8_lossy(head);
    let lines = text.strip_suffix("\r\n\r\n").ok_or("a head without its end")?;
    let mut lines = lines.split("\r\n");
    let request_line: Vec<&str> = lines.next().unwrap().split(' ').collect();
    let [method, target, "HTTP/1.1"] = request_line[..] else { return Err(format!("request line {request_line:?}")) };
    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(format!("method {method:?}"));
    }
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| format!("field line {line:?}"))?;
        if name.is_empty() || name.bytes().any(|byte| byte.is_ascii_whitespace()) || value.contains(['\n', '\r', '\0'])
        {
            return Err(format!("field line {line:?}"));
        }
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    Ok(Seen { method: method.to_owned(), target: target.to_owned(), headers, body: Bytes::new(), peer: Some(peer) })
}

async fn read_body(
    wire: &mut Box<dyn Wire>,
    unread: &mut Vec<u8>,
    seen: &Seen,
    counters: &Counters,
) -> Result<Option<Vec<u8>>, String> {
    let lengths = seen.all("content-length");
    let codings = seen.all("transfer-encoding");
    match (&lengths[..], &codings[..]) {
        ([], []) => Ok(Some(Vec::new())),
        ([length], []) => {
            let length = length.parse().map_err(|_| format!("Content-Length {length:?}"))?;
            Ok(exactly(wire, unread, length, counters).await)
        }
        ([], ["chunked"]) => read_chunks(wire, unread, counters).await,
        both => Err(format!("Content-Length and Transfer-Encoding {both:?}")),
    }
}

async fn read_chunks(
    wire: &mut Box<dyn Wire>,
    unread: &mut Vec<u8>,
    counters: &Counters,
) -> Result<Option<Vec<u8>>, String> {
    let mut body = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = find(unread, b"\r\n") {
                break end;
            }
            if !fill(wire, unread, counters).await {
                return Ok(None);
            }
        };
        let line: Vec<u8> = unread.drain(..end + 2).collect();
        let size = String::from_utf8_lossy(&line[..end]).into_owned();
        let size = usize::from_str_radix(&size, 16).map_err(|_| format!("chunk size {size:?}"))?;
        let Some(chunk) = exactly(wire, unread, size + 2, counters).await else { return Ok(None) };
        if !chunk.ends_with(b"\r\n") {
            return Err("a chunk without its end".into());
        }
        if size == 0 {
            return Ok(Some(body));
        }
        body.extend_from_slice(&chunk[..size]);
    }
}

async fn exactly(
    wire: &mut Box<dyn Wire>,
    unread: &mut Vec<u8>,
    length: usize,
    counters: &Counters,
) -> Option<Vec<u8>> {
    while unread.len() < length {
        if !fill(wire, unread, counters).await {
            return None;
        }
    }
    Some(unread.drain(..length).collect())
}

async fn fill(wire: &mut Box<dyn Wire>, unread: &mut Vec<u8>, counters: &Counters) -> bool {
    unread.reserve(64 * 1024);
    match wire.read_buf(unread).await {
        Ok(read) if read > 0 => {
            counters.bytes.fetch_add(read, Ordering::SeqCst);
            true
        }
        _ => false,
    }
}

/// Writes the answer; false when the connection ends with it.
async fn answer(wire: &mut Box<dyn Wire>, unread: &mut Vec<u8>, answer: Answer, head_only: bool) -> bool {
    let written = match answer {
        Answer::Full { status, mut headers, body } => {
            headers.push(("Content-Length".into(), body.len().to_string()));
            let mut bytes = response_head(status, &headers);
            if !head_only {
                bytes.extend_from_slice(&body);
            }
            wire.write_all(&bytes).await
        }
        Answer::Chunks(headers, chunks) => write_chunks(wire, headers, chunks).await,
        Answer::Raw(bytes) => {
            let _ = wire.write_all(&bytes).await;
            let _ = wire.shutdown().await;
            return false;
        }
        Answer::Echo(headers) => {
            tokio::time::sleep(BEFORE_101).await;
            if wire.write_all(&response_head(101, &headers)).await.is_ok() {
                echo(wire, std::mem::take(unread)).await;
            }
            return false;
        }
        Answer::Silence(time) => {
            let mut byte = [0];
            let _ = tokio::time::timeout(time, wire.read(&mut byte)).await;
            return false;
        }
        Answer::Close => return false,
    };
    written.is_ok() && wire.flush().await.is_ok()
}

async fn write_chunks(
    wire: &mut Box<dyn Wire>,
    mut headers: Vec<(String, String)>,
    chunks: Vec<(Duration, Bytes)>,
) -> std::io::Result<()> {
    headers.push(("Transfer-Encoding".into(), "chunked".into()));
    wire.write_all(&response_head(200, &headers)).await?;
    wire.flush().await?;
    for (pause, chunk) in chunks {
        tokio::time::sleep(pause).await;
        let mut bytes = format!("{:x}\r\n", chunk.len()).into_bytes();
        bytes.extend_from_slice(&chunk);
        bytes.extend_from_slice(b"\r\n");
        wire.write_all(&bytes).await?;
        wire.flush().await?;
    }
    wire.write_all(b"0\r\n\r\n").await
}

async fn echo(wire: &mut Box<dyn Wire>, mut bytes: Vec<u8>) {
    loop {
        if wire.write_all(&bytes).await.is_err() || wire.flush().await.is_err() {
            return;
        }
        bytes.clear();
        if !wire.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {
            return;
        }
    }
}

fn response_head(status: u16, headers: &[(String, String)]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Scripted\r\n");
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    head.push_str("\r\n");
    head.into_bytes()
}
