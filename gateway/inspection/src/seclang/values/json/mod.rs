//! The scalars of a JSON body as arguments: `json.user.roles.array_0`.
//!
//! The values are those of the message, which has read the document already where it took the body for JSON too; only
//! the names are made here, in one walk along the document. Where ModSecurity stops at an error, what comes after it is
//! an argument here as well; `REQBODY_ERROR` says the same.
//!
//! Names are bounded: long keys over many values would make them grow with the square of the body. Beyond
//! [`NAMES_PER_BYTE`] a value is named by its own key alone, and the body counts as broken.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use rampart_message::{Document, Kind, Name, Node, Processor, Step, Value};

use super::body::Input;
use super::facts::BodyOutcome;
use super::store::{Text, Values, push_number};
use crate::seclang::variable::Source;

/// Bytes of names that one byte of a document may make: `1,` makes `json.array_1234567`.
const NAMES_PER_BYTE: usize = 16;

/// Bytes of names that any document may make.
const NAMES_AT_LEAST: usize = 64 << 10;

const BROKEN: BodyOutcome = BodyOutcome::Failed("JSON parsing error");

/// Adds the scalars of the document.
pub(super) fn read<'a>(input: &Input<'_, 'a>, values: &mut Values<'a>) -> BodyOutcome {
    if input.bytes.is_empty() {
        return BodyOutcome::Fine;
    }
    let parsed = input.message.body.filter(|body| !input.cut && body.processor == Processor::Json);
    if let Some(body) = parsed {
        let message = input.message;
        return add(input, &message.values, &message.nodes, body.well_formed, values);
    }
    let document = Document::parse(input.bytes, Processor::Json, input.limits);
    add(input, &document.values, &document.nodes, document.well_formed, values)
}

/// Adds what of `found` is JSON.
fn add<'a>(
    input: &Input<'_, 'a>,
    found: &[Value<'a>],
    nodes: &[Node<'a>],
    well_formed: bool,
    values: &mut Values<'a>,
) -> BodyOutcome {
    let budget = input.bytes.len().saturating_mul(NAMES_PER_BYTE).saturating_add(NAMES_AT_LEAST);
    let mut names = Names { nodes, path: b"json".to_vec(), open: Vec::new(), budget };
    let mut deepest = 0;
    for value in found {
        let (Kind::Json, Name::Node(node)) = (value.kind, &value.name) else { continue };
        if values.arguments_full(input.settings) {
            break;
        }
        deepest = deepest.max(names.walk_to(*node));
        let name = names.name(values);
        let bytes = match (value.aspect, &value.bytes) {
            (rampart_message::Aspect::Null, _) => Text::EMPTY,
            (_, Cow::Borrowed(bytes)) => Text::Given(bytes),
            (_, Cow::Owned(bytes)) => values.make(bytes),
        };
        values.push_argument((Source::ArgJson, Source::ArgJsonName), name, bytes);
    }
    let too_deep = input.settings.json_depth > 0 && deepest > input.settings.json_depth as usize;
    if well_formed && !too_deep && names.budget > 0 && std::str::from_utf8(input.bytes).is_ok() {
        BodyOutcome::Fine
    } else {
        BROKEN
    }
}

/// The names along a document, of which the current one is written out.
struct Names<'m, 'a> {
    nodes: &'m [Node<'a>],
    /// The current name.
    path: Vec<u8>,
    /// The nodes of the current name from the root down, and where each step begins and ends in `path`.
    open: Vec<(u32, usize, usize)>,
    /// Bytes of names that may still be made.
    budget: usize,
}

impl Names<'_, '_> {
    /// Makes the name of `node` the current one and says how deep it stands.
    fn walk_to(&mut self, node: u32) -> usize {
        let mut steps = smallvec::SmallVec::<[u32; 16]>::new();
        let mut at = node;
        loop {
            // A parent stands before its children, so what comes after `at` is none of its parents.
            while self.open.last().is_some_and(|(open, ..)| *open > at) {
                self.open.pop();
            }
            if self.open.last().is_some_and(|(open, ..)| *open == at) {
                break;
            }
            steps.push(at);
            match self.nodes.get(at as usize) {
                Some(node) if node.parent < at => at = node.parent,
                _ => break,
            }
        }
        self.path.truncate(self.open.last().map_or(b"json".len(), |(_, _, end)| *end));
        for node in steps.into_iter().rev() {
            self.step(node);
        }
        self.open.len().saturating_sub(1)
    }

    fn step(&mut self, node: u32) {
        let start = self.path.len();
        match self.nodes.get(node as usize).map(|node| &node.step) {
            Some(Step::Key(key)) if key.is_empty() => self.path.extend_from_slice(b".empty-key"),
            Some(Step::Key(key)) => {
                self.path.push(b'.');
                self.path.extend_from_slice(key);
            }
            Some(Step::Index(index)) => {
                self.path.extend_from_slice(b".array_");
                push_number(&mut self.path, u64::from(*index));
            }
            _ => {}
        }
        self.open.push((node, start, self.path.len()));
    }

    /// The current name, in the arena.
    fn name<'v>(&mut self, values: &mut Values<'_>) -> Text<'v> {
        if let Some(left) = self.budget.checked_sub(self.path.len()) {
            self.budget = left;
            return values.make(&self.path);
        }
        self.budget = 0;
        let own = self.open.last().and_then(|(_, start, end)| self.path.get(*start..*end));
        values.make(own.filter(|own| own.len() <= NAMES_PER_BYTE).unwrap_or_default())
    }
}
