//! Which rules a phase runs, in which order, and where a skip goes on.
//!
//! A marker stands between the rules of every phase. `skipAfter` to a marker that comes only before the rule, or nowhere,
//! leaves out the rest of the phase.

use super::super::program::Note;
use super::settled::{Settled, Skip};

/// The rules of a phase.
#[derive(Debug, Default)]
pub(super) struct Phase {
    /// Positions in the list of all rules.
    pub(super) rules: Vec<usize>,
    /// By rule of the phase: the place in `rules` where a match goes on, at most its length.
    pub(super) skips: Vec<Option<usize>>,
}

/// Sorts the rules by phase. `markers` say how many rules stand before each.
pub(super) fn sort(rules: &[Settled], markers: &[(Box<str>, usize)], notes: &mut Vec<Note>) -> [Phase; 5] {
    let mut phases: [Phase; 5] = Default::default();
    for (at, rule) in rules.iter().enumerate() {
        if let Some(phase) = phases.get_mut(usize::from(rule.phase).wrapping_sub(1)) {
            phase.rules.push(at);
        }
    }
    for phase in &mut phases {
        let skip = |(place, at): (usize, &usize)| {
            let rule = rules.get(*at)?;
            let end = phase.rules.len();
            Some(match rule.skip.as_ref()? {
                Skip::Rules(count) => {
                    usize::try_from(*count).map_or(end, |count| end.min(place.saturating_add(1 + count)))
                }
                Skip::After(marker) => {
                    let behind = markers.iter().find(|(name, before)| name == marker && before > at);
                    if behind.is_none() {
                        let text = format!(
                            "no SecMarker \"{marker}\" follows: when rule {} matches, the rest of phase {} is left out",
                            rule.id, rule.phase
                        );
                        notes.push(Note::warning(&rule.location, text));
                    }
                    behind.map_or(end, |(_, before)| phase.rules.partition_point(|rule| rule < before))
                }
            })
        };
        phase.skips = phase.rules.iter().enumerate().map(skip).collect();
    }
    phases
}
