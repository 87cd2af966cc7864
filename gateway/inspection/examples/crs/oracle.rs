//! What libmodsecurity said of the same requests, and where we say otherwise.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use crate::Verdict;
use crate::recorded::Request;

/// Differences that are listed; all are counted.
const MOST_LISTED: usize = 40;

struct Theirs {
    refused: bool,
    score: i64,
    rules: BTreeSet<u32>,
}

pub(crate) fn compare(path: &Path, requests: &[Request], verdicts: &[Verdict]) {
    let theirs = read(path);
    let (mut compared, mut differ, mut same_rules) = (0, 0, 0);
    let mut by_rule: BTreeMap<u32, (usize, usize, String)> = BTreeMap::new();
    for (request, ours) in requests.iter().zip(verdicts) {
        let Some(theirs) = theirs.get(&request.id) else { continue };
        let rules: BTreeSet<u32> = ours.rules.iter().copied().collect();
        compared += 1;
        same_rules += usize::from(rules == theirs.rules);
        for rule in theirs.rules.symmetric_difference(&rules) {
            let row = by_rule.entry(*rule).or_insert_with(|| (0, 0, request.id.clone()));
            if rules.contains(rule) { row.1 += 1 } else { row.0 += 1 }
        }
        if theirs.refused != ours.status.is_some() {
            differ += 1;
            if differ <= MOST_LISTED {
                let theirs_alone: Vec<_> = theirs.rules.difference(&rules).collect();
                let ours_alone: Vec<_> = rules.difference(&theirs.rules).collect();
                println!(
                    "differs: {} there {} ({}), here {:?} ({}); only there {theirs_alone:?}, only here {ours_alone:?}",
                    request.id, theirs.refused, theirs.score, ours.status, ours.score
                );
            }
        }
    }
    println!("{compared} compared with {}: {differ} verdicts differ, the same rules in {same_rules}", path.display());
    for (rule, (there, here, example)) in by_rule {
        println!("  rule {rule}: only there {there}, only here {here}; first {example}");
    }
}

fn read(path: &Path) -> HashMap<String, Theirs> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let line = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).expect("a JSON line");
        let ids = value["ids"].as_array().into_iter().flatten();
        let rules = ids.filter_map(|id| u32::try_from(id.as_u64()?).ok()).collect();
        let theirs = Theirs {
            refused: value["blocked"].as_bool().unwrap_or(false),
            score: value["score"].as_i64().unwrap_or(0),
            rules,
        };
        (value["id"].as_str().unwrap_or_default().to_owned(), theirs)
    };
    text.lines().map(line).collect()
}
