//! References: `&lt;`, `&#65;`, and the entities that the document declares itself.

use super::doctype::Entities;
use super::{EXPANSION_MAX, Malformed, push_text};

/// Entities within the text of entities.
const NESTING_MAX: usize = 16;

impl Entities<'_> {
    /// Appends `text` with its references replaced and its line ends made LF.
    pub(super) fn replace(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        if memchr::memchr(b'&', text).is_none() {
            push_text(text, out);
            return Ok(());
        }
        self.expand(text, NESTING_MAX, out)
    }

    fn expand(&mut self, text: &[u8], nesting: usize, out: &mut Vec<u8>) -> Result<(), Malformed> {
        let mut rest = text;
        while let Some(at) = memchr::memchr(b'&', rest) {
            push_text(rest.get(..at).unwrap_or_default(), out);
            rest = rest.get(at + 1..).unwrap_or_default();
            let end = memchr::memchr(b';', rest).ok_or(Malformed)?;
            let name = rest.get(..end).unwrap_or_default();
            rest = rest.get(end + 1..).unwrap_or_default();
            match letter(name)? {
                Some(letter) => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
                None => self.entity(name, nesting, out)?,
            }
        }
        push_text(rest, out);
        Ok(())
    }

    fn entity(&mut self, name: &[u8], nesting: usize, out: &mut Vec<u8>) -> Result<(), Malformed> {
        let text = match self.declared.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => text.unwrap_or_default(),
            None if self.elsewhere => return Ok(()),
            None => return Err(Malformed),
        };
        self.made = self.made.saturating_add(text.len() + 1);
        if nesting == 0 || self.made > EXPANSION_MAX {
            return Err(Malformed);
        }
        self.expand(text, nesting - 1, out)
    }
}

/// The letter that a reference names; `None`: it is the name of an entity.
fn letter(name: &[u8]) -> Result<Option<char>, Malformed> {
    Ok(Some(match name {
        b"lt" => '<',
        b"gt" => '>',
        b"amp" => '&',
        b"quot" => '"',
        b"apos" => '\'',
        [b'#', b'x', digits @ ..] => code_point(digits, 16).ok_or(Malformed)?,
        [b'#', digits @ ..] => code_point(digits, 10).ok_or(Malformed)?,
        _ => return Ok(None),
    }))
}

fn code_point(digits: &[u8], radix: u32) -> Option<char> {
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    let letter = u32::from_str_radix(digits, radix).ok().and_then(char::from_u32)?;
    (letter >= ' ' || matches!(letter, '\t' | '\n' | '\r')).then_some(letter)
}
