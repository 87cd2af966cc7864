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
