//! What inspection found: a score, an outcome, and the matches that made it.

use std::sync::Arc;

use rampart_message::{ProblemClass, ProblemCode};

use crate::category::{Category, Severity};
use crate::seclang::Interruption;

/// What inspection of one request found. Without a match it holds no allocation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// The anomaly score: the points of each rule that matched, once per rule.
    pub score: u32,
    /// What follows from it.
    pub outcome: Outcome,
    /// The matches, gravest first, at most [`Findings::MAX_MATCHES`].
    pub matches: Vec<Match>,
    /// The first oddity of the message that this profile refuses.
    pub limit: Option<Oddity>,
    /// Other oddities, which the profile only notes. At most [`Findings::MAX_NOTES`].
    pub notes: Vec<Oddity>,
    /// The ids of all SecLang rules that matched and are logged, in the order in which they did.
    pub seclang_rules: Vec<Arc<str>>,
    /// The inbound anomaly score that the SecLang rules have come to, where they count one.
    pub seclang_score: u32,
    /// What a SecLang rule asked for, or would have asked for in mode `detect`. The outcome follows from it; beside its
    /// status it may ask for a redirect, or for no answer at all.
    pub interruption: Option<Interruption>,
}

impl Findings {
    /// Matches that are described; more only count.
    pub const MAX_MATCHES: usize = 16;
    /// Oddities that are noted.
    pub const MAX_NOTES: usize = 16;

    /// The higher of the two scores: that of the profile's own rules and that of its SecLang rules.
    pub fn anomaly_score(&self) -> u32 {
        self.score.max(self.seclang_score)
    }

    /// The ids of all rules that matched: the described ones of the profile's own, then those in SecLang.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<str>> {
        let own = self.matches.iter().map(|found| &found.rule).filter(|rule| !self.seclang_rules.contains(rule));
        own.chain(&self.seclang_rules)
    }

    /// The sentence for the client: "Potential SQL injection detected in root.title". `place` says whether to tell
    /// where. `None` when no rule matched.
    pub fn sentence(&self, place: bool) -> Option<String> {
        // A rule that sums up what others found says least.
        let first = self.matches.iter().find(|found| found.category != Category::Other).or(self.matches.first())?;
        let title = first.category.title();
        // What a SecLang rule says is for operators: its macros may hold scores and what was sent.
        let seclang = self.seclang_rules.contains(&first.rule);
        Some(match place {
            _ if seclang && first.category == Category::Other => "Request blocked".to_owned(),
            true if seclang && !first.target.is_empty() => format!("Potential {title} detected in {}", first.target),
            true if !seclang => first.message.clone(),
            _ => format!("Potential {title} detected"),
        })
    }
}

/// What follows from the findings, by the profile's mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Outcome {
    /// The request goes on.
    #[default]
    Pass,
    /// Mode `detect`: it goes on, and the event says that it would have been refused.
    WouldBlock,
    /// It is refused with this status.
    Block {
        /// HTTP status: 400 for rules of the TOML kind; SecLang rules say their own; an oddity's status follows from its
        /// code.
        status: u16,
    },
}

impl Outcome {
    /// Whether the request is refused.
    pub const fn is_block(self) -> bool {
        matches!(self, Self::Block { .. })
    }
}

/// One rule that matched one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The rule's id.
    pub rule: Arc<str>,
    /// Its category.
    pub category: Category,
    /// Its severity.
    pub severity: Severity,
    /// Its paranoia level.
    pub paranoia: u8,
    /// Where: `root.title`, `query.id`, `header.referer`, `path`.
    pub target: String,
    /// The transformations that led to the match: `url_decode_uni,lowercase`; empty when the value itself matched.
    pub transform: String,
    /// What matched, at most [`Match::MAX_VALUE`] bytes.
    pub value: Vec<u8>,
    /// "Potential SQL injection detected in root.title".
    pub message: String,
}

impl Match {
    /// Bytes of a value that are kept.
    pub const MAX_VALUE: usize = 256;
}

/// An oddity of the message, written out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oddity {
    /// Its code; `None` when the work budget of the request was spent (see [`Oddity::code`]).
    pub problem: Option<ProblemCode>,
    /// Where: `root.steps[3]`, `body`.
    pub location: String,
    /// What more is known: "json_depth is 11, allowed are 10".
    pub detail: String,
    /// For an exceeded limit its name, as in the configuration.
    pub limit: Option<&'static str>,
}

impl Oddity {
    /// The stable code: of the problem, or `inspection_budget`.
    pub fn code(&self) -> &'static str {
        self.problem.map_or("inspection_budget", ProblemCode::as_str)
    }

    /// The HTTP status of a refusal: 413 for a body, 414 for a target and 431 for header fields that are too large, 415
    /// for encodings that are not understood, otherwise 400.
    pub fn status(&self) -> u16 {
        match (self.problem, self.limit) {
            (_, Some("body" | "decoded_body" | "decompression_ratio" | "file_size")) => 413,
            (_, Some("uri_length")) => 414,
            (_, Some("header_count" | "header_length" | "header_bytes" | "cookies")) => 431,
            (Some(ProblemCode::UnknownEncoding), _) => 415,
            _ => 400,
        }
    }

    /// Whether it is a limit of the profile.
    pub fn is_limit(&self) -> bool {
        self.problem.is_none_or(|code| code.class() == ProblemClass::Limit)
    }
}
