//! The document type declaration: where it ends, and the entities that it declares.

use super::{is_name, is_name_start};

/// The general entities of a document.
#[derive(Debug, Default)]
pub(super) struct Entities<'a> {
    /// Name and text; `None` for one that stands in another resource. The first declaration counts.
    pub(super) declared: Vec<(&'a [u8], Option<&'a [u8]>)>,
    /// Whether the declaration names another resource: then an entity that is not declared may be declared there.
    pub(super) elsewhere: bool,
    /// Bytes that were made of entities.
    pub(super) made: usize,
}

/// Reads what follows `<!DOCTYPE` and gives its length, to after its `>`.
pub(super) fn read<'a>(text: &'a [u8], entities: &mut Entities<'a>) -> Option<usize> {
    let mut rest = text;
    loop {
        rest = match rest.split_first()? {
            (b'>', after) => return Some(text.len() - after.len()),
            (quote @ (b'"' | b'\''), after) => {
                entities.elsewhere = true;
                after.get(memchr::memchr(*quote, after)? + 1..)?
            }
            (b'[', after) => subset(after, entities)?,
            (_, after) => after,
        };
    }
}

/// Reads the internal subset to after its `]`.
fn subset<'a>(text: &'a [u8], entities: &mut Entities<'a>) -> Option<&'a [u8]> {
    let mut rest = text;
    loop {
        rest = if let Some(after) = rest.strip_prefix(b"<!--") {
            after.get(memchr::memmem::find(after, b"-->")? + 3..)?
        } else if let Some(after) = rest.strip_prefix(b"<?") {
            after.get(memchr::memmem::find(after, b"?>")? + 2..)?
        } else if let Some(after) = rest.strip_prefix(b"<!ENTITY") {
            if let Some((name, value)) = entity(after)
                && !entities.declared.iter().take(DECLARED_MAX).any(|(known, _)| *known == name)
                && entities.declared.len() < DECLARED_MAX
            {
                entities.declared.push((name, value));
            }
            let rest = declaration_end(after)?;
            let declaration = after.get(..after.len() - rest.len()).unwrap_or_default();
            // A parameter entity of another resource may declare what this document does not.
            entities.elsewhere |= is_external_parameter(declaration);
            rest
        } else {
            match rest.split_first()? {
                (b']', after) => return Some(after),
                (b'<', after) => declaration_end(after)?,
                (_, after) => after,
            }
        };
    }
}

/// Entities that are known of a document; those beyond are taken for not declared.
const DECLARED_MAX: usize = 64;

/// Name and text of what follows `<!ENTITY`; `None` for a parameter entity.
fn entity(text: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let text = text.trim_ascii_start();
    let end = text.iter().position(|&byte| !is_name(byte))?;
    let (name, rest) = text.split_at_checked(end)?;
    name.first().filter(|&&first| is_name_start(first))?;
    match rest.trim_ascii_start().split_first()? {
        (quote @ (b'"' | b'\''), after) => Some((name, Some(after.get(..memchr::memchr(*quote, after)?)?))),
        _ => Some((name, None)),
    }
}

/// Whether what follows `<!ENTITY` is a parameter entity that stands in another resource.
fn is_external_parameter(declaration: &[u8]) -> bool {
    let Some(text) = declaration.trim_ascii_start().strip_prefix(b"%") else { return false };
    let text = text.trim_ascii_start();
    let name = text.iter().position(|&byte| !is_name(byte)).unwrap_or(text.len());
    matches!(text.get(name..).unwrap_or_default().trim_ascii_start(), [b'S' | b'P', ..])
}

/// What follows the `>` of a declaration, past quotes.
fn declaration_end(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    loop {
        rest = match rest.split_first()? {
            (b'>', after) => return Some(after),
            (quote @ (b'"' | b'\''), after) => after.get(memchr::memchr(*quote, after)? + 1..)?,
            (_, after) => after,
        };
    }
}
