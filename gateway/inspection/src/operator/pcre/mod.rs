//! PCRE's pattern syntax, written again for the crates `regex` and `fancy-regex`.
//!
//! SecLang's patterns are PCRE's. Most of the syntax is the same, and where it is not the difference is silent: `[[(]`,
//! `[a&&b]` and `\<` mean other things to `regex`, `x{` is an error there, `\v` one character, a byte from 0x80 on a
//! Unicode character. So a pattern is read token by token and written in a canonical form that both crates read as PCRE
//! reads the original: literals escaped, bytes as `\xHH`, `(?x)` resolved.
//!
//! Two texts come out. `linear` is regular: look-around is left out, atomic groups and possessive quantifiers give back,
//! a back reference matches anything. `exact` is there when that was needed, and says what was written; whatever matches
//! `exact` matches `linear`, from the same place.
//!
//! Source: pcrepattern(3). Patterns are compiled as ModSecurity 2 compiles them: bytes, `PCRE_DOTALL`,
//! `PCRE_DOLLAR_ENDONLY`. (ModSecurity 3 adds `PCRE_MULTILINE`, which CRS is written not to need.)

mod class;
mod escape;
mod group;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use self::group::Group;

/// Bytes of one pattern. The longest of CRS has about 10,000.
const MAX_PATTERN_BYTES: usize = 256 << 10;

/// A pattern in the syntax of the crates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Translated {
    /// For `regex`.
    pub(super) linear: String,
    /// For `fancy-regex`, where `linear` is not the whole truth.
    pub(super) exact: Option<String>,
}

/// Translates a pattern.
///
/// # Errors
/// When it is not PCRE's syntax, or one of the parts of it that neither crate has.
pub(super) fn translate(pattern: &[u8]) -> Result<Translated, String> {
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err(format!("it is longer than {MAX_PATTERN_BYTES} bytes"));
    }
    let mut translator = Translator { rest: pattern, ..Translator::default() };
    while let Some((byte, rest)) = translator.rest.split_first() {
        translator.rest = rest;
        translator.token(*byte)?;
    }
    if !translator.open.is_empty() {
        return Err("a group is not closed".to_owned());
    }
    let exact = translator.irregular.then_some(translator.exact);
    Ok(Translated { linear: translator.linear, exact })
}

/// What was read and written so far.
#[derive(Debug, Default)]
struct Translator<'p> {
    rest: &'p [u8],
    linear: String,
    exact: String,
    /// Something was written that `linear` does not say.
    irregular: bool,
    /// The groups around the place, outermost first.
    open: Vec<Group>,
    /// Capturing groups opened so far.
    captures: u32,
    /// `(?x)` holds.
    extended: bool,
    /// Where the last item begins in `exact`, for a quantifier that follows.
    item: usize,
}

impl Translator<'_> {
    fn token(&mut self, byte: u8) -> Result<(), String> {
        match byte {
            b'\\' => self.escape(),
            b'[' => self.class(),
            b'(' => self.open_group(),
            b')' => self.close_group(),
            b'*' | b'+' | b'?' => {
                self.quantify(char::from(byte).encode_utf8(&mut [0; 4]));
                Ok(())
            }
            b'{' => {
                match self.counted() {
                    Some(quantifier) => self.quantify(&quantifier),
                    None => self.literal(b'{'),
                }
                Ok(())
            }
            b'|' | b'^' | b'$' | b'.' => {
                self.item(char::from(byte).encode_utf8(&mut [0; 4]));
                Ok(())
            }
            b'#' if self.extended => {
                let end = self.rest.iter().position(|byte| *byte == b'\n').map_or(self.rest.len(), |at| at + 1);
                self.rest = self.rest.get(end..).unwrap_or_default();
                Ok(())
            }
            b' ' | b'\t'..=b'\r' if self.extended => Ok(()),
            other => {
                self.literal(other);
                Ok(())
            }
        }
    }

    /// Writes an item that means the same to both crates.
    fn item(&mut self, text: &str) {
        self.item_of(text, text);
    }

    /// Writes an item: its regular approximation, and itself.
    fn item_of(&mut self, linear: &str, exact: &str) {
        self.item = self.exact.len();
        self.linear.push_str(linear);
        self.exact.push_str(exact);
        self.irregular |= linear != exact;
    }

    /// Writes a byte that stands for itself.
    fn literal(&mut self, byte: u8) {
        let mut text = String::new();
        let character = char::from(byte);
        if !byte.is_ascii() || byte.is_ascii_control() {
            // Writing to a string does not fail.
            let _ = write!(text, "\\x{byte:02X}");
        } else {
            if regex_syntax::is_meta_character(character) {
                text.push('\\');
            }
            text.push(character);
        }
        self.item(&text);
    }

    /// The rest of `{n}`, `{n,}` or `{n,m}`; `None` where the brace stands for itself.
    fn counted(&mut self) -> Option<String> {
        let end = self.rest.iter().position(|byte| *byte == b'}')?;
        let inner = std::str::from_utf8(self.rest.get(..end)?).ok()?;
        let (least, most) = inner.split_once(',').map_or((inner, None), |(least, most)| (least, Some(most)));
        let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !number(least) || !most.is_none_or(|most| most.is_empty() || number(most)) {
            return None;
        }
        let quantifier = format!("{{{inner}}}");
        self.rest = self.rest.get(end + 1..)?;
        Some(quantifier)
    }

    /// Writes a quantifier, and what follows it: lazy, or possessive as an atomic group around the item.
    fn quantify(&mut self, quantifier: &str) {
        self.linear.push_str(quantifier);
        match self.rest.split_first() {
            Some((b'?', rest)) => {
                self.rest = rest;
                self.linear.push('?');
                self.exact.push_str(quantifier);
                self.exact.push('?');
            }
            Some((b'+', rest)) => {
                self.rest = rest;
                self.exact.insert_str(self.item.min(self.exact.len()), "(?>");
                self.exact.push_str(quantifier);
                self.exact.push(')');
                self.irregular = true;
            }
            _ => self.exact.push_str(quantifier),
        }
    }
}
