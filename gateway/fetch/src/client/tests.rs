//! The client against servers that answer well, badly, slowly and without end.

use std::time::Instant;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use super::*;

const DEADLINE: Duration = Duration::from_secs(5);

/// A server that answers every request with what `answer` makes of its first line; stopped when it is dropped.
struct Server {
    port: u16,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a server does with one connection.
enum Act {
    /// These bytes, then the end.
    Send(String),
    /// These bytes, then silence.
    Stall(String),
    /// A header, and a body that never ends.
    Endless,
}

impl Server {
    async fn plain(answer: impl Fn(&str) -> Act + Send + Sync + 'static) -> Self {
        Self::start(None, answer).await
    }

    async fn start(tls: Option<Arc<ServerConfig>>, answer: impl Fn(&str) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = Arc::new(answer);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, answer) = (tls.clone(), Arc::clone(&answer));
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &*answer).await,
                        Some(tls) => {
                            if let Ok(stream) = TlsAcceptor::from(tls).accept(stream).await {
                                serve(stream, &*answer).await;
                            }
                        }
                    }
                });
            }
        });
        Self { port, task }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, answer: &(impl Fn(&str) -> Act + ?Sized)) {
    let mut head = Vec::new();
    let mut piece = [0; 1_024];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut piece).await {
            Ok(count) if count > 0 => head.extend_from_slice(&piece[..count]),
            _ => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    match answer(&head) {
        Act::Send(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        Act::Stall(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.flush().await;
            sleep(Duration::from_mins(1)).await;
        }
        Act::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").await;
            while stream.write_all(&[b'x'; 4_096]).await.is_ok() {}
        }
    }
}

fn ok(body: &str) -> Act {
    Act::Send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

fn client() -> Client {
    Client::new(&Options { authorities: None, plain_http: true }).unwrap()
}

async fn get(server: &Server, path: &str) -> Result<String, FetchError> {
    let response = client().get(&server.url(path), 1_000, DEADLINE).await?;
    assert_eq!(response.status, 200);
    Ok(String::from_utf8(response.body.to_vec()).unwrap())
}

#[tokio::test]
async fn asks_politely_and_hands_over_what_comes() {
    let server = Server::plain(|head| {
        let expect = ["GET /keys?x=1 HTTP/1.1\r\n", "accept-encoding: identity\r\n", "user-agent: rampart/"];
        let complete = expect.iter().all(|part| head.to_ascii_lowercase().contains(&part.to_ascii_lowercase()));
        if complete && head.contains("host: 127.0.0.1:") { ok("{}") } else { ok(head) }
    })
    .await;
    assert_eq!(get(&server, "/keys?x=1").await.unwrap(), "{}");

    let chunked = Server::plain(|_| {
        Act::Send(
            "HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
                .into(),
        )
    });
    let response = client().get(&chunked.await.url("/"), 1_000, DEADLINE).await.unwrap();
    assert_eq!((response.status.as_u16(), &response.body[..]), (503, b"abcde".as_slice()));
    assert_eq!(response.headers["retry-after"], "1");
}

#[tokio::test]
async fn a_body_is_no_longer_than_allowed() {
    let exact = Server::plain(|_| ok(&"x".repeat(1_000))).await;
    assert_eq!(get(&exact, "/").await.unwrap().len(), 1_000);
    let announced = Server::plain(|_| Act::Stall("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n".into())).await;
    assert_eq!(get(&announced, "/").await.unwrap_err().kind(), "too_large");
    let endless = Server::plain(|_| Act::Endless).await;
    assert_eq!(get(&endless, "/").await.unwrap_err().kind(), "too_large");
}

#[tokio::test]
async fn what_is_no_answer_is_an_error() {
    async fn check(answer: &'static str, expect: &str) {
        let server = Server::plain(move |_| Act::Send(answer.into())).await;
        let error = get(&server, "/").await.unwrap_err();
        assert_eq!(error.kind(), expect, "{answer:?}: {error}");
    }
    check("", "protocol").await;
    check("hello\r\n\r\n", "protocol").await;
    check("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "protocol").await;
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", "protocol").await;
    check("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", "protocol").await;
    let many = "X: y\r\n".repeat(MAX_HEADER_LINES + 1);
    let server = Server::plain(move |_| Act::Send(format!("HTTP/1.1 200 OK\r\n{many}\r\n"))).await;
    assert_eq!(get(&server, "/").await.unwrap_err().kind(), "protocol");
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(2 * MAX_HEADER_BYTES));
    let server = Server::plain(move |_| Act::Send(long.clone())).await;
    assert_eq!(get(&server, "/").await.unwrap_err().kind(), "protocol");
}

#[tokio::test]
async fn the_deadline_holds_wherever_time_is_lost() {
    for stalled in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"] {
        let server = Server::plain(move |_| Act::Stall(stalled.into())).await;
        let began = Instant::now();
        let error = client().get(&server.url("/"), 1_000, Duration::from_millis(200)).await.unwrap_err();
        assert_eq!(error.kind(), "deadline", "{stalled:?}");
        assert!(began.elapsed() < Duration::from_secs(3), "{stalled:?}");
    }
}

