//! The social security number of the United States: area, group and serial number, none of them zero.

use super::is_made_up;

/// Areas from here on were never assigned (until 2011, when areas lost their meaning; ModSecurity keeps the bound).
const FIRST_UNASSIGNED_AREA: u32 = 740;

/// Whether exactly these digits can be a number.
pub(super) fn holds(digits: impl Iterator<Item = u8>) -> bool {
    let mut digits = digits.map(u32::from);
    let mut number = [0u32; 9];
    for slot in &mut number {
        let Some(digit) = digits.next() else { return false };
        *slot = digit;
    }
    if digits.next().is_some() || is_made_up(&number) {
        return false;
    }
    let read = |digits: &[u32]| digits.iter().fold(0, |sum, digit| sum * 10 + digit);
    let (area, rest) = number.split_at(3);
    let (group, serial) = rest.split_at(2);
    let (area, group, serial) = (read(area), read(group), read(serial));
    area != 0 && area != 666 && area < FIRST_UNASSIGNED_AREA && group != 0 && serial != 0
}
