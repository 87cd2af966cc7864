//! Real files in a temporary directory: what asks for a reload, and what must not.

use std::fs;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::*;

/// Long enough for a slow machine; a test that passes waits far less.
const LONG: Duration = Duration::from_secs(10);
/// Long enough for a wrong reload to show.
const SHORT: Duration = Duration::from_millis(900);

struct Scene {
    directory: tempfile::TempDir,
    _watch: Watch,
    changes: Receiver<()>,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::write(root.join("config.toml"), "version = 1").unwrap();
        fs::create_dir_all(root.join("rules/deep")).unwrap();
        fs::write(root.join("rules/deep/a.toml"), "version = 1").unwrap();
        fs::create_dir_all(root.join("crs/data")).unwrap();
        let targets = Targets {
            files: [root.join("config.toml")].into(),
            trees: [root.join("rules")].into(),
            patterns: [root.join("crs/*.conf")].into(),
        };
        let (sender, changes) = channel();
        let watch = Watch::start(targets, move || sender.send(()).unwrap()).unwrap();
        // The watch is set by its thread: wait until a first change is seen, then until all is quiet.
        let scene = Self { directory, _watch: watch, changes };
        for _ in 0..50 {
            fs::write(scene.path("config.toml"), "version = 1").unwrap();
            if scene.changes.recv_timeout(Duration::from_millis(500)).is_ok() {
                break;
            }
        }
        while scene.changes.recv_timeout(SHORT).is_ok() {}
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn expect_change(&self, what: &str) {
        assert!(self.changes.recv_timeout(LONG).is_ok(), "not seen: {what}");
        while self.changes.recv_timeout(SHORT).is_ok() {}
    }

    fn expect_quiet(&self, what: &str) {
        assert!(self.changes.recv_timeout(SHORT).is_err(), "asked for a reload: {what}");
    }
}

fn replace_by_rename(path: &Path, text: &str) {
    let beside = path.with_extension("toml.new");
    fs::write(&beside, text).unwrap();
    fs::rename(&beside, path).unwrap();
}

#[test]
fn a_file_written_in_place_and_one_renamed_over_it_are_seen_again_and_again() {
    let scene = Scene::new();
    for round in 0..2 {
        fs::write(scene.path("config.toml"), format!("version = 1 # {round}")).unwrap();
        scene.expect_change("config.toml written");
        replace_by_rename(&scene.path("config.toml"), "version = 1 # renamed");
        scene.expect_change("config.toml renamed over");
        replace_by_rename(&scene.path("rules/deep/a.toml"), "version = 1 # renamed");
        scene.expect_change("a rule file renamed over");
    }
}

#[test]
fn new_directories_and_a_replaced_rules_directory_are_seen() {
    let scene = Scene::new();
    fs::create_dir_all(scene.path("rules/new")).unwrap();
    scene.expect_change("a new directory");
    fs::write(scene.path("rules/new/b.toml"), "version = 1").unwrap();
    scene.expect_change("a file in the new directory");
    fs::rename(scene.path("rules"), scene.path("old")).unwrap();
    fs::create_dir_all(scene.path("rules")).unwrap();
    scene.expect_change("rules/ replaced");
    fs::write(scene.path("rules/c.toml"), "version = 1").unwrap();
    scene.expect_change("a file in the replaced directory");
}

#[test]
fn reading_the_files_and_writing_a_log_beside_them_ask_for_nothing() {
    let scene = Scene::new();
    for name in ["config.toml", "rules/deep/a.toml"] {
        fs::read(scene.path(name)).unwrap();
    }
    fs::read_dir(scene.path("rules")).unwrap().for_each(drop);
    scene.expect_quiet("reading");
    fs::write(scene.path("access.log"), "one line\n").unwrap();
    scene.expect_quiet("a log");
}

#[test]
fn files_that_fit_a_pattern_come_and_go() {
    let scene = Scene::new();
    fs::write(scene.path("crs/more.conf"), "# SecLang").unwrap();
    scene.expect_change("a new file that fits");
    fs::remove_file(scene.path("crs/more.conf")).unwrap();
    scene.expect_change("it is gone");
    for other in ["crs/audit.log", "crs/.more.conf.swp", "crs/data/deep.conf"] {
        fs::write(scene.path(other), "x").unwrap();
    }
    scene.expect_quiet("what does not fit");
    fs::rename(scene.path("crs"), scene.path("old")).unwrap();
    scene.expect_change("the directory is gone");
    fs::create_dir(scene.path("crs")).unwrap();
    scene.expect_change("another one is there");
    fs::write(scene.path("crs/a.conf"), "# SecLang").unwrap();
    scene.expect_change("a file in it");
}

#[test]
fn a_burst_is_one_change() {
    let scene = Scene::new();
    for i in 0..50 {
        fs::write(scene.path(&format!("rules/{i}.toml")), "version = 1").unwrap();
    }
    assert!(scene.changes.recv_timeout(LONG).is_ok());
    scene.expect_quiet("the rest of the burst");
}
