//! Transformations: what is done to a value before an operator sees it.
//!
//! Names and semantics are ModSecurity's (reference manual v3, "Transformation functions"), in `snake_case`; the
//! published cases of corazawaf/coraza are run against every one of them. All work on bytes: NUL, invalid UTF-8 and
//! byte 0xBC mean themselves.
//!
//! A transformation writes to a buffer of the caller's and says whether it changed anything, so that a value that needs
//! no decoding costs no copy. [`Transformation::triggers`] names the byte classes without which it cannot change a
//! value; the engine then skips it without looking at the bytes again.

mod base64;
mod best_fit;
mod cmd_line;
mod comments;
mod css_decode;
mod digest;
mod escape_seq_decode;
mod hex;
mod html_entity_decode;
mod js_decode;
mod letters;
mod nulls;
mod path;
mod trim;
mod url_decode;
mod utf8_to_unicode;
mod whitespace;

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bytes::ByteSet;

/// One transformation, named as in rule files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Transformation {
    /// `%41` and `+`; what is no valid escape stays.
    UrlDecode,
    /// As `url_decode`, and `%u0041`; full-width forms become ASCII.
    UrlDecodeUni,
    /// ASCII letters to lower case.
    Lowercase,
    /// ASCII letters to upper case.
    Uppercase,
    /// JavaScript escapes: `\x41`, `\u0041`, `\101`, `\n`.
    JsDecode,
    /// `&lt;`, `&#60;`, `&#x3c;`.
    HtmlEntityDecode,
    /// Multi-byte UTF-8 sequences to `%uHHHH`.
    Utf8ToUnicode,
    /// Takes NUL bytes out.
    RemoveNulls,
    /// NUL bytes to spaces.
    ReplaceNulls,
    /// CSS 2.1 escapes.
    CssDecode,
    /// Undoes what shells ignore: `^`, quotes, backslashes, spaces before `/` and `(`.
    CmdLine,
    /// Takes white space out.
    RemoveWhitespace,
    /// Any run of white space to one space.
    CompressWhitespace,
    /// Each `/* ... */` to one space; an unfinished one too.
    ReplaceComments,
    /// Takes `/* ... */`, `<!-- ... -->`, `--` and `#` to the end of the value out.
    RemoveComments,
    /// Takes the comment characters themselves out: `/*`, `*/`, `--`, `#`.
    RemoveCommentsChar,
    /// `//`, `/./` and `/x/../` resolved.
    NormalizePath,
    /// As `normalize_path`, backslashes turned to slashes first.
    NormalizePathWin,
    /// ANSI C escapes: `\n`, `\x41`, `\101`.
    EscapeSeqDecode,
    /// The value's length in bytes, in decimal.
    Length,
    /// Base64; stops at the first byte that is none.
    Base64Decode,
    /// Base64; steps over bytes that are none.
    Base64DecodeExt,
    /// To base64.
    Base64Encode,
    /// To lower-case hexadecimal.
    HexEncode,
    /// From hexadecimal.
    HexDecode,
    /// White space at the left end.
    TrimLeft,
    /// White space at the right end.
    TrimRight,
    /// White space at both ends.
    Trim,
    /// The SHA-1 digest, 20 bytes.
    Sha1,
    /// The MD5 digest, 16 bytes.
    Md5,
}

impl Transformation {
    /// Applies it to `input`. True when the result differs and is in `out` (whatever was in there is gone); false when
    /// the value stays as it is, and `out` holds nothing of meaning.
    pub fn apply(self, input: &[u8], out: &mut Vec<u8>) -> bool {
        out.clear();
        match self {
            Self::UrlDecode => url_decode::plain(input, out),
            Self::UrlDecodeUni => url_decode::unicode(input, out),
            Self::Lowercase => letters::lower(input, out),
            Self::Uppercase => letters::upper(input, out),
            Self::JsDecode => js_decode::apply(input, out),
            Self::HtmlEntityDecode => html_entity_decode::apply(input, out),
            Self::Utf8ToUnicode => utf8_to_unicode::apply(input, out),
            Self::RemoveNulls => nulls::remove(input, out),
            Self::ReplaceNulls => nulls::replace(input, out),
            Self::CssDecode => css_decode::apply(input, out),
            Self::CmdLine => cmd_line::apply(input, out),
            Self::RemoveWhitespace => whitespace::remove(input, out),
            Self::CompressWhitespace => whitespace::compress(input, out),
            Self::ReplaceComments => comments::replace(input, out),
            Self::RemoveComments => comments::remove(input, out),
            Self::RemoveCommentsChar => comments::remove_char(input, out),
            Self::NormalizePath => path::unix(input, out),
            Self::NormalizePathWin => path::windows(input, out),
            Self::EscapeSeqDecode => escape_seq_decode::apply(input, out),
            Self::Length => {
                out.extend_from_slice(input.len().to_string().as_bytes());
                true
            }
            Self::Base64Decode => base64::decode(input, out),
            Self::Base64DecodeExt => base64::decode_ext(input, out),
            Self::Base64Encode => base64::encode(input, out),
            Self::HexEncode => hex::encode(input, out),
            Self::HexDecode => hex::decode(input, out),
            Self::TrimLeft => trim::left(input, out),
            Self::TrimRight => trim::right(input, out),
            Self::Trim => trim::both(input, out),
            Self::Sha1 => digest::sha1(input, out),
            Self::Md5 => digest::md5(input, out),
        }
    }

