//! The folding rules for two tokens. The first that applies decides; their order is that of the C library.

use super::token::{Kind, Token};
use super::words;

/// What a rule wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pair {
    /// No rule applies.
    None,
    /// As [`Pair::None`], with the place at the start.
    NoneFromStart,
    /// A token was changed; look again.
    Changed,
    /// A token was changed; look again from the start.
    ChangedFromStart,
    /// Drop one token.
    Shorten,
    /// Drop one token and step back one.
    ShortenBack,
    /// Drop so many tokens and start over.
    ShortenFromStart(usize),
    /// The second token became evil.
    Evil,
}

/// Names of columns that are functions when a parenthesis follows.
const FUNCTIONS_AT_TIMES: [&[u8]; 11] = [
    b"USER_ID",
    b"USER_NAME",
    b"DATABASE",
    b"PASSWORD",
    b"USER",
    b"CURRENT_USER",
    b"CURRENT_DATE",
    b"CURRENT_TIME",
    b"CURRENT_TIMESTAMP",
    b"LOCALTIME",
    b"LOCALTIMESTAMP",
];

/// Applies the rules to two tokens that stand beside each other.
pub(crate) fn rule<'a>(first: &mut Token<'a>, second: &mut Token<'a>) -> Pair {
    match (first.kind, second.kind) {
        (Kind::String, Kind::String) | (Kind::Semicolon, Kind::Semicolon) => Pair::Shorten,
        (Kind::Operator | Kind::LogicOperator, Kind::SqlType) => Pair::ShortenFromStart(1),
        (Kind::Operator | Kind::LogicOperator, _) if second.is_unary_operator() => Pair::ShortenFromStart(1),
        (Kind::LeftParenthesis, _) if second.is_unary_operator() => Pair::ShortenBack,
        _ if join_words(first, second) => Pair::ShortenBack,
        _ => by_first(first, second),
    }
}

fn by_first<'a>(first: &mut Token<'a>, second: &mut Token<'a>) -> Pair {
    let opens = second.kind == Kind::LeftParenthesis;
    match first.kind {
        // `IF` is a function, except where a statement of Transact-SQL begins.
        Kind::Semicolon if second.kind == Kind::Function && matches!(second.text, [b'I' | b'i', b'F' | b'f', ..]) => {
            second.kind = Kind::Tsql;
            Pair::Changed
        }
        Kind::Bareword | Kind::Variable if opens && FUNCTIONS_AT_TIMES.iter().any(|name| first.is_word(name)) => {
            first.kind = Kind::Function;
            Pair::Changed
        }
        Kind::Keyword if first.is_word(b"IN") || first.is_word(b"NOT IN") => {
            first.kind = if opens { Kind::Operator } else { Kind::Bareword };
            Pair::Changed
        }
        Kind::Operator if first.is_word(b"LIKE") || first.is_word(b"NOT LIKE") => {
            if opens {
                first.kind = Kind::Function;
            }
            Pair::None
        }
        Kind::SqlType if is_operand(second.kind) => {
            *first = *second;
            Pair::ShortenFromStart(1)
        }
        // Collations are too many to list: a name with an underscore is one.
        Kind::Collate if second.kind == Kind::Bareword => {
            if up_to_nul(second.text).contains(&b'_') {
                second.kind = Kind::SqlType;
                return Pair::NoneFromStart;
            }
            Pair::None
        }
        Kind::Backslash => backslash(first, second),
        Kind::LeftParenthesis if opens => Pair::ShortenFromStart(1),
        Kind::RightParenthesis if second.kind == Kind::RightParenthesis => Pair::ShortenFromStart(1),
        Kind::LeftBrace if second.kind == Kind::Bareword => brace(second),
        _ if second.kind == Kind::RightBrace => Pair::ShortenFromStart(1),
        _ => Pair::None,
    }
}

/// What a type may stand before without meaning.
fn is_operand(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Bareword
            | Kind::Number
            | Kind::SqlType
            | Kind::LeftParenthesis
            | Kind::Function
            | Kind::Variable
            | Kind::String
    )
}

/// SQL Server reads `\%1` as `0 % 1` and `\1` as `1`.
fn backslash<'a>(first: &mut Token<'a>, second: &Token<'a>) -> Pair {
    if second.is_arithmetic_operator() {
        first.kind = Kind::Number;
        return Pair::ChangedFromStart;
    }
    *first = *second;
    Pair::ShortenFromStart(1)
}

/// ODBC's `{name expression}` is the expression. MySQL takes ``{``.``.id}``, which nobody writes without intent.
fn brace(second: &mut Token<'_>) -> Pair {
    if second.text.is_empty() {
        second.kind = Kind::Evil;
        return Pair::Evil;
    }
    Pair::ShortenFromStart(2)
}

/// Makes one token of two words that are a phrase together: `UNION` and `ALL`.
fn join_words(first: &mut Token<'_>, second: &Token<'_>) -> bool {
    if !is_word(first.kind) || !(is_word(second.kind) || second.kind == Kind::LogicOperator) {
        return false;
    }
    let Some((kind, phrase)) = words::phrase(first.text, second.text) else { return false };
    first.kind = kind;
    first.text = phrase;
    true
}

fn is_word(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Keyword
            | Kind::Bareword
            | Kind::Operator
            | Kind::Union
            | Kind::Function
            | Kind::Expression
            | Kind::Tsql
            | Kind::SqlType
    )
}

/// The C library keeps texts as C strings: a search in one ends at NUL.
fn up_to_nul(text: &[u8]) -> &[u8] {
    text.split(|&byte| byte == 0).next().unwrap_or_default()
}
