//! The folding rules for three tokens, and for five that could go on for ever. The first that applies decides.

use super::token::{Kind, Token};

/// What a rule wants done. All start over from the left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Triple {
    /// No rule applies.
    None,
    /// Drop so many tokens.
    Shorten(usize),
    /// Put the third in place of the second, then drop so many tokens.
    DropSecond(usize),
}

/// Applies the rules to three tokens that stand beside each other.
pub(crate) fn rule(first: &mut Token<'_>, second: &Token<'_>, third: &Token<'_>) -> Triple {
    use Kind::{
        Bareword, Comma, Dot, Expression, Function, LeftParenthesis, LogicOperator, Number, Operator, String, Variable,
    };

    match (first.kind, second.kind, third.kind) {
        // What is computed from numbers, names and variables is one of them.
        (Number | Bareword, Operator, Number | Bareword)
        | (Variable, Operator, Variable | Number | Bareword)
        | (LogicOperator, _, LogicOperator)
        | (Number | Bareword | String | Variable, Comma, Number | Bareword | String | Variable)
        | (Bareword, Dot, Bareword) => Triple::Shorten(2),
        (Operator, kind, Operator) if kind != LeftParenthesis => Triple::Shorten(2),
        // PostgreSQL's cast, `1::int`.
        (Bareword | Number | Variable | String, Operator, Kind::SqlType) if second.text == b"::" => Triple::Shorten(2),
        (Expression | Kind::Group | Comma, _, LeftParenthesis | Function)
        | (Kind::Keyword | Expression | Kind::Group, _, Number | Bareword | Variable | String)
        | (Kind::Keyword, _, Function)
            if second.is_unary_operator() =>
        {
            Triple::DropSecond(1)
        }
        (Comma, _, Number | Bareword | Variable | String) if second.is_unary_operator() => Triple::DropSecond(3),
        (Expression, Dot, Bareword) => Triple::DropSecond(1),
        (Function, LeftParenthesis, kind) if kind != Kind::RightParenthesis => {
            // `USER()` takes no argument: with one it is somebody's own.
            if first.is_word(b"USER") {
                first.kind = Bareword;
            }
            Triple::None
        }
        _ => Triple::None,
    }
}

/// Whether the first five tokens are the beginning of a harmless list or sum, as in `1,(2),(3)`: the rules need room to
/// go on.
pub(crate) fn is_endless(tokens: &[Token<'_>]) -> bool {
    use Kind::{Bareword, Comma, LeftParenthesis, Number, Operator, RightParenthesis};

    let [first, second, third, fourth, fifth, ..] = tokens else { return false };
    matches!(
        (first.kind, second.kind, third.kind, fourth.kind, fifth.kind),
        (Number, Operator | Comma, LeftParenthesis, Number, RightParenthesis)
            | (Bareword, Operator, LeftParenthesis, Bareword | Number, RightParenthesis)
            | (Number, RightParenthesis, Comma, LeftParenthesis, Number)
            | (Bareword, RightParenthesis, Operator, LeftParenthesis, Bareword)
    )
}
