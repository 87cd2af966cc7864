//! A small good configuration, and findings in one line each.

use std::path::PathBuf;

use rampart_policy::{Embedded, Environment, LoadOptions, Secrets, load_embedded};
use rampart_settings::Diagnostic;

pub(crate) const CONFIG: &str = "rules = \"rules\"\nversion = 1\n[listener.main]\naddress = \"127.0.0.1:0\"\n[upstream.agents]\n\
                          addresses = [\"http://127.0.0.1:9000\"]";
pub(crate) const PROFILE: &str = "[profile.default]";

pub(crate) fn options(variables: &[(&str, &str)]) -> LoadOptions {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    LoadOptions {
        config: PathBuf::from("config.toml"),
        environment: variables.collect::<Environment>(),
        secrets: Secrets::Require,
    }
}

/// Everything that is said about a configuration in memory.
pub(crate) fn report(config: &str, rules: &[(&str, &str)]) -> Vec<Diagnostic> {
    load_embedded(&Embedded { config: ("config.toml", config), rules }, &options(&[])).0.into_sorted()
}

/// `file:line:column key: message (help)`.
pub(crate) fn brief(found: &[Diagnostic]) -> Vec<String> {
    let line = |d: &Diagnostic| {
        let help = d.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{}:{}:{} {}: {}{help}", d.file, d.line, d.column, d.path, d.message)
    };
    found.iter().map(line).collect()
}
