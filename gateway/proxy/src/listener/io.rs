//! The IO object around every accepted connection: total deadlines for request heads, for idling, and for the HTTP/2
//! preface.
//!
//! Pingora times single reads (60 s each), so a peer that sends one byte a minute keeps a connection for hours, and after
//! the first request an idle HTTP/1 connection has no deadline at all. Here the time of a whole head counts, from its first
//! byte (or from the accept) to the moment the proxy has parsed it. A head that arrives in one read costs no timer: the
//! clock is only asked for when the socket has nothing to give.
//!
//! Of the bytes it looks at request lines alone (`request_line`); bodies have their own deadline (`body.rs`).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::l4::stream::Stream as L4Stream;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::{SslDigest, TlsStream};
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, IO, Peek, Shutdown, SocketDigest, Ssl, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::Cut;
use super::connections::Slot;
use super::request_line;

/// Length of the HTTP/2 connection preface (RFC 9113 section 3.4).
const PREFACE_BYTES: usize = 24;

/// What the peer is expected to send next; decides which deadline runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
enum Expect {
    /// The rest of a request head (HTTP/1).
    Head = 0,
    /// The first byte of another request (HTTP/1 keep-alive).
    NextRequest = 1,
    /// The connection preface (HTTP/2).
    Preface = 2,
    /// Anything: no deadline of this layer runs.
    Anything = 3,
}

/// The switch that the proxy turns as a connection goes from head to body to idle.
///
/// The low two bits hold [`Expect`], the others count the turns, so that a reader notices a turn it was not polled for.
#[derive(Debug)]
pub(crate) struct Gate(AtomicU32);

/// How long each state may last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    /// From the accept or the first byte of a request head to its end.
    pub(crate) head: Duration,
    /// From the end of a response to the first byte of the next request.
    pub(crate) idle: Duration,
}

/// A connection with its gate, its slot and its timer.
pub(crate) struct GuardedIo<S> {
    inner: S,
    gate: Arc<Gate>,
    deadlines: Deadlines,
    cut: Arc<Cut>,
    /// The gate's word that `since` and `timer` belong to.
    seen: u32,
    since: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    preface_left: usize,
    /// What was read and did not fit, because a request line became longer.
    held_back: Vec<u8>,
    _slots: [Slot; 2],
}

// === impl Gate ===

impl Gate {
    fn new(expect: Expect) -> Arc<Self> {
        Arc::new(Self(AtomicU32::new(expect as u32)))
    }

    fn turn(&self, expect: Expect) {
        let turns = self.0.load(Ordering::Relaxed).wrapping_add(4) & !3;
        self.0.store(turns | expect as u32, Ordering::Release);
    }

    /// The head is complete: what follows is bounded elsewhere.
    pub(crate) fn head_complete(&self) {
        self.turn(Expect::Anything);
    }

    /// The connection waits for a request: the first, whose deadline runs from the accept, or the next.
    pub(crate) fn await_request(&self) {
        if Expect::of(self.0.load(Ordering::Relaxed)) == Expect::Anything {
            self.turn(Expect::NextRequest);
        }
    }
}

impl Expect {
    fn of(word: u32) -> Self {
        match word & 3 {
            0 => Self::Head,
            1 => Self::NextRequest,
            2 => Self::Preface,
            _ => Self::Anything,
        }
    }
}

/// The gate of an HTTP/1 stream that this crate accepted.
pub(crate) fn gate_of(stream: &dyn IO) -> Option<&Gate> {
    let any = stream.as_any();
    if let Some(plain) = any.downcast_ref::<GuardedIo<L4Stream>>() {
        return Some(&plain.gate);
    }
    any.downcast_ref::<GuardedIo<TlsStream<L4Stream>>>().map(|tls| &*tls.gate)
}

// === impl GuardedIo ===

impl<S: IO> GuardedIo<S> {
    pub(crate) fn new(inner: S, deadlines: Deadlines, cut: Arc<Cut>, slots: [Slot; 2]) -> Self {
        let http2 = matches!(inner.selected_alpn_proto(), Some(ALPN::H2));
        let gate = Gate::new(if http2 { Expect::Preface } else { Expect::Head });
        Self {
            inner,
            seen: gate.0.load(Ordering::Relaxed),
            gate,
            deadlines,
            cut,
            since: Instant::now(),
            timer: None,
            preface_left: PREFACE_BYTES,
            held_back: Vec::new(),
            _slots: slots,
        }
    }

