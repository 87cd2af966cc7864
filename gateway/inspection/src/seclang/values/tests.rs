//! Expectations are what libmodsecurity 3.0.9 says of the same request, unless a comment says otherwise.

use rampart_message::{Headers, ResponseHead, Version};

use super::store::{Buffers, Values, push_number};
use super::testing::{seen, seen_with, settings};
use super::{read_response_body, read_response_head};
use crate::seclang::ast::BodyProcessor;
use crate::seclang::variable::{Source, Variable};

fn check_target(target: &str, uri: &str, file_name: &str, base_name: &str, query: &str) {
    let request = format!("GET {target} HTTP/1.1\r\n\r\n\r\n");
    let seen = seen(request.as_bytes(), None);
    let got = ["REQUEST_URI", "REQUEST_FILENAME", "REQUEST_BASENAME", "QUERY_STRING"].map(|name| seen.values(name));
    assert_eq!(got.concat(), [uri, file_name, base_name, query], "{target}");
    assert_eq!(seen.values("PATH_INFO"), [file_name], "{target}");
    assert_eq!(seen.values("REQUEST_URI_RAW"), [target.as_bytes().escape_ascii().to_string()]);
    let line = format!("GET {target} HTTP/1.1").into_bytes();
    assert_eq!(seen.values("REQUEST_LINE"), [line.escape_ascii().to_string()]);
}

#[test]
fn targets() {
    check_target("/", "/", "/", "", "");
    check_target("/a/b.php?x=1", "/a/b.php?x=1", "/a/b.php", "b.php", "x=1");
    check_target("/a/", "/a/", "/a/", "", "");
    check_target("/j?", "/j?", "/j", "j", "");
    check_target(
        "/a%20b/c+d.p%3fhp;x/in\\dex?e=%2527",
        "/a b/c+d.p?hp;x/in\\\\dex?e=%27",
        "/a b/c+d.p",
        "c+d.p",
        "e=%2527",
    );
    check_target("/a%00b", "/a\\x00b", "/a\\x00b", "a\\x00b", "");
    check_target("/%zz%4%", "/%zz%4%", "/%zz%4%", "%zz%4%", "");
    check_target("/a\\b", "/a\\\\b", "/a\\\\b", "b", "");
    check_target("http://www.example.com/p/q/?x", "/p/q/?x", "http://www.example.com/p/q/", "", "x");
    check_target("http://h", "http://h", "http://h", "h", "");
    check_target("a:/b//c/", "a:/b//c/", "a:/b//c/", "", "");
    check_target("*", "*", "*", "", "");
}

#[test]
fn a_fragment_is_in_the_raw_target_alone() {
    check_target("/a%23b#c?d", "/a#b", "/a#b", "a#b", "");
    check_target("/a?b#c?d", "/a?b", "/a", "a", "b");
    check_target("#", "", "", "", "");
    check_target("http://h/a#b", "/a", "http://h/a", "a", "");
}

fn check_query(query: &str, expect: &[&str]) {
    let seen = seen(format!("GET /?{query} HTTP/1.1\r\n\r\n\r\n").as_bytes(), None);
    assert_eq!(seen.values("ARGS"), expect, "{query}");
    assert_eq!(seen.values("ARGS_GET"), expect, "{query}");
    assert_eq!(seen.values("ARGS_POST"), [""; 0]);
}

#[test]
fn arguments_of_the_query() {
    check_query("", &[]);
    check_query("a=1&b=2", &["a=1", "b=2"]);
    check_query("a=1&a=2", &["a=1", "a=2"]);
    check_query("&", &[""]);
    check_query("a&&b&", &["a=", "", "b="]);
    check_query("=v&d==&=", &["v", "d==", ""]);
    check_query("b=%zz+x&e=%2527&%26=%3d", &["b=%zz x", "e=%27", "&=="]);
    check_query("c=%u0041&d=%00z&%e9=1&f=%", &["c=%u0041", "d=\\x00z", "\\xe9=1", "f=%"]);
    check_query("a;b=1;c=2", &["a;b=1;c=2"]);
}

#[test]
fn of_many_empty_pieces_only_some_are_arguments() {
    let request = format!("GET /?{}last=1 HTTP/1.1\r\n\r\n\r\n", "&".repeat(5_000));
    let seen = seen(request.as_bytes(), None);
    let arguments = seen.values("ARGS");
    assert_eq!(arguments.len(), 1_001);
    assert_eq!(arguments.last().map(String::as_str), Some("last=1"));
}

