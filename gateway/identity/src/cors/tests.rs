use proptest::prelude::*;
use rampart_settings::{Document, Report, Severity, Source, read};

use super::*;
use crate::cors::origin::Pattern;

fn compile(toml: &str) -> (Option<Cors>, Vec<String>) {
    let report = Report::new();
    let document = Document::parse(Source::new("cors.toml", toml), &report);
    let cors = document.and_then(|document| {
        let raw: RawCors = read(&document, &report)?;
        Some(Cors::compile(&raw, &document.root(&report)))
    });
    let found = report.into_sorted().into_iter().map(|found| {
        let severity = if found.severity == Severity::Error { "error" } else { "warning" };
        format!("{}:{} {severity}: {}", found.line, found.column, found.message)
    });
    (cors, found.collect())
}

fn good(toml: &str) -> Cors {
    let (cors, found) = compile(toml);
    assert_eq!(found, Vec::<String>::new(), "{toml}");
    cors.unwrap()
}

#[track_caller]
fn check_found(toml: &str, expect: &[&str]) {
    let (_, found) = compile(toml);
    assert_eq!(found.len(), expect.len(), "{found:#?}");
    for (found, expect) in found.iter().zip(expect) {
        assert!(found.starts_with(expect), "{found:?} does not begin with {expect:?}");
    }
}

/// Fields as `name: value` lines.
fn lines(fields: &[(HeaderName, HeaderValue)]) -> Vec<String> {
    fields.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
}

