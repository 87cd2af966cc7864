//! Expectations are what libmodsecurity 3.0.9 says of the same body, unless a comment says otherwise.

use super::super::testing::{Seen, seen};

const END: &str = "--AB--\r\n";

fn read_as(content_type: &str, body: &str) -> Seen {
    seen(format!("POST /u HTTP/1.1\r\nHost: h\r\nContent-Type: {content_type}\r\n\r\n{body}").as_bytes(), None)
}

fn read(body: &str) -> Seen {
    read_as("multipart/form-data; boundary=AB", body)
}

/// A part with this Content-Disposition.
fn part(disposition: &str, content: &str) -> String {
    format!("--AB\r\nContent-Disposition: {disposition}\r\n\r\n{content}\r\n")
}

fn field() -> String {
    part("form-data; name=\"f\"", "v")
}

/// The flags that are set, by the end of their names, `UNMATCHED_BOUNDARY` with its value, and `ERROR`.
fn flags(seen: &Seen) -> Vec<String> {
    const NAMES: [&str; 13] = [
        "STRICT_ERROR",
        "UNMATCHED_BOUNDARY",
        "BOUNDARY_QUOTED",
        "BOUNDARY_WHITESPACE",
        "DATA_BEFORE",
        "DATA_AFTER",
        "HEADER_FOLDING",
        "INVALID_HEADER_FOLDING",
        "INVALID_QUOTING",
        "INVALID_PART",
        "LF_LINE",
        "CRLF_LF_LINES",
        "MISSING_SEMICOLON",
    ];
    let mut set: Vec<_> = NAMES
        .iter()
        .filter_map(|name| match seen.scalar(&format!("MULTIPART_{name}")).as_str() {
            "0" => None,
            "2" => Some(format!("{name}=2")),
            "1" => Some((*name).to_owned()),
            other => panic!("{name} is {other:?}"),
        })
        .collect();
    set.extend((seen.scalar("REQBODY_ERROR") == "1").then(|| "ERROR".to_owned()));
    set
}

fn check(body: &str, args: &[&str], expect: &[&str]) {
    let seen = read(body);
    assert_eq!(seen.values("ARGS_POST"), args, "{body:?}");
    assert_eq!(flags(&seen), expect, "{body:?}");
}

/// A body that ends as it should has had its last delimiter "unmatched": so says libmodsecurity.
const FINE: &str = "UNMATCHED_BOUNDARY=2";

#[test]
fn fields_and_files() {
    let body = field() + &part("form-data; name=\"up\"; filename=\"a.txt\"", "file\ndata\r\n") + END;
    let seen = read(&body);
    assert_eq!(seen.values("ARGS"), ["f=v"]);
    assert_eq!(seen.values("ARGS_NAMES"), ["f=f"]);
    assert_eq!(seen.values("FILES"), ["up=a.txt"]);
    assert_eq!(seen.values("FILES_NAMES"), ["up=up"]);
    assert_eq!(seen.values("FILES_SIZES"), ["up=11"]);
    assert_eq!(seen.values("FILES_TMP_CONTENT"), ["up=file\\ndata\\r\\n"]);
    assert_eq!(seen.scalar("FILES_COMBINED_SIZE"), "11");
    assert_eq!(seen.values("MULTIPART_FILENAME"), ["a.txt=a.txt"]);
    assert_eq!(seen.values("MULTIPART_NAME"), ["f=f", "up=up"]);
    assert_eq!(
        seen.values("MULTIPART_PART_HEADERS"),
        [
            "f=Content-Disposition: form-data; name=\\\"f\\\"",
            "up=Content-Disposition: form-data; name=\\\"up\\\"; filename=\\\"a.txt\\\"",
        ]
    );
    assert_eq!(seen.scalar("REQBODY_PROCESSOR"), "MULTIPART");
    assert_eq!(seen.values("REQUEST_BODY").len(), 1);
    assert_eq!(flags(&seen), [FINE]);
}

