//! The head of a request: what the gateway itself makes of it before the decision sees it.
//!
//! Who asks (peer, trusted hops), under which id, and whether the framing can be read in one way only. Pingora has refused
//! what it cannot parse; it resolves `Transfer-Encoding` with `Content-Length` by dropping the length, as RFC 9112 section
//! 6.3 allows. Here such a request is refused: nobody sends both in good faith, and it is how smuggling begins.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr};
use std::time::SystemTime;

use http::header::{COOKIE, EXPECT, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::ServerSession;
use pingora::proxy::Session;
use rampart_decision::{Code, Origin, Refusal};
use rampart_identity::{ClientRequestId, Entrance, RequestId, TakeOver, TraceContext, TrustedProxies, client_address};
use rampart_inspection::Connection;
use rampart_message::Version::{Http2, Http11};
use rampart_message::{Head, Headers, ResponseHead};
use rampart_policy::Snapshot;
use rampart_record::{Clock as _, SystemClock};
use rampart_upstream::KeySource;
use smallvec::SmallVec;

use crate::context::{Context, RequestName};
use crate::listener::gate_of;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Fields of a head that are kept without allocating.
const INLINE_FIELDS: usize = 24;

/// The head is complete: the connection's head deadline stops.
pub(crate) fn complete(session: &Session) {
    if let Some(gate) = session.stream().and_then(|stream| gate_of(&**stream)) {
        gate.head_complete();
    }
}

/// Finds out who asks, and under which id and trace the request is known.
pub(crate) fn identify(session: &Session, snapshot: &Snapshot, ctx: &mut Context) {
    let headers = &session.req_header().headers;
    let peer = session.client_addr().and_then(|address| address.as_inet()).map(std::net::SocketAddr::ip);
    let lines = headers.get_all(X_FORWARDED_FOR).iter().map(http::HeaderValue::as_bytes);
    let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let nobody = TrustedProxies::default();
    let trusted = if ctx.arrival.anonymous { &nobody } else { &snapshot.config.trusted_proxies };
    let client = client_address(trusted, peer, lines);
    ctx.client = client.address;
    ctx.entrance = entrance(session, headers, client.peer_trusted);
    ctx.time = SystemClock.now();
    ctx.protocol = match session.req_header().version {
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_11 => "HTTP/1.1",
        _ => "HTTP/1.0",
    };
    let trace = TraceContext::parse(headers.get_all(TRACEPARENT).iter().map(http::HeaderValue::as_bytes));
    ctx.trace = matches!(trace, TraceContext::Valid(_));
    let sent = ClientRequestId::parse(headers.get_all(X_REQUEST_ID).iter().map(http::HeaderValue::as_bytes));
    match sent {
        Some(id) if TakeOver::Trusted.applies(client.peer_trusted) => {
            ctx.id = Some(RequestName::Taken(id.as_str().into()));
        }
        _ => {
            let unix_ms = u64::try_from(ctx.time.millis()).unwrap_or_default();
            ctx.id = Some(RequestName::Made(RequestId::new(unix_ms, random()).text()));
        }
    }
    ctx.client_id = sent.map(|id| id.as_str().into());
}

/// The scheme and the port that the client used, as a trusted proxy in front tells them, or the connection.
fn entrance(session: &Session, headers: &HeaderMap, peer_trusted: bool) -> Entrance {
    let https = session.digest().is_some_and(|digest| digest.ssl_digest.is_some());
    let server = session.server_addr().and_then(|address| address.as_inet());
    let own = Entrance { https, port: server.map_or(0, std::net::SocketAddr::port) };
    if !peer_trusted {
        return own;
    }
    let lines = |name| headers.get_all(name).iter().map(http::HeaderValue::as_bytes);
    own.through(lines(X_FORWARDED_PROTO), lines(X_FORWARDED_PORT))
}

/// 128 bits that differ from call to call: a SplitMix64 per thread, seeded by the operating system. Ids have to be unique,
/// pauses spread; neither secret.
pub(crate) fn random() -> u128 {
    thread_local! {
        static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(std::thread::current().id()));
    }
    let next = || {
        let state = STATE.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        STATE.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    };
    u128::from(next()) << 64 | u128::from(next())
}

