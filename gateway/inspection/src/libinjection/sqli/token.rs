//! A token of SQL: its kind, and the text that later steps look at.
//!
//! The text is a slice of the value, cut to [`TEXT`] bytes as in the C library: what lies beyond is not compared, which
//! keeps the verdicts alike. Words that are joined (`UNION` and `ALL`) take theirs from the table of words.

/// Bytes of text that a token keeps; no word is longer.
pub(crate) const TEXT: usize = 31;

/// What a token is. [`Kind::letter`] is its place in a fingerprint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    Keyword,
    Union,
    /// `GROUP BY`, `LIMIT`, `HAVING`: what ends a query and starts a clause.
    Group,
    /// `SELECT`, `INSERT`, `CASE`: what an expression follows.
    Expression,
    SqlType,
    Function,
    Bareword,
    Number,
    Variable,
    String,
    Operator,
    LogicOperator,
    Comment,
    Collate,
    LeftParenthesis,
    RightParenthesis,
    LeftBrace,
    RightBrace,
    Dot,
    Comma,
    Colon,
    Semicolon,
    /// A word that starts a statement of Transact-SQL.
    Tsql,
    /// What SQL has no use for.
    #[default]
    Unknown,
    /// Read differently by different servers (nested and conditional comments): judged an attack as such.
    Evil,
    Backslash,
}

impl Kind {
    /// The letter in fingerprints and in the table of words.
    pub(crate) const fn letter(self) -> u8 {
        match self {
            Self::Keyword => b'k',
            Self::Union => b'U',
            Self::Group => b'B',
            Self::Expression => b'E',
            Self::SqlType => b't',
            Self::Function => b'f',
            Self::Bareword => b'n',
            Self::Number => b'1',
            Self::Variable => b'v',
            Self::String => b's',
            Self::Operator => b'o',
            Self::LogicOperator => b'&',
            Self::Comment => b'c',
            Self::Collate => b'A',
            Self::LeftParenthesis => b'(',
            Self::RightParenthesis => b')',
            Self::LeftBrace => b'{',
            Self::RightBrace => b'}',
            Self::Dot => b'.',
            Self::Comma => b',',
            Self::Colon => b':',
            Self::Semicolon => b';',
            Self::Tsql => b'T',
            Self::Unknown => b'?',
            Self::Evil => b'X',
            Self::Backslash => b'\\',
        }
    }

    /// The kind that a line of the table of words names; words are of no other kinds.
    pub(crate) const fn of_word(letter: u8) -> Option<Self> {
        Some(match letter {
            b'k' => Self::Keyword,
            b'U' => Self::Union,
            b'B' => Self::Group,
            b'E' => Self::Expression,
            b't' => Self::SqlType,
            b'f' => Self::Function,
            b'n' => Self::Bareword,
            b'1' => Self::Number,
            b'v' => Self::Variable,
            b'o' => Self::Operator,
            b'&' => Self::LogicOperator,
            b'A' => Self::Collate,
            b'T' => Self::Tsql,
            _ => return None,
        })
    }
}

/// One token.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    /// What opened a string, 0 where it was open before the value began: a quote, or `u`, `q` and `$` for the forms of
    /// PostgreSQL and Oracle.
    pub(crate) open: u8,
    /// What closed it, 0 where the value ends inside.
    pub(crate) close: u8,
    /// How many `@` stand before a variable; the published cases show them.
    pub(crate) signs: u8,
    /// The text, cut to [`TEXT`] bytes.
    pub(crate) text: &'a [u8],
}

impl<'a> Token<'a> {
    /// A token with as much of `text` as it keeps.
    pub(crate) fn new(kind: Kind, text: &'a [u8]) -> Self {
        Self { kind, open: 0, close: 0, signs: 0, text: text.get(..TEXT).unwrap_or(text) }
    }

    /// Whether the text is this word, in upper case, whatever its case.
    pub(crate) fn is_word(&self, word: &[u8]) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }

    /// The first byte of the text; 0 where there is none.
    pub(crate) fn first(&self) -> u8 {
        self.text.first().copied().unwrap_or(0)
    }

    /// `+`, `-`, `!`, `~`, `!!` and `NOT`: dropped where an operand may stand.
    pub(crate) fn is_unary_operator(&self) -> bool {
        self.kind == Kind::Operator
            && (matches!(self.text, [b'+' | b'-' | b'!' | b'~'] | b"!!") || self.is_word(b"NOT"))
    }

    /// `*`, `/`, `-`, `+` and `%`.
    pub(crate) fn is_arithmetic_operator(&self) -> bool {
        self.kind == Kind::Operator && matches!(self.text, [b'*' | b'/' | b'-' | b'+' | b'%'])
    }
}
