//! A health probe: one GET to one endpoint, on the way that requests take.
//!
//! It goes through Pingora's connector with the very peer that a request gets (`upstream.rs`): the same TLS settings, the same
//! version of HTTP. What a probe finds is so what a request would find. Over HTTP/1 every probe makes a connection of its own,
//! because that an idle one still stands says little about who would answer; over HTTP/2 one connection is kept.
//!
//! Who is asked when, and what follows from the answer, is said elsewhere (`server`, `upstream`).

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use http::{Uri, Version};
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::protocols::http::client::HttpSession;
use pingora::upstreams::peer::{HttpPeer, Peer};
use rampart_upstream::{Endpoint, HealthCheck, Scheme, Upstream};

use crate::authorities::Authorities;
use crate::upstream::peer_to;

/// Of an answer's body so many bytes are read, so that the upstream can end it in peace.
const BODY_BYTES: usize = 64 * 1024;
/// Fields of a probe.
const FIELDS: usize = 4;

/// Asks endpoints how they are.
pub struct Prober {
    connector: Connector,
    authorities: Authorities,
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProbeFault {
    /// None within the deadline.
    #[error("no answer within {} ms", .0.as_millis())]
    Deadline(Duration),
    /// The connection could not be made, or broke.
    #[error("{}", .0.etype().as_str())]
    Broken(Box<pingora::Error>),
    /// The upstream's `ca_file` cannot be used.
    #[error("ca_file: {0}")]
    Authorities(String),
}

impl From<Box<pingora::Error>> for ProbeFault {
    fn from(error: Box<pingora::Error>) -> Self {
        Self::Broken(error)
    }
}

impl Default for Prober {
    fn default() -> Self {
        Self { connector: Connector::new(None), authorities: Authorities::default() }
    }
}

impl Prober {
    /// The status with which `endpoint` answers `check`, within the check's deadline. `digest` is that of the snapshot which
    /// `upstream` belongs to: certificate authorities are read once for each.
    pub async fn ask(
        &self,
        digest: &str,
        upstream: &Upstream,
        check: &HealthCheck,
        endpoint: &Endpoint,
    ) -> Result<u16, ProbeFault> {
        let mut peer = peer_to(&self.authorities, digest, upstream, endpoint).map_err(ProbeFault::Authorities)?;
        peer.options.connection_timeout = Some(check.deadline);
        peer.options.total_connection_timeout = Some(check.deadline);
        let answer = tokio::time::timeout(check.deadline, self.exchange(&peer, check, endpoint));
        answer.await.unwrap_or(Err(ProbeFault::Deadline(check.deadline)))
    }

    async fn exchange(&self, peer: &HttpPeer, check: &HealthCheck, endpoint: &Endpoint) -> Result<u16, ProbeFault> {
        let (mut session, _) = self.connector.get_http_session(peer).await?;
        let request = question(check, endpoint, session.as_http2().is_some())?;
        session.write_request_header(Box::new(request)).await?;
        session.finish_request_body().await?;
        session.read_response_header().await?;
        let status = session.response_header().map_or(0, |header| header.status.as_u16());
        drain(&mut session).await;
        if session.as_http2().is_some() {
            self.connector.release_http_session(session, peer, peer.idle_timeout()).await;
        }
        Ok(status)
    }
}

fn question(check: &HealthCheck, endpoint: &Endpoint, http2: bool) -> pingora::Result<RequestHeader> {
    let address = endpoint.address();
    let host = check.host.as_deref().unwrap_or_else(|| address.host_header());
    let mut request = RequestHeader::build("GET", check.path.as_bytes(), Some(FIELDS))?;
    if http2 {
        let scheme = if address.scheme() == Scheme::Https { "https" } else { "http" };
        let uri = Uri::builder().scheme(scheme).authority(host).path_and_query(&*check.path).build();
        request.set_uri(uri.map_err(|error| {
            pingora::Error::because(pingora::ErrorType::InvalidHTTPHeader, "the target of a probe", error)
        })?);
        request.set_version(Version::HTTP_2);
    } else {
        request.insert_header(HOST, host)?;
        request.insert_header(CONNECTION, "close")?;
    }
    request.insert_header(USER_AGENT, "rampart-probe")?;
    request.insert_header(ACCEPT, "*/*")?;
    Ok(request)
}

/// What the body says does not matter, nor whether it ends well: the status is the answer.
async fn drain(session: &mut HttpSession) {
    let mut left = BODY_BYTES;
    while let Ok(Some(piece)) = session.read_response_body().await {
        left = left.saturating_sub(Bytes::len(&piece));
        if left == 0 {
            return;
        }
    }
}
