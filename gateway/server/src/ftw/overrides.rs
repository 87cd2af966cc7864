//! Overrides: where this engine is right to differ from what a case expects. Each one says why.
//!
//! The file is go-ftw's: `output` stands in place of what the case expects. Besides, `expect_failure: true` says that the
//! case cannot hold here at all; it is then listed as skipped, and fails as soon as it holds, so that no exception outlives
//! its reason.

use std::path::Path;

use super::schema::{RawOverride, RawOverrides};
use super::suite::{Case, Expectation, SuiteError, parse, text};

/// A file of overrides.
#[derive(Debug)]
pub(crate) struct Overrides(Vec<Override>);

#[derive(Debug)]
struct Override {
    rule: String,
    /// Empty is every case of the rule.
    tests: Vec<u32>,
    /// From 1; empty is every stage.
    stages: Vec<u32>,
    reason: String,
    must_fail: bool,
    retry_once: bool,
    output: Option<Expectation>,
}

impl Overrides {
    /// Reads a file of overrides.
    pub(crate) fn read(file: &Path) -> Result<Self, SuiteError> {
        let raw: RawOverrides = parse(file, &text(file)?)?;
        let compile = |raw: RawOverride| {
            let rule = raw.rule_id.clone();
            Override::compile(raw).map_err(|message| SuiteError::Senseless {
                file: file.to_owned(),
                case: rule,
                message,
            })
        };
        raw.test_overrides.into_iter().map(compile).collect::<Result<_, _>>().map(Self)
    }

    /// Applies them; gives those that no case is about, as `RULE: reason`.
    pub(crate) fn apply(&self, cases: &mut [Case]) -> Vec<String> {
        let mut unused = Vec::new();
        for found in &self.0 {
            let mut applied = false;
            for case in cases.iter_mut().filter(|case| found.is_about(case)) {
                for (stage, _) in case.stages.iter_mut().zip(1..).filter(|(_, number)| found.is_of(*number)) {
                    applied = true;
                    if let Some(output) = &found.output {
                        stage.expectation = output.clone();
                    }
                    stage.expectation.retry_once |= found.retry_once;
                    if found.must_fail {
                        stage.exception = Some(found.reason.clone());
                    }
                }
            }
            if !applied {
                unused.push(format!("{}: {}", found.rule, found.reason));
            }
        }
        unused
    }
}

impl Override {
    fn compile(raw: RawOverride) -> Result<Self, String> {
        if raw.reason.trim().is_empty() {
            return Err("an override says its reason".to_owned());
        }
        let must_fail = raw.expect_failure.unwrap_or(false);
        if !must_fail && raw.output.is_none() && raw.retry_once.is_none() {
            return Err("an override has `output`, `retry_once` or `expect_failure: true`".to_owned());
        }
        Ok(Self {
            rule: raw.rule_id,
            tests: raw.test_ids,
            stages: raw.stage_ids,
            reason: raw.reason.trim().to_owned(),
            must_fail,
            retry_once: raw.retry_once.unwrap_or(false),
            output: raw.output.as_ref().map(Expectation::compile).transpose()?,
        })
    }

    fn is_about(&self, case: &Case) -> bool {
        self.rule == case.rule && (self.tests.is_empty() || self.tests.contains(&case.number))
    }

    fn is_of(&self, stage: u32) -> bool {
        self.stages.is_empty() || self.stages.contains(&stage)
    }
}
