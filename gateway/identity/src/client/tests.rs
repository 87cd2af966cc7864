use proptest::prelude::*;

use super::*;

/// Two load balancers, an IPv6 network of edge nodes, and the sidecar on the same host.
const TRUSTED: [&str; 4] = ["10.0.0.0/24", "192.168.7.7", "fd00:ed9e::/32", "127.0.0.1"];

fn trusted() -> TrustedProxies {
    TrustedProxies::parse(TRUSTED).unwrap()
}

/// `expect` is an address, or an address behind `!` when the header was given up.
fn check(peer: &str, lines: &[&str], expect: &str) {
    let lines_bytes: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
    let client = client_address(&trusted(), peer.parse().unwrap(), lines_bytes.iter().copied());
    let problem = client.problem.map_or("", |problem| match problem {
        HopProblem::Malformed => "!",
        HopProblem::TooMany => "#",
    });
    assert_eq!(format!("{problem}{}", client.address), expect, "peer {peer}, {lines:?}");
    assert_eq!(client.peer_trusted, trusted().contains(peer.parse().unwrap()));
}

#[test]
fn no_header_is_the_peer() {
    check("203.0.113.9", &[], "203.0.113.9");
    check("10.0.0.1", &[], "10.0.0.1");
    check("::ffff:203.0.113.9", &[], "203.0.113.9");
    check("2001:db8::1", &[], "2001:db8::1");
    check("10.0.0.1", &[""], "10.0.0.1");
    check("10.0.0.1", &[" \t "], "10.0.0.1");
}

#[test]
fn a_stranger_is_not_believed() {
    check("203.0.113.9", &["198.51.100.1"], "203.0.113.9");
    check("203.0.113.9", &["127.0.0.1"], "203.0.113.9");
    check("203.0.113.9", &["198.51.100.1, 10.0.0.1"], "203.0.113.9");
    check("203.0.113.9", &["unknown"], "203.0.113.9");
    check("10.0.1.1", &["198.51.100.1"], "10.0.1.1");
    check("192.168.7.8", &["198.51.100.1"], "192.168.7.8");
    check("2001:db8::1", &["198.51.100.1"], "2001:db8::1");
    check("fd00:ed9f::1", &["198.51.100.1"], "fd00:ed9f::1");
}

#[test]
fn a_trusted_peer_names_the_client() {
    check("10.0.0.1", &["198.51.100.1"], "198.51.100.1");
    check("192.168.7.7", &["198.51.100.1"], "198.51.100.1");
    check("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1");
    check("fd00:ed9e::1", &["2001:db8::7"], "2001:db8::7");
    check("10.0.0.1", &["  198.51.100.1\t"], "198.51.100.1");
    check("10.0.0.1", &["198.51.100.1 , 10.0.0.2"], "198.51.100.1");
    check("10.0.0.1", &["198.51.100.1,10.0.0.2,fd00:ed9e::2"], "198.51.100.1");
}

#[test]
fn what_stands_left_of_the_client_is_not_read() {
    check("10.0.0.1", &["6.6.6.6, 198.51.100.1"], "198.51.100.1");
    check("10.0.0.1", &["6.6.6.6, 198.51.100.1, 10.0.0.2"], "198.51.100.1");
    check("10.0.0.1", &["10.0.0.9, 198.51.100.1"], "198.51.100.1");
    check("10.0.0.1", &["127.0.0.1, 198.51.100.1"], "198.51.100.1");
    check("10.0.0.1", &["unknown, 198.51.100.1"], "198.51.100.1");
    check("10.0.0.1", &["\u{0}\"<script>, 198.51.100.1"], "198.51.100.1");
    check("10.0.0.1", &[", , ,198.51.100.1"], "198.51.100.1");
    check("10.0.0.1", &[&format!("{}198.51.100.1", "6.6.6.6,".repeat(500))], "198.51.100.1");
}

#[test]
fn all_field_lines_are_one_list() {
    check("10.0.0.1", &["6.6.6.6", "198.51.100.1"], "198.51.100.1");
    check("10.0.0.1", &["198.51.100.1", "10.0.0.2"], "198.51.100.1");
    check("10.0.0.1", &["6.6.6.6, 198.51.100.1", "10.0.0.2", "10.0.0.3"], "198.51.100.1");
    check("10.0.0.1", &["198.51.100.1", ""], "198.51.100.1");
    check("10.0.0.1", &["198.51.100.1", "garbage"], "!10.0.0.1");
    check("10.0.0.1", &["garbage", "198.51.100.1"], "198.51.100.1");
}

