//! `rampart check`: every mistake of every file at once, or the schemas that editors check against.

mod seclang;

use clap::{Args, ValueEnum};
use rampart_policy::Snapshot;
use rampart_settings::Severity;
use serde_json::{Value, json};

use super::{ConfigArguments, Outcome, report, term};
use crate::load::Sources;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rampart check\n  rampart check --verbose\n  \
                        rampart check --config /etc/rampart/config.toml --json\n  \
                        rampart check --schema rules > rules.schema.json\n\n\
                        Exit code 0 when the configuration is good (warnings included), 1 when it is not.")]
pub(super) struct CheckArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// As JSON: {"ok", "errors", "warnings", "digest", "loaded", "seclang": [...], "unavailable": {...},
    /// "diagnostics": [...]}
    #[arg(long)]
    json: bool,
    /// Also the files of SecLang rules, and what is good to know about them and asks for nothing
    #[arg(short, long, conflicts_with = "json")]
    verbose: bool,
    /// Print the JSON Schema of one kind of file instead
    #[arg(long, value_name = "KIND")]
    schema: Option<Kind>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// config.toml
    Config,
    /// Files of the rules directory
    Rules,
}

/// Checks and says what was found.
pub(super) fn check(arguments: &CheckArguments) -> anyhow::Result<Outcome> {
    match arguments.schema {
        Some(Kind::Config) => term::say_json(&rampart_policy::schema_config())?,
        Some(Kind::Rules) => term::say_json(&rampart_policy::schema_rules())?,
        None => return check_files(arguments),
    }
    Ok(Outcome::Good)
}

fn check_files(arguments: &CheckArguments) -> anyhow::Result<Outcome> {
    let (findings, snapshot) = Sources::of_files(&arguments.config.config).without_secrets().load();
    let outcome = if snapshot.is_some() { Outcome::Good } else { Outcome::Bad };
    if arguments.json {
        let findings = findings.into_sorted();
        let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
        term::say_json(&json!({
            "ok": snapshot.is_some(), "errors": count(Severity::Error), "warnings": count(Severity::Warning),
            "digest": snapshot.as_ref().map(|snapshot| &snapshot.digest),
            "loaded": snapshot.as_ref().map_or(Value::Null, |snapshot| json!(snapshot.loaded)),
            "seclang": snapshot.as_ref().map_or(Value::Null, seclang::json),
            "unavailable": snapshot.as_ref().map_or(Value::Null, seclang::unavailable),
            "diagnostics": findings,
        }))?;
        return Ok(outcome);
    }
    match snapshot {
        Some(snapshot) => {
            let (errors, warnings) = report::show(findings);
            seclang::show(&snapshot, arguments.verbose)?;
            term::say(&good_line(&snapshot, &report::count(errors, warnings)))?;
        }
        None => report::refuse(findings, "not good"),
    }
    Ok(outcome)
}

fn good_line(snapshot: &Snapshot, count: &str) -> String {
    let loaded = &snapshot.loaded;
    format!(
        "good: {} files, {} routes, {} rules ({} cases hold), {} profiles, {} exclusions, {} upstreams; {count}; \
         snapshot {}",
        loaded.files,
        loaded.routes,
        loaded.rules,
        loaded.cases,
        loaded.profiles,
        loaded.exclusions,
        loaded.upstreams,
        snapshot.digest,
    )
}
