//! The bearer token of the admin endpoints (RFC 6750), compared in constant time.
//!
//! A wrong one is answered after a pause, so that over the few connections of this listener guessing leads nowhere; an
//! attempt to change something without the token is recorded.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rampart_record::{AdminAction, Clock, Outcome, SystemClock};

use super::{Endpoints, answer};

/// Pause before a wrong token is answered.
const WRONG_TOKEN_PAUSE: Duration = Duration::from_millis(250);

/// Lets a request with the token through.
pub(super) async fn require_token(State(endpoints): State<Endpoints>, request: Request, next: Next) -> Response {
    if token_of(request.headers()).is_some_and(|given| is_right(&endpoints, given)) {
        return next.run(request).await;
    }
    if !request.method().is_safe() {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        endpoints.shared.records.action(AdminAction {
            time: SystemClock.now(),
            actor: "unknown".into(),
            client: peer.map(|ConnectInfo(peer)| peer.ip()),
            action: "unauthorized".into(),
            target: Some(request.uri().path().to_owned()),
            outcome: Outcome::Refused,
            detail: None,
        });
    }
    tokio::time::sleep(WRONG_TOKEN_PAUSE).await;
    let detail = "send the admin token: Authorization: Bearer TOKEN";
    let mut response = answer::problem(StatusCode::UNAUTHORIZED, "unauthorized", detail);
    let challenge = HeaderValue::from_static("Bearer realm=\"rampart admin\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

/// Whether this is the token of the configuration in force; where that has none, nothing is right.
fn is_right(endpoints: &Endpoints, given: &[u8]) -> bool {
    let snapshot = endpoints.shared.snapshot.load();
    let admin = snapshot.config.admin.as_ref();
    admin.and_then(|admin| admin.token.as_ref()).is_some_and(|token| token.matches(given))
}

/// The token of `Authorization: Bearer TOKEN`; the scheme's case does not matter (RFC 9110 section 11.1).
fn token_of(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, rest) = value.split_at_checked(b"bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_follows_the_scheme() {
        let check = |value: &str, expect: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            assert_eq!(token_of(&headers), expect.map(str::as_bytes), "{value}");
        };
        check("Bearer abc", Some("abc"));
        check("bearer  abc ", Some("abc"));
        check("Basic abc", None);
        check("Bearer", None);
        check("abc", None);
        assert_eq!(token_of(&HeaderMap::new()), None);
    }
}
