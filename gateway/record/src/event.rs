//! Security events and admin actions: the records that are kept, searched and shown to auditors.
//!
//! The field names and their order are a contract with outside tools (ARCHITECTURE.md, "Security event"); a field that
//! has nothing to say is `null`, never absent. What comes from the network is escaped and cut on its way in (`text`,
//! `redact`), so an event's size has a bound and writing one can leak nothing more than its fields hold. Bodies, prompts,
//! query strings and credentials have no field here.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::text::{needs_taming, tame};
use crate::time::Timestamp;
use crate::verdict::Verdict;

/// What is kept of a request's path, in bytes as written.
pub const MAX_PATH_BYTES: usize = 2_048;
/// What is kept of any other word or line that a client, a rule or an operator chose, in bytes as written.
pub const MAX_FIELD_BYTES: usize = 512;
/// How many matches one event lists; the score still counts all of them.
pub const MAX_MATCHES: usize = 64;
/// Ids of rules in one event; more are cut.
pub const MAX_RULES: usize = 512;

/// One request that matched a rule or was not let through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecurityEvent {
    /// When the request was decided.
    pub time: Timestamp,
    /// The id that the gateway gave the request, or took over from a trusted proxy.
    pub request_id: String,
    /// What the client itself sent as an id; not to be trusted.
    pub client_request_id: Option<String>,
    /// Digest of the configuration that decided.
    pub snapshot: Arc<str>,
    /// Address of the client, behind trusted proxies.
    pub client: IpAddr,
    /// Who the client proved to be.
    pub identity: Option<String>,
    /// Name of the route; `None` when no route matched.
    pub route: Option<Arc<str>>,
    /// Request method; [`crate::escape`] makes text of what may be none.
    pub method: String,
    /// Path of the request, without its query; [`crate::escape`] makes text of what may be none.
    pub path: String,
    /// What became of it.
    pub verdict: Verdict,
    /// The stable word for why; `None` when nothing was refused or would have been.
    pub code: Option<Cow<'static, str>>,
    /// What there is to say beyond the code: `quota auth: refused`, `ban attackers: payload_blocked`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Anomaly score of the inspection.
    pub score: u32,
    /// HTTP status that the client got from the gateway; `None` when the backend answered, or nobody.
    pub status: Option<u16>,
    /// Microseconds that the decision took.
    pub micros: u64,
    /// Ids of all rules that matched, also of those that `matches` has no room for; at most [`MAX_RULES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Arc<str>>,
    /// How the client showed who it is, where that is what the event is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<AccessNote>,
    /// What matched, in the order in which it was found; at most [`MAX_MATCHES`].
    pub matches: Vec<RuleMatch>,
}

/// A sign-in, or why there was none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessNote {
    /// What it was.
    pub kind: AccessKind,
    /// The issuer or API key that vouched, or should have: `issuer:main`, `api_key:ci`. `None` where none is known.
    pub via: Option<String>,
    /// Why it was refused, as a stable word.
    pub reason: Option<Cow<'static, str>>,
}

/// What an [`AccessNote`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessKind {
    /// A caller was known for the first time in a while, at this address and by this credential.
    SignIn,
    /// What the caller showed was not accepted, or was not enough.
    Refused,
}

/// One rule that matched one value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleMatch {
    /// Id of the rule or name of the content limit.
    pub rule: Arc<str>,
    /// What the rule looks for: `sqli`, `xss` ...
    pub category: Cow<'static, str>,
    /// How grave a match is: `critical`, `error`, `warning`, `notice`.
    pub severity: Cow<'static, str>,
    /// Paranoia level from which the rule runs.
    pub paranoia: u8,
    /// Where it matched: `root.title`, `query.id`.
    pub target: String,
    /// The transformations that the value had been through.
    pub transform: String,
    /// The part that matched: make it with [`crate::Redaction::value`], which redacts, escapes and cuts.
    pub value: String,
    /// The sentence for people.
    pub message: String,
}

/// Something that an operator, or the gateway on an operator's behalf, did to the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminAction {
    /// When it was done.
    pub time: Timestamp,
    /// Who did it: the name of a token, `signal`, `file watch`, `startup`. Never the token.
    pub actor: Cow<'static, str>,
    /// From where; `None` when it did not come over the network.
    pub client: Option<IpAddr>,
    /// What was done, as a stable word: `reload`, `cache_purge` ...
    pub action: Cow<'static, str>,
    /// To what.
    pub target: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// What there is to add: a snapshot's digest, a reason.
    pub detail: Option<String>,
}

/// How an admin action ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was not allowed, or asked for what cannot be.
    Refused,
    /// It was tried and did not work.
    Failed,
}

// === impl SecurityEvent ===

impl SecurityEvent {
    /// The event with every field made safe to write and cut to its bound; most are as they should be and stay. Only
    /// `matches[].value` is taken on trust: [`crate::Redaction::value`] has done the same to it.
    #[must_use]
    pub(crate) fn bounded(mut self) -> Self {
        tame(&mut self.request_id, MAX_FIELD_BYTES);
        self.client_request_id
            .iter_mut()
            .chain(&mut self.identity)
            .chain(&mut self.cause)
            .for_each(|field| tame(field, MAX_FIELD_BYTES));
        tame(&mut self.method, MAX_FIELD_BYTES);
        tame(&mut self.path, MAX_PATH_BYTES);
        self.route.iter_mut().for_each(tame_shared);
        self.code.iter_mut().for_each(tame_word);
        if let Some(note) = &mut self.access {
            note.via.iter_mut().for_each(|field| tame(field, MAX_FIELD_BYTES));
            note.reason.iter_mut().for_each(tame_word);
        }
        self.matches.truncate(MAX_MATCHES);
        self.rules.truncate(MAX_RULES);
        self.matches.iter_mut().for_each(RuleMatch::bound);
        self
    }
}

// === impl RuleMatch ===

impl RuleMatch {
    fn bound(&mut self) {
        tame_shared(&mut self.rule);
        tame_word(&mut self.category);
        tame_word(&mut self.severity);
        for field in [&mut self.target, &mut self.transform, &mut self.message] {
            tame(field, MAX_FIELD_BYTES);
        }
    }
}

// === impl AdminAction ===

impl AdminAction {
    /// The action with every field made safe to write and cut to its bound.
    #[must_use]
    pub(crate) fn bounded(mut self) -> Self {
        self.target.iter_mut().for_each(|field| tame(field, MAX_FIELD_BYTES));
        self.detail.iter_mut().for_each(|field| tame(field, MAX_PATH_BYTES));
        tame_word(&mut self.actor);
        tame_word(&mut self.action);
        self
    }
}

// === impl Outcome ===

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Done, Self::Refused, Self::Failed];

    /// The word as it stands in records and queries.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

fn tame_word(word: &mut Cow<'static, str>) {
    if needs_taming(word, MAX_FIELD_BYTES) {
        tame(word.to_mut(), MAX_FIELD_BYTES);
    }
}

fn tame_shared(name: &mut Arc<str>) {
    if needs_taming(name, MAX_FIELD_BYTES) {
        let mut own = name.to_string();
        tame(&mut own, MAX_FIELD_BYTES);
        *name = own.into();
    }
}
