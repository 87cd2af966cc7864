//! How the last reloads went: for `/ready`, for `GET /admin/snapshot` and as metrics.

use parking_lot::RwLock;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use rampart_record::Timestamp;
use serde::Serialize;

/// What became of one reload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub(crate) enum Reload {
    /// A new snapshot serves.
    Swapped {
        /// Its digest.
        digest: String,
        /// Settings that changed but only count after a restart.
        restart_needed: Vec<String>,
    },
    /// The files say what they said before; nothing was swapped.
    Unchanged {
        /// The digest in force.
        digest: String,
        /// Settings that changed earlier and still wait for a restart.
        restart_needed: Vec<String>,
    },
    /// The files do not compile; the snapshot before keeps serving.
    Failed {
        /// One line.
        summary: String,
        /// The errors in full, as `rampart check --json` prints them.
        diagnostics: serde_json::Value,
    },
}

/// The last reload and the last good one.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Last {
    /// What became of the last reload; absent before the first.
    pub(crate) reload: Option<Reload>,
    /// When that was.
    pub(crate) at: Option<Timestamp>,
    /// When a reload (or the start) last succeeded.
    pub(crate) good_at: Option<Timestamp>,
    /// In what the process still differs from the configuration in force, and will until a restart. A failed reload
    /// leaves it as it was: it does not change what is in force.
    pub(crate) restart_needed: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: ResultValue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "the label's values are snake_case and the derive prints names as they are")]
enum ResultValue {
    swapped,
    unchanged,
    failed,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DigestLabel {
    digest: String,
}

/// Remembers reloads and counts them.
#[derive(Debug, Default)]
pub(crate) struct Status {
    last: RwLock<Last>,
    total: Family<ResultLabel, Counter>,
    good_seconds: Gauge,
    good: Gauge,
    /// One series only: the digest in force. Earlier ones are removed, so the label stays bounded.
    snapshot: Family<DigestLabel, Gauge>,
}

impl Status {
    /// The state right after a start with the snapshot `digest`.
    pub(crate) fn started(digest: &str, now: Timestamp) -> Self {
        let status = Self::default();
        status.last.write().good_at = Some(now);
        for result in [ResultValue::swapped, ResultValue::unchanged, ResultValue::failed] {
            drop(status.total.get_or_create(&ResultLabel { result }));
        }
        status.good_seconds.set(now.millis() / 1_000);
        status.good.set(1);
        status.show_digest(digest);
        status
    }

    /// Notes what became of a reload.
    pub(crate) fn note(&self, reload: &Reload, now: Timestamp) {
        let result = match reload {
            Reload::Swapped { .. } => ResultValue::swapped,
            Reload::Unchanged { .. } => ResultValue::unchanged,
            Reload::Failed { .. } => ResultValue::failed,
        };
        self.total.get_or_create(&ResultLabel { result }).inc();
        let is_good = !matches!(result, ResultValue::failed);
        self.good.set(i64::from(is_good));
        let mut last = self.last.write();
        last.reload = Some(reload.clone());
        last.at = Some(now);
        if is_good {
            last.good_at = Some(now);
            self.good_seconds.set(now.millis() / 1_000);
        }
        if let Reload::Swapped { restart_needed, .. } | Reload::Unchanged { restart_needed, .. } = reload {
            last.restart_needed.clone_from(restart_needed);
        }
        drop(last);
        if let Reload::Swapped { digest, .. } = reload {
            self.show_digest(digest);
        }
    }

    /// A copy of what is remembered.
    pub(crate) fn last(&self) -> Last {
        self.last.read().clone()
    }

    fn show_digest(&self, digest: &str) {
        self.snapshot.clear();
        self.snapshot.get_or_create(&DigestLabel { digest: digest.to_owned() }).set(1);
    }

    /// Registers `rampart_reload_total{result}` and its companions; the registry has the prefix `rampart`.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("reload", "Reloads by result", self.total.clone());
        registry.register(
            "reload_last_success",
            "Whether the last reload succeeded (1) or the snapshot before it still serves (0)",
            self.good.clone(),
        );
        registry.register(
            "reload_last_success_timestamp_seconds",
            "When a reload, or the start, last succeeded, in seconds since 1970",
            self.good_seconds.clone(),
        );
        registry.register("snapshot_info", "The snapshot that serves, by its digest", self.snapshot.clone());
    }
}

/// Registers `rampart_build_info`; the registry has the prefix `rampart`.
pub(crate) fn register_build(registry: &mut Registry, version: &'static str, commit: &'static str) {
    registry.register(
        "build",
        "The version and commit of this binary",
        Info::new(vec![("version", version), ("commit", commit)]),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(status: &Status) -> String {
        let mut registry = Registry::with_prefix("rampart");
        status.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn a_failure_keeps_the_digest_and_the_time_of_the_last_success() {
        let status = Status::started("aaaa", Timestamp::from_millis(100_000));
        let failed = Reload::Failed { summary: "rules/a.toml:3:1: no".into(), diagnostics: serde_json::json!([]) };
        status.note(&failed, Timestamp::from_millis(200_000));
        let last = status.last();
        assert_eq!((last.reload, last.good_at), (Some(failed), Some(Timestamp::from_millis(100_000))));
        let text = text(&status);
        assert!(text.contains("rampart_reload_total{result=\"failed\"} 1"), "{text}");
        assert!(text.contains("reload_last_success 0"), "{text}");
        assert!(text.contains("reload_last_success_timestamp_seconds 100"), "{text}");
        assert!(text.contains("rampart_snapshot_info{digest=\"aaaa\"} 1"), "{text}");
    }

    #[test]
    fn a_restart_that_is_due_stays_due_until_a_good_reload_says_otherwise() {
        let status = Status::started("aaaa", Timestamp::from_millis(100_000));
        let check = |reload: Reload, expect: &[&str]| {
            status.note(&reload, Timestamp::from_millis(200_000));
            assert_eq!(status.last().restart_needed, expect, "after {reload:?}");
        };
        let due = || vec!["[limits]".to_owned()];
        check(Reload::Swapped { digest: "bbbb".into(), restart_needed: due() }, &["[limits]"]);
        check(Reload::Unchanged { digest: "bbbb".into(), restart_needed: due() }, &["[limits]"]);
        check(Reload::Failed { summary: "no".into(), diagnostics: serde_json::json!([]) }, &["[limits]"]);
        check(Reload::Swapped { digest: "aaaa".into(), restart_needed: Vec::new() }, &[]);
    }

    #[test]
    fn only_the_digest_in_force_is_a_label() {
        let status = Status::started("aaaa", Timestamp::from_millis(100_000));
        let swapped = Reload::Swapped { digest: "bbbb".into(), restart_needed: Vec::new() };
        status.note(&swapped, Timestamp::from_millis(200_000));
        let text = text(&status);
        assert!(text.contains("digest=\"bbbb\"") && !text.contains("digest=\"aaaa\""), "{text}");
        assert!(text.contains("reload_last_success_timestamp_seconds 200"), "{text}");
    }
}
