//! The verdict on a value in all contexts, and the fingerprint that led to it.

use std::fmt;

use memchr::memchr;

use super::fold::{Folded, MAX_TOKENS};
use super::token::Kind;
use super::tokeniser::{Context, Dialect, Tokeniser};
use super::verdict;

/// The kinds of the tokens that a value was folded to, a letter each, as libinjection writes them: `1&1c`, `sUEnk`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    letters: [u8; MAX_TOKENS],
    len: u8,
}

impl Fingerprint {
    /// One to five letters, in ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        self.letters.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Of tokens; `X` alone where one of them is evil.
    fn of(folded: &Folded<'_>) -> Self {
        let tokens = folded.tokens();
        if tokens.iter().any(|token| token.kind == Kind::Evil) {
            return Self { letters: [Kind::Evil.letter(), 0, 0, 0, 0], len: 1 };
        }
        let mut letters = [0; MAX_TOKENS];
        for (letter, token) in letters.iter_mut().zip(tokens) {
            *letter = token.kind.letter();
        }
        Self { letters, len: u8::try_from(tokens.len().min(MAX_TOKENS)).unwrap_or(0) }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|&letter| fmt::Write::write_char(f, char::from(letter)))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// Whether a value is SQL injection in any context that it may be pasted into, and the fingerprint of the first in which
/// it is.
///
/// Linear in the length of the value; allocates nothing.
pub fn detect_sqli(input: &[u8]) -> Option<Fingerprint> {
    let bare = || judge_dialects(input, Context::Bare);
    let single = || memchr(b'\'', input).and_then(|_| judge_dialects(input, Context::Quoted(b'\'')));
    // Double quotes are strings in MySQL alone.
    let double = || memchr(b'"', input).and_then(|_| judge(input, Context::Quoted(b'"'), Dialect::MySql).1);
    bare().or_else(single).or_else(double)
}

/// As ANSI SQL; and as MySQL, when a comment is read differently there.
fn judge_dialects(input: &[u8], context: Context) -> Option<Fingerprint> {
    match judge(input, context, Dialect::Ansi) {
        (true, None) => judge(input, context, Dialect::MySql).1,
        (_, verdict) => verdict,
    }
}

/// In one context and dialect: whether MySQL would read the value differently, and the fingerprint of an attack.
fn judge(input: &[u8], context: Context, dialect: Dialect) -> (bool, Option<Fingerprint>) {
    let mut folded = Folded::new(Tokeniser::new(input, context, dialect));
    folded.mark_backtick_comment();
    let fingerprint = Fingerprint::of(&folded);
    let attack = verdict::is_attack(fingerprint.as_bytes(), &folded, input);
    (folded.differs_in_mysql, attack.then_some(fingerprint))
}
