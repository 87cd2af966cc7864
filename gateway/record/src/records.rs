//! All that a gateway records, behind one door: the access log, security events and admin actions.
//!
//! An event and an admin action are encoded once, and go as a line to their journal and with what is searched for to the
//! store. Nothing here fails while serving: a record that cannot be taken is dropped and counted by its writer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::access::AccessEntry;
use crate::channel::WriterStatus;
use crate::event::{AdminAction, SecurityEvent};
use crate::fault::FaultReport;
use crate::intake::deadline;
use crate::journal::{Journal, JournalConfig, JournalError};
use crate::metrics::Metrics;
use crate::redact::Redaction;
use crate::store::{Store, StoreConfig, StoreError};
use crate::time::Clock;

/// What is recorded, and where; `None`: not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordConfig {
    /// One line for each request.
    pub access: Option<JournalConfig>,
    /// One line for each security event.
    pub events: Option<JournalConfig>,
    /// One line for each admin action.
    pub admin: Option<JournalConfig>,
    /// Events and admin actions, to be searched.
    pub store: Option<StoreConfig>,
    /// What may be shown of matched values.
    pub redaction: Redaction,
}

/// A writer cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// One of the logs.
    #[error("[log.{name}]: {source}")]
    Journal {
        /// Which.
        name: &'static str,
        /// Why.
        source: JournalError,
    },
    /// The store.
    #[error("[storage]: {0}")]
    Store(#[from] StoreError),
}

/// The running writers.
pub struct Records {
    access: Option<Journal>,
    events: Option<Journal>,
    admin: Option<Journal>,
    store: Option<Store>,
}

// === impl Records ===

impl Records {
    /// Opens every writer that is configured; every error of all of them is returned.
    pub fn open(
        config: &RecordConfig,
        clock: &Arc<dyn Clock>,
        metrics: &Metrics,
        report: &FaultReport,
    ) -> Result<Self, Vec<OpenError>> {
        let mut errors = Vec::new();
        let mut journal = |config: &Option<JournalConfig>| {
            let config = config.as_ref()?;
            Journal::open(config, Arc::clone(clock), metrics, Arc::clone(report))
                .map_err(|source| errors.push(OpenError::Journal { name: config.name, source }))
                .ok()
        };
        let (access, events, admin) = (journal(&config.access), journal(&config.events), journal(&config.admin));
        let store = config.store.as_ref().and_then(|config| {
            Store::open(config, Arc::clone(clock), metrics, Arc::clone(report))
                .map_err(|error| errors.push(error.into()))
                .ok()
        });
        if errors.is_empty() { Ok(Self { access, events, admin, store }) } else { Err(errors) }
    }

    /// Records one request. Well under a microsecond, unless `on_overload = "block"` and the disk is in trouble.
    pub fn access(&self, entry: &AccessEntry<'_>) {
        if let Some(journal) = &self.access {
            journal.append(|line| entry.encode(line));
        }
    }

    /// Records one security event. Its fields are made safe and cut to their bounds.
    pub fn event(&self, event: SecurityEvent) {
        let event = event.bounded();
        let Ok(line) = serde_json::to_string(&event) else { return };
        if let Some(journal) = &self.events {
            journal.append(|out| out.extend_from_slice(line.as_bytes()));
        }
        if let Some(store) = &self.store {
            store.event(&event, &line);
        }
    }

    /// Records one admin action. Its fields are made safe and cut to their bounds.
    pub fn action(&self, action: AdminAction) {
        let action = action.bounded();
        let Ok(line) = serde_json::to_string(&action) else { return };
        if let Some(journal) = &self.admin {
            journal.append(|out| out.extend_from_slice(line.as_bytes()));
        }
        if let Some(store) = &self.store {
            store.action(&action, &line);
        }
    }

    /// Opens every log file anew, for whoever has renamed them. Returns at once.
    pub fn reopen(&self) {
        self.journals().for_each(Journal::reopen);
    }

    /// Waits until everything recorded so far is written or given up; `false` when that takes longer than `longest`.
    pub fn flush(&self, longest: Duration) -> bool {
        let until = deadline(longest);
        let left = || until.saturating_duration_since(Instant::now());
        self.journals().all(|journal| journal.flush(left()))
            && self.store.as_ref().is_none_or(|store| store.flush(left()))
    }

