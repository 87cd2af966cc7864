//! Rampart's phases around Pingora: a request comes in, is decided before anything of it leaves, and is forwarded or
//! refused.
//!
//! # Use
//!
//! The server builds one [`Gateway`] from [`Parts`], one [`Front`] around it, and one Pingora service per listener:
//!
//! ```ignore
//! let metrics = Arc::new(rampart_proxy::Metrics::default());
//! metrics.register(registry);                         // a Registry with the prefix `rampart`
//! let budget = BodyBudget::new(config.process.buffer_budget_bytes, &metrics);
//! let gateway = Gateway::new(Parts { snapshot, runtime, records, metrics, budget });
//! let front = Front::new(gateway, &server.configuration, config.process.max_connections);
//! for listener in &config.listeners {
//!     let certificates = match &listener.tls {         // keep a clone, call `reload()` on it
//!         Some(tls) => Some(Certificates::load(tls.certificates.clone())?),
//!         None => None,
//!     };
//!     server.add_service(front.service(listener, certificates.as_ref())?);
//! }
//! ```
//!
//! `ServerConf::max_retries` has to be [`Gateway::MAX_TRIES`]. A reload swaps `Parts::snapshot` (after
//! `Runtime::reconcile`), may call [`BodyBudget::set_limit`] and [`Certificates::reload`]; nothing else is to be told.
//! [`Connections::open`] of [`Front::connections`] shows when a drain is done.
//!
//! # A request's way
//!
//! | file | phase | what happens |
//! |---|---|---|
//! | `listener/` | accept | connection cap, TLS handshake and head deadlines, HTTP/2 limits |
//! | `head.rs` | `request_filter` | client address, request id, pinned snapshot, framing, admission |
//! | `body.rs` | `request_filter` | the body, bounded in bytes and time, before any upstream contact |
//! | `decide.rs` | `request_filter` | judgement of head and body |
//! | `subrequest.rs` | `request_filter` | the second pass that some requests need |
//! | `upstream.rs` | `proxy_upstream_filter`, `upstream_peer` | a place among the upstream's requests, endpoint, TLS, protocol, deadlines |
//! | `forward.rs` | `upstream_request_filter` | target, forwarding fields, framing |
//! | `outcome.rs` | `fail_to_connect`, `upstream_response_filter`, `error_while_proxy` | how an attempt ended, as the pool is told |
//! | `retry.rs` | the same | whether another attempt follows, where and when |
//! | `watch.rs` | `response_filter`, `response_body_filter` | judgement of the response |
//! | `held.rs` | `request_filter` | holds a response back until its body was judged |
//! | `response.rs` | `response_filter` | single-connection fields, request id, route's edits |
//! | `failure.rs` | `fail_to_proxy` | what went wrong upstream, as a refusal |
//! | `refusal.rs` | | the one place that answers a refusal |
//! | `log.rs` | `logging` | metrics, access log, security event |
//!
//! # What was tried with Pingora 0.9.1
//!
//! With bodies of 0, 1, 65,535, 65,536, 65,537, 131,073, 1 Mi and 10 Mi bytes, from HTTP/1 clients (`Content-Length` and
//! chunked) and HTTP/2 clients (with and without a length), to HTTP/1 and HTTP/2 upstreams:
//!
//! - Every allowed body arrived intact (compared by hash) by the carriages of `body.rs`; of refused ones the upstream saw no
//!   connection. Keep-alive survived, over HTTP/2 also after refusals with unread bodies.
//! - A subrequest of an HTTP/2 request never answers unless its head is made HTTP/1.1 first (`subrequest.rs`).
//! - An HTTP/2 body that ends with an empty DATA frame is ended twice towards a chunked HTTP/1 upstream, which desynchronises
//!   the connection, unless the body filter takes the empty piece away (`forward.rs`).
//! - `set_pipelining_enabled(true)` breaks the framing of the next request after some chunked bodies: it stays off
//!   (`listener/app.rs`).
//! - A subrequest that runs in a task of its own costs a third of the upstream's connections under quick clients ("failed to
//!   acquire reusable stream": the pool hands out what another worker has not let go of): it runs in its request's task.
//! - Holding a small response back costs 3 to 5 us of processor time in a release build (25 to 30 us without).
//! - After an error of `upstream_peer` or of an attempt the client's connection is closed, whatever `fail_to_proxy` says of its
//!   reuse: the answer has to say `Connection: close`. Refused from `proxy_upstream_filter`, it can go on.
//! - A subrequest's head is the bytes of the first, as they were received over HTTP/1: what it is to declare is changed in its
//!   own `request_filter`, before its body reader looks (`subrequest.rs`).
//! - `request_filter` that returns `true` ends the response as if it were whole: one that broke off has to be an error.
//! - Errors of `response_trailer_filter` are dropped, and a body that trailers end has no last piece (`watch.rs`).
//! - After the first request an idle HTTP/1 connection has no deadline (`respect_keepalive` sets it to infinite): the IO
//!   object has one (`listener/io.rs`).
//!
//! # Open or closed
//!
//! What happens where a bound is met or a part fails:
//!
//! | where | bound (unit) | choice |
//! |---|---|---|
//! | open connections | listener's and process's `max_connections` (connections) | closed: new ones are shut at once |
//! | PROXY header: none, malformed, late, or of a peer that is no trusted proxy | 536 bytes, `header_deadline` (time) | closed: connection ends |
//! | PROXY header that announces nobody | | the balancer's address counts, hop fields do not |
//! | query parameter that a route does not take, or that has two readings | 64 parameters declared | closed: 400 `query_refused`, in mode `detect` too |
//! | banned address | 100,000 addresses | closed: 403; a full table gives up the one of a few that ends first |
//! | quota spent | the quota's `limit` (units) | closed: 429; in mode `shadow` open |
//! | quota that Redis cannot count | `[redis]` `command_deadline` (time) | the quota's word: `local` counts this gateway's share, `allow` is open, `deny` is 503 |
//! | memory for the keys of quotas | `[limits]` `memory` (bytes) | the quota's word: `deny` is 429, `shared` one bucket for all new keys |
//! | corrections of shared counts, offences that wait for Redis | a queue each (entries) | what was taken stays taken; offences count on this gateway alone; counted |
//! | credential that does not hold, or two of them | | closed: 401, where a credential is optional, too |
//! | scope or claim that is missing | | closed: 403 |
//! | an issuer's keys: unknown to the gateway, or older than `stale` | a fetch each `cooldown` (time) | closed: 401 or 503; younger ones hold |
//! | preflight, or origin on a route with `enforce`, that CORS does not allow | | closed: 403; without `enforce` the answer gives no leave to read it |
//! | TLS handshake, request head, idling | `handshake_deadline`, `header_deadline`, `idle` (time) | closed: connection ends |
//! | HTTP/2 streams | `http2.streams`, twice that still running after resets (requests) | closed: stream is reset |
//! | body size | route's limit (bytes) | closed: 413, before reading where the length is declared |
//! | body time | route's or listener's `body_deadline` (time) | closed: 408 |
//! | buffered bodies | `buffer_budget` (bytes) | closed: 503 with Retry-After |
//! | body that cannot be decoded or parsed | profile's limits | as the profile says; by default closed: 400, 413 or 415 |
//! | body in mode `stream`, or beyond a `prefix` | | open: not inspected, by configuration |
//! | WebSocket on a route without `websocket` | | closed: 400 |
//! | response body to inspect | profile's limit (bytes) | the profile's word: by default what fits is judged and the rest passes |
//! | response that is withheld until it was judged | `buffer_budget` (bytes) | closed: 503; in mode `detect` open: it passes unjudged |
//! | response body that cannot be decoded | | what can be read is judged; `SecResponseBodyLimitAction Reject` refuses it |
//! | response of a request whose body streams | | half: its head is judged; its body passes as it comes, and is cut off where it is refused |
//! | upstream unknown, unresolved, all tried, all unwell | `resilience`'s attempts (connections) | closed: 502, 503 or 504 |
//! | upstream has as many requests as it may have | `shedding`'s `max_in_flight`, `max_waiting` (requests), `wait` (time) | closed: 503 with Retry-After |
//! | retries of an upstream | `resilience`'s `budget` (requests) | closed: the failure stands |
//! | upstream certificate, unreadable `ca_file` | | closed: 502 |
//! | upstream certificate with `verify = false` | | open, by configuration |
//! | inspection of one exchange | profile's `work` (bytes read), matches and variables kept (their number) | closed: 400 `content_limit` |
//! | a SecLang pattern that back-tracks | steps for each value | open: no match, counted (`rampart_inspection_backtracking_gave_up_total`) |
//! | files that do not compile | | at the start closed; at a reload the snapshot before it serves, and `/ready` and metrics say so |
//! | a reply of Redis that nests without end | the store threads' stack (256 MiB: some 900,000 levels) | open: beyond it the process aborts; only who poses as Redis can do that, so use TLS (`rediss://`) off loopback |
//! | a judgement that fails (a panic in inspection) | | closed: 503 `internal`, or the connection ends |
//! | a record that cannot be written | the record writers' bounds | open: the request goes on, the loss is counted |
//! | routes beyond [`metrics::MAX_ROUTES`] | (names) | open: counted under `other` |
//! | Pingora fails inside | | closed: 503 `internal` |

mod authorities;
mod body;
mod budget;
mod clock;
mod context;
mod decide;
mod entry;
mod failure;
mod forward;
mod gateway;
mod head;
mod held;
mod listener;
mod log;
pub mod metrics;
mod outcome;
mod probe;
mod refusal;
mod response;
mod retry;
mod subrequest;
mod upstream;
mod watch;
mod workspace;

pub use budget::BodyBudget;
pub use clock::steady;
pub use context::Context;
pub use gateway::{Gateway, Parts};
pub use listener::{CertificateError, Certificates, Connections, Front, ListenerApp};
pub use metrics::Metrics;
pub use probe::{ProbeFault, Prober};
