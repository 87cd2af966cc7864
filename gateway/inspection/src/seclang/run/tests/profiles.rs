//! SecLang rules in a profile: findings, outcomes, exclusions and exemptions.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::SystemTime;

use rampart_message::{Body, Head, Headers, Limits, Message, Version};
use rampart_settings::{Document, Place, Report, Source, read};
use schemars::JsonSchema;
use serde::Deserialize;

use super::super::SecLang;
use super::try_load;
use crate::engine::Scratch;
use crate::seclang::{Connection, SecLangSource, WantedSecLang};
use crate::{
    Catalogue, Category, Exclusions, Findings, Outcome, Placed, Profiles, RawExclusion, RawProfile, Severity,
    compile_profiles,
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    exclusion: Vec<RawExclusion>,
    #[serde(default)]
    profile: BTreeMap<String, RawProfile>,
}

/// One set of rules for whoever asks.
struct Rules(SecLang);

impl SecLangSource for Rules {
    fn load(&mut self, _: &WantedSecLang, _: &Place<'_>) -> Result<Option<SecLang>, String> {
        Ok(Some(self.0.clone()))
    }
}

const RULES: &str = r#"
SecAction "id:1,phase:1,pass,nolog,setvar:tx.inbound_anomaly_score=0"
SecRule REQUEST_HEADERS:Content-Type "@rx json" "id:2,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON"
SecRule ARGS|REQUEST_HEADERS|!REQUEST_HEADERS:Cookie|REQUEST_COOKIES|REQUEST_FILENAME "@contains evil" "id:942100,phase:2,block,severity:'CRITICAL',tag:'attack-sqli',tag:'paranoia-level/2',setvar:tx.inbound_anomaly_score=+5"
SecRule ARGS "@rx odd" "id:942200,phase:2,block,severity:'NOTICE',tag:'attack-sqli',tag:'paranoia-level/1',setvar:tx.inbound_anomaly_score=+2"
SecRule TX:inbound_anomaly_score "@ge 5" "id:949110,phase:2,deny,severity:'CRITICAL',msg:'Inbound Anomaly Score Exceeded (Total Score: %{TX.inbound_anomaly_score})'"
"#;

struct Setup {
    profiles: Profiles,
    exclusions: Exclusions,
}

fn setup(text: &str) -> Result<Setup, Vec<String>> {
    let rules = try_load("crs.conf", RULES, false).unwrap();
    let report = Report::default();
    let document = Document::parse(Source::new("test.toml", text), &report).unwrap();
    let file = read::<File>(&document, &report).unwrap();
    let root = document.root(&report);
    let catalogue = Catalogue::compile(&[]);
    let profile = |(name, raw): (String, RawProfile)| {
        let place = root.key("profile").key(&name);
        (name, Placed { raw, place })
    };
    let profiles = compile_profiles(&file.profile.into_iter().map(profile).collect(), &catalogue, &mut Rules(rules));
    let exclusions = file.exclusion.into_iter().enumerate();
    let exclusions: Vec<_> =
        exclusions.map(|(at, raw)| Placed { raw, place: root.key("exclusion").index(at) }).collect();
    let exclusions = Exclusions::compile(&exclusions, &catalogue, &profiles, &["notes"]);
    let errors: Vec<String> = report.into_sorted().iter().map(|error| error.message.clone()).collect();
    if errors.is_empty() { Ok(Setup { profiles, exclusions }) } else { Err(errors) }
}

/// What a profile `p` finds on the route `notes`.
fn inspect(setup: &Setup, uri: &str, headers: &[(&str, &str)], body: &str) -> Findings {
    let (profile, route) = (&setup.profiles["p"], setup.exclusions.for_route("notes"));
    let limits = Limits::DEFAULT;
    let fields: Vec<_> = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let headers = Headers::new(&fields);
    let head = Head { method: b"POST", target: uri.as_bytes(), version: Version::Http11, authority: None, headers };
    let mut message = Message::parse_head(head, &limits, &mut rampart_message::Scratch::new());
    let opened = Body::open(&headers, body.as_bytes(), &limits);
    if !body.is_empty() {
        message.parse_body(&opened, &limits);
    }
    let end = SocketAddr::from(([127, 0, 0, 1], 80));
    let (mut scratch, now) = (Scratch::default(), SystemTime::UNIX_EPOCH);
    let mut findings = Findings::default();
    if let Some(mut transaction) = profile.begin(Connection { client: end, server: end }, "id", now, &mut scratch) {
        transaction.request(profile.exempt(&route), &message, &limits, now, &mut scratch);
        profile.join(&mut findings, &transaction);
        // Asked again, nothing is added twice.
        profile.join(&mut findings, &transaction);
    }
    findings
}

const JSON: [(&str, &str); 1] = [("Content-Type", "application/json")];

