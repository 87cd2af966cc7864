//! The YAML of test files and override files, as people write it.
//!
//! Facts from the published schema of FTW tests (coreruleset/ftw-tests-schema: v2 with its `stage:` wrapper and titles, v3
//! with templates and ordered fields). Scalars are read as the text that stands in the file: `Content-Length: 007` sends
//! `007`. A key of a stage that is not of the schema is an error, so that a misspelt expectation cannot be one that always
//! holds; around the stages people write what they like, and it is ignored.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

/// A file of cases about one rule. `D` is how `data` is written: text, or lines in a list (the first version).
#[derive(Debug, Deserialize)]
pub(super) struct RawFile<D> {
    #[serde(default)]
    pub(super) meta: RawMeta,
    #[serde(default)]
    pub(super) rule_id: Option<String>,
    #[serde(default)]
    pub(super) template: Option<RawTemplate>,
    pub(super) tests: Vec<RawTest<D>>,
}

/// Only what decides anything; people write more into it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct RawMeta {
    #[serde(default)]
    pub(super) enabled: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RawTest<D> {
    #[serde(default, alias = "id")]
    pub(super) test_id: Option<u32>,
    #[serde(default)]
    pub(super) test_title: Option<String>,
    #[serde(default, rename = "desc", alias = "description")]
    pub(super) _description: Option<String>,
    #[serde(default, rename = "tags")]
    pub(super) _tags: Vec<String>,
    #[serde(default = "Vec::new")]
    pub(super) stages: Vec<RawStage<D>>,
    /// With a template: what stands at `{{.Payload}}`.
    #[serde(default)]
    pub(super) payload: Option<String>,
    #[serde(default)]
    pub(super) template: Option<RawTemplate>,
    #[serde(default)]
    pub(super) output: Option<RawOutput>,
}

/// `input` and `output` directly (v3), or below `stage` (v2).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "D: Deserialize<'de>"))]
pub(super) struct RawStage<D> {
    #[serde(default, rename = "description")]
    pub(super) _description: Option<String>,
    #[serde(default = "no_input")]
    pub(super) input: Option<RawInput<D>>,
    #[serde(default)]
    pub(super) output: Option<RawOutput>,
    #[serde(default = "no_wrapped")]
    pub(super) stage: Option<RawWrapped<D>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "D: Deserialize<'de>"))]
pub(super) struct RawWrapped<D> {
    #[serde(default, rename = "description")]
    pub(super) _description: Option<String>,
    pub(super) input: RawInput<D>,
    #[serde(default)]
    pub(super) output: RawOutput,
}

fn no_input<D>() -> Option<RawInput<D>> {
    None
}

fn no_wrapped<D>() -> Option<RawWrapped<D>> {
    None
}

/// What is sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "D: Deserialize<'de>"))]
pub(super) struct RawInput<D> {
    #[serde(default, rename = "dest_addr")]
    pub(super) _dest_addr: Option<String>,
    #[serde(default, rename = "port")]
    pub(super) _port: Option<String>,
    #[serde(default, rename = "protocol")]
    pub(super) _protocol: Option<String>,
    #[serde(default, rename = "virtual_host_mode")]
    pub(super) _virtual_host_mode: Option<bool>,
    #[serde(default)]
    pub(super) uri: Option<String>,
    #[serde(default)]
    pub(super) uris: Vec<String>,
    #[serde(default)]
    pub(super) method: Option<String>,
    #[serde(default)]
    pub(super) version: Option<String>,
    #[serde(default)]
    pub(super) headers: RawFields,
    #[serde(default)]
    pub(super) ordered_headers: Vec<RawField>,
    #[serde(default = "none")]
    pub(super) data: Option<D>,
    #[serde(default)]
    pub(super) encoded_data: Option<String>,
    #[serde(default)]
    pub(super) encoded_request: Option<String>,
    /// Older name of `encoded_request`.
    #[serde(default)]
    pub(super) raw_request: Option<String>,
    #[serde(default)]
    pub(super) autocomplete_headers: Option<bool>,
    /// The opposite of `autocomplete_headers`, its older name.
    #[serde(default)]
    pub(super) stop_magic: Option<bool>,
    #[serde(default)]
    pub(super) follow_redirect: Option<bool>,
    #[serde(default)]
    pub(super) save_cookie: Option<bool>,
    #[serde(default)]
    pub(super) response: Option<RawResponse>,
}

fn none<D>() -> Option<D> {
    None
}

