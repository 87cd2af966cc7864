//! Which matched values may be shown in records, and how much of them.
//!
//! A match's value is a piece of somebody's request. Where its target is one that carries credentials it becomes
//! `[redacted]`; elsewhere it is escaped and cut (`text`). The decision is by the field's name alone, never by a guess at
//! what the value looks like: a rule that can be read can be trusted. Names are compared without case, and `-` is `_`.

use crate::text::escape;

/// What stands in a record for a value that may not be shown.
pub const REDACTED: &str = "[redacted]";

/// What is shown of a value when nothing else is configured, in bytes.
pub const DEFAULT_VALUE_BYTES: usize = 256;

/// The targets that are redacted when nothing else is configured: credentials, sessions, payment data, whole bodies.
pub const DEFAULT_TARGETS: [&str; 36] = [
    "header:authorization",
    "header:proxy-authorization",
    "header:cookie",
    "header:set-cookie",
    "header:x-amz-security-token",
    "cookie",
    "body",
    "query:key",
    "query:code",
    "query:sig",
    "query:auth",
    "*password*",
    "*passwd*",
    "*passphrase*",
    "*passcode*",
    "*pwd*",
    "*secret*",
    "*token*",
    "*api_key*",
    "*apikey*",
    "*access_key*",
    "*accesskey*",
    "*private_key*",
    "*privatekey*",
    "*credential*",
    "*session*",
    "*jwt*",
    "*signature*",
    "*otp*",
    "*card_number*",
    "*cardnumber*",
    "*credit_card*",
    "*cvv*",
    "*cvc*",
    "*iban*",
    "*ssn*",
];

/// A checked list of targets whose values are never shown, and the length to which the others are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redaction {
    patterns: Vec<Pattern>,
    max_value_bytes: usize,
}

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    /// `None`: values of any kind.
    kind: Option<Kind>,
    /// `None`: whatever the name. Folded.
    name: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Path,
    Query,
    Header,
    Cookie,
    Form,
    File,
    Json,
    Xml,
    Body,
}

/// A line of the list that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// Nothing between the quotes, or nothing after the colon.
    #[error(
        "`{0}` names no target: write a kind (`cookie`), a kind and a name (`query:token`) or a name (`*password*`)"
    )]
    Empty(String),
    /// What stands before the colon is no kind of value.
    #[error("`{kind}` in `{pattern}` is no kind of value: use {KINDS}")]
    UnknownKind {
        /// What stands before the colon.
        kind: String,
        /// The whole line.
        pattern: String,
    },
}

const KINDS: &str = "path, query, header, cookie, form, file, json, xml or body";

// === impl Redaction ===

impl Redaction {
    /// Checks a list of patterns; every bad one is returned with its place in the list.
    pub fn new<'a>(
        patterns: impl IntoIterator<Item = &'a str>,
        max_value_bytes: usize,
    ) -> Result<Self, Vec<(usize, BadPattern)>> {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for (index, text) in patterns.into_iter().enumerate() {
            match Pattern::parse(text) {
                Ok(pattern) => good.push(pattern),
                Err(error) => bad.push((index, error)),
            }
        }
        if bad.is_empty() { Ok(Self { patterns: good, max_value_bytes }) } else { Err(bad) }
    }

    /// The text that a record shows for `bytes` found at `target`, which may be in the notation of rules (`query:id`,
    /// `json:$.title`) or of messages (`query.id`, `root.title`).
    pub fn value(&self, target: &str, bytes: &[u8]) -> String {
        if self.hides(target) { REDACTED.to_owned() } else { escape(bytes, self.max_value_bytes) }
    }

    /// Whether values at `target` are never shown.
    pub fn hides(&self, target: &str) -> bool {
        let (kind, name) = split(target);
        let name = fold(name);
        self.patterns.iter().any(|pattern| pattern.covers(kind, &name))
    }
}

impl Default for Redaction {
    fn default() -> Self {
        let patterns = DEFAULT_TARGETS.into_iter().filter_map(|text| Pattern::parse(text).ok()).collect();
        Self { patterns, max_value_bytes: DEFAULT_VALUE_BYTES }
    }
}

// === impl Pattern ===

impl Pattern {
    fn parse(text: &str) -> Result<Self, BadPattern> {
        let text = text.trim();
        let empty = || BadPattern::Empty(text.to_owned());
        match text.split_once(':') {
            None if text.is_empty() => Err(empty()),
            None => Ok(Kind::parse(text).map_or_else(
                || Self { kind: None, name: Some(fold(text)) },
                |kind| Self { kind: Some(kind), name: None },
            )),
            Some((kind, name)) => {
                let known = Kind::parse(kind)
                    .ok_or_else(|| BadPattern::UnknownKind { kind: kind.to_owned(), pattern: text.to_owned() })?;
                let name = fold(bare_name(known, name));
                if name.is_empty() { Err(empty()) } else { Ok(Self { kind: Some(known), name: Some(name) }) }
            }
        }
    }

    fn covers(&self, kind: Option<Kind>, folded_name: &str) -> bool {
        self.kind.is_none_or(|wanted| kind == Some(wanted))
            && self.name.as_deref().is_none_or(|pattern| matches_glob(pattern.as_bytes(), folded_name.as_bytes()))
    }
}

