//! A client that speaks HTTP/1 byte by byte, so that it can also speak it wrongly.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::wait::within;

/// Room made for each read.
const READ_BYTES: usize = 64 * 1024;

/// Anything that carries bytes both ways.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// A connection to the gateway, and the bytes of it that were read but not yet used.
pub struct Connection {
    wire: Box<dyn Wire>,
    unread: Vec<u8>,
}

/// An answer, whole.
#[derive(Debug, Clone)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Field lines in the order of arrival, names as sent.
    pub headers: Vec<(String, String)>,
    /// Content, its transfer coding removed.
    pub body: Vec<u8>,
}

impl Response {
    /// The first value of a field; names compare without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("a JSON body expected ({error}), got {self:?}"))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Fails unless this is a problem (RFC 9457) with this status and this code.
    #[track_caller]
    pub fn expect_problem(&self, status: u16, code: &str) -> serde_json::Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{problem}");
        let id = problem["request_id"].as_str().expect("a refusal names its request");
        assert_eq!(self.header("x-request-id"), Some(id), "{self:?}");
        problem
    }
}

impl Connection {
    /// Connects over TCP.
    pub async fn open(address: SocketAddr) -> Self {
        let wire = within("connect to the gateway", TcpStream::connect(address)).await.expect("connect to the gateway");
        wire.set_nodelay(true).unwrap();
        Self::over(wire)
    }

    /// Connects over TLS; `name` is the SNI and must be what the certificate is for.
    pub async fn open_tls(address: SocketAddr, name: &str, config: Arc<ClientConfig>) -> std::io::Result<Self> {
        Ok(Self::over(tls(address, name, config).await?))
    }

    /// A connection over something already connected.
    pub fn over(wire: impl Wire + 'static) -> Self {
        Self { wire: Box::new(wire), unread: Vec::new() }
    }

    /// Sends these bytes as they are.
    pub async fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).await.expect("send to the gateway");
    }

    /// Sends these bytes; a gateway that has already hung up is no failure of the test.
    pub async fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        within("send to the gateway", async {
            self.wire.write_all(bytes).await?;
            self.wire.flush().await
        })
        .await
    }

    /// Ends the sending side and keeps the receiving one (half close).
    pub async fn finish_sending(&mut self) {
        let _ = self.wire.shutdown().await;
    }

    /// Sends a request and reads its answer.
    pub async fn ask(&mut self, request: &[u8]) -> Response {
        self.send(request).await;
        self.response().await
    }

    /// The next final answer; interim ones (1xx) are read and forgotten.
    pub async fn response(&mut self) -> Response {
        self.try_response().await.expect("an answer from the gateway")
    }

    /// The next final answer, or why there is none.
    pub async fn try_response(&mut self) -> std::io::Result<Response> {
        loop {
            let response = self.any_response().await?;
            if response.status >= 200 || response.status == 101 {
                return Ok(response);
            }
        }
    }

    /// The next answer, interim or final. (An answer to HEAD must be read with [`Connection::head_of_response`].)
    pub async fn any_response(&mut self) -> std::io::Result<Response> {
        let mut response = self.head_of_response().await?;
        response.body = self.body_of(&response).await?;
        Ok(response)
    }

    /// The head of the next answer; its body stays unread.
    pub async fn head_of_response(&mut self) -> std::io::Result<Response> {
        let end = loop {
            if let Some(end) = find(&self.unread, b"\r\n\r\n") {
                break end;
            }
            self.fill().await?;
        };
        let head: Vec<u8> = self.unread.drain(..end + 4).collect();
        Ok(parse_head(&head))
    }

    async fn body_of(&mut self, response: &Response) -> std::io::Result<Vec<u8>> {
        if response.status < 200 || response.status == 204 || response.status == 304 {
            return Ok(Vec::new());
        }
        if response.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            let mut body = Vec::new();
            while let Some(chunk) = self.chunk().await? {
                body.extend_from_slice(&chunk);
            }
            return Ok(body);
        }
        if let Some(length) = response.header("content-length") {
            let length = length.parse().expect("a Content-Length is a number");
            return self.exactly(length).await;
        }
        self.rest().await
    }

    /// The next chunk of a chunked body; `None` after the last one.
    pub async fn chunk(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let line = self.line().await?;
        let size = usize::from_str_radix(line.split(';').next().unwrap().trim(), 16).expect("a chunk size");
        if size == 0 {
            while !self.line().await?.is_empty() {}
            return Ok(None);
        }
        let chunk = self.exactly(size).await?;
        assert_eq!(self.exactly(2).await?, b"\r\n");
        Ok(Some(chunk))
    }

    async fn line(&mut self) -> std::io::Result<String> {
        loop {
            if let Some(end) = find(&self.unread, b"\r\n") {
                let line: Vec<u8> = self.unread.drain(..end + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            self.fill().await?;
        }
    }

    /// Exactly so many bytes.
    pub async fn exactly(&mut self, length: usize) -> std::io::Result<Vec<u8>> {
        while self.unread.len() < length {
            self.fill().await?;
        }
        Ok(self.unread.drain(..length).collect())
    }

    /// Everything until the gateway closes.
    pub async fn rest(&mut self) -> std::io::Result<Vec<u8>> {
        loop {
            match self.fill().await {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                    return Ok(std::mem::take(&mut self.unread));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Fails unless the gateway ends this connection within the deadline; returns what it sent before.
    pub async fn expect_close(&mut self, deadline: Duration) -> Vec<u8> {
        let read = tokio::time::timeout(deadline, async {
            // Zero bytes are the end; a reset is one, too.
            while self.wire.read_buf(&mut self.unread).await.is_ok_and(|read| read > 0) {}
        });
        assert!(read.await.is_ok(), "the gateway keeps the connection open after {deadline:?}");
        std::mem::take(&mut self.unread)
    }

    async fn fill(&mut self) -> std::io::Result<()> {
        self.unread.reserve(READ_BYTES);
        let read = within("an answer from the gateway", self.wire.read_buf(&mut self.unread)).await?;
        if read == 0 {
            return Err(std::io::Error::new(
                std::io::ErrorKind::UnexpectedEof,
                format!("the gateway closed; unread: {:?}", String::from_utf8_lossy(&self.unread)),
            ));
        }
        Ok(())
    }
}

/// A TLS connection; `name` is both the SNI and the name that is verified.
pub async fn tls(
    address: SocketAddr,
    name: &str,
    config: Arc<ClientConfig>,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let wire = within("connect to the gateway", TcpStream::connect(address)).await?;
    wire.set_nodelay(true)?;
    let name = ServerName::try_from(name.to_owned()).expect("a server name");
    within("a TLS handshake with the gateway", TlsConnector::from(config).connect(name, wire)).await
}

/// Where `needle` begins in `haystack`.
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn parse_head(head: &[u8]) -> Response {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let status_line = lines.next().unwrap();
    let status = status_line
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("a status line expected, got {status_line:?}"));
    let headers = lines
        .filter(|line| !line.is_empty())
        .map(|line| line.split_once(':').unwrap_or_else(|| panic!("a field line expected, got {line:?}")))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    Response { status, headers, body: Vec::new() }
}
