//! Where rule files come from: what `Include`, `@pmFromFile` and a profile's `seclang` list may name.
//!
//! The parser asks a [`Files`]; it never opens a file itself. [`RootedFiles`] reads the file system, and only below
//! the directories that it was given, links followed: a rule file that was let in cannot read the rest of the machine.
//! [`MemoryFiles`] is for tests and fuzzing. Nothing here is used while requests are served.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// A source of rule files and of the data files that they name.
pub trait Files {
    /// The files that `pattern` names, in the order of their names. `*`, `?` and `[a-z]` stand for characters of one
    /// name, but for the dot that a hidden file begins with. A pattern without any of these names one file, whether or
    /// not it is there.
    fn find(&self, pattern: &Path) -> Result<Vec<PathBuf>, FilesError>;

    /// The contents of `path`, which may hold `most` bytes.
    fn read(&self, path: &Path, most: usize) -> Result<Vec<u8>, FilesError>;
}

/// Why a file cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// There is no such file.
    #[error("there is no such file")]
    Missing,
    /// The file is there, but not below a directory that rule files may be read from.
    #[error("it lies outside of the directories that rule files are read from ({roots})")]
    Outside {
        /// The directories, for people.
        roots: String,
    },
    /// A directory, a socket, a device.
    #[error("it is no regular file")]
    NotRegular,
    /// Larger than was asked for.
    #[error("it is larger than {most} bytes")]
    TooLarge {
        /// Bytes.
        most: usize,
    },
    /// A directory with more names than are looked through.
    #[error("its directory holds more than {} names", MOST_NAMES)]
    TooMany,
    /// The system could not read it.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// Names of one directory that a wildcard is compared with at most.
const MOST_NAMES: usize = 10_000;

/// Folders that hold no rule files, whatever the roots.
const SYSTEM: [&str; 3] = ["/proc", "/sys", "/dev"];

/// The file system, below certain directories.
#[derive(Debug, Clone)]
pub struct RootedFiles {
    /// Absolute, links resolved.
    roots: Vec<PathBuf>,
}

impl RootedFiles {
    /// Files below `roots`. A relative path is looked up below each of them in turn. A root that is not there is an
    /// error that names it.
    pub fn new<P: AsRef<Path>>(roots: impl IntoIterator<Item = P>) -> Result<Self, (PathBuf, FilesError)> {
        let resolve = |root: P| {
            let root = root.as_ref();
            root.canonicalize().map_err(|error| (root.to_owned(), missing_or(error)))
        };
        Ok(Self { roots: roots.into_iter().map(resolve).collect::<Result<_, _>>()? })
    }

    /// `path` with its links resolved, where it lies below a root.
    fn confine(&self, path: &Path) -> Result<PathBuf, FilesError> {
        let real = path.canonicalize().map_err(missing_or)?;
        // What the system says of its processes and devices is no rule file, and messages quote what they cannot read.
        if SYSTEM.iter().any(|folder| real.starts_with(folder)) {
            return Err(FilesError::NotRegular);
        }
        if self.roots.iter().any(|root| real.starts_with(root)) {
            return Ok(real);
        }
        let roots: Vec<String> = self.roots.iter().map(|root| root.display().to_string()).collect();
        Err(FilesError::Outside { roots: roots.join(", ") })
    }

    /// The absolute paths that a pattern may mean.
    fn bases(&self, pattern: &Path) -> Vec<PathBuf> {
        if pattern.is_absolute() {
            return vec![pattern.to_owned()];
        }
        self.roots.iter().map(|root| root.join(pattern)).collect()
    }

    /// The files that `pattern`, an absolute path, names.
    fn expand(&self, pattern: &Path) -> Result<Vec<PathBuf>, FilesError> {
        let mut found = vec![PathBuf::new()];
        for part in pattern.components() {
            let name = part.as_os_str().to_string_lossy();
            if !is_wild(&name) {
                for path in &mut found {
                    path.push(part);
                }
                continue;
            }
            let mut matching = Vec::new();
            for directory in found {
                // What a wildcard in the middle met may be a file, or gone.
                if !directory.is_dir() {
                    continue;
                }
                matching.extend(self.list(&directory, &name)?);
            }
            found = matching;
        }
        Ok(found)
    }

    /// The entries of `directory` whose names match, sorted.
    fn list(&self, directory: &Path, pattern: &str) -> Result<Vec<PathBuf>, FilesError> {
        self.confine(directory)?;
        let mut found = Vec::new();
        for (count, entry) in fs::read_dir(directory)?.enumerate() {
            if count >= MOST_NAMES {
                return Err(FilesError::TooMany);
            }
            let name = entry?.file_name();
            if name.to_str().is_some_and(|name| matches_name(pattern, name)) {
                found.push(directory.join(name));
            }
        }
        found.sort();
        Ok(found)
    }
}

