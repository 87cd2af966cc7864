use proptest::prelude::*;

use super::*;

/// What `bytes` are read as: `more`, `own N`, `CLIENT > SERVER N`, or `!` and the error.
fn shown(bytes: &[u8]) -> String {
    match parse(bytes) {
        Ok(None) => "more".to_owned(),
        Ok(Some(Parsed { header: Header::Own, length })) => format!("own {length}"),
        Ok(Some(Parsed { header: Header::Relayed { client, server }, length })) => {
            format!("{client} > {server} {length}")
        }
        Err(error) => format!("!{error:?}"),
    }
}

#[track_caller]
fn check(bytes: impl AsRef<[u8]>, expect: &str) {
    let bytes = bytes.as_ref();
    assert_eq!(shown(bytes), expect, "{:?}", bytes.escape_ascii().to_string());
}

/// A version 2 header with these command and family bytes and this block.
fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, block].concat()
}

const V4: [u8; 12] = [198, 51, 100, 1, 192, 0, 2, 1, 0xdc, 0x04, 0x01, 0xbb];

#[test]
fn lines() {
    check("PROXY TCP4 198.51.100.1 192.0.2.1 56324 443\r\nGET /", "198.51.100.1:56324 > 192.0.2.1:443 45");
    check("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n", "[2001:db8::1]:1 > [2001:db8::2]:65535 44");
    check("PROXY TCP6 ::ffff:198.51.100.1 ::ffff:192.0.2.1 0 0\r\n", "198.51.100.1:0 > 192.0.2.1:0 53");
    check("PROXY UNKNOWN\r\n", "own 15");
    check("PROXY UNKNOWN ffff:f::f whatever 1 2\r\nx", "own 38");
    let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(91));
    assert_eq!(longest.len(), 107);
    check(&longest, "own 107");
    check(longest.replacen('x', "xx", 1), "!TooLong");
}

#[test]
fn lines_that_are_none() {
    for line in [
        "PROXY TCP4 198.51.100.1 192.0.2.1 56324 443\n",
        "PROXY TCP4 198.51.100.1 192.0.2.1 56324 443 \r\n",
        "PROXY TCP4 198.51.100.1 192.0.2.1 56324 443 1\r\n",
        "PROXY TCP4  198.51.100.1 192.0.2.1 56324 443\r\n",
        "PROXY TCP4 198.51.100.1 192.0.2.1 56324\r\n",
        "PROXY TCP4 198.51.100.1\t192.0.2.1 56324 443\r\n",
        "PROXY TCP4 198.51.100.1 192.0.2.1 056324 443\r\n",
        "PROXY TCP4 198.51.100.1 192.0.2.1 +56324 443\r\n",
        "PROXY TCP4 198.51.100.1 192.0.2.1 65536 443\r\n",
        "PROXY TCP4 198.51.100.1 192.0.2.1 -1 443\r\n",
        "PROXY TCP4 198.51.100.01 192.0.2.1 1 443\r\n",
        "PROXY TCP4 198.51.100 192.0.2.1 1 443\r\n",
        "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
        "PROXY TCP6 198.51.100.1 192.0.2.1 1 2\r\n",
        "PROXY TCP6 [2001:db8::1] 2001:db8::2 1 2\r\n",
        "PROXY TCP6 fe80::1%eth0 2001:db8::2 1 2\r\n",
        "PROXY UDP4 198.51.100.1 192.0.2.1 1 2\r\n",
        "PROXY tcp4 198.51.100.1 192.0.2.1 1 2\r\n",
        "PROXY  TCP4 198.51.100.1 192.0.2.1 1 2\r\n",
        "PROXY UNKNOWN \u{e9}\r\n",
        "PROXY UNKNOWN a\rb\r\n",
        "PROXY \r\n",
    ] {
        check(line, "!Line");
    }
    for nobody in ["0.0.0.0", "255.255.255.255", "224.0.0.1"] {
        check(format!("PROXY TCP4 {nobody} 192.0.2.1 1 2\r\n"), "!Addresses");
    }
    for other in ["GET / HTTP/1.1\r\n", "proxy TCP4", "PROXYTCP4", " PROXY ", "\r\n\r\nGET", "\x16\x03\x01", "PROXZ"] {
        check(other, "!Absent");
    }
}

#[test]
fn binary_headers() {
    check(v2(0x21, 0x11, &V4), "198.51.100.1:56324 > 192.0.2.1:443 28");
    let v6 =
        [&[0x20, 1, 0x0d, 0xb8][..], &[0; 11], &[1], &[0; 10], &[0xff, 0xff, 192, 0, 2, 1], &[0, 1, 0, 2]].concat();
    check(v2(0x21, 0x21, &v6), "[2001:db8::1]:1 > 192.0.2.1:2 52");
    check(v2(0x20, 0x00, b""), "own 16");
    check(v2(0x20, 0x11, &V4), "own 28");
    check(v2(0x20, 0xff, b"anything"), "own 24");
    check(v2(0x21, 0x00, b""), "own 16");
    check(v2(0x21, 0x00, b"anything"), "own 24");
    check(v2(0x21, 0x31, &[b'x'; 216]), "own 232");
    check([v2(0x21, 0x11, &V4), b"GET /".to_vec()].concat(), "198.51.100.1:56324 > 192.0.2.1:443 28");
}

