//! Who is asking. This floor decides, from what the transport and the header say, which address a request is charged
//! to, who the caller proved to be, whether a route lets it in, under which id it is logged and to which trace it belongs.
//!
//! One question, one module:
//!
//! - [`client`]: the client's address, read from hop headers only as far as [`trusted`] proxies vouch for it;
//! - [`proxy_protocol`] and [`entrance`]: what a balancer in front tells of the connection that it relays;
//! - [`access`]: what a route asks of its callers, which credential of a request counts, what the upstream is told;
//! - [`issuer`], [`issuers`], [`jwt`], [`jwks`]: tokens, who signs them, and with which keys;
//! - [`api_key`]: keys that are made here and known by their digests;
//! - [`principal`] and [`reason`]: who the caller proved to be, or why it did not; [`sign_in`]: whether that is news;
//! - [`cors`]: which pages of other origins may read the answers;
//! - [`request_id`]: an id of 128 bits, made here or taken over from where that is allowed;
//! - [`trace`]: W3C trace context, passed on when well formed.
//!
//! All of it is a pure function of its arguments, clock and randomness included, but for [`issuers`], which fetches keys
//! beside the requests. A tenant or a subject comes from a credential that was verified, never from what the client says.

pub mod access;
pub mod api_key;
pub mod client;
pub mod cors;
mod digest;
pub mod entrance;
pub mod hop;
pub mod issuer;
pub mod issuers;
pub mod jwks;
pub mod jwt;
pub mod principal;
pub mod proxy_protocol;
pub mod reason;
pub mod request_id;
pub mod sign_in;
pub mod trace;
pub mod trusted;

pub use access::{Access, AccessMetrics, Checked, Denial, Known, RawAccess, Tokens};
pub use api_key::{ApiKey, ApiKeys, NewKey, RawApiKey};
pub use client::{ClientAddress, HopProblem, MAX_HOPS, Origin, client_address, client_address_forwarded};
pub use cors::{Cors, OWN_FIELDS, PreflightAnswer, RawCors, preflight_method};
pub use entrance::Entrance;
pub use issuer::{Issuer, RawIssuer, Sources, TokenPlace};
pub use issuers::{Issuers, KeysState, KeysStatus, MissingKey, Verification};
pub use principal::{MAX_NAME_BYTES, Principal, PrincipalKind};
pub use reason::Reason;
pub use request_id::{ClientRequestId, RequestId, RequestIdText, TakeOver};
pub use sign_in::SignIns;
pub use trace::{TraceContext, TraceParent};
pub use trusted::{InvalidNetwork, TrustedProxies};