#[tokio::test]
async fn redirects_are_few_and_stay_at_home() {
    let server = Server::plain(|head| {
        let to =
            |place: &str| Act::Send(format!("HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n"));
        match head.split(' ').nth(1).unwrap() {
            "/3" => to("/2"),
            "/2" => to("/1"),
            "/1" => to("/0"),
            "/4" => to("/3"),
            "/round" => to("/round"),
            "/away" => to("http://127.0.0.1:1/"),
            "/up" => to("https://127.0.0.1/"),
            "/nowhere" => Act::Send("HTTP/1.1 301 Moved\r\nContent-Length: 0\r\n\r\n".into()),
            _ => ok("here"),
        }
    })
    .await;
    assert_eq!(get(&server, "/1").await.unwrap(), "here");
    assert_eq!(get(&server, "/3").await.unwrap(), "here");
    for path in ["/4", "/round", "/away", "/up", "/nowhere"] {
        assert_eq!(get(&server, path).await.unwrap_err().kind(), "redirect", "{path}");
    }
}

#[tokio::test]
async fn nobody_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://127.0.0.1:{}/", listener.local_addr().unwrap().port());
    drop(listener);
    assert_eq!(client().get(&url, 1, DEADLINE).await.unwrap_err().kind(), "connect");
    let error = client().get("http://no-such-host.invalid/", 1, DEADLINE).await.unwrap_err();
    assert_eq!(error.kind(), "name", "{error}");
}

#[tokio::test]
async fn plain_http_is_only_spoken_where_that_is_allowed() {
    let server = Server::plain(|_| ok("plain")).await;
    let pem = authority().pem();
    let client = Client::new(&Options { authorities: Some(pem.into_bytes()), plain_http: false }).unwrap();
    let error = client.get(&server.url("/?token=s3cr3t"), 1_000, DEADLINE).await.unwrap_err();
    assert!(matches!(&error, FetchError::PlainHttp { host } if host == "127.0.0.1"), "{error}");
    assert!(!error.to_string().contains("s3cr3t"));
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Authority::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// How a server with a certificate for `names` speaks TLS.
fn certified(authority: &Authority, names: &[&str]) -> Arc<ServerConfig> {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], private).unwrap())
}

#[tokio::test]
async fn certificates_have_to_be_good() {
    let (ours, stranger) = (authority(), authority());
    let (pem, strange_pem) = (ours.pem(), stranger.pem());
    let trusting =
        |pem: &str| Client::new(&Options { authorities: Some(pem.as_bytes().to_vec()), plain_http: false }).unwrap();
    let good = Server::start(Some(certified(&ours, &["127.0.0.1", "localhost"])), |_| ok("secure")).await;
    for host in ["127.0.0.1", "localhost"] {
        let response = trusting(&pem).get(&format!("https://{host}:{}/", good.port), 100, DEADLINE).await.unwrap();
        assert_eq!(&response.body[..], b"secure");
    }
    let url = format!("https://127.0.0.1:{}/", good.port);
    assert_eq!(trusting(&strange_pem).get(&url, 100, DEADLINE).await.unwrap_err().kind(), "tls", "another authority");
    let others = Server::start(Some(certified(&ours, &["other.example"])), |_| ok("secure")).await;
    let url = format!("https://127.0.0.1:{}/", others.port);
    assert_eq!(trusting(&pem).get(&url, 100, DEADLINE).await.unwrap_err().kind(), "tls", "another name");
    let unsigned = Server::start(Some(certified(&stranger, &["127.0.0.1"])), |_| ok("secure")).await;
    let url = format!("https://127.0.0.1:{}/", unsigned.port);
    assert_eq!(trusting(&pem).get(&url, 100, DEADLINE).await.unwrap_err().kind(), "tls", "not signed by ours");
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://127.0.0.1:{}/", plain.local_addr().unwrap().port());
    let answer = async {
        let (mut stream, _) = plain.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        stream
    };
    let client = trusting(&pem);
    let (_stream, result) = tokio::join!(answer, client.get(&url, 100, DEADLINE));
    assert_eq!(result.unwrap_err().kind(), "tls", "no TLS at all");
}

#[test]
fn authorities_that_are_none() {
    let check = |pem: &str, expect: bool| {
        assert_eq!(crate::check_authorities(pem.as_bytes()).is_ok(), expect, "{pem}");
        let client = Client::new(&Options { authorities: Some(pem.as_bytes().to_vec()), plain_http: false });
        assert_eq!(client.is_ok(), expect, "{pem}");
    };
    check(&authority().pem(), true);
    check("", false);
    check("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", false);
    check(&KeyPair::generate().unwrap().serialize_pem(), false);
}
