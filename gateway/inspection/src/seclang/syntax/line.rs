//! Logical lines: what stands between two line ends, those behind a backslash apart; and places in them.
//!
//! A directive is one logical line. Its text keeps the physical lines that it was joined from, so that what is wrong in
//! the tenth line of a rule is reported there.
//!
//! A comment goes on behind a backslash too, as Apache reads it. Where that would swallow a directive, nothing is
//! swallowed: it is an error, because ModSecurity's releases differ on which of the two was meant.

use std::ops::Range;

/// A logical line.
#[derive(Debug)]
pub(super) struct Line {
    text: String,
    /// Where each physical line begins in the text, and its number.
    physical: Vec<(usize, u32)>,
    /// Set where the line is a comment that ends before a directive, though a backslash says that it goes on.
    pub(super) cut_comment: bool,
}

/// A piece of a line's text, and where it begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span<'l> {
    pub(super) text: &'l str,
    at: usize,
}

/// A place in a file, for people.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Position<'l> {
    /// From 1.
    pub(super) line: u32,
    /// In characters, from 1.
    pub(super) column: usize,
    pub(super) end_column: usize,
    /// The physical line, without the backslash at its end.
    pub(super) snippet: &'l str,
}

impl Line {
    /// The number of its first physical line, from 1.
    pub(super) fn first(&self) -> u32 {
        self.physical.first().map_or(1, |(_, number)| *number)
    }

    /// All of it.
    pub(super) fn span(&self) -> Span<'_> {
        Span { text: &self.text, at: 0 }
    }

    /// Where `span` begins, and how far it goes on that physical line.
    pub(super) fn position(&self, span: Span<'_>) -> Position<'_> {
        let index = self.physical.partition_point(|(start, _)| *start <= span.at).saturating_sub(1);
        let (start, line) = self.physical.get(index).copied().unwrap_or((0, 1));
        let end = self.physical.get(index + 1).map_or(self.text.len(), |(next, _)| *next);
        let snippet = self.text.get(start..end).unwrap_or_default();
        let before = snippet.get(..span.at.saturating_sub(start)).unwrap_or(snippet);
        let column = before.chars().count() + 1;
        let width = span.text.len().min(end.saturating_sub(span.at));
        let marked = span.text.get(..width).unwrap_or(span.text).chars().count();
        Position { line, column, end_column: column + marked.max(1), snippet }
    }
}

impl Span<'_> {
    /// The part of it at `range`, in bytes; empty where there is none.
    pub(super) fn part(self, range: Range<usize>) -> Self {
        Self { text: self.text.get(range.clone()).unwrap_or_default(), at: self.at + range.start.min(self.text.len()) }
    }

    /// From byte `start` on.
    pub(super) fn from(self, start: usize) -> Self {
        self.part(start..self.text.len())
    }

    /// Without blanks at its start.
    pub(super) fn trim_start(self) -> Self {
        self.from(self.text.len() - self.text.trim_ascii_start().len())
    }

    /// Without blanks at its end.
    pub(super) fn trim_end(self) -> Self {
        self.part(0..self.text.trim_ascii_end().len())
    }

    /// Without blanks at its ends.
    pub(super) fn trim(self) -> Self {
        self.trim_start().trim_end()
    }

    /// What stands before and after the first of `separators`.
    pub(super) fn split_once(self, separators: &[char]) -> Option<(Self, Self)> {
        let at = self.text.find(separators)?;
        let next = self.text.get(at..)?.chars().next()?.len_utf8();
        Some((self.part(0..at), self.from(at + next)))
    }

    /// What stands between `separators`, blanks at the ends apart, empty pieces left out.
    pub(super) fn split(self, separators: &'static [char]) -> impl Iterator<Item = Self> {
        let mut rest = Some(self);
        let pieces = std::iter::from_fn(move || {
            let whole = rest?;
            let (piece, after) =
                whole.split_once(separators).map_or((whole, None), |(piece, after)| (piece, Some(after)));
            rest = after;
            Some(piece.trim())
        });
        pieces.filter(|piece| !piece.text.is_empty())
    }

    /// Without `prefix`.
    pub(super) fn strip_prefix(self, prefix: char) -> Option<Self> {
        self.text.strip_prefix(prefix).map(|_| self.from(prefix.len_utf8()))
    }

    /// Without the quote at both ends, where it has one at both.
    pub(super) fn unquoted(self, quote: char) -> Option<Self> {
        let inner = self.strip_prefix(quote)?;
        inner.text.strip_suffix(quote).map(|text| inner.part(0..text.len()))
    }
}

/// The logical lines of a file.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut physical = text.split_inclusive('\n').zip(1_u32..).peekable();
    std::iter::from_fn(move || {
        let mut line = Line { text: String::new(), physical: Vec::new(), cut_comment: false };
        let mut goes_on = true;
        while goes_on {
            let Some((text, number)) = physical.next_if(|(text, _)| line.admits(text)) else {
                line.cut_comment = physical.peek().is_some() && line.is_comment();
                break;
            };
            line.physical.push((line.text.len(), number));
            let text = text.trim_end_matches(['\n', '\r']);
            // Blanks behind the backslash are easily overlooked and never meant.
            let continued = text.trim_end_matches([' ', '\t']).strip_suffix('\\');
            line.text.push_str(continued.unwrap_or(text));
            goes_on = continued.is_some();
        }
        (!line.physical.is_empty()).then_some(line)
    })
}

impl Line {
    fn is_comment(&self) -> bool {
        self.text.trim_ascii_start().starts_with('#')
    }

    /// Whether the physical line `next` may be joined to what there is.
    fn admits(&self, next: &str) -> bool {
        let starts =
            |word: &str| next.trim_ascii_start().get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
        !(self.is_comment() && (starts("Sec") || starts("Include")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expect: &[(u32, &str)]) {
        let found: Vec<_> = lines(input).map(|line| (line.first(), line.text)).collect();
        let expect: Vec<_> = expect.iter().map(|(number, text)| (*number, (*text).to_owned())).collect();
        assert_eq!(found, expect, "{input:?}");
    }

    #[test]
    fn lines_are_joined_behind_a_backslash() {
        check("", &[]);
        check("a", &[(1, "a")]);
        check("a\n\nb\n", &[(1, "a"), (2, ""), (3, "b")]);
        check("a \\\r\n  b\\  \nc\r\nd", &[(1, "a   bc"), (4, "d")]);
        check("\u{feff}a\\", &[(1, "a")]);
        check("a\\\n\\\n\\\nb", &[(1, "ab")]);
        check("# x \\\n\"id:1\"\nSecAction", &[(1, "# x \"id:1\""), (3, "SecAction")]);
    }

    #[test]
    fn a_comment_swallows_no_directive() {
        check("# x \\\n  secRule ARGS a", &[(1, "# x "), (2, "  secRule ARGS a")]);
        let cut: Vec<bool> = lines("# x\\\nInclude y\n# z\\\n# SecRule").map(|line| line.cut_comment).collect();
        assert_eq!(cut, [true, false, false]);
    }

    #[test]
    fn places_are_those_of_the_physical_line() {
        let line = lines("\n\nSecRule ARGS \\\n  \"é x\"").nth(2).unwrap();
        let text = line.text.clone();
        let at = text.find("x\"").unwrap();
        let position = line.position(line.span().part(at..at + 2));
        assert_eq!(position, Position { line: 4, column: 6, end_column: 8, snippet: "  \"é x\"" });
        let all = line.position(line.span());
        assert_eq!((all.line, all.column, all.end_column), (3, 1, 14));
    }
}
