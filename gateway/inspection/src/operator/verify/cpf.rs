//! Brazil's Cadastro de Pessoas Físicas: nine digits and two check digits, each eleven less a weighted sum.

use super::{first, weighted};

/// Whether the digits can be a CPF. As in ModSecurity, repdigits and `01234567890` are none.
pub(super) fn holds(digits: impl Iterator<Item = u8>) -> bool {
    let Some(digits) = first::<11>(digits) else { return false };
    let same = digits.windows(2).all(|pair| matches!(pair, [a, b] if a == b));
    if same || digits == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0] {
        return false;
    }
    let check = |count: usize| match weighted(&digits, (2..=u32::try_from(count).unwrap_or(0) + 1).rev()) % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    };
    let [.., tenth, eleventh] = digits;
    check(9) == tenth && check(10) == eleventh
}