#[test]
fn binary_headers_that_are_none() {
    check(v2(0x11, 0x11, &V4), "!Unknown");
    check(v2(0x22, 0x11, &V4), "!Unknown");
    check(v2(0x31, 0x11, &V4), "!Unknown");
    for family in [0x01, 0x10, 0x12, 0x13, 0x22, 0x32, 0x41, 0xff] {
        check(v2(0x21, family, &V4), "!Unknown");
    }
    check(v2(0x21, 0x11, &V4[..11]), "!Addresses");
    check(v2(0x21, 0x11, b""), "!Addresses");
    check(v2(0x21, 0x21, &V4), "!Addresses");
    check(v2(0x21, 0x31, &[0; 215]), "!Addresses");
    check(v2(0x21, 0x11, &[&[0; 4], &V4[4..]].concat()), "!Addresses");
    check(v2(0x21, 0x21, &[&[0xff; 16], &[0; 20][..]].concat()), "!Addresses");
    check(v2(0x21, 0x11, &[0; 521]), "!TooLong");
    check(&v2(0x21, 0x11, &vec![0; 60_000])[..16], "!TooLong");
    check(v2(0x20, 0x00, &[0; 520]), "own 536");
}

#[test]
fn extensions() {
    let with = |extensions: &[u8]| v2(0x21, 0x11, &[&V4, extensions].concat());
    check(with(b"\x04\0\x02ab\xea\0\0"), "198.51.100.1:56324 > 192.0.2.1:443 36");
    for bad in [&b"\x04"[..], b"\x04\0", b"\x04\0\x01", b"\x04\0\x03ab", b"\x04\0\0\x04\xff\xff"] {
        check(with(bad), "!Extensions");
    }
    let mut summed = with(b"\x04\0\x01x\x03\0\x04\0\0\0\0\xea\0\x01y");
    let sum = v2::checksum(&summed, 35);
    summed[35..39].copy_from_slice(&sum.to_be_bytes());
    check(&summed, "198.51.100.1:56324 > 192.0.2.1:443 43");
    summed[17] ^= 1;
    check(&summed, "!Extensions");
    check(with(b"\x03\0\x02ab"), "!Extensions");
}

/// RFC 3720 appendix B.4.
#[test]
fn the_checksum_is_castagnoli_s() {
    assert_eq!(v2::checksum(&[0; 32], 99), 0x8a91_36aa);
    assert_eq!(v2::checksum(&[0xff; 32], 99), 0x62a8_ab43);
    assert_eq!(v2::checksum(b"123456789", 99), 0xe306_9283);
}

#[test]
fn every_beginning_asks_for_more() {
    let good = [
        b"PROXY TCP4 198.51.100.1 192.0.2.1 56324 443\r\n".to_vec(),
        b"PROXY UNKNOWN\r\n".to_vec(),
        v2(0x21, 0x11, &V4),
        v2(0x20, 0x00, b""),
        v2(0x21, 0x11, &[&V4[..], b"\xea\0\x05hello"].concat()),
    ];
    for header in good {
        for cut in 0..header.len() {
            check(&header[..cut], "more");
        }
        assert!(parse(&header).unwrap().is_some_and(|parsed| parsed.length == header.len()));
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read(a: [u8; 4], b: [u8; 4], p: u16, q: u16, v6: bool, after: Vec<u8>) {
        let of = |bytes: [u8; 4]| -> std::net::IpAddr {
            if v6 {
                std::net::Ipv6Addr::from([[0x20, 1, 0x0d, 0xb8], bytes, [0; 4], bytes].concat().first_chunk::<16>().copied().unwrap()).into()
            } else {
                bytes.into()
            }
        };
        let (client, server) = (SocketAddr::new(of(a), p), SocketAddr::new(of(b), q));
        let family = if v6 { "TCP6" } else { "TCP4" };
        let line = format!("PROXY {family} {} {} {p} {q}\r\n", client.ip(), server.ip());
        let octets = |ip: std::net::IpAddr| match ip {
            std::net::IpAddr::V4(ip) => ip.octets().to_vec(),
            std::net::IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        let block = [octets(client.ip()), octets(server.ip()), p.to_be_bytes().to_vec(), q.to_be_bytes().to_vec()].concat();
        let expect = if crate::hop::is_host(&client.ip()) { Ok(Header::Relayed { client, server }) } else { Err(InvalidHeader::Addresses) };
        for header in [line.into_bytes(), v2(0x21, if v6 { 0x21 } else { 0x11 }, &block)] {
            let got = parse(&[header.clone(), after.clone()].concat());
            prop_assert_eq!(got, expect.map(|read| Some(Parsed { header: read, length: header.len() })));
        }
    }

    /// More bytes never change what was read, and nothing is asked for beyond the bound.
    #[test]
    fn any_bytes(start in prop_oneof![Just(&b"PROXY "[..]), Just(&b"\r\n\r\n\0\r\nQUIT\n\x21\x11"[..]), Just(&b""[..])], rest: Vec<u8>) {
        let bytes = [start, &rest].concat();
        let mut decided = None;
        for cut in 0..=bytes.len() {
            let now = parse(&bytes[..cut]);
            prop_assert!(cut < MAX_HEADER || now != Ok(None));
            if let Some(before) = decided {
                prop_assert_eq!(now, before);
            } else if now != Ok(None) {
                decided = Some(now);
            }
        }
    }
}