    /// Takes note of a turn of the gate, and starts that state's clock.
    fn expectation(&mut self) -> Expect {
        let word = self.gate.0.load(Ordering::Acquire);
        if word != self.seen {
            self.seen = word;
            self.timer = None;
            if Expect::of(word) != Expect::Anything {
                self.since = Instant::now();
            }
        }
        Expect::of(word)
    }

    fn received(&mut self, expect: Expect, count: usize) {
        match expect {
            Expect::NextRequest if count > 0 => self.gate.turn(Expect::Head),
            Expect::Preface => {
                self.preface_left = self.preface_left.saturating_sub(count);
                if self.preface_left == 0 {
                    self.gate.turn(Expect::Anything);
                }
            }
            _ => {}
        }
    }

    /// Encodes what no URI may hold in a request line that was just read.
    fn encode_line(&mut self, expect: Expect, before: usize, buf: &mut ReadBuf<'_>) {
        if !matches!(expect, Expect::Head | Expect::NextRequest) {
            return;
        }
        let Some(bytes) = buf.filled().get(before..).and_then(request_line::encoded) else { return };
        buf.set_filled(before);
        let (now, later) = bytes.split_at(bytes.len().min(buf.remaining()));
        buf.put_slice(now);
        self.held_back.extend_from_slice(later);
    }

    /// Polls the clock of `expect`; ready when its deadline has passed.
    fn poll_deadline(&mut self, expect: Expect, cx: &mut Context<'_>) -> Poll<()> {
        let allowed = match expect {
            Expect::Anything => return Poll::Pending,
            Expect::NextRequest => self.deadlines.idle,
            Expect::Head | Expect::Preface => self.deadlines.head,
        };
        let end = self.since + allowed;
        self.timer.get_or_insert_with(|| Box::pin(sleep_until(end))).as_mut().poll(cx)
    }
}

impl<S: IO> AsyncRead for GuardedIo<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        let expect = this.expectation();
        let before = buf.filled().len();
        if !this.held_back.is_empty() {
            let count = this.held_back.len().min(buf.remaining());
            buf.put_slice(&this.held_back.drain(..count).collect::<Vec<u8>>());
            return Poll::Ready(Ok(()));
        }
        if let Poll::Ready(result) = Pin::new(&mut this.inner).poll_read(cx, buf) {
            this.received(expect, buf.filled().len().saturating_sub(before));
            this.encode_line(expect, before, buf);
            return Poll::Ready(result);
        }
        ready!(this.poll_deadline(expect, cx));
        if expect == Expect::NextRequest {
            // As if the peer had closed: an idle connection that ends is no error.
            this.cut.idle.inc();
            return Poll::Ready(Ok(()));
        }
        this.cut.head_deadline.inc();
        Poll::Ready(Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "request head deadline passed")))
    }
}

impl<S: IO> AsyncWrite for GuardedIo<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

// === what Pingora asks of a connection, passed through ===

#[async_trait]
impl<S: IO> Shutdown for GuardedIo<S> {
    async fn shutdown(&mut self) {
        Shutdown::shutdown(&mut self.inner).await;
    }
}

impl<S: IO> UniqueID for GuardedIo<S> {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl<S: IO> Ssl for GuardedIo<S> {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inner.selected_alpn_proto()
    }
}

impl<S: IO> GetTimingDigest for GuardedIo<S> {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.inner.get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.inner.get_write_pending_time()
    }
}

impl<S: IO> GetProxyDigest for GuardedIo<S> {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner.get_proxy_digest()
    }
}

impl<S: IO> GetSocketDigest for GuardedIo<S> {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }
}

#[async_trait]
impl<S: IO> Peek for GuardedIo<S> {}

