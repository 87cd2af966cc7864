//! From what an admin wrote to [`QueryRules`]; whatever is wrong or contradicts itself is reported.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rampart_settings::Place;
use regex::{Regex, RegexBuilder};

use super::check::folded;
use super::{
    Integer, Kind, MAX_PARAMETERS, Parameter, QueryRules, RawInteger, RawParameter, RawUnknown, RawViolation, Text,
};
use crate::raw_rules::{RawCondition, RawRoute};

/// Bytes of a compiled pattern.
const PATTERN_BYTES: usize = 1 << 20;
/// Bytes of a parameter's name.
const LONGEST_NAME: usize = 128;

/// Compiles a route's `query` and `query_unknown`. To be used only if nothing was reported as an error.
pub(crate) fn compile(raw: &RawRoute, place: &Place<'_>) -> QueryRules {
    let table = place.key("query");
    if raw.query.len() > MAX_PARAMETERS {
        table.error(format!("{} parameters are more than {MAX_PARAMETERS}", raw.query.len()));
    }
    let named = |(name, parameter): (&String, &RawParameter)| compile_parameter(name, parameter, &table.key(name));
    let rules = QueryRules { parameters: raw.query.iter().filter_map(named).collect(), unknown: raw.query_unknown };
    warn_unmatchable(&rules, &raw.matches.query, place);
    rules
}

fn compile_parameter(name: &str, raw: &RawParameter, place: &Place<'_>) -> Option<Parameter> {
    let bad = |byte: u8| byte == b'%' || byte.is_ascii_control();
    if name.is_empty() || name.len() > LONGEST_NAME || name.bytes().any(bad) {
        let help = format!("1 to {LONGEST_NAME} bytes as they are once decoded, without \"%\" and control characters");
        place.error_at_key(format!("{name:?} is not the name of a query parameter"), Some(help));
    }
    let kind = compile_kind(raw, place)?;
    let clamp = raw.on_violation == RawViolation::Clamp;
    if clamp && !matches!(kind, Kind::Integer(_)) {
        place.key("on_violation").error_help("only a number can be clamped", "leave it out: the request is refused");
    }
    if raw.empty && matches!(kind, Kind::Text(_)) {
        place.key("empty").warn("text may be empty as it is", "write `min_length = 1` for text that may not be");
    }
    Some(Parameter {
        name: Arc::from(name),
        folded: folded(name.as_bytes()).collect(),
        rule: rule(&kind).into(),
        kind,
        required: raw.required,
        repeat: raw.repeat,
        empty: raw.empty,
        clamp,
    })
}

/// The one kind that is asked for.
fn compile_kind(raw: &RawParameter, place: &Place<'_>) -> Option<Kind> {
    let kinds = [
        ("integer", raw.integer.is_some()),
        ("one_of", raw.one_of.is_some()),
        ("uuid", raw.uuid.is_some()),
        ("boolean", raw.boolean.is_some()),
    ];
    let text = [
        ("min_length", raw.min_length.is_some()),
        ("max_length", raw.max_length.is_some()),
        ("pattern", raw.pattern.is_some()),
        ("encoded", raw.encoded),
    ];
    let mut given = kinds.iter().filter(|(_, given)| *given).map(|(key, _)| *key);
    let first = given.next();
    if let (Some(first), Some(second)) = (first, given.next()) {
        place.key(second).error(format!("a value is either `{first}` or `{second}`, not both"));
        return None;
    }
    if let (Some(kind), Some((key, _))) = (first, text.iter().find(|(_, given)| *given)) {
        place.key(key).error(format!("`{key}` is for text: `{kind}` says what the value is"));
        return None;
    }
    for (key, switch) in [("uuid", raw.uuid), ("boolean", raw.boolean)] {
        if switch == Some(false) {
            place.key(key).error_help("`false` asks for nothing", "write `true`, or leave it out");
            return None;
        }
    }
    match (&raw.integer, &raw.one_of, first) {
        (Some(integer), ..) => compile_integer(integer, &place.key("integer")).map(Kind::Integer),
        (_, Some(texts), _) => Some(compile_one_of(texts, &place.key("one_of"))),
        (.., Some("uuid")) => Some(Kind::Uuid),
        (.., Some(_)) => Some(Kind::Boolean),
        _ => compile_text(raw, place).map(Kind::Text),
    }
}

fn compile_integer(raw: &RawInteger, place: &Place<'_>) -> Option<Integer> {
    let max = raw.max.unwrap_or(i64::MAX);
    let min = raw.min.unwrap_or(0);
    if min > max {
        let help = match raw.min {
            Some(_) => "`min` is more than `max`",
            None => "without `min` the least is 0: write a `min`",
        };
        place.error_help(format!("no number is from {min} to {max}"), help);
        return None;
    }
    Some(Integer { min, max, leading_zeros: raw.leading_zeros })
}

