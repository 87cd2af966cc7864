//! A small good configuration, and findings in one line each.

use std::fs;
use std::path::PathBuf;

use rampart_policy::{Embedded, Environment, LoadOptions, Secrets, Snapshot, load, load_embedded, reload};
use rampart_settings::{Diagnostic, Report};

pub(crate) const CONFIG: &str = "rules = \"rules\"\nversion = 1\n[listener.main]\naddress = \"127.0.0.1:0\"\n[upstream.agents]\n\
                          addresses = [\"http://127.0.0.1:9000\"]";
pub(crate) const PROFILE: &str = "[profile.default]";

pub(crate) fn options(variables: &[(&str, &str)]) -> LoadOptions {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    LoadOptions {
        config: PathBuf::from("config.toml"),
        environment: variables.collect::<Environment>(),
        secrets: Secrets::Require,
    }
}

/// Everything that is said about a configuration in memory.
pub(crate) fn report(config: &str, rules: &[(&str, &str)]) -> Vec<Diagnostic> {
    load_embedded(&Embedded { config: ("config.toml", config), rules }, &options(&[])).0.into_sorted()
}

/// `file:line:column key: message (help)`.
pub(crate) fn brief(found: &[Diagnostic]) -> Vec<String> {
    let line = |d: &Diagnostic| {
        let help = d.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{}:{}:{} {}: {}{help}", d.file, d.line, d.column, d.path, d.message)
    };
    found.iter().map(line).collect()
}

/// A configuration on disk.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("config.toml", CONFIG);
        folder.write("rules/base.toml", format!("version = 1\n{PROFILE}"));
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn options(&self) -> LoadOptions {
        LoadOptions { config: self.path("config.toml"), environment: Environment::empty(), secrets: Secrets::Require }
    }

    pub(crate) fn load(&self) -> (Vec<String>, Option<Snapshot>) {
        self.said(load(&self.options()))
    }

    pub(crate) fn reload(&self, running: &Snapshot) -> (Vec<String>, Option<Snapshot>) {
        self.said(reload(&self.options(), running))
    }

    fn said(&self, (report, snapshot): (Report, Option<Snapshot>)) -> (Vec<String>, Option<Snapshot>) {
        let root = format!("{}/", self.0.path().display());
        (brief(&report.into_sorted()).iter().map(|line| line.replace(&root, "")).collect(), snapshot)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let (said, snapshot) = self.load();
        let snapshot = snapshot.unwrap_or_else(|| panic!("{said:?}"));
        let mut names: Vec<String> = snapshot.routes.iter().map(|route| route.name.to_string()).collect();
        names.sort();
        names
    }
}
