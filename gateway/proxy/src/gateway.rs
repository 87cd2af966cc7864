//! The proxy's phases, in Pingora's words. Each hands over to the file that does it; none does anything itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::protocols::Digest;
use pingora::proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, Result};
use rampart_policy::{Runtime, Snapshot};
use rampart_record::Records;
use rampart_upstream::MAX_ATTEMPTS;
use tokio::sync::Semaphore;

use crate::authorities::Authorities;
use crate::budget::BodyBudget;
use crate::context::Context;
use crate::listener::Arrival;
use crate::{Metrics, decide, failure, forward, log, outcome, response, subrequest, upstream, watch};

/// What a gateway serves from and writes to. All of it is shared with whoever reloads, reports and stops.
pub struct Parts {
    /// The configuration in force; a request keeps the one it started with.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// What survives reloads.
    pub runtime: Arc<Runtime>,
    /// Where requests are recorded.
    pub records: Arc<Records>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The budget of buffered bodies.
    pub budget: Arc<BodyBudget>,
}

/// The gateway as a Pingora proxy.
pub struct Gateway {
    pub(crate) parts: Parts,
    pub(crate) authorities: Authorities,
    /// Judgements of large bodies that may run at a time: one per processor.
    pub(crate) judging: Arc<Semaphore>,
}

// === impl Gateway ===

impl Gateway {
    /// Attempts at an upstream that a route may be configured to make for one request, the first included. How many are made
    /// is the gateway's own count; Pingora's has to be no smaller.
    pub const MAX_TRIES: usize = MAX_ATTEMPTS as usize;

    /// A gateway made of `parts`.
    pub fn new(parts: Parts) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let (authorities, judging) = (Authorities::default(), Arc::new(Semaphore::new(processors)));
        Self { parts, authorities, judging }
    }

    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.parts.metrics
    }
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::new(Arrival::current())
    }

    fn init_downstream_modules(&self, _modules: &mut HttpModules) {
        // No response compression here: Pingora's would buffer event streams.
    }

    fn allow_spawning_subrequest(&self, session: &Session, _ctx: &Context) -> bool {
        session.subrequest_ctx.is_none()
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Context) -> Result<bool> {
        if session.subrequest_ctx.is_some() {
            *ctx = subrequest::take_over(session)?;
            return Ok(false);
        }
        decide::request(self, session, ctx).await
    }

    async fn proxy_upstream_filter(&self, session: &mut Session, ctx: &mut Context) -> Result<bool> {
        upstream::enter(self, session, ctx).await
    }

    async fn upstream_peer(&self, session: &mut Session, ctx: &mut Context) -> Result<Box<HttpPeer>> {
        upstream::peer(self, session, ctx).await
    }

    fn fail_to_connect(
        &self,
        session: &mut Session,
        _peer: &HttpPeer,
        ctx: &mut Context,
        error: Box<Error>,
    ) -> Box<Error> {
        outcome::not_connected(self, session, ctx, error)
    }

    async fn connected_to_upstream(
        &self,
        _session: &mut Session,
        reused: bool,
        _peer: &HttpPeer,
        _fd: std::os::fd::RawFd,
        _digest: Option<&Digest>,
        ctx: &mut Context,
    ) -> Result<()> {
        outcome::connected(ctx, reused);
        Ok(())
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        ctx.body.filled = false;
        ctx.upstream.sent = Some(Instant::now());
        forward::request(session, request, ctx)
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Context,
    ) -> Result<()> {
        forward::body(body, end_of_stream, ctx)
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        outcome::responded(self, session, ctx, response.status)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        header: &mut ResponseHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        watch::head(self, session, header, ctx)?;
        response::head(header, ctx)
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Context,
    ) -> Result<Option<Duration>> {
        watch::body(body, end_of_stream, ctx)?;
        Ok(None)
    }

    fn upstream_response_body_filter(
        &self,
        _session: &mut Session,
        _body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Context,
    ) -> Result<Option<Duration>> {
        outcome::received(ctx, end_of_stream)?;
        Ok(None)
    }

    async fn response_trailer_filter(
        &self,
        _session: &mut Session,
        _trailers: &mut HeaderMap,
        ctx: &mut Context,
    ) -> Result<Option<Bytes>> {
        Ok(watch::trailers(ctx))
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        ctx: &mut Context,
        reused: bool,
    ) -> Box<Error> {
        outcome::broke_off(self, session, ctx, error, reused)
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, ctx: &mut Context) -> FailToProxy {
        failure::answer(session, error, ctx).await
    }

    fn suppress_error_log(&self, _session: &Session, _ctx: &Context, _error: &Error) -> bool {
        // The access log and the security event say it, with the request's id and without its query.
        true
    }

    fn suppress_proxy_warn_log(&self, _: &Session, _: &Context, _: &Error, context: ProxyWarnLogContext) -> bool {
        // Attempts that are repeated are counted; where an upstream fails, a line for each would be a flood.
        context == ProxyWarnLogContext::UpstreamRetry
    }

    fn request_summary(&self, session: &Session, ctx: &Context) -> String {
        format!("{} request {}", session.req_header().method, ctx.request_id())
    }

    async fn logging(&self, session: &mut Session, _error: Option<&Error>, ctx: &mut Context) {
        log::request(self, session, ctx);
    }
}
