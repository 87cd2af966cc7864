//! What became of a request, in one word.
//!
//! The words are a contract (events, metrics, queries and test reports share them), so there is one enum and one
//! table. It never says why: that is the event's `code`, of which every verdict but `pass` may have several.

use std::fmt;
use std::str::FromStr;

use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The outcome of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Forwarded or answered as if Rampart were not there.
    Pass,
    /// Would have been blocked, were the profile not in `detect` mode.
    WouldBlock,
    /// Blocked for what it carries: 400, or the status a CRS rule names.
    Block,
    /// Over a quota or banned: 429.
    Limited,
    /// Malformed, too large, not identified or not routed: 400, 401, 403, 404, 405, 408, 411, 413, 414, 415, 431.
    Refused,
    /// Good, but not answered: 502, 503, 504.
    Error,
}

// === impl Verdict ===

impl Verdict {
    /// Every verdict, mildest first.
    pub const ALL: [Self; 6] = [Self::Pass, Self::WouldBlock, Self::Block, Self::Limited, Self::Refused, Self::Error];

    /// The word as it stands in events, metrics and queries.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::WouldBlock => "would_block",
            Self::Block => "block",
            Self::Limited => "limited",
            Self::Refused => "refused",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Verdict {
    type Err = UnknownVerdict;

    fn from_str(text: &str) -> Result<Self, UnknownVerdict> {
        Self::ALL.into_iter().find(|verdict| verdict.as_str() == text).ok_or_else(|| UnknownVerdict(text.to_owned()))
    }
}

impl EncodeLabelValue for Verdict {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        EncodeLabelValue::encode(&self.as_str(), encoder)
    }
}

/// The text is none of the verdicts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no verdict: use pass, would_block, block, limited, refused or error")]
pub struct UnknownVerdict(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_has_one_word_everywhere() {
        for verdict in Verdict::ALL {
            let word = verdict.as_str();
            assert_eq!(word.parse(), Ok(verdict));
            assert_eq!(verdict.to_string(), word);
            assert_eq!(serde_json::to_string(&verdict).unwrap(), format!("\"{word}\""));
            assert_eq!(serde_json::from_str::<Verdict>(&format!("\"{word}\"")).unwrap(), verdict);
        }
    }

    #[test]
    fn an_unknown_word_is_told_the_known_ones() {
        let error = "Block".parse::<Verdict>().unwrap_err().to_string();
        assert!(error.contains("`Block`") && error.contains("would_block"), "{error}");
    }
}
