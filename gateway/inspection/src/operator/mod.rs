//! Operators: what a value is compared with. Each answers for one value; `not` is the rule's, not the operator's.
//!
//! Both front ends compile to [`Operator`]: TOML by key ([`Operator::compile`]), SecLang by name ([`Operator::seclang`],
//! and [`Dynamic`] where the parameter holds a macro). Semantics are those of ModSecurity 3, on bytes; where one departs
//! from it, the operator's file says so.

mod backtracking;
mod bytes;
mod captures;
mod comparison;
mod contains_word;
mod dynamic;
mod error;
mod ip_match;
mod pcre;
mod phrase_list;
mod phrases;
mod regex;
mod rx;
mod seclang;
mod text;
mod url_encoding;
mod utf8_encoding;
mod verify;
mod within;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod tests;

use std::ops::Range;

use rampart_settings::Place;

pub use self::backtracking::backtracking_gave_up;
pub(crate) use self::bytes::Bytes;
pub(crate) use self::captures::Captures;
pub(crate) use self::comparison::Comparison;
pub(crate) use self::contains_word::ContainsWord;
pub(crate) use self::dynamic::Dynamic;
pub(crate) use self::error::OperatorError;
pub(crate) use self::ip_match::IpMatch;
pub(crate) use self::phrases::Phrases;
pub(crate) use self::regex::Pattern;
pub(crate) use self::rx::Rx;
pub(crate) use self::text::{Text, TextKind};
pub(crate) use self::verify::{Verify, VerifyKind};
pub(crate) use self::within::Within;
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
    /// SecLang: `@rx`.
    Rx(Rx),
    /// SecLang: `@rxGlobal`, as `@rx` but for what it captures.
    RxGlobal(Rx),
    /// SecLang: `@containsWord`.
    ContainsWord(ContainsWord),
    /// SecLang: `@within`.
    Within(Within),
    /// SecLang: `@ipMatch`, `@ipMatchFromFile`.
    IpMatch(IpMatch),
    /// SecLang: `@validateUtf8Encoding`.
    InvalidUtf8,
    /// SecLang: `@validateUrlEncoding`.
    InvalidUrlEncoding,
    /// SecLang: `@verifyCC` and its kin.
    Verify(Verify),
    /// SecLang: `@unconditionalMatch`.
    Always,
    /// SecLang: `@noMatch`.
    Never,
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
            Self::Count(_) | Self::Never => None,
            Self::DetectSqli => whole(detect_sqli(value).is_some()),
            Self::DetectXss => whole(detect_xss(value)),
            Self::Rx(rx) | Self::RxGlobal(rx) => rx.find(value),
            Self::ContainsWord(word) => word.find(value),
            Self::Within(within) => whole(within.is_match(value)),
            Self::IpMatch(networks) => whole(networks.is_match(value)),
            Self::InvalidUtf8 => utf8_encoding::find(value),
            Self::InvalidUrlEncoding => url_encoding::find(value),
            Self::Verify(verify) => verify.find(value),
            Self::Always => whole(true),
        }
    }

    /// Whether the value matches; cheaper than to say where.
    pub(crate) fn is_match(&self, value: &[u8]) -> bool {
        match self {
            Self::Regex(pattern) => pattern.is_match(value),
            Self::Rx(rx) | Self::RxGlobal(rx) => rx.is_match(value),
            _ => self.find(value).is_some(),
        }
    }

    /// Whether the value matches, and what is captured of it. `captures` is cleared first; see [`Captures`] for which
    /// operators set what.
    pub(crate) fn captures(&self, value: &[u8], captures: &mut Captures) -> bool {
        captures.clear();
        match self {
            Self::Rx(rx) => rx.captures(value, captures),
            Self::RxGlobal(rx) => rx.captures_global(value, captures),
            Self::Regex(pattern) => pattern.captures_at(value, 0, captures).is_some(),
            Self::DetectSqli => {
                let found = detect_sqli(value);
                if let Some(fingerprint) = found {
                    captures.set_fingerprint(fingerprint);
                }
                found.is_some()
            }
            Self::Phrases(_) | Self::Verify(_) | Self::DetectXss => {
                let found = self.find(value);
                if let Some(range) = found.clone() {
                    captures.set(0, range);
                }
                found.is_some()
            }
            _ => self.is_match(value),
        }
    }

    /// As [`Self::captures`], without groups: cheaper, where nobody asks for them.
    pub(crate) fn captures_whole(&self, value: &[u8], captures: &mut Captures) -> bool {
        match self {
            Self::Rx(_) | Self::Regex(_) => {
                captures.clear();
                let found = self.find(value);
                if let Some(range) = found.clone() {
                    captures.set(0, range);
                }
                found.is_some()
            }
            _ => self.captures(value, captures),
        }
    }

    /// Whether it runs by back-tracking: its cost is bounded, and not linear in the value. `check` lists such rules.
    pub(crate) const fn is_backtracking(&self) -> bool {
        match self {
            Self::Rx(rx) | Self::RxGlobal(rx) => rx.is_backtracking(),
            Self::Verify(verify) => verify.rx().is_backtracking(),
            _ => false,
        }
    }

    /// The literals and bytes without which nothing matches.
    pub(crate) fn clauses(&self) -> Clauses {
        match self {
            Self::Regex(pattern) => pattern.clauses(),
            Self::Phrases(phrases) => phrases.clauses(),
            Self::Text(text) => text.clauses(),
            Self::Rx(rx) | Self::RxGlobal(rx) => rx.clauses(),
            Self::ContainsWord(word) => word.clauses(),
            Self::Verify(verify) => verify.clauses(),
            Self::InvalidUrlEncoding => Clauses::any_byte(*b"%"),
            Self::OutsideBytes(bytes) => bytes.clauses(),
            // A single word or number is no attack; whatever separates two of them is a sign, a space or a strange byte.
            Self::DetectSqli => Clauses::any_byte((0..=255u8).filter(|byte| !is_word(*byte))),
            // Without these no tag opens and no attribute has a value.
            Self::DetectXss => Clauses::any_byte(*b"<="),
            _ => Clauses::default(),
        }
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
