//! PROXY headers on plain and TLS listeners: announced clients are the clients; nobody else can announce any.

use std::time::{Duration, Instant};

use rampart_tests::announce::{connect_from, plain_from, tls_over, v1, v2, v2_raw};
use rampart_tests::setup::TLS_NAME;
use rampart_tests::wait::eventually_some;
use rampart_tests::{Connection, Connection2, CountingOrigin, Gateway, Setup, shape};
use tokio::io::AsyncWriteExt;

const BALANCER: &str = "127.0.0.1";
const STRANGER: &str = "127.0.0.2";
const SERVER: &str = "192.0.2.1:443";

async fn gateway_and_origin() -> (Gateway, CountingOrigin) {
    let origin = CountingOrigin::start().await;
    let setup = Setup::new(origin.address)
        .process("trusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]")
        .listener("proxy_protocol = \"require\"\nheader_deadline = \"2s\"")
        .tls();
    (setup.start().await, origin)
}

/// A plain connection of the balancer that has sent these bytes.
async fn announced(gateway: &Gateway, header: &[u8]) -> Connection {
    let mut connection = plain_from(BALANCER, gateway.addresses.plain).await;
    connection.send(header).await;
    connection
}

/// The same to the TLS listener, before the handshake.
async fn announced_tls(
    gateway: &Gateway,
    header: &[u8],
    alpn: &str,
) -> std::io::Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>> {
    let mut wire = connect_from(BALANCER.parse().unwrap(), gateway.addresses.tls).await;
    wire.write_all(header).await?;
    tls_over(wire, TLS_NAME, gateway.authority.client(&[alpn])).await
}

async fn cut(gateway: &Gateway, listener: &str, reason: &str) -> u64 {
    gateway.metric(&format!("rampart_connections_cut_total{{listener=\"{listener}\",reason=\"{reason}\"}}")).await
}