#[test]
fn names_and_sizes_of_arguments() {
    let request = b"POST /?a=1&b+c=%41 HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded; x\r\n\r\np=xyz&q";
    let seen = seen(request, None);
    assert_eq!(seen.values("ARGS_NAMES"), ["a=a", "b c=b c", "p=p", "q=q"]);
    assert_eq!(seen.values("ARGS_GET_NAMES"), ["a=a", "b c=b c"]);
    assert_eq!(seen.values("ARGS_POST_NAMES"), ["p=p", "q=q"]);
    assert_eq!(seen.values("ARGS_POST"), ["p=xyz", "q="]);
    assert_eq!(seen.scalar("ARGS_COMBINED_SIZE"), "11");
    assert_eq!(seen.scalar("REQBODY_PROCESSOR"), "URLENCODED");
    assert_eq!(seen.scalar("REQBODY_ERROR"), "");
    assert_eq!(seen.values("REQUEST_BODY"), ["p=xyz&q"]);
    assert_eq!(seen.scalar("REQUEST_BODY_LENGTH"), "7");
}

#[test]
fn the_separator_and_the_limit_of_arguments_are_settings() {
    let settings = super::super::program::Settings { argument_separator: b';', arguments: 2, ..settings() };
    let seen = seen_with(b"GET /?a=1;b=2&x;c=3 HTTP/1.1\r\n\r\n\r\n", None, &settings, None);
    assert_eq!(seen.values("ARGS"), ["a=1", "b=2&x"]);
}

#[test]
fn fields_are_as_received() {
    let request = b"GET / HTTP/1.0\r\nHost: www.example.com:8080\r\nX-A:  1 \r\nx-a: %41\r\nHOST: b\r\n\r\n";
    let seen = seen(request, None);
    assert_eq!(seen.values("REQUEST_HEADERS"), ["Host=www.example.com:8080", "X-A= 1 ", "x-a=%41", "HOST=b"]);
    assert_eq!(seen.values("REQUEST_HEADERS_NAMES"), ["Host=Host", "X-A=X-A", "x-a=x-a", "HOST=HOST"]);
    assert_eq!(seen.values("SERVER_NAME"), ["b"]);
    assert_eq!(seen.values("REQUEST_METHOD"), ["GET"]);
    assert_eq!(seen.values("REQUEST_PROTOCOL"), ["HTTP/1.0"]);
    assert_eq!(seen.scalar("FULL_REQUEST"), "Host: www.example.com:8080\\nX-A:  1 \\nx-a: %41\\nHOST: b\\n\\n\\n");
}

#[test]
fn an_authority_stands_in_for_the_host_field() {
    let request = b"GET /a HTTP/2.0\r\naccept: x\r\n\r\n";
    let without = seen_with(request, None, &settings(), Some(b"agents.example:443"));
    assert_eq!(without.values("REQUEST_HEADERS"), ["Host=agents.example:443", "accept=x"]);
    assert_eq!(without.values("SERVER_NAME"), ["agents.example"]);
    assert_eq!(without.values("REQUEST_LINE"), ["GET /a HTTP/2.0"]);
    let with = seen_with(b"GET /a HTTP/2.0\r\nhost: other\r\n\r\n", None, &settings(), Some(b"agents.example"));
    assert_eq!(with.values("REQUEST_HEADERS"), ["host=other"]);
}

fn check_cookies(field: &str, expect: &[&str]) {
    let seen = seen(format!("GET / HTTP/1.1\r\nCookie: {field}\r\n\r\n").as_bytes(), None);
    assert_eq!(seen.values("REQUEST_COOKIES"), expect, "{field:?}");
    let names: Vec<_> = expect.iter().filter_map(|cookie| cookie.split('=').next()).collect();
    assert_eq!(
        seen.values("REQUEST_COOKIES_NAMES"),
        names.iter().map(|name| format!("{name}={name}")).collect::<Vec<_>>()
    );
}

#[test]
fn cookies() {
    check_cookies("", &[]);
    check_cookies(
        "a=1; b = x%20y ;c;;=z; d=e=f;  g=\"q;w\"  ",
        &["a=1", "b = x%20y ", "c=", "d=e=f", "g=\\\"q", "w\\\"="],
    );
    check_cookies("a=1 ;", &["a=1"]);
    check_cookies("a=1 ; ", &["a=1 "]);
    check_cookies("a", &["a="]);
    check_cookies(" \t =x;\x0ba=+", &["a=+"]);
}

#[test]
fn every_cookie_field_counts() {
    let seen = seen(b"GET / HTTP/1.1\r\nCookie: a=1\r\nCOOKIE: b=2\r\n\r\n", None);
    assert_eq!(seen.values("REQUEST_COOKIES"), ["a=1", "b=2"]);
}