    /// Writes what is left and ends every writer; `false` when that takes longer than `longest`. What is recorded from
    /// now on is dropped.
    pub fn close(&self, longest: Duration) -> bool {
        // All are told before the first is waited for: one that is stuck must not take the others' time.
        self.close_within(|| Duration::ZERO);
        let until = deadline(longest);
        self.close_within(|| until.saturating_duration_since(Instant::now()))
    }

    fn close_within(&self, longest: impl Fn() -> Duration) -> bool {
        let open_journals = self.journals().filter(|journal| !journal.close(longest())).count();
        let store_is_closed = self.store.as_ref().is_none_or(|store| store.close(longest()));
        open_journals == 0 && store_is_closed
    }

    /// How each writer fares.
    pub fn status(&self) -> Vec<WriterStatus> {
        self.journals().map(Journal::status).chain(self.store.as_ref().map(Store::status)).collect()
    }

    fn journals(&self) -> impl Iterator<Item = &Journal> {
        [&self.access, &self.events, &self.admin].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{MAX_FIELD_BYTES, MAX_MATCHES, MAX_PATH_BYTES, Outcome, RuleMatch};
    use crate::intake::Overload;
    use crate::journal::{Destination, FileConfig};
    use crate::store::{ActionQuery, EventQuery, Reader, Retention};
    use crate::testing::{Standing, collected};
    use crate::verdict::Verdict;
    use proptest::prelude::*;
    use serde_json::Value;
    use std::fs;
    use std::path::Path;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn config(folder: &Path) -> RecordConfig {
        let journal = |name: &'static str| {
            let path = folder.join(format!("{name}.jsonl"));
            let file = FileConfig { path, rotate_bytes: None, rotate_age: None, keep: 1 };
            let destination = Destination::File(file);
            Some(JournalConfig { name, destination, overload: Overload::Drop, buffer_bytes: 1 << 20 })
        };
        let keep = Retention { age: Duration::from_hours(1), rows: 1_000 };
        let store = StoreConfig {
            path: folder.join("store.db"),
            events: keep,
            actions: keep,
            overload: Overload::Drop,
            buffer_bytes: 1 << 20,
        };
        RecordConfig {
            access: journal("access"),
            events: journal("events"),
            admin: journal("admin"),
            store: Some(store),
            redaction: Redaction::default(),
        }
    }

    fn open(config: &RecordConfig) -> Result<Records, Vec<OpenError>> {
        let clock: Arc<dyn Clock> = Standing::at("2026-11-20T13:00:00Z");
        Records::open(config, &clock, &Metrics::default(), &collected(&Arc::default()))
    }

    fn event() -> SecurityEvent {
        SecurityEvent {
            time: "2026-11-20T13:00:00Z".parse().unwrap(),
            request_id: "01JD3X".to_owned(),
            client_request_id: None,
            snapshot: "5f2b91".into(),
            client: "203.0.113.9".parse().unwrap(),
            identity: None,
            route: Some("create task".into()),
            method: "POST".to_owned(),
            path: "/api/v1/tasks".to_owned(),
            verdict: Verdict::Block,
            code: Some("payload_blocked".into()),
            score: 5,
            status: Some(400),
            micros: 42,
            rules: Vec::new(),
            cause: None,
            access: None,
            matches: vec![RuleMatch {
                rule: "sqli-drop".into(),
                category: "sqli".into(),
                severity: "critical".into(),
                paranoia: 1,
                target: "root.title".to_owned(),
                transform: "lowercase".to_owned(),
                value: Redaction::default().value("root.title", b"'; DROP TABLE users; --"),
                message: "Potential SQL injection detected in root.title".to_owned(),
            }],
        }
    }

    #[test]
    fn a_security_event_has_the_fields_of_the_contract_in_order() {
        let expect = concat!(
            r#"{"time":"2026-11-20T13:00:00.000Z","request_id":"01JD3X","client_request_id":null,"snapshot":"5f2b91","#,
            r#""client":"203.0.113.9","identity":null,"route":"create task","method":"POST","path":"/api/v1/tasks","#,
            r#""verdict":"block","code":"payload_blocked","score":5,"status":400,"micros":42,"matches":[{"#,
            r#""rule":"sqli-drop","category":"sqli","severity":"critical","paranoia":1,"target":"root.title","#,
            r#""transform":"lowercase","value":"'; DROP TABLE users; --","#,
            r#""message":"Potential SQL injection detected in root.title"}]}"#,
        );
        assert_eq!(serde_json::to_string(&event()).unwrap(), expect);
    }