#[test]
fn only_trusted_hops_is_the_farthest() {
    check("10.0.0.1", &["10.0.0.2"], "10.0.0.2");
    check("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3");
    check("10.0.0.1", &["127.0.0.1", "10.0.0.2"], "127.0.0.1");
}

#[test]
fn ports_and_brackets() {
    check("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1");
    check("10.0.0.1", &["[2001:db8::7]"], "2001:db8::7");
    check("10.0.0.1", &["[2001:db8::7]:443"], "2001:db8::7");
    check("10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1");
    check("10.0.0.1", &["[::ffff:198.51.100.1]:80"], "198.51.100.1");
    check("10.0.0.1", &["198.51.100.1, ::ffff:10.0.0.2"], "198.51.100.1");
    check("10.0.0.1", &["2001:DB8:0:0::7"], "2001:db8::7");
}

#[test]
fn malformed_means_the_peer() {
    for entry in [
        "unknown",
        "_hidden",
        "localhost",
        "198.51.100",
        "198.51.100.256",
        "0198.51.100.1",
        "0xc6.51.100.1",
        "3325256705",
        "198.51.100.1:",
        "198.51.100.1:65536",
        "198.51.100.1:+80",
        "198.51.100.1:http",
        "198.51.100.1 10.0.0.2",
        "\"198.51.100.1\"",
        "for=198.51.100.1",
        "[198.51.100.1]",
        "[2001:db8::7",
        "2001:db8::7]",
        "[2001:db8::7]443",
        "[2001:db8::7]:",
        "fe80::1%eth0",
        "2001:db8:::7",
        "0.0.0.0",
        "::",
        "::ffff:0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "ff02::1",
        "198.51.100.1/32",
        "１98.51.100.1",
    ] {
        check("10.0.0.1", &[entry], "!10.0.0.1");
        check("::ffff:10.0.0.1", &[&format!("6.6.6.6, {entry}, 10.0.0.2")], "!10.0.0.1");
        check("203.0.113.9", &[entry], "203.0.113.9");
    }
    check("10.0.0.1", &["198.51.100.1,"], "!10.0.0.1");
    check("10.0.0.1", &[","], "!10.0.0.1");
    check("10.0.0.1", &[&"1".repeat(10_000)], "!10.0.0.1");
}

#[test]
fn the_walk_is_bounded() {
    let chain = |trusted_hops: usize| format!("198.51.100.1{}", ", 10.0.0.2".repeat(trusted_hops));
    check("10.0.0.1", &[&chain(MAX_HOPS - 1)], "198.51.100.1");
    check("10.0.0.1", &[&chain(MAX_HOPS)], "#10.0.0.1");
    check("10.0.0.1", &vec!["10.0.0.2"; MAX_HOPS], "10.0.0.2");
    check("10.0.0.1", &vec!["10.0.0.2"; MAX_HOPS + 1], "#10.0.0.1");
}

#[test]
fn the_origin_says_which_entry() {
    let line: &[u8] = b"6.6.6.6, 198.51.100.1, 10.0.0.2";
    let client = client_address(&trusted(), "10.0.0.1".parse().unwrap(), [line].into_iter());
    assert_eq!(client.origin, Origin::Hop(2));
    let client = client_address(&trusted(), "203.0.113.9".parse().unwrap(), [line].into_iter());
    assert_eq!(client.origin, Origin::Peer);
}

