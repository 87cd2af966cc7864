//! What an operator found, for the SecLang action `capture`: `TX.0` to `TX.9`.

use std::ops::Range;

use crate::libinjection::Fingerprint;

/// Groups that are kept: the whole match and nine groups of the pattern.
pub(crate) const GROUPS: usize = 10;

/// The groups of one match. Nothing is allocated; one of these serves a worker for ever.
///
/// Which operators set groups follows ModSecurity 3: `rx`, `rxGlobal` (all groups), `pm` and its files (the phrase as it
/// stands in the value), `detectSQLi` (the fingerprint), `detectXSS` (the value), `verify*` (the number). The others match
/// without setting one. A group that took no part in the match is not set, so that what `TX` held stays.
#[derive(Debug, Default, Clone)]
pub(crate) struct Captures {
    groups: [Option<(usize, usize)>; GROUPS],
    fingerprint: Option<Fingerprint>,
}

impl Captures {
    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// A group; `value` is the one that was matched.
    pub(crate) fn get<'v>(&'v self, group: usize, value: &'v [u8]) -> Option<&'v [u8]> {
        if let (0, Some(fingerprint)) = (group, &self.fingerprint) {
            return Some(fingerprint.as_bytes());
        }
        let (start, end) = (*self.groups.get(group)?)?;
        value.get(start..end)
    }

    /// The groups that are set, with their numbers; `value` is the one that was matched.
    pub(crate) fn iter<'v>(&'v self, value: &'v [u8]) -> impl Iterator<Item = (usize, &'v [u8])> {
        (0..GROUPS).filter_map(|group| Some((group, self.get(group, value)?)))
    }

    pub(super) fn set(&mut self, group: usize, range: Range<usize>) {
        if let Some(slot) = self.groups.get_mut(group) {
            *slot = Some((range.start, range.end));
        }
    }

    pub(super) fn set_fingerprint(&mut self, fingerprint: Fingerprint) {
        self.fingerprint = Some(fingerprint);
    }
}
