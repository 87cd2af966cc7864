//! The shipped rules, as a test's gateway is given them.

use std::path::Path;

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
