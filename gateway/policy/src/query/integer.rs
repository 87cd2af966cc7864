//! Whole numbers in digits, of any length, against bounds.
//!
//! The grammar is the one that every reader agrees on: `0`, or an optional `-` and digits of which the first is not zero.
//! `+5` (whose `+` may be a blank), `-0`, `05` (octal to some), `0x5`, `5.0`, `5e3`, blanks and digits that are not ASCII
//! are no numbers here. The value is never computed before its number of digits is known, so nothing overflows.

/// Digits of the largest number that fits a 64-bit integer.
const LONGEST: usize = 19;

/// A range of whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Integer {
    /// The least that passes.
    pub min: i64,
    /// The most that passes; not less than `min`.
    pub max: i64,
    /// Whether leading zeros pass.
    pub leading_zeros: bool,
}

/// Where a text stands to a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A number in it.
    Within,
    /// A number below it.
    Below,
    /// A number above it.
    Above,
    /// No number.
    NoNumber,
}

impl Integer {
    /// Where `text` stands.
    pub fn standing(&self, text: &str) -> Standing {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Standing::NoNumber;
        }
        let significant = digits.trim_start_matches('0');
        let is_zero = significant.is_empty();
        let zeros = digits.len() - significant.len();
        if negative && is_zero || zeros > usize::from(is_zero) && !self.leading_zeros {
            return Standing::NoNumber;
        }
        // More digits than any bound has: beyond all of them.
        let magnitude = if significant.len() > LONGEST { i128::MAX } else { significant.parse().unwrap_or(0) };
        let value = if negative { -magnitude } else { magnitude };
        if value < i128::from(self.min) {
            Standing::Below
        } else if value > i128::from(self.max) {
            Standing::Above
        } else {
            Standing::Within
        }
    }
}
