//! Folding: tokens that say nothing about the shape of a statement are dropped or joined until five are left.
//!
//! `1 + 2 * 3` is a number, `NOT IN (` an operator and a parenthesis, `a.b.c` a name. The rules look at two tokens
//! ([`pairs`](super::pairs)), then at three ([`triples`](super::triples)), at a place that starts over from the left
//! whenever something was folded. A rule that shortens the sequence drops tokens at its end, also where the place is further
//! left: that is how the C library does it, and fingerprints depend on it.

use super::pairs::{self, Pair};
use super::token::{Kind, Token};
use super::tokeniser::Tokeniser;
use super::triples::{self, Triple};

/// Kinds in a fingerprint.
pub(crate) const MAX_TOKENS: usize = 5;
/// One more is read, because it may change what the fifth is.
const CAPACITY: usize = MAX_TOKENS + 1;

/// What a value was folded to.
#[derive(Debug)]
pub(crate) struct Folded<'a> {
    tokens: [Token<'a>; CAPACITY],
    len: usize,
    /// Tokens that were read, comments among them.
    pub(crate) count: u32,
    /// The value is worth reading again as MySQL.
    pub(crate) differs_in_mysql: bool,
}

impl<'a> Folded<'a> {
    /// Reads and folds all that `tokeniser` gives.
    pub(crate) fn new(tokeniser: Tokeniser<'a>) -> Self {
        let mut folder = Folder::new(tokeniser);
        let len = if folder.skip_opening() { folder.fold() } else { 0 };
        let Folder { tokens, tokeniser, .. } = folder;
        Self { tokens, len, count: tokeniser.count, differs_in_mysql: tokeniser.differs_in_mysql }
    }

    /// What is left: at most [`MAX_TOKENS`], or one more of which one is evil.
    pub(crate) fn tokens(&self) -> &[Token<'a>] {
        self.tokens.get(..self.len).unwrap_or_default()
    }

    /// A backtick that opens a name of nothing at the very end comments out what follows in MySQL under PHP.
    pub(crate) fn mark_backtick_comment(&mut self) {
        if self.len > 2
            && let Some(last) = self.tokens.get_mut(self.len - 1)
            && last.kind == Kind::Bareword
            && (last.open, last.close) == (b'`', 0)
            && last.text.is_empty()
        {
            last.kind = Kind::Comment;
        }
    }
}

/// What to do after the rules had their turn.
enum Next {
    /// Something was folded: look again.
    Again,
    /// No rule: go on.
    On,
    /// The value cannot be read for all servers alike.
    Evil,
}

struct Folder<'a> {
    tokeniser: Tokeniser<'a>,
    tokens: [Token<'a>; CAPACITY],
    /// Tokens held.
    len: usize,
    /// Tokens on the left that no rule applies to any more: the place of the rules.
    left: usize,
    /// Whether the value may hold further tokens.
    more: bool,
    /// A comment after which no token came.
    last_comment: Option<Token<'a>>,
}

impl<'a> Folder<'a> {
    fn new(tokeniser: Tokeniser<'a>) -> Self {
        let tokens = [Token::default(); CAPACITY];
        Self { tokeniser, tokens, len: 0, left: 0, more: true, last_comment: None }
    }

    /// Drops comments, opening parentheses, types and unary operators that come first; false when there is nothing else.
    fn skip_opening(&mut self) -> bool {
        let first = self.tokeniser.find(|token| {
            !matches!(token.kind, Kind::Comment | Kind::LeftParenthesis | Kind::SqlType) && !token.is_unary_operator()
        });
        let Some(first) = first else { return false };
        self.push(first);
        true
    }

    fn push(&mut self, token: Token<'a>) {
        if let Some(slot) = self.tokens.get_mut(self.len) {
            *slot = token;
            self.len += 1;
        }
    }

    /// Reads until `wanted` tokens stand at the place, there is no room, or the value ends.
    fn fill(&mut self, wanted: usize) {
        while self.more && self.len < CAPACITY && self.len < self.left + wanted {
            match self.tokeniser.next() {
                None => self.more = false,
                Some(comment) if comment.kind == Kind::Comment => self.last_comment = Some(comment),
                Some(token) => {
                    self.last_comment = None;
                    self.push(token);
                }
            }
        }
    }

    /// Folds; the number of tokens left.
    fn fold(&mut self) -> usize {
        loop {
            if self.len >= MAX_TOKENS && triples::is_endless(&self.tokens) {
                self.restart();
            }
            if !self.more || self.left >= MAX_TOKENS {
                return self.finish();
            }
            self.fill(2);
            if self.len < self.left + 2 {
                self.left = self.len;
                continue;
            }
            match self.fold_pair() {
                Next::Again => continue,
                Next::Evil => return (self.left + 2).min(CAPACITY),
                Next::On => {}
            }
            self.fill(3);
            if self.len < self.left + 3 {
                self.left = self.len;
                continue;
            }
            if matches!(self.fold_triple(), Next::On) {
                self.left += 1;
            }
        }
    }

    /// A comment that ended the value counts, where there is room.
    fn finish(&mut self) -> usize {
        if self.len < MAX_TOKENS
            && let Some(comment) = self.last_comment
        {
            self.push(comment);
        }
        self.len.min(MAX_TOKENS)
    }

    /// Keeps the first of five tokens, and the sixth if it was read.
    fn restart(&mut self) {
        let [_, second, .., sixth] = &mut self.tokens;
        if self.len > MAX_TOKENS {
            *second = *sixth;
            self.len = 2;
        } else {
            self.len = 1;
        }
        self.left = 0;
    }

    fn fold_pair(&mut self) -> Next {
        let Some([first, second, ..]) = self.tokens.get_mut(self.left..) else { return Next::On };
        match pairs::rule(first, second) {
            Pair::None => return Next::On,
            Pair::NoneFromStart => {
                self.left = 0;
                return Next::On;
            }
            Pair::Evil => return Next::Evil,
            Pair::Changed => {}
            Pair::ChangedFromStart => self.left = 0,
            Pair::Shorten => self.shorten(1),
            Pair::ShortenBack => {
                self.shorten(1);
                self.left = self.left.saturating_sub(1);
            }
            Pair::ShortenFromStart(by) => {
                self.shorten(by);
                self.left = 0;
            }
        }
        Next::Again
    }

    fn fold_triple(&mut self) -> Next {
        let Some([first, second, third, ..]) = self.tokens.get_mut(self.left..) else { return Next::On };
        match triples::rule(first, second, third) {
            Triple::None => return Next::On,
            Triple::Shorten(by) => self.shorten(by),
            Triple::DropSecond(by) => {
                *second = *third;
                self.shorten(by);
            }
        }
        self.left = 0;
        Next::Again
    }

    fn shorten(&mut self, by: usize) {
        self.len = self.len.saturating_sub(by);
    }
}
