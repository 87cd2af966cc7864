//! Payment cards: every second digit from the right but one is doubled, and the digit sums add up to a multiple of ten
//! (Luhn, ISO/IEC 7812-1). How many digits there must be is the pattern's to say.

/// Whether the digits can be those of a card.
pub(super) fn holds(digits: impl Iterator<Item = u8>) -> bool {
    // Which digits are doubled depends on their number: both sums are kept, and the right one is taken at the end.
    let (mut odd, mut even, mut count) = (0u64, 0u64, 0u64);
    for digit in digits.map(u64::from) {
        let doubled = if digit > 4 { 2 * digit - 9 } else { 2 * digit };
        if count % 2 == 0 {
            even += doubled;
            odd += digit;
        } else {
            even += digit;
            odd += doubled;
        }
        count += 1;
    }
    let sum = if count % 2 == 0 { even } else { odd };
    count > 0 && sum.is_multiple_of(10)
}
