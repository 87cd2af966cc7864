//! What is said about configurations that are wrong: each mistake with its words, its line and its column.

use crate::common::{CONFIG, PROFILE, brief, options, report};

/// Checks what is said about rules beside a good configuration.
fn rules(text: &str, expect: &[&str]) {
    let text = format!("version = 1\n{text}\n{PROFILE}");
    assert_eq!(brief(&report(CONFIG, &[("r.toml", &text)])), expect, "{text}");
}

/// Checks what is said about a configuration beside good rules.
fn config(text: &str, expect: &[&str]) {
    let rules = format!(
        "version = 1\n{PROFILE}\n[[route]]\nname = \"all\"\nmatch = {{ path = \"/**\" }}\nupstream = \"agents\""
    );
    assert_eq!(brief(&report(text, &[("r.toml", &rules)])), expect, "{text}");
}

fn route(keys: &str, expect: &[&str]) {
    rules(&format!("[[route]]\nname = \"r\"\n{keys}"), expect);
}

#[test]
fn good_ones_are_silent() {
    config(CONFIG, &[]);
    route("match = { path = \"/a\" }\nupstream = \"agents\"", &[]);
}

#[test]
fn references() {
    route(
        "match = { path = \"/a\" }\nupstream = \"agent\"",
        &["r.toml:5:12 route[0].upstream: unknown upstream \"agent\" (did you mean \"agents\"?)"],
    );
    route(
        "match = { path = \"/a\" }\nupstream = \"agents\"\ninspection = \"strct\"",
        &["r.toml:6:14 route[0].inspection: unknown profile \"strct\" (defined: \"default\")"],
    );
    rules(
        "[[exclusion]]\nreason = \"x\"\nroute = \"nobody\"\ntargets = [\"body\"]",
        &["r.toml:4:9 exclusion[0].route: unknown route \"nobody\" (no route is defined)"],
    );
}

#[test]
fn names_that_are_taken() {
    let twice = "[[route]]\nname = \"r\"\nmatch = { path = \"/a\" }\nupstream = \"agents\"\n";
    rules(
        &format!("{twice}{}", twice.replace("/a", "/b")),
        &["r.toml:7:8 route[1].name: the route name \"r\" is taken (the other one is at r.toml:3:1)"],
    );
    let one = format!("version = 1\n{twice}\n{PROFILE}");
    let two = format!("version = 1\n{PROFILE}");
    assert_eq!(
        brief(&report(CONFIG, &[("a.toml", &one), ("b.toml", &two)])),
        ["b.toml:2:10 profile.default: the profile \"default\" is defined twice (the other one is at a.toml:7:10)",]
    );
}

#[test]
fn ties_name_both_places() {
    let pair = "[[route]]\nname = \"one\"\nmatch = { path = \"/a\", methods = [\"GET\"] }\nupstream = \"agents\"\n\
                [[route]]\nname = \"two\"\nmatch = { path = \"/a\", methods = [\"HEAD\"] }\nupstream = \"agents\"";
    rules(
        pair,
        &[
            "r.toml:8:18 route[1].match.path: nothing decides between the routes \"two\" and \"one\": some requests fit both \
         equally (the other one is at r.toml:2:1; give one of them a longer path, a host, a method or a condition)",
        ],
    );
}

