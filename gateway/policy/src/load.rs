//! From sources to a snapshot: the order in which things are read and checked.
//!
//! Everything is read before anything is compiled. What does not fit the schema is left out and the rest compiled all
//! the same, so that one load reports every mistake of every file; names whose definition is broken are excused, so
//! that references to them are not reported as well.

mod callers;
mod items;
mod reading;
mod rules;
mod seclang;

use std::cell::RefCell;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use rampart_settings::{Diagnostic, Document, Place, Report, Severity, Source, check, overlay};
use rampart_upstream::{RawUpstream, Upstream};
use sha2::{Digest, Sha256};

pub use self::callers::BLAMED;
pub(crate) use self::callers::Callers;
pub use self::seclang::SecLangSet;
use self::seclang::SecLangs;
use crate::config::{self, Attached, Checks};
use crate::environment::Environment;
use crate::files::{self, File};
use crate::raw_config::RawConfig;
use crate::snapshot::{Snapshot, Watched};

/// What to load.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The configuration file.
    pub config: PathBuf,
    /// Overrides and secrets.
    pub environment: Environment,
    /// What to do about secrets that cannot be had.
    pub secrets: Secrets,
}

/// What to do about secrets that cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Secrets {
    /// It is an error: the gateway is about to use them.
    #[default]
    Require,
    /// It is a warning: files are checked on a machine that need not hold the secrets.
    Warn,
}

/// The sources of a configuration that is compiled into the program.
#[derive(Debug, Clone, Copy)]
pub struct Embedded<'a> {
    /// Name (as shown to people) and text of the configuration file.
    pub config: (&'a str, &'a str),
    /// Names and texts of the rule files.
    pub rules: &'a [(&'a str, &'a str)],
}

/// Reads and checks everything. The report holds every error and warning of every file; without an error there is a
/// snapshot.
pub fn load(options: &LoadOptions) -> (Report, Option<Snapshot>) {
    load_beside(options, &[])
}

/// The same beside a snapshot that is running: SecLang rules whose files have not changed are taken over from it, with
/// the collections (`IP`, `GLOBAL` ...) that they have filled, and not compiled again.
pub fn reload(options: &LoadOptions, running: &Snapshot) -> (Report, Option<Snapshot>) {
    load_beside(options, &running.seclang)
}

fn load_beside(options: &LoadOptions, running: &[SecLangSet]) -> (Report, Option<Snapshot>) {
    let report = Report::new();
    let folder = options.config.parent().unwrap_or(Path::new("")).to_owned();
    let name = files::shown(&options.config);
    let bytes = match files::read(&options.config) {
        Ok(bytes) => bytes,
        Err(error) => {
            let help = "name another one with --config FILE, or see the commented config.toml of the project";
            let message = format!("the configuration file cannot be read: {error}");
            report.push(Diagnostic::about(Severity::Error, name, message).with_help(help));
            return (report, None);
        }
    };
    let config = Source::from_bytes(name, &bytes, &report);
    let Some(document) = config.and_then(|source| parse(source, options, &report)) else {
        // Where the rules are is not known for sure; most are in the usual place.
        rules::look_over(&read_rules(&folder.join("rules"), &report), &report);
        return (report, None);
    };
    let rules = folder.join(document.root(&report).key("rules").text().unwrap_or("rules"));
    let sources = Sources {
        document: &document,
        files: read_rules(&rules, &report),
        watched: vec![options.config.clone(), rules.clone()],
        rules,
        folder,
        options,
        running,
    };
    let snapshot = sources.compile(&report);
    (report, snapshot)
}

/// The same from sources in memory. Relative paths are relative to the current directory; `options.config` is not read.
pub fn load_embedded(embedded: &Embedded<'_>, options: &LoadOptions) -> (Report, Option<Snapshot>) {
    let report = Report::new();
    let (name, text) = embedded.config;
    let files: Vec<Source> = embedded.rules.iter().map(|(name, text)| Source::new(*name, text)).collect();
    let Some(document) = parse(Source::new(name, text), options, &report) else {
        rules::look_over(&files, &report);
        return (report, None);
    };
    let sources = Sources {
        document: &document,
        files,
        watched: Vec::new(),
        rules: PathBuf::new(),
        folder: PathBuf::new(),
        options,
        running: &[],
    };
    let snapshot = sources.compile(&report);
    (report, snapshot)
}

