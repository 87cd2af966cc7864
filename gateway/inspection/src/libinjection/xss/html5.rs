//! Cuts a value into tokens of HTML, as the tokeniser of a browser would.
//!
//! The states are those of the HTML standard (13.2.5), fewer and more lenient: old browsers ignore NUL, end comments
//! early and take backticks for quotes, and an attacker chooses the browser. Oddities of the C library are kept and
//! said where they are.

use memchr::{memchr, memchr2, memmem};

/// What a token of HTML is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text between tags.
    Text,
    /// The name of a tag that opens, or of one that closes and has attributes.
    TagName,
    /// `>` after a tag that opened.
    TagEnd,
    /// `/>`.
    SelfClosing,
    /// The name of a tag that closes.
    ClosingTag,
    AttributeName,
    AttributeValue,
    Comment,
    Doctype,
}

/// One token: its kind and the bytes of the value that it is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a [u8],
}

/// Where in a page the value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Between tags.
    Text,
    /// In a tag, after the value of an attribute.
    Tag,
    /// In the value of an attribute that this quote opened.
    Quoted(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    TagOpen,
    EndTagOpen,
    TagName,
    TagEnd,
    BeforeAttribute,
    AttributeName,
    AfterAttributeName,
    BeforeValue,
    QuotedValue(u8),
    BareValue,
    AfterQuotedValue,
    SelfClosing,
    MarkupDeclaration,
    BogusComment,
    PercentComment,
    End,
}

/// The tokeniser. Never recurses: a state that finds nothing names the next.
#[derive(Debug)]
pub(crate) struct Html5<'a> {
    input: &'a [u8],
    at: usize,
    state: State,
    /// The tag began with `</`. Kept after one with attributes, so that the next tag counts as closing too: an oddity of
    /// the C library.
    closing: bool,
}

/// What a state made of its bytes.
enum Step<'a> {
    Emit(Kind, &'a [u8], State),
    Go(State),
    End,
}

impl<'a> Html5<'a> {
    /// Reads `input` as if it stood at `start`.
    pub(crate) fn new(input: &'a [u8], start: Start) -> Self {
        let state = match start {
            Start::Text => State::Text,
            Start::Tag => State::BeforeAttribute,
            Start::Quoted(quote) => State::QuotedValue(quote),
        };
        Self { input, at: 0, state, closing: false }
    }

