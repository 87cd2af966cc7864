//! The Content-Disposition of a part: `form-data` and its parameters `name` and `filename`; no other is understood.

use smallvec::SmallVec;

/// A Content-Disposition, as far as it could be read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Disposition {
    /// Every `name`.
    pub(super) names: SmallVec<[Vec<u8>; 1]>,
    /// Every `filename`.
    pub(super) file_names: SmallVec<[Vec<u8>; 1]>,
    /// A single quote as quote, or text after a closing quote.
    pub(super) invalid_quoting: bool,
    /// Whether all of it was understood.
    pub(super) valid: bool,
}

impl Disposition {
    /// Reads the value of the field.
    pub(super) fn parse(value: &[u8]) -> Self {
        let mut disposition = Self::default();
        disposition.valid = disposition.read(value).is_some();
        disposition
    }

    /// `None`: it is not understood from there on.
    fn read(&mut self, value: &[u8]) -> Option<()> {
        let mut rest = skip_blanks(value.strip_prefix(b"form-data")?);
        if rest.is_empty() {
            return Some(());
        }
        rest = rest.strip_prefix(b";")?;
        while !rest.is_empty() {
            let (name, after) = parameter_name(skip_blanks(rest))?;
            let quoted = after.first() == Some(&b'"');
            let (text, after) = self.parameter_value(after)?;
            // A single quote that a lenient reader could take for a quote.
            self.invalid_quoting |= !quoted && matches!(name, b"name" | b"filename") && text.contains(&b'\'');
            match name {
                b"name" => add(&mut self.names, text)?,
                b"filename" => add(&mut self.file_names, text)?,
                _ => return None,
            }
            let after_blanks = skip_blanks(after);
            rest = match after_blanks.split_first() {
                None => return Some(()),
                Some((b';', rest)) => rest,
                Some(_) => {
                    let before = rest.len().saturating_sub(after_blanks.len());
                    let closing = rest.get(..before).and_then(<[u8]>::last);
                    self.invalid_quoting |= matches!(closing, Some(b'\'' | b'"'));
                    return None;
                }
            };
        }
        Some(())
    }

    /// The value at the start of `text`, unquoted, and what follows it.
    fn parameter_value<'t>(&mut self, text: &'t [u8]) -> Option<(Vec<u8>, &'t [u8])> {
        let Some((&quote, mut rest)) = text.split_first().filter(|(first, _)| matches!(first, b'"' | b'\'')) else {
            let end = text.iter().position(|&byte| !is_token(byte)).unwrap_or(text.len());
            let (value, rest) = text.split_at_checked(end)?;
            return Some((value.to_vec(), rest));
        };
        self.invalid_quoting |= quote == b'\'';
        if rest.is_empty() {
            return None;
        }
        let mut value = Vec::new();
        loop {
            match rest {
                [b'\\'] => return None,
                [b'\\', escaped, after @ ..] if *escaped == quote || *escaped == b'\\' => {
                    value.push(*escaped);
                    rest = after;
                }
                [byte, after @ ..] if *byte == quote => {
                    rest = after;
                    break;
                }
                [byte, after @ ..] => {
                    value.push(*byte);
                    rest = after;
                }
                // Open to the end of the field: taken as if it were closed there.
                [] => break,
            }
        }
        Some((value, rest))
    }
}

/// Adds a name; a second one, after one that is not empty, ends the reading.
fn add(names: &mut SmallVec<[Vec<u8>; 1]>, name: Vec<u8>) -> Option<()> {
    let first = names.iter().all(Vec::is_empty);
    names.push(name);
    first.then_some(())
}

/// The name of the parameter at the start of `text`, and the text from its value on.
fn parameter_name(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| matches!(byte, b'=' | b'\t' | b' '))?;
    let (name, rest) = text.split_at_checked(end)?;
    let value = skip_blanks(skip_blanks(rest).strip_prefix(b"=")?);
    (!value.is_empty()).then_some((name, value))
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    text.get(blanks..).unwrap_or_default()
}

/// What may stand in a value without quotes.
const fn is_token(byte: u8) -> bool {
    !matches!(byte, 0..=32 | 127.. | b'(' | b')' | b'<' | b'>' | b'@' | b',' | b';' | b':' | b'\\' | b'"' | b'/' | b'[' | b']' | b'?' | b'=')
}