#[test]
fn contents() {
    check(&(part("form-data; name=\"a\"", "") + END), &["a="], &[FINE]);
    // libmodsecurity loses the line ends.
    check(&(part("form-data; name=\"a\"", "x\r\ny\nz") + END), &["a=x\\r\\ny\\nz"], &[FINE]);
    check(&(part("form-data; name=\"a\"", "x\0y\rz") + END), &["a=x\\x00y\\rz"], &[FINE]);
    check(&(part("form-data; name=\"a\"; filename=\"\"", "content") + END), &["a=content"], &[FINE]);
    check(&(field() + &field() + END), &["f=v", "f=v"], &[FINE]);
    let long = "x".repeat(5000);
    check(&(part("form-data; name=\"a\"", &long) + END), &[&format!("a={long}")], &[FINE]);
}

#[test]
fn where_a_body_ends() {
    check("", &[], &[]);
    check(&(field() + "--AB--"), &["f=v"], &[]);
    check(&(field() + END + "post"), &["f=v"], &["STRICT_ERROR", FINE, "DATA_AFTER"]);
    check(&("pre\r\n".to_owned() + &field() + END), &["f=v"], &["STRICT_ERROR", FINE, "DATA_BEFORE"]);
    check(&("--AB--\r\n".to_owned() + &field()), &[], &["STRICT_ERROR", "DATA_AFTER"]);
    check("hello", &[], &["ERROR"]);
    // libmodsecurity has no arguments of a body without an end.
    check(&(field() + "--AB\r\n"), &["f=v"], &[FINE, "ERROR"]);
    check(&field(), &["f=v\\r\\n"], &["ERROR"]);
    check(&(field() + " --AB--\r\n"), &["f=v\\r\\n --AB--\\r\\n"], &["UNMATCHED_BOUNDARY", "ERROR"]);
    check(&(field() + "--AB--\r"), &["f=v\\r\\n--AB--\\r"], &["ERROR"]);
}

#[test]
fn delimiters_that_are_none() {
    check(&(part("form-data; name=\"a\"", "x --AB y") + "--AB--"), &["a=x --AB y"], &["UNMATCHED_BOUNDARY"]);
    check(&(part("form-data; name=\"a\"", "--x") + "--AB--"), &["a=--x"], &["UNMATCHED_BOUNDARY"]);
    check(&(part("form-data; name=\"a\"", "--x") + END), &["a=--x"], &[FINE]);
    let stopped = &["STRICT_ERROR", FINE, "ERROR"];
    check(&(part("form-data; name=\"a\"", "x") + "--ABC\r\n" + END), &["a=x\\r\\n--ABC\\r\\n--AB--\\r\\n"], stopped);
    check(&(field() + "--AB--junk\r\n"), &["f=v\\r\\n--AB--junk\\r\\n"], stopped);
    check(&(field() + "-- AB--\r\n"), &["f=v\\r\\n-- AB--\\r\\n"], &["STRICT_ERROR", "ERROR"]);
    check("--AB \r\nX: y\r\n\r\nv\r\n--AB--\r\n", &[], &["STRICT_ERROR", "ERROR"]);
    // Only after a line of content is a delimiter one.
    let head = "--AB\r\nContent-Disposition: form-data; name=\"a\"\r\n";
    let broken = &["STRICT_ERROR", "INVALID_PART", "ERROR"];
    check(&format!("{head}\r\n{END}"), &["a=--AB--\\r\\n"], broken);
    check(&format!("{head}{END}"), &[], broken);
}

#[test]
fn line_ends() {
    let lf = |body: String| body.replace("\r\n", "\n");
    check(&lf(field() + END), &["f=v"], &["STRICT_ERROR", FINE, "LF_LINE"]);
    let mixed = ["STRICT_ERROR", FINE, "LF_LINE", "CRLF_LF_LINES"];
    check(&(field() + "--AB--\n"), &["f=v"], &mixed);
    check(&field().replace("\r\n\r\nv\r\n", "\r\n\r\nv\n--AB--\r\n"), &["f=v"], &mixed);
    check("--AB\r\nContent-Disposition: form-data; name=\"f\"\nX: y\r\n\r\nv\r\n--AB--\r\n", &["f=v"], &mixed);
}

