//! Whose request it is, through trusted and untrusted hops: as the origin is told, and as the access log says.

use rampart_tests::announce::plain_from;
use rampart_tests::{CountingOrigin, Gateway, Setup, shape};

/// The address of a load balancer in front of the gateway.
const BALANCER: &str = "127.0.0.1";
/// An address that nobody vouches for.
const STRANGER: &str = "127.0.0.2";
/// `BALANCER`, a network of balancers behind it, one of IPv6.
const TRUSTED: &str = "trusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\", \"fd00:ed9e::/32\"]";

/// Who connects, what the header says, and whose request that is.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str);

/// Who connects, what the header says, and the scheme and port that the client used.
type EntranceCase<'a> = (&'a str, &'a [(&'a str, &'a str)], (&'a str, &'a str));

const XFF: &str = "X-Forwarded-For";

/// Of a peer that is not trusted nothing is believed.
const STRANGERS: &[Case] = &[
    (STRANGER, &[], STRANGER),
    (STRANGER, &[(XFF, "198.51.100.1")], STRANGER),
    (STRANGER, &[(XFF, "127.0.0.1")], STRANGER),
    (STRANGER, &[(XFF, "10.0.0.1, 127.0.0.1")], STRANGER),
    (STRANGER, &[(XFF, "198.51.100.1"), (XFF, "127.0.0.1")], STRANGER),
    (STRANGER, &[("X-Real-IP", "198.51.100.1")], STRANGER),
    (STRANGER, &[("Forwarded", "for=198.51.100.1;by=127.0.0.1")], STRANGER),
    (STRANGER, &[("True-Client-IP", "198.51.100.1")], STRANGER),
    (STRANGER, &[("CF-Connecting-IP", "198.51.100.1")], STRANGER),
    (STRANGER, &[("X-Client-IP", "198.51.100.1"), ("Client-IP", "198.51.100.1")], STRANGER),
    (STRANGER, &[("X-Cluster-Client-IP", "198.51.100.1")], STRANGER),
    (STRANGER, &[("X_Forwarded_For", "198.51.100.1"), ("X-Forwarded_For", "198.51.100.1")], STRANGER),
    (STRANGER, &[("X-Original-Forwarded-For", "198.51.100.1")], STRANGER),
    (STRANGER, &[(XFF, "unknown"), ("X-Real-IP", "garbage")], STRANGER),
];