impl Files for RootedFiles {
    fn find(&self, pattern: &Path) -> Result<Vec<PathBuf>, FilesError> {
        let wild = is_wild(&pattern.to_string_lossy());
        let mut first = None;
        for base in self.bases(pattern) {
            let mut found = if wild { self.expand(&base)? } else { vec![base] };
            let plain = found.first().cloned();
            found.retain(|path| path.is_file());
            if !found.is_empty() {
                return Ok(found);
            }
            first = first.or(plain.filter(|_| !wild));
        }
        Ok(first.into_iter().collect())
    }

    fn read(&self, path: &Path, most: usize) -> Result<Vec<u8>, FilesError> {
        let mut error = FilesError::Missing;
        for base in self.bases(path) {
            match self.confine(&base).and_then(|real| read_regular(&real, most)) {
                Err(FilesError::Missing) => {}
                Err(other) => error = other,
                read => return read,
            }
        }
        Err(error)
    }
}

/// Reads a file that is one: opening a pipe would wait for its other end.
fn read_regular(path: &Path, most: usize) -> Result<Vec<u8>, FilesError> {
    if !fs::metadata(path).map_err(missing_or)?.is_file() {
        return Err(FilesError::NotRegular);
    }
    let mut bytes = Vec::new();
    let bound = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path).map_err(missing_or)?.take(bound).read_to_end(&mut bytes)?;
    if bytes.len() > most { Err(FilesError::TooLarge { most }) } else { Ok(bytes) }
}

fn missing_or(error: io::Error) -> FilesError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => FilesError::Missing,
        _ => FilesError::Io(error),
    }
}

/// Files that are in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryFiles(BTreeMap<PathBuf, Vec<u8>>);

impl MemoryFiles {
    /// No files.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one file more.
    #[must_use]
    pub fn with(mut self, path: impl AsRef<Path>, bytes: impl Into<Vec<u8>>) -> Self {
        self.0.insert(normal(path.as_ref()), bytes.into());
        self
    }
}

impl Files for MemoryFiles {
    fn find(&self, pattern: &Path) -> Result<Vec<PathBuf>, FilesError> {
        let pattern = normal(pattern);
        if !is_wild(&pattern.to_string_lossy()) {
            return Ok(vec![pattern]);
        }
        Ok(self.0.keys().filter(|path| matches_path(&pattern, path)).cloned().collect())
    }

    fn read(&self, path: &Path, most: usize) -> Result<Vec<u8>, FilesError> {
        let bytes = self.0.get(&normal(path)).ok_or(FilesError::Missing)?;
        if bytes.len() > most { Err(FilesError::TooLarge { most }) } else { Ok(bytes.clone()) }
    }
}

/// `path` without `.` and, as far as that can be told from the path alone, without `..`.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(normal.components().next_back(), Some(Component::Normal(_))) => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

/// Whether a path stands for any files that fit it, rather than for one.
pub fn is_pattern(path: &Path) -> bool {
    is_wild(&path.to_string_lossy())
}

/// Whether a pattern holds a wildcard.
pub(crate) fn is_wild(pattern: &str) -> bool {
    pattern.contains(['*', '?', '['])
}

/// Whether `path` is one of the files that [`Files::find`] would give for `pattern`, were it there.
pub fn matches_path(pattern: &Path, path: &Path) -> bool {
    let (mut wanted, mut given) = (pattern.components(), path.components());
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given))
                if matches_name(&wanted.as_os_str().to_string_lossy(), &given.as_os_str().to_string_lossy()) => {}
            _ => return false,
        }
    }
}

/// Whether a file name matches a pattern. Goes back to the last `*` only, so the cost is at most quadratic.
fn matches_name(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let (mut pattern, mut name) = (pattern, name);
    let mut retry: Option<(&str, &str)> = None;
    loop {
        if let Some(rest) = pattern.strip_prefix('*') {
            pattern = rest;
            retry = Some((rest, name));
            continue;
        }
        match (name.chars().next(), step(pattern, name)) {
            (None, _) if pattern.is_empty() => return true,
            (Some(_), Some((rest, left))) => (pattern, name) = (rest, left),
            (_, _) => {
                let Some((after, from)) = retry else { return false };
                let mut skipped = from.chars();
                if skipped.next().is_none() {
                    return false;
                }
                retry = Some((after, skipped.as_str()));
                (pattern, name) = (after, skipped.as_str());
            }
        }
    }
}