#[test]
fn the_connection_and_the_user() {
    let request = seen(b"GET / HTTP/1.1\r\nAuthorization: Basic YWRtaW46cGFzcw==\r\n\r\n", None);
    assert_eq!(request.values("REMOTE_ADDR"), ["192.0.2.7"]);
    assert_eq!(request.values("REMOTE_HOST"), ["192.0.2.7"]);
    let got =
        ["REMOTE_PORT", "SERVER_ADDR", "SERVER_PORT", "AUTH_TYPE", "REMOTE_USER"].map(|name| request.scalar(name));
    assert_eq!(got, ["4711", "2001:db8::1", "8443", "Basic", "admin"]);
    let other = seen(b"GET / HTTP/1.1\r\nAuthorization: Bearer x:y\r\n\r\n", None);
    assert_eq!((other.scalar("AUTH_TYPE"), other.scalar("REMOTE_USER")), ("Bearer".to_owned(), String::new()));
}

#[test]
fn without_a_body_everything_is_empty() {
    let seen = seen(b"GET / HTTP/1.1\r\n\r\n", None);
    assert_eq!(seen.values("REQUEST_BODY"), [""]);
    let flags = ["REQUEST_BODY_LENGTH", "REQBODY_PROCESSOR", "MULTIPART_STRICT_ERROR", "ARGS_COMBINED_SIZE"];
    assert!(flags.iter().all(|name| seen.scalar(name).is_empty()));
    assert_eq!((seen.scalar("REQBODY_ERROR"), seen.scalar("INBOUND_DATA_ERROR")), ("0".to_owned(), "0".to_owned()));
}

#[test]
fn a_rule_chooses_the_processor() {
    let request = b"POST / HTTP/1.1\r\nContent-Type: text/plain\r\n\r\nhello=x";
    assert_eq!(seen(request, None).values("ARGS"), [""; 0]);
    assert_eq!(seen(request, None).values("REQUEST_BODY"), ["hello=x"]);
    assert_eq!(seen(request, Some(BodyProcessor::Urlencoded)).values("ARGS_POST"), ["hello=x"]);
    let form = b"POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n{\"a\":[1]}";
    let json = seen(form, Some(BodyProcessor::Json));
    assert_eq!(json.values("ARGS"), ["json.a.array_0=1"]);
    assert_eq!(json.scalar("REQBODY_PROCESSOR"), "JSON");
}

#[test]
fn a_compressed_body_is_seen_as_it_was() {
    // gzip of `a=1`, stored.
    let member: [u8; 26] =
        [31, 139, 8, 0, 0, 0, 0, 0, 0, 255, 1, 3, 0, 252, 255, b'a', b'=', b'1', 129, 48, 98, 141, 3, 0, 0, 0];
    let head = b"POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n";
    let seen = seen(&[&head[..], &member].concat(), None);
    assert_eq!(seen.values("REQUEST_BODY"), ["a=1"]);
    assert_eq!(seen.values("ARGS_POST"), ["a=1"]);
    assert_eq!(seen.scalar("REQUEST_BODY_LENGTH"), "3");
}

#[test]
fn a_body_beyond_the_limit_is_cut() {
    let settings = super::super::program::Settings { request_body_limit: 5, ..settings() };
    let request = b"POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\na=1&b=2";
    let cut = seen_with(request, None, &settings, None);
    assert_eq!((cut.values("ARGS"), cut.scalar("INBOUND_DATA_ERROR")), (vec!["a=1".into(), "b=".into()], "1".into()));
    assert_eq!(cut.scalar("REQUEST_BODY_LENGTH"), "5");
    let json = b"POST / HTTP/1.1\r\nContent-Type: application/json\r\n\r\n[1,22]";
    let cut = seen_with(json, Some(BodyProcessor::Json), &settings, None);
    assert_eq!(
        (cut.values("ARGS"), cut.scalar("REQBODY_ERROR")),
        (vec!["json.array_0=1".into(), "json.array_1=22".into()], "1".into())
    );
}

