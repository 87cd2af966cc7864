//! `@containsWord`: the value holds the text, and no letter touches it.
//!
//! Example: `SecRule ARGS "@containsWord sleep"` matches `1;sleep(5)` and not `oversleep`. As in ModSecurity 3 only ASCII
//! letters make a word longer: `sleep2` and `sleep_` match. An empty text matches every value.

use std::ops::Range;

use memchr::memmem::Finder;

use crate::literals::Clauses;

/// A word that is looked for.
#[derive(Debug)]
pub(crate) struct ContainsWord {
    finder: Finder<'static>,
}

impl ContainsWord {
    pub(super) fn new(word: &[u8]) -> Self {
        Self { finder: Finder::new(word).into_owned() }
    }

    pub(crate) fn find(&self, value: &[u8]) -> Option<Range<usize>> {
        find_with(&self.finder, value)
    }

    pub(crate) fn clauses(&self) -> Clauses {
        Clauses::any_of(vec![self.finder.needle().to_vec()])
    }
}

/// Where `value` holds `word` with no letter beside it.
pub(super) fn find(word: &[u8], value: &[u8]) -> Option<Range<usize>> {
    find_with(&Finder::new(word), value)
}

fn find_with(finder: &Finder<'_>, value: &[u8]) -> Option<Range<usize>> {
    let length = finder.needle().len();
    if length == 0 {
        return Some(0..0);
    }
    let mut from = 0;
    while let Some(found) = value.get(from..).and_then(|rest| finder.find(rest)) {
        let range = from + found..from + found + length;
        let letter = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphabetic);
        if !letter(range.start.checked_sub(1).and_then(|at| value.get(at))) && !letter(value.get(range.end)) {
            return Some(range);
        }
        from = range.start + 1;
    }
    None
}