#[test]
fn routes() {
    route(
        "match = { path = \"/a\" }",
        &["r.toml:2:1 route[0]: the route leads nowhere (set `upstream` to a name of config.toml, or `redirect`)"],
    );
    route(
        "match = { path = \"a\" }\nupstream = \"agents\"",
        &["r.toml:4:18 route[0].match.path: a path begins with a slash, not \"a\" (write \"/**\" for every path)"],
    );
    route(
        "match = { path = \"/a\", methods = [\"get\"] }\nupstream = \"agents\"",
        &["r.toml:4:35 route[0].match.methods[0]: methods are in upper case: \"GET\", not \"get\""],
    );
    route(
        "match = { path = \"/a\", host = \"a:80\" }\nupstream = \"agents\"",
        &["r.toml:4:31 route[0].match.host: a port is not matched: write the name alone, an IPv6 address in brackets"],
    );
    route(
        "match = { path = \"/a\", headers = { \"x y\" = \"1\" } }\nupstream = \"agents\"",
        &["r.toml:4:36 route[0].match.headers.\"x y\": \"x y\" is not the name of a header"],
    );
    route(
        "match = { path = \"/a\", query = { q = { regex = \"(\" } } }\nupstream = \"agents\"",
        &["r.toml:4:48 route[0].match.query.q.regex: not a regular expression: unclosed group"],
    );
    route(
        "match = { path = \"/a\" }\nupstream = \"agents\"\nbody = \"bufer\"",
        &["r.toml:6:8 route[0].body: \"bufer\" is no body mode (write \"buffer\", \"prefix:64KiB\" or \"stream\")"],
    );
    route(
        "match = { path = \"/a\" }\nupstream = \"agents\"\nbody = \"stream\"",
        &[
            "r.toml:6:8 route[0].body: route \"r\": the body is not inspected (right for uploads, gRPC and sockets; elsewhere use \"buffer\")",
        ],
    );
    route(
        "match = { path = \"/a\" }\nupstream = \"agents\"\nallow = [\"semicolon\"]",
        &[
            "r.toml:6:10 route[0].allow[0]: unknown value \"semicolon\" (one of \"encoded_slash\", \"backslash\", \"nul\", \
         \"double_encoding\", \"parameter\", \"empty_segment\", \"invalid_utf8\")",
        ],
    );
    route(
        "match = { path = \"/a\" }\nredirect = { to = \"//evil\", status = 304 }",
        &[
            "r.toml:5:19 route[0].redirect.to: \"//evil\" is not an address to send clients to (a path (\"/new\") or a URL (\"https://example.com/new\"), without spaces)",
            "r.toml:5:38 route[0].redirect.status: 304 is not 301, 302, 303, 307 or 308",
        ],
    );
}

#[test]
fn changes_on_the_way() {
    let given = |keys: &str, expect: &[&str]| {
        route(&format!("match = {{ path = \"/a/**\" }}\nupstream = \"agents\"\n{keys}"), expect);
    };
    given("strip_prefix = \"/a/\"\nrewrite = { add_prefix = \"/v2\" }", &[]);
    given(
        "strip_prefix = \"/b\"",
        &["r.toml:6:16 route[0].strip_prefix: no path of this route begins with it: the route is for \"/a/**\""],
    );
    given(
        "strip_prefix = \"/a/x\"",
        &["r.toml:6:16 route[0].strip_prefix: no path of this route begins with it: the route is for \"/a/**\""],
    );
    given(
        "rewrite = { regex = \"^/(a)\", to = \"/$2x\" }",
        &[
            "r.toml:6:35 route[0].rewrite.to: the expression has no group \"2x\" (`${name}` ends a name where a letter follows; `$$` is a dollar sign)",
        ],
    );
    given("rewrite = { regex = \"^/(?P<n>a)\", to = \"/${n}x$1$$\" }", &[]);
    given(
        "rewrite = { regex = \"a\" }",
        &[
            "r.toml:6:11 route[0].rewrite: neither a prefix nor a replacement (write { add_prefix = \"/v2\" }, or { regex = \"^/old/\", to = \"/new/\" })",
        ],
    );
    given(
        "[route.request_headers]\nset = { Host = \"x\", X-Forwarded-For = \"1\", Content-Length = \"0\", X-A = \"b\\nc\" }",
        &[
            "r.toml:7:9 route[0].request_headers.set.Host: \"host\" is not changed by a route (`host_header` of the upstream says which Host it sees)",
            "r.toml:7:21 route[0].request_headers.set.X-Forwarded-For: \"x-forwarded-for\" is what the gateway says; a route does not change it",
            "r.toml:7:44 route[0].request_headers.set.Content-Length: \"content-length\" belongs to the connection; the gateway sets it",
            "r.toml:7:72 route[0].request_headers.set.X-A: \"b\\nc\" is not the value of a header (values are visible ASCII and spaces, without line breaks)",
        ],
    );
}

