//! Whole messages: which parser reads what, how places are written, and that buffers are used again.

use super::*;
use crate::{Headers, Version};

struct Case<'t> {
    target: &'t str,
    fields: &'t [(&'t str, &'t str)],
    body: Option<&'t [u8]>,
}

#[derive(Debug, PartialEq)]
struct Seen {
    values: Vec<(String, String)>,
    codes: Vec<ProblemCode>,
    well_formed: Option<bool>,
}

fn seen(case: &Case<'_>) -> Seen {
    let fields: Vec<_> = case.fields.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
    let headers = Headers::new(&fields);
    let head =
        Head { method: b"POST", target: case.target.as_bytes(), version: Version::Http11, authority: None, headers };
    let limits = Limits::DEFAULT;
    let body = Body::open(&headers, case.body.unwrap_or_default(), &limits);
    let mut message = Message::parse_head(head, &limits, &mut Scratch::new());
    if case.body.is_some() {
        message.parse_body(&body, &limits);
    }
    let text = |value: &Value<'_>| String::from_utf8_lossy(&value.bytes).into_owned();
    Seen {
        values: message.values.iter().map(|value| (message.locate_value(value), text(value))).collect(),
        codes: message.problems.iter().map(|problem| problem.code).collect(),
        well_formed: message.body.map(|facts| facts.well_formed),
    }
}

