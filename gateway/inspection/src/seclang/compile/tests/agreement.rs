//! Folding changes nothing that can be seen: random rules are run on random requests, once as they are compiled and once
//! as they are written, each looked at in its turn.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::SystemTime;

use proptest::prelude::*;
use proptest::sample::select;
use rampart_message::{Head, Headers, Limits, Message, ResponseHead, Version};
use rampart_settings::Report;

use crate::engine::Scratch;
use crate::seclang::SecLang;
use crate::seclang::files::MemoryFiles;
use crate::seclang::run::Beginning;
use crate::seclang::values::Connection;

/// What can be seen of a transaction: what was logged, and what stopped it.
type Seen = (Vec<String>, Option<(u32, u16)>);

fn load(text: &str, plain: bool) -> SecLang {
    let files = MemoryFiles::new().with("rules.conf", text);
    let report = Report::new();
    let load = if plain { SecLang::load_plain } else { SecLang::load };
    load(&["rules.conf"], &files, &report).unwrap_or_else(|| panic!("{:#?}\n{text}", report.into_sorted()))
}

fn run(rules: &SecLang, text: &str, uri: &str, detect: bool) -> Seen {
    let (limits, now, mut scratch) = (Limits::DEFAULT, SystemTime::UNIX_EPOCH, Scratch::default());
    let fields = [(b"Host".as_slice(), b"h".as_slice())];
    let head = Head {
        method: b"GET",
        target: uri.as_bytes(),
        version: Version::Http11,
        authority: None,
        headers: Headers::new(&fields),
    };
    let message = Message::parse_head(head, &limits, &mut rampart_message::Scratch::new());
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let connection = Connection { client: address, server: address };
    let beginning = Beginning { connection, unique_id: "u", now, detect, work: 1 << 24 };
    let mut transaction = rules.begin(&beginning, &mut scratch);
    transaction.request(crate::exclusion::Exempt::default(), &message, &limits, now, &mut scratch);
    if transaction.interruption().is_none() {
        let head = ResponseHead { status: 200, version: Version::Http11, headers: Headers::new(&[]) };
        transaction.response_head(&head, now, &mut scratch);
    }
    transaction.log(now, &mut scratch);
    let interruption = transaction.interruption().map(|stop| (stop.rule, stop.status));
    (transaction.log_lines().map(|line| of_its_own(&line, text)).collect(), interruption)
}

/// A line of the log without what an earlier rule has left in `MATCHED_VAR`: `SecAction` matches nothing itself.
fn of_its_own(line: &str, text: &str) -> String {
    let id = line.split("[id \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
    let own = if text.contains(&format!("SecAction \"id:{id},")) { line.find("[file") } else { None };
    line[own.unwrap_or(0)..].to_owned()
}

/// A test: of a variable, of several, of a count, or of the request.
fn test() -> impl Strategy<Value = String> {
    let name = || select(vec!["a", "b", "c", "d"]);
    let compare = || (select(vec!["eq", "lt", "ge", "gt"]), prop::bool::ANY, operand());
    let compared = |(operator, negated, operand): (&str, bool, String)| {
        format!("\"{}@{operator} {operand}\"", if negated { "!" } else { "" })
    };
    prop_oneof![
        4 => (name(), compare()).prop_map(move |(name, test)| format!("TX:{name} {}", compared(test))),
        1 => (name(), name(), compare()).prop_map(move |(l, r, test)| format!("TX:{l}|TX:{r} {}", compared(test))),
        2 => (name(), 0..2_u8).prop_map(|(name, count)| format!("&TX:{name} \"@eq {count}\"")),
        1 => (0..3_u8).prop_map(|count| format!("TX:/^[ab]$/ \"@ge {count}\"")),
        1 => Just("TX:1 \"@streq 2\"".to_owned()),
        4 => (name(), 0..3_u8).prop_map(|(name, value)| format!("ARGS:{name} \"@rx ^({value})\"")),
        1 => operand().prop_map(|operand| format!("ARGS \"!@streq {operand}\"")),
    ]
}

fn operand() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => (0..4_u8).prop_map(|number: u8| number.to_string()),
        1 => select(vec!["a", "b", "c", "d"]).prop_map(|name| format!("%{{tx.{name}}}")),
    ]
}

/// Actions that any link may have.
fn effects() -> impl Strategy<Value = String> {
    let name = || select(vec!["a", "b", "c", "d", "%{matched_var_name}", "%{tx.a}"]);
    let name = move || {
        name().prop_map(|name| if name == "%{matched_var_name}" { "x%{tx.b}".to_owned() } else { name.to_owned() })
    };
    let set = prop_oneof![
        5 => (name(), select(vec!["", "+", "-"]), operand())
            .prop_map(|(name, sign, operand)| format!(",setvar:'tx.{name}={sign}{operand}'")),
        1 => name().prop_map(|name| format!(",setvar:'!tx.{name}'")),
        2 => Just(",setvar:'tx.%{matched_var}=1'".to_owned()),
    ];
    (prop::collection::vec(set, 0..3), prop::bool::weighted(0.15)).prop_map(|(sets, capture)| {
        let capture = if capture { ",capture" } else { "" };
        sets.concat() + capture
    })
}

