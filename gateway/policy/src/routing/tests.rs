//! Routing against a table, and against a slow, obvious oracle.

mod oracle;

use std::collections::BTreeMap;

use rampart_message::{Headers, PathPolicy};
use rampart_settings::{Place, Report};

use super::{Choice, HostPattern, Matcher, Methods, Pattern, Query, Router, compile_conditions, ties};
use crate::raw_rules::{RawCondition, RawNames, RawRouteMatch, RawTest};

/// What a test route matches: `path`, then any of `host=`, `GET,POST`, `header:x=1`, `query:x=1`, `query:!x`.
fn matcher(text: &str) -> Matcher {
    let mut words = text.split(' ');
    let mut raw = RawRouteMatch {
        path: words.next().unwrap().to_owned(),
        host: RawNames::default(),
        methods: Vec::new(),
        headers: BTreeMap::new(),
        query: BTreeMap::new(),
    };
    let mut hosts = Vec::new();
    for word in words {
        if let Some(host) = word.strip_prefix("host=") {
            hosts.push(HostPattern::parse(host).unwrap());
        } else if let Some((kind, rest)) = word.split_once(':') {
            let (name, condition) = match (rest.split_once('='), rest.strip_prefix('!')) {
                (Some((name, value)), _) => (name, RawCondition::Equals(value.to_owned())),
                (None, Some(name)) => {
                    (name, RawCondition::Test(RawTest { present: Some(false), ..RawTest::default() }))
                }
                (None, None) => (rest, RawCondition::Test(RawTest { present: Some(true), ..RawTest::default() })),
            };
            let conditions = if kind == "header" { &mut raw.headers } else { &mut raw.query };
            conditions.insert(name.to_owned(), condition);
        } else {
            raw.methods = word.split(',').map(str::to_owned).collect();
        }
    }
    if hosts.is_empty() {
        hosts.push(HostPattern::Any);
    }
    let report = Report::new();
    let conditions = compile_conditions(&raw, &Place::nowhere("test", &report));
    assert!(report.is_ok(), "{:?}", report.into_sorted());
    Matcher {
        hosts,
        path: Pattern::parse(&raw.path, PathPolicy::STRICT).unwrap(),
        methods: Methods::of(raw.methods.iter().map(String::as_str)),
        conditions,
    }
}

/// `GET host/path?query x=1`: the request, then header fields.
fn choose(router: &Router, request: &str) -> Choice {
    let mut words = request.split(' ');
    let method = words.next().unwrap();
    let (host, rest) = words.next().unwrap().split_once('/').unwrap();
    let path = format!("/{rest}");
    let (path, query) = path.split_once('?').unwrap_or((&path, ""));
    let fields: Vec<(&[u8], &[u8])> = words
        .map(|word| word.split_once('=').unwrap())
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    router.choose(&Query {
        host: host.as_bytes(),
        path: path.as_bytes(),
        query: query.as_bytes(),
        headers: Headers::new(&fields),
        method: method.as_bytes(),
    })
}

fn check(routes: &[&str], expect: &[(&str, &str)]) {
    let matchers: Vec<Matcher> = routes.iter().map(|text| matcher(text)).collect();
    assert_eq!(ties(&matchers), [], "{routes:?}");
    // The order of the routes must not matter.
    let reversed = Router::new(matchers.iter().rev().cloned().collect());
    let forward = Router::new(matchers);
    for (request, route) in expect {
        let expected = match route.strip_prefix("405 ") {
            Some(allow) => Choice::Methods(allow.to_owned()),
            None if *route == "404" => Choice::Nothing,
            None => Choice::Route(routes.iter().position(|text| text == route).expect("a route of the table")),
        };
        assert_eq!(choose(&forward, request), expected, "{request}");
        let mirrored = match expected {
            Choice::Route(index) => Choice::Route(routes.len() - 1 - index),
            other => other,
        };
        assert_eq!(choose(&reversed, request), mirrored, "{request}, reversed");
    }
}

