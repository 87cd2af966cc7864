//! One table per feature of the language. Each row runs twice: as rules are run, and the slow and obvious way.

use std::time::Duration;

use rampart_message::Version;

use super::super::{Action, Interruption};
use super::{Exchange, Outcome, field, load, load_plain};
use crate::engine::Scratch;
use crate::seclang::WantedSecLang;

/// Sends an exchange through rules; both ways of running them have to agree.
fn run(rules: &str, exchange: &Exchange) -> Outcome {
    let outcome = exchange.through(&load(rules));
    let plain = exchange.through(&load_plain(rules));
    assert_eq!(outcome.ids, plain.ids, "scanned beforehand, and in turn: {rules}\n{:#?}", plain.trace);
    assert_eq!(outcome.interruption, plain.interruption, "{rules}");
    assert_eq!(outcome.would, plain.would, "{rules}");
    assert_eq!(outcome.log, plain.log, "{rules}");
    outcome
}

fn check(rules: &str, uri: &str, expect: &[u32]) {
    assert_eq!(run(rules, &Exchange::get(uri)).ids, expect, "{uri}\n{rules}");
}

/// The value of a variable of `TX` at the end.
fn check_tx(rules: &str, uri: &str, name: &str, expect: Option<&str>) {
    let outcome = run(rules, &Exchange::get(uri));
    let value = outcome.transaction.tx(name).map(|value| String::from_utf8_lossy(value).into_owned());
    assert_eq!(value.as_deref(), expect, "{uri}\n{rules}");
}

#[test]
fn chains_hold_when_every_link_holds() {
    let rules = r#"
SecRule ARGS:a "@streq 1" "id:1,phase:2,pass,chain"
    SecRule ARGS:b "@streq 2" "chain"
    SecRule REQUEST_METHOD "@within GET HEAD" "t:none"
"#;
    check(rules, "/?a=1&b=2", &[1]);
    check(rules, "/?b=2&a=1", &[1]);
    check(rules, "/?a=1&b=3", &[]);
    check(rules, "/?a=1", &[]);
    check(rules, "/?b=2", &[]);
    check(rules, "/", &[]);
}

#[test]
fn setvar_runs_for_each_text_that_passes_whatever_later_links_say() {
    let rules = r#"
SecRule ARGS "@rx ^x" "id:1,phase:2,pass,setvar:tx.first=+1,chain"
    SecRule ARGS "@rx ^xy" "setvar:tx.second=+1"
"#;
    check_tx(rules, "/?a=x1&b=x2&c=n", "first", Some("2"));
    check_tx(rules, "/?a=x1&b=x2&c=n", "second", None);
    check_tx(rules, "/?a=x1&b=xy&c=xyz", "first", Some("3"));
    check_tx(rules, "/?a=x1&b=xy&c=xyz", "second", Some("2"));
}

#[test]
fn arithmetic_takes_what_is_no_number_for_0() {
    let rule = |set: &str| {
        format!(
            "SecRule REQUEST_URI \"@rx .\" \"id:1,phase:1,pass,nolog,setvar:'tx.n=%{{request_headers.host}}',{set}\""
        )
    };
    let check = |set: &str, expect| check_tx(&rule(set), "/", "n", expect);
    check("setvar:tx.n=5,setvar:tx.n=+3", Some("8"));
    check("setvar:tx.n=5,setvar:tx.n=-7", Some("-2"));
    check("setvar:tx.n=+4", Some("4"));
    check("setvar:tx.n=5,setvar:'tx.n=+%{tx.n}'", Some("10"));
    check("setvar:tx.n=5,setvar:'tx.n=+%{tx.nothing}'", Some("5"));
    check("setvar:tx.n=5,setvar:'tx.n=+abc'", Some("5"));
    check("setvar:tx.n=7x,setvar:tx.n=+1", Some("8"));
    check("setvar:!tx.n", None);
    check("setvar:!tx.n,setvar:tx.n", Some("1"));
    check("setvar:TX.N=9", Some("9"));
    check("setvar:'tx.n=%{tx.n}%{TX.N}'", Some("localhostlocalhost"));
}