#[test]
fn header_lines() {
    let with = |line: &str| format!("--AB\r\nContent-Disposition: form-data; name=\"a\"\r\n{line}\r\nx\r\n{END}");
    check(&with("X:\r\n"), &["a=x"], &[FINE]);
    check(&with("nocolon\r\n"), &["a=x"], &[FINE, "ERROR"]);
    check(&with(": v\r\n"), &["a=x"], &[FINE, "ERROR"]);
    check(&with("X: \0\r\n"), &["a=x"], &[FINE, "ERROR"]);
    check(&with("F: 1\r\n\t2\r\n 3\r\n"), &["a=x"], &["STRICT_ERROR", FINE, "HEADER_FOLDING"]);
    let folded = ["STRICT_ERROR", FINE, "HEADER_FOLDING", "INVALID_HEADER_FOLDING"];
    check(&with("F: 1\r\n\x0b2\r\n"), &["a=x"], &folded);
    assert_eq!(
        read(&with("F: 1\r\n\t2\r\n 3\r\n")).values("MULTIPART_PART_HEADERS").last().map(String::as_str),
        Some("a=F: 1 2 3")
    );
    check(&with(&format!("X: {}\r\n", "y".repeat(5000))), &[], &["STRICT_ERROR", "ERROR"]);
    let lower = "--AB\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\nv\r\n--AB--\r\n";
    check(lower, &["a=v"], &[FINE]);
    check(&lower.replace(": form", " : form"), &[], &["STRICT_ERROR", "INVALID_PART", "ERROR"]);
    let unled = "--AB\r\n folded\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nv\r\n--AB--\r\n";
    check(unled, &["a=v"], &["STRICT_ERROR", FINE, "HEADER_FOLDING", "ERROR"]);
    // libmodsecurity does not give the second of two fields of one name.
    let twice = read(&with("X: 1\r\nx: 2\r\n"));
    assert_eq!(twice.values("MULTIPART_PART_HEADERS")[1..], ["a=X: 1", "a=x: 2"]);
}

#[test]
fn a_later_disposition_counts_where_the_first_header_had_none() {
    let body = "--AB\r\nContent-Type: x\r\n\r\nv\r\n".to_owned() + &field() + END;
    check(&body, &["f=v"], &["STRICT_ERROR", FINE, "INVALID_PART", "ERROR"]);
}

#[test]
fn dispositions() {
    let check = |disposition: &str, seen_as: &[&str], quoting: bool| {
        let seen = read(&(part(disposition, "v") + END));
        let found = [seen.values("ARGS_POST"), seen.values("FILES")].concat();
        assert_eq!(found, seen_as, "{disposition}");
        let fine = !seen_as.is_empty();
        assert_eq!(flags(&seen).contains(&"ERROR".to_owned()), !fine, "{disposition}");
        assert_eq!(flags(&seen).contains(&"INVALID_PART".to_owned()), !fine, "{disposition}");
        assert_eq!(seen.scalar("MULTIPART_INVALID_QUOTING") == "1", quoting, "{disposition}");
    };
    check("form-data; name=\"a\"", &["a=v"], false);
    check("form-data;name=a;filename=b.txt", &["a=b.txt"], false);
    check("form-data; filename=\"b\"; name=\"a\"", &["a=b"], false);
    check("form-data; name=\"a\\\"b\"; filename=\"c\\\\d\\e.txt\"", &["a\\\"b=c\\\\d\\\\e.txt"], false);
    check("form-data; name=\"a\";", &["a=v"], false);
    check("form-data; name=\"a", &["a=v"], false);
    check("form-data; name=\"f'1\"", &["f\\'1=v"], false);
    check("form-data; name='a'", &["a=v"], true);
    check("form-data; name=f'1", &["f\\'1=v"], true);
    check("form-data; name='f\"1'", &["f\\\"1=v"], true);
    check("form-data; name=\"a\"x; filename=b.txt", &[], true);
    check("form-data; name=\"a\"\"b\"", &[], true);
    for refused in [
        "form-data",
        "form-data; ",
        "form-datax; name=a",
        "Form-Data; name=\"a\"",
        "attachment; name=\"a\"",
        "form-data; name=\"a\"; ",
        "form-data; name=",
        "form-data; name=;",
        "form-data; name=\"\"",
        "form-data; name=a b",
        "form-data; name=\"a\\",
        "form-data; NAME=\"a\"",
        "form-data; name=\"a\"; name=\"b\"",
        "form-data; name=\"a\"; filename=\"b\"; filename=\"c\"",
        "form-data; name=\"a\"; foo=\"b\"",
        "form-data; name=\"a\"; filename*=UTF-8''x.php",
        "form-data; name = \"a\" ; filename = \"b\"",
    ] {
        check(refused, &[], false);
    }
}

