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
        let until = Instant::now() + longest;
        let left = || until.saturating_duration_since(Instant::now());
        let journals = self.journals().fold(true, |all, journal| journal.flush(left()) && all);
        self.store.as_ref().is_none_or(|store| store.flush(left())) && journals
    }

    /// Writes what is left and ends every writer; `false` when that takes longer than `longest`. What is recorded from
    /// now on is dropped.
    pub fn close(&self, longest: Duration) -> bool {
        let until = Instant::now() + longest;
        let left = || until.saturating_duration_since(Instant::now());
        let journals = self.journals().fold(true, |all, journal| journal.close(left()) && all);
        self.store.as_ref().is_none_or(|store| store.close(left())) && journals
    }

    /// How each writer fares.
    pub fn status(&self) -> Vec<WriterStatus> {
        self.journals().map(Journal::status).chain(self.store.as_ref().map(Store::status)).collect()
    }

    fn journals(&self) -> impl Iterator<Item = &Journal> {
        [&self.access, &self.events, &self.admin].into_iter().flatten()
    }
}
