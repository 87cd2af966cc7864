//! Rules compiled from text, as the parser reads them.

mod agreement;
mod folding;
mod rule_set;
mod rules;

use rampart_settings::Report;

use super::super::files::MemoryFiles;
use super::super::program::{Program, Rule};
use super::super::syntax;
use super::{Options, compile};

/// Compiles one file; diagnostics as `line: message`.
fn try_compile(text: &str, options: Options) -> Result<Program, Vec<String>> {
    let files = MemoryFiles::new().with("rules.conf", text);
    let report = Report::new();
    let parsed = syntax::parse(&["rules.conf"], &files, &report);
    let program = report.is_ok().then(|| compile(parsed.directives, options, &report)).flatten();
    program.ok_or_else(|| {
        let diagnostics = report.into_sorted();
        diagnostics.iter().map(|diagnostic| format!("{}: {}", diagnostic.line, diagnostic.message)).collect()
    })
}

fn compiled(text: &str) -> Program {
    try_compile(text, Options::default()).unwrap_or_else(|errors| panic!("{errors:?}\n{text}"))
}

fn unfolded(text: &str) -> Program {
    try_compile(text, Options { fold: false }).unwrap_or_else(|errors| panic!("{errors:?}\n{text}"))
}

/// The ids of the rules that are left, in the order in which they run.
fn ids(program: &Program) -> Vec<u32> {
    program.rules.iter().map(|rule| rule.id).collect()
}

fn rule(program: &Program, id: u32) -> &Rule {
    program.rules.iter().find(|rule| rule.id == id).unwrap_or_else(|| panic!("rule {id} is gone"))
}

/// The value that a variable has when a transaction begins.
fn initial(program: &Program, name: &str) -> Option<String> {
    let slot = program.names.iter().position(|known| known.as_ref() == name.as_bytes())?;
    program.initial[slot].as_deref().map(|value| String::from_utf8(value.to_vec()).unwrap())
}
