//! The published cases, and what holds for every transformation.

use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::Value;

use super::Transformation;
use crate::bytes::ByteSet;

/// Our name of a transformation in the published cases; `None` for those that Rampart does not have.
fn ours(published: &str) -> Option<Transformation> {
    let name = match published {
        "utf8toUnicode" | "utf8ToUnicode" => "utf8_to_unicode".to_owned(),
        "normalisePath" => "normalize_path".to_owned(),
        "normalisePathWin" => "normalize_path_win".to_owned(),
        other => {
            let mut snake = String::new();
            for c in other.chars() {
                if c.is_ascii_uppercase() {
                    snake.push('_');
                }
                snake.push(c.to_ascii_lowercase());
            }
            snake
        }
    };
    serde_json::from_value(Value::String(name)).ok()
}

fn shared() -> Option<PathBuf> {
    let given = std::env::var_os("RAMPART_SHARED").map(PathBuf::from);
    let folder = given.clone().unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let cases = folder.join("seclang-tests/transformations");
    if cases.is_dir() {
        return Some(cases);
    }
    assert!(given.is_none(), "RAMPART_SHARED is set, but {} is missing", cases.display());
    println!("skipped: {} is not there", cases.display());
    None
}

/// The files write bytes in two ways: `\u0000` as text, and whole strings with `\xHH` in them as C literals.
fn bytes_of(value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("a string").replace("\\u0000", "\0");
    if text.contains("\\x") { unquote(text.as_bytes()).unwrap_or_default() } else { text.into_bytes() }
}

fn hex_escapes(text: &str) -> Vec<u8> {
    let text = text.replace("\\u0000", "\0");
    let mut pieces = text.split("\\x");
    let mut out = pieces.next().unwrap().as_bytes().to_vec();
    for piece in pieces {
        match super::hex_pair(piece.as_bytes()) {
            Some(byte) => {
                out.push(byte);
                out.extend_from_slice(&piece.as_bytes()[2..]);
            }
            // The one published case with an escape that is none gives it back whole; the backslash goes.
            None => out.extend_from_slice(format!("x{piece}").as_bytes()),
        }
    }
    out
}

fn unquote(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return Some(out),
            [b'\\', b'x', high, low, after @ ..] => {
                out.push(super::hex_pair(&[*high, *low])?);
                after
            }
            [b'\\', letter, after @ ..] => {
                out.push(match letter {
                    b'\\' | b'"' => *letter,
                    other => super::js_decode::letter_escape(*other)?,
                });
                after
            }
            [byte, after @ ..] => {
                out.push(*byte);
                after
            }
        };
    }
}

#[test]
fn published_cases() {
    let Some(folder) = shared() else { return };
    let (mut passed, mut absent, mut failures) = (0, 0, Vec::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let cases: Vec<Value> = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for case in cases {
            let Some(transformation) = ours(case["name"].as_str().unwrap()) else {
                absent += 1;
                continue;
            };
            let (mut input, mut expect) = (bytes_of(&case["input"]), bytes_of(&case["output"]));
            if matches!(transformation, Transformation::JsDecode | Transformation::EscapeSeqDecode) {
                // Here backslashes are the subject: only outputs hold `\xHH` for bytes.
                input = case["input"].as_str().unwrap().replace("\\u0000", "\0").into_bytes();
                expect = hex_escapes(case["output"].as_str().unwrap());
            }
            let mut out = Vec::new();
            let got = if transformation.apply(&input, &mut out) { out } else { input.clone() };
            if got == expect {
                passed += 1;
            } else {
                let short = |bytes: &[u8]| bytes.escape_ascii().to_string().chars().take(200).collect::<String>();
                let name = transformation.as_str();
                failures.push(format!("{name}: {} -> {}, expected {}", short(&input), short(&got), short(&expect)));
            }
        }
    }
    println!("{passed} cases passed, {absent} of transformations outside the listed surface");
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    assert!(passed > 200, "only {passed} cases were found");
}

const ALL: [Transformation; 30] = [
    Transformation::UrlDecode,
    Transformation::UrlDecodeUni,
    Transformation::Lowercase,
    Transformation::Uppercase,
    Transformation::JsDecode,
    Transformation::HtmlEntityDecode,
    Transformation::Utf8ToUnicode,
    Transformation::RemoveNulls,
    Transformation::ReplaceNulls,
    Transformation::CssDecode,
    Transformation::CmdLine,
    Transformation::RemoveWhitespace,
    Transformation::CompressWhitespace,
    Transformation::ReplaceComments,
    Transformation::RemoveComments,
    Transformation::RemoveCommentsChar,
    Transformation::NormalizePath,
    Transformation::NormalizePathWin,
    Transformation::EscapeSeqDecode,
    Transformation::Length,
    Transformation::Base64Decode,
    Transformation::Base64DecodeExt,
    Transformation::Base64Encode,
    Transformation::HexEncode,
    Transformation::HexDecode,
    Transformation::TrimLeft,
    Transformation::TrimRight,
    Transformation::Trim,
    Transformation::Sha1,
    Transformation::Md5,
];

