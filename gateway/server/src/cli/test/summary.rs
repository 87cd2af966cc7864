//! What became of all cases: as a table by rule file, and as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::term;

/// What became of all cases. Its members and their names are a contract with outside tools.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) skipped: usize,
    pub(super) cases: Vec<CaseResult>,
}

/// What became of one stage of a case, or of one string of a `[[case]]`.
#[derive(Debug, Serialize)]
pub(super) struct CaseResult {
    pub(super) id: String,
    pub(super) file: String,
    /// From 1.
    pub(super) stage: usize,
    pub(super) status: Status,
    pub(super) expected: String,
    pub(super) got: String,
    pub(super) micros: u64,
    /// The rule file that it is about.
    #[serde(skip)]
    pub(super) group: String,
    /// What is wrong, why it was skipped, or the string that was judged.
    #[serde(skip)]
    pub(super) detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Pass,
    Fail,
    Skip,
}

impl Summary {
    pub(super) fn of(cases: Vec<CaseResult>) -> Self {
        let count = |status| cases.iter().filter(|case| case.status == status).count();
        Self { passed: count(Status::Pass), failed: count(Status::Fail), skipped: count(Status::Skip), cases }
    }

    /// The failures one by one, the exceptions, then a row for each rule file.
    pub(super) fn show(&self) -> anyhow::Result<()> {
        for case in self.cases.iter().filter(|case| case.status == Status::Fail) {
            let CaseResult { id, file, stage, expected, got, detail, .. } = case;
            let stage = if *stage > 1 { format!(" stage {stage}") } else { String::new() };
            term::say(&format!("FAIL {id}{stage} ({file}): expected {expected}; got {got}"))?;
            term::say(&format!("     {detail}"))?;
        }
        for case in self.cases.iter().filter(|case| case.status == Status::Skip) {
            term::say(&format!("SKIP {} ({}): {}", case.id, case.file, case.detail))?;
        }
        for row in self.table() {
            term::say(&row)?;
        }
        term::say(&format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped))
    }

    fn table(&self) -> Vec<String> {
        let mut groups: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
        for case in &self.cases {
            let [passed, failed, skipped] = groups.entry(&case.group).or_default();
            match case.status {
                Status::Pass => *passed += 1,
                Status::Fail => *failed += 1,
                Status::Skip => *skipped += 1,
            }
        }
        let width = groups.keys().map(|group| group.chars().count()).max().unwrap_or(0).max("rule file".len());
        let head = format!("{:<width$}  {:>6}  {:>6}  {:>7}", "rule file", "passed", "failed", "skipped");
        let row = |(group, [passed, failed, skipped]): (&&str, &[usize; 3])| {
            format!("{group:<width$}  {passed:>6}  {failed:>6}  {skipped:>7}")
        };
        if groups.is_empty() { Vec::new() } else { std::iter::once(head).chain(groups.iter().map(row)).collect() }
    }
}
