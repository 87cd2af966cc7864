//! Routes between which nothing decides.

use std::collections::HashMap;

use super::Matcher;
use super::pattern::Rank;

/// Pairs of routes that some request fits equally well, by index; the first has the lower one. A route is in at most one
/// pair as the second: one message is enough to find it.
pub(crate) fn ties(matchers: &[Matcher]) -> Vec<(usize, usize)> {
    let mut alike: HashMap<(Rank, (usize, bool)), Vec<usize>> = HashMap::new();
    let mut found = Vec::new();
    for (index, matcher) in matchers.iter().enumerate() {
        let group = alike.entry((matcher.path.rank(), matcher.narrowness())).or_default();
        let rival = group.iter().find(|other| matchers.get(**other).is_some_and(|other| tied(other, matcher)));
        found.extend(rival.map(|rival| (*rival, index)));
        group.push(index);
    }
    found
}

/// Whether some request fits both; they are equally specific already.
fn tied(a: &Matcher, b: &Matcher) -> bool {
    a.hosts.iter().any(|host| b.hosts.contains(host))
        && a.path.overlaps(&b.path)
        && a.methods.overlaps(&b.methods)
        && !a.conditions.exclude(&b.conditions)
}