/// A balancer's word is taken, from the right end to the first that is no balancer.
const BALANCERS: &[Case] = &[
    (BALANCER, &[], BALANCER),
    (BALANCER, &[(XFF, "198.51.100.1")], "198.51.100.1"),
    (BALANCER, &[("x-forwarded-for", "198.51.100.1")], "198.51.100.1"),
    (BALANCER, &[(XFF, "2001:db8::7")], "2001:db8::7"),
    (BALANCER, &[(XFF, "[2001:DB8:0::7]:443")], "2001:db8::7"),
    (BALANCER, &[(XFF, "::ffff:198.51.100.1")], "198.51.100.1"),
    (BALANCER, &[(XFF, "198.51.100.1:4711")], "198.51.100.1"),
    (BALANCER, &[(XFF, "  198.51.100.1 ")], "198.51.100.1"),
    (BALANCER, &[(XFF, "198.51.100.1, 10.0.0.2")], "198.51.100.1"),
    (BALANCER, &[(XFF, "198.51.100.1,10.0.0.2,fd00:ed9e::2")], "198.51.100.1"),
    (BALANCER, &[(XFF, "198.51.100.1"), (XFF, "10.0.0.2")], "198.51.100.1"),
    (BALANCER, &[(XFF, "6.6.6.6, 198.51.100.1")], "198.51.100.1"),
    (BALANCER, &[(XFF, "6.6.6.6"), (XFF, "198.51.100.1")], "198.51.100.1"),
    (BALANCER, &[(XFF, "10.0.0.9, 198.51.100.1")], "198.51.100.1"),
    (BALANCER, &[(XFF, "127.0.0.1, 198.51.100.1, 10.0.0.2")], "198.51.100.1"),
    (BALANCER, &[(XFF, "unknown, 198.51.100.1")], "198.51.100.1"),
    (BALANCER, &[(XFF, ", ,,198.51.100.1")], "198.51.100.1"),
    (BALANCER, &[(XFF, "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
    (BALANCER, &[("Forwarded", "for=6.6.6.6"), (XFF, "198.51.100.1")], "198.51.100.1"),
    (BALANCER, &[("X-Real-IP", "6.6.6.6"), (XFF, "198.51.100.1")], "198.51.100.1"),
    (BALANCER, &[("X_Forwarded_For", "6.6.6.6"), (XFF, "198.51.100.1")], "198.51.100.1"),
];

/// What cannot be read on the way to the client makes it the balancer's own request: a coarse address, not a chosen one.
const UNREADABLE: &[Case] = &[
    (BALANCER, &[(XFF, "unknown")], BALANCER),
    (BALANCER, &[(XFF, "_hidden")], BALANCER),
    (BALANCER, &[(XFF, "198.51.100.1,")], BALANCER),
    (BALANCER, &[(XFF, "198.51.100.1"), (XFF, "garbage")], BALANCER),
    (BALANCER, &[(XFF, "198.51.100.1, unknown, 10.0.0.2")], BALANCER),
    (BALANCER, &[(XFF, "198.51.100.256")], BALANCER),
    (BALANCER, &[(XFF, "0xc6.51.100.1")], BALANCER),
    (BALANCER, &[(XFF, "3325256705")], BALANCER),
    (BALANCER, &[(XFF, "198.51.100.1:65536")], BALANCER),
    (BALANCER, &[(XFF, "198.51.100.1/32")], BALANCER),
    (BALANCER, &[(XFF, "0.0.0.0")], BALANCER),
    (BALANCER, &[(XFF, "fe80::1%eth0")], BALANCER),
    (BALANCER, &[(XFF, "\"198.51.100.1\"")], BALANCER),
    (BALANCER, &[("Forwarded", "for=198.51.100.1")], BALANCER),
    (BALANCER, &[("X-Real-IP", "198.51.100.1")], BALANCER),
];

/// Fields by which a request could name a client, whatever the gateway makes of them.
const NAMING: [&str; 9] = [
    "forwarded",
    "true-client-ip",
    "cf-connecting-ip",
    "x-client-ip",
    "client-ip",
    "x-cluster-client-ip",
    "x_forwarded_for",
    "x-forwarded_for",
    "x-original-forwarded-for",
];

async fn gateway_and_origin() -> (Gateway, CountingOrigin) {
    let origin = CountingOrigin::start().await;
    // What a header says is not to be refused as an attack here.
    let setup = Setup::new(origin.address).process(TRUSTED).without_shipped_rules();
    (setup.file("rules/profile.toml", "version = 1\n[profile.default]\nmode = \"off\"\n").start().await, origin)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_combination_of_hops_leads_to_the_right_address() {
    let (gateway, origin) = gateway_and_origin().await;
    let cases = || STRANGERS.iter().chain(BALANCERS).chain(UNREADABLE);
    assert!(cases().count() >= 40);
    for (number, (peer, fields, expect)) in cases().enumerate() {
        let request = shape::head("GET", &format!("/{number}"), fields);
        let response = plain_from(peer, gateway.addresses.plain).await.ask(&request).await;
        assert_eq!(response.status, 200, "{peer} {fields:?}: {}", response.text());
        let seen = origin.last();
        assert_eq!(seen.target, format!("/{number}"));
        assert_eq!(seen.all("x-forwarded-for"), [*expect], "{peer} {fields:?}");
        assert_eq!(seen.all("x-real-ip"), [*expect], "{peer} {fields:?}");
        for name in NAMING {
            assert_eq!(seen.header(name), None, "{peer} {fields:?}: {name} went on to the origin");
        }
        let id = response.header("x-request-id").expect("an answer names its request");
        assert_eq!(gateway.access(id).await["client"], *expect, "{peer} {fields:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scheme_and_port_are_those_that_the_client_used() {
    let (gateway, origin) = gateway_and_origin().await;
    let own = gateway.addresses.plain.port().to_string();
    let own = own.as_str();
    let proto = "X-Forwarded-Proto";
    let port = "X-Forwarded-Port";
    let cases: &[EntranceCase<'_>] = &[
        (STRANGER, &[], ("http", own)),
        (STRANGER, &[(proto, "https"), (port, "443")], ("http", own)),
        (BALANCER, &[], ("http", own)),
        (BALANCER, &[(proto, "https")], ("https", "443")),
        (BALANCER, &[(proto, "HTTPS"), (port, "8443")], ("https", "8443")),
        (BALANCER, &[(port, "80")], ("http", "80")),
        (BALANCER, &[(proto, "http")], ("http", own)),
        (BALANCER, &[(proto, "https, http")], ("http", own)),
        (BALANCER, &[(proto, "https"), (proto, "http")], ("http", own)),
        (BALANCER, &[(proto, "gopher"), (port, "70000")], ("http", own)),
        (BALANCER, &[("X_Forwarded_Proto", "https"), ("X-Forwarded_Port", "1")], ("http", own)),
    ];
    for (peer, fields, expect) in cases {
        let response = plain_from(peer, gateway.addresses.plain).await.ask(&shape::head("GET", "/", fields)).await;
        assert_eq!(response.status, 200, "{}", response.text());
        let seen = origin.last();
        assert_eq!(
            (seen.all("x-forwarded-proto"), seen.all("x-forwarded-port")),
            (vec![expect.0], vec![expect.1]),
            "{peer} {fields:?}"
        );
        // The host stays the one that was asked for, whoever says otherwise.
        assert_eq!(seen.all("x-forwarded-host"), ["gateway.test"]);
        for name in ["x_forwarded_proto", "x-forwarded_port"] {
            assert_eq!(seen.header(name), None, "{name} went on to the origin");
        }
    }
    let spoofed = [("X-Forwarded-Host", "evil.example"), ("X-Host", "evil.example")];
    for peer in [STRANGER, BALANCER] {
        let request = shape::head("GET", "/", &spoofed);
        assert_eq!(plain_from(peer, gateway.addresses.plain).await.ask(&request).await.status, 200);
        assert_eq!(origin.last().all("x-forwarded-host"), ["gateway.test"]);
        assert_eq!(origin.last().header("x-host"), None);
    }
}
