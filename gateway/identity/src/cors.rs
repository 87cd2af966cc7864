//! Which pages of other origins may read what this gateway answers: CORS, as the Fetch standard section 3.2 has it.
//!
//! A browser asks first (the preflight, answered here: the upstream never sees it) or looks at the answer's fields. What
//! it is told is made from the configuration: an origin is named in the answer only if it is configured, never because
//! the request named it, and `*` never goes with credentials. The upstream's own fields of this kind are taken out
//! ([`OWN_FIELDS`]), so that there is one policy and not two.
//!
//! CORS protects users, not the gateway: a program that is no browser sends whatever `Origin` it likes. Requests of
//! origins that are not configured pass without the fields, and the browser keeps the answer from the page;
//! `enforce = true` refuses them instead, which stops those that have an effect before they have it.
//!
//! Never here: who the caller is. A preflight carries no credentials (Fetch section 3.2.2), so it goes before identity.

mod compile;
mod origin;
mod raw;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, VARY,
};
use http::{HeaderName, HeaderValue};
use rampart_message::Headers;

use self::origin::Origins;

pub use raw::RawCors;

const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// The fields of a response that this policy speaks for: the upstream's are removed where a route has one.
pub const OWN_FIELDS: [HeaderName; 7] = [
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
    ALLOW_PRIVATE_NETWORK,
];

/// The policy of a `[cors.NAME]`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    origins: Origins,
    /// `Access-Control-Allow-Methods`; none where the preflight asks for none that needs leave.
    methods: Option<HeaderValue>,
    /// `Access-Control-Allow-Headers`.
    headers: Option<HeaderValue>,
    /// `Access-Control-Expose-Headers`.
    expose: Option<HeaderValue>,
    credentials: bool,
    /// `Access-Control-Max-Age`, in seconds.
    max_age: HeaderValue,
    private_network: bool,
    enforce: bool,
}

/// The answer to a preflight. It has no body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreflightAnswer {
    /// 204, or 403 where the origin may not ask.
    pub status: u16,
    /// The fields of the answer, `Vary` among them.
    pub fields: Vec<(HeaderName, HeaderValue)>,
    /// Why it is refused.
    pub refused: Option<&'static str>,
}

/// The method for which a preflight asks: such a request is routed as if it had that method. None where the request
/// is no preflight: `OPTIONS` with one `Origin` and one `Access-Control-Request-Method` (Fetch section 4.8).
pub fn preflight_method<'h>(method: &[u8], headers: &Headers<'h>) -> Option<&'h [u8]> {
    if method != b"OPTIONS" || headers.get("origin").is_none() {
        return None;
    }
    headers.get("access-control-request-method")
}

// === impl Cors ===

impl Cors {
    /// The answer, where the request is a preflight.
    ///
    /// A method or header that is not allowed is no refusal: the answer lists those that are, and the browser tells
    /// its developer which one is missing.
    pub fn preflight(&self, method: &[u8], headers: &Headers<'_>) -> Option<PreflightAnswer> {
        preflight_method(method, headers)?;
        let Some(allowed) = self.allowed(headers) else {
            return Some(refused("the origin is not allowed"));
        };
        let private = headers.get("access-control-request-private-network").is_some();
        if private && !self.private_network {
            return Some(refused("pages of a public network may not ask"));
        }
        let mut fields = vec![(VARY, preflight_vary()), (ACCESS_CONTROL_ALLOW_ORIGIN, allowed)];
        if self.credentials {
            fields.push((ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")));
        }
        let optional = [(ACCESS_CONTROL_ALLOW_METHODS, &self.methods), (ACCESS_CONTROL_ALLOW_HEADERS, &self.headers)];
        fields.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        fields.push((ACCESS_CONTROL_MAX_AGE, self.max_age.clone()));
        if private {
            fields.push((ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true")));
        }
        Some(PreflightAnswer { status: 204, fields, refused: None })
    }

    /// The fields of the answer to a request that is no preflight. `Vary` is added to those that are there; the others
    /// replace what the upstream said.
    pub fn fields(&self, headers: &Headers<'_>) -> Vec<(HeaderName, HeaderValue)> {
        // Also where nothing is allowed: a cache must not give this answer to a page of another origin.
        let mut fields = vec![(VARY, HeaderValue::from_static("Origin"))];
        let Some(allowed) = self.allowed(headers) else { return fields };
        fields.push((ACCESS_CONTROL_ALLOW_ORIGIN, allowed));
        if self.credentials {
            fields.push((ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")));
        }
        fields.extend(self.expose.clone().map(|expose| (ACCESS_CONTROL_EXPOSE_HEADERS, expose)));
        fields
    }

    /// Whether a request that is no preflight is refused: `enforce` is set, and it has an `Origin` that is neither
    /// allowed nor the origin of `host` itself. `host` is what the request is for, with its port if any. The scheme is
    /// not compared: who ended TLS in front of the gateway knows it, the gateway does not.
    pub fn refuses(&self, headers: &Headers<'_>, host: &[u8]) -> bool {
        let mut origins = headers.get_all("origin").peekable();
        if !self.enforce || origins.peek().is_none() || self.allowed(headers).is_some() {
            return false;
        }
        let own = |origin: &[u8]| {
            let authority = origin.strip_prefix(b"https://").or_else(|| origin.strip_prefix(b"http://"));
            authority.is_some_and(|authority| !host.is_empty() && authority.eq_ignore_ascii_case(host))
        };
        !origins.all(own)
    }

    /// `Access-Control-Allow-Origin` for this request, if its origin is allowed. Two `Origin` fields name nobody.
    fn allowed(&self, headers: &Headers<'_>) -> Option<HeaderValue> {
        let mut origins = headers.get_all("origin");
        let origin = origins.next().filter(|_| origins.next().is_none())?;
        self.origins.allowed(origin)
    }
}

fn preflight_vary() -> HeaderValue {
    HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
}

fn refused(why: &'static str) -> PreflightAnswer {
    PreflightAnswer { status: 403, fields: vec![(VARY, preflight_vary())], refused: Some(why) }
}

#[cfg(test)]
mod tests;
