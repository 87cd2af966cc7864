//! The sections `[log.*]` and `[storage]` of config.toml as operators write them, and their check.
//!
//! Paths are relative to the folder of config.toml. Whether a file can be written is found out when it is opened, not
//! here: a configuration is checked on machines that do not run it.

use std::path::{Path, PathBuf};

use rampart_settings::{Duration, Place, Size};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::intake::Overload;
use crate::journal::{Destination, FileConfig, JournalConfig};
use crate::records::RecordConfig;
use crate::redact::{DEFAULT_TARGETS, DEFAULT_VALUE_BYTES, Redaction};
use crate::store::{Retention, StoreConfig};

/// No buffer is smaller: the longest records would not fit.
const SMALLEST_BUFFER: Size = Size::kib(64);
/// No buffer is larger: two of them are held in memory.
const LARGEST_BUFFER: Size = Size::gib(1);

/// What is written down, and where to.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawLog {
    /// One JSON line for each request. Never its query, its headers or its body.
    pub access: RawJournal,
    /// One JSON line for each request that matched a rule or was not let through.
    pub events: RawJournal,
    /// One JSON line for each thing that an operator did to the gateway.
    pub admin: RawJournal,
    /// What may be shown of the values that rules matched.
    pub redaction: RawRedaction,
}

/// One log: JSON lines, on standard output or in a file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawJournal {
    /// Where the lines go: `stdout`, `file` (which `path` names) or `off`.
    pub to: RawDestination,
    /// The file; its folder is made when missing. A file that is renamed or deleted is begun anew.
    pub path: Option<PathBuf>,
    /// When the file would grow beyond this it is renamed to `NAME.20261120T132042.123Z` and begun anew; `0B`: never.
    pub rotate_size: Size,
    /// A new file begins at each multiple of this since 1970, UTC: `24h` is midnight; `0s`: never.
    pub rotate_age: Duration,
    /// How many renamed files stay; older ones are deleted.
    #[schemars(range(max = 100_000))]
    pub keep: u32,
    /// When lines come faster than they can be written: `drop` and count them, or `block` requests until there is room,
    /// for a second at most.
    pub on_overload: RawOverload,
    /// Lines that may wait for the disk, 64KiB to 1GiB.
    pub buffer: Size,
}

/// Where a log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawDestination {
    /// Standard output.
    Stdout,
    /// The file that `path` names.
    File,
    /// Nowhere.
    Off,
}

/// What happens to records that come faster than they can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawOverload {
    /// They are dropped and counted; no request waits.
    Drop,
    /// Requests wait for room, for a second at most; then they are dropped and counted.
    Block,
}

/// What may be shown of the values that rules matched.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawRedaction {
    /// How many bytes of a value are shown.
    #[schemars(range(max = 4_096))]
    pub value_bytes: u32,
    /// Targets whose values are never shown: a kind (`cookie`), a kind and a name (`query:token`, `json:$.card.*`) or a
    /// name of any kind (`*password*`). This list replaces the built-in one.
    pub targets: Option<Vec<String>>,
    /// More of them, beside the built-in ones or those in `targets`.
    pub also: Vec<String>,
}

/// The embedded store of security events and admin actions, which `rampart audit query` searches. Without this table
/// there is none.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawStorage {
    /// The SQLite file; its folder is made when missing.
    pub path: PathBuf,
    /// Security events older than this are deleted.
    pub retention: Duration,
    /// When there are more security events than this the oldest are deleted.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub max_events: u64,
    /// Admin actions older than this are deleted.
    pub action_retention: Duration,
    /// When there are more admin actions than this the oldest are deleted.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub max_actions: u64,
    /// When records come faster than they can be stored: `drop` and count them, or `block` requests until there is
    /// room, for a second at most.
    pub on_overload: RawOverload,
    /// Records that may wait for the disk, 64KiB to 1GiB.
    pub buffer: Size,
}

impl Default for RawJournal {
    fn default() -> Self {
        Self {
            to: RawDestination::Stdout,
            path: None,
            rotate_size: Size::mib(100),
            rotate_age: Duration::hours(24),
            keep: 7,
            on_overload: RawOverload::Drop,
            buffer: Size::mib(8),
        }
    }
}

impl Default for RawRedaction {
    fn default() -> Self {
        let value_bytes = u32::try_from(DEFAULT_VALUE_BYTES).unwrap_or(u32::MAX);
        Self { value_bytes, targets: None, also: Vec::new() }
    }
}

impl Default for RawStorage {
    fn default() -> Self {
        Self {
            path: PathBuf::from("var/rampart.db"),
            retention: Duration::days(30),
            max_events: 1_000_000,
            action_retention: Duration::days(365),
            max_actions: 100_000,
            on_overload: RawOverload::Drop,
            buffer: Size::mib(8),
        }
    }
}

// === impl RecordConfig ===

