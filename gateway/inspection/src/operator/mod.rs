//! Operators: what a value is compared with. Each answers for one value; `not` is the rule's, not the operator's.

mod bytes;
mod comparison;
mod phrases;
mod regex;
mod text;

#[cfg(test)]
mod tests;

use std::ops::Range;

use rampart_settings::Place;

pub(crate) use self::bytes::Bytes;
pub(crate) use self::comparison::Comparison;
pub(crate) use self::phrases::Phrases;
pub(crate) use self::regex::Pattern;
pub(crate) use self::text::{Text, TextKind};
use crate::libinjection::{detect_sqli, detect_xss};
use crate::literals::Clauses;
use crate::raw::RawMatch;

/// A compiled operator.
#[derive(Debug)]
pub(crate) enum Operator {
    Regex(Pattern),
    Phrases(Phrases),
    Text(Text),
    OutsideBytes(Bytes),
    Length(Comparison),
    Number(Comparison),
    /// Compares how many values the targets select; the engine counts.
    Count(Comparison),
    /// SecLang: `@detectSQLi`.
    DetectSqli,
    /// SecLang: `@detectXSS`.
    DetectXss,
}

impl Operator {
    /// Compiles the one operator that `raw` names; what is wrong is reported at `place`.
    pub(crate) fn compile(raw: &RawMatch, place: &Place<'_>) -> Option<Self> {
        let mut found = Vec::new();
        let at = |key: &str| place.key(key);
        if let Some(regex) = &raw.regex {
            found.push(Pattern::compile(regex, &at("regex")).map(Self::Regex));
        }
        if let Some(phrases) = &raw.phrases {
            found.push(Phrases::compile(phrases, raw.words, &at("phrases")).map(Self::Phrases));
        }
        for (key, kind, text) in [
            ("contains", TextKind::Contains, &raw.contains),
            ("equals", TextKind::Equals, &raw.equals),
            ("begins_with", TextKind::BeginsWith, &raw.begins_with),
            ("ends_with", TextKind::EndsWith, &raw.ends_with),
        ] {
            if let Some(text) = text {
                found.push(Text::compile(kind, std::slice::from_ref(text), &at(key)).map(Self::Text));
            }
        }
        if let Some(texts) = &raw.one_of {
            found.push(Text::compile(TextKind::Equals, texts, &at("one_of")).map(Self::Text));
        }
        if let Some(allowed) = &raw.outside_bytes {
            found.push(Bytes::compile(allowed, &at("outside_bytes")).map(Self::OutsideBytes));
        }
        for (key, comparison, wrap) in [
            ("length", &raw.length, Self::Length as fn(Comparison) -> Self),
            ("count", &raw.count, Self::Count),
            ("number", &raw.number, Self::Number),
        ] {
            if let Some(comparison) = comparison {
                found.push(Comparison::compile(comparison, &at(key)).map(wrap));
            }
        }
        for (named, operator) in [(raw.detect_sqli, Self::DetectSqli), (raw.detect_xss, Self::DetectXss)] {
            if named {
                found.push(Some(operator));
            }
        }
        if raw.words && raw.phrases.is_none() {
            place.key("words").error_help("`words` belongs to `phrases`", "use \\b in a regex");
        }
        if found.len() == 1 {
            return found.pop().flatten();
        }
        let what = if found.is_empty() { "no operator is named" } else { "more than one operator is named" };
        place.error_help(what, "name exactly one, such as { regex = '...' }; further conditions go into `and`");
        None
    }

    /// Where the value matches.
    pub(crate) fn find(&self, value: &[u8]) -> Option<Range<usize>> {
        let whole = |matches: bool| matches.then_some(0..value.len());
        match self {
            Self::Regex(pattern) => pattern.find(value),
            Self::Phrases(phrases) => phrases.find(value),
            Self::Text(text) => text.find(value),
            Self::OutsideBytes(bytes) => bytes.find(value),
            Self::Length(comparison) => whole(comparison.holds_len(value.len())),
            Self::Number(comparison) => whole(comparison.holds(comparison::integer(value))),
            Self::Count(_) => None,
            Self::DetectSqli => whole(detect_sqli(value).is_some()),
            Self::DetectXss => whole(detect_xss(value)),
        }
    }

    /// Whether the value matches; cheaper than to say where.
    pub(crate) fn is_match(&self, value: &[u8]) -> bool {
        match self {
            Self::Regex(pattern) => pattern.is_match(value),
            _ => self.find(value).is_some(),
        }
    }

    /// The literals without which nothing matches.
    pub(crate) fn clauses(&self) -> Clauses {
        match self {
            Self::Regex(pattern) => pattern.clauses(),
            Self::Phrases(phrases) => phrases.clauses(),
            Self::Text(text) => text.clauses(),
            _ => Clauses::default(),
        }
    }
}
