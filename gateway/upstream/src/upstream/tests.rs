use rampart_settings::{Document, Report, Severity, Source, read};

use super::*;
use crate::address::Host;
use crate::share::Share;

/// Reads `toml` as the table of the upstream `agents`, with all findings as `line:column severity: message`.
fn compile(toml: &str) -> (Option<Upstream>, Vec<String>) {
    let report = Report::new();
    let document = Document::parse(Source::new("config.toml", toml), &report);
    let upstream = document.and_then(|document| {
        let raw: RawUpstream = read(&document, &report)?;
        Upstream::compile("agents", &raw, &document.root(&report))
    });
    let found = report.into_sorted().into_iter().map(|found| {
        let severity = if found.severity == Severity::Error { "error" } else { "warning" };
        format!("{}:{} {severity}: {}", found.line, found.column, found.message)
    });
    (upstream, found.collect())
}

fn good(toml: &str) -> Upstream {
    let (upstream, found) = compile(toml);
    assert_eq!(found, Vec::<String>::new(), "{toml}");
    upstream.unwrap()
}

#[track_caller]
fn check(toml: &str, expect: &[&str]) {
    let (_, found) = compile(toml);
    assert_eq!(found, expect, "{toml}");
}

#[test]
fn what_is_not_written_has_a_default() {
    let upstream = good(r#"addresses = ["http://127.0.0.1:9000"]"#);
    assert_eq!(&*upstream.name, "agents");
    assert_eq!(upstream.addresses.len(), 1);
    assert_eq!(upstream.addresses[0].address.to_string(), "http://127.0.0.1:9000");
    assert_eq!(upstream.addresses[0].weight, 1);
    assert_eq!(upstream.balance, Balance::RoundRobin);
    assert_eq!(upstream.hash_on, HashOn::ClientAddress);
    assert_eq!(upstream.protocol, Protocol::Http1);
    assert_eq!(upstream.tls, Tls { verify: true, sni: None, ca_file: None });
    assert_eq!(upstream.host_header, HostHeader::Preserve);
    assert_eq!(upstream.deadlines, Deadlines::default());
    assert_eq!(upstream.idle, Duration::from_mins(1));
    assert_eq!(upstream.max_streams, 100);
    assert_eq!(upstream.resolve_every, Duration::from_secs(30));
    let breaker = BreakerRules {
        consecutive: 5,
        error_rate: Share::percent(50),
        min_requests: 20,
        window: Duration::from_secs(10),
        open_for: Duration::from_secs(5),
        open_up_to: Duration::from_mins(1),
    };
    assert_eq!(upstream.breaker, Some(breaker));
    let ejection = EjectionRules {
        consecutive_5xx: 5,
        consecutive_gateway: 3,
        time: Duration::from_secs(30),
        up_to: Duration::from_mins(5),
        max_percent: 50,
    };
    assert_eq!(upstream.ejection, Some(ejection));
    assert_eq!((upstream.health, upstream.shedding, upstream.slow_start), (None, None, Duration::ZERO));
}

#[test]
fn how_failures_are_met() {
    let upstream = good(
        r#"
        addresses = ["http://10.0.0.1:80"]
        breaker = { consecutive = 3, error_rate = 0.25, min_requests = 8, window = "1m", open_for = "1s", open_up_to = "8s" }
        health = { path = "/health", every = "2s", deadline = "500ms", status = [200, "300-303"], host = "agents" }
        ejection = { consecutive_5xx = 2, consecutive_gateway = 1, for = "1s", up_to = "3s", max_percent = 34 }
        shedding = { max_in_flight = 64, max_waiting = 8, wait = "50ms" }
        slow_start = "20s"
        "#,
    );
    let breaker = upstream.breaker.unwrap();
    assert_eq!((breaker.consecutive, breaker.error_rate, breaker.min_requests), (3, Share::percent(25), 8));
    assert_eq!((breaker.open_for, breaker.open_up_to), (Duration::from_secs(1), Duration::from_secs(8)));
    let health = upstream.health.unwrap();
    assert_eq!((&*health.path, health.host.as_deref()), ("/health", Some("agents")));
    let ejection = upstream.ejection.unwrap();
    assert_eq!((ejection.consecutive_5xx, ejection.time), (2, Duration::from_secs(1)));
    let shedding = SheddingRules { max_in_flight: 64, max_waiting: 8, wait: Duration::from_millis(50) };
    assert_eq!(upstream.shedding, Some(shedding));
    assert_eq!(upstream.slow_start, Duration::from_secs(20));
}

#[test]
fn each_of_them_can_be_off() {
    let upstream = good(
        "addresses = [\"http://a\"]\nbreaker = { enabled = false }\nejection = { enabled = false }\n\
         shedding = { max_in_flight = 0 }",
    );
    assert_eq!((upstream.breaker, upstream.ejection, upstream.shedding), (None, None, None));
    let upstream = good("addresses = [\"http://a\"]\nejection = { max_percent = 0 }");
    assert_eq!(upstream.ejection, None);
}

#[test]
fn mistakes_about_failures_are_reported_at_their_place() {
    check(
        r#"addresses = ["http://a"]
breaker = { error_rate = "150%", window = "1ms", open_for = "5s", open_up_to = "1s" }
health = { path = "/", deadline = "10s" }
ejection = { for = "1m", up_to = "1s" }
shedding = { wait = "2m" }
slow_start = "2h""#,
        &[
            "2:26 error: not a part of a whole",
            "2:43 error: 1ms is too short: at least 1s",
            "2:80 error: shorter than open_for",
            "3:35 error: longer than the 5s between two questions",
            "4:34 error: shorter than `for`",
            "5:12 warning: without effect: there is no limit that requests would wait for",
            "5:21 error: 2m is too long: at most 1m",
            "6:14 error: 2h is too long: at most 1h",
        ],
    );
    check(
        "addresses = [\"http://a\"]\nbreaker = { consecutive = 0, error_rate = 0.0 }",
        &["2:11 warning: neither rule is on: the breaker never opens"],
    );
    let (_, found) = compile("addresses = [\"http://a\"]\nbreaker = { consecutive = 10001, min_requests = 0 }");
    assert_eq!(found.len(), 2, "{found:?}");
    let (_, found) = compile("addresses = [\"http://a\"]\nejection = { max_percent = 101 }");
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn everything_written() {
    let upstream = good(
        r#"
        addresses = [{ address = "api.example.com:8443", weight = 2 }, "http://10.0.0.1:80"]
        balance = "consistent_hash"
        hash_on = "cookie:sid"
        protocol = "http2"
        host_header = "api.example.com:8443"
        idle = "10s"
        max_streams = 250
        resolve_every = "5s"
        tls = { sni = "API.example.com", ca_file = "/etc/rampart/ca.pem" }
        deadlines = { connect = "250ms", total = "5m" }
        "#,
    );
    let [first, second] = &upstream.addresses[..] else { panic!() };
    assert_eq!((first.address.to_string().as_str(), first.weight), ("https://api.example.com:8443", 2));
    assert_eq!((second.address.to_string().as_str(), second.weight), ("http://10.0.0.1:80", 1));
    assert_eq!(upstream.balance, Balance::ConsistentHash);
    assert_eq!(upstream.hash_on, HashOn::Cookie("sid".into()));
    assert_eq!(upstream.protocol, Protocol::Http2);
    assert_eq!(upstream.tls.server_name(&first.address), "api.example.com");
    assert_eq!(upstream.tls.ca_file.as_deref(), Some("/etc/rampart/ca.pem".as_ref()));
    assert_eq!(upstream.host_header, HostHeader::Literal("api.example.com:8443".into()));
    let expect =
        Deadlines { connect: Duration::from_millis(250), total: Duration::from_mins(5), ..Deadlines::default() };
    assert_eq!(upstream.deadlines, expect);
}

#[test]
fn the_server_name_is_never_empty() {
    let tls = Tls::default();
    for (host, expect) in [
        (Host::Name("a.example.".into()), "a.example"),
        (Host::Ip("127.0.0.1".parse().unwrap()), "127.0.0.1"),
        (Host::Ip("2001:db8::1".parse().unwrap()), "2001:db8::1"),
    ] {
        assert_eq!(tls.server_name(&Address::new(Scheme::Https, host, 443)), expect);
    }
}

#[test]
fn every_error_is_reported_at_its_place() {
    check(
        r#"addresses = ["http://a:80", "ftp://b", { address = "c" }, "http://a:80", "http://d:80/v1"]
balance = "consistent_hash"
hash_on = "query:q"
host_header = "a b"
tls = { sni = "10.0.0.1" }
deadlines = { read = "0s", total = "2d" }
resolve_every = "10ms""#,
        &[
            "1:29 error: unknown scheme \"ftp\"",
            "1:52 error: the port is missing",
            "1:59 error: \"http://a:80\" is listed twice",
            "1:74 error: an address ends with its port: \"/v1\" does not belong here",
            "3:11 error: \"query:q\": hash_on is `client_address`, `header:NAME`, `cookie:NAME` or `path`",
            "4:15 error: \"a b\" is not a value of the Host header",
            "5:7 warning: [upstream.agents.tls] is without effect: no address is https",
            "5:15 error: \"10.0.0.1\" is not a host name",
            "6:22 error: 0s is too short: at least 1ms",
            "6:36 error: 2d is too long: at most 1d",
            "7:17 error: 10ms is too short: at least 1s",
        ],
    );
}

#[test]
fn warnings() {
    check(
        "addresses = [\"https://a\"]\nhash_on = \"path\"\ntls = { verify = false, ca_file = \"ca.pem\" }\n\
         deadlines = { total = \"1s\" }",
        &[
            "2:11 warning: without effect: nothing is hashed",
            "3:18 warning: the backend's certificate is not verified: whoever is on the path can read and change what is sent",
            "3:35 warning: without effect while verify = false",
            "4:23 warning: the total deadline passes before the connect deadline does",
        ],
    );
}

#[test]
fn hosts_for_the_host_header() {
    for host in ["a.example", "a.example:8080", "[::1]:80", "127.0.0.1"] {
        assert_eq!(
            good(&format!("addresses = [\"http://a\"]\nhost_header = \"{host}\"")).host_header,
            HostHeader::Literal(host.into())
        );
    }
    for host in ["", "a/b", "a\\r\\nX: y", "u@a", "a:0", "http://a"] {
        let (_, found) = compile(&format!("addresses = [\"http://a\"]\nhost_header = \"{host}\""));
        assert_eq!(found.len(), 1, "{host}: {found:?}");
    }
}

#[test]
fn deadlines_of_a_route_stand_over_those_of_its_upstream() {
    let report = Report::new();
    let base = Deadlines { connect: Duration::from_secs(1), ..Deadlines::default() };
    let raw = RawDeadlines { total: Some(RawDuration::secs(7)), ..RawDeadlines::default() };
    let deadlines = base.overridden(&raw, &Place::nowhere("test", &report));
    assert_eq!(deadlines, Deadlines { total: Duration::from_secs(7), ..base });
    assert!(report.is_ok());
}
