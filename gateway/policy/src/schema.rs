//! The JSON Schemas of both kinds of file, from which editors complete and check.

use crate::raw_config::RawConfig;
use crate::raw_rules::RawRulesFile;

/// The schema of `config.toml`.
pub fn schema_config() -> serde_json::Value {
    rampart_settings::schema_of::<RawConfig>()
}

/// The schema of a file of the rules directory.
pub fn schema_rules() -> serde_json::Value {
    rampart_settings::schema_of::<RawRulesFile>()
}
