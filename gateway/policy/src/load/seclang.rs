//! The SecLang rules that profiles ask for: their files found within the operators' roots, and each combination loaded
//! once however many profiles name it.
//!
//! To compile the Core Rule Set takes longer than all else together, so a reload takes over what the running snapshot
//! has, as long as the files answer as they did (`reading`). Nothing else is kept: what the newest snapshot does not use
//! is gone with the one before it.

use std::path::{Path, PathBuf};

use rampart_inspection::{Files, FilesError, RootedFiles, SecLang, SecLangSource, WantedSecLang, is_pattern};
use rampart_settings::{Diagnostic, Place, Report, Severity};

use super::reading::{Reading, Recorder};
use crate::files::MAX_FILE;

/// Name under which a profile's own settings stand before the first file.
const SETTINGS: &str = "settings of the profile";

/// SecLang rules as they were loaded for one or more profiles.
#[derive(Debug, Clone)]
pub struct SecLangSet {
    wanted: WantedSecLang,
    /// The patterns, absolute.
    patterns: Vec<PathBuf>,
    reading: Reading,
    rules: SecLang,
}

impl SecLangSet {
    /// What profiles asked for.
    pub fn wanted(&self) -> &WantedSecLang {
        &self.wanted
    }

    /// The rules that are left to run.
    pub fn rules(&self) -> &SecLang {
        &self.rules
    }

    /// The rule files and data files that were read.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.rules.files().iter().filter(|file| **file != Path::new(SETTINGS))
    }

    /// What a digest of the state has to be made of.
    pub(crate) fn add_to(&self, add: &mut impl FnMut(&[u8])) {
        add(self.wanted.settings().as_bytes());
        self.reading.add_to(add);
    }
}

/// What was loaded so far.
pub(crate) struct SecLangs<'s> {
    /// Relative paths are relative to it. Absolute, so that they are not looked for below each root in turn.
    folder: PathBuf,
    roots: Option<RootedFiles>,
    report: &'s Report,
    /// What the running snapshot has.
    running: &'s [SecLangSet],
    /// What was asked for, and what came of it.
    asked: Vec<(WantedSecLang, Option<SecLangSet>)>,
    /// Files and patterns of profiles whose files are not there.
    missing: Vec<PathBuf>,
}

impl<'s> SecLangs<'s> {
    /// A loader for files below `roots`. One that is not there is an error of `config.toml`, at `place`.
    pub(crate) fn new(
        folder: &Path,
        roots: &[PathBuf],
        running: &'s [SecLangSet],
        place: &Place<'_>,
        report: &'s Report,
    ) -> Self {
        let roots = RootedFiles::new(roots).map_err(|(root, error)| {
            place.key("seclang_roots").error_help(
                format!("the directory {} cannot be used: {error}", root.display()),
                "name directories that exist",
            );
        });
        // The folder of `config.toml`, named like this, is the empty path.
        let here = std::path::absolute(Path::new(".").join(folder));
        let folder = here.unwrap_or_else(|_| folder.to_owned());
        Self { folder, roots: roots.ok(), report, running, asked: Vec::new(), missing: Vec::new() }
    }

    /// What was loaded.
    pub(crate) fn into_sets(self) -> Vec<SecLangSet> {
        self.asked.into_iter().filter_map(|(_, loaded)| loaded).collect()
    }

    /// The files whose change, and the patterns of files whose coming and going, asks for a reload. Of a pattern with a
    /// wildcard in the name of a folder only the files that were found.
    pub(crate) fn watched(&self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let sets = || self.asked.iter().filter_map(|(_, loaded)| loaded.as_ref());
        let files = sets().flat_map(SecLangSet::files);
        let asked = self.missing.iter().chain(sets().flat_map(|set| set.reading.patterns()));
        let (patterns, plain): (Vec<_>, Vec<_>) = asked.cloned().partition(|path| is_pattern(path));
        let shallow = |pattern: &PathBuf| !pattern.parent().is_some_and(is_pattern);
        let own = |file: &PathBuf| file != Path::new(SETTINGS);
        let files = files.cloned().chain(plain).filter(own).collect();
        (files, patterns.into_iter().filter(shallow).collect())
    }

