//! JSON strings (RFC 8259 section 7): borrowed where they hold no escape.

use std::borrow::Cow;

use super::Scanner;
use crate::percent::hex;
use crate::{At, Problem, ProblemCode};

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

impl<'a> Scanner<'_, '_, 'a> {
    /// Reads the string whose opening quote is next. One that never ends gives what there is; the caller then finds
    /// that its closing bracket is missing.
    pub(super) fn string(&mut self, at: At) -> Cow<'a, [u8]> {
        self.pos += 1;
        let start = self.pos;
        let mut owned: Option<Vec<u8>> = None;
        let mut plain = start;
        loop {
            self.pos = plain_end(self.bytes, self.pos);
            let Some(byte) = self.peek() else {
                self.odd_string(at);
                break;
            };
            match byte {
                b'"' => break,
                b'\\' => {
                    let text = owned.get_or_insert_with(Vec::new);
                    text.extend_from_slice(self.bytes.get(plain..self.pos).unwrap_or_default());
                    self.pos += 1;
                    self.escape(at, text);
                    plain = self.pos;
                }
                _ => {
                    self.odd_string(at);
                    self.pos += 1;
                }
            }
        }
        let tail = self.bytes.get(plain..self.pos).unwrap_or_default();
        self.pos += 1;
        match owned {
            None => Cow::Borrowed(tail),
            Some(mut text) => {
                text.extend_from_slice(tail);
                Cow::Owned(text)
            }
        }
    }

    fn odd_string(&mut self, at: At) {
        self.lenient = true;
        self.out.note(Problem::offset(ProblemCode::MalformedJson, at, self.pos));
    }

    /// Undoes the escape whose backslash is gone.
    fn escape(&mut self, at: At, text: &mut Vec<u8>) {
        let Some(byte) = self.peek() else { return };
        self.pos += 1;
        match byte {
            b'"' | b'\\' | b'/' => text.push(byte),
            b'b' => text.push(0x08),
            b'f' => text.push(0x0c),
            b'n' => text.push(b'\n'),
            b'r' => text.push(b'\r'),
            b't' => text.push(b'\t'),
            b'u' => self.unicode(at, text),
            _ => {
                self.pos -= 1;
                self.odd_string(at);
                self.pos += 1;
                text.push(byte);
            }
        }
    }

    /// `\uXXXX`, with its partner where it is a high surrogate.
    fn unicode(&mut self, at: At, text: &mut Vec<u8>) {
        let Some(unit) = self.four_digits() else {
            self.odd_string(at);
            text.push(b'u');
            return;
        };
        let scalar = match unit {
            0xd800..=0xdbff => self.low_surrogate().map(|low| 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00)),
            _ => Some(unit),
        };
        let letter = scalar.and_then(char::from_u32).unwrap_or_else(|| {
            self.out.note(Problem::offset(ProblemCode::LoneSurrogate, at, self.pos));
            char::REPLACEMENT_CHARACTER
        });
        text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// The low surrogate that follows, if one does; else nothing is read.
    fn low_surrogate(&mut self) -> Option<u32> {
        let before = self.pos;
        if self.bytes.get(before..).is_some_and(|rest| rest.starts_with(b"\\u")) {
            self.pos += 2;
            if let Some(low @ 0xdc00..=0xdfff) = self.four_digits() {
                return Some(low);
            }
            self.pos = before;
        }
        None
    }

    fn four_digits(&mut self) -> Option<u32> {
        let digits = self.bytes.get(self.pos..self.pos + 4)?;
        let unit = digits.iter().try_fold(0, |unit, &digit| Some(unit << 4 | u32::from(hex(digit)?)))?;
        self.pos += 4;
        Some(unit)
    }
}

/// The position from `at` of the first quote, backslash or control byte: eight bytes at a step.
#[inline]
fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*word);
        let found = special(word);
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|&byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)).unwrap_or(rest.len())
}

/// The high bit of every byte of `word` that is a quote, a backslash or below 0x20. Bits above the first one set may
/// be wrong (a borrow runs upwards), the first one never is.
#[inline]
const fn special(word: u64) -> u64 {
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let is_quote = quote.wrapping_sub(ONES) & !quote;
    let is_backslash = backslash.wrapping_sub(ONES) & !backslash;
    let is_control = word.wrapping_sub(ONES * 0x20) & !word;
    (is_quote | is_backslash | is_control) & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn eight_at_a_step_is_one_at_a_step(bytes in proptest::collection::vec(proptest::sample::select(
            vec![0u8, 0x1f, 0x20, 0x21, b'"', b'#', b'\\', b']', 0x7f, 0x80, 0xa2, 0xdc, 0xff]), 0..40)) {
            let slow = bytes.iter().position(|&byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)).unwrap_or(bytes.len());
            proptest::prop_assert_eq!(plain_end(&bytes, 0), slow);
        }
    }
}
