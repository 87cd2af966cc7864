//! The known name that a mistyped one most likely meant.

/// The name among `known` nearest to `given`, if any is near enough to be worth suggesting.
///
/// Near is an edit distance (insertions, deletions, substitutions and swaps of neighbours; letter case and `-` against
/// `_` are free) of at most a third of the longer name, and at least one edit is always allowed.
pub fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Names longer than this are not compared: the cost is quadratic.
    const LONGEST: usize = 128;
    let folded = fold(given);
    if folded.len() > LONGEST {
        return None;
    }
    known
        .filter_map(|name| {
            let other = fold(name);
            let allowed = (folded.len().max(other.len()) / 3).max(1);
            if other.len() > LONGEST || folded.len().abs_diff(other.len()) > allowed {
                return None;
            }
            let distance = distance(&folded, &other);
            (distance <= allowed).then_some((distance, name))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

fn fold(name: &str) -> Vec<char> {
    name.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
}

/// Optimal string alignment distance, row by row.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut last_a = None;
    for (i, &ca) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        let mut last_b = None;
        for (j, &cb) in b.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX - 1);
            let mut best = (at(&above, j) + usize::from(ca != cb)).min(at(&above, j + 1) + 1).min(at(&row, j) + 1);
            if last_a == Some(cb) && last_b == Some(ca) {
                best = best.min(at(&before, j.wrapping_sub(1)).saturating_add(1));
            }
            row.push(best);
            last_b = Some(cb);
        }
        last_a = Some(ca);
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(usize::MAX)
}
