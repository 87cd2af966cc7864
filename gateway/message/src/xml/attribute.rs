//! Attributes of a start tag.

use smallvec::SmallVec;

use super::text::expand;
use super::{Scanner, Stop};
use crate::{Aspect, At, Step};

impl<'a> Scanner<'_, '_, 'a> {
    /// Reads the attributes of the element `node` and the end of its tag. `true`: it was closed at once (`<a/>`).
    pub(super) fn attributes(&mut self, node: u32) -> Result<bool, Stop> {
        let mut names: SmallVec<[&'a [u8]; 8]> = SmallVec::new();
        let empty = loop {
            self.skip_blanks();
            match self.rest() {
                [b'/', b'>', ..] => {
                    self.pos += 2;
                    break true;
                }
                [b'>', ..] => {
                    self.pos += 1;
                    break false;
                }
                [] | [b'<', ..] => {
                    self.malformed();
                    break false;
                }
                [b'/' | b'=' | b'"' | b'\'', ..] => {
                    self.malformed();
                    self.pos += 1;
                }
                _ => {
                    let name = self.name();
                    names.push(name);
                    self.attribute(node, name)?;
                }
            }
        };
        self.out.bound("xml_attributes", At::Node(node), names.len(), self.out.limits.xml_attributes);
        names.sort_unstable();
        if names.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
            self.malformed();
        }
        Ok(empty)
    }

    /// Reads `= "value"` of the attribute `name`.
    fn attribute(&mut self, element: u32, name: &'a [u8]) -> Result<(), Stop> {
        let value = self.attribute_value();
        let node = self.out.node(element, Step::Attribute(name))?;
        self.out.bound("argument_name_length", At::Node(node), name.len(), self.out.limits.argument_name_length);
        let value = value.unwrap_or_else(|| {
            self.malformed();
            b""
        });
        let (text, foreign) = expand(value);
        self.note_entity(foreign, node);
        self.value(Aspect::Attribute, node, text)
    }

    fn attribute_value(&mut self) -> Option<&'a [u8]> {
        self.skip_blanks();
        if self.rest().first() != Some(&b'=') {
            return None;
        }
        self.pos += 1;
        self.skip_blanks();
        let (&quote, inside) = self.rest().split_first()?;
        if !matches!(quote, b'"' | b'\'') {
            // HTML-like: the value goes to the next blank.
            self.malformed();
            let rest = self.rest();
            let end = rest.iter().position(|byte| byte.is_ascii_whitespace() || *byte == b'>').unwrap_or(rest.len());
            self.pos += end;
            return rest.get(..end);
        }
        let end = memchr::memchr(quote, inside);
        let value = inside.get(..end.unwrap_or(inside.len())).unwrap_or_default();
        if end.is_none() || memchr::memchr(b'<', value).is_some() {
            self.malformed();
        }
        self.pos += 1 + value.len() + usize::from(end.is_some());
        Some(value)
    }
}
