//! What a snapshot says about routes and their paths.

use rampart_inspection::BodyMode;
use rampart_message::Headers;
use rampart_policy::{Action, Embedded, Query, Routed, Snapshot, load_embedded};

use crate::common::{CONFIG, PROFILE, brief, options};

fn snapshot(rules: &str) -> Snapshot {
    let rules = format!("version = 1\n{PROFILE}\n{rules}");
    let embedded = Embedded { config: ("config.toml", CONFIG), rules: &[("r.toml", &rules)] };
    let (report, snapshot) = load_embedded(&embedded, &options(&[]));
    snapshot.unwrap_or_else(|| panic!("{:?}", brief(&report.into_sorted())))
}

fn one(keys: &str) -> Snapshot {
    snapshot(&format!("[[route]]\nname = \"r\"\nmatch = {{ path = \"/a/**\" }}\n{keys}"))
}

#[test]
fn a_route_is_found_with_what_it_refers_to() {
    let snapshot = snapshot(
        "[profile.loose]\nmode = \"detect\"\n[[route]]\nname = \"r\"\nmatch = { path = \"/a\", methods = [\"GET\"] }\n\
         upstream = \"agents\"\ninspection = \"loose\"\nbody_limit = \"1KiB\"\nallow = [\"parameter\"]\n\
         deadlines = { read = \"7s\" }\nwebsocket = true",
    );
    let ask = |method: &'static [u8]| {
        snapshot.route(&Query { host: b"h", path: b"/a", query: b"", headers: Headers::default(), method })
    };
    let Routed::Found(route) = ask(b"GET") else { panic!("not found") };
    assert_eq!((route.index, &*route.name, &*route.profile.name), (0, "r", "loose"));
    assert_eq!(&*snapshot.upstream(route.upstream().unwrap()).unwrap().name, "agents");
    assert_eq!((route.limits.body, route.body_limit_bytes), (1024, Some(1024)));
    assert_eq!((route.deadlines.read.as_secs(), route.deadlines.connect.as_secs()), (7, 5));
    assert!(route.websocket);
    let odd = rampart_message::path::scan(b"/a;x=1").problems();
    assert!(!odd.is_empty() && route.path_policy.check(odd).is_ok());
    assert!(matches!(ask(b"POST"), Routed::MethodNotAllowed { allow } if allow == "GET, HEAD"));
    let missing = Query { host: b"", path: b"/z", query: b"", headers: Headers::default(), method: b"GET" };
    assert!(matches!(snapshot.route(&missing), Routed::NotFound));
}

#[test]
fn a_stream_has_no_limit_unless_its_route_sets_one() {
    let limit = |keys: &str| {
        let snapshot = one(&format!("upstream = \"agents\"\n{keys}"));
        (snapshot.routes[0].body, snapshot.routes[0].body_limit_bytes)
    };
    assert_eq!(limit(""), (BodyMode::Buffer, Some(10 << 20)));
    assert_eq!(limit("body = \"stream\""), (BodyMode::Stream, None));
    assert_eq!(limit("body = \"stream\"\nbody_limit = \"1GiB\""), (BodyMode::Stream, Some(1 << 30)));
    assert_eq!(limit("body = \"prefix:4KiB\""), (BodyMode::Prefix(4096), Some(10 << 20)));
}

#[test]
fn paths_change_on_the_way() {
    let check = |keys: &str, path: &str, expect: &str| {
        let snapshot = one(&format!("upstream = \"agents\"\n{keys}"));
        let rewrite = &snapshot.routes[0].rewrite;
        let changed = rewrite.apply(path.as_bytes());
        assert_eq!(String::from_utf8_lossy(&changed), expect, "{keys}: {path}");
        assert!(!rewrite.is_identity() || path == expect);
    };
    check("", "/a/b", "/a/b");
    let strip = "strip_prefix = \"/a\"";
    check(strip, "/a/b", "/b");
    check(strip, "/a", "/");
    check(strip, "/a/", "/");
    check(strip, "/ab", "/ab");
    check(strip, "/x/a", "/x/a");
    check("rewrite = { add_prefix = \"/v2/\" }", "/a/b", "/v2/a/b");
    check("strip_prefix = \"/a\"\nrewrite = { add_prefix = \"/v2\" }", "/a", "/v2/");
    let swap = "rewrite = { regex = '^/a/([^/]+)/([^/]+)$', to = '/$2/$1' }";
    check(swap, "/a/b/c", "/c/b");
    check(swap, "/a/b", "/a/b");
    // What the parts make is normalised: no dot segment comes out of them.
    let join = "rewrite = { regex = '^/a/(.)-(.)/', to = '/$1$2/' }";
    check(join, "/a/.-./x", "/x");
    check("rewrite = { regex = '^/a/', to = 'b/' }", "/a/c", "/b/c");
}

#[test]
fn a_redirect_goes_nowhere_else() {
    let snapshot = one("redirect = { to = \"https://example.com/b\", status = 302 }");
    let Action::Redirect(redirect) = &snapshot.routes[0].action else { panic!("no redirect") };
    assert_eq!((&*redirect.to, redirect.status, redirect.keep_query), ("https://example.com/b", 302, true));
    assert_eq!(snapshot.routes[0].upstream(), None);
}

#[test]
fn headers_change_on_the_way() {
    let snapshot =
        one("upstream = \"agents\"\n[route.request_headers]\nset = { X-Key = \"v\" }\nremove = [\"Cookie\"]\n\
         [route.response_headers]\nremove = [\"Server\"]");
    let edits = &snapshot.routes[0].request_headers;
    assert_eq!(edits.set[0].0, "x-key");
    assert_eq!(edits.remove[0], "cookie");
    assert!(snapshot.routes[0].response_headers.set.is_empty() && !snapshot.routes[0].response_headers.is_empty());
}

#[test]
fn overrides_reach_the_snapshot() {
    let route = "[[route]]\nname = \"all\"\nmatch = { path = \"/**\" }\nupstream = \"agents\"";
    let rules = format!("version = 1\n{route}\n{PROFILE}");
    let embedded = Embedded { config: ("config.toml", CONFIG), rules: &[("r.toml", &rules)] };
    let variables = [
        ("RAMPART__LISTENER__MAIN__ADDRESS", "[::1]:8443"),
        ("RAMPART__LISTENER__EXTRA__ADDRESS", "127.0.0.1:81"),
        ("RAMPART__UPSTREAM__AGENTS__ADDRESSES", "[\"http://10.0.0.7:9000\", \"http://10.0.0.8:9000\"]"),
        ("RAMPART__PROCESS__BUFFER_BUDGET", "64MiB"),
        ("RAMPART__PROCESS__TRUSTED_PROXIES", "[\"10.0.0.0/8\"]"),
    ];
    let snapshot = load_embedded(&embedded, &options(&variables)).1.unwrap();
    let addresses: Vec<String> =
        snapshot.config.listeners.iter().map(|listener| listener.address.to_string()).collect();
    assert_eq!(addresses, ["[::1]:8443", "127.0.0.1:81"]);
    assert_eq!(snapshot.upstreams[0].addresses.len(), 2);
    assert_eq!(snapshot.config.process.buffer_budget_bytes, 64 << 20);
    assert!(snapshot.config.trusted_proxies.contains("10.1.2.3".parse().unwrap()));
    let plain = load_embedded(&embedded, &options(&[])).1.unwrap();
    assert_ne!(plain.digest, snapshot.digest, "overrides are part of the state");
}