/// What is left of both after one character, where it matches.
fn step<'a>(pattern: &'a str, name: &'a str) -> Option<(&'a str, &'a str)> {
    let mut left = name.chars();
    let given = left.next()?;
    if let Some((set, rest)) = pattern.strip_prefix('[').and_then(|set| set.split_once(']')) {
        return in_set(set, given).then_some((rest, left.as_str()));
    }
    let mut rest = pattern.chars();
    let wanted = rest.next()?;
    (wanted == '?' || wanted == given).then_some((rest.as_str(), left.as_str()))
}

/// `a-z_`, or `!a-z` for what is not in it.
fn in_set(set: &str, given: char) -> bool {
    let (set, negated) = set.strip_prefix(['!', '^']).map_or((set, false), |set| (set, true));
    let mut rest = set.chars();
    let mut found = false;
    while let Some(first) = rest.next() {
        let mut ahead = rest.clone();
        let last = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(last)) => {
                rest = ahead;
                last
            }
            _ => first,
        };
        found |= (first..=last).contains(&given);
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_patterns() {
        let check = |pattern: &str, name: &str, expect: bool| {
            assert_eq!(matches_name(pattern, name), expect, "{pattern} {name}");
        };
        check("*.conf", "REQUEST-901.conf", true);
        check("*.conf", "REQUEST-901.conf.example", false);
        check("*.conf", ".hidden.conf", false);
        check(".*.conf", ".hidden.conf", true);
        check("*", "", true);
        check("", "", true);
        check("a?c", "abc", true);
        check("a?c", "ac", false);
        check("[a-c]*[!0-9]", "b12x", true);
        check("[a-c]*[!0-9]", "b123", false);
        check("*a*b*c*", "xxaxxbxxcxx", true);
        check("*a*b*c*", "xxaxxcxxbxx", false);
        check("RE*-9??-*.conf", "REQUEST-901-INIT.conf", true);
        check("[", "[", true);
        check("*ß?", "Maßé", true);
    }

    #[test]
    fn files_of_the_system_are_no_rule_files() {
        let everywhere = RootedFiles::new(["/"]).unwrap();
        for path in ["/proc/self/environ", "/proc/self/status", "/dev/null"] {
            assert!(matches!(everywhere.read(Path::new(path), 1 << 20), Err(FilesError::NotRegular)), "{path}");
        }
        assert!(everywhere.read(Path::new("/etc/passwd"), 1 << 20).is_ok());
    }

    #[test]
    fn a_hostile_pattern_costs_no_more_than_the_square() {
        let pattern = "*a".repeat(2_000) + "b";
        assert!(!matches_name(&pattern, &"a".repeat(4_000)));
    }

    #[test]
    fn nothing_outside_of_the_roots_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let (inside, outside) = (directory.path().join("inside"), directory.path().join("outside"));
        fs::create_dir_all(inside.join("rules")).unwrap();
        fs::create_dir_all(&outside).unwrap();
        for name in ["b.conf", "a.conf", "a.data", ".c.conf"] {
            fs::write(inside.join("rules").join(name), name).unwrap();
        }
        fs::write(outside.join("secret"), "s").unwrap();
        std::os::unix::fs::symlink(outside.join("secret"), inside.join("link")).unwrap();

        let files = RootedFiles::new([&inside]).unwrap();
        let found = files.find(&inside.join("rules/*.conf")).unwrap();
        assert_eq!(found, [inside.join("rules/a.conf"), inside.join("rules/b.conf")]);
        assert_eq!(files.find(&inside.join("*/a.conf")).unwrap(), [inside.join("rules/a.conf")]);
        assert_eq!(files.read(Path::new("rules/a.data"), 100).unwrap(), b"a.data");
        for escape in [inside.join("../outside/secret"), outside.join("secret"), inside.join("link")] {
            assert!(matches!(files.read(&escape, 100), Err(FilesError::Outside { .. })), "{}", escape.display());
        }
        assert!(matches!(files.find(&outside.join("*")), Err(FilesError::Outside { .. })));
        assert!(matches!(files.read(&inside.join("rules"), 100), Err(FilesError::NotRegular)));
        assert!(matches!(files.read(&inside.join("none"), 100), Err(FilesError::Missing)));
        assert!(matches!(files.read(&inside.join("rules/a.data"), 5), Err(FilesError::TooLarge { most: 5 })));
        assert!(RootedFiles::new([inside.join("none")]).is_err());
    }

    #[test]
    fn files_in_memory_are_found_alike() {
        let files = MemoryFiles::new().with("rules/b.conf", "b").with("./rules/x/../a.conf", "a").with("c.conf", "c");
        let found = files.find(Path::new("rules/*.conf")).unwrap();
        assert_eq!(found, [PathBuf::from("rules/a.conf"), PathBuf::from("rules/b.conf")]);
        assert_eq!(files.read(Path::new("rules/./a.conf"), 1).unwrap(), b"a");
    }
}
