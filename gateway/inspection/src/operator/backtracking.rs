//! Patterns with look-around, back references, atomic groups or possessive quantifiers: no automaton runs them, so they
//! are run by back-tracking, bounded.
//!
//! The crate `fancy-regex` does it, on bytes. To keep the exponential part small, each pattern has a relaxation beside it:
//! the same without what is not regular, which matches wherever the pattern does, in linear time. Only where a match of the
//! relaxation begins is the pattern itself tried. What needs more steps than the limits allow counts as no match, and is
//! counted ([`backtracking_gave_up`]).
//!
//! CRS 4 has no such pattern, CRS 3.3 a few.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use fancy_regex::{BytesMode, Regex, RegexBuilder, RegexInput};

use super::Captures;
use super::captures::GROUPS;
use super::regex::{MAX_CACHE_BYTES, Pattern};

/// Steps back that one attempt may take.
const MAX_STEPS: usize = 20_000;
/// Places of one value where the pattern is tried.
const MAX_ATTEMPTS: usize = 1_024;

/// Values on which a pattern reached its limits.
static GAVE_UP: AtomicU64 = AtomicU64::new(0);

/// How often a SecLang pattern that runs by back-tracking reached its limits, so that it counted as no match, since the
/// process began. `check` lists these patterns; CRS 4 has none.
pub fn backtracking_gave_up() -> u64 {
    GAVE_UP.load(Ordering::Relaxed)
}

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Backtracking {
    exact: Regex,
    relaxed: Pattern,
}

impl Backtracking {
    pub(super) fn compile(exact: &str, relaxed: Pattern, max_program_bytes: usize) -> Result<Self, String> {
        let exact = RegexBuilder::new(exact)
            .bytes_mode(BytesMode::Ascii)
            .dot_matches_new_line(true)
            .backtrack_limit(MAX_STEPS)
            .delegate_size_limit(max_program_bytes)
            .delegate_dfa_size_limit(MAX_CACHE_BYTES)
            .max_prog_size(max_program_bytes / 16)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { exact, relaxed })
    }

    pub(super) const fn relaxed(&self) -> &Pattern {
        &self.relaxed
    }

    /// The first match that begins at `from` or after it.
    pub(super) fn find_at(&self, value: &[u8], from: usize) -> Option<Range<usize>> {
        self.first(value, from, |input| Ok(self.exact.find_input(input)?.map(|found| found.range())))
    }

    /// As [`Self::find_at`], with its groups. Groups that took no part keep what they hold.
    pub(super) fn captures_at(&self, value: &[u8], from: usize, captures: &mut Captures) -> Option<Range<usize>> {
        self.first(value, from, |input| {
            let Some(found) = self.exact.captures_input(input)? else { return Ok(None) };
            for (group, part) in (0..GROUPS).filter_map(|group| Some((group, found.get(group)?))) {
                captures.set(group, part.range());
            }
            Ok(found.get(0).map(|whole| whole.range()))
        })
    }

    /// Tries the pattern at each place where its relaxation begins to match.
    fn first<F>(&self, value: &[u8], mut from: usize, mut attempt: F) -> Option<Range<usize>>
    where
        F: for<'v> FnMut(RegexInput<'v, [u8]>) -> fancy_regex::Result<Option<Range<usize>>>,
    {
        for _ in 0..MAX_ATTEMPTS {
            let candidate = self.relaxed.find_at(value, from)?;
            match attempt(RegexInput::new(value).from_pos(candidate.start).anchored(true)) {
                Ok(None) => from = candidate.start + 1,
                Ok(found) => return found,
                Err(_) => break,
            }
        }
        GAVE_UP.fetch_add(1, Ordering::Relaxed);
        None
    }
}