#[test]
fn names_with_macros_and_selectors_by_pattern() {
    let rules = r#"
SecRule REQUEST_HEADERS_NAMES "@rx ^x-.*$" "id:1,phase:1,pass,nolog,capture,t:lowercase,setvar:'tx.seen_%{tx.0}=/%{tx.0}/'"
SecRule TX:/^seen_/ "@within /x-bad/ /x-worse/" "id:2,phase:1,pass,log,logdata:'%{MATCHED_VAR_NAME}'"
SecRule &TX:/^seen_/ "@eq 2" "id:3,phase:1,pass"
"#;
    let with = |names: &[&str]| names.iter().fold(Exchange::get("/"), |exchange, name| exchange.with(name, "1"));
    assert_eq!(run(rules, &with(&[])).ids, [] as [u32; 0]);
    assert_eq!(run(rules, &with(&["X-Good"])).ids, [] as [u32; 0]);
    assert_eq!(run(rules, &with(&["X-Bad"])).ids, [2]);
    assert_eq!(run(rules, &with(&["X-Good", "X-Worse"])).ids, [2, 3]);
    assert!(run(rules, &with(&["X-Bad"])).log[0].contains("[data \"TX:seen_x-bad\"]"));
}

#[test]
fn captures_are_set_by_the_last_text_and_stay() {
    let rules = r#"
SecRule ARGS "@rx (a+)(b+)?" "id:1,phase:2,pass,nolog,capture"
SecRule TX:0 "@streq %{ARGS.zero}" "id:2,phase:2,pass"
SecRule TX:1 "@streq %{ARGS.one}" "id:3,phase:2,pass"
SecRule TX:2 "@streq b" "id:4,phase:2,pass"
"#;
    check_tx(rules, "/?x=xaab&zero=1", "0", Some("aab"));
    check_tx(rules, "/?x=xaab&zero=1", "1", Some("aa"));
    check_tx(rules, "/?x=xaab&zero=1", "2", Some("b"));
    // The group that took no part in the second match keeps what the first left.
    check_tx(rules, "/?x=aab&y=aaa", "0", Some("aaa"));
    check_tx(rules, "/?x=aab&y=aaa", "2", Some("b"));
    check_tx(rules, "/?x=none", "0", None);
    check(rules, "/?x=aab&zero=aab", &[2, 4]);
}

#[test]
fn matched_variables_through_a_chain() {
    let rules = r#"
SecRule ARGS|REQUEST_COOKIES "@rx ^(x.*)" "id:1,phase:2,pass,capture,t:lowercase,logdata:'%{MATCHED_VAR_NAME}=%{MATCHED_VAR}',chain"
    SecRule MATCHED_VARS "@rx ^x[0-9]" "chain"
    SecRule MATCHED_VARS_NAMES "@rx :b$" "t:none"
"#;
    check(rules, "/?a=x1&b=xy", &[1]);
    check(rules, "/?a=x1", &[]);
    check(rules, "/?b=X7", &[1]);
    check(rules, "/?b=xy", &[]);
    check(rules, "/?a=none", &[]);
    let earlier = r#"
SecRule ARGS:a "@streq 1" "id:1,phase:2,pass"
SecRule ARGS:b "@streq 2" "id:2,phase:2,pass,chain"
    SecRule MATCHED_VARS "@streq 1" ""
SecRule &MATCHED_VARS "@eq 0" "id:3,phase:2,pass"
"#;
    check(earlier, "/?a=1&b=2", &[1, 3]);
}

