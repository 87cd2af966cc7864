//! One immutable state of the whole configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use rampart_identity::{ApiKeys, Issuer};
use rampart_inspection::{Exclusions, Profile};
use rampart_limits::{Ban, Quota};
use rampart_secrets::Secret;
use rampart_upstream::Upstream;

use crate::config::Config;
use crate::load::{Callers, SecLangSet};
use crate::route::Route;
use crate::routing::{Query, Routed, Router};

/// Which of [`Snapshot::upstreams`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UpstreamIndex(pub(crate) usize);

/// One immutable state of the whole configuration: what a request is decided by, from its first check to its last.
#[derive(Debug)]
pub struct Snapshot {
    /// Twelve hex digits of the SHA-256 of all sources: files, certificates and overrides.
    pub digest: String,
    /// What operators set.
    pub config: Config,
    /// All routes; [`Route::index`] is the position here.
    pub routes: Vec<Route>,
    /// Chooses among the routes.
    pub router: Router,
    /// The profiles by name.
    pub profiles: BTreeMap<Arc<str>, Arc<Profile>>,
    /// The exclusions, with their counts.
    pub exclusions: Exclusions,
    /// Quotas, bans and issuers: what has state beside the snapshot.
    pub callers: CallerTables,
    /// The upstreams, in the order of their names.
    pub upstreams: Vec<Upstream>,
    /// The SecLang rules that profiles run, each combination of files once.
    pub seclang: Vec<SecLangSet>,
    /// How much was loaded.
    pub loaded: Loaded,
    /// What asks for a reload when it changes.
    pub watched: Watched,
    /// Every secret that was resolved for it: they are in no digest.
    pub secrets: Vec<Arc<Secret>>,
}

/// What is known of callers, in the order of names.
#[derive(Debug, Default)]
pub struct CallerTables {
    /// Quotas.
    pub quotas: Vec<Arc<Quota>>,
    /// Bans; they hold on every route.
    pub bans: Vec<Arc<Ban>>,
    /// Issuers of tokens.
    pub issuers: Vec<Arc<Issuer>>,
    /// Callers with keys of their own.
    pub api_keys: Arc<ApiKeys>,
}

impl From<Callers> for CallerTables {
    fn from(callers: Callers) -> Self {
        Self {
            quotas: callers.quotas.into_values().collect(),
            bans: callers.bans.into_values().collect(),
            issuers: callers.issuers.into_values().collect(),
            api_keys: callers.api_keys,
        }
    }
}

/// What asks for a reload when it changes. Absolute where the configuration's own path is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watched {
    /// Files, and directories with everything below.
    pub paths: Vec<PathBuf>,
    /// Patterns of file names in one directory: files that fit may come and go.
    pub patterns: Vec<PathBuf>,
}

/// How much was loaded, for the line at the start and the admin listener.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Loaded {
    /// Files of the rules directory.
    pub files: usize,
    /// Routes.
    pub routes: usize,
    /// Rules.
    pub rules: usize,
    /// Strings of cases, all of which held.
    pub cases: usize,
    /// Exclusions.
    pub exclusions: usize,
    /// Profiles.
    pub profiles: usize,
    /// Upstreams.
    pub upstreams: usize,
    /// SecLang rules that are left to run, of all combinations of files together.
    pub seclang_rules: usize,
}

impl Snapshot {
    /// Whether a reload from `other` to this one would change nothing: the same sources, and the same secrets, which the
    /// digest leaves out.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.digest == other.digest && self.secrets == other.secrets
    }

    /// The names of the profiles that run these SecLang rules.
    pub fn profiles_of(&self, set: &SecLangSet) -> impl Iterator<Item = &Arc<str>> {
        let runs = |profile: &Profile| profile.seclang.as_ref().is_some_and(|rules| rules.is_same_as(set.rules()));
        self.profiles.iter().filter(move |(_, profile)| runs(profile)).map(|(name, _)| name)
    }

    /// The route of a request.
    pub fn route(&self, query: &Query<'_>) -> Routed<'_> {
        self.router.route(&self.routes, query)
    }

    /// An upstream; indexes come from the routes of the same snapshot.
    pub fn upstream(&self, index: UpstreamIndex) -> Option<&Upstream> {
        self.upstreams.get(index.0)
    }
}
