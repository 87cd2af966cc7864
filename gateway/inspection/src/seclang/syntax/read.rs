//! Reads the files that a load names, within bounds, and remembers which.
//!
//! An `Include` stands for the directives of the files that it names, in the order of their names; relative names are
//! looked up beside the file that says so. Everything is bounded: files, bytes, depth. A file that includes itself, by
//! whatever detour, is an error.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rampart_settings::{Diagnostic, Report, Severity};

use super::directive;
use super::here::Here;
use super::line::{Span, lines};
use crate::seclang::ast::Directive;
use crate::seclang::files::{Files, FilesError, is_wild, normal};

/// Bytes of one file.
const MOST_BYTES: usize = 8 << 20;
/// Bytes of all files of a load.
const MOST_BYTES_TOGETHER: usize = 64 << 20;
/// Files of a load; one that is included twice counts twice.
const MOST_FILES: usize = 2_000;
/// Includes within includes.
const DEEPEST: usize = 16;
/// Directives of a load.
const MOST_DIRECTIVES: usize = 100_000;
/// Errors after which reading stops.
const MOST_ERRORS: usize = 200;

/// Reads rule files and data files.
pub(super) struct Reader<'a> {
    files: &'a dyn Files,
    pub(super) report: &'a Report,
    pub(super) directives: Vec<Directive>,
    /// The files that were read.
    pub(super) read: BTreeSet<PathBuf>,
    data: BTreeMap<PathBuf, Arc<[u8]>>,
    /// The files that are being read, each included by the one before.
    open: Vec<PathBuf>,
    opened: usize,
    bytes: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(files: &'a dyn Files, report: &'a Report) -> Self {
        Self {
            files,
            report,
            directives: Vec::new(),
            read: BTreeSet::new(),
            data: BTreeMap::new(),
            open: Vec::new(),
            opened: 0,
            bytes: 0,
        }
    }

    /// Reads the files that `pattern`, an entry of a profile's list, names.
    pub(super) fn entry(&mut self, pattern: &Path) {
        let shown = pattern.display().to_string();
        let tell = |message: String| self.report.push(Diagnostic::about(Severity::Error, &shown, message));
        match self.files.find(pattern) {
            Err(error) => tell(error.to_string()),
            Ok(found) if found.is_empty() => tell("no file has such a name".to_owned()),
            Ok(found) => {
                for path in found {
                    if let Err(error) = self.rule_file(&path) {
                        let about = Diagnostic::about(Severity::Error, path.display().to_string(), error);
                        self.report.push(about);
                    }
                }
            }
        }
    }

    /// Reads the files that an `Include` names.
    pub(super) fn include(&mut self, name: Span<'_>, optional: bool, here: &Here<'_>) {
        let pattern = beside(here.file, Path::new(name.text));
        let found = match self.files.find(&pattern) {
            Ok(found) => found,
            Err(error) => {
                here.error(name, format!("{} is not included: {error}", pattern.display()));
                return;
            }
        };
        if found.is_empty() && !optional {
            here.error(name, format!("no file is named like {}", pattern.display()))
                .help("correct the pattern, or write IncludeOptional where there may be none");
        }
        let wild = is_wild(name.text);
        for path in found {
            if optional && !wild && matches!(self.files.read(&path, MOST_BYTES), Err(FilesError::Missing)) {
                continue;
            }
            if let Err(error) = self.rule_file(&path) {
                here.error(name, format!("{} is not included: {error}", path.display()));
            }
        }
    }

    /// Reads one rule file. What is wrong in it is reported; what keeps it from being read is given back.
    fn rule_file(&mut self, path: &Path) -> Result<(), String> {
        let path = normal(path);
        if self.open.contains(&path) {
            return Err("it includes itself".to_owned());
        }
        if self.open.len() >= DEEPEST {
            return Err(format!("includes are nested deeper than {DEEPEST}"));
        }
        self.opened += 1;
        if self.opened > MOST_FILES {
            return Err(format!("more than {MOST_FILES} files are included"));
        }
        let bytes = self.fetch(&path).map_err(|error| error.to_string())?;
        let text = match std::str::from_utf8(&bytes) {
            Ok(text) => text,
            Err(error) => {
                let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let line = before.split(|byte| *byte == b'\n').count();
                return Err(format!("its line {line} is not UTF-8; write bytes above ASCII as \\xHH"));
            }
        };
        self.open.push(path.clone());
        self.directives_of(text, &Arc::from(path));
        self.open.pop();
        Ok(())
    }

    fn directives_of(&mut self, text: &str, file: &Arc<Path>) {
        for line in lines(text) {
            if self.report.errors() >= MOST_ERRORS {
                return;
            }
            let here = Here { file, line: &line, report: self.report };
            if line.cut_comment {
                here.error(line.span().trim(), "a backslash ends this comment, and a directive follows")
                    .help("take the backslash out, or put a # before the directive too");
            }
            if self.directives.len() >= MOST_DIRECTIVES {
                here.error(line.span(), format!("there are more than {MOST_DIRECTIVES} directives"));
                return;
            }
            directive::read(&here, self);
        }
    }

    /// The contents of a data file that a directive names; `None` where it cannot be had, which is reported.
    pub(super) fn data(&mut self, name: Span<'_>, here: &Here<'_>) -> Option<Arc<[u8]>> {
        let given = Path::new(name.text);
        if name.text.contains("://") {
            here.error(name, "data is read from files only").help("download it, and name the file");
            return None;
        }
        let beside = normal(&beside(here.file, given));
        let mut error = FilesError::Missing;
        for path in [beside.as_path(), given] {
            if let Some(data) = self.data.get(path) {
                return Some(Arc::clone(data));
            }
            match self.fetch(path) {
                Ok(bytes) => {
                    let data: Arc<[u8]> = bytes.into();
                    self.data.insert(path.to_owned(), Arc::clone(&data));
                    return Some(data);
                }
                Err(FilesError::Missing) => {}
                Err(other) => {
                    error = other;
                    break;
                }
            }
        }
        here.error(name, format!("the data file {} cannot be read: {error}", beside.display()))
            .help("data files are looked up beside the rule file, then below the directories that rules are read from");
        None
    }

    fn fetch(&mut self, path: &Path) -> Result<Vec<u8>, FilesError> {
        let most = MOST_BYTES.min(MOST_BYTES_TOGETHER.saturating_sub(self.bytes));
        let bytes = self.files.read(path, most)?;
        self.bytes += bytes.len();
        self.read.insert(path.to_owned());
        Ok(bytes)
    }
}

/// `name` as seen from the directory of `file`.
fn beside(file: &Path, name: &Path) -> PathBuf {
    file.parent().map_or_else(|| name.to_owned(), |directory| directory.join(name))
}