/// Refuses framing that can be read in two ways, and what Pingora would refuse too late.
pub(crate) fn check(session: &ServerSession) -> Result<(), Refusal> {
    let header = session.req_header();
    let headers = &header.headers;
    if headers.contains_key(TRANSFER_ENCODING) && (header.version == Version::HTTP_10 || declares_both(session)) {
        return Err(Refusal::new(
            Code::FramingInvalid,
            "The request's length is declared in two ways",
            "Send Content-Length or Transfer-Encoding, not both, and the latter with HTTP/1.1 only.",
        ));
    }
    crate::forward::check_nominations(headers)
}

/// Whether the head as received has a `Content-Length` field. Pingora has removed it where there is a transfer coding.
fn declares_both(session: &ServerSession) -> bool {
    const NAME: &[u8] = b"content-length";
    session.as_http1().is_some_and(|http1| {
        http1.get_headers_raw_bytes().split(|byte| *byte == b'\n').any(|line| {
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
            name.trim_ascii().eq_ignore_ascii_case(NAME)
        })
    })
}

/// Whether the client waits for a word before it sends its body.
pub(crate) fn expects_continue(header: &RequestHeader) -> bool {
    header.version == Version::HTTP_11 && header.headers.contains_key(EXPECT)
}

/// Calls `use_head` with the head as engines see it, borrowed from Pingora's.
pub(crate) fn with_head<T>(header: &RequestHeader, use_head: impl FnOnce(Head<'_>) -> T) -> T {
    let fields: SmallVec<[(&[u8], &[u8]); INLINE_FIELDS]> = if header.has_case() {
        header.case_header_iter().map(|(name, value)| (name.as_slice(), value.as_bytes())).collect()
    } else {
        header.headers.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes())).collect()
    };
    let version = match header.version {
        Version::HTTP_2 => rampart_message::Version::Http2,
        Version::HTTP_11 => rampart_message::Version::Http11,
        _ => rampart_message::Version::Http10,
    };
    let authority = header.uri.authority().filter(|_| header.version == Version::HTTP_2);
    use_head(Head {
        method: header.method.as_str().as_bytes(),
        target: header.raw_path(),
        version,
        authority: authority.map(|authority| authority.as_str().as_bytes()),
        headers: Headers::new(&fields),
    })
}

/// Where a request comes from, for whoever judges it.
pub(crate) fn origin<'o>(session: &Session, name: Option<&'o RequestName>, client: IpAddr) -> Origin<'o> {
    Origin { connection: connection(session, client), request_id: RequestName::text(name), now: SystemTime::now() }
}

/// The two ends of the connection: the client as it was found behind trusted proxies, and the address it came to.
pub(crate) fn connection(session: &Session, client: IpAddr) -> Connection {
    let inet =
        |address: Option<&pingora::protocols::l4::socket::SocketAddr>| address.and_then(|it| it.as_inet().copied());
    let peer = inet(session.client_addr());
    let port = peer.filter(|peer| peer.ip() == client).map_or(0, |peer| peer.port());
    let server = inet(session.server_addr()).unwrap_or_else(|| (Ipv4Addr::UNSPECIFIED, 0).into());
    Connection { client: (client, port).into(), server }
}

/// Calls `use_head` with the head of a response as engines see it, borrowed from Pingora's.
pub(crate) fn with_response<T>(header: &ResponseHeader, use_head: impl FnOnce(ResponseHead<'_>) -> T) -> T {
    let fields: SmallVec<[(&[u8], &[u8]); INLINE_FIELDS]> =
        header.headers.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes())).collect();
    let version = if header.version == Version::HTTP_2 { Http2 } else { Http11 };
    use_head(ResponseHead { status: header.status.as_u16(), version, headers: Headers::new(&fields) })
}

