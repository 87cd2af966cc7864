//! `rampart test`: runs the cases of rules and reports each of them.
//!
//! Two kinds: the `[[case]]` entries beside TOML rules, and conformance cases in go-ftw's YAML, run in this process or
//! against a gateway on the network.

mod cases;
mod conformance;
mod junit;
mod summary;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use rampart_settings::Report;
use regex::Regex;

use self::summary::Summary;
use super::{ConfigArguments, Outcome, report, term};
use crate::ftw;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rampart test\n  rampart test rules/inspection/sqli.toml\n  rampart test --json | jq .failed\n  \
                  rampart test crs/tests --seclang setup.conf 'crs/rules/*.conf' --overrides overrides.yaml\n  \
                  rampart test crs/tests --profile crs-cases --junit report.xml\n  \
                  rampart test crs/tests --against http://127.0.0.1:8080 --events var/events.log\n\n\
                  A [[case]] may name any rule of the rules directory. Exit code 0 when all cases hold, 1 when one does not,\n\
                  2 when they cannot be run."
)]
pub(super) struct TestArguments {
    /// Files or directories whose cases to run: *.toml and go-ftw's *.yaml [default: the rules directory of the configuration]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// YAML cases: run them against this profile of the configuration [default: default]
    #[arg(long, value_name = "NAME", conflicts_with_all = ["seclang", "against"])]
    profile: Option<String>,
    /// YAML cases: run them against these SecLang files, in this order
    #[arg(long, value_name = "GLOB", num_args = 1.., conflicts_with = "against")]
    seclang: Vec<String>,
    /// YAML cases: where these rules are right to differ from what a case expects, and why; may be given several times
    #[arg(long, value_name = "FILE")]
    overrides: Vec<PathBuf>,
    /// YAML cases: only those whose id (942100-7) matches
    #[arg(long, value_name = "REGEX", allow_hyphen_values = true)]
    include: Option<Regex>,
    /// YAML cases: not those whose id matches
    #[arg(long, value_name = "REGEX", allow_hyphen_values = true)]
    exclude: Option<Regex>,
    /// YAML cases: send them to the gateway at this address
    #[arg(long, value_name = "URL")]
    against: Option<String>,
    /// The event log of that gateway, to know which rules matched
    #[arg(long, value_name = "FILE", requires = "against")]
    events: Option<PathBuf>,
    /// As JSON: {"passed", "failed", "skipped", "cases": [{"id", "file", "stage", "status", "expected", "got", "micros"}]}
    #[arg(long)]
    json: bool,
    /// Write a JUnit report, too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArguments,
}

/// Runs the cases and shows what failed.
pub(super) fn test(arguments: &TestArguments) -> anyhow::Result<Outcome> {
    let findings = Report::new();
    let (seclang, mut paths) = sorted_out(arguments);
    let rules = cases::rules_directory(&arguments.config.config, &findings)?;
    if paths.is_empty() {
        paths.push(rules.clone());
    }
    let yaml = yaml_of(&paths)?;
    let asks_for_yaml = arguments.against.is_some() || arguments.profile.is_some() || !seclang.is_empty();
    if asks_for_yaml && yaml.is_empty() {
        bail!("there are no *.yaml or *.yml files to run in this way");
    }
    // What is asked of a gateway or of one profile is not asked of the strings beside TOML rules.
    let toml = if asks_for_yaml { BTreeSet::new() } else { toml_of(&paths)? };
    let mut results = if toml.is_empty() { Vec::new() } else { cases::run(&rules, &toml, &findings)? };
    if findings.errors() > 0 {
        report::refuse(findings, "cannot run the cases");
        return Ok(Outcome::Unusable);
    }
    if !yaml.is_empty() {
        match conformance::run(arguments, &seclang, &yaml)? {
            Ok(more) => results.extend(more),
            Err(outcome) => return Ok(outcome),
        }
    }
    show(arguments, &Summary::of(results))
}

fn show(arguments: &TestArguments, summary: &Summary) -> anyhow::Result<Outcome> {
    if let Some(file) = &arguments.junit {
        fs::write(file, junit::report(summary)).with_context(|| format!("cannot write {}", file.display()))?;
    }
    if arguments.json {
        term::say_json(summary)?;
    } else {
        summary.show()?;
    }
    if summary.cases.is_empty() && (arguments.include.is_some() || !arguments.paths.is_empty()) {
        term::note("no case was run: no file holds one that was asked for");
        return Ok(Outcome::Unusable);
    }
    Ok(if summary.failed == 0 { Outcome::Good } else { Outcome::Bad })
}

/// `--seclang` takes as many values as follow it; directories and YAML files among them were meant as paths.
fn sorted_out(arguments: &TestArguments) -> (Vec<String>, Vec<PathBuf>) {
    let is_path = |value: &String| Path::new(value).is_dir() || ftw::is_yaml(Path::new(value));
    let (paths, patterns): (Vec<String>, Vec<String>) = arguments.seclang.iter().cloned().partition(is_path);
    (patterns, arguments.paths.iter().cloned().chain(paths.into_iter().map(PathBuf::from)).collect())
}

fn yaml_of(paths: &[PathBuf]) -> anyhow::Result<BTreeSet<PathBuf>> {
    let candidates: Vec<PathBuf> = paths.iter().filter(|path| path.is_dir() || ftw::is_yaml(path)).cloned().collect();
    Ok(ftw::files(&candidates)?)
}

fn toml_of(paths: &[PathBuf]) -> anyhow::Result<BTreeSet<PathBuf>> {
    let candidates: Vec<PathBuf> = paths.iter().filter(|path| !ftw::is_yaml(path)).cloned().collect();
    cases::files_of(&candidates)
}
