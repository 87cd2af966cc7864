//! Cases as they are run: read from YAML files, templates filled in, every expectation checked to be one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::bytes::Regex;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::input::{Input, Reflection};
use super::schema::{Lines, RawFile, RawInput, RawOutput, RawStage, RawStatus, RawTemplate, RawTest};

/// Test files that are read at most.
const FILES_MAX: usize = 10_000;
/// The largest test file, in bytes.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Why a file of cases or overrides cannot be used.
#[derive(Debug, Error)]
pub(crate) enum SuiteError {
    /// It, or its folder, cannot be read.
    #[error("cannot read {}: {error}", file.display())]
    Unreadable {
        /// The file or folder.
        file: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// It is no YAML of this schema.
    #[error("{}: {message}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong, with line and column.
        message: String,
    },
    /// One of its cases makes no sense.
    #[error("{}: case {case}: {message}", file.display())]
    Senseless {
        /// The file.
        file: PathBuf,
        /// The case's id.
        case: String,
        /// What is wrong.
        message: String,
    },
    /// There are too many files, or one is too large.
    #[error("{}: {message}", file.display())]
    TooMuch {
        /// The file or folder.
        file: PathBuf,
        /// Which bound.
        message: String,
    },
}

/// A case: requests that belong together, each with what must come of it.
#[derive(Debug)]
pub(crate) struct Case {
    /// The rule that it is about: `942100`.
    pub(crate) rule: String,
    /// Its number within the rule.
    pub(crate) number: u32,
    /// `942100-7`, or the title where it has only that.
    pub(crate) id: String,
    /// Where it stands.
    pub(crate) file: PathBuf,
    /// Switched off in its file.
    pub(crate) is_off: bool,
    /// Its requests, in order.
    pub(crate) stages: Vec<Stage>,
}

/// One request and what must come of it.
#[derive(Debug)]
pub(crate) struct Stage {
    /// What is sent.
    pub(crate) input: Input,
    /// What must come of it.
    pub(crate) expectation: Expectation,
    /// Why this engine is not held to it; set by an override.
    pub(crate) exception: Option<String>,
}

/// What must come of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expectation {
    /// One of these; empty is any.
    pub(crate) status: Vec<u16>,
    /// The answer, head included, holds this.
    pub(crate) response_contains: Option<String>,
    /// These rules match.
    pub(crate) ids: Vec<String>,
    /// These do not.
    pub(crate) no_ids: Vec<String>,
    /// A log line matches.
    pub(crate) log: Vec<Regex>,
    /// No log line matches.
    pub(crate) no_log: Vec<Regex>,
    /// No answer at all (`true`), or one (`false`).
    pub(crate) error: Option<bool>,
    /// Exactly one rule matches.
    pub(crate) isolated: bool,
    /// The whole case is run once more when this fails.
    pub(crate) retry_once: bool,
}

/// The YAML files among and below `paths`, sorted. A file that is named is taken whatever it is called.
pub(crate) fn files(paths: &[PathBuf]) -> Result<BTreeSet<PathBuf>, SuiteError> {
    let mut files = BTreeSet::new();
    let mut open: Vec<(PathBuf, bool)> = paths.iter().map(|path| (path.clone(), true)).collect();
    while let Some((path, is_named)) = open.pop() {
        if path.is_dir() {
            let unreadable = |error| SuiteError::Unreadable { file: path.clone(), error };
            for entry in fs::read_dir(&path).map_err(unreadable)? {
                open.push((entry.map_err(unreadable)?.path(), false));
            }
        } else if is_named || is_yaml(&path) {
            files.insert(path.clone());
        }
        if files.len() > FILES_MAX {
            return Err(SuiteError::TooMuch { file: path, message: format!("more than {FILES_MAX} test files") });
        }
    }
    Ok(files)
}

/// Whether a file's name says that it is YAML.
pub(crate) fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// The cases of one file, in order.
pub(crate) fn read(file: &Path) -> Result<Vec<Case>, SuiteError> {
    let text = text(file)?;
    match parse::<RawFile<String>>(file, &text) {
        Ok(raw) => cases(file, raw),
        // Perhaps of the first version. If it is not, the first complaint is the one to show.
        Err(error) => cases(file, parse::<RawFile<Lines>>(file, &text).map_err(|_| error)?),
    }
}

/// A file's text, within the bound.
pub(super) fn text(file: &Path) -> Result<String, SuiteError> {
    let unreadable = |error| SuiteError::Unreadable { file: file.to_owned(), error };
    if fs::metadata(file).map_err(unreadable)?.len() > FILE_BYTES_MAX {
        let message = format!("larger than {FILE_BYTES_MAX} bytes");
        return Err(SuiteError::TooMuch { file: file.to_owned(), message });
    }
    fs::read_to_string(file).map_err(unreadable)
}