impl RecordConfig {
    /// Checks both sections. `config` is the place of the whole config.toml, `folder` the one that it is in. What is
    /// wrong is reported; the result then is not to be used.
    pub fn compile(log: &RawLog, storage: Option<&RawStorage>, config: &Place<'_>, folder: &Path) -> Self {
        let logs = config.key("log");
        let compiled = Self {
            access: log.access.compile("access", &logs.key("access"), folder),
            events: log.events.compile("events", &logs.key("events"), folder),
            admin: log.admin.compile("admin", &logs.key("admin"), folder),
            store: storage.map(|storage| storage.compile(&config.key("storage"), folder)),
            redaction: log.redaction.compile(&logs.key("redaction")),
        };
        compiled.refuse_shared_files(config);
        compiled
    }

    /// Two writers of one file would rotate it under each other.
    fn refuse_shared_files(&self, config: &Place<'_>) {
        let logs = [&self.access, &self.events, &self.admin].into_iter().flatten();
        let log_files = logs.filter_map(|log| Some((config.key("log").key(log.name), log.destination.path()?)));
        let store_file = self.store.as_ref().map(|store| (config.key("storage"), store.path.as_path()));
        let mut seen: Vec<(String, &Path)> = Vec::new();
        for (place, path) in log_files.chain(store_file) {
            match seen.iter().find(|(_, other)| *other == path) {
                Some((other, _)) => place
                    .key("path")
                    .error_help(format!("{} is already the file of [{other}]", path.display()), "give each its own"),
                None => seen.push((place.path(), path)),
            }
        }
    }
}

// === impl RawJournal ===

impl RawJournal {
    fn compile(&self, name: &'static str, place: &Place<'_>, folder: &Path) -> Option<JournalConfig> {
        let destination = match (self.to, &self.path) {
            (RawDestination::Off, _) => return None,
            (RawDestination::Stdout, _) => Destination::Stdout,
            (RawDestination::File, Some(path)) if path.file_name().is_some() => {
                Destination::File(self.file(path, folder))
            }
            (RawDestination::File, Some(path)) => {
                place.key("path").error(format!("\"{}\" is not the name of a file", path.display()));
                return None;
            }
            (RawDestination::File, None) => {
                let advice = format!("add path = \"var/{name}.jsonl\", or use to = \"stdout\"");
                place.key("to").error_help("a log to a file needs a path", advice);
                return None;
            }
        };
        let buffer_bytes = checked_buffer(self.buffer, place);
        Some(JournalConfig { name, destination, overload: self.on_overload.into(), buffer_bytes })
    }

    fn file(&self, path: &Path, folder: &Path) -> FileConfig {
        FileConfig {
            path: folder.join(path),
            rotate_bytes: Some(self.rotate_size.bytes()).filter(|bytes| *bytes > 0),
            rotate_age: Some(self.rotate_age.get()).filter(|age| !age.is_zero()),
            keep: usize::try_from(self.keep).unwrap_or(usize::MAX),
        }
    }
}

// === impl RawRedaction ===

impl RawRedaction {
    fn compile(&self, place: &Place<'_>) -> Redaction {
        let listed = self.targets.iter().flatten().map(String::as_str);
        let built_in = DEFAULT_TARGETS.into_iter().filter(|_| self.targets.is_none());
        let also = self.also.iter().map(String::as_str);
        let max_bytes = usize::try_from(self.value_bytes).unwrap_or(usize::MAX);
        Redaction::new(built_in.chain(listed).chain(also), max_bytes).unwrap_or_else(|errors| {
            let first_of_also = self.targets.as_ref().map_or(DEFAULT_TARGETS.len(), Vec::len);
            for (index, error) in errors {
                let place = match index.checked_sub(first_of_also) {
                    Some(index) => place.key("also").index(index),
                    None => place.key("targets").index(index),
                };
                place.error(error.to_string());
            }
            Redaction::default()
        })
    }
}

// === impl RawStorage ===

impl RawStorage {
    fn compile(&self, place: &Place<'_>, folder: &Path) -> StoreConfig {
        if self.path.file_name().is_none() {
            place.key("path").error(format!("\"{}\" is not the name of a file", self.path.display()));
        }
        for (key, age) in [("retention", self.retention), ("action_retention", self.action_retention)] {
            if age < Duration::minutes(1) {
                place
                    .key(key)
                    .error_help(format!("{age} is shorter than a minute"), "records are deleted once a minute");
            }
        }
        StoreConfig {
            path: folder.join(&self.path),
            events: Retention { age: self.retention.get(), rows: self.max_events },
            actions: Retention { age: self.action_retention.get(), rows: self.max_actions },
            overload: self.on_overload.into(),
            buffer_bytes: checked_buffer(self.buffer, place),
        }
    }
}

impl From<RawOverload> for Overload {
    fn from(raw: RawOverload) -> Self {
        match raw {
            RawOverload::Drop => Self::Drop,
            RawOverload::Block => Self::Block,
        }
    }
}