fn read_rules(directory: &Path, report: &Report) -> Vec<Source> {
    let decode = |File { name, bytes }| Source::from_bytes(name, &bytes, report);
    files::read_directory(directory, report).into_iter().filter_map(decode).collect()
}

/// The configuration file with its overrides.
fn parse(source: Source, options: &LoadOptions, report: &Report) -> Option<Document> {
    let mut document = Document::parse(source, report)?;
    let variables = options.environment.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    overlay::<RawConfig>(&mut document, variables, report);
    Some(document)
}

/// Everything that was read.
struct Sources<'s> {
    document: &'s Document,
    files: Vec<Source>,
    folder: PathBuf,
    rules: PathBuf,
    watched: Vec<PathBuf>,
    options: &'s LoadOptions,
    /// What the running snapshot has compiled.
    running: &'s [SecLangSet],
}

impl Sources<'_> {
    /// The snapshot, if nothing was reported as an error.
    fn compile(mut self, report: &Report) -> Option<Snapshot> {
        let place = self.document.root(report);
        let checked = check::<RawConfig>(self.document, report);
        let checks = Checks {
            checked: &checked,
            folder: &self.folder,
            environment: &self.options.environment,
            secrets: self.options.secrets,
            attached: RefCell::default(),
        };
        let config = config::compile(&checks, self.rules.clone(), &place);
        let upstreams = upstreams(&checks, &place);
        let mut seclang = SecLangs::new(&self.folder, &config.seclang_roots, self.running, &place, report);
        let compiled = rules::compile(&self.files, &upstreams, &checks, &mut seclang, report);
        if !report.is_ok() {
            return None;
        }
        compiled.compare(&config, &upstreams, &place);
        if !report.is_ok() {
            return None;
        }
        let Attached { files, public, secrets } = checks.attached.take();
        self.watched.extend(files);
        let (files, mut patterns) = seclang.watched();
        self.watched.extend(files);
        for list in [&mut self.watched, &mut patterns] {
            list.sort_unstable();
            list.dedup();
        }
        let seclang = seclang.into_sets();
        let digest = self.digest(&public, &seclang);
        let watched = Watched { paths: self.watched, patterns };
        Some(Snapshot { secrets, ..compiled.into_snapshot(digest, config, upstreams, seclang, watched) })
    }

    /// Twelve hex digits that name the state: of the files, the certificates and the overrides. No secret enters it.
    fn digest(&self, attached: &[u8], seclang: &[SecLangSet]) -> String {
        let mut digest = Sha256::new();
        let mut add = |part: &[u8]| {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        };
        for source in self.document.source().into_iter().chain(&self.files) {
            add(source.text.as_bytes());
        }
        add(attached);
        for set in seclang {
            set.add_to(&mut add);
        }
        let prefix = rampart_settings::ENVIRONMENT_PREFIX;
        for (name, value) in self.options.environment.iter().filter(|(name, _)| name.starts_with(prefix)) {
            add(name.as_bytes());
            add(value.as_bytes());
        }
        let mut name = String::with_capacity(12);
        for byte in digest.finalize().iter().take(6) {
            let _ = write!(name, "{byte:02x}");
        }
        name
    }
}

fn upstreams(checks: &Checks<'_>, place: &Place<'_>) -> Vec<Upstream> {
    let tables = place.key("upstream");
    let mut names = tables.keys();
    names.sort_unstable();
    let mut upstreams = Vec::with_capacity(names.len());
    for name in names {
        let place = tables.key(name);
        config::check_name("upstream", name, &place);
        let compiled = checks.checked.read::<RawUpstream>(&place).and_then(|mut raw| {
            checks.authorities(&mut raw, &place);
            Upstream::compile(name, &raw, &place)
        });
        match compiled {
            Some(upstream) => upstreams.push(upstream),
            None => place.report().excuse(name),
        }
    }
    upstreams
}
