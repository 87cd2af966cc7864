//! `@validateUtf8Encoding`: the value is not UTF-8 (RFC 3629): a byte that begins nothing, a character that is cut off,
//! longer than need be, a surrogate, or beyond U+10FFFF.
//!
//! Example: `SecRule ARGS "@validateUtf8Encoding"`. ModSecurity 3 lets F4 90 to F4 BF pass, which encode nothing; they
//! match here.

use std::ops::Range;

/// From the first byte that is wrong to the end of the value.
pub(crate) fn find(value: &[u8]) -> Option<Range<usize>> {
    let error = std::str::from_utf8(value).err()?;
    Some(error.valid_up_to()..value.len())
}
