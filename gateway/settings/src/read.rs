//! A document to a typed value, with every structural mistake reported.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::diagnostic::Report;
use crate::document::Document;

/// Reads the document as a `T`; `None` if anything does not fit, in which case the report holds every reason.
pub fn read<T: DeserializeOwned + JsonSchema>(document: &Document, report: &Report) -> Option<T> {
    let place = document.root(report);
    match serde_path_to_error::deserialize(document.root.plain()) {
        Ok(value) => Some(value),
        Err(error) => {
            place.error(error.to_string());
            None
        }
    }
}

/// The JSON Schema (draft 2020-12) of `T`, for editors.
pub fn schema_of<T: JsonSchema>() -> serde_json::Value {
    schemars::generate::SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value()
}