#[test]
fn boundaries() {
    let check = |content_type: &str, expect: &[&str]| {
        let seen = read_as(content_type, &(field() + END));
        let expect_args: &[&str] = if expect.contains(&"ERROR") { &[] } else { &["f=v"] };
        assert_eq!(seen.values("ARGS_POST"), expect_args, "{content_type}");
        assert_eq!(flags(&seen), expect, "{content_type}");
    };
    check("Multipart/Form-Data; boundary=AB", &[FINE]);
    check("multipart/form-data; boundary=AB; charset=x", &[FINE]);
    check("multipart/form-data; boundary=AB; x=boundary", &[FINE]);
    check("multipart/form-data; boundary=\"AB\"", &["STRICT_ERROR", FINE, "BOUNDARY_QUOTED"]);
    check("multipart/form-data; boundary =AB", &["STRICT_ERROR", FINE, "BOUNDARY_WHITESPACE"]);
    check("multipart/form-data boundary=AB", &["STRICT_ERROR", FINE, "MISSING_SEMICOLON"]);
    let outside = ["STRICT_ERROR", "UNMATCHED_BOUNDARY", "DATA_BEFORE", "ERROR"];
    check("multipart/form-data; boundary=ABx", &["STRICT_ERROR", "UNMATCHED_BOUNDARY", "DATA_BEFORE", "ERROR"]);
    check("multipart/form-data; boundary==AB", &outside);
    check("multipart/form-data; boundary=\"AB\"\"", &["STRICT_ERROR", "BOUNDARY_QUOTED", "ERROR"]);
    check("multipart/form-data; boundary x=AB", &["STRICT_ERROR", "BOUNDARY_WHITESPACE", "ERROR"]);
    // An empty boundary is no error of libmodsecurity, and the body is not read.
    check("multipart/form-data; boundary=", &["STRICT_ERROR", "ERROR"]);
    check("multipart/form-data; boundary=\"\"", &["STRICT_ERROR", "BOUNDARY_QUOTED", "ERROR"]);
    for refused in [
        "multipart/form-data",
        "multipart/form-datax; boundary=AB",
        "multipart/form-data; Boundary=AB",
        "multipart/form-data; boundary",
        "multipart/form-data;; boundary=AB",
        "multipart/form-data; charset=x; boundary=AB",
        "multipart/form-data; boundary=AB; boundary=CD",
        "multipart/form-data; boundary=A{B",
        "multipart/form-data; boundary=AB ",
        "multipart/form-data; boundary=AB\tx",
        "multipart/form-data; boundary=\"AB",
        "multipart/form-data; boundary=\"AB\"; charset=x",
        "multipart/form-data; boundary=;AB",
    ] {
        check(refused, &["STRICT_ERROR", "ERROR"]);
    }
    let mixed = read_as("multipart/mixed; boundary=AB", &(field() + END));
    assert_eq!((mixed.values("ARGS"), mixed.scalar("REQBODY_ERROR")), (vec![], "0".to_owned()));
}

proptest::proptest! {
    /// Whatever is thrown at it, the content of the parts is in the body, and the reader comes to an end.
    #[test]
    fn contents_are_slices_of_the_body(lines in proptest::collection::vec(
        proptest::sample::select(vec![
            "--AB\r\n", "--AB--\r\n", "--AB\n", "\r\n", "\n", "--", "x: y\r\n", " fold\r\n", "data\r\n", "data", "\0",
            "Content-Disposition: form-data; name=\"a\"\r\n",
            "Content-Disposition: form-data; name=b; filename=\"f\"\r\n",
        ]), 0..24)) {
        let body = lines.concat();
        let seen = read(&body);
        let escaped = body.as_bytes().escape_ascii().to_string();
        for argument in seen.values("ARGS_POST") {
            let content = argument.strip_prefix("a=").unwrap();
            proptest::prop_assert!(escaped.contains(content));
        }
        proptest::prop_assert_eq!(seen.values("FILES").len(), seen.values("FILES_SIZES").len());
    }
}
