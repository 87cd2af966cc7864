//! Reads `rules/inspection` as `policy` does, for tests and the measuring example.
#![expect(clippy::expect_used, reason = "for tests; without the project's files there is nothing to test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rampart_inspection::{
    CaseReport, Catalogue, Exclusions, NoSecLang, Placed, Profiles, RawCase, RawExclusion, RawProfile, RawRule,
    compile_profiles, run_cases,
};
use rampart_settings::{Document, Report, Source, read};
use schemars::JsonSchema;
use serde::Deserialize;

/// The tables of a rule file that this crate owns.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawFile {
    /// Version of the format.
    #[serde(rename = "version")]
    _version: u32,
    #[serde(default)]
    rule: Vec<RawRule>,
    #[serde(default)]
    case: Vec<RawCase>,
    #[serde(default)]
    exclusion: Vec<RawExclusion>,
    #[serde(default)]
    profile: BTreeMap<String, RawProfile>,
}

/// Everything compiled.
pub(crate) struct Shipped {
    pub(crate) catalogue: Catalogue,
    pub(crate) profiles: Profiles,
    pub(crate) exclusions: Exclusions,
    pub(crate) cases: CaseReport,
    /// What was wrong, as people read it.
    pub(crate) findings: Vec<String>,
}

/// The rules that ship.
pub(crate) fn folder() -> PathBuf {
    // The workspace is two levels up; a build may reach it through a link.
    Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize().unwrap_or_default().join("../../rules/inspection")
}

/// The text of every file of a folder.
pub(crate) fn texts(folder: &Path) -> Vec<(String, String)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("a file of the project")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    let text = |path: &PathBuf| std::fs::read_to_string(path).expect("a file of the project");
    files.iter().map(|path| (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), text(path))).collect()
}

/// Compiles files as one rules directory; `routes` are the names that exclusions may use.
pub(crate) fn compile(texts: &[(String, String)], routes: &[&str]) -> Shipped {
    let report = Report::default();
    let documents: Vec<Document> =
        texts.iter().filter_map(|(name, text)| Document::parse(Source::new(name, text), &report)).collect();
    let (mut rules, mut cases, mut exclusions, mut profiles) = (Vec::new(), Vec::new(), Vec::new(), BTreeMap::new());
    for document in &documents {
        let Some(file) = read::<RawFile>(document, &report) else { continue };
        let root = document.root(&report);
        let at = |key: &str, index| root.key(key).index(index);
        rules.extend(file.rule.into_iter().enumerate().map(|(i, raw)| Placed { raw, place: at("rule", i) }));
        cases.extend(file.case.into_iter().enumerate().map(|(i, raw)| Placed { raw, place: at("case", i) }));
        exclusions
            .extend(file.exclusion.into_iter().enumerate().map(|(i, raw)| Placed { raw, place: at("exclusion", i) }));
        for (name, raw) in file.profile {
            let place = root.key("profile").key(&name);
            profiles.insert(name, Placed { raw, place });
        }
    }
    let catalogue = Catalogue::compile(&rules);
    let compiled = compile_profiles(&profiles, &catalogue, &mut NoSecLang);
    let exclusions = Exclusions::compile(&exclusions, &catalogue, &compiled, routes);
    let cases = run_cases(&catalogue, &cases);
    let findings = report.into_sorted().iter().map(ToString::to_string).collect();
    Shipped { catalogue, profiles: compiled, exclusions, cases, findings }
}
