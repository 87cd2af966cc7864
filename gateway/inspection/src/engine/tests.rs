//! Messages through profiles: targets, chains, conditions, scores, modes, exclusions and bounds.

use std::collections::BTreeMap;

use rampart_message::{Body, Head, Headers, Message, Version};
use rampart_settings::{Document, Report, Source, read};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Scratch;
use crate::{
    Catalogue, Exclusions, Findings, NoSecLang, Outcome, Placed, Profile, RawExclusion, RawProfile, RawRule,
    RouteExclusions, compile_profiles, unused,
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<RawRule>,
    #[serde(default)]
    exclusion: Vec<RawExclusion>,
    #[serde(default)]
    profile: BTreeMap<String, RawProfile>,
}

struct Setup {
    profiles: crate::Profiles,
    exclusions: Exclusions,
}

/// Compiles a rule file, or gives its errors as `line: message (help)`.
fn try_compile(text: &str) -> Result<Setup, Vec<String>> {
    let report = Report::default();
    let document = Document::parse(Source::new("test.toml", text), &report);
    let file = document.as_ref().and_then(|document| read::<File>(document, &report));
    let setup = file.map(|file| {
        let root = document.as_ref().unwrap().root(&report);
        let rules = file.rule.into_iter().enumerate();
        let rules: Vec<_> = rules.map(|(i, raw)| Placed { raw, place: root.key("rule").index(i) }).collect();
        let exclusions = file.exclusion.into_iter().enumerate();
        let exclusions: Vec<_> =
            exclusions.map(|(i, raw)| Placed { raw, place: root.key("exclusion").index(i) }).collect();
        let profile = |(name, raw): (String, RawProfile)| {
            let place = root.key("profile").key(&name);
            (name, Placed { raw, place })
        };
        let profiles = file.profile.into_iter().map(profile).collect();
        let catalogue = Catalogue::compile(&rules);
        let profiles = compile_profiles(&profiles, &catalogue, &mut NoSecLang);
        let exclusions = Exclusions::compile(&exclusions, &catalogue, &profiles, &["create task", "other"]);
        Setup { profiles, exclusions }
    });
    let line = |d: &rampart_settings::Diagnostic| {
        format!("{}: {}{}", d.line, d.message, d.help.as_ref().map(|h| format!(" ({h})")).unwrap_or_default())
    };
    let errors: Vec<String> = report.into_sorted().iter().map(line).collect();
    if errors.is_empty() { Ok(setup.expect("no error")) } else { Err(errors) }
}

struct Sent<'a> {
    target: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a str,
}

const GET: Sent<'static> = Sent { target: "/", headers: &[], body: "" };

fn with<R>(sent: &Sent<'_>, profile: &Profile, judge: impl FnOnce(&Message<'_>) -> R) -> R {
    let mut fields: Vec<(&[u8], &[u8])> = sent.headers.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
    if !sent.body.is_empty() {
        fields.push((b"Content-Type", b"application/json"));
    }
    let headers = Headers::new(&fields);
    let head =
        Head { method: b"POST", target: sent.target.as_bytes(), version: Version::Http11, authority: None, headers };
    let body = Body::open(&headers, sent.body.as_bytes(), &profile.limits);
    let mut message = Message::parse_head(head, &profile.limits, &mut rampart_message::Scratch::new());
    if !sent.body.is_empty() {
        message.parse_body(&body, &profile.limits);
    }
    judge(&message)
}

fn judge_on(setup: &Setup, profile: &str, exclusions: &RouteExclusions, sent: &Sent<'_>) -> Findings {
    let profile = &setup.profiles[profile];
    with(sent, profile, |message| profile.inspect(exclusions, message, &mut Scratch::default()))
}

fn judge(text: &str, sent: &Sent<'_>) -> Findings {
    let text = format!("{text}\n[profile.p]\n");
    judge_on(&try_compile(&text).unwrap(), "p", &RouteExclusions::default(), sent)
}

fn rules(findings: &Findings) -> Vec<&str> {
    findings.matches.iter().map(|found| &*found.rule).collect()
}

const WORD: &str = r#"
[[rule]]
id = "word"
targets = ["args", "header:referer", "cookie"]
transform = ["url_decode_uni", "lowercase"]
match = { contains = "attack" }
category = "sqli"
"#;