#[test]
fn forwarded_is_read_by_its_own_grammar() {
    let check = |peer: &str, lines: &[&str], expect: &str| {
        let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        let client = client_address_forwarded(&trusted(), peer.parse().unwrap(), lines.iter().copied());
        assert_eq!(client.address, expect.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
    };
    check("203.0.113.9", &["for=198.51.100.1"], "203.0.113.9");
    check("10.0.0.1", &["for=198.51.100.1"], "198.51.100.1");
    check("10.0.0.1", &["for=6.6.6.6, for=198.51.100.1;proto=https, for=10.0.0.2"], "198.51.100.1");
    check("10.0.0.1", &["for=6.6.6.6", "for=\"[2001:db8::7]:80\""], "2001:db8::7");
    check("10.0.0.1", &["198.51.100.1"], "10.0.0.1");
    check("10.0.0.1", &["for=198.51.100.1, for=unknown"], "10.0.0.1");
    check("10.0.0.1", &["for=198.51.100.1;host=\"a, for=6.6.6.6;x=\""], "10.0.0.1");
    check("10.0.0.1", &["for=\"spoiled, for=198.51.100.1"], "198.51.100.1");
}

/// Which header a row is about.
#[derive(Debug, Clone, Copy)]
enum By {
    XForwardedFor,
    Forwarded,
}

/// Header combinations as they come through trusted and untrusted hops: a name, the peer, the field lines, the client.
#[rustfmt::skip]
const COMBINATIONS: [(&str, By, &str, &[&str], &str); 64] = [
    // Nobody in between, or nobody who is trusted.
    ("no proxy, no header", By::XForwardedFor, "203.0.113.9", &[], "203.0.113.9"),
    ("a stranger forges a client", By::XForwardedFor, "203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
    ("a stranger forges a trusted client", By::XForwardedFor, "203.0.113.9", &["10.0.0.1"], "203.0.113.9"),
    ("a stranger forges loopback", By::XForwardedFor, "203.0.113.9", &["127.0.0.1"], "203.0.113.9"),
    ("a stranger forges a whole chain", By::XForwardedFor, "203.0.113.9", &["198.51.100.1, 10.0.0.3, 10.0.0.2"], "203.0.113.9"),
    ("a stranger beside the trusted network", By::XForwardedFor, "10.0.1.1", &["198.51.100.1"], "10.0.1.1"),
    ("a stranger over IPv6", By::XForwardedFor, "2001:db8::9", &["198.51.100.1"], "2001:db8::9"),
    ("a stranger as an IPv4-mapped peer", By::XForwardedFor, "::ffff:203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
    ("a stranger whose IPv6 address ends like a trusted IPv4", By::XForwardedFor, "2001:db8::a00:1", &["198.51.100.1"], "2001:db8::a00:1"),
    ("an IPv4-compatible address is not the IPv4 address", By::XForwardedFor, "::10.0.0.1", &["198.51.100.1"], "::10.0.0.1"),
    // One trusted hop.
    ("one proxy, one client", By::XForwardedFor, "10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
    ("a proxy that sends no header is the client", By::XForwardedFor, "10.0.0.1", &[], "10.0.0.1"),
    ("a proxy listed by its one address", By::XForwardedFor, "192.168.7.7", &["198.51.100.1"], "198.51.100.1"),
    ("a proxy over IPv6", By::XForwardedFor, "fd00:ed9e::1", &["198.51.100.1"], "198.51.100.1"),
    ("an IPv4-mapped proxy", By::XForwardedFor, "::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
    ("the sidecar on the same host", By::XForwardedFor, "127.0.0.1", &["198.51.100.1"], "198.51.100.1"),
    ("the client forges an entry", By::XForwardedFor, "10.0.0.1", &["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
    ("the client forges a trusted entry", By::XForwardedFor, "10.0.0.1", &["10.0.0.9, 198.51.100.1"], "198.51.100.1"),
    ("the client forges a field line", By::XForwardedFor, "10.0.0.1", &["6.6.6.6", "198.51.100.1"], "198.51.100.1"),
    ("the client forges many field lines", By::XForwardedFor, "10.0.0.1", &["6.6.6.6", "7.7.7.7, 10.0.0.2", "198.51.100.1"], "198.51.100.1"),
    ("the client sends garbage first", By::XForwardedFor, "10.0.0.1", &["\u{1}<x>, 198.51.100.1"], "198.51.100.1"),
    ("the client sends an open quote", By::XForwardedFor, "10.0.0.1", &["\", 198.51.100.1"], "198.51.100.1"),
    ("the client hides itself before the entry", By::XForwardedFor, "10.0.0.1", &["unknown, 198.51.100.1"], "198.51.100.1"),
    // Several trusted hops.
    ("two proxies", By::XForwardedFor, "10.0.0.1", &["198.51.100.1, 10.0.0.2"], "198.51.100.1"),
    ("two proxies, each with a line of its own", By::XForwardedFor, "10.0.0.1", &["198.51.100.1", "10.0.0.2"], "198.51.100.1"),
    ("three proxies of two families", By::XForwardedFor, "10.0.0.1", &["198.51.100.1, fd00:ed9e::5, 192.168.7.7"], "198.51.100.1"),
    ("two proxies and a forged entry", By::XForwardedFor, "10.0.0.1", &["6.6.6.6, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
    ("a stranger between two proxies is the client", By::XForwardedFor, "10.0.0.1", &["198.51.100.1, 203.0.113.50, 10.0.0.2"], "203.0.113.50"),
    ("a trusted address beyond a stranger counts for nothing", By::XForwardedFor, "10.0.0.1", &["10.0.0.8, 203.0.113.50, 10.0.0.2"], "203.0.113.50"),
    ("a request of a proxy itself", By::XForwardedFor, "10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
    // How entries are written.
    ("no blank after the comma", By::XForwardedFor, "10.0.0.1", &["6.6.6.6,198.51.100.1,10.0.0.2"], "198.51.100.1"),
    ("blanks and tabs around entries", By::XForwardedFor, "10.0.0.1", &[" \t198.51.100.1 \t,\t 10.0.0.2 "], "198.51.100.1"),
    ("an IPv4 address with a port", By::XForwardedFor, "10.0.0.1", &["198.51.100.1:50123"], "198.51.100.1"),
    ("a proxy with a port", By::XForwardedFor, "10.0.0.1", &["198.51.100.1, 10.0.0.2:443"], "198.51.100.1"),
    ("IPv6 without brackets", By::XForwardedFor, "10.0.0.1", &["2001:db8::7"], "2001:db8::7"),
    ("IPv6 in brackets", By::XForwardedFor, "10.0.0.1", &["[2001:db8::7]"], "2001:db8::7"),
    ("IPv6 in brackets with a port", By::XForwardedFor, "10.0.0.1", &["[2001:db8::7]:50123"], "2001:db8::7"),
    ("IPv6 in capitals with zeros", By::XForwardedFor, "10.0.0.1", &["2001:0DB8:0000:0000::0007"], "2001:db8::7"),
    ("IPv6 without brackets takes no port: it is another address", By::XForwardedFor, "10.0.0.1", &["2001:db8::7:443"], "2001:db8::7:443"),
    ("an IPv4-mapped client", By::XForwardedFor, "10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
    ("an IPv4-mapped client in hexadecimal", By::XForwardedFor, "10.0.0.1", &["::ffff:c633:6401"], "198.51.100.1"),
    ("an IPv4-mapped proxy in the chain", By::XForwardedFor, "10.0.0.1", &["198.51.100.1, ::ffff:10.0.0.2"], "198.51.100.1"),
    // What cannot be read: the peer.
    ("the last entry is empty", By::XForwardedFor, "10.0.0.1", &["198.51.100.1, "], "10.0.0.1"),
    ("an entry in the middle is empty", By::XForwardedFor, "10.0.0.1", &["198.51.100.1, , 10.0.0.2"], "10.0.0.1"),
    ("an empty line in the middle is no entry", By::XForwardedFor, "10.0.0.1", &["198.51.100.1", "", "10.0.0.2"], "198.51.100.1"),
    ("the proxy would not tell", By::XForwardedFor, "10.0.0.1", &["unknown"], "10.0.0.1"),
    ("a hidden hop", By::XForwardedFor, "10.0.0.1", &["198.51.100.1, _secret"], "10.0.0.1"),
    ("a zone", By::XForwardedFor, "10.0.0.1", &["fe80::1%eth0"], "10.0.0.1"),
    ("octal numbers", By::XForwardedFor, "10.0.0.1", &["0306.063.0144.01"], "10.0.0.1"),
    ("entries without a comma", By::XForwardedFor, "10.0.0.1", &["198.51.100.1 10.0.0.2"], "10.0.0.1"),
    ("a semicolon for a comma", By::XForwardedFor, "10.0.0.1", &["198.51.100.1; 10.0.0.2"], "10.0.0.1"),
    ("elements of the other header", By::XForwardedFor, "10.0.0.1", &["for=198.51.100.1"], "10.0.0.1"),
    // The same with `Forwarded`.
    ("forwarded: a stranger forges", By::Forwarded, "203.0.113.9", &["for=198.51.100.1"], "203.0.113.9"),
    ("forwarded: one proxy", By::Forwarded, "10.0.0.1", &["for=198.51.100.1;proto=https;by=10.0.0.1"], "198.51.100.1"),
    ("forwarded: names in capitals", By::Forwarded, "10.0.0.1", &["Proto=http;FOR=198.51.100.1"], "198.51.100.1"),
    ("forwarded: two proxies and a forged element", By::Forwarded, "10.0.0.1", &["for=6.6.6.6, for=198.51.100.1, for=10.0.0.2"], "198.51.100.1"),
    ("forwarded: two lines", By::Forwarded, "10.0.0.1", &["for=6.6.6.6", "for=198.51.100.1"], "198.51.100.1"),
    ("forwarded: IPv6 with a port", By::Forwarded, "10.0.0.1", &["for=\"[2001:db8::7]:4711\""], "2001:db8::7"),
    ("forwarded: IPv4 with a port", By::Forwarded, "10.0.0.1", &["for=\"198.51.100.1:4711\", for=\"10.0.0.2:1\""], "198.51.100.1"),
    ("forwarded: IPv6 without quotes", By::Forwarded, "10.0.0.1", &["for=[2001:db8::7]"], "10.0.0.1"),
    ("forwarded: unknown", By::Forwarded, "10.0.0.1", &["for=198.51.100.1, for=unknown"], "10.0.0.1"),
    ("forwarded: a hidden hop", By::Forwarded, "10.0.0.1", &["for=198.51.100.1, for=_proxy7"], "10.0.0.1"),
    ("forwarded: a comma in a quoted host forges no element", By::Forwarded, "10.0.0.1", &["for=198.51.100.1;host=\"a, for=6.6.6.6, b\""], "10.0.0.1"),
    ("forwarded: an element without for", By::Forwarded, "10.0.0.1", &["for=198.51.100.1, proto=https"], "10.0.0.1"),
];

#[test]
fn combinations_of_headers_through_hops() {
    let mut names = std::collections::BTreeSet::new();
    for (name, by, peer, lines, expect) in COMBINATIONS {
        assert!(names.insert(name), "{name} is there twice");
        let (trusted, peer) = (trusted(), peer.parse().unwrap());
        let lines = lines.iter().map(|line| line.as_bytes());
        let client = match by {
            By::XForwardedFor => client_address(&trusted, peer, lines),
            By::Forwarded => client_address_forwarded(&trusted, peer, lines),
        };
        assert_eq!(client.address, expect.parse::<IpAddr>().unwrap(), "{name}");
    }
}

/// The rule said the long way: write all entries down left to right, then look from the end.
fn oracle(trusted: &TrustedProxies, peer: IpAddr, entries: &[Option<IpAddr>]) -> IpAddr {
    let mut client = peer;
    let mut at = entries.len();
    while trusted.contains(client) && at > 0 {
        at -= 1;
        match entries[at] {
            Some(address) => client = address,
            None => return peer,
        }
    }
    client
}

fn any_entry() -> impl Strategy<Value = Option<IpAddr>> {
    prop_oneof![
        6 => (0_u8..4).prop_map(|last| Some(IpAddr::from([10, 0, 0, last]))),
        3 => (1_u8..9).prop_map(|last| Some(IpAddr::from([198, 51, 100, last]))),
        1 => Just(None),
    ]
}

proptest! {
    #[test]
    fn agrees_with_the_oracle(
        peer in prop_oneof![Just("10.0.0.1"), Just("203.0.113.9")],
        lines in prop::collection::vec(prop::collection::vec(any_entry(), 1..6), 0..5),
    ) {
        let text: Vec<String> = lines
            .iter()
            .map(|line| {
                let words: Vec<_> = line.iter().map(|entry| entry.map_or("unknown".into(), |a| a.to_string())).collect();
                words.join(", ")
            })
            .collect();
        let peer = peer.parse().unwrap();
        let client = client_address(&trusted(), peer, text.iter().map(String::as_bytes));
        prop_assert_eq!(client.address, oracle(&trusted(), peer, &lines.concat()));
    }

    /// Whatever a client sends, the entry that the trusted proxy appended is what counts.
    #[test]
    fn a_client_cannot_choose_its_address(forged: Vec<Vec<u8>>, same_line: bool) {
        let mut lines = forged;
        if same_line && let Some(last) = lines.last_mut() {
            last.extend_from_slice(b", 198.51.100.1");
        } else {
            lines.push(b"198.51.100.1".to_vec());
        }
        let client = client_address(&trusted(), "10.0.0.1".parse().unwrap(), lines.iter().map(Vec::as_slice));
        prop_assert_eq!(client.address.to_string(), "198.51.100.1");
    }
}
