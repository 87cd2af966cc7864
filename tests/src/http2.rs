//! An HTTP/2 client over TLS with ALPN: a well-behaved one on the `h2` crate, and one that writes frames by hand.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request};
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::http1::{Response, tls};
use crate::wait::within;

/// A connection that follows the protocol.
pub struct Connection2 {
    sender: SendRequest<Bytes>,
}

impl Connection2 {
    /// Connects with ALPN `h2`. `config` must offer it.
    pub async fn open(address: SocketAddr, name: &str, config: Arc<ClientConfig>) -> Self {
        Self::over(tls(address, name, config).await.expect("a TLS connection to the gateway")).await
    }

    /// A connection over TLS that is there.
    pub async fn over(wire: TlsStream<TcpStream>) -> Self {
        assert_eq!(wire.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()), "ALPN");
        let (sender, connection) = h2::client::Builder::new()
            .initial_window_size(1 << 20)
            .initial_connection_window_size(4 << 20)
            .handshake(wire)
            .await
            .unwrap();
        tokio::spawn(connection);
        Self { sender }
    }

    /// Begins a request; the stream it returns takes the body.
    pub async fn begin(&mut self, request: Request<()>, ended: bool) -> (ResponseFuture, SendStream<Bytes>) {
        let mut sender = within("a free HTTP/2 stream", self.sender.clone().ready()).await.expect("a live connection");
        let begun = sender.send_request(request, ended).expect("the request is sent");
        self.sender = sender;
        begun
    }

    /// Sends a request with a body in frames of at most `frame` bytes and reads the answer with its trailers.
    /// With `declared` the request says its Content-Length.
    pub async fn ask(
        &mut self,
        method: &str,
        path: &str,
        content_type: &str,
        body: &Bytes,
        declared: bool,
    ) -> Result<(Response, HeaderMap), h2::Error> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("https://gateway.test{path}"))
            .header("content-type", content_type);
        if declared {
            request = request.header("content-length", body.len());
        }
        let empty = body.is_empty() && !declared;
        let (answer, mut stream) = self.begin(request.body(()).unwrap(), empty).await;
        let sending = async {
            if !empty {
                let _ = send_body(&mut stream, body.clone()).await;
            }
        };
        let (response, ()) = tokio::join!(read_response(answer), sending);
        response
    }

    /// A GET.
    pub async fn get(&mut self, path: &str) -> Result<Response, h2::Error> {
        let request = Request::builder().uri(format!("https://gateway.test{path}")).body(()).unwrap();
        let (answer, _) = self.begin(request, true).await;
        Ok(read_response(answer).await?.0)
    }
}

/// Sends all of `body` under flow control and ends the stream.
pub async fn send_body(stream: &mut SendStream<Bytes>, mut body: Bytes) -> Result<(), h2::Error> {
    while !body.is_empty() {
        stream.reserve_capacity(body.len().min(1 << 20));
        let Some(room) = within("HTTP/2 send window", std::future::poll_fn(|cx| stream.poll_capacity(cx))).await else {
            return Ok(());
        };
        let piece = body.split_to(room?.min(body.len()));
        stream.send_data(piece, false)?;
    }
    stream.send_data(Bytes::new(), true)
}

/// Reads an answer to its end.
pub async fn read_response(answer: ResponseFuture) -> Result<(Response, HeaderMap), h2::Error> {
    let answer = within("an HTTP/2 answer", answer).await?;
    let status = answer.status().as_u16();
    let headers = answer
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let mut stream = answer.into_body();
    let body = read_body(&mut stream).await?;
    let trailers = within("HTTP/2 trailers", stream.trailers()).await?.unwrap_or_default();
    Ok((Response { status, headers, body }, trailers))
}

async fn read_body(stream: &mut RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut body = Vec::new();
    while let Some(frame) = within("an HTTP/2 body", stream.data()).await {
        let frame = frame?;
        body.extend_from_slice(&frame);
        stream.flow_control().release_capacity(frame.len())?;
    }
    Ok(body)
}

/// A peer that writes its frames by hand (RFC 9113 section 4.1), for what the `h2` crate refuses to send.
pub struct FrameWriter {
    wire: TlsStream<TcpStream>,
}

/// Frame types (RFC 9113 section 6).
pub mod frame {
    /// DATA.
    pub const DATA: u8 = 0;
    /// HEADERS.
    pub const HEADERS: u8 = 1;
    /// RST_STREAM.
    pub const RST_STREAM: u8 = 3;
    /// SETTINGS.
    pub const SETTINGS: u8 = 4;
    /// PING.
    pub const PING: u8 = 6;
    /// GOAWAY.
    pub const GOAWAY: u8 = 7;
    /// CONTINUATION.
    pub const CONTINUATION: u8 = 9;
    /// Flag of HEADERS and DATA: the last frame of the stream.
    pub const END_STREAM: u8 = 1;
    /// Flag of HEADERS and CONTINUATION: the field section is complete.
    pub const END_HEADERS: u8 = 4;
}

impl FrameWriter {
    /// Connects, sends the preface and empty settings.
    pub async fn open(address: SocketAddr, name: &str, config: Arc<ClientConfig>) -> Self {
        let mut wire = tls(address, name, config).await.expect("a TLS connection to the gateway");
        wire.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        let mut writer = Self { wire };
        writer.send(frame::SETTINGS, 0, 0, b"").await.unwrap();
        writer
    }

    /// Sends one frame.
    pub async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> std::io::Result<()> {
        let mut bytes = Vec::with_capacity(9 + payload.len());
        bytes.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_be_bytes()[1..]);
        bytes.push(kind);
        bytes.push(flags);
        bytes.extend_from_slice(&stream.to_be_bytes());
        bytes.extend_from_slice(payload);
        within("send a frame", async {
            self.wire.write_all(&bytes).await?;
            self.wire.flush().await
        })
        .await
    }

    /// Reads frames until the gateway says GOAWAY or closes. True if one of the two came before the deadline.
    pub async fn ended(&mut self, deadline: std::time::Duration) -> bool {
        tokio::time::timeout(deadline, async {
            loop {
                let mut header = [0; 9];
                if self.wire.read_exact(&mut header).await.is_err() || header[3] == frame::GOAWAY {
                    return;
                }
                let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
                let mut payload = vec![0; length];
                if self.wire.read_exact(&mut payload).await.is_err() {
                    return;
                }
            }
        })
        .await
        .is_ok()
    }

    /// The field section of `GET /`, coded with the static table (RFC 7541 appendix A) and one literal.
    pub fn get_fields(path: &str) -> Vec<u8> {
        let authority = b"gateway.test";
        // :method GET, :scheme https, then :authority and :path as literals without indexing.
        let mut fields = vec![0x82, 0x87, 0x01, u8::try_from(authority.len()).unwrap()];
        fields.extend_from_slice(authority);
        fields.push(0x04);
        fields.push(u8::try_from(path.len()).expect("a short path"));
        fields.extend_from_slice(path.as_bytes());
        fields
    }
}
