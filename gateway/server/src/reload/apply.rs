//! One reload: read, compile, compare, bring what lives on into line, swap.

use std::sync::{Arc, Weak};

use rampart_policy::{Config, Listener, Snapshot};
use rampart_proxy::{BodyBudget, Certificates};
use rampart_record::{AdminAction, Clock, Outcome, SystemClock};
use rampart_settings::{Diagnostic, Report, Severity};
use tokio::runtime::Handle;

use super::retire::Retired;
use super::status::Reload;
use super::watch::{Targets, Watch};
use super::worker::Cause;
use crate::load::Sources;
use crate::process::notify;
use crate::resolve;
use crate::shared::Shared;

/// What a reload works on.
pub(crate) struct Reloading {
    pub(crate) sources: Sources,
    pub(crate) shared: Arc<Shared>,
    /// The configuration that the process started with: listeners, logs and the store stay as it says.
    pub(crate) started_with: Config,
    pub(crate) certificates: Vec<Arc<Certificates>>,
    /// The certificates in use are not those of the snapshot in force: they could not be read again.
    pub(crate) certificates_due: bool,
    pub(crate) budget: Arc<BodyBudget>,
    /// For name resolution.
    pub(crate) runtime: Handle,
    pub(crate) retired: Retired<Snapshot>,
    /// Ends when a successor has taken over.
    pub(crate) watch: Weak<Watch>,
}

impl Reloading {
    /// Reloads, says how it went in the log, the metrics and the record of admin actions, and returns it.
    pub(crate) fn reload(&mut self, causes: &[Cause]) -> Reload {
        let (report, snapshot) = self.sources.reload(&self.shared.snapshot.load());
        let reload = match snapshot {
            None => failed(report),
            Some(snapshot) if snapshot.is_same_as(&self.shared.snapshot.load()) => self.keep(snapshot),
            Some(snapshot) => self.swap(snapshot),
        };
        self.shared.status.note(&reload, SystemClock.now());
        say(causes, &reload);
        self.shared.records.action(action(causes, &reload));
        reload
    }

    /// Nothing changed since the last reload; what that one could not bring into force may still be due.
    fn keep(&mut self, snapshot: Snapshot) -> Reload {
        if self.certificates_due {
            self.reload_certificates();
        }
        Reload::Unchanged { restart_needed: self.restart_needed(&snapshot.config), digest: snapshot.digest }
    }

    fn reload_certificates(&mut self) {
        self.certificates_due = false;
        for certificates in &self.certificates {
            if let Err(error) = certificates.reload() {
                // They were read and checked a moment ago as part of the snapshot: files that change under our hands.
                log::error!(target: "rampart", "certificates stay as they were: {error}");
                self.certificates_due = true;
            }
        }
    }

    /// What of `config` does not count yet, and what it takes.
    fn restart_needed(&self, config: &Config) -> Vec<String> {
        let mut needed = restart_needed(&self.started_with, config);
        if self.certificates_due {
            needed.push("certificates: reload again".to_owned());
        }
        needed
    }

    fn swap(&mut self, snapshot: Snapshot) -> Reload {
        self.reload_certificates();
        let restart_needed = self.restart_needed(&snapshot.config);
        let resolved = self.runtime.block_on(resolve::missing_names(&self.shared.runtime, &snapshot));
        self.shared.runtime.reconcile(&snapshot, &resolved);
        self.budget.set_limit(snapshot.config.process.buffer_budget_bytes);
        if let Some(watch) = self.watch.upgrade() {
            watch.retarget(targets(&self.sources, &snapshot));
        }
        let digest = snapshot.digest.clone();
        self.retired.take(self.shared.snapshot.swap(Arc::new(snapshot)));
        Reload::Swapped { digest, restart_needed }
    }
}

/// What has to be watched for a snapshot.
pub(crate) fn targets(sources: &Sources, snapshot: &Snapshot) -> Targets {
    let Some(config) = sources.file() else {
        // What is in the binary does not change.
        return Targets::default();
    };
    let (trees, files) = snapshot.watched.paths.iter().cloned().partition(|path| path.is_dir());
    let patterns = snapshot.watched.patterns.iter().cloned().collect();
    let mut targets = Targets { files, trees, patterns };
    targets.files.insert(config.clone());
    // A rules directory that is being replaced is no directory for a moment.
    targets.files.remove(&snapshot.config.rules);
    targets.trees.insert(snapshot.config.rules.clone());
    targets
}

/// The settings that differ from those the process runs with and cannot change while it runs.
fn restart_needed(running: &Config, new: &Config) -> Vec<String> {
    let mut needed = listeners_changed(&running.listeners, &new.listeners);
    let mut compare = |name: &str, same: bool| {
        if !same {
            needed.push(name.to_owned());
        }
    };
    let address = |config: &Config| config.admin.as_ref().map(|admin| admin.address);
    compare("[admin]", address(running) == address(new));
    compare("[probe]", running.probe == new.probe);
    compare("[redis]", running.redis == new.redis);
    compare("[limits]", running.limits == new.limits);
    compare("[log] or [storage]", running.records == new.records);
    // The budget of bodies is the one process setting that takes effect at once.
    let process = |config: &Config| {
        let mut process = config.process.clone();
        process.buffer_budget_bytes = 0;
        process
    };
    compare("[process]", process(running) == process(new));
    needed
}

