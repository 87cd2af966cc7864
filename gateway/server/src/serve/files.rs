//! The file with the process id.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Removed when dropped, unless another process (a successor) has written its own id there.
#[derive(Debug)]
pub(super) struct PidFile {
    path: Option<PathBuf>,
}

impl PidFile {
    /// Writes this process's id to `path`, if there is one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn write(path: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(path) = path {
            let written = fs::write(path, format!("{}\n", std::process::id()));
            written.with_context(|| format!("cannot write [process] pid_file {}", path.display()))?;
        }
        Ok(Self { path: path.map(Path::to_path_buf) })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let Some(path) = &self.path else { return };
        if fs::read_to_string(path).is_ok_and(|text| text.trim() == std::process::id().to_string()) {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_successor_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rampart.pid");
        let file = PidFile::write(Some(&path)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().trim(), std::process::id().to_string());
        drop(file);
        assert!(!path.exists());
        let file = PidFile::write(Some(&path)).unwrap();
        fs::write(&path, "1\n").unwrap();
        drop(file);
        assert!(path.exists());
    }
}
