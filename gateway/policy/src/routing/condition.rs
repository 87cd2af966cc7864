//! Conditions on headers and query parameters.

use std::borrow::Cow;

use http::HeaderName;
use rampart_settings::Place;
use regex::bytes::Regex;

use super::Query;
use crate::raw_rules::{RawCondition, RawRouteMatch, RawTest};

/// All conditions of a route.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conditions {
    all: Vec<Condition>,
}

#[derive(Debug, Clone)]
struct Condition {
    source: Source,
    name: Box<str>,
    test: Test,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Header,
    Query,
}

#[derive(Debug, Clone)]
enum Test {
    Absent,
    /// Some value passes all of these.
    Some(Vec<Check>),
}

#[derive(Debug, Clone)]
enum Check {
    OneOf(Vec<Box<[u8]>>),
    Prefix(Box<[u8]>),
    Contains(Box<[u8]>),
    Regex(Regex),
}

impl Conditions {
    pub(crate) const fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn hold(&self, query: &Query<'_>) -> bool {
        self.all.iter().all(|condition| condition.holds(query))
    }

    /// Whether no request with at most one value of each name can fulfil both. Incomplete: a `false` may be wrong.
    pub(crate) fn exclude(&self, other: &Self) -> bool {
        self.all.iter().any(|mine| {
            let same = |theirs: &&Condition| theirs.source == mine.source && theirs.name == mine.name;
            other
                .all
                .iter()
                .filter(same)
                .any(|theirs| mine.test.excludes(&theirs.test) || theirs.test.excludes(&mine.test))
        })
    }
}

impl Condition {
    fn holds(&self, query: &Query<'_>) -> bool {
        match self.source {
            Source::Header => self.test.holds(query.headers.get_all(&self.name).map(Cow::Borrowed)),
            Source::Query => self.test.holds(parameters(query.query, self.name.as_bytes())),
        }
    }
}

impl Test {
    fn holds<'v>(&self, mut values: impl Iterator<Item = Cow<'v, [u8]>>) -> bool {
        match self {
            Self::Absent => values.next().is_none(),
            Self::Some(checks) => values.any(|value| checks.iter().all(|check| check.passes(&value))),
        }
    }

    fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Absent, Self::Some(_)) => true,
            (Self::Some(mine), Self::Some(theirs)) => mine.iter().any(|check| match check {
                Check::OneOf(texts) => texts.iter().all(|text| !theirs.iter().all(|check| check.passes(text))),
                _ => false,
            }),
            _ => false,
        }
    }
}

impl Check {
    fn passes(&self, value: &[u8]) -> bool {
        match self {
            Self::OneOf(texts) => texts.iter().any(|text| **text == *value),
            Self::Prefix(text) => value.starts_with(text),
            Self::Contains(text) => text.is_empty() || value.windows(text.len()).any(|part| *part == **text),
            Self::Regex(regex) => regex.is_match(value),
        }
    }
}

/// Compiles the conditions of a route; what is wrong is reported.
pub(crate) fn compile_conditions(raw: &RawRouteMatch, place: &Place<'_>) -> Conditions {
    let mut all = Vec::with_capacity(raw.headers.len() + raw.query.len());
    for (name, raw) in &raw.headers {
        let place = place.key("headers").key(name);
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            place.error_at_key(format!("{name:?} is not the name of a header"), None);
        }
        let test = compile_test(raw, &place);
        all.push(Condition { source: Source::Header, name: name.to_ascii_lowercase().into(), test });
    }
    for (name, raw) in &raw.query {
        let test = compile_test(raw, &place.key("query").key(name));
        all.push(Condition { source: Source::Query, name: name.as_str().into(), test });
    }
    Conditions { all }
}

fn compile_test(raw: &RawCondition, place: &Place<'_>) -> Test {
    let raw = match raw {
        RawCondition::Equals(text) => return Test::Some(vec![Check::OneOf(vec![text.as_bytes().into()])]),
        RawCondition::Test(raw) => raw,
    };
    let checks = compile_checks(raw, place);
    let asked = raw.one_of.is_some() || raw.prefix.is_some() || raw.contains.is_some() || raw.regex.is_some();
    match raw.present {
        Some(false) if asked => {
            place.key("present").error("what is absent has no value to look at");
            Test::Absent
        }
        Some(false) => Test::Absent,
        None if !asked => {
            place.error_help("nothing is asked of the value", "write a text that it equals, or `present = true`");
            Test::Absent
        }
        Some(true) | None => Test::Some(checks),
    }
}

fn compile_checks(raw: &RawTest, place: &Place<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(texts) = &raw.one_of {
        if texts.is_empty() {
            place.key("one_of").error("no value is one of none");
        }
        checks.push(Check::OneOf(texts.iter().map(|text| text.as_bytes().into()).collect()));
    }
    checks.extend(raw.prefix.as_ref().map(|text| Check::Prefix(text.as_bytes().into())));
    checks.extend(raw.contains.as_ref().map(|text| Check::Contains(text.as_bytes().into())));
    if let Some(pattern) = &raw.regex {
        match compile_regex(pattern) {
            Ok(regex) => checks.push(Check::Regex(regex)),
            Err(why) => place.key("regex").error(why),
        }
    }
    checks
}

/// A regular expression on bytes: Unicode off, so that `\xff` is the byte.
pub(crate) fn compile_regex(pattern: &str) -> Result<Regex, String> {
    regex::bytes::RegexBuilder::new(pattern).unicode(false).build().map_err(|error| {
        // The last line of the crate's drawing says what is wrong.
        let text = error.to_string();
        let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("not a regular expression: {why}")
    })
}

/// The values of a query parameter, decoded.
fn parameters<'q>(query: &'q [u8], name: &'q [u8]) -> impl Iterator<Item = Cow<'q, [u8]>> {
    query.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).filter_map(move |pair| {
        let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        let (given, value) = pair.split_at(equals);
        (*decoded(given) == *name).then(|| decoded(value.strip_prefix(b"=").unwrap_or(value)))
    })
}

/// `application/x-www-form-urlencoded` to bytes; what is no escape stays as it is.
fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, tail) {
            (b'+', _) => out.push(b' '),
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    rest = after;
                }
                _ => out.push(b'%'),
            },
            _ => out.push(byte),
        }
    }
    Cow::Owned(out)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
