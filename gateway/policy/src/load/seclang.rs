//! The SecLang rules that profiles ask for: their files found within the operators' roots, and each combination loaded
//! once however many profiles name it.

use std::path::{Path, PathBuf};

use rampart_inspection::{Files, FilesError, RootedFiles, SecLang, SecLangSource, WantedSecLang};
use rampart_settings::{Place, Report};

/// Name under which a profile's own settings stand before the first file.
const SETTINGS: &str = "settings of the profile";

/// What was loaded so far.
pub(crate) struct SecLangs<'s> {
    /// Relative paths are relative to it. Absolute, so that they are not looked for below each root in turn.
    folder: PathBuf,
    roots: Option<RootedFiles>,
    report: &'s Report,
    loaded: Vec<(WantedSecLang, Option<SecLang>)>,
}

impl<'s> SecLangs<'s> {
    /// A loader for files below `roots`. One that is not there is an error of `config.toml`, at `place`.
    pub(crate) fn new(folder: &Path, roots: &[PathBuf], place: &Place<'_>, report: &'s Report) -> Self {
        let roots = RootedFiles::new(roots).map_err(|(root, error)| {
            place.key("seclang_roots").error_help(
                format!("the directory {} cannot be used: {error}", root.display()),
                "name directories that exist",
            );
        });
        // The folder of `config.toml`, named like this, is the empty path.
        let here = std::path::absolute(Path::new(".").join(folder));
        let folder = here.unwrap_or_else(|_| folder.to_owned());
        Self { folder, roots: roots.ok(), report, loaded: Vec::new() }
    }

    /// The rule files and data files that were read.
    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.loaded.iter().filter_map(|(_, loaded)| loaded.as_ref()).flat_map(SecLang::files)
    }

    /// The folders of the patterns, whose contents may change.
    pub(crate) fn folders(&self) -> impl Iterator<Item = PathBuf> {
        let patterns = self.loaded.iter().flat_map(|(wanted, _)| &wanted.patterns);
        patterns.filter_map(|pattern| Some(self.folder.join(pattern).parent()?.to_owned())).filter(|at| at.is_dir())
    }
}

impl SecLangSource for SecLangs<'_> {
    fn load(&mut self, wanted: &WantedSecLang, place: &Place<'_>) -> Result<Option<SecLang>, String> {
        if let Some((_, loaded)) = self.loaded.iter().find(|(known, _)| known == wanted) {
            return Ok(loaded.clone());
        }
        // What is wrong with the roots was reported.
        let Some(roots) = &self.roots else { return Ok(None) };
        let patterns: Vec<PathBuf> = wanted.patterns.iter().map(|pattern| self.folder.join(pattern)).collect();
        for pattern in &patterns {
            let found = roots.find(pattern).map_err(|error| format!("{}: {error}", pattern.display()))?;
            if !found.iter().any(|file| file.is_file()) {
                return Err(format!("no file fits {}", pattern.display()));
            }
        }
        let files = WithSettings { files: roots, text: wanted.settings() };
        let all: Vec<&Path> = [Path::new(SETTINGS)].into_iter().chain(patterns.iter().map(PathBuf::as_path)).collect();
        let loaded = SecLang::load(&all, &files, self.report);
        if loaded.is_none() && self.report.is_ok() {
            place.error("these rules do not compile");
        }
        self.loaded.push((wanted.clone(), loaded.clone()));
        Ok(loaded)
    }
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