    fn rest(&self) -> &'a [u8] {
        self.input.get(self.at..).unwrap_or_default()
    }

    /// A token of the next `len` bytes, after which `skip` more are passed over.
    fn emit(&mut self, kind: Kind, len: usize, skip: usize, next: State) -> Step<'a> {
        let text = self.rest().get(..len).unwrap_or_default();
        self.at += len + skip;
        Step::Emit(kind, text, next)
    }

    /// A token of all that is left.
    fn emit_rest(&mut self, kind: Kind) -> Step<'a> {
        self.emit(kind, self.rest().len(), 0, State::End)
    }

    /// A token that ends at `end`, `skip` bytes before what follows; or at the end of the value.
    fn emit_until(&mut self, kind: Kind, end: Option<usize>, skip: usize) -> Step<'a> {
        match end {
            Some(end) => self.emit(kind, end, skip, State::Text),
            None => self.emit_rest(kind),
        }
    }

    /// Goes on behind so many bytes.
    fn pass(&mut self, len: usize, next: State) -> Step<'a> {
        self.at += len;
        Step::Go(next)
    }

    /// Passes over white space. The byte 0xff ends the value here: an oddity of the C library, where it is -1 as the end is.
    fn skip_white(&mut self) -> Option<u8> {
        self.at += self.rest().iter().take_while(|&&byte| is_white(byte)).count();
        self.rest().first().copied().filter(|&byte| byte != 0xff)
    }

    fn step(&mut self) -> Step<'a> {
        match self.state {
            State::Text => self.text(),
            State::TagOpen => self.tag_open(),
            State::EndTagOpen => self.end_tag_open(),
            State::TagName => self.tag_name(),
            State::TagEnd => {
                self.closing = false;
                self.emit(Kind::TagEnd, 1, 0, State::Text)
            }
            State::BeforeAttribute => self.before_attribute(),
            State::AttributeName => self.attribute_name(),
            State::AfterAttributeName => self.after_attribute_name(),
            State::BeforeValue => self.before_value(),
            State::QuotedValue(quote) => self.quoted_value(quote),
            State::BareValue => self.bare_value(),
            State::AfterQuotedValue => self.after_quoted_value(),
            State::SelfClosing => self.self_closing(),
            State::MarkupDeclaration => self.markup_declaration(),
            State::BogusComment => self.emit_until(Kind::Comment, memchr(b'>', self.rest()), 1),
            State::PercentComment => self.emit_until(Kind::Comment, memmem::find(self.rest(), b"%>"), 2),
            State::End => Step::End,
        }
    }

    fn text(&mut self) -> Step<'a> {
        match memchr(b'<', self.rest()) {
            None if self.rest().is_empty() => Step::End,
            None => self.emit_rest(Kind::Text),
            Some(0) => self.pass(1, State::TagOpen),
            Some(len) => self.emit(Kind::Text, len, 1, State::TagOpen),
        }
    }

    fn tag_open(&mut self) -> Step<'a> {
        match self.rest() {
            [] => Step::End,
            [b'!', ..] => self.pass(1, State::MarkupDeclaration),
            [b'/', ..] => {
                self.closing = true;
                self.pass(1, State::EndTagOpen)
            }
            [b'?', ..] => self.pass(1, State::BogusComment),
            // Old Internet Explorer and Safari: `<% %>` is a comment.
            [b'%', ..] => self.pass(1, State::PercentComment),
            [b'a'..=b'z' | b'A'..=b'Z' | 0, ..] => Step::Go(State::TagName),
            // The `<` was text.
            _ => Step::Emit(Kind::Text, b"<", State::Text),
        }
    }

    fn end_tag_open(&mut self) -> Step<'a> {
        match self.rest() {
            [] => Step::End,
            [b'>', ..] => Step::Go(State::Text),
            [b'a'..=b'z' | b'A'..=b'Z', ..] => Step::Go(State::TagName),
            _ => {
                self.closing = false;
                Step::Go(State::BogusComment)
            }
        }
    }

    fn tag_name(&mut self) -> Step<'a> {
        // NUL is part of the name here.
        let end = self.rest().iter().position(|&byte| matches!(byte, b'>' | b'/') || (byte != 0 && is_white(byte)));
        let Some(end) = end else { return self.emit_rest(Kind::TagName) };
        match self.rest().get(end) {
            Some(b'>') if self.closing => {
                self.closing = false;
                self.emit(Kind::ClosingTag, end, 1, State::Text)
            }
            Some(b'>') => self.emit(Kind::TagName, end, 0, State::TagEnd),
            Some(b'/') => self.emit(Kind::TagName, end, 1, State::SelfClosing),
            _ => self.emit(Kind::TagName, end, 1, State::BeforeAttribute),
        }
    }

    fn before_attribute(&mut self) -> Step<'a> {
        match self.skip_white() {
            None => Step::End,
            Some(b'/') => self.pass(1, State::SelfClosing),
            Some(b'>') => self.emit(Kind::TagEnd, 1, 0, State::Text),
            Some(_) => Step::Go(State::AttributeName),
        }
    }

    /// The first byte belongs to the name, whatever it is.
    fn attribute_name(&mut self) -> Step<'a> {
        let ends = |byte| matches!(byte, b'/' | b'=' | b'>') || is_white(byte);
        let Some(end) = self.rest().iter().skip(1).position(|&byte| ends(byte)).map(|at| at + 1) else {
            return self.emit_rest(Kind::AttributeName);
        };
        match self.rest().get(end) {
            Some(b'/') => self.emit(Kind::AttributeName, end, 1, State::SelfClosing),
            Some(b'=') => self.emit(Kind::AttributeName, end, 1, State::BeforeValue),
            Some(b'>') => self.emit(Kind::AttributeName, end, 0, State::TagEnd),
            _ => self.emit(Kind::AttributeName, end, 1, State::AfterAttributeName),
        }
    }

    fn after_attribute_name(&mut self) -> Step<'a> {
        match self.skip_white() {
            None => Step::End,
            Some(b'/') => self.pass(1, State::SelfClosing),
            Some(b'=') => self.pass(1, State::BeforeValue),
            Some(b'>') => Step::Go(State::TagEnd),
            Some(_) => Step::Go(State::AttributeName),
        }
    }

    fn before_value(&mut self) -> Step<'a> {
        match self.skip_white() {
            None => Step::End,
            // The backtick is Internet Explorer's.
            Some(quote @ (b'"' | b'\'' | b'`')) => Step::Go(State::QuotedValue(quote)),
            Some(_) => Step::Go(State::BareValue),
        }
    }

    /// The opening quote stands here, except at the start of the value, where it stands before it.
    fn quoted_value(&mut self, quote: u8) -> Step<'a> {
        if self.at > 0 {
            self.at += 1;
        }
        match memchr(quote, self.rest()) {
            Some(end) => self.emit(Kind::AttributeValue, end, 1, State::AfterQuotedValue),
            None => self.emit_rest(Kind::AttributeValue),
        }
    }

    fn bare_value(&mut self) -> Step<'a> {
        match self.rest().iter().position(|&byte| byte == b'>' || is_white(byte)) {
            None => self.emit_rest(Kind::AttributeValue),
            Some(end) if self.rest().get(end) == Some(&b'>') => self.emit(Kind::AttributeValue, end, 0, State::TagEnd),
            Some(end) => self.emit(Kind::AttributeValue, end, 1, State::BeforeAttribute),
        }
    }

    fn after_quoted_value(&mut self) -> Step<'a> {
        match self.rest().first() {
            None => Step::End,
            Some(b'/') => self.pass(1, State::SelfClosing),
            Some(b'>') => self.emit(Kind::TagEnd, 1, 0, State::Text),
            Some(_) => Step::Go(State::BeforeAttribute),
        }
    }

    fn self_closing(&mut self) -> Step<'a> {
        match self.rest().first() {
            None => Step::End,
            Some(b'>') => {
                let slash = self.at.saturating_sub(1);
                self.at += 1;
                let text = self.input.get(slash..self.at).unwrap_or_default();
                Step::Emit(Kind::SelfClosing, text, State::Text)
            }
            Some(_) => Step::Go(State::BeforeAttribute),
        }
    }

    fn markup_declaration(&mut self) -> Step<'a> {
        let rest = self.rest();
        if rest.get(..7).is_some_and(|word| word.eq_ignore_ascii_case(b"DOCTYPE")) {
            return self.emit_until(Kind::Doctype, memchr(b'>', rest), 1);
        }
        if let Some(text) = rest.strip_prefix(b"[CDATA[") {
            self.at += 7;
            return self.emit_until(Kind::Text, memmem::find(text, b"]]>"), 3);
        }
        if let Some(text) = rest.strip_prefix(b"--") {
            self.at += 2;
            return match comment_end(text) {
                Some((end, skip)) => self.emit(Kind::Comment, end, skip, State::Text),
                None => self.emit_rest(Kind::Comment),
            };
        }
        Step::Go(State::BogusComment)
    }
}

