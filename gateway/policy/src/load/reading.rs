//! What a load asked of its files, and what they answered.
//!
//! A load is a function of these answers: files included by files, data files, patterns that met nothing. While they are
//! the same, loading again would give the same, and need not be done.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rampart_inspection::{Files, FilesError};
use sha2::{Digest, Sha256};

/// SHA-256 of a file's contents.
type Hash = [u8; 32];

/// Questions and answers. What cannot be had is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// The files that a pattern named.
    found: BTreeMap<PathBuf, Option<Vec<PathBuf>>>,
    /// The contents of a file that may hold so many bytes.
    read: BTreeMap<(PathBuf, usize), Option<Hash>>,
}

impl Reading {
    /// Whether files would answer alike now.
    pub(super) fn still_holds(&self, files: &dyn Files) -> bool {
        let finds = |(pattern, found): (&PathBuf, &Option<Vec<PathBuf>>)| files.find(pattern).ok() == *found;
        let reads = |((path, most), read): (&(PathBuf, usize), &Option<Hash>)| {
            files.read(path, *most).ok().map(|bytes| hash(&bytes)) == *read
        };
        self.found.iter().all(finds) && self.read.iter().all(reads)
    }

    /// The patterns that were asked for.
    pub(super) fn patterns(&self) -> impl Iterator<Item = &PathBuf> {
        self.found.keys()
    }

    /// What a digest has to be made of: names and contents.
    pub(super) fn add_to(&self, add: &mut impl FnMut(&[u8])) {
        for ((path, _), read) in &self.read {
            add(path.as_os_str().as_encoded_bytes());
            add(read.as_ref().map_or(&[], Hash::as_slice));
        }
    }
}

fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// Files that remember what they were asked.
pub(super) struct Recorder<'f> {
    files: &'f dyn Files,
    reading: RefCell<Reading>,
}

impl<'f> Recorder<'f> {
    pub(super) fn new(files: &'f dyn Files) -> Self {
        Self { files, reading: RefCell::default() }
    }

    pub(super) fn finish(self) -> Reading {
        self.reading.into_inner()
    }
}

impl Files for Recorder<'_> {
    fn find(&self, pattern: &Path) -> Result<Vec<PathBuf>, FilesError> {
        let found = self.files.find(pattern);
        let kept = found.as_ref().ok().cloned();
        self.reading.borrow_mut().found.insert(pattern.to_owned(), kept);
        found
    }

    fn read(&self, path: &Path, most: usize) -> Result<Vec<u8>, FilesError> {
        let read = self.files.read(path, most);
        let kept = read.as_ref().ok().map(|bytes| hash(bytes));
        self.reading.borrow_mut().read.insert((path.to_owned(), most), kept);
        read
    }
}

#[cfg(test)]
mod tests {
    use rampart_inspection::MemoryFiles;

    use super::*;

    fn files() -> MemoryFiles {
        MemoryFiles::new().with("r/a.conf", "a").with("r/b.conf", "b").with("r/x.data", "x")
    }

    #[test]
    fn a_reading_holds_until_an_answer_is_another() {
        let recorder_files = files();
        let recorder = Recorder::new(&recorder_files);
        recorder.find(Path::new("r/*.conf")).unwrap();
        recorder.read(Path::new("r/a.conf"), 100).unwrap();
        recorder.read(Path::new("r/x.data"), 100).unwrap();
        recorder.read(Path::new("r/none.conf"), 100).unwrap_err();
        let reading = recorder.finish();

        let check = |what: &str, files: MemoryFiles, expect: bool| {
            assert_eq!(reading.still_holds(&files), expect, "{what}");
        };
        check("as it was", files(), true);
        check("a file that was not asked for", files().with("other/c.conf", "c"), true);
        check("a file that was found and not read", files().with("r/b.conf", "other"), true);
        check("another rule", files().with("r/a.conf", "A"), false);
        check("other data", files().with("r/x.data", "y"), false);
        check("one file more", files().with("r/c.conf", ""), false);
        check("a file that is there now", files().with("r/none.conf", ""), false);
        check("a file that has grown too large", files().with("r/a.conf", "a".repeat(101)), false);
        check("no files", MemoryFiles::new(), false);
    }
}