/// Actions that only the first link may have.
fn outcome() -> impl Strategy<Value = String> {
    let way = prop_oneof![
        8 => Just("pass".to_owned()),
        1 => select(vec!["deny", "allow", "allow:phase", "allow:request", "block"]).prop_map(str::to_owned),
    ];
    let further = prop_oneof![
        5 => Just(String::new()),
        3 => (1..4_u8).prop_map(|marker| format!(",skipAfter:M{marker}")),
        1 => (1..3_u8).prop_map(|rules| format!(",skip:{rules}")),
        1 => (1..20_u8).prop_map(|id| format!(",ctl:ruleRemoveById={id}")),
        1 => (1..10_u8).prop_map(|id| format!(",ctl:ruleRemoveById={id}-{}", id + 4)),
        1 => select(vec!["s", "t"]).prop_map(|tag| format!(",ctl:ruleRemoveByTag={tag}")),
        1 => (1..20_u8).prop_map(|id| format!(",ctl:ruleRemoveTargetById={id};TX:a")),
        1 => select(vec!["On", "DetectionOnly", "Off"]).prop_map(|mode| format!(",ctl:ruleEngine={mode}")),
    ];
    let log = select(vec!["nolog", "nolog", "log,logdata:'%{tx.a} %{tx.b} %{tx.1}'", "log,msg:'%{matched_var}'"]);
    let tag = select(vec!["", ",tag:'s'", ",tag:'t'", ",tag:'s',tag:'t'"]);
    (way, further, log, tag).prop_map(|(way, further, log, tag)| format!("{way},{log}{tag}{further}"))
}

#[derive(Debug, Clone)]
enum Line {
    Action(String, String),
    Rule(String, String, Option<(String, String)>, String),
    Marker(u8),
}

fn line() -> impl Strategy<Value = (u8, Line)> {
    let chained = prop::option::weighted(0.25, (test(), effects()));
    let line = prop_oneof![
        2 => (effects(), outcome()).prop_map(|(effects, outcome)| Line::Action(effects, outcome)),
        8 => (test(), effects(), chained, outcome())
            .prop_map(|(test, effects, chained, outcome)| Line::Rule(test, effects, chained, outcome)),
        2 => (1..4_u8).prop_map(Line::Marker),
    ];
    (select(vec![1, 1, 1, 2, 2, 3, 5]), line)
}

/// Rules with the ids 1, 2 ..., and after them in phase 5 one for each variable that shows its value.
fn rules() -> impl Strategy<Value = String> {
    (prop::collection::vec(line(), 1..20), prop::collection::vec(line(), 0..3)).prop_map(|(lines, more)| {
        let mut text = "SecDefaultAction \"phase:1,deny,nolog\"\n".to_owned();
        for (id, (phase, line)) in (1..).zip(lines.into_iter().chain(more)) {
            let about = format!("id:{id},phase:{phase}");
            let written = match line {
                Line::Action(effects, outcome) => {
                    // What an earlier rule matched is nothing to rely on.
                    let (effects, outcome) =
                        (effects.replace("matched_var", "tx.c"), outcome.replace("matched_var", "tx.c"));
                    format!("SecAction \"{about},{outcome}{effects}\"\n")
                }
                Line::Rule(first, effects, None, outcome) => {
                    format!("SecRule {first} \"{about},{outcome}{effects}\"\n")
                }
                Line::Rule(first, effects, Some((next, more)), outcome) => {
                    format!("SecRule {first} \"{about},chain,{outcome}{effects}\"\nSecRule {next} \"t:none{more}\"\n")
                }
                Line::Marker(number) => format!("SecMarker M{number}\n"),
            };
            text += &written;
        }
        for (id, name) in (101..).zip(["a", "b", "c", "d", "1", "2", "3"]) {
            let shown = format!("id:{id},phase:5,pass,log,logdata:'[%{{tx.{name}}}]'");
            writeln!(text, "SecRule TX:{name} \"@unconditionalMatch\" \"{shown}\"").unwrap();
        }
        text
    })
}

fn uri() -> impl Strategy<Value = String> {
    let pair = (select(vec!["a", "b", "c", "d", "e"]), select(vec!["0", "1", "2", "a", "b", "c"]));
    prop::collection::vec(pair.prop_map(|(name, value)| format!("{name}={value}")), 0..5)
        .prop_map(|pairs| format!("/?{}", pairs.join("&")))
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn folded_rules_behave_as_written(
        text in rules(),
        uris in prop::collection::vec(uri(), 1..6),
        detect in prop::bool::ANY,
    ) {
        let (folded, plain) = (load(&text, false), load(&text, true));
        for uri in &uris {
            prop_assert_eq!(run(&folded, &text, uri, detect), run(&plain, &text, uri, detect), "{}\n{}", uri, text);
        }
    }
}
