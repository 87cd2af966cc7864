//! JSON and XML documents, wherever in a request they stand: the body, a part of a form, a body of another type.

use crate::collector::{Collector, Full, Problems};
use crate::json::Outcome;
use crate::{Limits, Node, Processor, Step, Value, json, xml};

/// A document read on its own, for who takes a body for another type than its message did.
#[derive(Debug, Default)]
pub struct Document<'a> {
    /// Its values, in order.
    pub values: Vec<Value<'a>>,
    /// The places that the names of the values refer to.
    pub nodes: Vec<Node<'a>>,
    /// Whether it is well-formed and was read to its end.
    pub well_formed: bool,
}

impl<'a> Document<'a> {
    /// Reads `text` as JSON or XML (any other processor reads it as XML), under `limits`.
    pub fn parse(text: &'a [u8], processor: Processor, limits: &Limits) -> Self {
        let (mut document, mut problems) = (Self::default(), Problems::new());
        let (values, nodes) = (&mut document.values, &mut document.nodes);
        let mut out = Collector { values, nodes, problems: &mut problems, limits };
        let outcome = read(text, processor, Step::Root, &mut out);
        document.well_formed = outcome == Ok(Outcome::Whole);
        document
    }
}

/// Reads `text` as the document that `processor` says, below a root of its own.
pub(crate) fn read<'a>(
    text: &'a [u8],
    processor: Processor,
    root: Step<'a>,
    out: &mut Collector<'_, 'a>,
) -> Result<Outcome, Full> {
    let root = out.root(root)?;
    Ok(match processor {
        Processor::Json => json::parse(text, json::Form::Document, root, out),
        Processor::JsonSequence => json::parse(text, json::Form::Sequence, root, out),
        _ => xml::parse(text, root, out),
    })
}
