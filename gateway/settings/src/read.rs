//! A document to a typed value, with every structural mistake reported.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

use crate::diagnostic::Report;
use crate::document::Document;
use crate::place::{Place, Step};
use crate::structure::mistakes;

/// Reads the document as a `T`; `None` if anything does not fit, in which case the report holds every reason.
pub fn read<T: DeserializeOwned + JsonSchema>(document: &Document, report: &Report) -> Option<T> {
    check::<T>(document, report).read(&document.root(report))
}

/// Reports everything in the document that does not fit `T`: [`Shape::check`] for one document.
pub fn check<T: JsonSchema>(document: &Document, report: &Report) -> Checked {
    Shape::of::<T>().check(document, report)
}

/// What documents of one kind look like. Made once for many documents: making it costs more than checking one.
#[derive(Debug)]
pub struct Shape {
    schema: serde_json::Value,
}

impl Shape {
    /// The shape that the schema of `T` gives.
    pub fn of<T: JsonSchema>() -> Self {
        Self { schema: schema_of::<T>() }
    }

    /// Reports everything in the document that does not fit, and remembers where it was: the other parts can still be
    /// read, so that what is wrong with their meaning is reported in the same go.
    pub fn check(&self, document: &Document, report: &Report) -> Checked {
        let mut broken = Vec::new();
        for mistake in mistakes(document, &self.schema) {
            broken.push(mistake.path);
            report.push(mistake.diagnostic);
        }
        Checked { broken }
    }
}

/// A document whose structure was checked.
#[derive(Debug)]
pub struct Checked {
    broken: Vec<Vec<Step>>,
}

impl Checked {
    /// Whether something at `place`, or below it, does not fit the schema.
    pub fn is_broken(&self, place: &Place<'_>) -> bool {
        self.broken.iter().any(|path| path.starts_with(place.steps()))
    }

    /// Reads what stands at `place`; `None` if it is not there or does not fit, which was reported then.
    pub fn read<T: DeserializeOwned>(&self, place: &Place<'_>) -> Option<T> {
        let node = place.node().filter(|_| !self.is_broken(place))?;
        match serde_path_to_error::deserialize(node.plain()) {
            Ok(value) => Some(value),
            Err(error) => {
                let place = at(place.clone(), error.path());
                place.error(error.into_inner().to_string().trim_end().to_owned());
                None
            }
        }
    }
}

/// The JSON Schema (draft 2020-12) of `T`, for editors.
pub fn schema_of<T: JsonSchema>() -> serde_json::Value {
    schemars::generate::SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value()
}

fn at<'a>(mut place: Place<'a>, path: &Path) -> Place<'a> {
    for segment in path {
        let next = match segment {
            Segment::Seq { index } => place.index(*index),
            Segment::Map { key } | Segment::Enum { variant: key } => place.key(key),
            Segment::Unknown => break,
        };
        if !next.exists() {
            break;
        }
        place = next;
    }
    place
}
