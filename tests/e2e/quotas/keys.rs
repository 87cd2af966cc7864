//! Whose quota it is: by address as a trusted proxy tells it, by network, by header, cookie and query, and by several of
//! these; and what leaving a part out gains.

use rampart_tests::announce::plain_from;
use rampart_tests::{CountingOrigin, Gateway, shape};

use super::{quotas, route};

const ONCE: &str = "limit = 1\nper = \"1h\"\n";

async fn gateway(keys: &str) -> (Gateway, CountingOrigin) {
    let origin = CountingOrigin::start().await;
    let rules = route("q", &["q"]) + "[quota.q]\n" + ONCE + keys;
    let gateway = quotas(&origin, &rules).process("trusted_proxies = [\"127.0.0.1\"]").start().await;
    (gateway, origin)
}

/// Asks from `peer`; whether the request passed.
async fn passes(gateway: &Gateway, peer: &str, method: &str, target: &str, fields: &[(&str, &str)]) -> bool {
    let response = plain_from(peer, gateway.addresses.plain).await.ask(&shape::head(method, target, fields)).await;
    match response.status {
        200 => true,
        429 => false,
        status => panic!("{status}: {}", response.text()),
    }
}

const PROXY: &str = "127.0.0.1";
const STRANGER: &str = "127.0.0.2";

#[tokio::test(flavor = "multi_thread")]
async fn an_address_counts_as_the_trusted_proxy_tells_it() {
    let (gateway, _origin) = gateway("").await;
    let ask = async |peer: &str, forwarded: &[&str]| {
        let fields: Vec<_> = forwarded.iter().map(|value| ("X-Forwarded-For", *value)).collect();
        passes(&gateway, peer, "GET", "/q", &fields).await
    };
    assert!(ask(PROXY, &["198.51.100.1"]).await);
    assert!(!ask(PROXY, &["198.51.100.1"]).await);
    assert!(ask(PROXY, &["198.51.100.2"]).await, "another client of the same proxy");
    for forged in ["203.0.113.1, 198.51.100.1", "203.0.113.2,198.51.100.1:4711", "::ffff:198.51.100.1"] {
        assert!(!ask(PROXY, &[forged]).await, "{forged} is 198.51.100.1");
    }
    assert!(!ask(PROXY, &["203.0.113.3", "198.51.100.1"]).await, "the last line is the proxy's own");
    assert!(ask(STRANGER, &["203.0.113.9"]).await);
    for forged in ["203.0.113.10", "203.0.113.11", "198.51.100.77"] {
        assert!(!ask(STRANGER, &[forged]).await, "a stranger is whom he comes as, whatever he says");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ipv6_client_is_its_network() {
    let (gateway, _origin) = gateway("").await;
    let ask =
        async |gateway: &Gateway, from: &str| passes(gateway, PROXY, "GET", "/q", &[("X-Forwarded-For", from)]).await;
    assert!(ask(&gateway, "2001:db8:1:2::1").await);
    for same in ["2001:db8:1:2::2", "2001:db8:1:2:ffff:ffff:ffff:ffff", "[2001:DB8:1:2::3]:443"] {
        assert!(!ask(&gateway, same).await, "{same} is in the same /64");
    }
    assert!(ask(&gateway, "2001:db8:1:3::1").await, "the network beside it");
    let (wide, _origin) = self::gateway("ipv6_prefix = 48\n").await;
    assert!(ask(&wide, "2001:db8:1:2::1").await);
    assert!(!ask(&wide, "2001:db8:1:3::1").await, "the same /48");
    assert!(ask(&wide, "2001:db8:2::1").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_a_request_make_the_key() {
    // The second is alike in what the key holds, the third is not, and the fourth leaves it out: it counts by address.
    type Request = (&'static str, &'static str, &'static [(&'static str, &'static str)]);
    let cases: [(&str, [Request; 4]); 4] = [
        (
            "key = \"header:x-session\"\n",
            [
                ("GET", "/q", &[("X-Session", "a")]),
                ("GET", "/q?x", &[("x-session", "a")]),
                ("GET", "/q", &[("X-Session", "b")]),
                ("GET", "/q", &[]),
            ],
        ),
        (
            "key = \"cookie:sid\"\n",
            [
                ("GET", "/q", &[("Cookie", "sid=1; other=2")]),
                ("GET", "/q", &[("Cookie", "other=3; sid=1")]),
                ("GET", "/q", &[("Cookie", "sid=2")]),
                ("GET", "/q", &[("Cookie", "other=2")]),
            ],
        ),
        (
            "key = \"query:user\"\n",
            [
                ("GET", "/q?user=alice", &[]),
                ("GET", "/q?x=1&%75ser=%61lice", &[]),
                ("GET", "/q?user=bob", &[]),
                ("GET", "/q?other=alice", &[]),
            ],
        ),
        (
            "key = [\"method\", \"header:x-session\"]\n",
            [
                ("GET", "/q", &[("X-Session", "a")]),
                ("GET", "/q?x", &[("X-Session", "a")]),
                ("DELETE", "/q", &[("X-Session", "a")]),
                ("GET", "/q", &[]),
            ],
        ),
    ];
    for (key, [first, same, other, without]) in cases {
        let (gateway, _origin) = gateway(key).await;
        let ask =
            async |peer: &str, (method, target, fields): Request| passes(&gateway, peer, method, target, fields).await;
        assert!(ask(PROXY, first).await, "{key}");
        assert!(!ask(STRANGER, same).await, "{key} is what counts, not the address");
        assert!(ask(PROXY, other).await, "{key}");
        assert!(ask(PROXY, without).await, "{key}");
        assert!(!ask(PROXY, without).await, "{key}: leaving it out gains nothing");
        assert!(ask(STRANGER, without).await, "{key}: without it, the address counts");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_share_a_quota_unless_its_key_names_them() {
    let origin = CountingOrigin::start().await;
    let rules = route("a", &["both"]) + &route("b", &["both"]) + "[quota.both]\n" + ONCE;
    let gateway = quotas(&origin, &rules).start().await;
    assert_eq!((gateway.get("/a").await.status, gateway.get("/b").await.status), (200, 429));
    gateway.replace_routes(&(rules + "key = [\"client_address\", \"route\"]\n"));
    assert_eq!(gateway.admin("POST", "/admin/reload").await.status, 200);
    assert_eq!((gateway.get("/a").await.status, gateway.get("/b").await.status), (200, 200));
    assert_eq!((gateway.get("/a").await.status, gateway.get("/b").await.status), (429, 429));
}
