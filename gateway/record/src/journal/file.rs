//! Where lines land: standard output, or a file that is rotated by size and age and followed when others move it.
//!
//! Before each batch the path is compared with the open file (device and inode), so a file renamed by logrotate, or by
//! the other gateway during an upgrade, is noticed without any signal. The file is opened for appending, so two gateways
//! may write one file. A path that is not a plain file (a link, a pipe, a device) is written and never rotated.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::time::Timestamp;

use super::{Destination, FileConfig, JournalError};

/// How many files may be rotated in the same millisecond.
const MAX_TWINS: u32 = 999;

pub(super) enum Sink {
    Stdout(File),
    File(LogFile),
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Bytes that are written and stay written; the end of a line, where the file allows.
    pub(super) bytes: usize,
    /// Why it was not more.
    pub(super) error: Option<io::Error>,
    /// What else went wrong, but did not keep lines from being written.
    pub(super) complaint: Option<String>,
}

pub(super) struct LogFile {
    config: FileConfig,
    file: File,
    identity: (u64, u64),
    bytes: u64,
    /// Which multiple of the rotation age the file's lines belong to.
    period: i64,
}

// === impl Sink ===

impl Sink {
    pub(super) fn open(destination: &Destination, now: Timestamp) -> Result<Self, JournalError> {
        match destination {
            // A descriptor of our own, without the standard library's line buffer.
            Destination::Stdout => {
                let own = io::stdout().as_fd().try_clone_to_owned().map_err(JournalError::Stdout)?;
                Ok(Self::Stdout(File::from(own)))
            }
            Destination::File(config) => LogFile::open(config.clone(), now)
                .map(Self::File)
                .map_err(|source| JournalError::Open { path: config.path.clone(), source }),
        }
    }

    pub(super) fn write(&mut self, lines: &[u8], now: Timestamp) -> Written {
        match self {
            Self::File(file) => file.write(lines, now),
            Self::Stdout(stdout) => {
                // Journals share it: held, so that no batch is written into another's.
                let _held = io::stdout().lock();
                let (bytes, result) = write_until_error(stdout, lines);
                Written { bytes, error: result.err(), complaint: None }
            }
        }
    }

    pub(super) fn reopen(&mut self, now: Timestamp) -> io::Result<()> {
        match self {
            Self::File(file) => file.reopen(now),
            Self::Stdout(_) => Ok(()),
        }
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) if file.is_plain() => file.file.sync_data(),
            _ => Ok(()),
        }
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Self::Stdout(_) => "standard output".to_owned(),
            Self::File(file) => file.config.path.display().to_string(),
        }
    }
}

// === impl LogFile ===

impl LogFile {
    fn open(config: FileConfig, now: Timestamp) -> io::Result<Self> {
        let (file, metadata) = open_for_appending(&config.path)?;
        let mut opened = Self { config, file, identity: (0, 0), bytes: 0, period: 0 };
        opened.learn(&metadata, now);
        Ok(opened)
    }

    fn reopen(&mut self, now: Timestamp) -> io::Result<()> {
        let (file, metadata) = open_for_appending(&self.config.path)?;
        self.file = file;
        self.learn(&metadata, now);
        Ok(())
    }

    /// Takes size and age from the file itself, so that a restart goes on where the last run ended.
    fn learn(&mut self, metadata: &Metadata, now: Timestamp) {
        self.identity = identity(metadata);
        self.bytes = metadata.len();
        let begun = match metadata.modified() {
            Ok(modified) if self.bytes > 0 => now.min(Timestamp::from(modified)),
            _ => now,
        };
        self.period = self.period_of(begun);
    }

    fn write(&mut self, lines: &[u8], now: Timestamp) -> Written {
        let mut written = Written::default();
        while let Some(rest) = lines.get(written.bytes..).filter(|rest| !rest.is_empty()) {
            let (bytes, result) = self.write_some(rest, now, &mut written.complaint);
            written.bytes += bytes;
            if let Err(error) = result {
                written.error = Some(error);
                break;
            }
        }
        written
    }

    /// Writes as many whole lines as the file may still take, after making room if need be.
    fn write_some(&mut self, lines: &[u8], now: Timestamp, complaint: &mut Option<String>) -> (usize, io::Result<()>) {
        if let Err(error) = self.follow(now) {
            return (0, Err(error));
        }
        let mut piece = self.that_fits(lines, now);
        if piece.is_empty() {
            match self.rotate(now) {
                Ok(()) => piece = self.that_fits(lines, now),
                Err(error) => {
                    *complaint = Some(format!("cannot rotate {}: {error}; it grows on", self.config.path.display()));
                }
            }
        }
        // Not rotated, or a line longer than a whole file.
        if piece.is_empty() {
            piece = if complaint.is_some() { lines } else { first_line(lines) };
        }
        self.append(piece)
    }

    /// Opens the path anew when it names another file than the open one, or none.
    fn follow(&mut self, now: Timestamp) -> io::Result<()> {
        match fs::metadata(&self.config.path) {
            Ok(metadata) if identity(&metadata) == self.identity => {
                self.bytes = metadata.len();
                Ok(())
            }
            _ => self.reopen(now),
        }
    }

    fn append(&mut self, lines: &[u8]) -> (usize, io::Result<()>) {
        let (written, result) = write_until_error(&mut self.file, lines);
        let kept = if result.is_ok() { written } else { self.take_back_torn_line(lines, written) };
        self.bytes += u64::try_from(kept).unwrap_or(0);
        (kept, result)
    }