#[test]
fn a_refusal_by_score_names_the_rules_that_made_it() {
    let block = setup("[profile.p]\nseclang = [\"crs.conf\"]").unwrap();
    let found = inspect(&block, "/?id=evil&x=odd", &[], "");
    assert_eq!(found.outcome, Outcome::Block { status: 403 });
    assert_eq!(found.seclang_score, 7);
    let ids: Vec<&str> = found.seclang_rules.iter().map(AsRef::as_ref).collect();
    assert_eq!(ids, ["942100", "942200", "949110"]);
    assert_eq!(found.sentence(true).as_deref(), Some("Potential SQL injection detected in query.id"));
    let first = &found.matches[0];
    assert_eq!(
        (&*first.rule, first.category, first.severity, first.paranoia),
        ("942100", Category::Sqli, Severity::Critical, 2)
    );
    assert_eq!((first.target.as_str(), first.value.as_slice()), ("query.id", &b"evil"[..]));
    let last = &found.matches[2];
    assert_eq!(last.message, "Inbound Anomaly Score Exceeded (Total Score: 7)");
    let pass = inspect(&block, "/?x=odd", &[], "");
    assert_eq!((pass.outcome, pass.seclang_score, pass.seclang_rules.len()), (Outcome::Pass, 2, 1));
}

#[test]
fn modes() {
    let outcome = |mode: &str| {
        let setup = setup(&format!("[profile.p]\nmode = \"{mode}\"\nseclang = [\"crs.conf\"]")).unwrap();
        let found = inspect(&setup, "/?id=evil", &[], "");
        (found.outcome, found.seclang_rules.len())
    };
    assert_eq!(outcome("block"), (Outcome::Block { status: 403 }, 2));
    assert_eq!(outcome("detect"), (Outcome::WouldBlock, 2));
    assert_eq!(outcome("off"), (Outcome::Pass, 0));
}

#[test]
fn a_spent_budget_refuses() {
    let setup = setup("[profile.p]\nwork = \"1KiB\"\nseclang = [\"crs.conf\"]").unwrap();
    let found = inspect(&setup, &format!("/?id={}", "a".repeat(4_000)), &[], "");
    assert!(found.outcome.is_block());
    assert_eq!(found.limit.map(|limit| limit.code()), Some("inspection_budget"));
}

/// Whether the rule 942100 still judges a value, with an exclusion for route and rules.
fn check(rules: &str, target: &str, sent: (&str, &[(&str, &str)], &str), judged: bool) {
    let rules = if rules.is_empty() { String::new() } else { format!("rules = {rules}\n") };
    let one = |text: String| setup(&text).unwrap_or_else(|errors| panic!("{errors:?}"));
    let targets = format!("targets = [\"{target}\"]\nreason = \"test\"\n");
    let exclusion =
        one(format!("[profile.p]\nseclang = [\"crs.conf\"]\n[[exclusion]]\nroute = \"notes\"\n{rules}{targets}"));
    let exemption = one(format!("[profile.p]\nseclang = [\"crs.conf\"]\n[[profile.p.exempt]]\n{rules}{targets}"));
    for setup in [&exclusion, &exemption] {
        let found = inspect(setup, sent.0, sent.1, sent.2);
        assert_eq!(found.seclang_rules.iter().any(|id| **id == *"942100"), judged, "{rules} {target} {sent:?}");
    }
    let suppressed: u64 = exclusion.exclusions.iter().map(crate::Exclusion::suppressed).sum();
    assert_eq!(suppressed > 0, !judged, "{rules} {target} {sent:?}");
}

#[test]
fn exclusions_and_exemptions_hold_for_seclang_rules() {
    let query = ("/?id=evil", &[][..], "");
    check(r#"{ id = ["942100"] }"#, "query:id", query, false);
    check(r#"{ id = ["942100"] }"#, "query:other", query, true);
    check(r#"{ id = ["942200"] }"#, "query:id", query, true);
    check(r#"{ tag = ["attack-sqli"] }"#, "query:id", query, false);
    check(r#"{ tag = ["paranoia-level/1"] }"#, "query:id", query, true);
    check(r#"{ category = ["sqli"] }"#, "args", query, false);
    check("", "query", query, false);
    check("", "header:user-agent", ("/", &[("User-Agent", "evil")], ""), false);
    check("", "header:referer", ("/", &[("User-Agent", "evil")], ""), true);
    check("", "cookie:sid", ("/", &[("Cookie", "sid=evil")], ""), false);
    check("", "path", ("/evil", &[], ""), false);
    check("", "form:a", ("/", &[("Content-Type", "application/x-www-form-urlencoded")], "a=evil&b=1"), false);
    check("", "form:b", ("/", &[("Content-Type", "application/x-www-form-urlencoded")], "a=evil&b=1"), true);
}

#[test]
fn exclusions_by_json_path() {
    let document = r#"{"title":"t","steps":[{"text":"a"},{"text":"evil"}],"note":"n"}"#;
    check("", "json:$.steps[*].text", ("/", &JSON, document), false);
    check("", "json:$.steps[1].text", ("/", &JSON, document), false);
    check("", "json:$.steps[0].text", ("/", &JSON, document), true);
    check("", "json:$.title", ("/", &JSON, document), true);
    check("", "json", ("/?q=evil", &JSON, r#"{"a":"b"}"#), true);
}

#[test]
fn what_no_rule_is_called_is_an_error() {
    let exclude = |rules: &str| {
        let text = format!(
            "[profile.p]\nseclang = [\"crs.conf\"]\n[[exclusion]]\nroute = \"*\"\nreason = \"r\"\nrules = {rules}\ntargets = [\"args\"]"
        );
        setup(&text).map(|_| ()).unwrap_err()
    };
    assert_eq!(exclude(r#"{ id = ["942999"] }"#).len(), 1);
    assert_eq!(exclude(r#"{ tag = ["attack-sql"] }"#).len(), 1);
    assert_eq!(exclude(r#"{ category = ["xss"] }"#).len(), 1);
}