#[test]
fn paths() {
    check(
        &["/", "/a", "/a/", "/a/**", "/a/*", "/a/b", "/a/*/c", "/a/b/**", "/x/**"],
        &[
            ("GET h/", "/"),
            ("GET h/a", "/a"),
            ("GET h/a/", "/a/"),
            ("GET h/a/b", "/a/b"),
            ("GET h/a/z", "/a/*"),
            ("GET h/a/z/", "/a/**"),
            ("GET h/a/z/c", "/a/*/c"),
            ("GET h/a/b/c", "/a/b/**"),
            ("GET h/a/z/c/d", "/a/**"),
            ("GET h/x", "/x/**"),
            ("GET h/x/", "/x/**"),
            ("GET h/x/y/z", "/x/**"),
            ("GET h/xy", "404"),
            ("GET h/A", "404"),
            ("GET h/b", "404"),
        ],
    );
    check(
        &["/**", "/*/b", "/*/**"],
        &[("GET h/", "/**"), ("GET h/a", "/*/**"), ("GET h/a/b", "/*/b"), ("GET h//b", "/**"), ("GET h/a/c", "/*/**")],
    );
}

#[test]
fn hosts() {
    let routes = [
        "/** host=api.example.com",
        "/** host=*.example.com",
        "/** host=*.eu.example.com",
        "/a host=[::1]",
        "/** host=10.0.0.1",
        "/a",
    ];
    check(
        &routes,
        &[
            ("GET api.example.com/a", routes[0]),
            ("GET API.Example.COM:8443/a", routes[0]),
            ("GET api.example.com./a", routes[0]),
            ("GET x.example.com/a", routes[1]),
            ("GET x.y.example.com/a", routes[1]),
            ("GET x.eu.example.com/a", routes[2]),
            ("GET example.com/a", routes[5]),
            ("GET notexample.com/a", routes[5]),
            ("GET [::1]:80/a", routes[3]),
            ("GET 10.0.0.1:80/z", routes[4]),
            ("GET /a", routes[5]),
            ("GET other/z", "404"),
        ],
    );
    let long = format!("GET {}.example.com/a", "x".repeat(300));
    check(&routes, &[(&long, routes[5])]);
}

#[test]
fn methods() {
    let routes = ["/a GET", "/a POST,PURGE", "/b", "/b DELETE", "/auth/** POST", "/**"];
    check(
        &routes,
        &[
            ("GET h/a", routes[0]),
            ("HEAD h/a", routes[0]),
            ("POST h/a", routes[1]),
            ("PURGE h/a", routes[1]),
            ("DELETE h/a", "405 GET, HEAD, POST, PURGE"),
            ("get h/a", "405 GET, HEAD, POST, PURGE"),
            ("OPTIONS h/a", "405 GET, HEAD, POST, PURGE"),
            ("GET h/b", routes[2]),
            ("DELETE h/b", routes[3]),
            // A place that lists its methods is not taken over by a route for the rest.
            ("GET h/auth/x", "405 POST"),
            ("GET h/c", routes[5]),
        ],
    );
}

#[test]
fn conditions() {
    let routes = ["/a", "/a header:x=1", "/a header:x=1 query:q=v", "/a query:q=w GET", "/a header:x=2 query:!q"];
    check(
        &routes[..4],
        &[
            ("GET h/a", routes[0]),
            ("GET h/a X=1", routes[1]),
            ("GET h/a x=2 x=1", routes[1]),
            ("GET h/a?q=v x=1", routes[2]),
            ("GET h/a?p&q=v", routes[0]),
            ("GET h/a?q=z&q=w", routes[3]),
            ("GET h/a?%71=%77", routes[3]),
            ("GET h/a?q=w+", routes[0]),
            // The condition lets the route stand aside, so no 405.
            ("POST h/a?q=w", routes[0]),
        ],
    );
    check(&[routes[0], routes[4]], &[("GET h/a x=2", routes[4]), ("GET h/a?q x=2", routes[0])]);
    check(
        &["/a/** header:x=1 GET", "/**"],
        &[("GET h/a/b x=1", "/a/** header:x=1 GET"), ("GET h/a/b x=2", "/**"), ("POST h/a/b x=1", "405 GET, HEAD")],
    );
}

