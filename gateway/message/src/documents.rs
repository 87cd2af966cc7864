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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &[u8], processor: Processor, values: &[&str], well_formed: bool) {
        let document = Document::parse(text, processor, &Limits::DEFAULT);
        let found: Vec<_> = document.values.iter().map(|value| String::from_utf8_lossy(&value.bytes)).collect();
        assert_eq!(
            (found.as_slice(), document.well_formed),
            (&values.iter().map(|&v| v.into()).collect::<Vec<_>>()[..], well_formed)
        );
    }

    #[test]
    fn a_document_is_read_as_who_asks_says() {
        check(br#"{"a":[1,"\u0041"]}"#, Processor::Json, &["1", "A"], true);
        check(br#"{"a":1"#, Processor::Json, &["1"], false);
        check(b"<a b='1'>x</a>", Processor::Xml, &["1", "x"], true);
        check(b"<a>x", Processor::Xml, &["x"], false);
    }

    #[test]
    fn what_a_limit_stops_is_not_well_formed() {
        let limits = Limits { arguments: 2, ..Limits::DEFAULT };
        assert!(!Document::parse(b"[1,2,3]", Processor::Json, &limits).well_formed);
    }
}
