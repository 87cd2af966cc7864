//! `@validateUrlEncoding`: the value holds a `%` that no two hexadecimal digits follow.
//!
//! Example: `SecRule REQUEST_URI_RAW "@validateUrlEncoding"`. A percent sign that was read as part of an escape is not
//! looked at again: `%25%` is wrong at its last byte only.

use std::ops::Range;

use crate::transform::hex_pair;

/// From the first `%` that is wrong to the end of the value.
pub(crate) fn find(value: &[u8]) -> Option<Range<usize>> {
    let wrong = |at: &usize| value.get(at + 1..).and_then(hex_pair).is_none();
    // Hexadecimal digits are no percent signs, so that every `%` after a good escape begins one of its own.
    memchr::memchr_iter(b'%', value).find(wrong).map(|at| at..value.len())
}
