//! From directives to a [`Program`]: everything that does not depend on a request is done here, once.
//!
//! | step | what it settles |
//! |---|---|
//! | `draft` | chains |
//! | `exceptions`, `which` | rules and targets that other directives take out or add |
//! | `settled`, `about` | actions, merged with the defaults of their phase |
//! | `settings` | what directives set for all rules |
//! | `order` | which rules a phase runs, where skips go on |
//! | `names` | numbers for `TX` variables |
//! | `fold` | what can be decided without a request |
//! | `operators`, `targets`, `resolve`, `emit` | the program |
//!
//! What is wrong is an error of its rule, and all errors are reported. What is allowed but of no effect is a note.
//!
//! Source: ModSecurity reference manual v3, and ModSecurity 3.0.9 where it is silent.

mod about;
mod draft;
mod emit;
mod exceptions;
mod fold;
mod groups;
mod names;
mod operators;
mod order;
mod resolve;
mod settings;
mod settled;
mod targets;
mod which;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use rampart_settings::{Diagnostic, Report, Severity};

use self::draft::Draft;
use self::settled::Defaults;
use self::which::Subjects;
use super::ast::{Directive, Location};
use super::program::Program;

/// How to compile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// Decide what can be decided without a request. Off only for tests: a program that was folded behaves as one that
    /// was not.
    pub(crate) fold: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { fold: true }
    }
}

/// Compiles directives. What is wrong with them goes to `report`; then there is no program.
pub(crate) fn compile(directives: Vec<Directive>, options: Options, report: &Report) -> Option<Program> {
    let mut problems = Vec::new();
    let program = assemble(directives, options, &mut problems);
    if problems.is_empty() {
        return program;
    }
    for problem in problems {
        report.push(problem.into_diagnostic());
    }
    None
}

fn assemble(directives: Vec<Directive>, options: Options, problems: &mut Vec<Problem>) -> Option<Program> {
    let mut notes = Vec::new();
    let mut gathered = draft::gather(directives, problems);
    check_ids(&gathered.rules, problems);
    exceptions::apply(&gathered.exceptions, &mut gathered.rules, &mut notes, problems);
    let subjects = Subjects::of(&gathered.rules);
    let defaults = Defaults::of(gathered.defaults, problems);
    let settings = settings::settle(gathered.settings, &mut notes);
    let rules: Vec<_> = gathered.rules.into_iter().filter_map(|draft| settled::settle(draft, &defaults)).collect();
    let phases = order::sort(&rules, &gathered.markers, &mut notes);
    let too_many = |message: String| rules.first().map(|rule| Problem::new(&rule.location, message));
    let names = match names::Names::of(&rules) {
        Ok(names) => names,
        Err(message) => {
            problems.extend(too_many(message));
            return None;
        }
    };
    let folded = if options.fold {
        fold::fold(&rules, &phases, &names, &subjects)
    } else {
        fold::keep_all(&rules, &phases, &names)
    };
    emit::emit(folded, names, &subjects, settings, options.fold, (notes, problems))
}

/// Two rules with one id cannot be told apart.
fn check_ids(rules: &[Draft], problems: &mut Vec<Problem>) {
    let mut known: HashMap<u32, &Location> = HashMap::new();
    for (id, link) in rules.iter().filter(|rule| rule.id != 0).filter_map(|rule| Some((rule.id, rule.first()?))) {
        if let Some(earlier) = known.insert(id, &link.location) {
            problems.push(Problem::new(&link.location, format!("there is another rule with id {id}")).help(format!(
                "it is in {}, line {}",
                earlier.file.display(),
                earlier.line
            )));
        }
    }
}

/// Something that is wrong with a directive.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    location: Location,
    message: String,
    help: Option<String>,
}

impl Problem {
    fn new(location: &Location, message: impl Into<String>) -> Self {
        Self { location: location.clone(), message: message.into(), help: None }
    }

    /// What to do about it.
    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn into_diagnostic(self) -> Diagnostic {
        let file = self.location.file.display().to_string();
        let mut diagnostic = Diagnostic::about(Severity::Error, file, self.message);
        diagnostic.line = usize::try_from(self.location.line).unwrap_or(usize::MAX);
        match self.help {
            Some(help) => diagnostic.with_help(help),
            None => diagnostic,
        }
    }
}