#[test]
fn targets_select_exclude_and_count() {
    let check = |targets: &str, operator: &str, uri: &str, expect: bool| {
        let rules = format!("SecRule {targets} \"{operator}\" \"id:1,phase:2,pass\"");
        let exchange = Exchange::get(uri).with("Cookie", "sid=evil; __utm=evil");
        assert_eq!(run(&rules, &exchange).ids.len() == 1, expect, "{rules} {uri}");
    };
    check("ARGS:a", "@streq 1", "/?A=1", true);
    check("ARGS:a", "@streq 1", "/?ab=1", false);
    check("ARGS:/^a/", "@streq 1", "/?ab=1", true);
    check("ARGS:/^b/", "@streq 1", "/?ab=1", false);
    check("ARGS|!ARGS:a", "@streq 1", "/?a=1", false);
    check("ARGS|!ARGS:a", "@streq 1", "/?a=1&b=1", true);
    check("ARGS|!ARGS:/^a/", "@streq 1", "/?ab=1&ac=1", false);
    check("REQUEST_COOKIES|!REQUEST_COOKIES:/^__utm/", "@streq evil", "/", true);
    check("REQUEST_COOKIES|!REQUEST_COOKIES:/^__utm/|!REQUEST_COOKIES:sid", "@streq evil", "/", false);
    check("&ARGS", "@eq 2", "/?a=1&b=1", true);
    check("&ARGS:a", "@gt 1", "/?a=1&a=1", true);
    check("&ARGS:a", "@eq 0", "/?b=1", true);
    check("&REQUEST_COOKIES", "@eq 2", "/", true);
    check("REQUEST_HEADERS:user-agent", "!@rx .", "/", false);
    check("&REQUEST_HEADERS:User-Agent", "@eq 0", "/", true);
    check("ARGS", "!@rx ^[0-9]+$", "/?a=1&b=2", false);
    check("ARGS", "!@rx ^[0-9]+$", "/?a=1&b=x", true);
    check("ARGS", "!@rx ^[0-9]+$", "/", false);
}

#[test]
fn skips_and_markers() {
    let rules = r#"
SecRule ARGS:skip "@streq far" "id:1,phase:2,pass,nolog,skipAfter:END"
SecRule ARGS:skip "@streq two" "id:2,phase:2,pass,nolog,skip:2"
SecRule REQUEST_URI "@rx ." "id:3,phase:2,pass"
SecRule REQUEST_URI "@rx ." "id:4,phase:2,pass"
SecRule REQUEST_URI "@rx ." "id:5,phase:2,pass"
SecMarker END
SecRule REQUEST_URI "@rx ." "id:6,phase:2,pass"
"#;
    check(rules, "/", &[3, 4, 5, 6]);
    check(rules, "/?skip=far", &[6]);
    check(rules, "/?skip=two", &[5, 6]);
}

#[test]
fn multi_match_compares_every_text_of_the_chain() {
    let with = |flag: &str| {
        format!("SecRule ARGS:a \"@rx ^%3C\" \"id:1,phase:2,pass,t:none,t:urlDecode,t:lowercase{flag},setvar:tx.n=+1\"")
    };
    check(&with(""), "/?a=%253C", &[]);
    check(&with(",multiMatch"), "/?a=%253C", &[1]);
    check_tx(&with(",multiMatch"), "/?a=%253C", "n", Some("1"));
    let each =
        r#"SecRule ARGS:a "@rx ^(?i:x)" "id:1,phase:2,pass,t:none,t:urlDecode,t:lowercase,multiMatch,setvar:tx.n=+1""#;
    check_tx(each, "/?a=Xa", "n", Some("2"));
    check_tx(each, "/?a=xa", "n", Some("1"));
}