    /// The byte classes of which a value must hold at least one for this to change it; `None`: it may change any value.
    pub(crate) const fn triggers(self) -> Option<ByteSet> {
        const SPACE: ByteSet = ByteSet::SPACE.or(ByteSet::BLANK);
        const BREAK: ByteSet = SPACE.or(ByteSet::HIGH);
        Some(match self {
            Self::UrlDecode | Self::UrlDecodeUni => ByteSet::PERCENT.or(ByteSet::PLUS),
            Self::Lowercase => ByteSet::UPPER,
            Self::Uppercase => ByteSet::LOWER,
            Self::JsDecode | Self::CssDecode | Self::EscapeSeqDecode => ByteSet::BACKSLASH,
            Self::HtmlEntityDecode => ByteSet::AMPERSAND,
            Self::Utf8ToUnicode => ByteSet::HIGH,
            Self::RemoveNulls | Self::ReplaceNulls => ByteSet::NUL,
            Self::CmdLine => SPACE
                .or(ByteSet::UPPER)
                .or(ByteSet::BACKSLASH)
                .or(ByteSet::SINGLE_QUOTE)
                .or(ByteSet::DOUBLE_QUOTE)
                .or(ByteSet::CARET)
                .or(ByteSet::COMMA),
            Self::RemoveWhitespace | Self::CompressWhitespace => BREAK,
            Self::ReplaceComments => ByteSet::SLASH,
            Self::RemoveComments | Self::RemoveCommentsChar => {
                ByteSet::SLASH.or(ByteSet::STAR).or(ByteSet::DASH).or(ByteSet::HASH).or(ByteSet::ANGLE)
            }
            Self::NormalizePath => ByteSet::SLASH.or(ByteSet::DOT),
            Self::NormalizePathWin => ByteSet::SLASH.or(ByteSet::DOT).or(ByteSet::BACKSLASH),
            Self::TrimLeft | Self::TrimRight | Self::Trim => SPACE,
            Self::Length
            | Self::Base64Decode
            | Self::Base64DecodeExt
            | Self::Base64Encode
            | Self::HexEncode
            | Self::HexDecode
            | Self::Sha1
            | Self::Md5 => return None,
        })
    }

    /// The name in rule files and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UrlDecode => "url_decode",
            Self::UrlDecodeUni => "url_decode_uni",
            Self::Lowercase => "lowercase",
            Self::Uppercase => "uppercase",
            Self::JsDecode => "js_decode",
            Self::HtmlEntityDecode => "html_entity_decode",
            Self::Utf8ToUnicode => "utf8_to_unicode",
            Self::RemoveNulls => "remove_nulls",
            Self::ReplaceNulls => "replace_nulls",
            Self::CssDecode => "css_decode",
            Self::CmdLine => "cmd_line",
            Self::RemoveWhitespace => "remove_whitespace",
            Self::CompressWhitespace => "compress_whitespace",
            Self::ReplaceComments => "replace_comments",
            Self::RemoveComments => "remove_comments",
            Self::RemoveCommentsChar => "remove_comments_char",
            Self::NormalizePath => "normalize_path",
            Self::NormalizePathWin => "normalize_path_win",
            Self::EscapeSeqDecode => "escape_seq_decode",
            Self::Length => "length",
            Self::Base64Decode => "base64_decode",
            Self::Base64DecodeExt => "base64_decode_ext",
            Self::Base64Encode => "base64_encode",
            Self::HexEncode => "hex_encode",
            Self::HexDecode => "hex_decode",
            Self::TrimLeft => "trim_left",
            Self::TrimRight => "trim_right",
            Self::Trim => "trim",
            Self::Sha1 => "sha1",
            Self::Md5 => "md5",
        }
    }
}

/// The value of a hexadecimal digit.
pub(crate) const fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Two hexadecimal digits at the start of `bytes` as one byte.
pub(crate) fn hex_pair(bytes: &[u8]) -> Option<u8> {
    match bytes {
        [high, low, ..] => Some(hex_value(*high)? << 4 | hex_value(*low)?),
        _ => None,
    }
}

/// Four hexadecimal digits as ModSecurity reads a code point: its low byte, and full-width ASCII (U+FF01 to U+FF5E)
/// as the ASCII character.
pub(crate) fn hex_quad(bytes: &[u8]) -> Option<u8> {
    let (high, low) = (hex_pair(bytes)?, hex_pair(bytes.get(2..)?)?);
    Some(narrow(high, low))
}

/// The ASCII byte of a full-width form, otherwise the low byte.
pub(crate) const fn narrow(high: u8, low: u8) -> u8 {
    if high == 0xFF && low > 0x00 && low < 0x5F { low + 0x20 } else { low }
}

/// White space as C's `isspace` has it.
pub(crate) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0B | 0x0C | b'\r')
}
