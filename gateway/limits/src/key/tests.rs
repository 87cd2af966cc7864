use super::*;

#[derive(Clone)]
struct Request {
    client: IpAddr,
    header: Option<&'static [u8]>,
    cookie: Option<&'static [u8]>,
    query: Option<&'static [u8]>,
    identity: Option<&'static str>,
    route: &'static str,
    method: &'static str,
}

impl KeySource for Request {
    fn client(&self) -> IpAddr {
        self.client
    }

    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        assert_eq!(name, "x-session");
        self.header.map(Cow::Borrowed)
    }

    fn cookie(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        assert_eq!(name, "Sid");
        self.cookie.map(Cow::Borrowed)
    }

    fn query(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        assert_eq!(name, "user");
        self.query.map(Cow::Borrowed)
    }

    fn claim(&self, name: &str) -> Option<Cow<'_, str>> {
        assert_eq!(name, "role");
        self.identity.map(Cow::Borrowed)
    }

    fn subject(&self) -> Option<&str> {
        self.identity
    }

    fn tenant(&self) -> Option<&str> {
        self.identity
    }

    fn api_key(&self) -> Option<&str> {
        self.identity
    }

    fn route(&self) -> &str {
        self.route
    }

    fn method(&self) -> &str {
        self.method
    }

    fn request_bytes(&self) -> Option<u64> {
        None
    }
}

const PARTS: [&str; 10] = [
    "client_address",
    "header:X-Session",
    "cookie:Sid",
    "query:user",
    "claim:role",
    "subject",
    "tenant",
    "api_key",
    "route",
    "method",
];

fn request() -> Request {
    Request {
        client: "192.0.2.1".parse().unwrap(),
        header: None,
        cookie: None,
        query: None,
        identity: None,
        route: "login",
        method: "POST",
    }
}

fn parts(texts: &[&str]) -> Vec<KeyPart> {
    texts.iter().map(|text| KeyPart::parse(text).unwrap()).collect()
}

fn hash(texts: &[&str], request: &Request) -> KeyHash {
    KeyHasher::with_secret([7; 16]).hash(&parts(texts), 64, request)
}

#[test]
fn texts_that_name_no_part() {
    let check = |text: &str, expect: InvalidKeyPart| assert_eq!(KeyPart::parse(text), Err(expect), "{text}");
    check("", InvalidKeyPart::Kind);
    check("client", InvalidKeyPart::Kind);
    check("Subject", InvalidKeyPart::Kind);
    check("header", InvalidKeyPart::Kind);
    check("path:x", InvalidKeyPart::Kind);
    check("header:", InvalidKeyPart::Token);
    check("cookie:a=b", InvalidKeyPart::Token);
    check("query:", InvalidKeyPart::Empty);
    check("claim:", InvalidKeyPart::Empty);
}

#[test]
fn each_part_tells_values_apart() {
    let with = |value: &'static str| Request {
        header: Some(value.as_bytes()),
        cookie: Some(value.as_bytes()),
        query: Some(value.as_bytes()),
        identity: Some(value),
        route: value,
        method: value,
        client: if value == "GET" { [192, 0, 2, 1] } else { [192, 0, 2, 2] }.into(),
    };
    let mut seen = Vec::new();
    for part in PARTS {
        let [one, same, other] = ["GET", "GET", "PUT"].map(|value| hash(&[part], &with(value)));
        assert_eq!(one, same, "{part}");
        assert_ne!(one, other, "{part}");
        // Nor does the value of one part look like that of another.
        assert!(!seen.contains(&one), "{part}");
        seen.push(one);
    }
}

#[test]
fn a_part_that_is_missing_or_empty_counts_under_the_address() {
    for part in &PARTS[1..8] {
        let absent = hash(&[part], &request());
        let empty = Request { header: Some(b""), cookie: Some(b""), query: Some(b""), identity: Some(""), ..request() };
        assert_eq!(hash(&[part], &empty), absent, "{part}");
        let elsewhere = Request { client: "192.0.2.2".parse().unwrap(), ..request() };
        assert_ne!(hash(&[part], &elsewhere), absent, "{part}");
        // A value that looks like the stand-in is none.
        let bytes: &'static [u8] = &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1];
        let forged = Request { header: Some(bytes), cookie: Some(bytes), query: Some(bytes), ..request() };
        if !part.contains("claim") && part.contains(':') {
            assert_ne!(hash(&[part], &forged), absent, "{part}");
        }
    }
}

#[test]
fn values_cannot_move_from_one_part_to_the_next() {
    let with = |header: &'static [u8], cookie: &'static [u8]| Request {
        header: Some(header),
        cookie: Some(cookie),
        ..request()
    };
    let key = ["header:x-session", "cookie:Sid"];
    assert_ne!(hash(&key, &with(b"ab", b"c")), hash(&key, &with(b"a", b"bc")));
    assert_ne!(hash(&key, &with(b"a", b"b")), hash(&["cookie:Sid", "header:x-session"], &with(b"a", b"b")));
}

