//! JSON and XML documents, wherever in a request they stand: the body, a part of a form, a body of another type.

use crate::collector::{Collector, Full};
use crate::json::Outcome;
use crate::{Processor, Step, json, xml};

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
