//! Cases in go-ftw's YAML: which rules they are run against, and what became of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rampart_policy::{Embedded, Environment, LoadOptions, Route, Secrets, Snapshot};
use rampart_settings::Report;

use super::super::{Outcome, profile_route, report, term};
use super::TestArguments;
use super::summary::{CaseResult, Status};
use crate::ftw::{self, Case, Ending, Network, Offline, Overrides, Target};
use crate::load::Sources;

/// The profile that is made of `--seclang`.
const MADE: &str = "test";
/// Connections to a gateway at a time.
const THREADS: usize = 4;

/// Runs the cases of `files`; the outcome is there where they cannot be run.
pub(super) fn run(
    arguments: &TestArguments,
    seclang: &[String],
    files: &BTreeSet<PathBuf>,
) -> anyhow::Result<Result<Vec<CaseResult>, Outcome>> {
    let mut cases = Vec::new();
    for file in files {
        cases.extend(ftw::read(file)?);
    }
    for file in &arguments.overrides {
        for unused in Overrides::read(file)?.apply(&mut cases) {
            term::note(&format!("{}: no case is overridden by {unused}", file.display()));
        }
    }
    let is_chosen = |case: &Case| {
        arguments.include.as_ref().is_none_or(|include| include.is_match(&case.id))
            && !arguments.exclude.as_ref().is_some_and(|exclude| exclude.is_match(&case.id))
    };
    cases.retain(is_chosen);
    if let Some(url) = &arguments.against {
        let network = Network::at(url, arguments.events.clone())?;
        return Ok(Ok(results(&network, &cases, THREADS)?));
    }
    let (findings, snapshot) = match seclang {
        [] => Sources::of_files(&arguments.config.config).without_secrets().load(),
        patterns => made_of(patterns)?,
    };
    let Some(snapshot) = snapshot else {
        report::refuse(findings, "cannot run the cases");
        return Ok(Err(Outcome::Unusable));
    };
    let route = route(&snapshot, arguments, seclang)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(Ok(results(&Offline::new(&route), &cases, threads)?))
}

fn route(snapshot: &Snapshot, arguments: &TestArguments, seclang: &[String]) -> anyhow::Result<Route> {
    let name = if seclang.is_empty() { arguments.profile.as_deref().unwrap_or("default") } else { MADE };
    profile_route(snapshot, name)
}

/// A configuration of nothing but a profile of these SecLang files.
fn made_of(patterns: &[String]) -> anyhow::Result<(Report, Option<Snapshot>)> {
    let folder = std::env::current_dir().context("there is no current directory")?;
    let absolute: Vec<String> = patterns.iter().map(|pattern| folder.join(pattern).display().to_string()).collect();
    let config = "version = 1\n[listener.main]\naddress = \"127.0.0.1:0\"\n[upstream.test]\n\
                  addresses = [\"http://127.0.0.1:9\"]\n[log.access]\nto = \"off\"\n[log.events]\nto = \"off\"\n\
                  [log.admin]\nto = \"off\"\n";
    let list = serde_json::to_string(&absolute)?;
    let rules = format!(
        "version = 1\n[profile.{MADE}]\nseclang = {list}\n\
         [[route]]\nname = \"{MADE}\"\nmatch = {{ path = \"/**\" }}\nupstream = \"test\"\ninspection = \"{MADE}\"\n"
    );
    let options =
        LoadOptions { config: "config.toml".into(), environment: Environment::default(), secrets: Secrets::Warn };
    let embedded = Embedded { config: ("(made of --seclang)", config), rules: &[("--seclang", &rules)] };
    Ok(rampart_policy::load_embedded(&embedded, &options))
}

fn results(target: &dyn Target, cases: &[Case], threads: usize) -> anyhow::Result<Vec<CaseResult>> {
    Ok(ftw::run(target, cases, threads)?.into_iter().map(result).collect())
}

fn result(outcome: ftw::Outcome<'_>) -> CaseResult {
    let (status, detail) = match outcome.ending {
        Ending::Pass => (Status::Pass, String::new()),
        Ending::Fail(wrong) => (Status::Fail, wrong),
        Ending::Skip(reason) => (Status::Skip, reason),
    };
    CaseResult {
        id: outcome.case.id.clone(),
        file: outcome.case.file.display().to_string(),
        stage: outcome.stage,
        status,
        expected: outcome.expected,
        got: outcome.got,
        micros: outcome.micros,
        group: group(&outcome.case.file),
        detail,
    }
}

/// The rule file that a file of cases is about: cases of one rule file share a folder of its name.
fn group(file: &Path) -> String {
    let folder = file.parent().and_then(Path::file_name).or(file.file_name());
    folder.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