impl<S: fmt::Debug> fmt::Debug for GuardedIo<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedIo").field("inner", &self.inner).field("gate", &self.gate).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;
    use crate::Metrics;
    use crate::listener::Connections;

    const HEAD: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(75);

    fn guarded() -> (DuplexStream, GuardedIo<DuplexStream>, Arc<Cut>) {
        let (client, server) = duplex(1024);
        let connections = Connections::new(2);
        let slots = [connections.admit().unwrap(), connections.admit().unwrap()];
        let cut = Arc::new(Metrics::default().cut("test"));
        let io = GuardedIo::new(server, Deadlines { head: HEAD, idle: IDLE }, Arc::clone(&cut), slots);
        (client, io, cut)
    }

    /// Reads until an error or the end; gives what was read and how long it took in seconds.
    async fn drain(io: &mut GuardedIo<DuplexStream>) -> (Vec<u8>, std::io::Result<usize>, u64) {
        let began = Instant::now();
        let mut bytes = Vec::new();
        let end = io.read_to_end(&mut bytes).await;
        (bytes, end, began.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_one_deadline_however_many_bytes_trickle() {
        let (mut client, mut io, cut) = guarded();
        tokio::spawn(async move {
            for byte in b"GET / HTTP/1.1\r\nX-Slow: yes".chunks(1) {
                let _ = client.write_all(byte).await;
                tokio::time::sleep(Duration::from_secs(3)).await;
            }
        });
        let (bytes, end, seconds) = drain(&mut io).await;
        assert_eq!((bytes.len(), seconds), (4, 10));
        assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
        assert_eq!(cut.head_deadline.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_sends_nothing_is_cut_too() {
        let (_client, mut io, cut) = guarded();
        let (bytes, end, seconds) = drain(&mut io).await;
        assert!(bytes.is_empty() && end.is_err());
        assert_eq!((seconds, cut.head_deadline.get()), (10, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_take_longer_than_a_head() {
        let (mut client, mut io, _cut) = guarded();
        io.gate.head_complete();
        tokio::spawn(async move {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_secs(9)).await;
                let _ = client.write_all(b"x").await;
            }
        });
        let (bytes, end, seconds) = drain(&mut io).await;
        assert_eq!((bytes.len(), end.unwrap(), seconds), (10, 10, 90));
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_ends_as_if_the_peer_had_closed_it() {
        let (_client, mut io, cut) = guarded();
        io.gate.head_complete();
        io.gate.await_request();
        let (bytes, end, seconds) = drain(&mut io).await;
        assert_eq!((bytes.len(), end.unwrap(), seconds), (0, 0, 75));
        assert_eq!((cut.idle.get(), cut.head_deadline.get()), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_head_is_timed_from_its_first_byte() {
        let (mut client, mut io, cut) = guarded();
        io.gate.head_complete();
        io.gate.await_request();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(70)).await;
            client.write_all(b"G").await.unwrap();
            std::future::pending::<()>().await;
        });
        let (bytes, end, seconds) = drain(&mut io).await;
        assert_eq!((bytes.len(), seconds), (1, 80));
        assert!(end.is_err());
        assert_eq!((cut.idle.get(), cut.head_deadline.get()), (0, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_request_is_not_mistaken_for_the_next() {
        let (_client, mut io, cut) = guarded();
        io.gate.await_request();
        let (_, end, seconds) = drain(&mut io).await;
        assert!(end.is_err());
        assert_eq!((seconds, cut.idle.get()), (10, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_that_became_too_long_for_the_buffer_loses_nothing() {
        let (mut client, mut io, _cut) = guarded();
        let request = b"GET /?<<<<\"\"\" HTTP/1.1\r\nHost: h\r\n\r\n<body>";
        client.write_all(request).await.unwrap();
        let mut first = [0; 46];
        let count = io.read(&mut first).await.unwrap();
        assert_eq!(count, first.len().min(request.len() + 14));
        io.gate.head_complete();
        client.write_all(b"\"more\"").await.unwrap();
        drop(client);
        let (rest, end, _) = drain(&mut io).await;
        end.unwrap();
        let all = [&first[..count], &rest].concat();
        let expect = "GET /?%3C%3C%3C%3C%22%22%22 HTTP/1.1\r\nHost: h\r\n\r\n<body>\"more\"";
        assert_eq!(String::from_utf8(all).unwrap(), expect);
    }
}
