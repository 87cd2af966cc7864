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
        b'3'..=b'9' => 12,
        b'.' | b'-' | b'/' | b'_' | b',' => 12,
        b':' | b'"' | b'=' | b'&' | b'%' | b'+' => 16,
        _ => 28,
    }
}

/// Where the rarest `length` neighbouring bytes of a literal begin.
pub(super) fn rarest(literal: &[u8], length: usize) -> usize {
    let is_common = |window: &[u8]| COMMON.iter().any(|word| memchr::memmem::find(word, window).is_some());
    let rarity = |window: &[u8]| {
        let sum: u32 = window.iter().map(|byte| of_byte(*byte)).sum();
        if is_common(window) { sum.saturating_sub(IS_COMMON) } else { sum }
    };
    let windows = literal.windows(length).enumerate();
    // Among equals the first.
    windows.max_by_key(|(at, window)| (rarity(window), std::cmp::Reverse(*at))).map_or(0, |(at, _)| at)
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
        for (literal, length, expect) in [
            ("json_quote", 4, "n_qu"),
            ("/etc/passwd", 4, "sswd"),
            ("a<b", 2, "<b"),
            ("<?php", 4, "<?ph"),
            ("http", 4, "http"),
        ] {
            let at = rarest(literal.as_bytes(), length);
            assert_eq!(&literal[at..at + length], expect, "{literal}");
        }
    }
}
