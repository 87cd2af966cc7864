//! `regex`: a regular expression on bytes in linear time.
//!
//! Unicode is off (`\xbc` is the byte, `\w` is ASCII, case folds in ASCII), `.` matches a line feed and `^` and `$`
//! only the ends of the value, as ModSecurity compiles its patterns. Look-around and back references do not exist in
//! linear time and are errors.

use std::ops::Range;

use rampart_settings::Place;
use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::Hir;

use crate::literals::Clauses;

/// Compiled program of one pattern, in bytes. Beyond it a pattern is an error when the rules are read.
const MAX_PROGRAM_BYTES: usize = 4 << 20;
/// Cache of the lazy automaton of one pattern and thread, in bytes.
const MAX_CACHE_BYTES: usize = 2 << 20;
/// Nesting of one pattern.
const MAX_NESTING: u32 = 100;

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Pattern {
    regex: Regex,
    syntax: Hir,
}

impl Pattern {
    pub(crate) fn compile(text: &str, place: &Place<'_>) -> Option<Self> {
        match (Self::build(text), Self::syntax(text)) {
            (Ok(regex), Ok(syntax)) => {
                // `^$` is a pattern; `(a|b)*` is a mistake. What matches both probes asks for nothing.
                if regex.is_match(b"") && regex.is_match(b"\x01\x02") {
                    place.error_help("the pattern matches every value", "let it require something");
                    return None;
                }
                Some(Self { regex, syntax })
            }
            (Err(error), _) => {
                place.error_help(
                    format!("the pattern does not compile: {}", reason(&error)),
                    "patterns run in linear time: no look-around, no back references, at most 4 MiB compiled",
                );
                None
            }
            (_, Err(error)) => {
                place.error(format!("the pattern does not parse: {error}"));
                None
            }
        }
    }

    fn build(text: &str) -> Result<Regex, regex::Error> {
        RegexBuilder::new(text)
            .unicode(false)
            .dot_matches_new_line(true)
            .size_limit(MAX_PROGRAM_BYTES)
            .dfa_size_limit(MAX_CACHE_BYTES)
            .nest_limit(MAX_NESTING)
            .build()
    }

    fn syntax(text: &str) -> Result<Hir, String> {
        ParserBuilder::new()
            .unicode(false)
            .utf8(false)
            .dot_matches_new_line(true)
            .nest_limit(MAX_NESTING)
            .build()
            .parse(text)
            .map_err(|error| error.to_string())
    }

    pub(crate) fn is_match(&self, value: &[u8]) -> bool {
        self.regex.is_match(value)
    }

    pub(crate) fn find(&self, value: &[u8]) -> Option<Range<usize>> {
        self.regex.find(value).map(|found| found.range())
    }

    pub(crate) fn clauses(&self) -> Clauses {
        Clauses::of_regex(&self.syntax)
    }
}

/// The last line of a regex error says what is wrong; the lines before draw the pattern.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}