#[test]
fn listeners() {
    config(
        "version = 1\n[upstream.agents]\naddresses = [\"http://127.0.0.1:1\"]",
        &["config.toml:1:1 : no listener (add [listener.main] with address = \"127.0.0.1:8080\")"],
    );
    let listener = |keys: &str, expect: &[&str]| {
        config(
            &format!("version = 1\n[upstream.agents]\naddresses = [\"http://127.0.0.1:1\"]\n[listener.main]\n{keys}"),
            expect,
        );
    };
    listener(
        "address = \"localhost:80\"",
        &[
            "config.toml:5:11 listener.main.address: \"localhost:80\" is not an address to listen on (write an IP address: \"127.0.0.1:80\", or \"0.0.0.0:80\" for every interface)",
        ],
    );
    listener(
        "address = \"127.0.0.1:80\"\nproxy_protocol = \"require\"",
        &[
            "config.toml:6:18 listener.main.proxy_protocol: every connection would be closed: only trusted proxies may send PROXY headers, and there are none (list the load balancer's addresses in `trusted_proxies` of [process])",
        ],
    );
    listener(
        "address = \"127.0.0.1:80\"\nproxy_protocol = \"require\"\n[process]\ntrusted_proxies = [\"10.0.0.0/8\"]",
        &[],
    );
    listener(
        "address = \"127.0.0.1:80\"\nproxy_protocol = \"on\"",
        &["config.toml:6:18 listener.main.proxy_protocol: unknown value \"on\" (one of \"off\", \"require\")"],
    );
    listener(
        "address = \"127.0.0.1\"",
        &[
            "config.toml:5:11 listener.main.address: \"127.0.0.1\" is not an address to listen on (add the port: \"127.0.0.1:8080\")",
        ],
    );
    listener(
        "address = \"127.0.0.1:80\"\n[probe]\naddress = \"0.0.0.0:80\"",
        &[
            "config.toml:7:11 probe.address: 0.0.0.0:80 is taken (listener.main listens on 127.0.0.1:80 at config.toml:4:11)",
        ],
    );
    listener(
        "address = \"127.0.0.1:80\"\nidle = \"25h\"\nheader_deadline = \"0s\"",
        &[
            "config.toml:6:8 listener.main.idle: 1d1h is out of range (1ms to 1d)",
            "config.toml:7:19 listener.main.header_deadline: 0s is out of range (1ms to 1d)",
        ],
    );
    listener(
        "address = \"127.0.0.1:80\"\n[listener.\"a b\"]\naddress = \"127.0.0.1:81\"",
        &[
            "config.toml:6:11 listener.\"a b\": \"a b\" is not the name of a listener (1 to 64 ASCII letters, digits, \"-\", \"_\" and \".\")",
        ],
    );
}

#[test]
fn the_admin_token_is_a_reference() {
    let admin = |token: &str, expect: &[&str]| {
        config(&format!("{CONFIG}\n[admin]\naddress = \"127.0.0.1:9\"\ntoken = \"{token}\""), expect);
    };
    admin(
        "hunter2",
        &[
            "config.toml:9:9 admin.token: the value does not have the form ^secret://[a-z][a-z0-9_-]*/.+$ (for example \"secret://env/ADMIN_TOKEN\", \"secret://file/run/secrets/admin-token\")",
        ],
    );
    let said =
        brief(&report(&format!("{CONFIG}\n[admin]\naddress = \"0.0.0.0:9\"\ntoken = \"secret://env/NOT_THERE\""), &[]));
    assert!(said.iter().any(|line| line.contains("9:9 admin.token") && line.contains("NOT_THERE")), "{said:?}");
    assert!(
        said.iter().any(|line| line.contains("8:11 admin.address: the admin listener is not on loopback")),
        "{said:?}"
    );
}

#[test]
fn a_body_that_never_fits_is_said() {
    config(
        &format!("{CONFIG}\n[process]\nbuffer_budget = \"2MiB\""),
        &[
            "config.toml:8:17 process.buffer_budget: a body of 10MiB, which the route \"all\" takes, never fits (raise buffer_budget above 10MiB)",
        ],
    );
}

