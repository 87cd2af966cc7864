//! Words: keywords, functions, names bare, in brackets and in backticks, and variables.

use memchr::memchr;

use super::token::{Kind, TEXT, Token};
use super::tokeniser::Read;
use super::{string, words};

/// A word. One that SQL knows ends at a dot or backtick (`SELECT.1`, ``SELECT`a` ``); a name goes on.
pub(crate) fn read(rest: &[u8]) -> Read<'_> {
    let head = rest.get(..TEXT).unwrap_or(rest);
    let mut len = head.len();
    for (at, &byte) in head.iter().enumerate() {
        if ends_word(byte) {
            len = at;
            break;
        }
        if matches!(byte, b'.' | b'`')
            && let Some(known) = rest.get(..at)
            && let Some(kind) = words::kind_of(known)
            && kind != Kind::Bareword
        {
            return (Token::new(kind, known), at);
        }
    }
    if len == TEXT {
        len += rest.iter().skip(TEXT).take_while(|&&byte| !ends_word(byte)).count();
    }
    let text = rest.get(..len).unwrap_or(rest);
    (Token::new(words::kind_of(text).unwrap_or(Kind::Bareword), text), len)
}

/// What ends a word.
fn ends_word(byte: u8) -> bool {
    matches!(byte, b'[' | b']' | b'{' | b'}' | 0xa0) || (byte != b'`' && ends_variable(byte))
}

/// What ends a variable: less than what ends a word, and the backtick.
fn ends_variable(byte: u8) -> bool {
    matches!(
        byte,
        0 | b'\t'..=b'\r'
            | b' '
            | b'!'
            | b'"'
            | b'#'
            | b'%'..=b'-'
            | b'/'
            | b':'..=b'@'
            | b'\\'
            | b'^'
            | b'`'
            | b'|'
            | b'~'
    )
}

/// `[name]`, as SQL Server writes names.
pub(crate) fn read_bracketed(rest: &[u8]) -> Read<'_> {
    let len = memchr(b']', rest).map_or(rest.len(), |end| end + 1);
    (Token::new(Kind::Bareword, rest.get(..len).unwrap_or(rest)), len)
}

/// `` `name` ``, as MySQL writes names; or a function, when that is what the name is.
pub(crate) fn read_ticked(rest: &[u8]) -> Read<'_> {
    let (mut token, len) = string::read(rest, b'`', 1);
    token.kind = match words::kind_of(token.text) {
        Some(Kind::Function) => Kind::Function,
        _ => Kind::Bareword,
    };
    (token, len)
}

/// `@name` and `@@name`, the name bare or quoted.
pub(crate) fn read_variable(rest: &[u8]) -> Read<'_> {
    let signs = if matches!(rest, [_, b'@', ..]) { 2 } else { 1 };
    let name = rest.get(usize::from(signs)..).unwrap_or_default();
    let (mut token, len) = if let Some(&quote @ (b'`' | b'\'' | b'"')) = name.first() {
        string::read(name, quote, 1)
    } else {
        let len = name.iter().take_while(|&&byte| !ends_variable(byte)).count();
        (Token::new(Kind::Variable, name.get(..len).unwrap_or(name)), len)
    };
    token.kind = Kind::Variable;
    token.signs = signs;
    (token, len + usize::from(signs))
}