#[test]
fn ties_are_found() {
    let check = |routes: &[&str], expect: &[(usize, usize)]| {
        let matchers: Vec<Matcher> = routes.iter().map(|text| matcher(text)).collect();
        assert_eq!(ties(&matchers), expect, "{routes:?}");
    };
    check(&["/a", "/a"], &[(0, 1)]);
    check(&["/a", "/b", "/a", "/a"], &[(0, 2), (0, 3)]);
    check(&["/a GET", "/a POST"], &[]);
    check(&["/a GET", "/a HEAD"], &[(0, 1)]);
    check(&["/a GET", "/a"], &[]);
    check(&["/a host=x", "/a host=y"], &[]);
    check(&["/a host=x", "/a host=y host=x"], &[(0, 1)]);
    check(&["/a host=*.x", "/a host=a.x"], &[]);
    check(&["/*/b/*", "/*/*/c"], &[(0, 1)]);
    check(&["/*/b/*", "/*/c/*"], &[]);
    check(&["/*/b/**", "/*/b/c/**"], &[]);
    check(&["/*/b/**", "/*/c/**"], &[]);
    check(&["/*/b/*/**", "/*/*/c/**"], &[(0, 1)]);
    check(&["/*/b", "/*/b/**"], &[]);
    check(&["/a header:x=1", "/a header:x=2"], &[]);
    check(&["/a header:x=1", "/a header:y=2"], &[(0, 1)]);
    check(&["/a header:x=1", "/a query:x=2"], &[(0, 1)]);
    check(&["/a header:x", "/a header:!x"], &[]);
    check(&["/a header:x", "/a header:x=1"], &[(0, 1)]);
}

#[test]
fn patterns_are_written_as_paths_are_matched() {
    let check = |text: &str, expect: &str| {
        let bad = Pattern::parse(text, PathPolicy::STRICT).expect_err(text);
        let help = bad.help.map(|help| format!(" ({help})")).unwrap_or_default();
        assert_eq!(format!("{}{help}", bad.message), expect, "{text}");
    };
    let normal = "paths are normalised before they are matched, so no request has this one";
    check("", "a path begins with a slash, not \"\" (write \"/**\" for every path)");
    check("a", "a path begins with a slash, not \"a\" (write \"/**\" for every path)");
    check("/a/../b", &format!("{normal} (write \"/b\")"));
    check("/%7euser", &format!("{normal} (write \"/~user\")"));
    check("/a b", &format!("{normal} (write \"/a%20b\")"));
    check(
        "/a%2fb",
        "no request has this path: the path holds an encoded slash (`allow` in the route takes some odd paths)",
    );
    check(
        "/a//b",
        "no request has this path: the path holds an empty segment (`allow` in the route takes some odd paths)",
    );
    check("/**/a", "`**` stands only at the end (write `*` for one segment)");
    check("/a*", "`*` stands for a whole segment, not for a part of \"a*\" (write `*` alone between two slashes)");
    check(&"/a".repeat(65), "65 segments where at most 64 are allowed (shorten it)");
    assert!(Pattern::parse(&"/a".repeat(64), PathPolicy::STRICT).is_ok());
}

#[test]
fn host_names() {
    let good = |text: &str, shown: &str| assert_eq!(HostPattern::parse(text).unwrap().to_string(), shown);
    good("API.example.com", "api.example.com");
    good("*.Example.com", "*.example.com");
    good("[::1]", "[::1]");
    good("my_host", "my_host");
    for text in
        ["", "*", "*example.com", "*.", "a..b", "a.", "host:80", "ex ample", "bücher.example", "[::1", "*.[::1]"]
    {
        assert!(HostPattern::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_search_visits_no_node_twice() {
    // Without the trie's bound on visits this pattern set takes 2^30 steps for such a path.
    let mut texts = Vec::new();
    for depth in 1..=30 {
        texts.push(format!("/a{}", "/*".repeat(depth)));
        texts.push(format!("/{}{}", "*/".repeat(depth), "a"));
    }
    let router = Router::new(texts.iter().map(|text| matcher(text)).collect());
    let request = format!("GET h/a{}", "/a".repeat(30));
    let begun = std::time::Instant::now();
    assert_eq!(choose(&router, &request), Choice::Route(58));
    assert!(begun.elapsed().as_millis() < 100, "{:?}", begun.elapsed());
}