/// YAML of a schema.
pub(super) fn parse<T: DeserializeOwned>(file: &Path, text: &str) -> Result<T, SuiteError> {
    serde_saphyr::from_str(text)
        .map_err(|error| SuiteError::Malformed { file: file.to_owned(), message: error.to_string() })
}

fn cases<D: Into<String>>(file: &Path, raw: RawFile<D>) -> Result<Vec<Case>, SuiteError> {
    let RawFile { meta, rule_id, template, tests } = raw;
    let template = template.unwrap_or_default();
    let mut cases = Vec::with_capacity(tests.len());
    for (position, test) in tests.into_iter().enumerate() {
        let number = test.test_id.unwrap_or(u32::try_from(position + 1).unwrap_or(u32::MAX));
        let id = match (&rule_id, &test.test_title) {
            (Some(rule), _) => format!("{rule}-{number}"),
            (None, Some(title)) => title.clone(),
            (None, None) => number.to_string(),
        };
        let rule = rule_id.clone().unwrap_or_else(|| id.rsplit_once('-').map_or("", |(rule, _)| rule).to_owned());
        let stages = stages(test, &template).map_err(|message| SuiteError::Senseless {
            file: file.to_owned(),
            case: id.clone(),
            message,
        })?;
        cases.push(Case { rule, number, id, file: file.to_owned(), is_off: meta.enabled == Some(false), stages });
    }
    Ok(cases)
}

fn stages<D: Into<String>>(test: RawTest<D>, template: &RawTemplate) -> Result<Vec<Stage>, String> {
    let mut stages = Vec::with_capacity(test.stages.len());
    if let Some(payload) = &test.payload {
        let input = Input::of_template(template, test.template.as_ref(), payload);
        stages.push(Stage::new(input, &test.output.clone().unwrap_or_default())?);
    }
    for raw in test.stages {
        let (input, output) = match raw {
            RawStage { input: Some(input), output, stage: None, .. } => (input, output.unwrap_or_default()),
            RawStage { input: None, output: None, stage: Some(stage), .. } => (stage.input, stage.output),
            _ => return Err("a stage has either `input` and `output`, or `stage` with both".to_owned()),
        };
        for input in inputs(input)? {
            stages.push(Stage::new(input, &output)?);
        }
    }
    if stages.is_empty() {
        return Err("it has neither stages nor a payload".to_owned());
    }
    Ok(stages)
}

/// The requests of an input: one, or one for each of its `uris`.
fn inputs<D: Into<String>>(raw: RawInput<D>) -> Result<Vec<Input>, String> {
    let uris = raw.uris.clone();
    let input = Input::of_raw(raw)?;
    if uris.is_empty() {
        return Ok(vec![input]);
    }
    Ok(uris.into_iter().map(|uri| Input { uri, ..input.clone() }).collect())
}

// === impl Stage ===

impl Stage {
    fn new(input: Input, output: &RawOutput) -> Result<Self, String> {
        Ok(Self { input, expectation: Expectation::compile(output)?, exception: None })
    }

    /// The answer that the backend is asked for, where the case says one.
    pub(crate) fn reflection(&self) -> Option<&Reflection> {
        self.input.reflection.as_ref()
    }
}

// === impl Expectation ===

impl Expectation {
    pub(super) fn compile(raw: &RawOutput) -> Result<Self, String> {
        let mut log = Vec::new();
        let mut no_log = Vec::new();
        for (into, pattern, text) in [
            (&mut log, &raw.log.match_regex, &raw.log_contains),
            (&mut no_log, &raw.log.no_match_regex, &raw.no_log_contains),
        ] {
            into.extend(pattern.as_deref().map(compile).transpose()?);
            // The older keys are patterns, too: `id "942100"` is one.
            into.extend(text.as_deref().map(compile).transpose()?);
        }
        Ok(Self {
            status: match &raw.status {
                None => Vec::new(),
                Some(RawStatus::One(status)) => vec![*status],
                Some(RawStatus::Several(several)) => several.clone(),
            },
            response_contains: raw.response_contains.clone(),
            ids: raw.log.expect_ids.clone(),
            no_ids: raw.log.no_expect_ids.clone(),
            log,
            no_log,
            error: raw.expect_error,
            isolated: raw.isolated,
            retry_once: raw.retry_once.unwrap_or(false),
        })
    }

    /// Whether it says anything of what was logged.
    pub(crate) fn reads_log(&self) -> bool {
        !(self.ids.is_empty() && self.no_ids.is_empty() && self.log.is_empty() && self.no_log.is_empty())
            || self.isolated
    }
}

/// A pattern for log lines, which may hold any bytes.
fn compile(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| error.to_string())
}
