//! `phrases` (SecLang: `@pm`, `@pmFromFile`): any of many phrases in one pass (Aho-Corasick), upper and lower case alike.
//!
//! Example: `match = { phrases = ["/etc/passwd", "/etc/shadow"] }`. With `words = true` a phrase counts only where no
//! letter, digit or underscore touches it. How SecLang writes a list is in [`super::phrase_list`].

use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};
use rampart_settings::Place;

use super::phrase_list;
use crate::literals::Clauses;

/// Phrases of one operator.
const MAX_PHRASES: usize = 20_000;

/// A compiled list.
#[derive(Debug)]
pub(crate) struct Phrases {
    automaton: AhoCorasick,
    words: bool,
    folded: Box<[Box<[u8]>]>,
}

impl Phrases {
    pub(crate) fn compile(phrases: &[String], words: bool, place: &Place<'_>) -> Option<Self> {
        if let Some(empty) = phrases.iter().position(String::is_empty) {
            place.index(empty).error("an empty phrase matches every value");
            return None;
        }
        let kind = if words { MatchKind::Standard } else { MatchKind::LeftmostFirst };
        match Self::build(phrases, kind, words) {
            Ok(phrases) => Some(phrases),
            Err(error) => {
                place.error(error);
                None
            }
        }
    }

    /// The phrases of `@pm`.
    pub(super) fn of_parameter(parameter: &[u8]) -> Result<Self, String> {
        Self::build(&phrase_list::of_parameter(parameter), MatchKind::Standard, false)
    }

    /// The phrases of `@pmFromFile`.
    pub(super) fn of_file(contents: &[u8]) -> Result<Self, String> {
        Self::build(&phrase_list::of_file(contents), MatchKind::Standard, false)
    }

    fn build<P: AsRef<[u8]>>(phrases: &[P], kind: MatchKind, words: bool) -> Result<Self, String> {
        if phrases.is_empty() || phrases.len() > MAX_PHRASES {
            return Err(format!("a list of phrases has 1 to {MAX_PHRASES} entries, not {}", phrases.len()));
        }
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(kind)
            .build(phrases)
            .map_err(|error| format!("the phrases do not compile: {error}"))?;
        let folded = phrases.iter().map(|phrase| phrase.as_ref().to_ascii_lowercase().into()).collect();
        Ok(Self { automaton, words, folded })
    }

    pub(crate) fn find(&self, value: &[u8]) -> Option<Range<usize>> {
        if !self.words {
            return self.automaton.find(value).map(|found| found.range());
        }
        self.automaton.find_overlapping_iter(value).map(|found| found.range()).find(|range| stands_alone(value, range))
    }

    pub(crate) fn clauses(&self) -> Clauses {
        Clauses::any_of(self.folded.iter().map(|phrase| phrase.to_vec()).collect())
    }
}

fn stands_alone(value: &[u8], range: &Range<usize>) -> bool {
    let word = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let before = range.start.checked_sub(1).and_then(|at| value.get(at));
    !word(before) && !word(value.get(range.end))
}