fn pairs(expect: &[(&str, &str)]) -> Vec<(String, String)> {
    expect.iter().map(|(place, text)| ((*place).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn heads() {
    let fields = [("Host", "h"), ("Cookie", "sid=1; t=%41"), ("X-A", "b")];
    let got = seen(&Case { target: "/a%20b?q=1&r=x+y", fields: &fields, body: None });
    let expect = [
        ("path", "/a b"),
        ("path", "/a%20b"),
        ("query.q", "1"),
        ("query.r", "x y"),
        ("header.host", "h"),
        ("cookie.sid", "1"),
        ("cookie.t", "A"),
        ("header.x-a", "b"),
    ];
    assert_eq!(got, Seen { values: pairs(&expect), codes: vec![], well_formed: None });
}

#[test]
fn odd_targets() {
    let codes = |target: &str| seen(&Case { target, fields: &[], body: None }).codes;
    assert_eq!(codes("/a"), []);
    assert_eq!(codes("nothing"), [ProblemCode::BadTarget]);
    assert_eq!(codes("/a%zz"), [ProblemCode::BadPath]);
    // A route may allow it: the path policy judges, not the message.
    assert_eq!(codes("/a//b"), []);
    assert_eq!(codes(&format!("/{}", "a".repeat(8192))), [ProblemCode::LimitExceeded]);
    let traversal = seen(&Case { target: "/../../etc/passwd", fields: &[], body: None });
    assert_eq!(traversal.values, pairs(&[("path", "/etc/passwd"), ("path", "/../../etc/passwd")]));
}

fn check_body(content_type: &str, body: &[u8], expect: &[(&str, &str)], codes: &[ProblemCode], well_formed: bool) {
    let fields = [("content-type", content_type)];
    let fields = if content_type.is_empty() { &fields[..0] } else { &fields[..] };
    let got = seen(&Case { target: "/", fields, body: Some(body) });
    let values = got.values.into_iter().filter(|(place, _)| place != "path" && place != "header.content-type");
    let got = Seen { values: values.collect(), ..got };
    let expect = Seen { values: pairs(expect), codes: codes.to_vec(), well_formed: Some(well_formed) };
    assert_eq!(got, expect, "{content_type} {}", String::from_utf8_lossy(body));
}

#[test]
fn bodies_go_to_their_parser() {
    check_body("application/json", b"{\"title\":\"x\"}", &[("root.title", "x")], &[], true);
    check_body("application/x-ndjson", b"{\"a\":1}\n{\"a\":2}", &[("root[0].a", "1"), ("root[1].a", "2")], &[], true);
    check_body("application/x-www-form-urlencoded", b"a=1&b=%41", &[("form.a", "1"), ("form.b", "A")], &[], true);
    check_body("text/xml", b"<a b='1'>x</a>", &[("xml.a.@b", "1"), ("xml.a", "x")], &[], true);
    check_body("text/plain", b"just text", &[("body", "just text")], &[], true);
    let form = b"--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B--";
    check_body("multipart/form-data; boundary=B", form, &[("form.a", "1")], &[], true);
    check_body("application/json", b"", &[], &[], true);
}

#[test]
fn bytes_that_are_no_text_are_a_files_content() {
    let check = |content_type: &str, raw: &[u8], expect: &[(Kind, Aspect)]| {
        let fields = [(&b"content-type"[..], content_type.as_bytes())];
        let headers = Headers::new(if content_type.is_empty() { &[] } else { &fields });
        let head = Head { method: b"PUT", target: b"/", version: Version::Http11, authority: None, headers };
        let mut message = Message::parse_head(head, &Limits::DEFAULT, &mut Scratch::new());
        let before = message.values.len();
        let body = Body::open(&headers, raw, &Limits::DEFAULT);
        message.parse_body(&body, &Limits::DEFAULT);
        let found: Vec<_> = message.values[before..].iter().map(|value| (value.kind, value.aspect)).collect();
        assert_eq!(found, expect, "{content_type} {}", raw.escape_ascii());
    };
    let (bytes, text) = ((Kind::Body, Aspect::FileContent), (Kind::Body, Aspect::Text));
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR <script>";
    check("image/png", png, &[bytes]);
    check("application/octet-stream", png, &[bytes]);
    check("application/pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", &[bytes]);
    check("text/plain", png, &[text]);
    check("", png, &[text]);
    check("application/protobuf", png, &[text]);
    check("image/png", b"' or 1=1", &[text]);
    check("image/png", b"caf\xe9 ' or 1=1", &[text]);
    check("image/png", b"a=%27&b=1", &[text, (Kind::Form, Aspect::Text), (Kind::Form, Aspect::Text)]);
    check("image/png", b"\xff\xfe{\0}\0", &[text]);
    check("application/octet-stream", b"<a>x</a>", &[text, (Kind::Xml, Aspect::Text)]);
    let late = [&b"a".repeat(600)[..], b"\0"].concat();
    check("application/octet-stream", &late, &[text]);
}

#[test]
fn a_wrong_label_is_no_bypass() {
    use ProblemCode::{MislabelledBody, MissingContentType};
    let json = b"{\"a\":\"' OR 1\"}";
    let text = "{\"a\":\"' OR 1\"}";
    let both = [("body", text), ("root.a", "' OR 1")];
    check_body("text/plain", json, &both, &[MislabelledBody], true);
    check_body("", json, &both, &[MissingContentType, MislabelledBody], true);
    check_body("image/png", json, &both, &[MislabelledBody], true);
    check_body(
        "application/x-www-form-urlencoded",
        json,
        &[("form.".to_owned() + text).as_str()]
            .map(|p| (p, ""))
            .into_iter()
            .chain([("root.a", "' OR 1")])
            .collect::<Vec<_>>(),
        &[MislabelledBody],
        true,
    );
    check_body(
        "text/plain",
        b"a=1&b=2",
        &[("body", "a=1&b=2"), ("form.a", "1"), ("form.b", "2")],
        &[MislabelledBody],
        true,
    );
    check_body("text/plain", b"<a>x</a>", &[("body", "<a>x</a>"), ("xml.a", "x")], &[MislabelledBody], true);
    check_body(
        "text/plain",
        b"{\"a\":1}\n{\"a\":2}\n",
        &[("body", "{\"a\":1}\n{\"a\":2}\n"), ("root[0].a", "1"), ("root[1].a", "2")],
        &[MislabelledBody],
        true,
    );
    check_body("text/plain", b"{ not json", &[("body", "{ not json")], &[], true);
    check_body("text/plain", b"a = b, so what", &[("body", "a = b, so what")], &[], true);
}

#[test]
fn a_guess_that_stops_at_a_bound_keeps_what_it_read() {
    let deep = "[".repeat(600);
    let got = seen(&Case { target: "/", fields: &[("content-type", "text/plain")], body: Some(deep.as_bytes()) });
    assert_eq!(got.codes, [ProblemCode::LimitExceeded, ProblemCode::MislabelledBody]);
}

#[test]
fn what_does_not_parse_is_seen_whole() {
    use ProblemCode::{MalformedJson, TruncatedEncoding, TruncatedMultipart};
    check_body(
        "application/json",
        b"{\"a\":\"x\",b}",
        &[("root.a", "x"), ("body", "{\"a\":\"x\",b}")],
        &[MalformedJson],
        false,
    );
    let form = "--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1";
    check_body(
        "multipart/form-data; boundary=B",
        form.as_bytes(),
        &[("form.a", "1"), ("body", form)],
        &[TruncatedMultipart],
        false,
    );
    let fields = [("content-type", "text/plain"), ("content-encoding", "gzip")];
    let got = seen(&Case { target: "/", fields: &fields, body: Some(b"\x1f\x8b") });
    assert_eq!((got.codes, got.well_formed), (vec![TruncatedEncoding], Some(false)));
}

#[test]
fn a_prefix_is_not_blamed_for_being_cut() {
    let check = |content_type: &str, body: &[u8], expect: &[(&str, &str)], codes: &[ProblemCode]| {
        let fields = [(&b"content-type"[..], content_type.as_bytes())];
        let headers = Headers::new(&fields);
        let head = Head { method: b"PUT", target: b"/", version: Version::Http2, authority: None, headers };
        let limits = Limits::DEFAULT;
        let body = Body::open_prefix(&headers, body, &limits);
        let mut message = Message::parse_head(head, &limits, &mut Scratch::new());
        message.parse_body(&body, &limits);
        let values = message.values.iter().skip(2);
        let text = |value: &Value<'_>| String::from_utf8_lossy(&value.bytes).into_owned();
        let values: Vec<_> = values.map(|value| (message.locate_value(value), text(value))).collect();
        assert_eq!(values, pairs(expect));
        assert_eq!(message.problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), codes);
    };
    let cut = "{\"a\":1,\"b\":\"lon";
    check("application/json", cut.as_bytes(), &[("root.a", "1"), ("root.b", "lon"), ("body", cut)], &[]);
    let twice = "{\"a\":1,\"a\":2,";
    check(
        "application/json",
        twice.as_bytes(),
        &[("root.a", "1"), ("root.a", "2"), ("body", twice)],
        &[ProblemCode::DuplicateKey],
    );
    let form = "--B\r\nContent-Disposition: form-data; na";
    let values = [("form.", form.strip_prefix("--B\r\n").unwrap()), ("body", form)];
    check("multipart/form-data; boundary=B", form.as_bytes(), &values, &[]);
    check("text/plain", b"caf\xc3", &[("body", "caf\u{fffd}")], &[]);
}

#[test]
fn a_body_that_is_a_value_already_is_not_one_twice() {
    use ProblemCode::MalformedMultipart;
    check_body("multipart/form-data; boundary=B", b"none", &[("body", "none")], &[MalformedMultipart], false);
}

#[test]
fn the_body_is_seen_even_when_nothing_else_fits() {
    let many = format!("[{}]", vec!["1"; 30_000].join(","));
    let got = seen(&Case { target: "/", fields: &[("content-type", "application/json")], body: Some(many.as_bytes()) });
    assert_eq!(got.values.last().unwrap(), &("body".to_owned(), many));
    assert_eq!(got.well_formed, Some(false));
}

#[test]
fn names_and_places() {
    let fields: [(&[u8], &[u8]); 2] = [(b"Content-Type", b"application/json"), (b"X-Y", b"z\x01")];
    let headers = Headers::new(&fields);
    let head = Head { method: b"POST", target: b"/?q=1", version: Version::Http11, authority: None, headers };
    let limits = Limits { string_length: 3, ..Limits::DEFAULT };
    let body = Body::open(&headers, b"{\"a\":[{\"b\":\"long\"}]}", &limits);
    let mut message = Message::parse_head(head, &limits, &mut Scratch::new());
    message.parse_body(&body, &limits);
    let names: Vec<_> = message.names().map(|name| String::from_utf8_lossy(name.bytes).into_owned()).collect();
    assert_eq!(names, ["q", "Content-Type", "X-Y", "a", "b"]);
    let told: Vec<_> = message.problems.iter().map(|problem| message.describe(problem)).collect();
    assert_eq!(
        told,
        ["bad_header_value at header.x-y", "limit_exceeded at root.a[0].b: string_length is 4, allowed are 3",]
    );
    let Some(Name::Node(node)) = message.values.last().map(|value| value.name.clone()) else { panic!() };
    let steps: Vec<_> = message.ascend(node).collect();
    assert!(matches!(steps[..], [Step::Key(_), Step::Index(0), Step::Key(_), Step::Root]));
}

#[test]
fn scratch_keeps_its_memory() {
    let mut scratch = Scratch::new();
    let limits = Limits::DEFAULT;
    let mut first = None;
    for _ in 0..3 {
        let fields: Vec<(Vec<u8>, Vec<u8>)> = (0..40).map(|n| (format!("h{n}").into_bytes(), vec![b'x'])).collect();
        let fields: Vec<_> = fields.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        let headers = Headers::new(&fields);
        let head = Head { method: b"GET", target: b"/", version: Version::Http11, authority: None, headers };
        Message::parse_head(head, &limits, &mut scratch).recycle(&mut scratch);
        let kept = (scratch.values.as_ptr(), scratch.values.capacity());
        assert!(kept.1 >= 41);
        assert_eq!(*first.get_or_insert(kept), kept);
    }
}

#[test]
fn values_stay_small() {
    assert!(size_of::<Value<'_>>() <= 56, "{}", size_of::<Value<'_>>());
    assert!(size_of::<Node<'_>>() <= 40, "{}", size_of::<Node<'_>>());
}