/// The listeners that came, went or changed, as `[listener.NAME]`.
fn listeners_changed(running: &[Listener], new: &[Listener]) -> Vec<String> {
    let differs = |one: &Listener, list: &[Listener]| list.iter().find(|other| other.name == one.name) != Some(one);
    let changed = new.iter().filter(|listener| differs(listener, running));
    let gone = running.iter().filter(|listener| !new.iter().any(|other| other.name == listener.name));
    changed.chain(gone).map(|listener| format!("[listener.{}]", listener.name)).collect()
}

fn failed(report: Report) -> Reload {
    let findings = report.into_sorted();
    let errors: Vec<&Diagnostic> = findings.iter().filter(|found| found.severity == Severity::Error).collect();
    let place = errors.first().map_or_else(String::new, |first| {
        if first.line == 0 { first.file.clone() } else { format!("{}:{}:{}", first.file, first.line, first.column) }
    });
    for error in &errors {
        log::error!(target: "rampart", "{}:{}:{}: {}", error.file, error.line, error.column, error.message);
    }
    Reload::Failed {
        summary: format!("{} error(s), the first at {place}", errors.len()),
        diagnostics: serde_json::to_value(&findings).unwrap_or_default(),
    }
}

fn say(causes: &[Cause], reload: &Reload) {
    let causes = words(causes);
    match reload {
        Reload::Swapped { digest, restart_needed } => {
            log::info!(target: "rampart", "reloaded ({causes}): snapshot {digest} serves");
            notify::status(&format!("snapshot {digest} serves"));
            if !restart_needed.is_empty() {
                let which = restart_needed.join(", ");
                log::warn!(target: "rampart", "restart needed: {which} changed and counts only after a restart");
            }
        }
        Reload::Unchanged { digest, restart_needed } => {
            let due = match restart_needed.join(", ") {
                none if none.is_empty() => none,
                which => format!("; a restart is still needed for {which}"),
            };
            log::info!(target: "rampart", "reload ({causes}): nothing changed, snapshot {digest} serves{due}");
        }
        Reload::Failed { summary, .. } => {
            log::error!(target: "rampart", "reload ({causes}) failed: {summary}; the snapshot before it keeps serving");
            notify::status(&format!("the last reload failed: {summary}; the snapshot before it keeps serving"));
        }
    }
}

fn action(causes: &[Cause], reload: &Reload) -> AdminAction {
    let (outcome, detail) = match reload {
        Reload::Swapped { digest, .. } => (Outcome::Done, format!("snapshot {digest}")),
        Reload::Unchanged { digest, .. } => (Outcome::Done, format!("unchanged, snapshot {digest}")),
        Reload::Failed { summary, .. } => (Outcome::Failed, summary.clone()),
    };
    AdminAction {
        time: SystemClock.now(),
        actor: words(causes).into(),
        client: causes.iter().find_map(|cause| match cause {
            Cause::Admin { client } => *client,
            Cause::Signal | Cause::Files => None,
        }),
        action: "reload".into(),
        target: None,
        outcome,
        detail: Some(detail),
    }
}

/// The causes, each once, in the order in which they came.
fn words(causes: &[Cause]) -> String {
    let mut words: Vec<String> = Vec::new();
    for cause in causes {
        let word = cause.to_string();
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str =
        "version = 1\n[process]\nbuffer_budget = \"1MiB\"\n[listener.main]\naddress = \"127.0.0.1:8080\"\n";

    const RULES: &str = "version = 1\n[profile.default]\n[[route]]\nname = \"all\"\nmatch = { path = \"/**\" }\n\
                         redirect = { to = \"https://example.com/\" }\n";

    fn load(config: &str) -> (Sources, Snapshot) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("rules")).unwrap();
        std::fs::write(directory.path().join("rules/all.toml"), RULES).unwrap();
        std::fs::write(directory.path().join("config.toml"), config).unwrap();
        let sources = Sources::of_files(&directory.path().join("config.toml"));
        let (report, snapshot) = sources.load();
        (sources, snapshot.unwrap_or_else(|| panic!("{:#?}", report.into_sorted())))
    }

    #[test]
    fn what_needs_a_restart_is_named() {
        let check = |from: &str, to: &str, expect: &[&str]| {
            let (running, new) = (load(CONFIG).1.config, load(&CONFIG.replace(from, to)).1.config);
            assert_eq!(restart_needed(&running, &new), expect, "{from} -> {to}");
        };
        check("1MiB", "2MiB", &[]);
        check("8080", "8081", &["[listener.main]"]);
        check("[listener.main]", "[listener.other]", &["[listener.other]", "[listener.main]"]);
        check("[process]\n", "[process]\ngrace = \"1s\"\n", &["[process]"]);
        check("[listener.main]", "[probe]\naddress = \"127.0.0.1:9\"\n[listener.main]", &["[probe]"]);
    }

    #[test]
    fn the_files_of_a_snapshot_are_watched_and_a_binary_is_not() {
        let (sources, snapshot) = load(CONFIG);
        let found = targets(&sources, &snapshot);
        assert!(found.files.contains(sources.file().unwrap()), "{found:?}");
        assert_eq!(found.trees.iter().collect::<Vec<_>>(), [&snapshot.config.rules]);
        assert_eq!(targets(&Sources::embedded(), &snapshot), Targets::default());
    }

    #[test]
    fn causes_are_named_once() {
        let admin = Cause::Admin { client: None };
        assert_eq!(words(&[Cause::Files, admin, Cause::Files]), "file change, admin API");
    }
}
