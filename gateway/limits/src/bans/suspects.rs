//! Who has offended how often lately: a log of moments for each address.
//!
//! Exact: a ban comes with the offence that makes `after` of them within `per`, wherever that span begins. A log holds
//! at most `after` moments. All logs of a ban together hold at most [`MOMENTS`]; where that is not enough, the address
//! whose last offence lies furthest back, among a few, is forgotten.

use std::collections::VecDeque;

use super::raw::Ban;
use super::subject::Subject;
use super::table::Table;
use crate::Micros;

/// Moments in all logs of a ban at most: 16 MB.
const MOMENTS: usize = 2_000_000;

/// Addresses under watch at the same time, for a ban, at most.
const MOST_SUSPECTS: usize = 100_000;

/// Logs that are looked at with each offence, to drop those that have run out.
const SWEPT: usize = 2;

/// The logs of one ban.
#[derive(Debug)]
pub(super) struct Suspects {
    logs: Table<Subject, VecDeque<u64>>,
    after: usize,
    per_us: u64,
}

impl Suspects {
    pub(super) fn new(ban: &Ban) -> Self {
        let after = usize::try_from(ban.after).unwrap_or(usize::MAX).max(1);
        Self { logs: Table::new((MOMENTS / after).min(MOST_SUSPECTS)), after, per_us: ban.per_us }
    }

    /// Notes an offence, and says whether it is the one too many; the log begins anew then.
    pub(super) fn offended(&mut self, subject: Subject, now: Micros) -> bool {
        let (after, per_us) = (self.after, self.per_us);
        self.logs.sweep(SWEPT, |log| log.back().is_some_and(|last| last.saturating_add(per_us) > now.0));
        if self.logs.get(&subject).is_none() {
            self.logs.insert(subject, VecDeque::new(), |log| log.back().copied().unwrap_or(0));
        }
        let Some(log) = self.logs.get_mut(&subject) else { return false };
        if log.len() >= after {
            log.pop_front();
        }
        log.push_back(now.0);
        let reached = log.len() == after && log.front().is_some_and(|first| first.saturating_add(per_us) > now.0);
        if reached {
            self.logs.remove(&subject);
        }
        reached
    }

    /// Begins the log of an address anew.
    pub(super) fn acquit(&mut self, subject: Subject) {
        self.logs.remove(&subject);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.logs.len()
    }
}
