//! Austria's Sozialversicherungsnummer: three digits, a check digit, and a date of birth.

use super::{first, weighted};

/// Whether the digits can be a number. As in ModSecurity, repdigits and two rows of digits are none.
pub(super) fn holds(digits: impl Iterator<Item = u8>) -> bool {
    let Some(digits) = first::<10>(digits) else { return false };
    let same = digits.windows(2).all(|pair| matches!(pair, [a, b] if a == b));
    if same || digits == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] || digits == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0] {
        return false;
    }
    let [_, _, _, check, ..] = digits;
    // A sum that leaves ten is never assigned; ModSecurity takes it for zero.
    let sum = weighted(&digits, [3, 7, 9, 0, 5, 8, 4, 2, 1, 6]) % 11 % 10;
    sum == check
}
