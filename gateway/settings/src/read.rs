//! A document to a typed value, with every structural mistake reported.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

use crate::diagnostic::Report;
use crate::document::Document;
use crate::place::Place;
use crate::structure::mistakes;

/// Reads the document as a `T`; `None` if anything does not fit, in which case the report holds every reason.
pub fn read<T: DeserializeOwned + JsonSchema>(document: &Document, report: &Report) -> Option<T> {
    let found = mistakes(document, &schema_of::<T>());
    if !found.is_empty() {
        for mistake in found {
            report.push(mistake);
        }
        return None;
    }
    match serde_path_to_error::deserialize(document.root.plain()) {
        Ok(value) => Some(value),
        Err(error) => {
            let place = at(document.root(report), error.path());
            place.error(error.into_inner().to_string().trim_end().to_owned());
            None
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
