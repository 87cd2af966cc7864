//! What becomes of single rules: defaults, chains, exceptions, skips, targets.

use super::super::super::ast::{EngineMode, Piece, Template};
use super::super::super::program::{Choice, Disruption, Effect, Place, Program, Rule, Targets, Test};
use super::super::super::variable::{Source, Variable};
use super::super::Options;
use super::{compiled, ids, rule, try_compile};
use crate::category::Category;
use crate::transform::Transformation;

fn errors(text: &str) -> Vec<String> {
    try_compile(text, Options::default()).map(|program| ids(&program)).expect_err(text)
}

fn notes(program: &Program) -> Vec<String> {
    program.notes.iter().map(|note| format!("{}: {}", note.location.line, note.text)).collect()
}

fn targets(rule: &Rule) -> &Targets {
    match &rule.links[0].test {
        Test::Operator { targets, .. } => targets,
        Test::Always => panic!("rule {} has no test", rule.id),
    }
}

fn chain(rule: &Rule) -> &[Transformation] {
    match &rule.links[0].test {
        Test::Operator { chain, .. } => chain,
        Test::Always => panic!("rule {} has no test", rule.id),
    }
}

#[test]
fn block_is_what_the_defaults_of_the_phase_say() {
    let check = |defaults: &str, actions: &str, expect: (Disruption, u16, bool)| {
        let program = compiled(&format!("{defaults}\nSecRule ARGS \"@rx a\" \"id:1,{actions}\""));
        let rule = rule(&program, 1);
        assert_eq!((rule.disruption.clone(), rule.status, rule.log), expect, "{defaults} / {actions}");
    };
    let defaults = "SecDefaultAction \"phase:2,deny,status:404,nolog\"";
    check("", "phase:2,block", (Disruption::Pass, 403, true));
    check("", "phase:2,deny", (Disruption::Deny, 403, true));
    check("", "phase:2,msg:'x'", (Disruption::Pass, 403, true));
    check(defaults, "phase:2,block", (Disruption::Deny, 404, false));
    check(defaults, "phase:2", (Disruption::Pass, 404, false));
    check(defaults, "phase:2,block,status:418,log", (Disruption::Deny, 418, true));
    check(defaults, "phase:2,block,pass", (Disruption::Pass, 404, false));
    check(defaults, "phase:2,drop", (Disruption::Drop, 404, false));
    check(defaults, "phase:1,block", (Disruption::Pass, 403, true));
    check(defaults, "block", (Disruption::Deny, 404, false));
    check("", "nolog,auditlog", (Disruption::Pass, 403, true));
    check("", "log,noauditlog", (Disruption::Pass, 403, true));
    let to = || Disruption::Redirect(Template(vec![Piece::Text(b"http://a/".as_slice().into())]));
    check("", "redirect:http://a/,status:400", (to(), 302, true));
    check("", "redirect:http://a/,status:307", (to(), 307, true));
    // Defaults hold wherever they stand.
    let program = compiled("SecRule ARGS a \"id:1,phase:1,block\"\nSecDefaultAction \"phase:1,deny,log\"");
    assert_eq!(rule(&program, 1).disruption, Disruption::Deny);
}

