//! Cuts a value into tokens. Which reader a token gets is decided by its first byte.
//!
//! A reader sees the value from that byte on and answers with a token and how many bytes it took.

use super::token::{Kind, Token};
use super::{comment, number, operator, string, word};

/// A token and the bytes that it took.
pub(crate) type Read<'a> = (Token<'a>, usize);

/// Whose comments are read: in MySQL `#` starts one, elsewhere `--` does without a space behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Ansi,
    MySql,
}

/// What the value is pasted into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Context {
    /// A number or a name: the value is read as it stands.
    Bare,
    /// A string that this quote opened: the value starts inside it.
    Quoted(u8),
}

/// Reads one token after the other.
#[derive(Debug)]
pub(crate) struct Tokeniser<'a> {
    rest: &'a [u8],
    dialect: Dialect,
    /// The quote that was opened before the value; read with the first token.
    inside: Option<u8>,
    /// Tokens read, comments among them.
    pub(crate) count: u32,
    /// A comment was seen that MySQL reads differently.
    pub(crate) differs_in_mysql: bool,
}

impl<'a> Tokeniser<'a> {
    /// At the start of a value.
    pub(crate) fn new(value: &'a [u8], context: Context, dialect: Dialect) -> Self {
        let inside = match context {
            Context::Bare => None,
            Context::Quoted(quote) => Some(quote),
        };
        Self { rest: value, dialect, inside, count: 0, differs_in_mysql: false }
    }

    /// Takes what the reader took.
    fn take(&mut self, (token, len): Read<'a>) -> Token<'a> {
        // A reader that took nothing would be asked for ever.
        self.rest = self.rest.get(len.max(1)..).unwrap_or_default();
        self.count = self.count.saturating_add(1);
        token
    }

    fn read(&mut self, first: u8) -> Read<'a> {
        let rest = self.rest;
        match first {
            b'0'..=b'9' | b'.' => number::read(rest),
            b'$' => number::read_money(rest),
            b'\'' | b'"' => string::read(rest, first, 1),
            b'b' | b'B' => string::read_bits(rest),
            b'x' | b'X' => string::read_hex(rest),
            b'e' | b'E' => string::read_escaped(rest),
            b'n' | b'N' => string::read_national(rest),
            b'q' | b'Q' => string::read_oracle(rest, 0),
            b'u' | b'U' => string::read_unicode(rest),
            b'[' => word::read_bracketed(rest),
            b'`' => word::read_ticked(rest),
            b'@' => word::read_variable(rest),
            b'(' => operator::read_mark(Kind::LeftParenthesis, rest),
            b')' => operator::read_mark(Kind::RightParenthesis, rest),
            b'{' => operator::read_mark(Kind::LeftBrace, rest),
            b'}' => operator::read_mark(Kind::RightBrace, rest),
            b',' => operator::read_mark(Kind::Comma, rest),
            b';' => operator::read_mark(Kind::Semicolon, rest),
            b'?' | b']' => operator::read_mark(Kind::Unknown, rest),
            b'%' | b'+' | b'^' | b'~' => operator::read_mark(Kind::Operator, rest),
            b'!' | b'&' | b'*' | b':' | b'<' | b'=' | b'>' | b'|' => operator::read(rest),
            b'\\' => operator::read_backslash(rest),
            b'/' => comment::read_slash(rest),
            b'-' => {
                self.differs_in_mysql |= comment::differs_in_mysql(rest, self.dialect);
                comment::read_dash(rest, self.dialect)
            }
            b'#' => {
                self.differs_in_mysql = true;
                comment::read_hash(rest, self.dialect)
            }
            _ => word::read(rest),
        }
    }
}

impl<'a> Iterator for Tokeniser<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        if let Some(quote) = self.inside.take()
            && !self.rest.is_empty()
        {
            let read = string::read(self.rest, quote, 0);
            return Some(self.take(read));
        }
        let start = self.rest.iter().position(|&byte| !is_skipped(byte))?;
        self.rest = self.rest.get(start..)?;
        let read = self.read(*self.rest.first()?);
        Some(self.take(read))
    }
}

/// What separates tokens: control characters, space, DEL, and the no-break space of Latin-1.
fn is_skipped(byte: u8) -> bool {
    byte <= b' ' || matches!(byte, 0x7f | 0xa0)
}

/// White space to the readers that ask what follows; NUL counts (Oracle).
pub(crate) fn is_white(byte: u8) -> bool {
    matches!(byte, 0 | b'\t'..=b'\r' | b' ' | 0xa0)
}
