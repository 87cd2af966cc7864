//! What a request may not tell the upstream: who sent it, where it goes and how it is framed are the gateway's to say.
//!
//! Three ways to say it all the same are closed: fields of other proxies, other spellings of the gateway's own fields, and
//! `Connection`, which would take those fields away again.

use http::header::CONNECTION;
use http::{HeaderMap, HeaderName};
use pingora::http::RequestHeader;
use rampart_decision::{Code, Refusal};
use rampart_policy::HeaderEdits;
use smallvec::SmallVec;

/// Pingora refuses a request whose `Connection` names this many fields or more.
const MAX_NOMINATIONS: usize = 10;

/// Removed from every request: they claim to come from a proxy in front, or override the request's own target or method.
/// Their first bytes are among [`untrusted`]'s.
const UNTRUSTED: [&str; 28] = [
    "cf-connecting-ip",
    "client-ip",
    "forwarded",
    "front-end-https",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-forwarded",
    "x-forwarded-by",
    "x-forwarded-path",
    "x-forwarded-prefix",
    "x-forwarded-protocol",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-forwarded-ssl",
    "x-forwarded-uri",
    "x-host",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-uri",
    "x-original-url",
    "x-original-forwarded-for",
    "x-rewrite-uri",
    "x-rewrite-url",
    "x-scheme",
    "x-url-scheme",
];

/// What the gateway sets, answers by, or frames and inspects the request by. No other spelling of these goes on, and no
/// `Connection` field takes them away.
const HELD: [&str; 14] = [
    "authorization",
    "cookie",
    "expect",
    "host",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
];

/// So do all fields that describe the content.
const HELD_PREFIX: &[u8] = b"content-";

/// Names to take out of a request without allocating.
const INLINE_NAMES: usize = 8;

/// Takes out what nobody outside may say: [`UNTRUSTED`] fields, and every other spelling of a field that the gateway vouches
/// for. CGI and its heirs (RFC 3875 section 4.1.18: WSGI, PHP, Rack) read `X_Real_IP` as `X-Real-IP`, some of them any
/// byte that is neither letter nor digit.
///
/// In whatever spelling, also the `reserved` fields: those in which the upstream is told who is calling.
///
/// Before the route's own edits, which may set what they like.
pub(super) fn strip(request: &mut RequestHeader, edits: Option<&HeaderEdits>, reserved: &[HeaderName]) {
    let names: SmallVec<[HeaderName; INLINE_NAMES]> = request
        .headers
        .keys()
        .filter(|name| {
            untrusted(name.as_str())
                || (oddly_spelled(name.as_str()) && vouched_for(name.as_str(), edits))
                || reserved.iter().any(|field| folds_into(name.as_str().as_bytes(), field.as_str().as_bytes()))
        })
        .cloned()
        .collect();
    for name in &names {
        request.remove_header(name);
    }
}

fn untrusted(name: &str) -> bool {
    matches!(name.as_bytes().first(), Some(b'c' | b'f' | b't' | b'x')) && UNTRUSTED.contains(&name)
}

/// Whether a name has bytes that some servers fold into `-`. Almost none has.
fn oddly_spelled(name: &str) -> bool {
    name.bytes().any(|byte| !byte.is_ascii_alphanumeric() && byte != b'-')
}

/// Whether a name folds into one that the gateway, or the route, has its own word for.
fn vouched_for(name: &str, edits: Option<&HeaderEdits>) -> bool {
    let name = name.as_bytes();
    let edited = |edits: &HeaderEdits| {
        let set = edits.set.iter().map(|(name, _)| name);
        set.chain(&edits.remove).any(|field| folds_into(name, field.as_str().as_bytes()))
    };
    UNTRUSTED.iter().chain(&HELD).any(|field| folds_into(name, field.as_bytes()))
        || name.get(..HELD_PREFIX.len()).is_some_and(|start| folds_into(start, HELD_PREFIX))
        || edits.is_some_and(edited)
}

