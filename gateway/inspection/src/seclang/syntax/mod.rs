//! From text to directives: rule files as they are written to [`Directive`]s, one by one and in order.
//!
//! | file | reads |
//! |---|---|
//! | `read` | files, includes, data files |
//! | `line` | logical lines, and places in them |
//! | `word` | the words of a directive |
//! | `directive`, `setting` | directives |
//! | `target`, `operator`, `action`, `ctl`, `setvar`, `template`, `names`, `unicode_map` | what stands in their words |
//!
//! Nothing is skipped: what is not known or not supported is an error that says where, what, and what to do. All files are
//! read to their ends, so all errors are reported at once. What can only be told from several directives (an id used
//! twice, a chain without an end, a pattern that does not compile) is left to `compile`.
//!
//! Source: ModSecurity reference manual v3; where it is silent, ModSecurity 3.0.9's scanner.

mod action;
mod ctl;
mod directive;
mod here;
mod line;
mod names;
mod operator;
mod read;
mod setting;
mod setvar;
mod target;
mod template;
mod unicode_map;
mod word;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use rampart_settings::Report;

use self::read::Reader;
use super::ast::Directive;
use super::files::Files;

/// What a list of rule files says.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// In the order of the list, includes in their places. Not all of them where errors were reported.
    pub(crate) directives: Vec<Directive>,
    /// The rule files and data files that were read, by name: a reload watches them.
    pub(crate) files: Vec<PathBuf>,
}

/// Reads the rule files that `patterns` name, in this order. What is wrong is written to `report`.
pub(crate) fn parse<P: AsRef<Path>>(patterns: &[P], files: &dyn Files, report: &Report) -> Parsed {
    let mut reader = Reader::new(files, report);
    for pattern in patterns {
        reader.entry(pattern.as_ref());
    }
    Parsed { directives: reader.directives, files: reader.read.into_iter().collect() }
}

/// Reads the rule files that `patterns` name as far as each directive can be judged alone, and says how many directives
/// there are. What is wrong is written to `report`.
pub fn check_syntax<P: AsRef<Path>>(patterns: &[P], files: &dyn Files, report: &Report) -> usize {
    parse(patterns, files, report).directives.len()
}