fn checked_buffer(buffer: Size, place: &Place<'_>) -> usize {
    if !(SMALLEST_BUFFER..=LARGEST_BUFFER).contains(&buffer) {
        let range = format!("use {SMALLEST_BUFFER} to {LARGEST_BUFFER}");
        place.key("buffer").error_help(format!("a buffer of {buffer} is out of range"), range);
    }
    buffer.get()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rampart_settings::{Document, Report, Source, read};

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Config {
        #[serde(default)]
        log: RawLog,
        storage: Option<RawStorage>,
    }

    /// The configuration, or every complaint as `line: message`.
    fn compile(text: &str) -> Result<RecordConfig, Vec<String>> {
        let report = Report::default();
        let source = Source { name: "config.toml".to_owned(), text: text.into() };
        let document = Document::parse(source, &report);
        let compiled = document.as_ref().and_then(|document| {
            let raw: Config = read(document, &report)?;
            let place = document.root(&report);
            Some(RecordConfig::compile(&raw.log, raw.storage.as_ref(), &place, Path::new("/etc/rampart")))
        });
        match compiled {
            Some(config) if report.is_ok() => Ok(config),
            _ => Err(report.into_sorted().iter().map(|found| format!("{}: {}", found.line, found.message)).collect()),
        }
    }

    #[test]
    fn nothing_said_means_standard_output_and_no_store() {
        let config = compile("").unwrap();
        let expect = |name| {
            let buffer_bytes = 8 << 20;
            Some(JournalConfig { name, destination: Destination::Stdout, overload: Overload::Drop, buffer_bytes })
        };
        assert_eq!(
            config,
            RecordConfig {
                access: expect("access"),
                events: expect("events"),
                admin: expect("admin"),
                store: None,
                redaction: Redaction::default()
            }
        );
    }

    #[test]
    fn everything_said_is_taken() {
        let config = compile(
            r#"
            [log.access]
            to = "file"
            path = "log/access.jsonl"
            rotate_size = "1MiB"
            rotate_age = "1h"
            keep = 3
            on_overload = "block"
            buffer = "64KiB"
            [log.events]
            to = "file"
            path = "/var/log/events.jsonl"
            rotate_size = "0B"
            rotate_age = "0s"
            [log.admin]
            to = "off"
            [log.redaction]
            targets = ["header"]
            also = ["*pin*"]
            value_bytes = 3
            [storage]
            retention = "1h"
            max_events = 5
            "#,
        )
        .unwrap();
        let file = FileConfig {
            path: "/etc/rampart/log/access.jsonl".into(),
            rotate_bytes: Some(1 << 20),
            rotate_age: Some(std::time::Duration::from_hours(1)),
            keep: 3,
        };
        let access = config.access.unwrap();
        assert_eq!((&access.destination, access.overload), (&Destination::File(file), Overload::Block));
        let Destination::File(events) = config.events.unwrap().destination else { panic!() };
        assert_eq!((events.rotate_bytes, events.rotate_age, events.keep), (None, None, 7));
        assert_eq!(events.path, Path::new("/var/log/events.jsonl"));
        assert_eq!(config.admin, None);
        assert_eq!(config.redaction.value("query.password", b"abcdef"), "abc…[+3 bytes]");
        assert!(config.redaction.hides("header.referer") && config.redaction.hides("root.my-pin-code"));
        let store = config.store.unwrap();
        assert_eq!(store.path, Path::new("/etc/rampart/var/rampart.db"));
        assert_eq!(store.events, Retention { age: std::time::Duration::from_hours(1), rows: 5 });
    }

    #[test]
    fn editors_are_told_every_default() {
        let schema = rampart_settings::schema_of::<Config>().to_string();
        for default in ["\"stdout\"", "\"drop\"", "\"100MiB\"", "\"1d\"", "\"30d\"", "1000000", "\"var/rampart.db\""] {
            assert!(schema.contains(&format!("\"default\":{default}")), "{default} is not in {schema}");
        }
    }

    #[test]
    fn every_mistake_is_reported_at_its_line() {
        fn check(text: &str, expect: &[&str]) {
            assert_eq!(compile(text).unwrap_err(), expect, "{text}");
        }
        check("[log.access]\nto = \"file\"", &["2: a log to a file needs a path"]);
        check("[log.access]\nto = \"file\"\npath = \"..\"", &["3: \"..\" is not the name of a file"]);
        check("[log.admin]\nbuffer = \"1KiB\"", &["2: a buffer of 1KiB is out of range"]);
        check(
            "[storage]\nretention = \"5s\"\nbuffer = \"2GiB\"",
            &["2: 5s is shorter than a minute", "3: a buffer of 2GiB is out of range"],
        );
        check(
            "[log.access]\nto='file'\npath='x'\n[log.events]\nto='file'\npath='x'\n[storage]\npath='x'",
            &[
                "6: /etc/rampart/x is already the file of [log.access]",
                "8: /etc/rampart/x is already the file of [log.access]",
            ],
        );
        let unknown = "`cookies` in `cookies:sid` is no kind of value: use path, query, header, cookie, form, file, json, xml or body";
        check("[log.redaction]\nalso = [\n\"pin\",\n\"cookies:sid\"]", &[&format!("4: {unknown}")]);
        check("[log.redaction]\ntargets = [\n\"cookies:sid\"]\nalso = ['a']", &[&format!("3: {unknown}")]);
        assert_eq!(compile("[log.access]\nto = \"flie\"\n[log.events]\nrotate = 1").unwrap_err().len(), 2);
    }
}