/// The host that the client asked for, its port with it.
pub(crate) fn host(header: &RequestHeader) -> &[u8] {
    match header.headers.get(http::header::HOST) {
        Some(host) => host.as_bytes(),
        None => header.uri.authority().map(|authority| authority.as_str().as_bytes()).unwrap_or_default(),
    }
}

/// A request, as far as it is spread over endpoints by what it carries.
pub(crate) struct Keyed<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) client: IpAddr,
    pub(crate) path: &'a [u8],
}

impl KeySource for Keyed<'_> {
    fn client(&self) -> IpAddr {
        self.client
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.get(name).map(http::HeaderValue::as_bytes)
    }

    fn cookie(&self, name: &str) -> Option<&[u8]> {
        let pairs = self.headers.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
        pairs.map(<[u8]>::trim_ascii).find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
    }

    fn path(&self) -> &[u8] {
        self.path
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use pingora::protocols::Stream;
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    async fn checked(head: &str) -> Result<(), Code> {
        let (mut client, server) = duplex(8 * 1024);
        client.write_all(head.as_bytes()).await.unwrap();
        let mut session = ServerSession::new_http1(Box::new(server) as Stream);
        assert!(session.read_request().await.unwrap());
        check(&session).map_err(|refusal| refusal.code)
    }

    #[tokio::test]
    async fn framing() {
        async fn expect(fields: &str, expect: Result<(), Code>) {
            assert_eq!(checked(&format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).await, expect, "{fields}");
        }
        expect("", Ok(())).await;
        expect("Content-Length: 5\r\n", Ok(())).await;
        expect("Transfer-Encoding: chunked\r\n", Ok(())).await;
        expect("Transfer-Encoding: chunked\r\nX: content-length: 5\r\n", Ok(())).await;
        expect("Transfer-Encoding: chunked\r\ncontent-LENGTH: 5\r\n", Err(Code::FramingInvalid)).await;
        expect("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", Err(Code::FramingInvalid)).await;
        expect("Connection: X-Forwarded-For\r\n", Err(Code::FramingInvalid)).await;
    }

    #[test]
    fn ids_differ() {
        let ids: HashSet<u128> = (0..10_000).map(|_| random()).collect();
        assert_eq!(ids.len(), 10_000);
        let elsewhere = std::thread::spawn(random).join().unwrap();
        assert!(!ids.contains(&elsewhere));
    }

    #[test]
    fn names_keep_their_spelling() {
        let mut header = RequestHeader::build("GET", b"/a?b", None).unwrap();
        header.append_header("X-Odd-CASE", "1").unwrap();
        header.append_header("Host", "h").unwrap();
        header.append_header("X-Odd-CASE", "2").unwrap();
        with_head(&header, |head| {
            assert_eq!((head.method, head.target), (&b"GET"[..], &b"/a?b"[..]));
            assert!(head.headers.iter().any(|(name, _)| name == b"X-Odd-CASE"));
            assert_eq!(head.headers.get_all("x-odd-case").collect::<Vec<_>>(), [b"1", b"2"]);
        });
    }

    #[test]
    fn keys_of_a_request() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "a=1; sid=two; sid=three".parse().unwrap());
        headers.append("x-tenant", "t".parse().unwrap());
        let keyed = Keyed { headers: &headers, client: IpAddr::V4(Ipv4Addr::LOCALHOST), path: b"/p" };
        assert_eq!(keyed.cookie("sid"), Some(&b"two"[..]));
        assert_eq!(keyed.cookie("si"), None);
        assert_eq!(keyed.header("x-tenant"), Some(&b"t"[..]));
        assert_eq!((keyed.header("x"), keyed.path()), (None, &b"/p"[..]));
    }
}
