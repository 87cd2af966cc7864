//! The table of bodies: well-formed ones, and each oddity with what is made of it.

use proptest::prelude::*;

use super::{Fault, Faults, parse};
use crate::collector::{Collector, Problems};
use crate::render::locate_value;
use crate::{Aspect, Detail, Limits, ProblemCode};

struct Read {
    values: Vec<(String, Aspect, Vec<u8>)>,
    faults: Faults,
    codes: Vec<ProblemCode>,
    limits: Vec<(&'static str, u64)>,
    parts: usize,
}

fn read_with(body: &[u8], boundary: Option<&str>) -> Read {
    let (mut values, mut nodes, mut problems) = (Vec::new(), Vec::new(), Problems::new());
    let limits = Limits::DEFAULT;
    let mut out = Collector { values: &mut values, nodes: &mut nodes, problems: &mut problems, limits: &limits };
    let (form, _) = parse(body, boundary.map(str::as_bytes), &mut out);
    let limits = problems.iter().filter_map(|problem| match problem.detail {
        Detail::Limit { limit, actual, .. } => Some((limit, actual)),
        _ => None,
    });
    let codes = problems.iter().map(|problem| problem.code).filter(|code| *code != ProblemCode::LimitExceeded);
    Read {
        values: values.iter().map(|v| (locate_value(&nodes, v), v.aspect, v.bytes.to_vec())).collect(),
        faults: form.faults,
        codes: codes.collect(),
        limits: limits.collect(),
        parts: form.parts.len(),
    }
}

/// `\n` in the tables stands for CRLF.
fn crlf(text: &str) -> String {
    text.replace('\n', "\r\n")
}

fn check(body: &str, expect: &[(&str, &str)], faults: &[Fault], codes: &[ProblemCode]) {
    let got = read_with(crlf(body).as_bytes(), Some("B"));
    let values: Vec<_> =
        got.values.iter().map(|(p, _, v)| (p.clone(), String::from_utf8_lossy(v).into_owned())).collect();
    let expect: Vec<_> = expect.iter().map(|(p, v)| ((*p).to_owned(), crlf(v))).collect();
    assert_eq!(values, expect, "{body}");
    assert_eq!(got.faults.iter().collect::<Vec<_>>(), faults, "{body}");
    if !codes.is_empty() || faults.is_empty() {
        assert_eq!(got.codes, codes, "{body}");
    }
}

fn field(header: &str, content: &str) -> String {
    format!("--B\n{header}\n\n{content}\n--B--\n")
}

#[test]
fn forms() {
    check(&field("Content-Disposition: form-data; name=\"a\"", "1"), &[("form.a", "1")], &[], &[]);
    check(&field("content-disposition:FORM-DATA;name=a", "1\n2\n"), &[("form.a", "1\n2\n")], &[], &[]);
    check(
        &field("Content-Disposition: form-data; name=\"a\"; filename=\"f.txt\"\nContent-Type: text/plain", "x"),
        &[("file.a", "f.txt"), ("file.a", "x")],
        &[],
        &[],
    );
    check(
        "--B\nContent-Disposition: form-data; name=a\n\n1\n--B\nContent-Disposition: form-data; name=b\n\n\n--B--",
        &[("form.a", "1"), ("form.b", "")],
        &[],
        &[],
    );
    check("--B--\n", &[], &[], &[]);
    check(
        &field("Content-Disposition: form-data; name=\"\"; filename=\"\"", ""),
        &[("file.", ""), ("file.", "")],
        &[Fault::NoName],
        &[],
    );
    check(
        &field("Content-Disposition: form-data; name=\"a\"; filename=\"\"", "1' or 1=1"),
        &[("file.a", ""), ("form.a", "1' or 1=1"), ("file.a", "1' or 1=1")],
        &[],
        &[],
    );
    check(
        &field("Content-Disposition: form-data; name=a; filename=\"\"\nContent-Type: application/json", "{\"b\":[1]}"),
        &[("file.a", ""), ("form.a.b[0]", "1"), ("file.a", "{\"b\":[1]}")],
        &[],
        &[],
    );
    check(
        &field("Content-Disposition: form-data; name=a\nContent-Type: application/json", "{\"b\":[1]}"),
        &[("form.a.b[0]", "1")],
        &[],
        &[],
    );
    check(
        &field("Content-Disposition: form-data; name=a\nContent-Type: text/xml", "<b>1</b>"),
        &[("form.a.b", "1")],
        &[],
        &[],
    );
    check(
        &field("Content-Disposition: form-data; name=a\nContent-Type: text/plain; charset=utf-16be", "\0x"),
        &[("form.a", "x")],
        &[],
        &[],
    );
}

#[test]
fn faults_of_delimiters() {
    let part = "--B\nContent-Disposition: form-data; name=a\n\n1";
    check(part, &[("form.a", "1")], &[Fault::NoEnd], &[ProblemCode::TruncatedMultipart]);
    check(
        &format!("{part}\n--B"),
        &[("form.a", "1"), ("form.", "")],
        &[Fault::OpenHeader, Fault::NoEnd, Fault::NoDisposition, Fault::NoName],
        &[],
    );
    check(
        &format!("before\n{part}\n--B--\n"),
        &[("body", "before"), ("form.a", "1")],
        &[Fault::TextBefore],
        &[ProblemCode::MultipartOutside],
    );
    check(
        &format!("{part}\n--B--\nafter' OR 1"),
        &[("form.a", "1"), ("body", "after' OR 1")],
        &[Fault::TextAfter],
        &[ProblemCode::MultipartOutside],
    );
    check(&format!("{part}\n--B--after"), &[("form.a", "1"), ("body", "after")], &[Fault::TextAfter], &[]);
    check(
        &format!("{part}\n--Bx\n--B--"),
        &[("form.a", "1\n--Bx")],
        &[Fault::UnmatchedBoundary],
        &[ProblemCode::MalformedMultipart],
    );
    check(&format!("{part} --B\n--B--"), &[("form.a", "1 --B")], &[Fault::UnmatchedBoundary], &[]);
    check(&format!("{part}\n--B-- \n"), &[("form.a", "1")], &[Fault::BoundaryBlanks], &[]);
    check("no delimiter", &[("body", "no delimiter")], &[Fault::NoDelimiter], &[ProblemCode::MalformedMultipart]);
}

#[test]
fn line_feeds_alone() {
    let body = b"--B\nContent-Disposition: form-data; name=a\n\n1\n--B--\n";
    let got = read_with(body, Some("B"));
    assert_eq!(got.values, [("form.a".to_owned(), Aspect::Text, b"1".to_vec())]);
    assert_eq!(got.faults.iter().collect::<Vec<_>>(), [Fault::BareLineFeed]);
}

#[test]
fn boundaries() {
    let body = b"--X\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--X--\r\n";
    let faults = |boundary| {
        let got = read_with(body, boundary);
        (got.values.len(), got.faults.iter().collect::<Vec<_>>())
    };
    assert_eq!(faults(Some("X")), (1, vec![]));
    assert_eq!(faults(None), (1, vec![Fault::NoBoundary]));
    assert_eq!(faults(Some("")), (1, vec![Fault::IllegalBoundary]));
    assert_eq!(faults(Some("Y")), (1, vec![Fault::NoDelimiter]));
    let long = "X".repeat(71);
    let body = format!("--{long}--\r\n");
    assert_eq!(read_with(body.as_bytes(), Some(&long)).faults.iter().collect::<Vec<_>>(), [Fault::IllegalBoundary]);
    assert_eq!(read_with(b"--a;b--", Some("a;b")).faults.iter().collect::<Vec<_>>(), [Fault::IllegalBoundary]);
}

#[test]
fn faults_of_headers() {
    use ProblemCode::{AmbiguousPart, BadContentType, NestedMultipart, PartTransferEncoding, UnknownCharset};
    let name = "Content-Disposition: form-data; name=a";
    let check = |header: &str, expect: &[(&str, &str)], faults: &[Fault], codes: &[ProblemCode]| {
        check(&field(header, "1"), expect, faults, codes);
    };
    check("X: y", &[("form.", "1")], &[Fault::NoDisposition, Fault::NoName], &[AmbiguousPart, AmbiguousPart]);
    check("Content-Disposition: attachment; name=a", &[("form.a", "1")], &[Fault::NoDisposition], &[AmbiguousPart]);
    check(
        "Content-Disposition: form-data; name=a; name=b",
        &[("form.b", ""), ("form.a", "1")],
        &[Fault::RepeatedParameter],
        &[AmbiguousPart],
    );
    check(
        &format!("{name}\nContent-Disposition: form-data; name=b; filename=e.php"),
        &[("form.b", ""), ("file.a", "e.php"), ("file.a", "1")],
        &[Fault::TwoDispositions],
        &[],
    );
    check(
        "Content-Disposition: form-data; name=a; filename*=UTF-8''e%2ephp",
        &[("file.a", "e.php"), ("file.a", "1")],
        &[Fault::ExtendedFileName],
        &[],
    );
    check(
        "Content-Disposition: form-data; name=a; filename=x; filename*=UTF-8''y",
        &[("file.a", "x"), ("file.a", "y"), ("file.a", "1")],
        &[Fault::ExtendedFileName],
        &[],
    );
    check("Content-Disposition: form-data; name=\"a\\\"b\"", &[("form.a\"b", "1")], &[Fault::OddQuoting], &[]);
    check("Content-Disposition: form-data; name='a'", &[("form.'a'", "1")], &[Fault::OddQuoting], &[]);
    check("Content-Disposition: form-data; name=\"a", &[("form.a", "1")], &[Fault::OddParameter], &[]);
    check(
        &format!("{name}\n folded: x"),
        &[("form.a\r\n folded: x", "1")],
        &[Fault::FoldedHeader, Fault::OddParameter],
        &[],
    );
    check(&format!("{name}\nno colon"), &[("form.a", "1")], &[Fault::BadHeader], &[]);
    check(&format!("{name}\nbad name: x"), &[("form.a", "1")], &[Fault::BadHeader], &[]);
    check(&format!("{name}\nContent-Transfer-Encoding: base64"), &[("form.a", "1")], &[], &[PartTransferEncoding]);
    check(&format!("{name}\nContent-Transfer-Encoding: 8BIT"), &[("form.a", "1")], &[], &[]);
    check(&format!("{name}\nContent-Type: multipart/mixed; boundary=C"), &[("form.a", "1")], &[], &[NestedMultipart]);
    check(&format!("{name}\nContent-Type: text/plain; charset=utf-7"), &[("form.a", "1")], &[], &[UnknownCharset]);
    check(
        &format!("{name}\nContent-Type: text/plain\nContent-Type: text/html"),
        &[("form.a", "1")],
        &[],
        &[BadContentType],
    );
    check("Content-Disposition: form-data; name=_charset_", &[("form._charset_", "1")], &[], &[UnknownCharset]);
}

#[test]
fn a_folded_name_joins_its_lines() {
    let body = "--B\r\nContent-Disposition: form-data;\r\n name=\"a\"\r\n\r\n1\r\n--B--\r\n";
    let got = read_with(body.as_bytes(), Some("B"));
    assert_eq!(got.values[0].0, "form.a");
    assert_eq!(got.faults.iter().collect::<Vec<_>>(), [Fault::FoldedHeader]);
}

#[test]
fn a_header_without_an_end_is_seen() {
    let body = crlf("--B\nContent-Disposition: form-data; name=a\n--B--");
    let got = read_with(body.as_bytes(), Some("B"));
    assert_eq!(got.values[0].2, b"Content-Disposition: form-data; name=a");
    assert!(got.faults.contains(Fault::OpenHeader));
}

#[test]
fn invalid_text() {
    let body = b"--B\r\nContent-Disposition: form-data; name=a\r\n\r\n\xff\0\r\n--B--\r\n";
    assert_eq!(read_with(body, Some("B")).codes, [ProblemCode::InvalidCharset, ProblemCode::NulByte]);
    let file = b"--B\r\nContent-Disposition: form-data; name=a; filename=f\r\n\r\n\xff\0\r\n--B--\r\n";
    assert_eq!(read_with(file, Some("B")).codes, []);
}

#[test]
fn limits() {
    let part = |n: usize, extra: &str| format!("--B\r\nContent-Disposition: form-data; name=a{n}{extra}\r\n\r\n1\r\n");
    let many = (0..129).map(|n| part(n, "")).collect::<Vec<_>>().concat() + "--B--";
    assert_eq!(read_with(many.as_bytes(), Some("B")).limits, [("multipart_parts", 129)]);
    let hostile = (0..50_000).map(|n| part(n, "")).collect::<Vec<_>>().concat() + "--B--";
    let got = read_with(hostile.as_bytes(), Some("B"));
    assert_eq!((got.values.len(), got.parts), (20_000, 129));
    let files = (0..33).map(|n| part(n, "; filename=f")).collect::<Vec<_>>().concat() + "--B--";
    assert_eq!(read_with(files.as_bytes(), Some("B")).limits, [("files", 33)]);
    let long = part(0, &format!("; filename={}", "f".repeat(256))) + "--B--";
    assert_eq!(read_with(long.as_bytes(), Some("B")).limits, [("file_name_length", 256)]);
    let big = part(0, &format!("\r\nX: {}", "f".repeat(8200))) + "--B--";
    assert_eq!(read_with(big.as_bytes(), Some("B")).limits[0].0, "part_header_bytes");
}

#[test]
fn hostile_bodies_stay_linear() {
    let started = std::time::Instant::now();
    for hostile in ["--B", "--B\r\n", "\r\n", "\n--B\n\n", "--B\r\nA:\r\n b\r\n", "-"] {
        let body = format!("--B\r\n{}", hostile.repeat((2 << 20) / hostile.len()));
        let _ = read_with(body.as_bytes(), Some("B"));
    }
    assert!(started.elapsed().as_secs() < 20);
}

proptest! {
    #[test]
    fn what_is_written_comes_back(fields in prop::collection::vec(("[a-z]{1,8}", prop::collection::vec(any::<u8>(), 0..80), any::<bool>()), 0..6)) {
        let mut body = Vec::new();
        for (name, content, file) in &fields {
            let extra = if *file { "; filename=\"f\"" } else { "" };
            body.extend_from_slice(format!("--fence\r\nContent-Disposition: form-data; name=\"{name}\"{extra}\r\n\r\n").as_bytes());
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--fence--\r\n");
        let got = read_with(&body, Some("fence"));
        let expect: Vec<_> = fields.iter().map(|(_, content, _)| content.clone()).collect();
        let found: Vec<_> = got.values.into_iter().filter(|(_, aspect, _)| *aspect != Aspect::FileName).map(|(_, _, v)| v).collect();
        prop_assert_eq!(found, expect);
        prop_assert!(got.faults.is_empty());
    }

    #[test]
    fn any_body(body in "[-B\\r\\n:;=\" a]{0,80}", boundary in prop::option::of("[B-]{0,3}")) {
        let got = read_with(body.as_bytes(), boundary.as_deref());
        prop_assert!(got.values.iter().map(|(_, _, value)| value.len()).sum::<usize>() <= 2 * body.len());
    }
}
