//! The words of a directive: separated by blanks, in double quotes, in single quotes or bare.
//!
//! A backslash before the quote that a word stands in makes it part of the word; other backslashes are left to what reads
//! the word, a pattern most of all (so reads ModSecurity v3; Apache would halve `\\`). In a bare word a single quote behind
//! a colon or an equals sign holds blanks together: `REQUEST_HEADERS:'/a b/'`.

use std::borrow::Cow;

use super::here::Here;
use super::line::Span;

/// A word, without its quotes, backslashes still in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word<'l> {
    pub(super) span: Span<'l>,
    pub(super) quote: Option<char>,
}

impl Word<'_> {
    /// The word with its quotes unescaped.
    pub(super) fn plain(&self) -> Cow<'_, str> {
        match self.quote {
            Some(quote) => unescape(self.span.text, &[quote]),
            None => Cow::Borrowed(self.span.text),
        }
    }
}

/// `text` without the backslashes before `quotes`.
pub(super) fn unescape<'t>(text: &'t str, quotes: &[char]) -> Cow<'t, str> {
    if !text.contains('\\') || !text.contains(quotes) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        match (next, rest.clone().next()) {
            ('\\', Some(escaped)) => {
                rest.next();
                if !quotes.contains(&escaped) {
                    plain.push('\\');
                }
                plain.push(escaped);
            }
            _ => plain.push(next),
        }
    }
    Cow::Owned(plain)
}

/// Where the quote that opened just before `text` closes: the offset of the closing quote.
pub(super) fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, next) in text.char_indices() {
        match next {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if next == quote => return Some(at),
            _ => {}
        }
    }
    None
}

/// The words of `line`; `None` where a quote is not closed, which is reported.
pub(super) fn words<'l>(line: Span<'l>, here: &Here<'_>) -> Option<Vec<Word<'l>>> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while let Some(first) = rest.text.chars().next() {
        let (word, after) = if matches!(first, '"' | '\'') { quoted(rest, first, here)? } else { bare(rest, here)? };
        words.push(word);
        rest = after.trim_start();
    }
    Some(words)
}

fn quoted<'l>(rest: Span<'l>, quote: char, here: &Here<'_>) -> Option<(Word<'l>, Span<'l>)> {
    let inner = rest.from(1);
    let Some(end) = closing(inner.text, quote) else {
        here.error(rest, format!("the {quote} that opens here is not closed"))
            .help(format!("close it; {quote} inside of the text is written \\{quote}"));
        return None;
    };
    let after = inner.from(end + 1);
    if after.text.starts_with(|next: char| !next.is_ascii_whitespace()) {
        here.error(after, format!("text follows the closing {quote} without a blank"))
            .help(format!("write \\{quote} for a {quote} inside of the text"));
        return None;
    }
    Some((Word { span: inner.part(0..end), quote: Some(quote) }, after))
}

fn bare<'l>(rest: Span<'l>, here: &Here<'_>) -> Option<(Word<'l>, Span<'l>)> {
    let mut before = ' ';
    let mut quotes = None;
    for (at, next) in rest.text.char_indices() {
        match quotes {
            Some(end) if at <= end => {}
            _ if next.is_ascii_whitespace() => {
                return Some((Word { span: rest.part(0..at), quote: None }, rest.from(at)));
            }
            _ if next == '\'' && matches!(before, ':' | '=') => {
                let Some(end) = closing(rest.from(at + 1).text, '\'') else {
                    here.error(rest.from(at), "the ' that opens here is not closed").help("close it");
                    return None;
                };
                quotes = Some(at + 1 + end);
            }
            _ => {}
        }
        before = next;
    }
    Some((Word { span: rest, quote: None }, rest.from(rest.text.len())))
}
