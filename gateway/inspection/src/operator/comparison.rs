//! `length`, `number` and `count`: integers compared with a bound. (SecLang: `@lt`, `@le`, `@eq`, `@ge`, `@gt`.)
//!
//! Example: `SecRule &ARGS "@gt 255"`. Both sides are read as C's `atoll` reads: what is no number is 0. ModSecurity 3 takes
//! what does not fit 32 bits for 0 in some of these operators; here numbers saturate at 64 bits in all.

use rampart_settings::Place;

use crate::raw::RawComparison;
use crate::transform::is_space;

/// A bound and how to compare with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Lt(i64),
    Le(i64),
    Eq(i64),
    Ge(i64),
    Gt(i64),
}

impl Comparison {
    pub(crate) fn compile(raw: &RawComparison, place: &Place<'_>) -> Option<Self> {
        let given: Vec<Self> = [
            raw.lt.map(Self::Lt),
            raw.le.map(Self::Le),
            raw.eq.map(Self::Eq),
            raw.ge.map(Self::Ge),
            raw.gt.map(Self::Gt),
        ]
        .into_iter()
        .flatten()
        .collect();
        if let [one] = given.as_slice() {
            return Some(*one);
        }
        place.error_help("a comparison has exactly one bound", "write one of { lt = n }, le, eq, ge, gt");
        None
    }

    pub(crate) const fn holds(self, value: i64) -> bool {
        match self {
            Self::Lt(bound) => value < bound,
            Self::Le(bound) => value <= bound,
            Self::Eq(bound) => value == bound,
            Self::Ge(bound) => value >= bound,
            Self::Gt(bound) => value > bound,
        }
    }

    pub(crate) fn holds_len(self, length: usize) -> bool {
        self.holds(i64::try_from(length).unwrap_or(i64::MAX))
    }
}

/// The value as an integer in the way of C's `atoi`: white space, a sign, digits; 0 when there are none. Saturates.
pub(crate) fn integer(value: &[u8]) -> i64 {
    let start = value.iter().position(|byte| !is_space(*byte)).unwrap_or(value.len());
    let text = value.get(start..).unwrap_or_default();
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    let magnitude = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0i64, |sum, digit| sum.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    if negative { -magnitude } else { magnitude }
}