#[test]
fn responses() {
    let fields: [(&[u8], &[u8]); 3] = [(b"Content-Type", b"text/html; charset=x"), (b"X-A", b"1"), (b"x-a", b"2")];
    let head = ResponseHead { status: 503, version: Version::Http11, headers: Headers::new(&fields) };
    let mut values = Values::new(Buffers::default());
    read_response_head(&head, &mut values);
    read_response_body(b"0123456789", false, &settings(), &mut values);
    let text = |name: &str| {
        let of = values.of(Variable::of(name).unwrap().sources());
        of.map(|(_, value)| format!("{}|{}", value.name.escape_ascii(), value.bytes.escape_ascii())).collect::<Vec<_>>()
    };
    assert_eq!(text("RESPONSE_STATUS"), ["|503"]);
    assert_eq!(text("RESPONSE_PROTOCOL"), ["|HTTP/1.1"]);
    assert_eq!(text("RESPONSE_HEADERS"), ["Content-Type|text/html; charset=x", "X-A|1", "x-a|2"]);
    assert_eq!(text("RESPONSE_HEADERS_NAMES"), ["Content-Type|Content-Type", "X-A|X-A", "x-a|x-a"]);
    assert_eq!(text("RESPONSE_CONTENT_TYPE"), ["|text/html"]);
    assert_eq!(text("RESPONSE_BODY"), ["|0123456789"]);
    let scalar = |name: &str| values.scalar(Variable::of(name).unwrap()).unwrap().into_owned();
    assert_eq!((scalar("RESPONSE_CONTENT_LENGTH"), scalar("OUTBOUND_DATA_ERROR")), (b"10".to_vec(), b"0".to_vec()));
    let short = super::super::program::Settings { response_body_limit: 4, ..settings() };
    let mut values = Values::new(Buffers::default());
    read_response_body(b"0123456789", false, &short, &mut values);
    assert_eq!(values.get(0).map(|value| value.bytes), Some(&b"0123"[..]));
    assert_eq!(values.scalar(Variable::OutboundDataError).as_deref(), Some(&b"1"[..]));
}

#[test]
fn what_is_kept_is_what_was_asked_for() {
    let seen = seen(b"GET /a%20b?q=1 HTTP/1.1\r\nHost: h\r\nAuthorization: Basic YTpi\r\n\r\n", None);
    let values = Values::resume(&seen.0, Buffers::default());
    let kept = values.keep(Source::RequestUri.bit() | Source::Header.bit());
    let later = Values::resume(&kept, values.into_buffers());
    assert_eq!(later.len(), 3);
    assert_eq!(later.count(Source::ArgGet.bit()), 0);
    let uri = later.get(0).unwrap();
    assert_eq!((uri.source, uri.bytes), (Source::RequestUri, &b"/a b?q=1"[..]));
    assert_eq!(later.scalar(Variable::RemoteUser).as_deref(), Some(&b"a"[..]));
    assert_eq!(later.scalar(Variable::Tx), None);
}

#[test]
fn derived_variables_of_a_message_are_answered() {
    let values = Values::new(Buffers::default());
    for variable in Variable::ALL.iter().filter(|variable| variable.as_str().starts_with("MULTIPART_")) {
        assert_eq!(values.scalar(*variable).is_some(), variable.is_derived(), "{variable:?}");
    }
}

/// Arguments, the slow way.
fn oracle(query: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let decode = |text: &[u8]| {
        let mut out = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let digits = text.get(at + 1..at + 3).and_then(|two| std::str::from_utf8(two).ok());
            match (text[at], digits.filter(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()))) {
                (b'%', Some(two)) => {
                    out.push(u8::from_str_radix(two, 16).unwrap());
                    at += 2;
                }
                (b'+', _) => out.push(b' '),
                (byte, _) => out.push(byte),
            }
            at += 1;
        }
        out
    };
    let mut pieces: Vec<_> = query.split(|&byte| byte == b'&').collect();
    if pieces.last() == Some(&&b""[..]) {
        pieces.pop();
    }
    let pair = |piece: &&[u8]| {
        let mut halves = piece.splitn(2, |&byte| byte == b'=');
        (decode(halves.next().unwrap_or_default()), decode(halves.next().unwrap_or_default()))
    };
    pieces.iter().map(pair).collect()
}

proptest::proptest! {
    #[test]
    fn arguments_agree_with_the_oracle(query in "[a-c%&=+0-9;\\x00é]{0,64}") {
        let mut values = Values::new(Buffers::default());
        let (settings, bytes) = (settings(), query.as_bytes());
        super::urlencoded::read(bytes, (Source::ArgGet, Source::ArgGetName), &settings, &mut values);
        let got: Vec<_> =
            values.of(Source::ArgGet.bit()).map(|(_, value)| (value.name.to_vec(), value.bytes.to_vec())).collect();
        proptest::prop_assert_eq!(got, oracle(bytes));
    }

    #[test]
    fn numbers_are_written_in_decimal(number: u64) {
        let mut out = Vec::new();
        push_number(&mut out, number);
        proptest::prop_assert_eq!(out, number.to_string().into_bytes());
    }
}