    /// Compiles the rules, unless the running snapshot has them.
    fn set(&self, wanted: &WantedSecLang, patterns: Vec<PathBuf>, files: &RootedFiles) -> Option<SecLangSet> {
        let files = WithSettings { files, text: wanted.settings() };
        let known = self.running.iter().find(|set| set.wanted == *wanted && set.patterns == patterns);
        if let Some(known) = known.filter(|set| set.reading.still_holds(&files)) {
            return Some(known.clone());
        }
        let recorder = Recorder::new(&files);
        let all: Vec<&Path> = [Path::new(SETTINGS)].into_iter().chain(patterns.iter().map(PathBuf::as_path)).collect();
        let rules = SecLang::load(&all, &recorder, self.report)?;
        Some(SecLangSet { wanted: wanted.clone(), reading: recorder.finish(), patterns, rules })
    }

    /// Says what somebody should look at.
    fn warn(&self, set: &SecLangSet, files: &RootedFiles) {
        for remark in set.rules.notes().filter(|remark| remark.is_warning) {
            let name = remark.file.display().to_string();
            let line = usize::try_from(remark.line).unwrap_or_default();
            let snippet = line_of(files, remark.file, line);
            let end_column = snippet.chars().count() + 1;
            let about = Diagnostic::about(Severity::Warning, name, remark.text);
            self.report.push(Diagnostic { line, column: 1, end_column, snippet, ..about });
        }
    }
}

impl SecLangSource for SecLangs<'_> {
    fn load(&mut self, wanted: &WantedSecLang, place: &Place<'_>) -> Result<Option<SecLang>, String> {
        let rules = |set: &Option<SecLangSet>| set.as_ref().map(|set| set.rules.clone());
        if let Some((_, loaded)) = self.asked.iter().find(|(known, _)| known == wanted) {
            return Ok(rules(loaded));
        }
        // What is wrong with the roots was reported.
        let Some(roots) = self.roots.clone() else { return Ok(None) };
        let patterns: Vec<PathBuf> = wanted.patterns.iter().map(|pattern| self.folder.join(pattern)).collect();
        let errors = self.report.errors();
        if let Some(missing) = patterns.iter().find(|pattern| !is_there(&roots, pattern, place)) {
            let message = format!("no file fits {}", missing.display());
            self.missing.extend(patterns);
            return if self.report.errors() > errors { Ok(None) } else { Err(message) };
        }
        let loaded = self.set(wanted, patterns, &roots);
        match &loaded {
            Some(set) => self.warn(set, &roots),
            None if self.report.errors() == errors => place.error("these rules do not compile"),
            None => {}
        }
        let given = rules(&loaded);
        self.asked.push((wanted.clone(), loaded));
        Ok(given)
    }
}

/// Whether a pattern names a file. What is there and may not be read is an error of the profile.
fn is_there(files: &RootedFiles, pattern: &Path, place: &Place<'_>) -> bool {
    match files.find(pattern) {
        Ok(found) => found.iter().any(|file| file.is_file()),
        Err(FilesError::Missing) => false,
        Err(error) => {
            place.error_help(
                format!("{}: {error}", pattern.display()),
                "`seclang_roots` in the configuration file names the directories",
            );
            false
        }
    }
}

/// A line of a file, to show; empty where it cannot be had.
fn line_of(files: &RootedFiles, file: &Path, line: usize) -> String {
    let most = usize::try_from(MAX_FILE.bytes()).unwrap_or(usize::MAX);
    let bytes = files.read(file, most).unwrap_or_default();
    let found = bytes.split(|byte| *byte == b'\n').nth(line.saturating_sub(1)).unwrap_or_default();
    String::from_utf8_lossy(found).trim_end().to_owned()
}

/// Files, and before them the directives that a profile's own keys stand for.
struct WithSettings<'f> {
    files: &'f RootedFiles,
    text: String,
}

impl Files for WithSettings<'_> {
    fn find(&self, pattern: &Path) -> Result<Vec<PathBuf>, FilesError> {
        if pattern == Path::new(SETTINGS) { Ok(vec![pattern.to_owned()]) } else { self.files.find(pattern) }
    }

    fn read(&self, path: &Path, most: usize) -> Result<Vec<u8>, FilesError> {
        if path == Path::new(SETTINGS) { Ok(self.text.clone().into_bytes()) } else { self.files.read(path, most) }
    }
}