#[test]
fn ctl_takes_rules_and_targets_out() {
    let rules = |ctl: &str| {
        format!(
            r#"
SecRule REQUEST_URI "@rx ." "id:1,phase:1,pass,nolog,ctl:{ctl}"
SecRule ARGS "@rx evil" "id:10,phase:2,pass,tag:'attack',tag:'other'"
SecRule ARGS|REQUEST_HEADERS "@rx evil" "id:20,phase:2,pass,tag:'attack'"
SecRule ARGS:a "@rx evil" "id:30,phase:2,pass,chain"
    SecRule ARGS:a "@rx e" "t:none"
SecRule ARGS "@streq %{{REQUEST_HEADERS.x}}" "id:40,phase:2,pass"
"#
        )
    };
    let check = |ctl: &str, expect: &[u32]| {
        let exchange = Exchange::get("/?a=evil").with("X", "evil");
        assert_eq!(run(&rules(ctl), &exchange).ids, expect, "{ctl}");
    };
    check("ruleRemoveById=99", &[10, 20, 30, 40]);
    check("ruleRemoveById=10", &[20, 30, 40]);
    check("ruleRemoveById=10-30", &[40]);
    check("ruleRemoveByTag=attack", &[30, 40]);
    check("ruleRemoveByTag=other", &[20, 30, 40]);
    check("ruleRemoveTargetById=10;ARGS:a", &[20, 30, 40]);
    check("ruleRemoveTargetById=10;ARGS:b", &[10, 20, 30, 40]);
    check("ruleRemoveTargetById=20;ARGS:a", &[10, 20, 30, 40]);
    check("ruleRemoveTargetById=20;ARGS", &[10, 20, 30, 40]);
    check("ruleRemoveTargetById=30;ARGS:a", &[10, 20, 40]);
    check("ruleRemoveTargetById=40;ARGS:A", &[10, 20, 30]);
    check("ruleRemoveTargetByTag=attack;ARGS:a", &[20, 30, 40]);
    check("ruleRemoveTargetByTag=attack;ARGS", &[20, 30, 40]);
}

const fn interrupted(rule: u32, phase: u8, status: u16, action: Action) -> Interruption {
    Interruption { rule, phase, status, action }
}

#[test]
fn a_profile_may_refuse_bodies_that_cannot_be_read() {
    let attack = "{\"z\":NaN,\"a\":\"1' or '1'='1\"}";
    let broken_parts = "--XbX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1";
    let check = |content_type: &str, body: &str, expect: Option<u16>| {
        for refuse in [false, true] {
            let wanted =
                WantedSecLang { patterns: Vec::new(), paranoia: None, threshold: None, refuse_broken_bodies: refuse };
            let outcome = run(&wanted.settings(), &Exchange::post("/", content_type, body));
            let status = outcome.interruption.map(|interruption| interruption.status);
            assert_eq!(status, expect.filter(|_| refuse), "{content_type} {body} {refuse}");
        }
    };
    check("application/json", "{\"a\":1}", None);
    check("application/json", attack, Some(400));
    check("application/vnd.api+json", attack, Some(400));
    check("text/xml", "<r><a></r>", Some(400));
    check("text/xml", "<r/>", None);
    check("multipart/form-data; boundary=XbX", broken_parts, Some(400));
    check("multipart/form-data; boundary=XbX", &format!("{broken_parts}\r\n--XbX--\r\n"), None);
}

#[test]
fn disruptive_actions() {
    let check = |actions: &str, expect: Option<Interruption>| {
        let rules = format!("SecRule REQUEST_URI \"@rx .\" \"id:1,phase:1,{actions}\"");
        assert_eq!(run(&rules, &Exchange::get("/")).interruption, expect, "{actions}");
        let detect = run(&rules, &Exchange { detect: true, ..Exchange::get("/") });
        assert_eq!((detect.interruption, detect.would), (None, expect), "{actions} in detection");
    };
    check("pass", None);
    check("deny", Some(interrupted(1, 1, 403, Action::Deny)));
    check("deny,status:418", Some(interrupted(1, 1, 418, Action::Deny)));
    check("drop", Some(interrupted(1, 1, 403, Action::Drop)));
    check(
        "redirect:'http://a/%{REQUEST_METHOD}'",
        Some(interrupted(1, 1, 302, Action::Redirect("http://a/GET".to_owned()))),
    );
    check("block", None);
    let defaults = "SecDefaultAction \"phase:1,log,deny,status:409\"\n";
    let rules = format!("{defaults}SecRule REQUEST_URI \"@rx .\" \"id:1,phase:1,block\"");
    assert_eq!(run(&rules, &Exchange::get("/")).interruption, Some(interrupted(1, 1, 409, Action::Deny)));
}

