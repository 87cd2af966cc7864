//! What is counted about callers: who proved what, and why others did not.
//!
//! Labels are words of this crate, so that there are as many series as there are words, whatever clients send.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::Checked;
use crate::cors::PreflightAnswer;
use crate::principal::{Principal, PrincipalKind};

/// The metrics of callers and of browsers that ask for leave. Clones count into the same series.
#[derive(Debug, Clone, Default)]
pub struct AccessMetrics {
    checks: Family<CheckLabels, Counter>,
    cors: Family<CorsLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CheckLabels {
    /// `jwt`, `api_key`, or `none` where nothing was proved.
    kind: &'static str,
    /// `known`, `anonymous`, or the [`Reason`](crate::Reason).
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CorsLabels {
    /// `preflight`, `preflight_refused`, or `refused` where a policy with `enforce` turned a request away.
    outcome: &'static str,
}

// === impl AccessMetrics ===

impl AccessMetrics {
    /// Adds the metrics to a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "rampart_identity_checks",
            "Requests whose credentials were looked at, by what was proved and what became of them",
            self.checks.clone(),
        );
        registry.register(
            "rampart_cors_decisions",
            "Preflights answered, and requests of other origins refused",
            self.cors.clone(),
        );
    }

    /// Counts what became of a request's credentials. An answer that asks for keys to be fetched is not counted: another
    /// follows.
    pub fn count(&self, checked: &Checked) {
        let (principal, outcome) = match checked {
            Checked::Anonymous => (None, "anonymous"),
            Checked::Known(principal) => (Some(principal), "known"),
            Checked::Refused(denial) => (denial.principal.as_ref(), denial.reason.as_str()),
            Checked::Unknown(_) => return,
        };
        self.checks.get_or_create(&CheckLabels { kind: kind(principal), outcome }).inc();
    }

    /// Counts a preflight.
    pub fn count_preflight(&self, answer: &PreflightAnswer) {
        let outcome = if answer.refused.is_some() { "preflight_refused" } else { "preflight" };
        self.cors.get_or_create(&CorsLabels { outcome }).inc();
    }

    /// Counts a request that [`Cors::refuses`](crate::Cors::refuses).
    pub fn count_cors_refused(&self) {
        self.cors.get_or_create(&CorsLabels { outcome: "refused" }).inc();
    }
}

fn kind(principal: Option<&Principal>) -> &'static str {
    match principal.map(|principal| &principal.kind) {
        Some(PrincipalKind::Jwt { .. }) => "jwt",
        Some(PrincipalKind::ApiKey { .. }) => "api_key",
        None => "none",
    }
}
