//! Reading configuration files: bounded, everything before anything is compiled.
//!
//! Of a rules directory every `*.toml` in it and below is read, in the order of the paths, but nothing whose name
//! begins with a dot (what editors and Kubernetes volumes keep there is their own). Symbolic links are followed as long
//! as they stay below the directory: a volume of Kubernetes is made of such links; one that leads out is an error,
//! because what it points at is not under the admin's control.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rampart_settings::{Diagnostic, Report, Severity, Size};

/// Files of a rules directory at most.
pub const MAX_FILES: usize = 4_096;
/// Bytes of one file at most.
pub const MAX_FILE: Size = Size::mib(8);
/// Bytes of all files together at most.
const MAX_TOTAL: Size = Size::mib(64);
/// Folders inside each other at most.
const MAX_DEPTH: usize = 16;
/// A file that goes away while the directory is read (an editor renames) starts the reading again, so often.
const TRIES: usize = 3;

/// A file that was read.
#[derive(Debug)]
pub(crate) struct File {
    /// As shown to people.
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// Reads one file whole; a larger one than [`MAX_FILE`] is an error.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Asked before opening: to open a pipe is to wait for whoever writes into it.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let file = fs::File::open(path)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE.bytes() + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE.bytes() {
        return Err(io::Error::other(format!("larger than {MAX_FILE}")));
    }
    Ok(bytes)
}

/// Reads the rules directory. What cannot be read is reported; the rest is returned.
pub(crate) fn read_directory(root: &Path, report: &Report) -> Vec<File> {
    let canonical = match fs::canonicalize(root) {
        Ok(canonical) if canonical.is_dir() => canonical,
        Ok(_) => {
            let message = "the rules directory is a file".to_owned();
            let help = "`rules` in the configuration file names a directory";
            report.push(Diagnostic::about(Severity::Error, shown(root), message).with_help(help));
            return Vec::new();
        }
        Err(error) => {
            let message = format!("the rules directory cannot be read: {error}");
            let help = "`rules` in the configuration file names it, relative to that file";
            report.push(Diagnostic::about(Severity::Error, shown(root), message).with_help(help));
            return Vec::new();
        }
    };
    let mut last = None;
    for _ in 0..TRIES {
        let mut listing = Listing { root: canonical.clone(), ..Listing::default() };
        listing.folder(root, 0);
        let read = listing.read();
        if !read.vanished {
            return read.finish(report);
        }
        last = Some(read);
    }
    last.map(|read| read.finish(report)).unwrap_or_default()
}

/// What a directory holds.
#[derive(Debug, Default)]
struct Listing {
    root: PathBuf,
    folders: BTreeSet<PathBuf>,
    files: BTreeSet<PathBuf>,
    faults: Vec<(PathBuf, String)>,
}

/// What of it could be read.
#[derive(Debug, Default)]
struct Reading {
    files: Vec<File>,
    faults: Vec<(PathBuf, String)>,
    vanished: bool,
}

impl Listing {
    /// Recursion is bounded by [`MAX_DEPTH`], and no folder is entered twice.
    fn folder(&mut self, path: &Path, depth: usize) {
        if depth > MAX_DEPTH {
            self.faults.push((path.to_owned(), format!("folders are more than {MAX_DEPTH} deep")));
            return;
        }
        let inside = match fs::canonicalize(path) {
            Ok(canonical) => canonical.starts_with(&self.root) && self.folders.insert(canonical),
            Err(_) => false,
        };
        if !inside {
            return;
        }
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) => return self.faults.push((path.to_owned(), format!("cannot be read: {error}"))),
        };
        for entry in entries {
            match entry {
                Ok(entry) if !entry.file_name().as_encoded_bytes().starts_with(b".") => {
                    self.entry(&entry.path(), depth);
                }
                Ok(_) => {}
                Err(error) => self.faults.push((path.to_owned(), format!("cannot be listed: {error}"))),
            }
        }
    }

    fn entry(&mut self, path: &Path, depth: usize) {
        let is_rules = path.extension().is_some_and(|extension| extension == "toml");
        // A link that leads nowhere is an error only if its name says that it is a rules file.
        let canonical = match fs::canonicalize(path) {
            Ok(canonical) => canonical,
            Err(error) if is_rules => return self.faults.push((path.to_owned(), format!("cannot be read: {error}"))),
            Err(_) => return,
        };
        if !canonical.starts_with(&self.root) {
            if is_rules || canonical.is_dir() {
                let target = canonical.display();
                self.faults
                    .push((path.to_owned(), format!("a link that leads out of the rules directory, to {target}")));
            }
        } else if canonical.is_dir() {
            self.folder(path, depth + 1);
        } else if is_rules {
            if self.files.len() == MAX_FILES {
                self.faults.push((self.root.clone(), format!("more than {MAX_FILES} rules files")));
            }
            if self.files.len() <= MAX_FILES {
                self.files.insert(path.to_owned());
            }
        }
    }

    fn read(self) -> Reading {
        let mut reading = Reading { faults: self.faults, ..Reading::default() };
        let mut total = 0;
        for path in self.files {
            match read(&path) {
                Ok(bytes) => {
                    total += bytes.len() as u64;
                    if total > MAX_TOTAL.bytes() {
                        reading.faults.push((path, format!("the rules files together are larger than {MAX_TOTAL}")));
                        break;
                    }
                    reading.files.push(File { name: shown(&path), bytes });
                }
                Err(error) => {
                    reading.vanished |= error.kind() == io::ErrorKind::NotFound;
                    reading.faults.push((path, format!("cannot be read: {error}")));
                }
            }
        }
        reading
    }
}

impl Reading {
    fn finish(self, report: &Report) -> Vec<File> {
        for (path, fault) in self.faults {
            report.push(Diagnostic::about(Severity::Error, shown(&path), fault));
        }
        self.files
    }
}

/// A path as people read it.
pub(crate) fn shown(path: &Path) -> String {
    let text = path.display().to_string();
    text.strip_prefix("./").map_or(text.clone(), str::to_owned)
}