/// `Name: value` lines as a header.
fn with<T>(lines: &[&str], then: impl FnOnce(&Headers<'_>) -> T) -> T {
    let fields: Vec<(&[u8], &[u8])> = lines
        .iter()
        .map(|line| line.split_once(": ").unwrap_or((line, "")))
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    then(&Headers::new(&fields))
}

fn preflight(cors: &Cors, given: &[&str]) -> Option<(u16, Vec<String>)> {
    let answer = with(given, |headers| cors.preflight(b"OPTIONS", headers))?;
    assert_eq!(answer.refused.is_some(), answer.status == 403);
    Some((answer.status, lines(&answer.fields)))
}

fn fields(cors: &Cors, given: &[&str]) -> Vec<String> {
    with(given, |headers| lines(&cors.fields(headers)))
}

/// The origin that is allowed, as the fields of an answer say.
fn allowed(cors: &Cors, origin: &str) -> Option<String> {
    let fields = fields(cors, &[&format!("Origin: {origin}")]);
    assert_eq!(fields[0], "vary: Origin");
    fields.iter().find_map(|line| line.strip_prefix("access-control-allow-origin: ").map(str::to_owned))
}

const APP: &str = r#"
origins = ["https://app.example.com", "https://*.preview.example.com", "http://localhost:3000"]
methods = ["GET", "POST", "DELETE"]
headers = ["Content-Type", "Authorization"]
expose = ["X-Request-Id"]
credentials = true
max_age = "1h"
"#;

#[test]
fn a_preflight_is_answered_here() {
    let cors = good(APP);
    let answer = preflight(&cors, &["Origin: https://app.example.com", "Access-Control-Request-Method: DELETE"]);
    let expect = [
        "vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
        "access-control-allow-origin: https://app.example.com",
        "access-control-allow-credentials: true",
        "access-control-allow-methods: DELETE, GET, POST",
        "access-control-allow-headers: authorization, content-type",
        "access-control-max-age: 3600",
    ];
    assert_eq!(answer, Some((204, expect.map(str::to_owned).to_vec())));
    // What is not allowed is answered with what is: the browser compares, and tells its developer.
    let other = preflight(&cors, &["Origin: https://app.example.com", "Access-Control-Request-Method: PUT"]);
    assert_eq!(other, answer);
    let header = [
        "Origin: https://app.example.com",
        "Access-Control-Request-Method: GET",
        "Access-Control-Request-Headers: x-evil",
    ];
    assert_eq!(preflight(&cors, &header), answer);
}

#[test]
fn a_stranger_is_refused_and_told_nothing() {
    let cors = good(APP);
    let refused =
        Some((403, vec!["vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers".to_owned()]));
    let method = "Access-Control-Request-Method: GET";
    for origin in ["https://evil.example", "null", "", "https://app.example.com.evil.example", "http://app.example.com"]
    {
        assert_eq!(preflight(&cors, &[&format!("Origin: {origin}"), method]), refused, "{origin}");
    }
    assert_eq!(preflight(&cors, &["Origin: https://app.example.com", "Origin: https://evil.example", method]), refused);
    assert_eq!(
        preflight(&cors, &["Origin: https://app.example.com", "Origin: https://app.example.com", method]),
        refused
    );
}

#[test]
fn what_is_no_preflight_is_not_answered() {
    let cors = good(APP);
    assert_eq!(preflight(&cors, &["Origin: https://app.example.com"]), None);
    assert_eq!(preflight(&cors, &["Access-Control-Request-Method: GET"]), None);
    assert_eq!(preflight(&cors, &[]), None);
    let both = ["Origin: https://app.example.com", "Access-Control-Request-Method: PUT"];
    with(&both, |headers| {
        assert!(cors.preflight(b"GET", headers).is_none());
        assert!(cors.preflight(b"options", headers).is_none());
        assert_eq!(preflight_method(b"OPTIONS", headers), Some(&b"PUT"[..]));
        assert_eq!(preflight_method(b"PUT", headers), None);
    });
}

#[test]
fn private_networks_are_reached_only_with_leave() {
    let ask = [
        "Origin: https://app.example.com",
        "Access-Control-Request-Method: GET",
        "Access-Control-Request-Private-Network: true",
    ];
    assert_eq!(preflight(&good(APP), &ask).unwrap().0, 403);
    let (status, fields) = preflight(&good(&format!("{APP}private_network = true")), &ask).unwrap();
    assert_eq!((status, fields.last().map(String::as_str)), (204, Some("access-control-allow-private-network: true")));
    let (_, fields) = preflight(&good(&format!("{APP}private_network = true")), &ask[..2]).unwrap();
    assert!(!fields.iter().any(|line| line.contains("private-network")), "{fields:?}");
}

#[test]
fn answers_always_vary_and_name_only_who_is_allowed() {
    let cors = good(APP);
    let expect = [
        "vary: Origin",
        "access-control-allow-origin: https://app.example.com",
        "access-control-allow-credentials: true",
        "access-control-expose-headers: x-request-id",
    ];
    assert_eq!(fields(&cors, &["Origin: https://app.example.com"]), expect);
    assert_eq!(fields(&cors, &["Origin: https://evil.example"]), ["vary: Origin"]);
    assert_eq!(fields(&cors, &[]), ["vary: Origin"]);
    let plain = good("origins = [\"https://a.example\"]");
    assert_eq!(
        fields(&plain, &["Origin: https://a.example"]),
        ["vary: Origin", "access-control-allow-origin: https://a.example"]
    );
}

#[test]
fn origins_compare_byte_by_byte() {
    let cors = good(APP);
    let check = |origin: &str, expect: bool| {
        assert_eq!(allowed(&cors, origin).as_deref(), expect.then_some(origin), "{origin}");
    };
    check("https://app.example.com", true);
    check("http://localhost:3000", true);
    check("https://one.preview.example.com", true);
    check("https://two.one.preview.example.com", true);
    check("https://a-b_c.preview.example.com", true);
    check("https://preview.example.com", false);
    check("https://.preview.example.com", false);
    check("https://a..preview.example.com", false);
    check("https://-.preview.example.com", false);
    check("https://evil.example/.preview.example.com", false);
    check("https://evil.example#.preview.example.com", false);
    check("https://user@a.preview.example.com", false);
    check("https://evil.example:443.preview.example.com", false);
    check("https://evilpreview.example.com", false);
    check("https://a.preview.example.com.evil.example", false);
    check("https://a.preview.example.com:8443", false);
    check("http://a.preview.example.com", false);
    check("HTTPS://app.example.com", false);
    check("https://APP.example.com", false);
    check("https://app.example.com:443", false);
    check("https://app.example.com/", false);
    check("https://app.example.com.", false);
    check("https://xapp.example.com", false);
    check("http://localhost", false);
    check("http://localhost:30000", false);
    check("null", false);
    check(&format!("https://{}.preview.example.com", "a".repeat(400)), false);
}

#[test]
fn null_and_any_are_allowed_where_they_are_written() {
    let (cors, _) = compile("origins = [\"null\", \"https://a.example\"]");
    assert_eq!(allowed(&cors.unwrap(), "null").as_deref(), Some("null"));
    let any = good("origins = [\"*\"]");
    assert_eq!(allowed(&any, "https://whoever.example").as_deref(), Some("*"));
    assert_eq!(allowed(&any, "null").as_deref(), Some("*"));
    check_found("origins = [\"*\"]\ncredentials = true", &["1:11 error: \"*\" with credentials = true"]);
}

#[test]
fn enforcement_refuses_other_origins() {
    let cors = good(&format!("{APP}enforce = true"));
    let check = |given: &[&str], host: &str, expect: bool| {
        assert_eq!(with(given, |headers| cors.refuses(headers, host.as_bytes())), expect, "{given:?} at {host}");
    };
    check(&[], "api.example.com", false);
    check(&["Origin: https://app.example.com"], "api.example.com", false);
    check(&["Origin: https://evil.example"], "api.example.com", true);
    check(&["Origin: null"], "api.example.com", true);
    check(&["Origin: https://api.example.com"], "api.example.com", false);
    check(&["Origin: https://api.example.com:8443"], "api.example.com:8443", false);
    check(&["Origin: https://api.example.com:8443"], "api.example.com", true);
    check(&["Origin: https://api.example.com", "Origin: https://evil.example"], "api.example.com", true);
    check(&["Origin: https://"], "", true);
    assert!(!with(&["Origin: https://evil.example"], |headers| good(APP).refuses(headers, b"api.example.com")));
}

#[test]
fn origins_as_they_are_configured() {
    let check = |text: &str, expect: &str| {
        let got = match Pattern::parse(text) {
            Ok(Pattern::Exact(origin)) => origin,
            Ok(other) => format!("{other:?}"),
            Err(error) => format!("!{error}").chars().take(20).collect(),
        };
        assert_eq!(got, expect, "{text}");
    };
    check("https://app.example.com", "https://app.example.com");
    check("HTTPS://App.Example.COM:443", "https://app.example.com");
    check("http://app.example.com:80", "http://app.example.com");
    check("http://app.example.com:443", "http://app.example.com:443");
    check("https://192.0.2.1:8443", "https://192.0.2.1:8443");
    check("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443");
    check("https://[2001:db8::1]", "https://[2001:db8::1]");
    check("chrome-extension://abcdefghijklmnop", "chrome-extension://abcdefghijklmnop");
    check("capacitor://localhost", "capacitor://localhost");
    check("*", "Any");
    check("null", "Null");
    check("app.example.com", "!an origin begins wi");
    check("://app.example.com", "!an origin begins wi");
    check("https://app.example.com/", "!an origin ends afte");
    check("https://app.example.com/path", "!an origin ends afte");
    check("https://user@app.example.com", "!an origin ends afte");
    check("https://", "!the host is no name");
    check("https://münchen.example", "!the host is no name");
    check("https://[2001:db8::1", "!the host is no name");
    check("https://[2001:0db8::1]", "!the host is no name");
    check("https://app.example.com.", "!the host is no name");
    check("https://app.example.com:0", "!the port is no numb");
    check("https://app.example.com:", "!the port is no numb");
    check("https://app.example.com:65536", "!the port is no numb");
    check("https://*", "!a wildcard stands f");
    check("https://*.com", "!a wildcard stands f");
    check("https://*.0.2.1", "!a wildcard stands f");
    check("https://app.*.example.com", "!a wildcard stands f");
    check("https://a*.example.com", "!a wildcard stands f");
    check("https://*.*.example.com", "!a wildcard stands f");
}

#[test]
fn what_is_wrong_is_said() {
    check_found("origins = []", &["1:1"]);
    check_found("origins = [\"a.example\"]", &["1:12 error: \"a.example\" is no origin: an origin begins"]);
    check_found(
        "origins = [\"https://a.example\", \"https://A.example:443\"]",
        &["1:33 error: \"https://A.example:443\" is listed twice"],
    );
    check_found("origins = [\"*\", \"https://a.example\"]", &["1:11 error: \"*\" is every origin"]);
    check_found("origins = [\"*\"]\nenforce = true", &["1:11 error: enforce = true refuses nobody"]);
    check_found("origins = [\"null\"]", &["1:12 warning: \"null\" is the origin of sandboxed frames"]);
    check_found("origins = [\"http://a.example\"]", &[]);
    check_found("origins = [\"http://a.example\"]\ncredentials = true", &["1:12 warning: whoever is on the path"]);
    check_found("origins = [\"http://localhost:3000\", \"http://[::1]\"]\ncredentials = true", &[]);
    check_found(
        "origins = [\"http://localhost.evil.example\"]\ncredentials = true",
        &["1:12 warning: whoever is on the path"],
    );
    check_found("origins = [\"https://*.example.com\"]\ncredentials = true", &["1:12 warning: every page below"]);
    check_found(
        "origins = [\"https://a.example\"]\nmethods = [\"get\", \"TRACE\", \"*\", \"PUT\", \"PUT\"]",
        &[
            "2:12 error: \"get\": methods are written in capitals",
            "2:19 error: no browser sends TRACE",
            "2:28 error",
            "2:40 error: \"PUT\" is listed twice",
        ],
    );
    check_found(
        "origins = [\"https://a.example\"]\nheaders = [\"*\"]\nexpose = [\"a b\"]",
        &["2:12 error: no wildcard here", "3:11 error: \"a b\" is not the name of a header"],
    );
    check_found("origins = [\"https://a.example\"]\nmax_age = \"2d\"", &["2:11 error: 2d is too long"]);
    check_found("origins = [\"https://a.example\"]\norigin = 1", &["2:1 error: unknown key"]);
}

proptest! {
    /// Whatever an `Origin` holds: it is in the answer only if it is one of those configured, and then alone; with
    /// credentials it is never `*`.
    #[test]
    fn nobody_is_reflected(origin in "(https?://)?[a-z.*@:/#-]{0,20}(app|preview)?(\\.example\\.com)?(:[0-9]{1,5})?") {
        let cors = good(APP);
        match allowed(&cors, &origin).as_deref() {
            None | Some("https://app.example.com" | "http://localhost:3000") => {}
            Some(other) => {
                let below = other.strip_prefix("https://").and_then(|rest| rest.strip_suffix(".preview.example.com")).unwrap();
                prop_assert!(!below.is_empty() && !below.contains(['/', '@', ':', '#', '*']), "{}", other);
                prop_assert_eq!(other, &origin);
            }
        }
    }

    #[test]
    fn bytes_do_not_panic(origin: Vec<u8>, method: Vec<u8>) {
        let cors = good(APP);
        let fields: [(&[u8], &[u8]); 2] = [(b"origin", &origin), (b"access-control-request-method", &method)];
        let headers = Headers::new(&fields);
        prop_assert_eq!(cors.preflight(b"OPTIONS", &headers).unwrap().status, 403);
        prop_assert_eq!(cors.fields(&headers).len(), 1);
    }
}