#[test]
fn an_interruption_ends_the_phases_but_the_last() {
    let rules = r#"
SecRule ARGS:a "@streq deny" "id:1,phase:1,deny"
SecRule REQUEST_URI "@rx ." "id:2,phase:1,pass"
SecRule REQUEST_URI "@rx ." "id:3,phase:2,pass"
SecRule RESPONSE_STATUS "@streq 200" "id:4,phase:3,pass"
SecRule REQUEST_URI "@rx ." "id:5,phase:5,pass"
"#;
    check(rules, "/", &[2, 3, 4, 5]);
    check(rules, "/?a=deny", &[1, 5]);
    let detect = Exchange { detect: true, ..Exchange::get("/?a=deny") };
    assert_eq!(run(rules, &detect).ids, [1, 2, 3, 4, 5]);
}

#[test]
fn allow_has_three_scopes() {
    let rules = |scope: &str| {
        format!(
            r#"
SecRule REQUEST_URI "@rx ." "id:1,phase:1,{scope},nolog"
SecRule REQUEST_URI "@rx ." "id:2,phase:1,pass"
SecRule REQUEST_URI "@rx ." "id:3,phase:2,pass"
SecRule REQUEST_URI "@rx ." "id:4,phase:3,pass"
SecRule REQUEST_URI "@rx ." "id:5,phase:5,pass"
"#
        )
    };
    check(&rules("pass"), "/", &[2, 3, 4, 5]);
    check(&rules("allow"), "/", &[5]);
    check(&rules("allow:phase"), "/", &[3, 4, 5]);
    check(&rules("allow:request"), "/", &[4, 5]);
}

#[test]
fn the_engine_is_switched() {
    let rules = |mode: &str, ctl: &str| {
        format!(
            r#"
SecRuleEngine {mode}
SecRule ARGS:a "@streq 1" "id:1,phase:1,pass,nolog,ctl:ruleEngine={ctl}"
SecRule REQUEST_URI "@rx ." "id:2,phase:1,deny"
SecRule REQUEST_URI "@rx ." "id:3,phase:2,pass"
"#
        )
    };
    let check = |mode: &str, ctl: &str, uri: &str, ids: &[u32], blocks: bool| {
        let outcome = run(&rules(mode, ctl), &Exchange::get(uri));
        assert_eq!((outcome.ids.as_slice(), outcome.interruption.is_some()), (ids, blocks), "{mode} {ctl} {uri}");
    };
    check("On", "Off", "/", &[2], true);
    check("On", "DetectionOnly", "/?a=1", &[2, 3], false);
    // The phase goes on, but nothing disrupts; later phases do not begin.
    check("On", "Off", "/?a=1", &[2], false);
    check("DetectionOnly", "On", "/", &[2, 3], false);
    check("DetectionOnly", "On", "/?a=1", &[2], true);
    check("Off", "On", "/?a=1", &[], false);
    let detect = Exchange { detect: true, ..Exchange::get("/?a=1") };
    assert_eq!(run(&rules("DetectionOnly", "On"), &detect).interruption, None, "a profile that only detects");
}

