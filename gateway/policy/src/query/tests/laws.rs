//! The walk over a query against a slow reading of the same rules, and what holds of every query.

use proptest::prelude::*;

use super::*;

fn declared() -> Value {
    json!({
        "n": {"integer": {"min": -20, "max": 1000}, "on_violation": "clamp"},
        "m": {"integer": {"min": 5, "max": 50}, "repeat": true, "required": true},
        "s": {"one_of": ["a", "1", "a b"]},
        "t": {"max_length": 3, "pattern": "[a-z0-9 ]*"},
    })
}

/// What a lenient form decoder makes of a text; `None` where decoders differ.
fn oracle_text(raw: &[u8]) -> Option<String> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < raw.len() {
        match raw[at] {
            b'+' => out.push(b' '),
            b'%' => {
                let two = std::str::from_utf8(raw.get(at + 1..at + 3)?).ok()?;
                if !two.chars().all(|digit| digit.is_ascii_hexdigit()) {
                    return None;
                }
                out.push(u8::from_str_radix(two, 16).unwrap());
                at += 2;
            }
            byte => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8(out).ok().filter(|text| !text.contains('\0'))
}

/// A number as schoolchildren compare it: by sign, by length, by digits.
fn oracle_integer(text: &str, min: i64, max: i64) -> Option<i64> {
    let plain = text.strip_prefix('-').unwrap_or(text);
    let canonical = plain == "0" && text == "0" || !plain.is_empty() && !plain.starts_with('0');
    if !canonical || plain.chars().any(|digit| !digit.is_ascii_digit()) {
        return None;
    }
    let less = |a: &str, b: &str| {
        let (a_negative, b_negative) = (a.starts_with('-'), b.starts_with('-'));
        if a_negative != b_negative {
            return a_negative;
        }
        let (a, b) = (a.trim_start_matches('-'), b.trim_start_matches('-'));
        let (small, large) = if a_negative { (b, a) } else { (a, b) };
        (small.len(), small) < (large.len(), large)
    };
    let (low, high) = (min.to_string(), max.to_string());
    Some(if less(text, &low) {
        min
    } else if less(&high, text) {
        max
    } else {
        text.parse().unwrap()
    })
}

/// Whether a lenient reader takes a name for one of those that are declared.
fn taken(name: &str) -> bool {
    let stem = name.split('[').next().unwrap();
    let stem = stem.trim_matches(|c: char| c.is_ascii_whitespace() || c.is_ascii_control());
    ["n", "m", "s", "t"].contains(&stem.to_ascii_lowercase().as_str())
}

/// `None`: refused. Else the query as it goes on.
fn oracle(query: &str, unknown: &str) -> Option<String> {
    if query.contains('#') {
        return None;
    }
    let mut counts = [0; 4];
    let mut out = Vec::new();
    for piece in query.split('&') {
        let (raw_name, raw_value) = piece.split_once('=').unwrap_or((piece, ""));
        let name = oracle_text(raw_name.as_bytes());
        let index = ["n", "m", "s", "t"].iter().position(|declared| name.as_deref() == Some(declared));
        let Some(index) = index else {
            match unknown {
                _ if piece.is_empty() => out.push(piece.to_owned()),
                "drop" => {}
                "reject" => return None,
                _ => {
                    let bare = name?;
                    let hidden = |part: &str| {
                        oracle_text(part.split('=').next().unwrap().as_bytes()).is_some_and(|name| taken(&name))
                    };
                    let again = oracle_text(bare.replace('+', "%2b").as_bytes());
                    let twice = again.is_none_or(|again| again != bare);
                    if twice || taken(&bare) || piece.contains(';') && piece.split(';').any(hidden) {
                        return None;
                    }
                    out.push(piece.to_owned());
                }
            }
            continue;
        };
        counts[index] += 1;
        if piece.contains(';') || (counts[index] > 1 && index != 1) {
            return None;
        }
        let value = oracle_text(raw_value.as_bytes())?;
        match index {
            0 => {
                let number = oracle_integer(&value, -20, 1000)?;
                let same = number.to_string() == value;
                out.push(if same { piece.to_owned() } else { format!("{raw_name}={number}") });
                continue;
            }
            1 if oracle_integer(&value, 5, 50).is_none_or(|number| number.to_string() != value) => return None,
            2 if !["a", "1", "a b"].contains(&value.as_str()) => return None,
            3 if value.chars().count() > 3
                || !value.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == ' ') =>
            {
                return None;
            }
            _ => {}
        }
        out.push(piece.to_owned());
    }
    (counts[1] > 0).then(|| out.join("&"))
}

fn any_query() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        8 => "[nmst]",
        2 => "%6[dDeE]|%7[34]",
        1 => "[nmstxNMST%+;\\[0-9]{0,4}",
    ];
    let value = prop_oneof![
        5 => "-?[0-9]{1,4}",
        2 => "-?[0-9]{1,40}",
        3 => "[a-z0-9]{0,4}",
        2 => "(%3[0-9]|%61|%20|\\+|%2[bB]|[a1; ]){1,4}",
        1 => "[-+%0-9a-f;#=é]{0,5}",
    ];
    let piece = (name, prop_oneof![9 => Just("="), 1 => Just("")], value).prop_map(|(n, e, v)| format!("{n}{e}{v}"));
    prop::collection::vec(prop_oneof![12 => piece, 1 => Just(String::new())], 0..5).prop_map(|pieces| pieces.join("&"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn agrees_with_the_oracle(query in any_query(), unknown in prop_oneof![Just("allow"), Just("reject"), Just("drop")]) {
        let rules = rules(&declared(), unknown);
        let got = match rules.check(Some(query.as_bytes())) {
            Checked::Unchanged => Some(query.clone()),
            Checked::Rewritten(bytes) => Some(String::from_utf8(bytes).unwrap()),
            Checked::Refused(_) => None,
        };
        prop_assert_eq!(got, oracle(&query, unknown), "{} {}", query, unknown);
    }

    /// What was rewritten passes as it is: the upstream gets what would have been let through.
    #[test]
    fn what_is_rewritten_passes(query in any_query(), unknown in prop_oneof![Just("allow"), Just("drop")]) {
        let rules = rules(&declared(), unknown);
        if let Checked::Rewritten(once) = rules.check(Some(query.as_bytes())) {
            prop_assert_eq!(rules.check(Some(&once)), Checked::Unchanged);
        }
    }

    #[test]
    fn any_bytes(query: Vec<u8>, unknown in prop_oneof![Just("allow"), Just("reject"), Just("drop")]) {
        let checked = rules(&declared(), unknown).check(Some(&query));
        if let Checked::Refused(violation) = checked {
            let text = violation.to_string();
            prop_assert!(text.is_ascii() && text.len() < 400 && !text.bytes().any(|byte| byte.is_ascii_control()));
        }
    }

    #[test]
    fn numbers_of_any_length(text in "-?0{0,2}[0-9]{1,45}", a: i64, b: i64) {
        let (min, max) = (a.min(b), a.max(b));
        let standing = Integer { min, max, leading_zeros: false }.standing(&text);
        let expect = match oracle_integer(&text, min, max) {
            None => integer::Standing::NoNumber,
            Some(number) if number.to_string() == text => integer::Standing::Within,
            Some(number) if number == min => integer::Standing::Below,
            Some(_) => integer::Standing::Above,
        };
        // With one number in the range both ends are the same.
        prop_assert!(standing == expect || min == max && standing != integer::Standing::Within, "{} {:?}", text, standing);
    }
}
