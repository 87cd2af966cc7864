//! What a replay comes to: verdicts by label and by rule, and the times of inspection alone.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::Part;

/// Rules that are shown; the file that `--out` names has all.
const MAX_RULES: usize = 20;

#[derive(Debug, Serialize)]
pub(super) struct Summary {
    requests: usize,
    /// By label: how many requests had each verdict.
    labels: BTreeMap<String, BTreeMap<String, usize>>,
    /// By rule: how many requests of each label it matched.
    rules: BTreeMap<String, BTreeMap<String, usize>>,
    latency: Latency,
}

/// Microseconds.
#[derive(Debug, Serialize)]
struct Latency {
    runs: usize,
    mean: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

impl Summary {
    pub(super) fn of(parts: &[Part<'_>]) -> Self {
        let mut labels: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
        let mut rules: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
        let mut requests = 0;
        for one in parts.iter().flat_map(|part| &part.verdicts) {
            requests += 1;
            let label = if one.label.is_empty() { "-" } else { one.label };
            *labels.entry(label.to_owned()).or_default().entry(one.verdict.to_string()).or_default() += 1;
            for rule in &one.rules {
                *rules.entry(rule.clone()).or_default().entry(label.to_owned()).or_default() += 1;
            }
        }
        let mut took: Vec<Duration> = parts.iter().flat_map(|part| &part.took).copied().collect();
        took.sort_unstable();
        Self { requests, labels, rules, latency: Latency::of(&took) }
    }
}

impl Latency {
    /// Of sorted times. A percentile is the smallest value that so many per cent do not exceed.
    fn of(took: &[Duration]) -> Self {
        let percentile = |per_cent: usize| {
            let rank = (took.len() * per_cent).div_ceil(100).max(1);
            micros(took.get(rank - 1).copied().unwrap_or_default())
        };
        let sum: Duration = took.iter().sum();
        let runs = u32::try_from(took.len()).unwrap_or(u32::MAX);
        Self {
            runs: took.len(),
            mean: micros(sum / runs.max(1)),
            p50: percentile(50),
            p90: percentile(90),
            p99: percentile(99),
            max: percentile(100),
        }
    }
}

/// Microseconds, with their fraction.
pub(super) fn micros(span: Duration) -> f64 {
    span.as_secs_f64() * 1e6
}

/// "12.34 %"
fn per_cent(part: usize, all: usize) -> String {
    let hundredths = (part * 10_000 + all / 2) / all.max(1);
    format!("{}.{:02} %", hundredths / 100, hundredths % 100)
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} requests", self.requests)?;
        for (label, verdicts) in &self.labels {
            let all: usize = verdicts.values().sum();
            write!(f, "  {label:<12}")?;
            for (verdict, count) in verdicts {
                write!(f, "  {verdict} {count} ({})", per_cent(*count, all))?;
            }
            writeln!(f)?;
        }
        let mut rules: Vec<(&String, usize, &BTreeMap<String, usize>)> =
            self.rules.iter().map(|(rule, by_label)| (rule, by_label.values().sum(), by_label)).collect();
        rules.sort_by_key(|(rule, count, _)| (std::cmp::Reverse(*count), *rule));
        for (rule, count, by_label) in rules.iter().take(MAX_RULES) {
            let labels: Vec<String> = by_label.iter().map(|(label, count)| format!("{label} {count}")).collect();
            writeln!(f, "  rule {rule:<24} {count:>7}  {}", labels.join(", "))?;
        }
        if rules.len() > MAX_RULES {
            writeln!(f, "  and {} more rules", rules.len() - MAX_RULES)?;
        }
        let Latency { runs, mean, p50, p90, p99, max } = &self.latency;
        write!(
            f,
            "inspection of {runs} runs, us: mean {mean:.1}  p50 {p50:.1}  p90 {p90:.1}  p99 {p99:.1}  max {max:.1}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_runs() {
        let took: Vec<Duration> = (1..=200).map(Duration::from_micros).collect();
        let latency = Latency::of(&took);
        let shown = [latency.mean, latency.p50, latency.p90, latency.p99, latency.max].map(|us| format!("{us:.1}"));
        assert_eq!(shown, ["100.5", "100.0", "180.0", "198.0", "200.0"]);
        assert_eq!(Latency::of(&[]).runs, 0);
        assert_eq!((per_cent(1, 3), per_cent(3, 3)), ("33.33 %".to_owned(), "100.00 %".to_owned()));
    }
}