    /// Cuts off the beginning of a line whose rest could not be written. Not where somebody else has written meanwhile,
    /// or where the file cannot be cut: then the line is continued by the next try.
    fn take_back_torn_line(&self, lines: &[u8], written: usize) -> usize {
        let whole = whole_lines(lines.get(..written).unwrap_or_default());
        let length_after = |bytes: usize| u64::try_from(bytes).map_or(0, |bytes| self.bytes + bytes);
        let ours = self.file.metadata().is_ok_and(|metadata| metadata.len() == length_after(written));
        if whole < written && ours && self.file.set_len(length_after(whole)).is_ok() { whole } else { written }
    }

    /// The whole lines that the file can take before it must be rotated; none when it must be now.
    fn that_fits<'l>(&self, lines: &'l [u8], now: Timestamp) -> &'l [u8] {
        if !self.is_plain() || (self.config.rotate_bytes.is_none() && self.config.rotate_age.is_none()) {
            return lines;
        }
        if self.bytes > 0 && self.period_of(now) > self.period {
            return &[];
        }
        let room = self.config.rotate_bytes.map_or(u64::MAX, |limit| limit.saturating_sub(self.bytes));
        match usize::try_from(room).ok().and_then(|room| lines.get(..room)) {
            None => lines,
            Some(beginning) => lines.get(..whole_lines(beginning)).unwrap_or_default(),
        }
    }

    /// Moves the file aside and begins a new one. An empty file stays: it would only make an empty one.
    fn rotate(&mut self, now: Timestamp) -> io::Result<()> {
        if self.bytes > 0 {
            fs::rename(&self.config.path, self.name_for_rotated(now)?)?;
        }
        self.reopen(now)?;
        self.delete_oldest()
    }

    fn name_for_rotated(&self, now: Timestamp) -> io::Result<PathBuf> {
        let stem = self.sibling_prefix() + &now.compact();
        let candidates = std::iter::once(stem.clone()).chain((1..=MAX_TWINS).map(|twin| format!("{stem}-{twin:03}")));
        candidates
            .map(|name| self.config.path.with_file_name(name))
            .find(|path| fs::symlink_metadata(path).is_err())
            .ok_or_else(|| io::Error::new(io::ErrorKind::AlreadyExists, format!("{stem} and its twins exist")))
    }

    fn delete_oldest(&self) -> io::Result<()> {
        let prefix = self.sibling_prefix();
        let mut rotated: Vec<OsString> = fs::read_dir(folder_of(&self.config.path))?
            .filter_map(|entry| Some(entry.ok()?.file_name()))
            .filter(|name| name.to_str().and_then(|name| name.strip_prefix(&prefix)).is_some_and(is_rotation_stamp))
            .collect();
        rotated.sort();
        let surplus = rotated.len().saturating_sub(self.config.keep);
        rotated.iter().take(surplus).try_for_each(|name| fs::remove_file(self.config.path.with_file_name(name)))
    }

    fn sibling_prefix(&self) -> String {
        let name = self.config.path.file_name().unwrap_or_default();
        format!("{}.", name.to_string_lossy())
    }

    fn is_plain(&self) -> bool {
        fs::symlink_metadata(&self.config.path).is_ok_and(|metadata| metadata.is_file())
    }

    fn period_of(&self, time: Timestamp) -> i64 {
        self.config.rotate_age.map_or(0, |age| time.period(age))
    }
}

fn open_for_appending(path: &Path) -> io::Result<(File, Metadata)> {
    let folder = folder_of(path);
    if !folder.exists() {
        DirBuilder::new().recursive(true).mode(0o750).create(folder)?;
    }
    let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path)?;
    let metadata = file.metadata()?;
    Ok((file, metadata))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// How many bytes of `bytes` are whole lines.
fn whole_lines(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1)
}

fn first_line(lines: &[u8]) -> &[u8] {
    lines.split_inclusive(|byte| *byte == b'\n').next().unwrap_or(lines)
}

/// What the gateway itself puts behind the name of a file that it moves aside: `20261120T132042.123Z`, `...Z-001`.
fn is_rotation_stamp(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    matches!(shape.as_str(), "00000000T000000.000Z" | "00000000T000000.000Z-000")
}

/// Like `write_all`, but tells how far it came.
fn write_until_error(out: &mut impl Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match out.write(rest) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_gateways_own_stamps_are_deleted() {
        fn check(text: &str, expect: bool) {
            assert_eq!(is_rotation_stamp(text), expect, "{text}");
        }
        check("20261120T132042.123Z", true);
        check("20261120T132042.123Z-001", true);
        check("1", false);
        check("20261120T132042.123Z.gz", false);
        check("20261120T132042.123Z-1", false);
        check("", false);
    }

    /// A disk with room for so many bytes.
    struct Nearly<'a>(&'a mut File, usize);

    impl Write for Nearly<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let fits = bytes.len().min(self.1);
            self.1 -= fits;
            if fits == 0 { Err(io::ErrorKind::StorageFull.into()) } else { self.0.write(&bytes[..fits]) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_the_disk_cut_in_two_is_taken_back() {
        fn check(room: usize, kept: &str) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("log");
            fs::write(&path, "old\n").unwrap();
            let config = FileConfig { path: path.clone(), rotate_bytes: None, rotate_age: None, keep: 0 };
            let mut log = LogFile::open(config, Timestamp::default()).unwrap();
            let lines = b"one\ntwo\n";
            let (written, result) = write_until_error(&mut Nearly(&mut log.file, room), lines);
            assert_eq!((written, result.is_err()), (room, true));
            let whole = log.take_back_torn_line(lines, written);
            assert_eq!((fs::read_to_string(&path).unwrap().as_str(), whole), (kept, kept.len() - 4), "{room}");
        }
        check(0, "old\n");
        check(2, "old\n");
        check(4, "old\none\n");
        check(7, "old\none\n");
    }
}
