//! From sources to a snapshot: the order in which things are read and checked.

use std::path::PathBuf;

use rampart_settings::Report;

use crate::environment::Environment;
use crate::snapshot::Snapshot;

/// What to load.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The configuration file.
    pub config: PathBuf,
    /// Overrides and secrets.
    pub environment: Environment,
    /// What to do about secrets that cannot be had.
    pub secrets: Secrets,
}

/// What to do about secrets that cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Secrets {
    /// It is an error: the gateway is about to use them.
    #[default]
    Require,
    /// It is a warning: files are checked on a machine that need not hold the secrets.
    Warn,
}

/// The sources of a configuration that is compiled into the program.
#[derive(Debug, Clone, Copy)]
pub struct Embedded<'a> {
    /// Name (as shown to people) and text of the configuration file.
    pub config: (&'a str, &'a str),
    /// Names and texts of the rule files.
    pub rules: &'a [(&'a str, &'a str)],
}

/// Reads and checks everything. The report holds every error and warning of every file; without an error there is a
/// snapshot.
pub fn load(_options: &LoadOptions) -> (Report, Option<Snapshot>) {
    (Report::new(), None)
}

/// The same from sources in memory. Relative paths are relative to the current directory; `options.config` is not read.
pub fn load_embedded(_sources: &Embedded<'_>, _options: &LoadOptions) -> (Report, Option<Snapshot>) {
    (Report::new(), None)
}
