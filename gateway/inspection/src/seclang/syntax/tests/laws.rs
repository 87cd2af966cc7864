//! What holds for any text.

use proptest::prelude::*;

use super::{print, try_load};
use crate::seclang::ast::{Action, DirectiveKind};
use crate::seclang::files::MemoryFiles;
use crate::seclang::syntax::line::lines;

/// Words of rule files, right ones and wrong ones.
const WORDS: [&str; 64] = [
    "SecRule",
    "SecAction",
    "SecMarker",
    "Include",
    "SecRuleEngine",
    "SecRuleRemoveById",
    "SecRuleUpdateTargetById",
    "SecUnicodeMapFile",
    "SecDefaultAction",
    " ",
    " ",
    " ",
    "\t",
    "\n",
    "\r\n",
    "\\\n",
    "\\",
    "\"",
    "\"",
    "'",
    "'",
    ",",
    "|",
    ":",
    ";",
    "=",
    "=+",
    "!",
    "&",
    "@",
    "#",
    "%{",
    "}",
    "/",
    "/*",
    "//@*",
    "(",
    ".",
    "-",
    "1",
    "942100",
    "ARGS",
    "TX",
    "XML",
    "REQUEST_HEADERS",
    "RULE",
    "tx.a",
    "@rx",
    "@pmFromFile",
    "@streq",
    "a.conf",
    "x.data",
    "id:1",
    "phase:2",
    "msg:'",
    "setvar:",
    "ctl:",
    "ruleRemoveTargetById=",
    "t:none",
    "initcol:ip=",
    "expirevar:",
    "é",
    "\u{0}",
    "On",
];

fn written() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&WORDS[..]), 0..40).prop_map(|words| words.concat())
}

fn load(text: &str) -> (super::Parsed, Vec<rampart_settings::Diagnostic>) {
    let files = MemoryFiles::new().with("a.conf", text).with("x.data", "x\n1 y\n20:41");
    try_load(&files, &["a.conf"])
}

/// Text without a backslash before a quote or at its end: what can be said in quotes.
fn sayable() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => "[^\\\\\r\n%]",
        1 => Just("\\\\".to_owned()),
        1 => Just("\\d".to_owned()),
        2 => Just("'".to_owned()),
        2 => Just("\"".to_owned()),
        1 => Just("%".to_owned()),
    ];
    prop::collection::vec(piece, 1..30)
        .prop_map(|pieces| pieces.concat())
        .prop_filter("a macro", |text| !text.contains("%{"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text_is_read(text in any::<String>()) {
        load(&text);
    }

    #[test]
    fn nothing_is_skipped(text in written()) {
        let (parsed, said) = load(&text);
        let mut logical = lines(&text).filter(|line| {
            let text = line.span().trim().text;
            !text.is_empty() && !text.starts_with('#')
        });
        let any = logical.next().is_some();
        prop_assert_eq!(any, !parsed.directives.is_empty() || !said.is_empty());
        prop_assert!(parsed.directives.len() + said.len() >= logical.count());
        for one in said {
            prop_assert!(one.line > 0 && one.column > 0 && one.end_column > one.column, "{}", one);
            prop_assert!(!one.message.is_empty());
        }
    }

    #[test]
    fn what_is_read_and_written_is_read_alike(text in written()) {
        let (parsed, _) = load(&text);
        for directive in &parsed.directives {
            let written = print::directive(directive);
            // An odd backslash before a double quote can be said in single quotes only, and `print` writes double ones.
            if text.contains('\'') && text.contains('\\') || written.starts_with('#') {
                continue;
            }
            let (again, said) = load(&written);
            prop_assert!(said.is_empty(), "{}\n{}", written, said.first().map(ToString::to_string).unwrap_or_default());
            let again: Vec<_> = again.directives.iter().map(|one| format!("{:?}", one.kind)).collect();
            prop_assert_eq!(again, [format!("{:?}", directive.kind)]);
        }
    }

    #[test]
    fn quoted_text_returns(text in sayable()) {
        let double = text.replace('"', "\\\"");
        let (parsed, said) = load(&format!("SecRule ARGS \"@streq {double}\""));
        prop_assert!(said.is_empty(), "{}", said[0]);
        let DirectiveKind::Rule { operator, .. } = &parsed.directives[0].kind else { panic!() };
        prop_assert_eq!(operator.argument.literal(), Some(text.as_bytes()));

        let both = double.replace('\'', "\\'");
        let (parsed, said) = load(&format!("SecAction \"id:1,msg:'{both}',pass\""));
        prop_assert!(said.is_empty(), "{}", said[0]);
        let DirectiveKind::Action(actions) = &parsed.directives[0].kind else { panic!() };
        prop_assert_eq!(actions.len(), 3);
        let Action::Msg(msg) = &actions[1] else { panic!() };
        prop_assert_eq!(msg.literal(), Some(text.as_bytes()));
    }

    #[test]
    fn a_line_may_be_broken_anywhere(text in "[^\r\n#\\\\ \u{feff}][^\r\n]{0,40}x", at in any::<prop::sample::Index>(), crlf in any::<bool>()) {
        let places: Vec<usize> = text.char_indices().map(|(place, _)| place).skip(1).collect();
        let place = places[at.index(places.len())];
        let broken = format!("{}\\{}\n{}", &text[..place], if crlf { "\r" } else { "" }, &text[place..]);
        let found: Vec<String> = lines(&broken).map(|line| line.span().text.to_owned()).collect();
        prop_assert_eq!(found, [text]);
    }
}
