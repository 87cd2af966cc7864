//! `phrases`: any of many phrases in one pass (Aho-Corasick), upper and lower case alike.
//!
//! Example: `match = { phrases = ["/etc/passwd", "/etc/shadow"] }`. With `words = true` a phrase counts only where no
//! letter, digit or underscore touches it.

use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};
use rampart_settings::Place;

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
        if phrases.is_empty() || phrases.len() > MAX_PHRASES {
            place.error(format!("a list of phrases has 1 to {MAX_PHRASES} entries, not {}", phrases.len()));
            return None;
        }
        if let Some(empty) = phrases.iter().position(String::is_empty) {
            place.index(empty).error("an empty phrase matches every value");
            return None;
        }
        let kind = if words { MatchKind::Standard } else { MatchKind::LeftmostFirst };
        match AhoCorasick::builder().ascii_case_insensitive(true).match_kind(kind).build(phrases) {
            Ok(automaton) => {
                let folded = phrases.iter().map(|p| p.to_ascii_lowercase().into_bytes().into()).collect();
                Some(Self { automaton, words, folded })
            }
            Err(error) => {
                place.error(format!("the phrases do not compile: {error}"));
                None
            }
        }
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
