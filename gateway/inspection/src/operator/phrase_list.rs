//! How SecLang writes phrases: `@pm one two |0d 0a|`, and one a line in the files of `@pmFromFile`.
//!
//! As in ModSecurity 3: in a parameter phrases are separated by white space, bytes may be written in hexadecimal between
//! bars (snort's notation), and a backslash escapes `:`, `;`, `"` and itself; where any other character follows it, the
//! whole parameter is taken as it stands. A space written in hexadecimal belongs to its phrase (ModSecurity would split
//! there). Lines of a file stand for themselves, with the white space at their ends: `sql-errors.data` of CRS has a phrase
//! that begins with a space. Empty lines and lines whose first character is `#` are left out; a carriage return before the
//! line feed is no part of the line.

use crate::transform::{hex_value, is_space};

/// The phrases of a parameter.
pub(super) fn of_parameter(parameter: &[u8]) -> Vec<Vec<u8>> {
    let text = parameter.trim_ascii_start();
    let text = match text {
        [b'"', inner @ .., b'"'] => inner,
        other => other,
    };
    notation(text).unwrap_or_else(|| {
        parameter.split(|byte| is_space(*byte)).filter(|phrase| !phrase.is_empty()).map(<[u8]>::to_vec).collect()
    })
}

/// The phrases of a text with bars and backslashes; `None` where a backslash is followed by what it does not escape.
fn notation(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut phrases, mut phrase) = (Vec::new(), Vec::new());
    let mut within_bars = false;
    let mut high = None;
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'|' => within_bars = !within_bars,
            _ if within_bars => match (hex_value(byte), high) {
                (Some(digit), None) => high = Some(digit),
                (Some(digit), Some(first)) => {
                    phrase.push(first << 4 | digit);
                    high = None;
                }
                (None, _) => {}
            },
            b'\\' => match bytes.next() {
                Some(escaped @ (b':' | b';' | b'\\' | b'"')) => phrase.push(escaped),
                _ => return None,
            },
            _ if is_space(byte) => phrases.push(std::mem::take(&mut phrase)),
            _ => phrase.push(byte),
        }
    }
    phrases.push(phrase);
    phrases.retain(|phrase| !phrase.is_empty());
    Some(phrases)
}

/// The phrases of a file.
pub(super) fn of_file(contents: &[u8]) -> Vec<Vec<u8>> {
    contents
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.is_empty() && !line.trim_ascii_start().starts_with(b"#"))
        .map(<[u8]>::to_vec)
        .collect()
}