// === impl Kind ===

impl Kind {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "path" => Self::Path,
            "query" => Self::Query,
            "header" => Self::Header,
            "cookie" => Self::Cookie,
            "form" => Self::Form,
            "file" => Self::File,
            "json" | "root" => Self::Json,
            "xml" => Self::Xml,
            "body" => Self::Body,
            _ => return None,
        })
    }
}

/// The kind of a target and the name within it, in either notation; an unknown kind leaves the whole target as the name.
fn split(target: &str) -> (Option<Kind>, &str) {
    let end = target.find([':', '.', '[']).unwrap_or(target.len());
    let (word, rest) = target.split_at(end);
    match Kind::parse(word) {
        Some(kind) => (Some(kind), bare_name(kind, rest.strip_prefix([':', '.']).unwrap_or(rest))),
        None => (None, target),
    }
}

/// A JSON name without the sign of its root: `$.a` and `a` are the same.
fn bare_name(kind: Kind, name: &str) -> &str {
    match kind {
        Kind::Json => name.strip_prefix("$.").or_else(|| name.strip_prefix('$')).unwrap_or(name),
        _ => name,
    }
}

fn fold(name: &str) -> String {
    name.to_ascii_lowercase().replace('-', "_")
}

/// Whether `text` is what `pattern` describes; `*` stands for any bytes. Never worse than the product of the lengths:
/// only the last star is ever tried again.
fn matches_glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at_pattern, mut at_text) = (0, 0);
    let mut last_star = None;
    while let Some(byte) = text.get(at_text) {
        match pattern.get(at_pattern) {
            Some(b'*') => {
                last_star = Some((at_pattern, at_text));
                at_pattern += 1;
            }
            Some(wanted) if wanted == byte => {
                at_pattern += 1;
                at_text += 1;
            }
            _ => {
                let Some((star, covered)) = last_star else { return false };
                last_star = Some((star, covered + 1));
                at_pattern = star + 1;
                at_text = covered + 1;
            }
        }
    }
    pattern.iter().skip(at_pattern).all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_default_list_hides_credentials_and_shows_attacks() {
        fn check(target: &str, hidden: bool) {
            assert_eq!(Redaction::default().hides(target), hidden, "{target}");
        }
        check("header:authorization", true);
        check("header.Authorization", true);
        check("header.x-api-key", true);
        check("header.referer", false);
        check("header.user-agent", false);
        check("cookie", true);
        check("cookie.sid", true);
        check("cookie:theme", true);
        check("body", true);
        check("query.key", true);
        check("query.keyword", false);
        check("query.id", false);
        check("query:access_token", true);
        check("form.new-password", true);
        check("form.apiKey", true);
        check("root.title", false);
        check("root", false);
        check("root.user.Password", true);
        check("root.passwords[3].value", true);
        check("json:$.auth.client_secret", true);
        check("json:$.steps[*].text", false);
        check("xml:/login/password", true);
        check("xml:/a/b", false);
        check("path", false);
        check("file.avatar", false);
    }

    #[test]
    fn a_list_of_ones_own_replaces_the_default() {
        fn check(pattern: &str, target: &str, hidden: bool) {
            assert_eq!(Redaction::new([pattern], 64).unwrap().hides(target), hidden, "{pattern} on {target}");
        }
        check("query", "query.anything", true);
        check("query", "form.anything", false);
        check("json:$.a.b", "root.a.b", true);
        check("json:a.b", "json:$.a.b", true);
        check("json:$.a.b", "root.a.b.c", false);
        check("json:$.a.*", "root.a.b.c", true);
        check("json:$[*].x", "root[0].x", true);
        check("header:x-*-key", "header.X-My-Key", true);
        check("q", "query.q", true);
        check("q", "query.query", false);
        check("odd", "odd", true);
        check("*", "path", true);
        check("session", "session", true);
    }

    #[test]
    fn a_bad_pattern_says_what_is_wrong_with_it() {
        let errors = Redaction::new(["cookie", "", "cookies:sid", "query:"], 64).unwrap_err();
        let places: Vec<usize> = errors.iter().map(|(index, _)| *index).collect();
        assert_eq!(places, [1, 2, 3]);
        assert!(
            errors[1].1.to_string().starts_with("`cookies` in `cookies:sid` is no kind of value"),
            "{}",
            errors[1].1
        );
    }

    #[test]
    fn every_default_is_a_good_pattern() {
        assert!(Redaction::new(DEFAULT_TARGETS, DEFAULT_VALUE_BYTES).is_ok_and(|all| all == Redaction::default()));
    }

    #[test]
    fn a_value_is_hidden_or_escaped_and_cut() {
        let redaction = Redaction::new(["*password*"], 8).unwrap();
        assert_eq!(redaction.value("root.password", b"hunter2"), "[redacted]");
        assert_eq!(redaction.value("root.title", b"'; DROP TABLE"), "'; DROP …[+5 bytes]");
        assert_eq!(redaction.value("root.title", b"\x00'"), r"\x00'");
    }

    fn slow_glob(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|skip| slow_glob(rest, &text[skip..])),
            Some((first, rest)) => text.first() == Some(first) && slow_glob(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn globs_agree_with_the_definition(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(matches_glob(pattern, text), slow_glob(pattern, text));
        }
    }
}