fn compile_one_of(texts: &[String], place: &Place<'_>) -> Kind {
    if texts.is_empty() {
        place.error("no value is one of none");
    }
    let mut known = BTreeSet::new();
    for (index, text) in texts.iter().enumerate() {
        if !known.insert(text) {
            place.index(index).warn(format!("{text:?} is listed twice"), "once is enough");
        }
        if text.contains('\0') {
            place.index(index).error("no value with a NUL character passes");
        }
    }
    Kind::OneOf(texts.iter().map(|text| text.as_str().into()).collect())
}

fn compile_text(raw: &RawParameter, place: &Place<'_>) -> Option<Text> {
    let length = |length: u32| usize::try_from(length).unwrap_or(usize::MAX);
    let min_length = raw.min_length.map_or(0, length);
    let max_length = raw.max_length.map(length);
    if max_length.is_some_and(|max| min_length > max) {
        place.key("min_length").error("no text is that long: `min_length` is more than `max_length`");
    }
    let pattern = match raw.pattern.as_deref().map(compile_pattern) {
        Some(Err(why)) => {
            place.key("pattern").error(why);
            return None;
        }
        Some(Ok(pattern)) => Some(pattern),
        None => None,
    };
    if pattern.as_ref().is_some_and(|pattern| pattern.is_match("")) && raw.min_length.is_none() && raw.required {
        place.key("pattern").warn(
            "the pattern matches an empty value, so `required` asks only for the name",
            "write `min_length = 1`, or a pattern such as \"[a-z]+\"",
        );
    }
    Some(Text { min_length, max_length, pattern, encoded: raw.encoded })
}

/// A pattern that has to match the whole value.
fn compile_pattern(pattern: &str) -> Result<Regex, String> {
    let build = |pattern: &str| RegexBuilder::new(pattern).size_limit(PATTERN_BYTES).build();
    build(pattern).and_then(|_| build(&format!(r"\A(?:{pattern})\z"))).map_err(|error| {
        // The last line of the crate's drawing says what is wrong.
        let text = error.to_string();
        let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("not a regular expression: {why}")
    })
}

/// What a value has to be, in a sentence that begins "must be".
fn rule(kind: &Kind) -> String {
    match kind {
        Kind::Integer(Integer { min, max: i64::MAX, .. }) => format!("an integer of at least {min}"),
        Kind::Integer(Integer { min, max, .. }) => format!("an integer from {min} to {max}"),
        Kind::OneOf(texts) => listed(texts),
        Kind::Uuid => "a UUID".to_owned(),
        Kind::Boolean => "\"true\" or \"false\"".to_owned(),
        Kind::Text(Text { min_length, max_length, pattern, .. }) => {
            let form = if pattern.is_some() { " of the form that this place takes" } else { "" };
            match (min_length, max_length) {
                (0, None) => format!("text{form}"),
                (0, Some(max)) => format!("text of at most {max} characters{form}"),
                (min, None) => format!("text of at least {min} characters{form}"),
                (min, Some(max)) => format!("text of {min} to {max} characters{form}"),
            }
        }
    }
}

/// The texts of an enumeration, as far as they are worth reading.
fn listed(texts: &[Box<str>]) -> String {
    const MOST: usize = 12;
    const LONGEST: usize = 40;
    if texts.len() > MOST || texts.iter().any(|text| text.len() > LONGEST) {
        return "one of the values that this place takes".to_owned();
    }
    let quoted: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
    match quoted.as_slice() {
        [one] => one.clone(),
        _ => format!("one of {}", quoted.join(", ")),
    }
}

/// What the route's own `match` asks of a parameter and its constraints never let pass: nothing could take this route.
fn warn_unmatchable(rules: &QueryRules, conditions: &BTreeMap<String, RawCondition>, place: &Place<'_>) {
    for (name, condition) in conditions {
        let (texts, present) = match condition {
            RawCondition::Equals(text) => (Some(std::slice::from_ref(text)), true),
            RawCondition::Test(test) => (test.one_of.as_deref(), test.present != Some(false)),
        };
        let parameter = rules.parameters.iter().find(|parameter| *parameter.name == **name);
        let help = "change the route's `match`, or what the parameter has to be";
        match parameter {
            Some(parameter) if !present && parameter.required => {
                place
                    .key("query")
                    .key(name)
                    .warn(format!("the route matches only without \"{name}\", which is required"), help);
            }
            Some(parameter) if texts.is_some_and(|texts| !texts.iter().any(|text| parameter.admits(text))) => {
                place.key("query").key(name).warn(format!("what the route matches of \"{name}\" is refused"), help);
            }
            None if present && rules.unknown == RawUnknown::Reject => {
                place
                    .key("match")
                    .key("query")
                    .key(name)
                    .warn(format!("the route matches only with \"{name}\", which it does not take"), help);
            }
            _ => {}
        }
    }
}
