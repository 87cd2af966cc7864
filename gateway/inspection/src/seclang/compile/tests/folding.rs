//! What is decided without a request, and what is not.

use super::super::super::program::{Change, Operand, Program, Test};
use super::{compiled, ids, initial, rule, unfolded};

/// Which rules are left of `rules`, which have the ids 1, 2, 3 ... by line.
fn check(rules: &[&str], left: &[u32]) -> Program {
    let text = rules.join("\n");
    let program = compiled(&text);
    assert_eq!(ids(&program), left, "{text}");
    assert_eq!(ids(&unfolded(&text)).len(), text.matches("id:").count());
    program
}

const SET: &str = "SecAction \"id:1,phase:1,nolog,pass,setvar:tx.level=2\"";

#[test]
fn set_up_rules_become_initial_values() {
    let program = check(
        &[
            SET,
            "SecRule &TX:level \"@eq 0\" \"id:2,phase:1,nolog,pass,setvar:tx.level=1\"",
            "SecRule &TX:other \"@eq 0\" \"id:3,phase:1,nolog,pass,setvar:'tx.other=%{tx.level}0'\"",
            "SecRule TX:other \"@eq 20\" \"id:4,phase:1,nolog,pass,setvar:tx.other=+5,setvar:!tx.level\"",
        ],
        &[],
    );
    assert_eq!(initial(&program, "other").as_deref(), Some("25"));
    assert_eq!(initial(&program, "level"), None);
}

#[test]
fn what_is_logged_or_refuses_stays() {
    check(&["SecAction \"id:1,phase:1,log,pass,setvar:tx.a=1\""], &[1]);
    check(&["SecAction \"id:1,phase:1,nolog,deny\""], &[1]);
    check(&["SecAction \"id:1,phase:1,nolog,pass,ctl:ruleEngine=Off\""], &[1]);
    check(&["SecAction \"id:1,phase:1,nolog,pass\""], &[]);
    check(&["SecAction \"id:1,phase:1,nolog,pass,initcol:ip=%{REMOTE_ADDR}\""], &[1]);
}

#[test]
fn gates_leave_nothing_behind() {
    let rules = [
        SET,
        "SecRule TX:level \"@lt 3\" \"id:2,phase:1,nolog,pass,skipAfter:END\"",
        "SecRule ARGS_GET x \"id:3,phase:1\"",
        "SecRule TX:level \"@lt 4\" \"id:4,phase:1,nolog,pass,skipAfter:END\"",
        "SecRule ARGS_GET x \"id:5,phase:1\"",
        "SecMarker END",
        "SecRule ARGS_GET x \"id:6,phase:1\"",
    ];
    check(&rules, &[6]);
    let open: Vec<_> = std::iter::once("SecAction \"id:1,phase:1,nolog,pass,setvar:tx.level=3\"")
        .chain(rules.into_iter().skip(1))
        .collect();
    check(&open, &[3, 6]);
}

#[test]
fn a_gate_stays_where_another_way_leads_behind_it() {
    let program = check(
        &[
            SET,
            "SecRule ARGS_GET x \"id:2,phase:1,nolog,pass,skipAfter:MIDDLE\"",
            "SecRule TX:level \"@lt 3\" \"id:3,phase:1,nolog,pass,skipAfter:END\"",
            "SecMarker MIDDLE",
            "SecRule ARGS_GET y \"id:4,phase:1\"",
            "SecMarker END",
            "SecRule ARGS_GET z \"id:5,phase:1\"",
        ],
        &[2, 3, 4, 5],
    );
    let gate = rule(&program, 3);
    assert!(matches!(gate.links[0].test, Test::Always));
    assert_eq!(gate.skip_to, Some(3));
}

#[test]
fn a_gate_that_can_be_removed_hides_what_is_removed_with_it() {
    let rules = |removes: &str| {
        [
            SET.to_owned(),
            format!("SecRule ARGS_GET x \"id:2,phase:1,nolog,pass,{removes}\""),
            "SecRule TX:level \"@lt 3\" \"id:3,phase:1,nolog,pass,tag:'t',skipAfter:END\"".to_owned(),
            "SecRule ARGS_GET y \"id:4,phase:1,tag:'t'\"".to_owned(),
            "SecMarker END".to_owned(),
        ]
    };
    let check_with = |removes: &str, left: &[u32]| {
        let rules = rules(removes);
        check(&rules.each_ref().map(String::as_str), left);
    };
    check_with("ctl:ruleRemoveByTag=t", &[2]);
    check_with("ctl:ruleRemoveById=3-4", &[2]);
    check_with("ctl:ruleRemoveById=3", &[2, 3, 4]);
    check_with("ctl:ruleRemoveById=4", &[2]);
    // What sets the variable, and what reads it.
    check_with("ctl:ruleRemoveTargetById=3;TX:level", &[2, 3, 4]);
    check_with("ctl:ruleRemoveTargetById=3;ARGS:a", &[2]);
}

#[test]
fn a_set_up_that_can_be_removed_is_known_to_rules_removed_with_it() {
    let rules = |tag: &str| {
        [
            "SecRule ARGS_GET x \"id:1,phase:1,nolog,pass,ctl:ruleRemoveByTag=t\"".to_owned(),
            "SecAction \"id:2,phase:1,nolog,pass,tag:'t',setvar:tx.level=2\"".to_owned(),
            format!("SecRule TX:level \"@gt 2\" \"id:3,phase:1,tag:'{tag}'\""),
        ]
    };
    check(&rules("t").each_ref().map(String::as_str), &[1, 2]);
    check(&rules("u").each_ref().map(String::as_str), &[1, 2, 3]);
}