#[test]
fn names_in_files_and_events_are_the_same() {
    for transformation in ALL {
        assert_eq!(serde_json::to_value(transformation).unwrap(), transformation.as_str());
    }
}

#[test]
fn evasions() {
    for (transformation, input, expect) in [
        (Transformation::UrlDecodeUni, "%u003cscript%u003E", "<script>"),
        (Transformation::UrlDecodeUni, "%uff1cscript", "<script"),
        (Transformation::UrlDecodeUni, "100%+%zz%u00", "100% %zz%u00"),
        (Transformation::UrlDecode, "%u003c", "%u003c"),
        (Transformation::JsDecode, r"\x3cscript\u003e\74", "<script><"),
        (Transformation::HtmlEntityDecode, "javascript&colon;alert&lpar;1&rpar;", "javascript:alert(1)"),
        (Transformation::HtmlEntityDecode, "&#0000106avascript&#x3A", "javascript:"),
        (Transformation::HtmlEntityDecode, "a&b &copy; &colon x&", "a&b &copy; &colon x&"),
        (Transformation::CmdLine, "c'a't /etc/passwd", "cat/etc/passwd"),
        (Transformation::ReplaceComments, "un/**/ion se/*x*/lect /*", "un ion se lect  "),
        (Transformation::NormalizePathWin, r"..\..\windows\.\system.ini", "../../windows/system.ini"),
        (Transformation::Base64Decode, "PHNjcmlwdD4=", "<script>"),
        (Transformation::Base64DecodeExt, "PHNj.cmlw\ndD4", "<script>"),
        (Transformation::CssDecode, r"j\61vascript", "javascript"),
        (Transformation::CssDecode, r"\6a avascript", "javascript"),
    ] {
        let mut out = Vec::new();
        let got = if transformation.apply(input.as_bytes(), &mut out) { &out } else { input.as_bytes() };
        assert_eq!(got, expect.as_bytes(), "{transformation:?} on {input}");
    }
}

fn awkward() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        "[a-zA-Z0-9 ]{0,6}".prop_map(String::into_bytes),
        prop::sample::select(vec![
            "%", "+", "%u", "%41", "%u0041", "\\", "\\x4", "\\u00", "\\6", "&", "&#", "&#x4", "&lt", "/*", "*/", "--",
            "#", "<!--", "-->", "..", "/", "./", "'", "\"", "^", ";", "\t", "\n", "\0", "\u{a0}", "é", "",
        ])
        .prop_map(|s| s.as_bytes().to_vec()),
        any::<[u8; 2]>().prop_map(|b| b.to_vec()),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// The engine skips a transformation by its triggers, so a value without them must never change.
    #[test]
    fn without_a_trigger_nothing_changes(value in awkward()) {
        let classes = ByteSet::of(&value);
        for transformation in ALL {
            let mut out = Vec::new();
            if transformation.triggers().is_some_and(|triggers| !triggers.meets(classes)) {
                prop_assert!(!transformation.apply(&value, &mut out), "{transformation:?}");
            }
        }
    }

    /// "Unchanged" means unchanged: a result that is announced differs, and none grows beyond what its escapes allow.
    #[test]
    fn announced_changes_are_changes_and_bounded(value in awkward()) {
        for transformation in ALL {
            let mut out = b"left over".to_vec();
            if transformation.apply(&value, &mut out) {
                prop_assert!(out.len() <= value.len() * 6 + 32, "{transformation:?}");
            }
        }
    }

    #[test]
    fn encodings_return(value in any::<Vec<u8>>()) {
        for (encode, decode) in [
            (Transformation::HexEncode, Transformation::HexDecode),
            (Transformation::Base64Encode, Transformation::Base64Decode),
            (Transformation::Base64Encode, Transformation::Base64DecodeExt),
        ] {
            let (mut encoded, mut decoded) = (Vec::new(), Vec::new());
            if encode.apply(&value, &mut encoded) {
                decode.apply(&encoded, &mut decoded);
            }
            prop_assert_eq!(&decoded, &value);
        }
    }
}