/// What the backend is to answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawResponse {
    #[serde(default)]
    pub(super) status: Option<u16>,
    #[serde(default)]
    pub(super) headers: RawFields,
    #[serde(default)]
    pub(super) body: Option<String>,
    #[serde(default, alias = "encodedBody")]
    pub(super) encoded_body: Option<String>,
    #[serde(default, rename = "log_message", alias = "logMessage")]
    pub(super) _log_message: Option<String>,
}

/// The request around payloads, of a file or of one test.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTemplate {
    #[serde(default, rename = "dest_addr")]
    pub(super) _dest_addr: Option<String>,
    #[serde(default, rename = "port")]
    pub(super) _port: Option<String>,
    #[serde(default, rename = "protocol")]
    pub(super) _protocol: Option<String>,
    #[serde(default)]
    pub(super) uri: Option<String>,
    #[serde(default)]
    pub(super) version: Option<String>,
    #[serde(default)]
    pub(super) method: Option<String>,
    #[serde(default)]
    pub(super) headers: Option<Vec<RawField>>,
    #[serde(default)]
    pub(super) data: Option<String>,
    #[serde(default)]
    pub(super) autocomplete_headers: Option<bool>,
    #[serde(default)]
    pub(super) stop_magic: Option<bool>,
    #[serde(default)]
    pub(super) save_cookie: Option<bool>,
}

/// One field line of an ordered list.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawField {
    pub(super) name: String,
    #[serde(default)]
    pub(super) value: Option<String>,
}

/// What must come of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOutput {
    #[serde(default)]
    pub(super) status: Option<RawStatus>,
    #[serde(default)]
    pub(super) response_contains: Option<String>,
    #[serde(default)]
    pub(super) log_contains: Option<String>,
    #[serde(default)]
    pub(super) no_log_contains: Option<String>,
    #[serde(default)]
    pub(super) log: RawLog,
    #[serde(default)]
    pub(super) expect_error: Option<bool>,
    #[serde(default)]
    pub(super) retry_once: Option<bool>,
    #[serde(default)]
    pub(super) isolated: bool,
}

/// One status, or several of which one is right (v1).
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum RawStatus {
    One(u16),
    Several(Vec<u16>),
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLog {
    #[serde(default)]
    pub(super) expect_ids: Vec<String>,
    #[serde(default)]
    pub(super) no_expect_ids: Vec<String>,
    #[serde(default)]
    pub(super) match_regex: Option<String>,
    #[serde(default)]
    pub(super) no_match_regex: Option<String>,
}

/// A file of overrides: where this engine is right to differ from what a case expects, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOverrides {
    #[serde(default, rename = "version")]
    pub(super) _version: Option<String>,
    #[serde(default, rename = "meta")]
    pub(super) _meta: serde::de::IgnoredAny,
    #[serde(default)]
    pub(super) test_overrides: Vec<RawOverride>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOverride {
    pub(super) rule_id: String,
    #[serde(default)]
    pub(super) test_ids: Vec<u32>,
    #[serde(default)]
    pub(super) stage_ids: Vec<u32>,
    pub(super) reason: String,
    #[serde(default)]
    pub(super) expect_failure: Option<bool>,
    #[serde(default)]
    pub(super) retry_once: Option<bool>,
    #[serde(default)]
    pub(super) output: Option<RawOutput>,
}

/// Field lines of a mapping, in the order in which they stand there.
#[derive(Debug, Clone, Default)]
pub(super) struct RawFields(pub(super) Vec<(String, String)>);

impl<'de> Deserialize<'de> for RawFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = RawFields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping of field names to values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawFields, A::Error> {
                let mut fields = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Option<String>>()? {
                    fields.push((name, value.unwrap_or_default()));
                }
                Ok(RawFields(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// `data` as the first version wrote it: lines in a list, joined by CR LF.
#[derive(Debug, Default)]
pub(super) struct Lines(String);

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Sequence;
        impl<'de> Visitor<'de> for Sequence {
            type Value = Lines;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, or a list of lines")
            }

            fn visit_str<E>(self, text: &str) -> Result<Lines, E> {
                Ok(Lines(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Lines, A::Error> {
                let mut lines = Vec::new();
                while let Some(line) = items.next_element::<String>()? {
                    lines.push(line);
                }
                Ok(Lines(lines.join("\r\n")))
            }
        }
        deserializer.deserialize_any(Sequence)
    }
}

impl From<Lines> for String {
    fn from(lines: Lines) -> Self {
        lines.0
    }
}
