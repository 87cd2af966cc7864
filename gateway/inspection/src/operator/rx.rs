//! `@rx` and `@rxGlobal`: PCRE patterns, in linear time where that is possible and by bounded back-tracking otherwise.
//!
//! Example: `SecRule ARGS "@rx (?i)\bunion\b.{1,100}?\bselect\b" "capture,..."`. Also what SecLang's regular expressions in
//! selectors (`ARGS:/^x_/`) compile to.

use std::ops::Range;

use super::backtracking::Backtracking;
use super::regex::{MAX_PROGRAM_BYTES, Pattern};
use super::{Captures, OperatorError, pcre};
use crate::literals::Clauses;

/// Compiled size of a pattern that is put together in a request, in bytes.
const MAX_SMALL_PROGRAM_BYTES: usize = 64 << 10;

/// A compiled PCRE pattern.
#[derive(Debug)]
pub(crate) enum Rx {
    Linear(Pattern),
    Backtracking(Box<Backtracking>),
}

impl Rx {
    /// Compiles a pattern as SecLang writes it.
    ///
    /// # Errors
    /// When it is none, uses what is not supported (recursion, conditionals, Unicode classes ...) or is too large.
    pub(crate) fn compile(pattern: &[u8]) -> Result<Self, OperatorError> {
        Self::within(pattern, MAX_PROGRAM_BYTES)
    }

    /// As [`Self::compile`], for a pattern that was put together in a request.
    pub(super) fn compile_small(pattern: &[u8]) -> Result<Self, OperatorError> {
        Self::within(pattern, MAX_SMALL_PROGRAM_BYTES)
    }

    fn within(pattern: &[u8], max_program_bytes: usize) -> Result<Self, OperatorError> {
        let translated = pcre::translate(pattern).map_err(OperatorError::Pattern)?;
        let linear = Pattern::of_syntax(&translated.linear, max_program_bytes).map_err(OperatorError::Pattern)?;
        Ok(match translated.exact {
            None => Self::Linear(linear),
            Some(exact) => Self::Backtracking(Box::new(
                Backtracking::compile(&exact, linear, max_program_bytes).map_err(OperatorError::Pattern)?,
            )),
        })
    }

    /// Whether the pattern needs back-tracking, so that its cost is bounded and not linear.
    pub(crate) const fn is_backtracking(&self) -> bool {
        matches!(self, Self::Backtracking(_))
    }

    pub(crate) fn is_match(&self, value: &[u8]) -> bool {
        match self {
            Self::Linear(pattern) => pattern.is_match(value),
            Self::Backtracking(pattern) => pattern.find_at(value, 0).is_some(),
        }
    }

    pub(crate) fn find(&self, value: &[u8]) -> Option<Range<usize>> {
        self.find_at(value, 0)
    }

    /// The first match that begins at `from` or after it.
    pub(super) fn find_at(&self, value: &[u8], from: usize) -> Option<Range<usize>> {
        match self {
            Self::Linear(pattern) => pattern.find_at(value, from),
            Self::Backtracking(pattern) => pattern.find_at(value, from),
        }
    }

    /// Whether the value matches, and the groups of the first match.
    pub(crate) fn captures(&self, value: &[u8], captures: &mut Captures) -> bool {
        self.captures_at(value, 0, captures).is_some()
    }

    /// Whether the value matches, and of each group what it held when it last took part in a match (`@rxGlobal`).
    pub(crate) fn captures_global(&self, value: &[u8], captures: &mut Captures) -> bool {
        let mut from = 0;
        let mut matched = false;
        while let Some(found) = self.captures_at(value, from, captures) {
            matched = true;
            from = if found.is_empty() { found.end + 1 } else { found.end };
        }
        matched
    }

    fn captures_at(&self, value: &[u8], from: usize, captures: &mut Captures) -> Option<Range<usize>> {
        match self {
            Self::Linear(pattern) => pattern.captures_at(value, from, captures),
            Self::Backtracking(pattern) => pattern.captures_at(value, from, captures),
        }
    }

    /// Whether what stands before and after a match makes a difference.
    pub(super) const fn looks_around(&self) -> bool {
        match self {
            Self::Linear(pattern) => pattern.looks_around(),
            Self::Backtracking(_) => true,
        }
    }

    pub(crate) fn clauses(&self) -> Clauses {
        match self {
            Self::Linear(pattern) => pattern.clauses(),
            Self::Backtracking(pattern) => pattern.relaxed().clauses(),
        }
    }
}