    #[test]
    fn each_record_reaches_its_log_and_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let records = open(&config).unwrap();
        records.event(event());
        let action = AdminAction {
            time: "2026-11-20T13:00:00Z".parse().unwrap(),
            actor: "signal".into(),
            client: None,
            action: "reload".into(),
            target: None,
            outcome: Outcome::Done,
            detail: None,
        };
        records.action(action.clone());
        assert!(records.close(PATIENCE));
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("events.jsonl"), serde_json::to_string(&event()).unwrap() + "\n");
        assert_eq!(read("admin.jsonl"), serde_json::to_string(&action).unwrap() + "\n");
        assert_eq!(read("access.jsonl"), "");
        let reader = Reader::open(&folder.path().join("store.db")).unwrap();
        assert_eq!(reader.events(&EventQuery::default()).unwrap().items, [event()]);
        assert_eq!(reader.actions(&ActionQuery::default()).unwrap().items, [action]);
        let names: Vec<_> = records.status().iter().map(|status| (status.name, status.lines)).collect();
        assert_eq!(names, [("access", 0), ("events", 1), ("admin", 1), ("store", 2)]);
    }

    #[test]
    fn every_writer_that_cannot_begin_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let in_the_way = folder.path().join("file");
        fs::write(&in_the_way, "").unwrap();
        let errors: Vec<String> = open(&config(&in_the_way)).err().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(errors.len(), 4);
        assert!(
            errors[0].starts_with("[log.access]: cannot write ") && errors[3].starts_with("[storage]: cannot use ")
        );
    }

    #[test]
    fn nothing_configured_is_nothing_done() {
        let records = open(&RecordConfig::default()).unwrap();
        records.event(event());
        assert!(records.flush(PATIENCE) && records.close(PATIENCE));
        assert_eq!(records.status(), []);
    }

    #[test]
    fn an_event_has_a_largest_size() {
        let huge = "x\u{1b}".repeat(10_000);
        let one = RuleMatch { target: huge.clone(), message: huge.clone(), ..event().matches[0].clone() };
        let event = SecurityEvent {
            request_id: huge.clone(),
            client_request_id: Some(huge.clone()),
            identity: Some(huge.clone()),
            method: huge.clone(),
            path: huge,
            matches: vec![one; 1_000],
            ..event()
        }
        .bounded();
        assert_eq!(event.matches.len(), MAX_MATCHES);
        // Each odd byte takes four, and what was left out is counted.
        assert!(event.path.len() <= 4 * MAX_PATH_BYTES + 32 && event.method.len() <= 4 * MAX_FIELD_BYTES + 32);
        let line = serde_json::to_string(&event).unwrap();
        assert!(line.len() < 500_000 && !line.contains("\\u001b"), "{}", line.len());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// Whatever traffic puts into the fields: one line, valid JSON, nothing that moves a terminal's cursor.
        #[test]
        fn every_event_is_one_json_line(
            path in any::<Vec<u8>>(), value in any::<Vec<u8>>(), target in ".*", method in ".*",
            identity in proptest::option::of(".*"), route in proptest::option::of(".{0,9}"), rule in ".{0,9}",
        ) {
            let found = RuleMatch {
                rule: rule.into(), value: Redaction::default().value(&target, &value), target, ..event().matches[0].clone()
            };
            let odd = SecurityEvent {
                path: crate::escape(&path, MAX_PATH_BYTES), method, identity, route: route.map(Into::into),
                matches: vec![found], ..event()
            };
            let folder = tempfile::tempdir().unwrap();
            let config = RecordConfig { store: None, access: None, admin: None, ..config(folder.path()) };
            let records = open(&config).unwrap();
            records.event(odd);
            prop_assert!(records.close(PATIENCE));
            let text = fs::read_to_string(folder.path().join("events.jsonl")).unwrap();
            prop_assert_eq!(text.matches('\n').count(), 1);
            let line = text.strip_suffix('\n').unwrap();
            prop_assert!(!line.contains(char::is_control));
            let value: Value = serde_json::from_str(line).unwrap();
            prop_assert_eq!(value.as_object().unwrap().len(), 15);
        }
    }
}