#[test]
fn addresses_are_networks() {
    let check = |one: &str, other: &str, prefix: u8, same: bool| {
        let [one, other] = [one, other].map(|text| network(text.parse().unwrap(), prefix));
        assert_eq!(one == other, same, "{one:?} {other:?} /{prefix}");
    };
    check("192.0.2.1", "192.0.2.1", 64, true);
    check("192.0.2.1", "192.0.2.2", 1, false);
    check("192.0.2.1", "::ffff:192.0.2.1", 64, true);
    check("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", 64, true);
    check("2001:db8::1", "2001:db8:0:1::1", 64, false);
    check("2001:db8::1", "2001:db8:0:1::1", 48, true);
    check("2001:db8::1", "2001:db8::2", 128, false);
    check("8000::", "ffff::", 1, true);
    check("::1", "ffff::", 1, false);
    check("::1", "8000::", 0, true);
}

#[test]
fn made_up_methods_are_one() {
    let of = |method: &'static str| hash(&["client_address", "method"], &Request { method, ..request() });
    assert_eq!(of("FOO"), of("BAR"));
    assert_eq!(of("get"), of("BAR"));
    assert_ne!(of("GET"), of("POST"));
    assert_ne!(of("GET"), of("FOO"));
}

#[test]
fn keys_that_begin_alike_share_a_partition() {
    let one = hash(&["client_address"], &request());
    let two = hash(&["client_address", "route"], &request());
    let three = hash(&["client_address", "method", "subject"], &request());
    assert_eq!(one.partition(), two.partition());
    assert_eq!(one.partition(), three.partition());
    assert!(one != two && two != three);
    let elsewhere = Request { client: "192.0.2.2".parse().unwrap(), ..request() };
    assert_ne!(hash(&["client_address"], &elsewhere).partition(), one.partition());
}

#[test]
fn another_secret_is_another_hash() {
    let of = |hasher: KeyHasher| hasher.hash(&parts(&["client_address"]), 64, &request());
    let known = of(KeyHasher::with_secret([7; 16]));
    assert_ne!(known, of(KeyHasher::with_secret([8; 16])));
    assert_ne!(of(KeyHasher::random()), of(KeyHasher::random()));
    // Gateways of several versions share a store: a changed value here starts all counts anew.
    assert_eq!(known.0, PINNED, "{:02x?}", known.0);
    assert_eq!(format!("{:?}", KeyHasher::with_secret([7; 16])), "KeyHasher(secret)");
}

const PINNED: [u8; 16] =
    [0xe5, 0x50, 0xb8, 0x96, 0xa1, 0xe9, 0x4e, 0x2c, 0xb2, 0xc1, 0x9f, 0x9a, 0xef, 0x9a, 0x0d, 0xaf];

/// The reference vectors of SipHash-2-4 with 128 bits: key 00 to 0f, messages of growing length 00, 01, ...
#[test]
fn the_hash_is_siphash() {
    let of = |len: u8| {
        let mut hasher = SipHasher24::new_with_key(&std::array::from_fn(|at| u8::try_from(at).unwrap()));
        hasher.write(&(0..len).collect::<Vec<u8>>());
        u128::from_be_bytes(hasher.finish128().as_bytes())
    };
    assert_eq!(of(0), 0xa381_7f04_ba25_a8e6_6df6_7214_c755_0293);
    assert_eq!(of(1), 0xda87_c1d8_6b99_af44_3476_5911_9b22_fc45);
    assert_eq!(of(2), 0x8177_228d_a4a4_5dc7_fca3_8bde_f60a_ffe4);
}

#[test]
fn a_described_request_has_the_key_of_the_real_one() {
    let real = Request { header: Some(b"s=1"), identity: Some("acme"), ..request() };
    let key = parts(&["client_address", "header:x-session", "tenant", "route", "method", "cookie:Sid"]);
    let texts = ["client_address=192.0.2.1", "header:X-Session=s=1", "tenant=acme", "route=login", "method=POST"];
    let described = Described::parse(texts, &key).unwrap();
    let hasher = KeyHasher::with_secret([7; 16]);
    assert_eq!(hasher.hash(&key, 64, &described), hasher.hash(&key, 64, &real));
    assert!(Described::parse(["tenant=acme"], &parts(&["tenant"])).is_ok());
    let check = |text: &str, expect: InvalidDescription| {
        assert_eq!(Described::parse([text], &parts(&["tenant", "route"])), Err(expect), "{text}");
    };
    check("tenant", InvalidDescription::NoValue("tenant".to_owned()));
    check("tennant=a", InvalidDescription::Part("tennant".to_owned(), InvalidKeyPart::Kind));
    check("client_address=localhost", InvalidDescription::Address("localhost".to_owned()));
    check("tenant=acme", InvalidDescription::NoAddress);
}