#[test]
fn transformations_of_the_defaults_come_first_unless_taken_back() {
    let check = |actions: &str, expect: &[Transformation]| {
        let text = format!("SecDefaultAction \"phase:2,pass,t:lowercase\"\nSecRule ARGS a \"id:1,phase:2,{actions}\"");
        assert_eq!(chain(rule(&compiled(&text), 1)), expect, "{actions}");
    };
    check("pass", &[Transformation::Lowercase]);
    check("t:trim", &[Transformation::Lowercase, Transformation::Trim]);
    check("t:none", &[]);
    check("t:none,t:trim", &[Transformation::Trim]);
    check("t:trim,t:none,t:sha1", &[Transformation::Sha1]);
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let check = |text: &str, expect: &[&str]| assert_eq!(errors(text), expect, "{text}");
    check("SecRule ARGS a \"pass\"", &["1: the rule has no id"]);
    check("SecRule ARGS a \"id:1\"\nSecAction \"id:1\"", &["2: there is another rule with id 1"]);
    check("SecRule ARGS a \"id:1,chain\"", &["1: the rule says chain, but no rule follows"]);
    check(
        "SecRule ARGS a \"id:1,chain\"\nSecMarker M\nSecRule ARGS b \"id:2\"",
        &["1: the rule says chain, but no rule follows"],
    );
    check(
        "SecRule ARGS a \"id:1,chain\"\nSecRule ARGS b \"id:2,phase:3,deny\"",
        &[
            "2: a chained rule has id of its own",
            "2: a chained rule has phase of its own",
            "2: a chained rule has a disruptive action of its own",
        ],
    );
    check("SecDefaultAction \"phase:2,log\"", &["1: the default actions name no disruptive action"]);
    check(
        "SecDefaultAction \"phase:2,pass\"\nSecDefaultAction \"phase:2,deny\"",
        &["2: phase 2 has default actions already"],
    );
    check("SecDefaultAction \"phase:2,pass,t:none\"", &["1: t:none cannot be a default action"]);
    check("SecDefaultAction \"phase:2,pass,id:3\"", &["1: id cannot be a default action"]);
    check(
        "SecRule ARGS a \"id:1\"\nSecRuleUpdateActionById 1 \"phase:1\"",
        &["2: SecRuleUpdateActionById cannot change phase"],
    );
    // All at once.
    let all = errors("SecRule ARGS a \"pass\"\nSecRule ARGS \"@rx (\" \"id:2\"\nSecRule ARGS:/(/ b \"id:3\"");
    assert_eq!(all.len(), 3, "{all:?}");
    assert!(all[1].starts_with("2: rule 2: "), "{all:?}");
    assert!(all[2].starts_with("3: rule 3: the selector /(/ does not compile"), "{all:?}");
}

#[test]
fn a_chained_rule_may_repeat_the_phase() {
    let program = compiled("SecRule ARGS a \"id:1,phase:2,chain\"\nSecRule ARGS b \"phase:2,t:lowercase\"");
    assert_eq!(rule(&program, 1).links.len(), 2);
}

#[test]
fn exceptions_hold_before_and_after_their_rules() {
    let rules = "SecRule ARGS a \"id:1,tag:'x/y'\"\nSecRule ARGS a \"id:2,msg:'m'\"\nSecRule ARGS a \"id:3,tag:'x'\"\n";
    let check = |exception: &str, expect: &[u32], told: &[&str]| {
        for (text, line) in [(format!("{exception}\n{rules}"), 1), (format!("{rules}{exception}"), 4)] {
            let program = compiled(&text);
            assert_eq!(ids(&program), expect, "{text}");
            let told: Vec<_> = told.iter().map(|note| format!("{line}: {note}")).collect();
            assert_eq!(notes(&program), told, "{text}");
        }
    };
    check("SecRuleRemoveById 2", &[1, 3], &[]);
    check("SecRuleRemoveById 2-3", &[1], &[]);
    check("SecRuleRemoveById 9", &[1, 2, 3], &["there is no rule with id 9"]);
    check("SecRuleRemoveById 1 7-9", &[2, 3], &["there is no rule with an id from 7 to 9"]);
    check("SecRuleRemoveByTag x", &[1, 2], &[]);
    check("SecRuleRemoveByTag x/.*", &[2, 3], &[]);
    check("SecRuleRemoveByTag z", &[1, 2, 3], &["there is no rule with tag 'z'"]);
    check("SecRuleRemoveByMsg m", &[1, 3], &[]);
}

#[test]
fn targets_are_added_and_taken_out() {
    let check = |exception: &str, selects: &[(Source, &str, bool)]| {
        let program = compiled(&format!("SecRule ARGS|REQUEST_COOKIES:a \"@rx x\" \"id:1,tag:'t'\"\n{exception}"));
        for (source, name, expect) in selects {
            let selected = targets(rule(&program, 1)).selects(source.bit(), name.as_bytes());
            assert_eq!(selected, *expect, "{exception}: {source:?} {name}");
        }
    };
    check(
        "",
        &[
            (Source::ArgGet, "a", true),
            (Source::ArgPost, "b", true),
            (Source::Cookie, "A", true),
            (Source::Cookie, "b", false),
            (Source::Header, "a", false),
        ],
    );
    check(
        "SecRuleUpdateTargetById 1 !ARGS:Pw",
        &[(Source::ArgGet, "pW", false), (Source::ArgPost, "pw", false), (Source::ArgPost, "pwd", true)],
    );
    check("SecRuleUpdateTargetById 1 \"!ARGS:/^p/\"", &[(Source::ArgGet, "PW", false), (Source::ArgGet, "x", true)]);
    check("SecRuleUpdateTargetById 1 !ARGS_GET", &[(Source::ArgGet, "x", false), (Source::ArgPost, "x", true)]);
    check("SecRuleUpdateTargetByTag t !REQUEST_COOKIES", &[(Source::Cookie, "a", false), (Source::ArgGet, "a", true)]);
    check(
        "SecRuleUpdateTargetById 1 REQUEST_HEADERS:Host",
        &[(Source::Header, "host", true), (Source::Header, "accept", false)],
    );
    check("SecRuleUpdateTargetById 2 !ARGS:a", &[(Source::ArgGet, "a", true)]);
}