#[test]
fn a_match_says_what_where_and_how() {
    let findings = judge(WORD, &Sent { body: r#"{"a":1,"steps":[{"text":"an %41TTACK!"}]}"#, ..GET });
    let found = &findings.matches[0];
    assert_eq!(found.target, "root.steps[0].text");
    assert_eq!(found.message, "Potential SQL injection detected in root.steps[0].text");
    assert_eq!(found.transform, "url_decode_uni,lowercase");
    assert_eq!(found.value, b"attack");
    assert_eq!((findings.score, findings.outcome), (5, Outcome::Block { status: 400 }));
    assert_eq!(findings.sentence(true).unwrap(), "Potential SQL injection detected in root.steps[0].text");
    assert_eq!(findings.sentence(false).unwrap(), "Potential SQL injection detected");
}

#[test]
fn targets_choose_values() {
    for (sent, expect) in [
        (Sent { target: "/?q=attack", ..GET }, Some("query.q")),
        (Sent { target: "/attack", ..GET }, None),
        (Sent { headers: &[("Referer", "x attack")], ..GET }, Some("header.referer")),
        (Sent { headers: &[("Accept", "attack")], ..GET }, None),
        (Sent { headers: &[("Cookie", "a=1; sid=attack")], ..GET }, Some("cookie.sid")),
        (Sent { body: r#"{"t":"ATTACK"}"#, ..GET }, Some("root.t")),
        (Sent { body: r#"{"attack":"x"}"#, ..GET }, None),
    ] {
        let findings = judge(WORD, &sent);
        assert_eq!(findings.matches.first().map(|found| found.target.as_str()), expect, "{}", sent.target);
    }
}

fn one(targets: &str, condition: &str, more: &str) -> String {
    format!("[[rule]]\nid = \"r\"\ntargets = {targets}\nmatch = {condition}\ncategory = \"protocol\"\n{more}")
}

#[test]
fn selectors_counts_negation_and_chains() {
    let json = |body| Sent { body, ..GET };
    let query = |target| Sent { target, ..GET };
    for (rule, sent, expect) in [
        (one(r#"["json:$.a[*].b"]"#, "{ contains = \"x\" }", ""), json(r#"{"a":[{"b":"x"}]}"#), true),
        (one(r#"["json:$.a[*].b"]"#, "{ contains = \"x\" }", ""), json(r#"{"a":[{"c":"x"}]}"#), false),
        (one(r#"["args", "!json:$.a"]"#, "{ contains = \"x\" }", ""), json(r#"{"a":"x","b":"y"}"#), false),
        (one(r#"["args", "!json:$.a"]"#, "{ contains = \"x\" }", ""), json(r#"{"a":"y","b":"x"}"#), true),
        (one(r#"["args", "!query:safe"]"#, "{ contains = \"x\" }", ""), query("/?safe=x"), false),
        (one(r#"["json_names"]"#, "{ equals = \"$ne\" }", ""), json(r#"{"user":{"$ne":"1"}}"#), true),
        (one(r#"["query_names"]"#, "{ equals = \"debug\" }", ""), query("/?debug=1"), true),
        (one(r#"["method"]"#, "{ equals = \"POST\" }", ""), query("/"), true),
        (one(r#"["uri"]"#, "{ contains = \"%61\" }", ""), query("/%61"), true),
        (one(r#"["query"]"#, "{ count = { gt = 2 } }", ""), query("/?a=1&b=2&c=3"), true),
        (one(r#"["query"]"#, "{ count = { gt = 2 } }", ""), query("/?a=1&b=2"), false),
        (one(r#"["header:x-key"]"#, "{ count = { eq = 0 } }", ""), query("/"), true),
        (one(r#"["query:n"]"#, "{ regex = '^[0-9]+$', not = true }", ""), query("/?n=1x"), true),
        (one(r#"["query:n"]"#, "{ regex = '^[0-9]+$', not = true }", ""), query("/?n=12"), false),
        (one(r#"["query:n"]"#, "{ regex = '^[0-9]+$', not = true }", ""), query("/?m=1x"), false),
    ] {
        assert_eq!(judge(&rule, &sent).score > 0, expect, "{rule} on {} {}", sent.target, sent.body);
    }
}

#[test]
fn further_conditions_must_hold_too() {
    let rule = one(
        r#"["query:a"]"#,
        "{ contains = \"x\" }",
        "and = [{ targets = [\"matched\"], transform = [\"length\"], match = { number = { gt = 3 } } },\n\
         { targets = [\"json\"], match = { contains = \"y\" } }]",
    );
    for (target, body, expect) in [
        ("/?a=xxxx", r#"{"b":"y"}"#, true),
        ("/?a=x", r#"{"b":"y"}"#, false),
        ("/?a=xxxx", r#"{"b":"z"}"#, false),
        ("/?a=zzzz", r#"{"b":"y"}"#, false),
    ] {
        assert_eq!(judge(&rule, &Sent { target, body, ..GET }).score > 0, expect, "{target} {body}");
    }
}

#[test]
fn head_and_rest_find_what_the_whole_finds() {
    let text = format!(
        "{WORD}{}\n{}\n[profile.p]\n",
        one(r#"["query:a"]"#, "{ contains = \"x\" }", "and = [{ targets = [\"json\"], match = { contains = \"y\" } }]"),
        one(r#"["args"]"#, "{ count = { gt = 2 } }", "").replace("\"r\"", "\"many\""),
    );
    let setup = try_compile(&text).unwrap();
    let profile = &setup.profiles["p"];
    for (target, body) in [("/?a=x", r#"{"b":"y"}"#), ("/?a=attack", r#"{"b":"attack"}"#), ("/?a=1&b=2", r#"{"c":3}"#)]
    {
        with(&Sent { target, body, ..GET }, profile, |message| {
            let (exclusions, mut scratch) = (RouteExclusions::default(), Scratch::default());
            let whole = profile.inspect(&exclusions, message, &mut scratch);
            let head = profile.inspect_head(&exclusions, message, &mut scratch);
            let rest = profile.inspect_rest(&exclusions, message, &mut scratch, head);
            assert_eq!((whole.score, rules(&whole)), (rest.score, rules(&rest)), "{target}");
        });
    }
}

#[test]
fn multi_match_sees_every_step() {
    let rule = |multi| {
        format!(
            "[[rule]]\nid = \"r\"\ntargets = [\"query\"]\ntransform = [\"base64_decode\", \"lowercase\"]\n\
             multi_match = {multi}\nmatch = {{ contains = \"YXR0\" }}\ncategory = \"xss\"\n"
        )
    };
    let sent = Sent { target: "/?a=YXR0YWNr", ..GET };
    assert_eq!(judge(&rule(false), &sent).score, 0);
    assert_eq!(judge(&rule(true), &sent).score, 5);
}

#[test]
fn scores_add_up_once_per_rule() {
    let rule = |id: &str, severity: &str| {
        format!(
            "[[rule]]\nid = \"{id}\"\ntargets = [\"query\"]\nmatch = {{ contains = \"{id}\" }}\ncategory = \"xss\"\nseverity = \"{severity}\"\n"
        )
    };
    let text = [rule("aa", "notice"), rule("bb", "warning"), rule("cc", "error")].concat();
    for (target, score, blocked) in [
        ("/?x=aa", 2, false),
        ("/?x=aa&y=aa&z=aa", 2, false),
        ("/?x=aa&y=bb", 5, true),
        ("/?x=cc", 4, false),
        ("/?x=aabbcc", 9, true),
    ] {
        let findings = judge(&text, &Sent { target, ..GET });
        assert_eq!((findings.score, findings.outcome.is_block()), (score, blocked), "{target}");
    }
    let findings = judge(&text, &Sent { target: "/?x=aabbcc", ..GET });
    assert_eq!(rules(&findings), ["cc", "bb", "aa"], "gravest first");
}

#[test]
fn modes_levels_and_exemptions_of_profiles() {
    let text = format!(
        "{WORD}{}\n\
         [profile.block]\n[profile.detect]\nextends = \"block\"\nmode = \"detect\"\n[profile.off]\nmode = \"off\"\n\
         [profile.strict]\nparanoia = 2\nfirst_match = true\n[profile.high]\nthreshold = 6\n\
         [profile.some]\nwithout = {{ category = [\"sqli\"] }}\n\
         [profile.open]\n[[profile.open.exempt]]\nreason = \"free text\"\nrules = {{ category = [\"sqli\"] }}\n\
         targets = [\"json:$.text\"]\n",
        one(r#"["args"]"#, "{ contains = \"zz\" }", "paranoia = 2\nseverity = \"notice\"\n")
    );
    let setup = try_compile(&text).unwrap();
    let attack = Sent { body: r#"{"text":"attack"}"#, ..GET };
    for (profile, sent, expect) in [
        ("block", &attack, Outcome::Block { status: 400 }),
        ("detect", &attack, Outcome::WouldBlock),
        ("off", &attack, Outcome::Pass),
        ("high", &attack, Outcome::Pass),
        ("some", &attack, Outcome::Pass),
        ("open", &attack, Outcome::Pass),
        ("open", &Sent { body: r#"{"title":"attack"}"#, ..GET }, Outcome::Block { status: 400 }),
        ("block", &Sent { target: "/?a=zz", ..GET }, Outcome::Pass),
        ("strict", &Sent { target: "/?a=zz", ..GET }, Outcome::Block { status: 400 }),
    ] {
        assert_eq!(judge_on(&setup, profile, &RouteExclusions::default(), sent).outcome, expect, "{profile}");
    }
}

#[test]
fn exclusions_hold_on_their_route_and_are_counted() {
    let text = format!(
        "{WORD}\n[profile.p]\n[[exclusion]]\nreason = \"code samples\"\nroute = \"create task\"\n\
         rules = {{ category = [\"sqli\"] }}\ntargets = [\"json:$.steps[*].text\"]\n"
    );
    let setup = try_compile(&text).unwrap();
    let inside = Sent { body: r#"{"steps":[{"text":"attack"}]}"#, ..GET };
    let outside = Sent { body: r#"{"steps":[{"code":"attack"}]}"#, ..GET };
    let blocked = |route, sent| judge_on(&setup, "p", &setup.exclusions.for_route(route), sent).outcome.is_block();
    assert!(blocked("other", &inside));
    assert!(blocked("create task", &outside));
    assert_eq!(unused(&setup.exclusions).len(), 1, "nothing was suppressed so far");
    assert!(!blocked("create task", &inside));
    assert!(unused(&setup.exclusions).is_empty());
}

#[test]
fn oddities_are_refused_or_noted_as_the_profile_says() {
    let text =
        "[profile.p]\n[profile.lax]\nproblems = { duplicate_key = \"note\" }\n[profile.p.limits]\njson_depth = 2\n";
    let setup = try_compile(text).unwrap();
    let judge = |profile, body| judge_on(&setup, profile, &RouteExclusions::default(), &Sent { body, ..GET });
    let twice = r#"{"a":1,"a":2}"#;
    let refused = judge("p", twice);
    assert_eq!(refused.outcome, Outcome::Block { status: 400 });
    assert_eq!(refused.limit.unwrap().code(), "duplicate_key");
    let noted = judge("lax", twice);
    assert_eq!((noted.outcome, noted.notes[0].code()), (Outcome::Pass, "duplicate_key"));
    let deep = judge("p", r#"{"a":{"b":{"c":1}}}"#).limit.unwrap();
    assert_eq!((deep.code(), deep.limit), ("limit_exceeded", Some("json_depth")));
}

#[test]
fn work_has_a_budget() {
    let text = format!("{WORD}\n[profile.p]\nwork = \"1KiB\"\n");
    let setup = try_compile(&text).unwrap();
    let long = format!(r#"{{"a":"{}"}}"#, "attac ".repeat(400));
    let findings = judge_on(&setup, "p", &RouteExclusions::default(), &Sent { body: &long, ..GET });
    assert_eq!(findings.outcome, Outcome::Block { status: 400 });
    assert_eq!(findings.limit.unwrap().code(), "inspection_budget");
}

#[test]
fn findings_are_bounded() {
    let rule = |i: usize| {
        format!(
            "[[rule]]\nid = \"r{i}\"\ntargets = [\"query\"]\nmatch = {{ contains = \"aaa\" }}\ncategory = \"xss\"\n"
        )
    };
    let text: String = (0..40).map(rule).collect();
    let target = format!("/?x={}", "a".repeat(4000));
    let findings = judge(&text, &Sent { target: &target, ..GET });
    assert_eq!(findings.matches.len(), Findings::MAX_MATCHES);
    assert!(findings.matches.iter().all(|found| found.value.len() <= crate::Match::MAX_VALUE));
}

#[test]
fn mistakes_are_reported_where_they_are() {
    for (text, expect) in [
        (one(r#"["argz"]"#, "{ contains = \"a\" }", ""), "3: unknown target \"argz\" (did you mean \"args\"?)"),
        (one(r#"["json:$.a[?(@.b)]"]"#, "{ contains = \"a\" }", ""), "3: filters are not supported at byte 4"),
        (one(r#"["path:x"]"#, "{ contains = \"a\" }", ""), "3: `path` takes no name"),
        (one(r#"["matched"]"#, "{ contains = \"a\" }", ""), "3: `matched` is what the condition before matched"),
        (one(r#"["!args"]"#, "{ contains = \"a\" }", ""), "3: nothing is selected"),
        (one(r#"["args"]"#, "{ regex = '(' }", ""), "4: the pattern does not compile"),
        ("[profile.a]\nextends = \"b\"\n".to_owned(), "2: unknown profile \"b\""),
        ("[profile.a]\nextends = \"a\"\n".to_owned(), "2: profiles extend one another in a circle"),
        ("[profile.a]\nbody = \"prefix:0KiB\"\n".to_owned(), "2: a prefix has at least one byte"),
        ("[profile.a]\nrules = { id = [\"nope\"] }\n".to_owned(), "2: unknown rule \"nope\""),
        (
            "[profile.a]\nproblems = { duplicate_keys = \"note\" }\n".to_owned(),
            "2: unknown problem \"duplicate_keys\" (did you mean \"duplicate_key\"?)",
        ),
        (
            format!("{WORD}[[exclusion]]\nreason = \"x\"\nroute = \"create tsk\"\ntargets = [\"args\"]\n"),
            "10: unknown route \"create tsk\" (did you mean \"create task\"?)",
        ),
        (format!("{WORD}{WORD}"), "10: the rule id \"word\" is taken"),
    ] {
        let errors = try_compile(&text).err().unwrap_or_default();
        assert_eq!(errors.len(), 1, "{text}: {errors:?}");
        assert!(errors[0].starts_with(expect), "{text}: {errors:?}");
    }
}
