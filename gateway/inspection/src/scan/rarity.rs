//! How rare bytes are in what people and browsers send. A literal is looked for by its rarest part, so that the search
//! stops where the literal is likely to be and not in every word. The figures only choose: a wrong one costs time.

use crate::bytes::ByteSet;

/// Letters by how often English has them, `e` first; JSON, URLs and code hardly differ.
const LETTERS: &[u8; 26] = b"etaoinsrhldcumfpgwybvkxjqz";

/// Words that are in very many requests. Their parts are poor keys.
const COMMON: [&[u8]; 54] = [
    b"http",
    b"https://www.",
    b"json.",
    b"mozilla/5.0 (",
    b"applewebkit",
    b"khtml, like gecko",
    b"chrome/",
    b"safari/",
    b"windows",
    b"android",
    b"google",
    b".com/",
    b"text/html",
    b"application/",
    b"image/",
    b"type",
    b"version",
    b"time",
    b"name",
    b"user",
    b"data",
    b"code",
    b"event",
    b"page",
    b"title",
    b"value",
    b"java",
    b"script",
    b"content",
    b"status",
    b"info",
    b"list",
    b"path",
    b"host",
    b"order",
    b"source",
    b"trace",
    b"client",
    b"server",
    b"session",
    b"cookie",
    b"enabled",
    b"close",
    b"load",
    b"cache",
    b"count",
    b"access",
    b"language",
    b"accept",
    b"report",
    b"request",
    b"query",
    b"token",
    b"memory",
];
/// Taken off the rarity of what is part of a common word.
const IS_COMMON: u32 = 60;

/// Higher is rarer.
fn of_byte(byte: u8) -> u32 {
    match byte.to_ascii_lowercase() {
        b' ' => 0,
        letter @ b'a'..=b'z' => {
            let rank = LETTERS.iter().position(|known| *known == letter).unwrap_or_default();
            4 + u32::try_from(rank).unwrap_or_default()
        }
        b'0'..=b'2' => 8,
        b'3'..=b'9' | b'.' | b'-' | b'/' | b'_' | b',' => 12,
        b':' | b'"' | b'=' | b'&' | b'%' | b'+' => 16,
        _ => 28,
    }
}

/// The figures, worked out once for many literals.
#[derive(Debug)]
pub(super) struct Rarity {
    of_byte: Vec<u32>,
    /// What two and three neighbouring bytes of common words are, in order.
    common: Vec<u32>,
}

impl Rarity {
    pub(super) fn new() -> Self {
        let windows = COMMON.iter().flat_map(|word| word.windows(2).chain(word.windows(3)));
        let mut common: Vec<u32> = windows.map(packed).collect();
        common.sort_unstable();
        common.dedup();
        Self { of_byte: (0..=255).map(of_byte).collect(), common }
    }

    /// Where the rarest `length` neighbouring bytes of a literal begin; two or three of them.
    pub(super) fn rarest(&self, literal: &[u8], length: usize) -> usize {
        let byte = |byte: &u8| self.of_byte.get(usize::from(*byte)).copied().unwrap_or_default();
        let rarity = |window: &[u8]| {
            let sum: u32 = window.iter().map(byte).sum();
            if self.common.binary_search(&packed(window)).is_ok() { sum.saturating_sub(IS_COMMON) } else { sum }
        };
        let windows = literal.windows(length).enumerate();
        // Among equals the first.
        windows.max_by_key(|(at, window)| (rarity(window), std::cmp::Reverse(*at))).map_or(0, |(at, _)| at)
    }
}

fn packed(window: &[u8]) -> u32 {
    window.iter().fold(1, |all, byte| all << 8 | u32::from(byte.to_ascii_lowercase()))
}

/// The class of the rarest byte of a literal.
pub(super) fn telling(literal: &[u8]) -> ByteSet {
    let rarest = literal.iter().copied().max_by_key(|byte| of_byte(*byte));
    ByteSet::covering(rarest.into_iter().flat_map(|byte| [byte, byte.to_ascii_uppercase()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefers_what_is_seldom_seen() {
        let rarity = Rarity::new();
        for (literal, length, expect) in [
            ("/etc/passwd", 3, "c/p"),
            ("a<b", 2, "<b"),
            ("<?php", 3, "<?p"),
            ("json_quote", 3, "_qu"),
            ("src", 3, "src"),
        ] {
            let at = rarity.rarest(literal.as_bytes(), length);
            assert_eq!(&literal[at..at + length], expect, "{literal}");
        }
    }
}