#[test]
fn actions_are_updated() {
    let program = compiled(
        "SecRule ARGS a \"id:1,deny,status:400,msg:'old',t:lowercase\"\n\
         SecRuleUpdateActionById 1 \"pass,status:418,msg:'new',t:none,t:trim,tag:'attack-xss'\"",
    );
    let rule = rule(&program, 1);
    assert_eq!((&rule.disruption, rule.status), (&Disruption::Pass, 418));
    assert_eq!(rule.about.msg.literal(), Some(b"new".as_slice()));
    assert_eq!(chain(rule), [Transformation::Trim]);
    assert_eq!(rule.about.category, Category::Xss);
}

#[test]
fn skips_go_on_in_their_phase() {
    let check = |rules: &[&str], id: u32, expect: Option<u32>| {
        let program = compiled(&rules.join("\n"));
        let skip = rule(&program, id).skip_to.expect("it skips");
        let phase = &program.phases[usize::from(rule(&program, id).phase) - 1];
        assert!(skip <= phase.end);
        let next = program.rules.get(usize::from(skip)).filter(|_| skip < phase.end).map(|rule| rule.id);
        assert_eq!(next, expect, "{rules:?}");
    };
    let other = |id: u32, phase: u32| format!("SecRule ARGS b \"id:{id},phase:{phase}\"");
    let (r2, r3, r4) = (other(2, 1), other(3, 2), other(4, 1));
    let skip = "SecRule ARGS a \"id:1,phase:1,skipAfter:M\"";
    check(&[skip, &r2, "SecMarker M", &r3, &r4], 1, Some(4));
    check(&[skip, &r2, &r3, "SecMarker M", &r4, "SecMarker M"], 1, Some(4));
    check(&[skip, &r2, &r3, &r4, "SecMarker M"], 1, None);
    check(&["SecMarker M", skip, &r2, &r4], 1, None);
    check(&["SecRule ARGS a \"id:1,phase:1,skip:1\"", &r2, &r3, &r4], 1, Some(4));
    check(&["SecRule ARGS a \"id:1,phase:1,skip:9\"", &r2, &r3, &r4], 1, None);
    // A rule that was removed counts.
    check(&["SecRule ARGS a \"id:1,phase:1,skip:1\"", &r2, &r3, &r4, "SecRuleRemoveById 2"], 1, Some(4));
    let program = compiled(&format!("SecMarker M\n{skip}\n{r2}"));
    assert_eq!(
        notes(&program),
        ["2: no SecMarker \"M\" follows: when rule 1 matches, the rest of phase 1 is left out"]
    );
}

#[test]
fn ctl_names_rules_by_position() {
    let program = compiled(
        "SecRule ARGS a \"id:1,tag:'t'\"\nSecRule ARGS b \"id:2\"\nSecRule ARGS c \"id:3,tag:'t'\"\n\
         SecRule ARGS d \"id:4,ctl:ruleRemoveByTag=t,ctl:ruleRemoveById=2,ctl:ruleRemoveTargetById=1;ARGS:x,\
         ctl:ruleEngine=Off,ctl:ruleRemoveById=77\"",
    );
    let at = |id: u32| program.rules.iter().position(|rule| rule.id == id).unwrap();
    let [Effect::RemoveRules(by_tag), Effect::RemoveRules(by_id), Effect::RemoveTarget(of, targets), engine] =
        &*rule(&program, 4).effects
    else {
        panic!("{:?}", rule(&program, 4).effects);
    };
    let members = |bits: &super::super::super::program::RuleBits| -> Vec<u32> {
        [1, 2, 3, 4].into_iter().filter(|id| bits.contains(at(*id))).collect()
    };
    assert_eq!((members(by_tag), members(by_id), members(of)), (vec![1, 3], vec![2], vec![1]));
    assert!(targets.selects(Source::ArgPost.bit(), b"x") && !targets.selects(Source::ArgPost.bit(), b"y"));
    assert!(matches!(engine, Effect::RuleEngine(EngineMode::Off)));
    assert_eq!(notes(&program), ["4: ctl of rule 4: there is no rule with id 77"]);
}

