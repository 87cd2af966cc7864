//! `rampart test`: runs the `[[case]]` entries of rule files and reports each string.
//!
//! The same cases are run by `check` and at every load; this command lists them one by one, for editors and pipelines.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use rampart_inspection::{CaseReport, Catalogue, Placed, RawCase, RawRule, run_cases};
use rampart_policy::{RawConfig, RawRulesFile};
use rampart_settings::{Document, Place, Report, Source};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ConfigArguments, Outcome, report, term};

/// Rule files that are read at most.
const FILES_MAX: usize = rampart_policy::MAX_FILES;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rampart test\n  rampart test rules/inspection/sqli.toml\n  rampart test --json | jq .failed\n\n\
                        A case may name any rule of the rules directory. Exit code 0 when all cases hold, 1 when one does not."
)]
pub(super) struct TestArguments {
    /// Files or directories whose cases to run [default: the rules directory of the configuration]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// As JSON: {"passed", "failed", "skipped", "cases": [{"id", "file", "stage", "status", "expected", "got", "micros"}]}
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArguments,
}

/// What became of all cases.
#[derive(Debug, Serialize)]
struct Summary {
    passed: usize,
    failed: usize,
    skipped: usize,
    cases: Vec<CaseResult>,
}

/// What became of one string of a case.
#[derive(Debug, Serialize)]
struct CaseResult {
    id: String,
    file: String,
    stage: &'static str,
    status: &'static str,
    expected: &'static str,
    got: &'static str,
    /// The mean of the run: cases are run together, like requests through one engine.
    micros: u64,
    #[serde(skip)]
    text: String,
}

/// Runs the cases and shows what failed.
pub(super) fn test(arguments: &TestArguments) -> anyhow::Result<Outcome> {
    let findings = Report::new();
    let rules = rules_directory(&arguments.config.config, &findings)?;
    let chosen = files_of(if arguments.paths.is_empty() { std::slice::from_ref(&rules) } else { &arguments.paths })?;
    let mut files = if rules.is_dir() { files_of(&[rules])? } else { BTreeSet::new() };
    files.extend(chosen.iter().cloned());
    let summary = run(&files, &chosen, &findings)?;
    if findings.errors() > 0 {
        report::refuse(findings, "cannot run the cases");
        return Ok(Outcome::Unusable);
    }
    if arguments.json {
        term::say_json(&summary)?;
    } else {
        show(&summary)?;
    }
    Ok(if summary.failed == 0 { Outcome::Good } else { Outcome::Bad })
}

/// `rules` of the configuration, relative to it; where there is no configuration, `rules` beside it.
fn rules_directory(config: &Path, findings: &Report) -> anyhow::Result<PathBuf> {
    let folder = config.parent().unwrap_or(Path::new(""));
    if !config.exists() {
        return Ok(folder.join("rules"));
    }
    let text = fs::read(config).with_context(|| format!("cannot read {}", config.display()))?;
    let source = Source::from_bytes(config.display().to_string(), &text, findings);
    let document = source.and_then(|source| Document::parse(source, findings));
    let raw = document.and_then(|document| rampart_settings::read::<RawConfig>(&document, findings));
    Ok(folder.join(raw.map_or_else(|| "rules".into(), |raw| raw.rules)))
}

/// The rule files among and below `paths`, by the same choice as the gateway's.
fn files_of(paths: &[PathBuf]) -> anyhow::Result<BTreeSet<PathBuf>> {
    let mut files = BTreeSet::new();
    let mut open: Vec<(PathBuf, bool)> = paths.iter().map(|path| (path.clone(), true)).collect();
    while let Some((path, is_named)) = open.pop() {
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if path.is_dir() && (is_named || !is_hidden) {
            let entries = fs::read_dir(&path).with_context(|| format!("cannot read {}", path.display()))?;
            for entry in entries {
                open.push((entry?.path(), false));
            }
        } else if is_named || (!is_hidden && path.extension().is_some_and(|extension| extension == "toml")) {
            files.insert(path);
        }
        anyhow::ensure!(files.len() <= FILES_MAX, "more than {FILES_MAX} rule files");
    }
    Ok(files)
}

fn run(files: &BTreeSet<PathBuf>, chosen: &BTreeSet<PathBuf>, findings: &Report) -> anyhow::Result<Summary> {
    let mut documents = BTreeMap::new();
    for file in files {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let source = Source::from_bytes(file.display().to_string(), &bytes, findings);
        if let Some(document) = source.and_then(|source| Document::parse(source, findings)) {
            documents.insert(file, document);
        }
    }
    let (mut rules, mut cases): (Vec<Placed<'_, RawRule>>, Vec<Placed<'_, RawCase>>) = (Vec::new(), Vec::new());
    for (file, document) in &documents {
        let checked = rampart_settings::check::<RawRulesFile>(document, findings);
        let root = document.root(findings);
        rules.extend(items(&root.key("rule"), |place| checked.read(place)));
        if chosen.contains(*file) {
            cases.extend(items(&root.key("case"), |place| checked.read(place)));
        }
    }
    let catalogue = Catalogue::compile(&rules);
    let started = Instant::now();
    let ran = run_cases(&catalogue, &cases);
    let count = cases.iter().map(|placed| placed.raw.block.len() + placed.raw.pass.len()).sum::<usize>().max(1);
    let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX) / count as u64;
    Ok(summary(&cases, &ran, micros))
}

fn items<'p, T: DeserializeOwned>(place: &Place<'p>, read: impl Fn(&Place<'p>) -> Option<T>) -> Vec<Placed<'p, T>> {
    place.items().into_iter().filter_map(|place| Some(Placed { raw: read(&place)?, place })).collect()
}

fn summary(cases: &[Placed<'_, RawCase>], ran: &CaseReport, micros: u64) -> Summary {
    let mut results = Vec::new();
    for Placed { raw, place } in cases {
        let location = place.location();
        let lists = [(&raw.block, "block", "pass"), (&raw.pass, "pass", "block")];
        for (texts, expected, other) in lists {
            for (number, text) in texts.iter().enumerate() {
                let has_failed = ran.failures.iter().any(|failure| {
                    failure.text == *text
                        && failure.should_match == (expected == "block")
                        && failure.location == location
                });
                results.push(CaseResult {
                    id: format!("{}/{expected}/{}", raw.rule, number + 1),
                    file: location.to_string(),
                    stage: "case",
                    status: if has_failed { "fail" } else { "pass" },
                    expected,
                    got: if has_failed { other } else { expected },
                    micros,
                    text: text.clone(),
                });
            }
        }
    }
    let failed = results.iter().filter(|result| result.status == "fail").count();
    Summary { passed: results.len() - failed, failed, skipped: 0, cases: results }
}

fn show(summary: &Summary) -> anyhow::Result<()> {
    for case in summary.cases.iter().filter(|case| case.status == "fail") {
        term::say(&format!("FAIL {} ({}): expected {}, got {}", case.id, case.file, case.expected, case.got))?;
        term::say(&format!("     {:?}", case.text))?;
    }
    term::say(&format!("{} passed, {} failed, {} skipped", summary.passed, summary.failed, summary.skipped))
}