/// Found by fuzzing: the name of an argument is the client's, too.
#[test]
fn a_log_line_is_one_line() {
    let rules = r#"SecRule ARGS|ARGS_NAMES|REQUEST_HEADERS_NAMES "@rx ." "id:1,phase:2,pass,msg:'%{MATCHED_VAR_NAME}',logdata:'%{MATCHED_VAR}'""#;
    let outcome = run(rules, &Exchange::get("/?a%0a[id%20%229%22]=b%0d%1b[31m").with("X-A", "1"));
    assert!(!outcome.log.is_empty());
    for line in outcome.log {
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
}

#[test]
fn bodies_by_processor() {
    let rules = r#"
SecRule REQUEST_HEADERS:Content-Type "@rx json" "id:1,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON"
SecRule ARGS:json.user.name|ARGS_POST:name "@streq evil" "id:2,phase:2,pass"
SecRule REQBODY_ERROR "!@eq 0" "id:3,phase:2,pass"
SecRule REQBODY_PROCESSOR "@streq JSON" "id:4,phase:2,pass"
SecRule ARGS "@streq evil" "id:5,phase:1,pass"
"#;
    let check = |content_type: &str, body: &str, expect: &[u32]| {
        assert_eq!(run(rules, &Exchange::post("/", content_type, body)).ids, expect, "{content_type} {body}");
    };
    check("application/x-www-form-urlencoded", "name=evil", &[2]);
    check("application/json", r#"{"user":{"name":"evil"}}"#, &[2, 4]);
    check("application/json", r#"{"user":{"name":"evil""#, &[2, 3, 4]);
    let off = format!("SecRequestBodyAccess Off\n{rules}");
    assert_eq!(run(&off, &Exchange::post("/", "application/x-www-form-urlencoded", "name=evil")).ids, [] as [u32; 0]);
}

#[test]
fn responses_are_judged_in_phases_3_and_4() {
    let rules = r#"
SecResponseBodyAccess On
SecRule ARGS:a "@streq 1" "id:1,phase:2,pass,nolog,setvar:tx.seen=1"
SecRule RESPONSE_HEADERS:X-Leak "@rx secret" "id:2,phase:3,deny,status:502"
SecRule RESPONSE_BODY "@contains stack trace" "id:3,phase:4,deny,status:502,chain"
    SecRule TX:seen "@eq 1" "chain"
    SecRule ARGS:a "@streq 1" "t:none"
SecRule RESPONSE_BODY "@contains other" "id:4,phase:4,pass"
"#;
    let respond = |uri: &str, body: &str| Exchange { response_body: body.into(), ..Exchange::get(uri) };
    let check = |exchange: &Exchange, expect: Option<Interruption>| {
        assert_eq!(run(rules, exchange).interruption, expect, "{exchange:?}");
    };
    check(&respond("/?a=1", "a stack trace"), Some(interrupted(3, 4, 502, Action::Deny)));
    check(&respond("/", "a stack trace"), None);
    check(&respond("/?a=1", "nothing"), None);
    assert_eq!(run(rules, &respond("/", "some other")).ids, [4]);
    let mut leak = respond("/?a=1", "a stack trace");
    leak.response_headers.push(field("X-Leak", "my secret"));
    check(&leak, Some(interrupted(2, 3, 502, Action::Deny)));
    let mut picture = respond("/?a=1", "a stack trace");
    picture.response_headers = vec![field("Content-Type", "image/png")];
    check(&picture, None);
}

#[test]
fn macros_everywhere() {
    let rules = r#"
SecRule REQUEST_METHOD "@streq GET" "id:1,phase:1,pass,log,severity:'CRITICAL',tag:'host/%{REQUEST_HEADERS.Host}',\
    msg:'%{RULE.id} %{rule.severity} %{TX.none}|%{REMOTE_ADDR} %{UNIQUE_ID}',logdata:'%{REQUEST_LINE} in %{MATCHED_VAR_NAME}'"
"#;
    let line = run(rules, &Exchange::get("/x")).log.join("\n");
    assert!(line.contains("[msg \"1 2 |200.249.12.31 unique\"]"), "{line}");
    assert!(line.contains("[data \"GET /x HTTP/1.1 in REQUEST_METHOD\"]"), "{line}");
    assert!(line.contains("[tag \"host/localhost\"]") && line.contains("[severity \"2\"]"), "{line}");
    let itself = r#"SecRule REQUEST_METHOD "@streq GET" "id:1,phase:1,pass,msg:'a %{RULE.msg} b'""#;
    assert!(run(itself, &Exchange::get("/")).log[0].contains("[msg \"a a  b b\"]"));
    let http10 = Exchange { version: Version::Http10, ..Exchange::get("/") };
    assert_eq!(run("SecRule REQUEST_PROTOCOL \"@streq HTTP/1.0\" \"id:1,phase:1,pass\"", &http10).ids, [1]);
}

#[test]
fn collections_outlive_transactions() {
    let rules = load(
        r#"
SecCollectionTimeout 600
SecRule REMOTE_ADDR "@rx ." "id:1,phase:1,pass,nolog,initcol:ip=%{REMOTE_ADDR}"
SecRule REMOTE_ADDR "@rx ." "id:2,phase:1,pass,nolog,setvar:ip.n=+1,expirevar:ip.n=60"
SecRule IP:N "@gt 2" "id:3,phase:1,deny,status:429"
SecRule &IP:n "@eq 1" "id:4,phase:1,pass"
"#,
    );
    let mut scratch = Scratch::default();
    let mut send = |last: u8, seconds: u64| {
        let mut exchange = Exchange::get("/");
        exchange.client = ([10, 0, 0, last], 1).into();
        exchange.now += Duration::from_secs(seconds);
        let outcome = exchange.through_with(&rules, &mut scratch);
        let ids = outcome.ids.clone();
        outcome.transaction.recycle(&mut scratch);
        ids
    };
    assert_eq!(send(1, 0), [4]);
    assert_eq!(send(1, 1), [4]);
    assert_eq!(send(2, 2), [4]);
    assert_eq!(send(1, 2), [3]);
    assert_eq!(send(2, 3), [4]);
    assert_eq!(send(1, 63), [4], "the count has expired");
}

#[test]
fn a_transaction_has_bounds() {
    let rules = load("SecRule ARGS \"@rx (?i)union.*select\" \"id:1,phase:2,deny,t:urlDecodeUni,t:lowercase\"");
    let attack = format!("/?x={}UNION%20SELECT", "%41".repeat(2_000));
    let within = Exchange::get(&attack).through(&rules);
    assert!(within.interruption.is_some() && !within.exhausted);
    let beyond = Exchange { work: 3_000, ..Exchange::get(&attack) }.through(&rules);
    assert!(beyond.exhausted && beyond.interruption.is_none());

    // A rule that makes variables without end.
    let rules = load(
        r#"
SecArgumentsLimit 100000
SecRule ARGS_NAMES "@rx .+" "id:1,phase:2,pass,nolog,capture,setvar:'tx.made_%{tx.0}=1'"
"#,
    );
    let many = (0..3_000).map(|at| format!("{at}=1")).collect::<Vec<_>>().join("&");
    assert!(Exchange::get(&format!("/?{many}")).through(&rules).exhausted);
    let few = (0..300).map(|at| format!("{at}=1")).collect::<Vec<_>>().join("&");
    assert!(!Exchange::get(&format!("/?{few}")).through(&rules).exhausted);
}

#[test]
fn state_is_used_again_without_leaving_traces() {
    let rules = load(
        r#"
SecRule ARGS:a "@streq 1" "id:1,phase:1,deny,capture,setvar:tx.x=%{tx.0},setvar:'tx.dyn_%{ARGS.a}=1',ctl:ruleRemoveById=2"
SecRule REQUEST_URI "@rx ." "id:2,phase:1,pass"
SecRule TX:/^(?:dyn_|x$|0$)/ "@rx ." "id:3,phase:2,pass"
"#,
    );
    let mut scratch = Scratch::default();
    for _ in 0..3 {
        let first = Exchange::get("/?a=1").through_with(&rules, &mut scratch);
        assert_eq!(first.ids, [1]);
        first.transaction.recycle(&mut scratch);
        let second = Exchange::get("/").through_with(&rules, &mut scratch);
        assert_eq!(second.ids, [2]);
        second.transaction.recycle(&mut scratch);
    }
}