#[test]
fn what_a_request_may_write_is_not_known() {
    let writer = |set: &str| format!("SecRule ARGS_GET x \"id:2,phase:1,nolog,pass,{set}\"");
    let reader = "SecRule TX:level \"@lt 3\" \"id:3,phase:1,deny\"";
    let check_with = |set: &str, stays: bool| {
        let program = compiled(&[SET, &writer(set), "SecRule TX:level \"@gt 3\" \"id:3,phase:1,deny\""].join("\n"));
        assert_eq!(ids(&program).contains(&3), stays, "{set}");
    };
    check_with("setvar:tx.other=4", false);
    check_with("setvar:tx.level=4", true);
    check_with("setvar:tx.level=2", false);
    check_with("setvar:tx.level=+1", true);
    check_with("setvar:!tx.level", true);
    check_with("setvar:tx.%{matched_var_name}=4", true);
    check_with("setvar:tx.le%{matched_var_name}=4", true);
    check_with("setvar:tx.x%{matched_var_name}=4", false);
    check_with("setvar:ip.level=4", false);
    let program = compiled(&[SET, reader].join("\n"));
    assert_eq!(ids(&program), [3], "always refuses, and is logged");
}

#[test]
fn phases_may_be_left_early() {
    let check_with = |leaves: &str, phase: u32, stays: bool| {
        let program = compiled(&format!(
            "SecRule ARGS_GET x \"id:1,phase:1,{leaves}\"\n\
             SecAction \"id:2,phase:1,nolog,pass,setvar:tx.level=2\"\n\
             SecRule TX:level \"@gt 3\" \"id:3,phase:{phase},deny\"\n\
             SecRule &TX:level \"@eq 0\" \"id:4,phase:{phase},deny\""
        ));
        assert_eq!(ids(&program).contains(&4), stays, "{leaves}, phase {phase}");
        // It is not set to more on any way, but that is not known where two ways differ.
        assert_eq!(ids(&program).contains(&3), stays, "{leaves}, phase {phase}");
    };
    check_with("pass", 2, false);
    check_with("pass", 5, false);
    check_with("deny", 2, false);
    check_with("deny", 5, true);
    check_with("allow", 2, false);
    check_with("allow", 5, true);
    check_with("allow:phase", 2, true);
    check_with("allow:request", 2, false);
    check_with("allow:request", 3, true);
}

#[test]
fn known_macros_are_text() {
    let program = check(
        &[
            "SecAction \"id:1,phase:1,nolog,pass,setvar:tx.five=5,setvar:'tx.list=GET HEAD'\"",
            "SecRule REQUEST_METHOD \"!@within %{tx.list}\" \
             \"id:2,phase:1,msg:'%{tx.five} %{matched_var}',setvar:'tx.score=+%{tx.five}'\"",
            "SecRule TX:score \"@ge %{tx.five}\" \"id:3,phase:1,deny\"",
            "SecRule ARGS_GET \"@streq %{tx.1}\" \"id:4,phase:1,deny\"",
        ],
        &[2, 3, 4],
    );
    let changed = rule(&program, 2);
    assert!(matches!(&changed.links[0].test, Test::Operator { operator: Operand::Fixed(_), .. }));
    assert!(matches!(&changed.links[0].sets[0].change, Change::Add(text) if text.literal() == Some(b"5")));
    assert_eq!(changed.about.msg.0.len(), 2);
    assert!(!program.lazy.contains(0));
    assert!(matches!(&rule(&program, 3).links[0].test, Test::Operator { operator: Operand::Fixed(_), .. }));
}

#[test]
fn captures_are_not_known_once_a_rule_captures() {
    check(&["SecRule TX:1 \"@rx .\" \"id:1,phase:1,deny\""], &[]);
    check(
        &["SecRule ARGS_GET \"@rx (.)\" \"id:1,phase:1,capture\"", "SecRule TX:1 \"@rx .\" \"id:2,phase:1,deny\""],
        &[1, 2],
    );
}

#[test]
fn known_links_of_chains_go() {
    let links = |first: &str, second: &str| {
        let text = format!("{SET}\nSecRule {first} \"id:2,phase:1,chain\"\nSecRule {second}");
        let program = compiled(&text);
        program.rules.iter().find(|rule| rule.id == 2).map(|rule| rule.links.len())
    };
    assert_eq!(links("TX:level \"@eq 2\"", "ARGS_GET x"), Some(1));
    assert_eq!(links("TX:level \"@eq 3\"", "ARGS_GET x"), None);
    assert_eq!(links("ARGS_GET x", "TX:level \"@eq 3\""), None);
    // The event names the last match.
    assert_eq!(links("ARGS_GET x", "TX:level \"@eq 2\""), Some(2));
    assert_eq!(links("TX:level \"@eq 2\"", "MATCHED_VARS x"), Some(2));
    assert_eq!(links("TX:level \"@eq 2\"", "ARGS_GET x \"setvar:tx.a=1\""), Some(1));
    // What the first link does is done whatever the second says.
    let text = "SecRule ARGS_GET x \"id:1,phase:1,chain,setvar:tx.a=1\"\nSecRule TX:level \"@eq 3\"";
    assert_eq!(ids(&compiled(text)), [1]);
}

#[test]
fn variables_that_the_engine_sets_are_not_known() {
    check(&["SecRule TX:MSC_PCRE_LIMITS_EXCEEDED \"@eq 1\" \"id:1,phase:2,deny\""], &[1]);
}