#[test]
fn effects_of_the_last_link_come_first() {
    let program = compiled(
        "SecRule ARGS a \"id:1,phase:1,chain,ctl:ruleEngine=On,setvar:tx.a=1\"\n\
         SecRule ARGS b \"ctl:forceRequestBodyVariable=On,initcol:ip=%{REMOTE_ADDR},setvar:tx.%{matched_var_name}=1\"",
    );
    let rule = rule(&program, 1);
    assert!(matches!(
        &*rule.effects,
        [Effect::ForceRequestBodyVariable(true), Effect::Open(Variable::Ip, _), Effect::RuleEngine(EngineMode::On)]
    ));
    assert!(matches!(rule.links[0].sets[0].place, Place::Slot(slot) if &*program.names[usize::from(slot)] == b"a"));
    assert!(matches!(rule.links[1].sets[0].place, Place::Named(_)));
}

#[test]
fn rules_that_read_the_transaction_are_lazy() {
    let program = compiled(
        "SecRule ARGS a \"id:1,phase:2\"\nSecRule &ARGS \"@gt 9\" \"id:2,phase:2\"\n\
         SecRule ARGS|TX:/x/ a \"id:3,phase:2\"\nSecRule ARGS \"@streq %{REMOTE_ADDR}\" \"id:4,phase:2\"\n\
         SecRule DURATION \"@gt 1\" \"id:5,phase:5\"",
    );
    let lazy: Vec<u32> =
        (0..program.rules.len()).filter(|at| program.lazy.contains(*at)).map(|at| program.rules[at].id).collect();
    assert_eq!(lazy, [2, 3, 4, 5]);
}

#[test]
fn what_later_phases_ask_for_is_kept() {
    let check = |rule: &str, expect: &[Source]| {
        let kept = compiled(rule).kept;
        assert_eq!(kept, expect.iter().fold(0, |all, source| all | source.bit()), "{rule}");
    };
    check("SecRule ARGS a \"id:1,phase:2\"", &[]);
    check("SecRule ARGS a \"id:1,phase:4\"", &[]);
    check("SecRule RESPONSE_BODY a \"id:1,phase:4,chain\"\nSecRule REQUEST_COOKIES b", &[Source::Cookie]);
    check("SecRule &REQUEST_HEADERS:x \"@eq 0\" \"id:1,phase:3\"", &[Source::Header]);
    check("SecRule RESPONSE_BODY a \"id:1,phase:4,logdata:'%{REQUEST_LINE}'\"", &[Source::RequestLine]);
    check("SecRule RESPONSE_BODY a \"id:1,phase:5,chain\"\nSecRule RESPONSE_STATUS 200", &[Source::ResponseStatus]);
}

#[test]
fn selectors_ignore_case() {
    let program = compiled("SecRule ARGS:/^AB+$/|REQUEST_HEADERS:HOST a \"id:1\"");
    let targets = targets(rule(&program, 1));
    assert!(targets.selects(Source::ArgGet.bit(), b"abb") && !targets.selects(Source::ArgGet.bit(), b"abc"));
    assert!(targets.selects(Source::Header.bit(), b"Host"));
    assert!(matches!(targets.some[0].1, Choice::Pattern(_)));
}

#[test]
fn settings_are_the_last_of_their_kind() {
    let program = compiled(
        "SecRuleEngine Off\nSecRuleEngine DetectionOnly\nSecRequestBodyAccess Off\nSecResponseBodyAccess On\n\
         SecResponseBodyMimeType text/XML\nSecResponseBodyMimeType application/json\nSecRequestBodyJsonDepthLimit 7",
    );
    let settings = &program.settings;
    assert_eq!(settings.engine, EngineMode::DetectionOnly);
    assert!(!settings.request_body && settings.response_body);
    assert_eq!(settings.response_types, ["text/xml".into(), "application/json".into()]);
    assert_eq!(settings.json_depth, 7);
    let settings = &compiled("SecArgumentSeparator ;").settings;
    assert_eq!(settings.engine, EngineMode::On);
    assert!(settings.request_body && !settings.response_body);
    assert_eq!(settings.argument_separator, b';');
}
