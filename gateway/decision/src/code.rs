//! The stable codes of refusals, and the one table that maps each to its HTTP status and verdict.
//!
//! Outside tools match on [`Code::as_str`]; it appears in problem bodies, events and metrics and does not change between
//! releases. Statuses follow RFC 9110 section 15.5 and 15.6, and RFC 6585 for 429 and 431.

use rampart_record::Verdict;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $status:literal, $verdict:ident, $title:literal;)+) => {
        /// Why a request was not forwarded, or why its answer could not be had.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $($(#[$doc])* $variant,)+ }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Code] = &[$(Code::$variant),+];

            /// The stable name that outside tools match on.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $text,)+ }
            }

            /// The HTTP status that answers it.
            pub const fn status(self) -> u16 {
                match self { $(Code::$variant => $status,)+ }
            }

            /// The verdict that events and metrics give it.
            pub const fn verdict(self) -> Verdict {
                match self { $(Code::$variant => Verdict::$verdict,)+ }
            }

            /// The `title` of the problem document (RFC 9457 section 3.1.3): the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Code::$variant => $title,)+ }
            }
        }
    };
}

codes! {
    /// A rule or the anomaly score refused the payload.
    PayloadBlocked = "payload_blocked", 400, Block, "Request blocked";
    /// A rule refused the response: what it holds must not leave.
    ResponseBlocked = "response_blocked", 403, Block, "Response blocked";
    /// A content limit of the profile is exceeded: depth, string or array length, counts.
    ContentLimit = "content_limit", 400, Block, "Request blocked";
    /// The message can be read in more than one way, or not at all.
    MalformedContent = "malformed_content", 400, Refused, "Malformed request content";
    /// The path holds what no route allows: encoded slashes, NUL, double encoding (see `message::uri`).
    PathRefused = "path_refused", 400, Refused, "Path refused";
    /// The Host header or authority is missing, repeated or not a host.
    HostInvalid = "host_invalid", 400, Refused, "Invalid host";
    /// The framing is ambiguous: Transfer-Encoding with Content-Length, two lengths (RFC 9112 section 6.3).
    FramingInvalid = "framing_invalid", 400, Refused, "Invalid message framing";
    /// The body ended before its declared length.
    BodyIncomplete = "body_incomplete", 400, Refused, "Request body incomplete";
    /// An Upgrade on a route that does not take one.
    UpgradeRefused = "upgrade_refused", 400, Refused, "Upgrade refused";
    /// A query parameter is not what the route takes.
    QueryRefused = "query_refused", 400, Refused, "Query refused";
    /// The route asks who is calling, and the request does not say.
    IdentityMissing = "identity_missing", 401, Refused, "Authentication required";
    /// What the request shows of its identity does not hold: form, signature, issuer, audience.
    IdentityInvalid = "identity_invalid", 401, Refused, "Authentication failed";
    /// What the request shows of its identity may have been genuine: its time is over or has not begun, or its key is not
    /// one (any more).
    IdentityExpired = "identity_expired", 401, Refused, "Authentication expired";
    /// The caller is known, and may not do this: a scope or a claim is missing.
    IdentityForbidden = "identity_forbidden", 403, Refused, "Forbidden";
    /// The origin may not call this route from a browser.
    CorsRefused = "cors_refused", 403, Refused, "Origin refused";
    /// The client's address is banned for a time.
    Banned = "banned", 403, Refused, "Forbidden";
    /// No route matches host, path and conditions.
    RouteNotFound = "route_not_found", 404, Refused, "Not found";
    /// A route matches, but not for this method; the answer carries Allow.
    MethodNotAllowed = "method_not_allowed", 405, Refused, "Method not allowed";
    /// The body did not arrive within its deadline.
    BodyTimeout = "body_timeout", 408, Refused, "Request timeout";
    /// The body is larger than the route takes.
    BodyTooLarge = "body_too_large", 413, Refused, "Content too large";
    /// The request target is longer than the profile takes.
    UriTooLong = "uri_too_long", 414, Refused, "URI too long";
    /// The content coding, or a charset, cannot be decoded and so not be inspected.
    ContentEncodingUnsupported = "content_encoding_unsupported", 415, Refused, "Unsupported content encoding";
    /// An expectation other than `100-continue` (RFC 9110 section 10.1.1).
    ExpectationFailed = "expectation_failed", 417, Refused, "Expectation failed";
    /// A quota of the route is spent (RFC 6585 section 4).
    RateLimited = "rate_limited", 429, Limited, "Too many requests";
    /// Header fields are too many or too large.
    HeadersTooLarge = "headers_too_large", 431, Refused, "Request header fields too large";
    /// The budget of buffered bytes is spent; try again.
    BufferExhausted = "buffer_exhausted", 503, Error, "Service unavailable";
    /// A quota cannot be counted, and is configured to refuse then.
    LimitUnavailable = "limit_unavailable", 503, Error, "Service unavailable";
    /// The keys that would prove the caller's identity cannot be had.
    IdentityUnavailable = "identity_unavailable", 503, Error, "Service unavailable";
    /// The upstream has as many requests as it may have at a time.
    Overloaded = "overloaded", 503, Error, "Service unavailable";
    /// No address of the upstream can take the request.
    UpstreamUnavailable = "upstream_unavailable", 503, Error, "Service unavailable";
    /// Connecting to the upstream failed: refused, unreachable, reset before a response.
    UpstreamConnect = "upstream_connect", 502, Error, "Bad gateway";
    /// The upstream's certificate did not verify, or TLS failed otherwise.
    UpstreamTls = "upstream_tls", 502, Error, "Bad gateway";
    /// The upstream closed, reset or spoke no HTTP before its response was complete.
    UpstreamProtocol = "upstream_protocol", 502, Error, "Bad gateway";
    /// The upstream did not answer within its deadline.
    UpstreamTimeout = "upstream_timeout", 504, Error, "Gateway timeout";
    /// The gateway itself failed; the log has the reason.
    Internal = "internal", 503, Error, "Service unavailable";
}
