//! The file with the process id.

use std::fs;
use std::path::Path;

use anyhow::Context;

/// Writes this process's id to `path`, if there is one.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn write(path: Option<&Path>) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    let written = fs::write(path, format!("{}\n", std::process::id()));
    written.with_context(|| format!("cannot write [process] pid_file {}", path.display()))
}

/// Removes the file, unless another process (a successor) has written its own id there.
pub(super) fn remove(path: Option<&Path>) {
    let Some(path) = path else { return };
    if fs::read_to_string(path).is_ok_and(|text| text.trim() == std::process::id().to_string()) {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_successor_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rampart.pid");
        write(Some(&path)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().trim(), std::process::id().to_string());
        remove(Some(&path));
        assert!(!path.exists());
        fs::write(&path, "1\n").unwrap();
        remove(Some(&path));
        assert!(path.exists());
    }
}
