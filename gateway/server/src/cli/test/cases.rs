//! The `[[case]]` entries beside TOML rules: strings that a rule must match, and strings that it must not.
//!
//! The same cases are run by `check` and at every load; here they are listed one by one, for editors and pipelines.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use rampart_inspection::{CaseReport, Catalogue, Placed, RawCase, RawRule, run_cases};
use rampart_policy::{RawConfig, RawRulesFile};
use rampart_settings::{Document, Place, Report, Source};
use serde::de::DeserializeOwned;

use super::summary::{CaseResult, Status};

/// Rule files that are read at most.
const FILES_MAX: usize = rampart_policy::MAX_FILES;

/// `rules` of the configuration, relative to it; where there is no configuration, `rules` beside it.
pub(super) fn rules_directory(config: &Path, findings: &Report) -> anyhow::Result<PathBuf> {
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
pub(super) fn files_of(paths: &[PathBuf]) -> anyhow::Result<BTreeSet<PathBuf>> {
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

/// Runs the cases of the `chosen` files, on the rules of all of them and of the rules directory.
pub(super) fn run(rules: &Path, chosen: &BTreeSet<PathBuf>, findings: &Report) -> anyhow::Result<Vec<CaseResult>> {
    let mut files = if rules.is_dir() { files_of(&[rules.to_owned()])? } else { BTreeSet::new() };
    files.extend(chosen.iter().cloned());
    let mut documents = BTreeMap::new();
    for file in &files {
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
    Ok(results(&cases, &ran, micros))
}

fn items<'p, T: DeserializeOwned>(place: &Place<'p>, read: impl Fn(&Place<'p>) -> Option<T>) -> Vec<Placed<'p, T>> {
    place.items().into_iter().filter_map(|place| Some(Placed { raw: read(&place)?, place })).collect()
}

/// `micros` is the mean of the run: cases are run together, like requests through one engine.
fn results(cases: &[Placed<'_, RawCase>], ran: &CaseReport, micros: u64) -> Vec<CaseResult> {
    let mut results = Vec::new();
    for Placed { raw, place } in cases {
        let location = place.location();
        let file = location.to_string();
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
                    file: file.clone(),
                    stage: 1,
                    status: if has_failed { Status::Fail } else { Status::Pass },
                    expected: expected.to_owned(),
                    got: if has_failed { other } else { expected }.to_owned(),
                    micros,
                    group: file.split(".toml").next().unwrap_or_default().to_owned() + ".toml",
                    detail: format!("{text:?}"),
                });
            }
        }
    }
    results
}
