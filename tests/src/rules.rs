//! The shipped rules, and the folder of test data that stands beside the checkout.

use std::path::{Path, PathBuf};

use crate::process::workspace;

/// Copies the shipped inspection rules and profiles into a test's own rules directory.
pub fn copy_shipped_inspection(to: &Path) {
    copy(&workspace().join("rules/inspection"), &to.join("inspection"));
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// The folder of third-party test data: `RAMPART_SHARED`, else `../shared` beside the workspace. `None`, and a line
/// that says so, where there is none; a folder that was named but is not there fails the test.
pub fn shared(file: &str) -> Option<PathBuf> {
    let named = std::env::var_os("RAMPART_SHARED").map(PathBuf::from);
    let path = named.clone().unwrap_or_else(|| workspace().join("../shared")).join(file);
    if path.exists() {
        return Some(path);
    }
    assert!(named.is_none(), "RAMPART_SHARED is set, but {} is not there", path.display());
    println!("skipped: {} is not there and RAMPART_SHARED is not set", path.display());
    None
}