impl<'a> Iterator for Html5<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            match self.step() {
                Step::Emit(kind, text, next) => {
                    self.state = next;
                    return Some(Token { kind, text });
                }
                Step::Go(next) => self.state = next,
                Step::End => {
                    self.state = State::End;
                    return None;
                }
            }
        }
    }
}

/// Where a comment ends, and how many bytes end it: `-->` or `-!>`, NULs allowed behind the first dash.
fn comment_end(text: &[u8]) -> Option<(usize, usize)> {
    let mut from = 0;
    loop {
        let at = from + memchr(b'-', text.get(from..)?)?;
        // Fewer than three bytes end nothing.
        let tail = text.get(at..).filter(|tail| tail.len() > 2)?;
        let nulls = tail.iter().skip(1).take_while(|&&byte| byte == 0).count();
        if let [b'-' | b'!', b'>', ..] = tail.get(1 + nulls..)? {
            return Some((at, nulls + 3));
        }
        from = at + 1;
    }
}

/// White space in a tag; NUL and vertical tab are so to Internet Explorer.
fn is_white(byte: u8) -> bool {
    matches!(byte, 0 | b'\t'..=b'\r' | b' ')
}

/// Whether there can be a tag, a comment or the value of an attribute in a value at all.
pub(crate) fn has_markup(input: &[u8]) -> bool {
    memchr2(b'<', b'=', input).is_some()
}