/// Each good header, and the client that it announces.
fn good() -> Vec<(Vec<u8>, &'static str)> {
    let unix = [&[b'/'; 216][..], b"\x04\0\0"].concat();
    vec![
        (v1("198.51.100.1:56324", SERVER), "198.51.100.1"),
        (v1("[2001:db8::7]:1", "[2001:db8::1]:443"), "2001:db8::7"),
        (v1("[::ffff:198.51.100.1]:0", "[::ffff:192.0.2.1]:443"), "198.51.100.1"),
        (b"PROXY UNKNOWN\r\n".to_vec(), BALANCER),
        (b"PROXY UNKNOWN 6.6.6.6 6.6.6.6 1 1\r\n".to_vec(), BALANCER),
        (v2("198.51.100.2:56324", SERVER, b""), "198.51.100.2"),
        (v2("[2001:db8::8]:1", "[2001:db8::1]:443", b""), "2001:db8::8"),
        (v2("198.51.100.3:1", SERVER, b"\x02\0\x04host\x04\0\x02..\xea\0\x03vpc"), "198.51.100.3"),
        (v2("198.51.100.4:1", SERVER, &[&[0x04, 1, 0xf0][..], &[0; 496]].concat()), "198.51.100.4"),
        (v2_raw(0x20, 0, b""), BALANCER),
        (v2_raw(0x20, 0x11, &[6; 12]), BALANCER),
        (v2_raw(0x21, 0, b"whatever"), BALANCER),
        (v2_raw(0x21, 0x31, &unix), BALANCER),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_announced_client_is_the_client() {
    let (gateway, origin) = gateway_and_origin().await;
    let request = shape::head("GET", "/", &[("X-Forwarded-For", "6.6.6.6")]);
    for (header, client) in good() {
        let shown = header.escape_ascii().to_string();
        let mut plain = announced(&gateway, &[header.clone(), request.clone()].concat()).await;
        for turn in 0..2 {
            let response = if turn == 0 { plain.response().await } else { plain.ask(&request).await };
            assert_eq!(response.status, 200, "{shown}: {}", response.text());
            let seen = origin.last();
            assert_eq!(
                (seen.all("x-forwarded-for"), seen.all("x-forwarded-proto")),
                (vec![client], vec!["http"]),
                "{shown}"
            );
            let id = response.header("x-request-id").unwrap().to_owned();
            assert_eq!(gateway.access(&id).await["client"], client, "{shown}");
        }

        let mut secure = Connection::over(announced_tls(&gateway, &header, "http/1.1").await.unwrap());
        let response = secure.ask(&request).await;
        assert_eq!(response.status, 200, "{shown}");
        assert_eq!(
            (origin.last().all("x-forwarded-for"), origin.last().all("x-forwarded-proto")),
            (vec![client], vec!["https"]),
            "{shown}"
        );
        let id = response.header("x-request-id").unwrap().to_owned();
        assert_eq!(gateway.access(&id).await["client"], client, "{shown}");

        let mut two = Connection2::over(announced_tls(&gateway, &header, "h2").await.unwrap()).await;
        assert_eq!(two.get("/").await.unwrap().status, 200, "{shown}");
        assert_eq!(origin.last().all("x-forwarded-for"), [client], "{shown}");
    }
    assert_eq!(origin.malformed(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn hop_fields_count_from_the_announced_client_on() {
    let (gateway, origin) = gateway_and_origin().await;
    let request = shape::head("GET", "/", &[("X-Forwarded-For", "203.0.113.9"), ("X-Request-Id", "from-the-edge-1")]);
    // Another balancer of ours connected to the first: its word is believed.
    let behind = [v1("10.0.0.7:1", SERVER), request.clone()].concat();
    let response = announced(&gateway, &behind).await.response().await;
    assert_eq!(response.header("x-request-id"), Some("from-the-edge-1"));
    assert_eq!(origin.last().all("x-forwarded-for"), ["203.0.113.9"]);
    // A client's is not; nor is anybody's where the balancer says nothing of whose connection it is.
    for (header, client) in [(v1("198.51.100.1:1", SERVER), "198.51.100.1"), (b"PROXY UNKNOWN\r\n".to_vec(), BALANCER)]
    {
        let response = announced(&gateway, &[header, request.clone()].concat()).await.response().await;
        assert_ne!(response.header("x-request-id"), Some("from-the-edge-1"));
        assert_eq!(origin.last().all("x-forwarded-for"), [client]);
    }
    // The port is the one that the client connected to, as announced; where none is, the gateway's own.
    announced(&gateway, &[v2("198.51.100.1:1", "192.0.2.1:8443", b""), request.clone()].concat())
        .await
        .response()
        .await;
    assert_eq!(origin.last().all("x-forwarded-port"), ["8443"]);
    announced(&gateway, &[v2_raw(0x20, 0, b""), request].concat()).await.response().await;
    assert_eq!(origin.last().all("x-forwarded-port"), [gateway.addresses.plain.port().to_string().as_str()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_may_come_byte_by_byte() {
    let (gateway, origin) = gateway_and_origin().await;
    for header in [v1("198.51.100.1:56324", SERVER), v2("198.51.100.1:1", SERVER, b"\x04\0\x02..")] {
        let mut connection = plain_from(BALANCER, gateway.addresses.plain).await;
        for byte in header.chunks(1) {
            connection.send(byte).await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(connection.ask(&shape::get("/")).await.status, 200);
        assert_eq!(origin.last().all("x-forwarded-for"), ["198.51.100.1"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_announces_nobody() {
    let (gateway, origin) = gateway_and_origin().await;
    for header in [v1("198.51.100.1:1", SERVER), v2("198.51.100.1:1", SERVER, b""), v2_raw(0x20, 0, b""), Vec::new()] {
        for address in [gateway.addresses.plain, gateway.addresses.tls] {
            let mut connection = plain_from(STRANGER, address).await;
            let _ = connection.try_send(&[header.clone(), shape::get("/")].concat()).await;
            assert_eq!(connection.expect_close(Duration::from_secs(1)).await, b"", "an answer to a stranger");
        }
    }
    origin.expect_untouched();
    assert_eq!(
        (cut(&gateway, "main", "proxy_stranger").await, cut(&gateway, "secure", "proxy_stranger").await),
        (4, 4)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_header_ends_the_connection() {
    let (gateway, origin) = gateway_and_origin().await;
    let good = v2("198.51.100.1:1", SERVER, b"");
    let mut other_version = good.clone();
    other_version[12] = 0x11;
    let mut udp = good.clone();
    udp[13] = 0x12;
    let mut wrong_sum = v2("198.51.100.1:1", SERVER, b"\x03\0\x04\0\0\0\0");
    wrong_sum.extend_from_slice(b"");
    let hostile: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(),
        b"proxy TCP4 198.51.100.1 192.0.2.1 1 443\r\n".to_vec(),
        b"PROXY TCP4 198.51.100.1 192.0.2.1 1 443\n".to_vec(),
        b"PROXY TCP4 198.51.100.1 192.0.2.1 1 443 \r\n".to_vec(),
        b"PROXY TCP4 2001:db8::1 2001:db8::2 1 443\r\n".to_vec(),
        b"PROXY TCP4 0.0.0.0 192.0.2.1 1 443\r\n".to_vec(),
        b"PROXY TCP4 198.51.100.1 192.0.2.1 99999 443\r\n".to_vec(),
        format!("PROXY UNKNOWN {}\r\n", "x".repeat(92)).into_bytes(),
        v2_raw(0x22, 0x11, &[1; 12]),
        v2_raw(0x21, 0x11, &[1; 11]),
        v2_raw(0x21, 0x11, &[1; 521]),
        v2_raw(0x21, 0x11, &[1; 60_000]),
        v2("198.51.100.1:1", SERVER, b"\x04\xff\xff"),
        other_version,
        udp,
        wrong_sum,
    ];
    let before = cut(&gateway, "main", "proxy_header").await;
    for header in &hostile {
        for address in [gateway.addresses.plain, gateway.addresses.tls] {
            let mut connection = plain_from(BALANCER, address).await;
            let _ = connection.try_send(&[header.clone(), shape::get("/")].concat()).await;
            let answer = connection.expect_close(Duration::from_secs(1)).await;
            assert_eq!(answer, b"", "an answer to {}", header.escape_ascii());
        }
    }
    origin.expect_untouched();
    assert_eq!(cut(&gateway, "main", "proxy_header").await - before, hostile.len() as u64);
    // A second header is no request.
    let mut twice =
        announced(&gateway, &[v1("198.51.100.1:1", SERVER), v1("6.6.6.6:1", SERVER), shape::get("/")].concat()).await;
    let answer = twice.expect_close(Duration::from_secs(5)).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{}", answer.escape_ascii());
    origin.expect_untouched();
    // And the gateway is well.
    assert_eq!(announced(&gateway, &good).await.ask(&shape::get("/")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_drips_is_cut_at_the_deadline() {
    let (gateway, origin) = gateway_and_origin().await;
    for (start, address) in [
        (&b"PROXY TCP4 198."[..], gateway.addresses.plain),
        (b"\r\n\r\n\0", gateway.addresses.tls),
        (b"", gateway.addresses.plain),
    ] {
        let mut connection = plain_from(BALANCER, address).await;
        connection.send(start).await;
        let began = Instant::now();
        connection.expect_close(Duration::from_secs(8)).await;
        assert!(began.elapsed() > Duration::from_millis(1500), "cut after {:?}", began.elapsed());
    }
    origin.expect_untouched();
    assert_eq!(cut(&gateway, "main", "proxy_deadline").await + cut(&gateway, "secure", "proxy_deadline").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_without_it_takes_a_header_for_garbage() {
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).process("trusted_proxies = [\"127.0.0.1\"]").tls().start().await;
    for header in [v1("198.51.100.1:1", SERVER), v2("198.51.100.1:1", SERVER, b"")] {
        for address in [gateway.addresses.plain, gateway.addresses.tls] {
            let mut connection = plain_from(BALANCER, address).await;
            let _ = connection.try_send(&[header.clone(), shape::get("/")].concat()).await;
            let answer = connection.expect_close(Duration::from_secs(15)).await;
            assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", answer.escape_ascii());
        }
    }
    origin.expect_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_announce_follows_the_configuration_in_force() {
    let (gateway, origin) = gateway_and_origin().await;
    let request = [v1("198.51.100.1:1", SERVER), shape::get("/")].concat();
    assert_eq!(announced(&gateway, &request).await.response().await.status, 200);
    let config = gateway.read("config.toml").replace("\"127.0.0.1\", \"10.0.0.0/8\"", "\"127.0.0.2\"");
    gateway.replace("config.toml", &config);
    assert_eq!(gateway.admin("POST", "/admin/reload").await.status, 200);
    let asked = async || {
        let mut connection = plain_from(STRANGER, gateway.addresses.plain).await;
        connection.try_send(&request).await.ok()?;
        connection.try_response().await.ok()
    };
    let response = eventually_some("the new balancer is believed", asked).await;
    assert_eq!(response.status, 200);
    assert_eq!(origin.last().all("x-forwarded-for"), ["198.51.100.1"]);
    let mut old = plain_from(BALANCER, gateway.addresses.plain).await;
    let _ = old.try_send(&request).await;
    assert_eq!(old.expect_close(Duration::from_secs(1)).await, b"");
}
