//! `@verifyCC`, `@verifyCPF`, `@verifySSN`, `@verifySVNR`: a pattern finds candidates for a number, and arithmetic tells
//! which of them can be one.
//!
//! Example: `SecRule RESPONSE_BODY "@verifyCC \d{13,16}"`. The digits of a match count, whatever stands between them.

mod cpf;
mod credit_card;
mod ssn;
mod svnr;

use std::ops::Range;

use super::{OperatorError, Rx};
use crate::literals::Clauses;

/// Which number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VerifyKind {
    /// Payment cards: the Luhn sum (ISO/IEC 7812).
    CreditCard,
    /// Brazil's Cadastro de Pessoas Físicas.
    Cpf,
    /// The social security number of the United States.
    Ssn,
    /// Austria's Sozialversicherungsnummer.
    Svnr,
}

/// Candidates of one value are looked for in so many bytes for each byte of it, and a few more. An attacker chooses
/// neither pattern nor check, but can send digits in a row, of which each begins a candidate.
const READ_PER_BYTE: usize = 64;
const READ_AT_LEAST: usize = 16 << 10;

/// A compiled operator.
#[derive(Debug)]
pub(crate) struct Verify {
    kind: VerifyKind,
    rx: Rx,
}

impl Verify {
    pub(super) fn compile(kind: VerifyKind, pattern: &[u8]) -> Result<Self, OperatorError> {
        let rx = Rx::compile(pattern)?;
        Ok(Self { kind, rx })
    }

    /// The first match that can be a number.
    pub(crate) fn find(&self, value: &[u8]) -> Option<Range<usize>> {
        let mut budget = value.len().saturating_mul(READ_PER_BYTE).saturating_add(READ_AT_LEAST);
        let mut from = 0;
        while from < value.len() && budget > 0 {
            let Some(found) = self.candidate(value, from) else {
                if !self.rx.looks_around() {
                    return None;
                }
                budget = budget.saturating_sub(value.len() - from);
                from += 1;
                continue;
            };
            if self.holds(value.get(found.clone()).unwrap_or_default()) {
                return Some(found);
            }
            budget = budget.saturating_sub(found.end - from).saturating_sub(1);
            // Every place may begin a candidate, also one within another.
            from = if self.rx.looks_around() { from } else { found.start } + 1;
        }
        None
    }

    /// The first match at or after a place. ModSecurity 3 cuts the value there for all but cards, so that `^` matches at
    /// every place.
    fn candidate(&self, value: &[u8], from: usize) -> Option<Range<usize>> {
        if self.kind == VerifyKind::CreditCard {
            return self.rx.find_at(value, from);
        }
        let found = self.rx.find(value.get(from..)?)?;
        Some(found.start + from..found.end + from)
    }

    fn holds(&self, candidate: &[u8]) -> bool {
        let digits = candidate.iter().filter(|byte| byte.is_ascii_digit()).map(|digit| digit - b'0');
        match self.kind {
            VerifyKind::CreditCard => credit_card::holds(digits),
            VerifyKind::Cpf => cpf::holds(digits),
            VerifyKind::Ssn => ssn::holds(digits),
            VerifyKind::Svnr => svnr::holds(digits),
        }
    }

    pub(crate) fn clauses(&self) -> Clauses {
        self.rx.clauses()
    }

    pub(super) const fn rx(&self) -> &Rx {
        &self.rx
    }
}

/// The first `N` digits; more than `N` are ignored, fewer are no number.
fn first<const N: usize>(digits: impl Iterator<Item = u8>) -> Option<[u32; N]> {
    let mut out = [0; N];
    let mut filled = 0;
    for (slot, digit) in out.iter_mut().zip(digits) {
        *slot = u32::from(digit);
        filled += 1;
    }
    (filled == N).then_some(out)
}

/// Whether all digits are the same, or each is one more than the one before.
fn is_made_up(digits: &[u32]) -> bool {
    let steps = |by: u32| digits.windows(2).all(|pair| matches!(pair, [a, b] if a + by == *b));
    steps(0) || steps(1)
}

/// The sum of digits times weights.
fn weighted(digits: &[u32], weights: impl IntoIterator<Item = u32>) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum()
}
