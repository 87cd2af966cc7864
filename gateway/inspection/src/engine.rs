//! One message through one profile.
//!
//! Per value: its byte classes (one pass), the texts that the transformation chains make of it (none, for most values),
//! and for each distinct text one pass of the prefilter ([`scan`]); only the rules that it announces run. Values are slices
//! of the request, and nothing is allocated for a rule that does not match.
//!
//! Time is linear: in the bytes of the message, times the texts of a value, times the rules that are announced. The last
//! factor is what an attacker chooses, so the bytes that are read are counted, and a request that spends the profile's
//! budget ([`Profile::work`]) is refused with the code `inspection_budget`.

mod judge;
mod subjects;
mod verdict;

#[cfg(test)]
mod tests;

use rampart_message::Message;

use crate::exclusion::RouteExclusions;
use crate::findings::Findings;
use crate::profile::Profile;
use crate::raw::Mode;
use crate::{scan, seclang};

/// Buffers that are used again from request to request. One per worker.
#[derive(Debug, Default)]
pub struct Scratch {
    scan: scan::Scratch,
    tally: Tally,
    pub(crate) seclang: seclang::Buffers,
}

/// What is kept from value to value of one request.
#[derive(Debug, Default)]
struct Tally {
    /// Rules that have matched this request, as bits.
    fired: Vec<u64>,
    /// Further conditions that do not depend on what was matched: `(rule, condition, holds)`.
    memo: Vec<(u16, usize, bool)>,
    /// Bytes read for this request.
    work: u64,
}

impl Scratch {
    /// Whether the rule at this position of the set matched the message that was inspected last.
    pub(crate) fn has_fired(&self, rule: usize) -> bool {
        self.tally.fired.get(rule / 64).is_some_and(|word| word >> (rule % 64) & 1 == 1)
    }
}

/// Which part of the message is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The head, before the body is read.
    Head,
    /// What [`Stage::Head`] left.
    Rest,
    /// Everything at once.
    Whole,
}

impl Profile {
    /// Inspects a head whose body was not read yet.
    pub fn inspect_head(&self, exclusions: &RouteExclusions, message: &Message<'_>, scratch: &mut Scratch) -> Findings {
        self.run(exclusions, message, scratch, Stage::Head, Findings::default())
    }

    /// Inspects the body of a message whose head was inspected, and adds to what was found there.
    pub fn inspect_rest(
        &self,
        exclusions: &RouteExclusions,
        message: &Message<'_>,
        scratch: &mut Scratch,
        head: Findings,
    ) -> Findings {
        self.run(exclusions, message, scratch, Stage::Rest, head)
    }

    /// Inspects a whole message.
    pub fn inspect(&self, exclusions: &RouteExclusions, message: &Message<'_>, scratch: &mut Scratch) -> Findings {
        self.run(exclusions, message, scratch, Stage::Whole, Findings::default())
    }

    fn run(
        &self,
        exclusions: &RouteExclusions,
        message: &Message<'_>,
        scratch: &mut Scratch,
        stage: Stage,
        findings: Findings,
    ) -> Findings {
        if self.mode == Mode::Off {
            return findings;
        }
        let Scratch { scan, tally, .. } = scratch;
        let mut judge = judge::Judge::new(self, exclusions, message, tally, findings);
        judge.values(stage, scan);
        judge.counts(stage);
        judge.finish()
    }
}
