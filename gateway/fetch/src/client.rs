//! The client.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, HOST, HeaderMap, HeaderValue, LOCATION, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::authorities;
use crate::error::FetchError;
use crate::target::Target;

/// Redirects that are followed at most.
pub const MAX_REDIRECTS: usize = 3;

/// Addresses of a name that are tried at most.
const MAX_ADDRESSES: usize = 4;
/// Time for one of them, so that a silent one leaves time for the next.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
/// The longest header of a response, in bytes, and its lines at most.
const MAX_HEADER_BYTES: usize = 32 * 1_024;
const MAX_HEADER_LINES: usize = 100;

/// How the client connects.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Certificate authorities to trust instead of the system's, in PEM.
    pub authorities: Option<Vec<u8>>,
    /// Whether `http://` is allowed.
    pub plain_http: bool,
}

/// The client. Clones share its settings.
#[derive(Debug, Clone)]
pub struct Client {
    /// `None` where only plain HTTP is spoken.
    tls: Option<Arc<ClientConfig>>,
    plain_http: bool,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// Its status. That it is a good one is for the caller to say.
    pub status: StatusCode,
    /// Its header.
    pub headers: HeaderMap,
    /// Its body, complete and no longer than was allowed.
    pub body: Bytes,
}

// === impl Client ===

impl Client {
    /// A client with these options. Reads the system's certificate authorities, unless others are given or, where
    /// plain HTTP is allowed, there are none.
    pub fn new(options: &Options) -> Result<Self, FetchError> {
        let tls = match authorities::tls(options.authorities.as_deref()) {
            Ok(tls) => Some(tls),
            Err(FetchError::NoAuthorities) if options.plain_http => None,
            Err(error) => return Err(error),
        };
        Ok(Self { tls, plain_http: options.plain_http })
    }

    /// Fetches `url`: a body of `limit_bytes` at most, within `deadline` from beginning to end, redirects included.
    /// Has to run on a tokio runtime.
    pub async fn get(&self, url: &str, limit_bytes: usize, deadline: Duration) -> Result<Response, FetchError> {
        let target = Target::parse(url)?;
        let host = target.host.clone();
        timeout(deadline, self.follow(target, limit_bytes))
            .await
            .unwrap_or(Err(FetchError::Deadline { host, deadline }))
    }

    async fn follow(&self, mut target: Target, limit_bytes: usize) -> Result<Response, FetchError> {
        for _ in 0..=MAX_REDIRECTS {
            let response = self.ask(&target, limit_bytes).await?;
            if !is_redirect(response.status) {
                return Ok(response);
            }
            let location = response.headers.get(LOCATION).and_then(|value| value.to_str().ok());
            let elsewhere = || FetchError::Redirect { host: target.host.clone() };
            target = location.and_then(|location| target.redirected(location)).ok_or_else(elsewhere)?;
        }
        Err(FetchError::Redirect { host: target.host })
    }

    async fn ask(&self, target: &Target, limit_bytes: usize) -> Result<Response, FetchError> {
        if !target.secure {
            if !self.plain_http {
                return Err(FetchError::PlainHttp { host: target.host.clone() });
            }
            return exchange(connect(target).await?, target, limit_bytes).await;
        }
        let tls = self.tls.clone().ok_or(FetchError::NoAuthorities)?;
        let name = ServerName::try_from(target.host.clone()).map_err(|_| FetchError::Address)?;
        let stream = connect(target).await?;
        let secured = TlsConnector::from(tls).connect(name, stream).await;
        let secured = secured.map_err(|source| FetchError::Tls { host: target.host.clone(), source })?;
        exchange(secured, target, limit_bytes).await
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// A connection to the first address that takes one.
async fn connect(target: &Target) -> Result<TcpStream, FetchError> {
    let host = || target.host.clone();
    let addresses = lookup_host((target.host.as_str(), target.port)).await;
    let addresses = addresses.map_err(|source| FetchError::Name { host: host(), source })?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses.take(MAX_ADDRESSES) {
        match timeout(CONNECT_DEADLINE, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(FetchError::Connect { host: host(), source: last })
}

/// What drives a connection; it ends with whoever waits for the answer.
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One request and its response on a connection of their own.
async fn exchange<S>(stream: S, target: &Target, limit_bytes: usize) -> Result<Response, FetchError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let protocol = |source| FetchError::Protocol { host: target.host.clone(), source };
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_HEADER_BYTES).max_headers(MAX_HEADER_LINES);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(protocol)?;
    let _driver = Driver(tokio::spawn(connection).abort_handle());
    let response = sender.send_request(request(target)?).await.map_err(protocol)?;
    let (head, body) = response.into_parts();
    if head.headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(FetchError::Encoding { host: target.host.clone() });
    }
    let body = collect(body, target, limit_bytes).await?;
    Ok(Response { status: head.status, headers: head.headers, body })
}

fn request(target: &Target) -> Result<Request<Empty<Bytes>>, FetchError> {
    const AGENT: HeaderValue = HeaderValue::from_static(concat!("rampart/", env!("CARGO_PKG_VERSION")));
    let request = Request::get(&target.path)
        .header(HOST, &target.authority)
        .header(USER_AGENT, AGENT)
        .header(ACCEPT_ENCODING, "identity")
        .header(CONNECTION, "close");
    request.body(Empty::new()).map_err(|_| FetchError::Address)
}

/// The whole body. One that says beforehand that it is too long is not read.
async fn collect(mut body: Incoming, target: &Target, limit_bytes: usize) -> Result<Bytes, FetchError> {
    let too_large = || FetchError::TooLarge { host: target.host.clone(), limit_bytes };
    let fits = |bytes: u64| usize::try_from(bytes).is_ok_and(|bytes| bytes <= limit_bytes);
    if !fits(body.size_hint().lower()) {
        return Err(too_large());
    }
    let mut collected = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|source| FetchError::Protocol { host: target.host.clone(), source })?;
        let Ok(piece) = frame.into_data() else { continue };
        if collected.len().saturating_add(piece.len()) > limit_bytes {
            return Err(too_large());
        }
        collected.extend_from_slice(&piece);
    }
    Ok(collected.freeze())
}

#[cfg(test)]
mod tests;
