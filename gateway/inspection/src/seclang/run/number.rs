//! Numbers as `setvar` reads them: C's `stoi`, where what is no number is 0.

/// The integer at the beginning of a text: white space, a sign, digits. 0 where there is none, or where it does not fit
/// into 32 bits (then `stoi` throws, and ModSecurity takes 0).
pub(super) fn integer(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let mut value = 0_i64;
    for digit in digits.iter().take_while(|byte| byte.is_ascii_digit()) {
        value = value * 10 + i64::from(digit - b'0');
        if value > i64::from(u32::MAX) {
            return 0;
        }
    }
    let value = if negative { -value } else { value };
    if i32::try_from(value).is_ok() { value } else { 0 }
}

/// Writes a number in decimal.
pub(super) fn write(number: i64, out: &mut Vec<u8>) {
    use std::io::Write as _;
    // A vector takes every byte.
    let _ = write!(out, "{number}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_stoi_reads() {
        let check = |text: &str, expect| assert_eq!(integer(text.as_bytes()), expect, "{text:?}");
        check("5", 5);
        check("-5", -5);
        check("+5", 5);
        check("  12ab", 12);
        check("", 0);
        check("abc", 0);
        check("-", 0);
        check("2147483647", 2_147_483_647);
        check("-2147483648", -2_147_483_648);
        check("2147483648", 0);
        check("99999999999999999999999", 0);
    }
}