#[test]
fn mistakes_of_structure_and_of_meaning_come_together() {
    let rules = format!(
        "version = 1\n{PROFILE}\n[[route]]\nname = \"broken\"\nmach = {{ path = \"/a\" }}\nupstream = \"nowhere\"\n\
         [[route]]\nname = \"other\"\nmatch = {{ path = \"/b\" }}\nupstream = \"agnets\"\n\
         [[exclusion]]\nreason = \"x\"\nroute = \"broken\"\ntargets = [\"body\"]"
    );
    let said = brief(&report(
        &format!("{CONFIG}\nbalance = 1"),
        &[("r.toml", &rules), ("z.toml", "version = 2\nquota = 1\n[")],
    ));
    assert_eq!(
        said,
        [
            "config.toml:7:11 upstream.agents.balance: expected a string, found the integer 1",
            "r.toml:3:1 route[0]: missing key \"match\"",
            "r.toml:5:1 route[0].mach: unknown key \"mach\" (did you mean \"match\"?)",
            "r.toml:10:12 route[1].upstream: unknown upstream \"agnets\" (did you mean \"agents\"?)",
            "z.toml:3:2 : not valid TOML: unquoted keys cannot be empty, expected letters, numbers, `-`, `_`",
        ]
    );
}

#[test]
fn keys_of_later_versions_are_unknown() {
    rules(
        "[cache_policy.short]\nttl = 5",
        &[
            "r.toml:2:2 cache_policy: unknown key \"cache_policy\" (known here: \"api_key\", \"ban\", \"case\", \"cors\", \"exclusion\", \"issuer\", \"profile\", \"quota\", \"resilience\", \"route\", \"rule\", \"version\")",
        ],
    );
}

#[test]
fn what_nothing_uses_is_said_once_all_is_right() {
    rules(
        "[profile.spare]",
        &[
            "config.toml:1:9 rules: there are no routes: every request would get 404 (add a [[route]] to a rules file; were files moved away, put them back)",
            "config.toml:5:11 upstream.agents: no route uses the upstream \"agents\" (`upstream = \"agents\"` in a route makes use of it)",
            "r.toml:2:10 profile.spare: no route uses the profile \"spare\" (`inspection = \"spare\"` in a route makes use of it)",
        ],
    );
}

#[test]
fn cases_that_fail_are_errors() {
    let rule = "[[rule]]\nid = \"x\"\ntargets = [\"args\"]\nmatch = { contains = \"evil\" }\ncategory = \"sqli\"\n";
    let route = "[[route]]\nname = \"all\"\nmatch = { path = \"/**\" }\nupstream = \"agents\"\n";
    rules(&format!("{rule}{route}[[case]]\nrule = \"x\"\nblock = [\"so evil\"]\npass = [\"good\"]"), &[]);
    rules(
        &format!("{rule}{route}[[case]]\nrule = \"x\"\nblock = [\"good\"]\npass = [\"evil\"]"),
        &[
            "r.toml:11:1 case[0]: rule \"x\" does not match \"good\", which its case lists under `block`",
            "r.toml:11:1 case[0]: rule \"x\" matches \"evil\", which its case lists under `pass`",
        ],
    );
}

#[test]
fn an_override_is_pointed_at_by_its_name() {
    let options = options(&[("RAMPART__LISTENER__MAIN__ADDRES", "0.0.0.0:1"), ("RAMPART__VERSION", "9")]);
    let rules = [("r.toml", "version = 1\n")];
    let embedded = rampart_policy::Embedded { config: ("config.toml", CONFIG), rules: &rules };
    let said = brief(&rampart_policy::load_embedded(&embedded, &options).0.into_sorted());
    assert!(
        said.contains(
            &"environment:1:26 listener.main.addres: unknown key \"addres\" (did you mean \"address\"?)".to_owned()
        ),
        "{said:?}"
    );
    assert!(said.contains(&"environment:1:1 version: 9 is out of range (only 1 is known)".to_owned()), "{said:?}");
}