/// Both in lower case, as `HeaderName` has them.
fn folds_into(name: &[u8], field: &[u8]) -> bool {
    let fold = |byte: u8| if byte.is_ascii_alphanumeric() { byte } else { b'-' };
    name.len() == field.len() && name.iter().zip(field).all(|(a, b)| fold(*a) == fold(*b))
}

/// Refuses what Pingora would refuse only after it had connected: too many nominations, or nominated fields on which the
/// gateway's own word depends (CVE-2026-105299). And those by which the body was inspected: without its `Content-Encoding`
/// it would be another body to the upstream.
pub(crate) fn check_nominations(headers: &HeaderMap) -> Result<(), Refusal> {
    if !headers.contains_key(CONNECTION) {
        return Ok(());
    }
    let tokens = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.is_empty());
    for (count, token) in (1..).zip(tokens) {
        if count >= MAX_NOMINATIONS || !nominable(token) {
            return Err(Refusal::new(
                Code::FramingInvalid,
                "The Connection field names what it may not",
                "Connection may name up to nine fields, and none that says where a request comes from, where it goes or what its content is.",
            ));
        }
    }
    Ok(())
}

fn nominable(token: &[u8]) -> bool {
    let is_token = token.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b));
    let held = HELD.iter().filter(|name| **name != "upgrade").any(|name| token.eq_ignore_ascii_case(name.as_bytes()))
        || token.get(..HELD_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(HELD_PREFIX));
    is_token && !held
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_other_spelling_of_a_field_that_the_gateway_vouches_for_goes_on() {
        let edits = HeaderEdits {
            set: vec![(HeaderName::from_static("x-tenant-id"), http::HeaderValue::from_static("7"))],
            remove: vec![HeaderName::from_static("x-debug-on")],
        };
        let gone = [
            "X_Forwarded_For",
            "X-Forwarded_For",
            "X_Real_IP",
            "x.real.ip",
            "Transfer_Encoding",
            "Content_Length",
            "Content_Type",
            "Content_Encoding",
            "X_Forwarded_Proto",
            "X_Request_Id",
            "X_HTTP_Method_Override",
            "True_Client_IP",
            "X_Tenant_Id",
            "X_Debug_On",
        ];
        let kept =
            ["X_Odd", "X-Tenant-Id", "Content-Type", "Content-Length", "Contents", "X-Forwarded-Fo_", "Xray", "Te"];
        for name in gone.iter().chain(&UNTRUSTED) {
            let mut request = RequestHeader::build("GET", b"/", None).unwrap();
            request.append_header((*name).to_owned(), "a").unwrap();
            request.append_header((*name).to_owned(), "b").unwrap();
            strip(&mut request, Some(&edits), &[]);
            assert!(request.headers.is_empty(), "{name}");
        }
        for name in kept {
            let mut request = RequestHeader::build("GET", b"/", None).unwrap();
            request.append_header(name, "a").unwrap();
            strip(&mut request, Some(&edits), &[]);
            assert_eq!(request.headers.len(), 1, "{name}");
        }
    }

    #[test]
    fn nominations() {
        #[track_caller]
        fn check(values: &[&'static str], good: bool) {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONNECTION, http::HeaderValue::from_static(value));
            }
            assert_eq!(check_nominations(&headers).is_ok(), good, "{values:?}");
        }
        check(&[], true);
        check(&["keep-alive, Upgrade"], true);
        check(&["close", "te"], true);
        check(&["a,b,c,d,e,f,g,h,i"], true);
        check(&["a,b,c,d,e,f,g,h,i,j"], false);
        check(&["a,b,c,d,e", "f,g,h,i,j"], false);
        check(&["X-Forwarded-For"], false);
        check(&["close, x-REAL-ip"], false);
        check(&["Host"], false);
        check(&["authorization"], false);
        check(&["keep-alive, Content-Encoding"], false);
        check(&["content-TYPE"], false);
        check(&["Content-Length"], false);
        check(&["expect"], false);
        check(&["traceparent"], false);
        check(&["contents"], true);
        check(&["\"X-Forwarded-For\""], false);
        check(&[":authority"], false);
    }
}
