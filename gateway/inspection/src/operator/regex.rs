//! `regex` (SecLang: `@rx`, where the pattern allows): a regular expression on bytes in linear time.
//!
//! Unicode is off (`\xbc` is the byte, `\w` is ASCII, case folds in ASCII), `.` matches a line feed and `^` and `$`
//! only the ends of the value, as ModSecurity compiles its patterns. Look-around and back references do not exist in
//! linear time and are errors here; SecLang's go to [`super::backtracking`].

use std::ops::Range;

use rampart_settings::Place;
use regex_automata::Input;
use regex_automata::meta::{BuildError, Config, Regex};
use regex_automata::util::primitives::NonMaxUsize;
use regex_syntax::ParserBuilder;

use super::Captures;
use super::captures::GROUPS;
use crate::literals::Clauses;

/// Compiled program of one pattern, in bytes. Beyond it a pattern is an error when the rules are read.
pub(super) const MAX_PROGRAM_BYTES: usize = 4 << 20;
/// Cache of each lazy automaton of one pattern and thread, in bytes. When it is full it is emptied. With all of CRS, two
/// threads and 4.5 MB of recorded values: 2 MiB leads to 55 MB resident, 512 KiB to 38 MB at 5 to 15 % more time (at
/// paranoia 4 a 99th percentile of 1.3 ms in place of 0.9), 128 KiB to three times the time.
pub(super) const MAX_CACHE_BYTES: usize = 1 << 20;
/// Nesting of one pattern.
pub(super) const MAX_NESTING: u32 = 100;

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Pattern {
    regex: Regex,
    /// What the pattern requires. The syntax tree itself, several times the size of the program, is not kept.
    clauses: Clauses,
    looks_around: bool,
}

impl Pattern {
    /// Compiles the pattern of a TOML rule.
    pub(crate) fn compile(text: &str, place: &Place<'_>) -> Option<Self> {
        match Self::of_syntax(text, MAX_PROGRAM_BYTES) {
            Ok(pattern) => {
                // `^$` is a pattern; `(a|b)*` is a mistake. What matches both probes asks for nothing.
                if pattern.is_match(b"") && pattern.is_match(b"\x01\x02") {
                    place.error_help("the pattern matches every value", "let it require something");
                    return None;
                }
                Some(pattern)
            }
            Err(error) => {
                place.error_help(
                    format!("the pattern does not compile: {error}"),
                    "patterns run in linear time: no look-around, no back references, at most 4 MiB compiled",
                );
                None
            }
        }
    }

    /// Compiles a pattern in the syntax of the crate `regex`.
    pub(super) fn of_syntax(text: &str, max_program_bytes: usize) -> Result<Self, String> {
        let syntax = ParserBuilder::new()
            .unicode(false)
            .utf8(false)
            .dot_matches_new_line(true)
            .nest_limit(MAX_NESTING)
            .build()
            .parse(text)
            .map_err(|error| reason(&error.to_string()))?;
        let config = Config::new()
            .utf8_empty(false)
            .nfa_size_limit(Some(max_program_bytes))
            // Groups are asked for seldom; the automata that find them in one pass would be memory for every pattern.
            .onepass(false)
            .hybrid_cache_capacity(MAX_CACHE_BYTES);
        let regex = Regex::builder().configure(config).build_from_hir(&syntax).map_err(|error| too_large(&error))?;
        let looks_around = !syntax.properties().look_set().is_empty();
        Ok(Self { regex, clauses: Clauses::of_regex(&syntax), looks_around })
    }

    pub(crate) fn is_match(&self, value: &[u8]) -> bool {
        self.regex.is_match(value)
    }

    pub(crate) fn find(&self, value: &[u8]) -> Option<Range<usize>> {
        self.regex.find(value).map(|found| found.range())
    }

    /// The first match that begins at `from` or after it; what stands before `from` is seen by `\b` and `^`.
    pub(super) fn find_at(&self, value: &[u8], from: usize) -> Option<Range<usize>> {
        if from > value.len() {
            return None;
        }
        self.regex.search(&Input::new(value).range(from..)).map(|found| found.range())
    }

    /// As [`Self::find_at`], with its groups; returns the whole match. Groups that took no part keep what they hold.
    pub(super) fn captures_at(&self, value: &[u8], from: usize, captures: &mut Captures) -> Option<Range<usize>> {
        if from > value.len() {
            return None;
        }
        let mut slots: [Option<NonMaxUsize>; 2 * GROUPS] = [None; 2 * GROUPS];
        // The engine takes fewer slots than the pattern has, and panics where there are more.
        let slots = slots.get_mut(..2 * self.regex.captures_len().min(GROUPS))?;
        self.regex.search_slots(&Input::new(value).range(from..), slots)?;
        let mut whole = None;
        for (group, pair) in slots.chunks_exact(2).enumerate() {
            if let [Some(start), Some(end)] = pair {
                let range = start.get()..end.get();
                captures.set(group, range.clone());
                if group == 0 {
                    whole = Some(range);
                }
            }
        }
        whole
    }

    /// Whether `^`, `$` or `\b` stand in it.
    pub(super) const fn looks_around(&self) -> bool {
        self.looks_around
    }

    pub(crate) fn clauses(&self) -> Clauses {
        self.clauses.clone()
    }
}

/// The last line of a syntax error says what is wrong; the lines before draw the pattern.
fn reason(error: &str) -> String {
    error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

fn too_large(error: &BuildError) -> String {
    match error.size_limit() {
        Some(limit) => format!("compiled it is larger than {limit} bytes"),
        None => error.to_string(),
    }
}
