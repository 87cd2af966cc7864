//! The OWASP Core Rule Set, compiled as it ships.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rampart_settings::Report;

use super::super::super::ast::Directive;
use super::super::super::files::{MemoryFiles, RootedFiles};
use super::super::super::program::Program;
use super::super::super::syntax;
use super::super::{Options, compile};
use super::{ids, initial};

/// A folder of third-party data; `None` (with a word) where there is none.
fn shared(name: &str) -> Option<PathBuf> {
    let given = std::env::var_os("RAMPART_SHARED").map(PathBuf::from);
    let root = given.clone().unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(given.is_none(), "RAMPART_SHARED is set, but {} is missing", folder.display());
    eprintln!("skipped: {} is not there", folder.display());
    None
}

fn directives_of(text: &str) -> Vec<Directive> {
    let report = Report::new();
    let files = MemoryFiles::new().with("before.conf", text);
    let parsed = syntax::parse(&["before.conf"], &files, &report);
    assert!(report.is_ok(), "{:?}", report.into_sorted());
    parsed.directives
}

/// The directives of the rule set, after those of `before`.
fn core_rule_set(before: &str) -> Option<Vec<Directive>> {
    let folder = shared("crs")?;
    let files = RootedFiles::new([&folder]).unwrap();
    let report = Report::new();
    let parsed = syntax::parse(&["crs-setup.conf.example", "rules/*.conf"], &files, &report);
    assert!(report.is_ok(), "{:?}", report.into_sorted());
    let mut directives = directives_of(before);
    directives.extend(parsed.directives);
    Some(directives)
}

fn compiled(directives: Vec<Directive>, options: Options) -> Program {
    let report = Report::new();
    let program = compile(directives, options, &report);
    program.unwrap_or_else(|| panic!("{:#?}", report.into_sorted()))
}

fn at_level(level: u8) -> Option<Program> {
    let setup = format!("SecAction \"id:1,phase:1,nolog,pass,setvar:tx.blocking_paranoia_level={level}\"");
    Some(compiled(core_rule_set(&setup)?, Options::default()))
}

/// Whether a rule is part of the paranoia levels up to one.
fn above(program: &Program, level: u8) -> Vec<u32> {
    program.rules.iter().filter(|rule| rule.about.paranoia > level).map(|rule| rule.id).collect()
}

#[test]
fn only_rules_of_the_paranoia_level_are_left() {
    let mut lengths = Vec::new();
    for level in 1..=4 {
        let Some(program) = at_level(level) else { return };
        assert_eq!(above(&program, level), [0_u32; 0], "level {level}");
        for folded in [901_100, 901_200, 901_400, 911_013, 949_011, 949_012, 942_018] {
            let gone = level >= 4 || folded != 942_018;
            assert!(!ids(&program).contains(&folded) || !gone, "{folded} is left at level {level}");
        }
        for stays in [911_100, 942_100, 949_110, 959_100] {
            assert!(ids(&program).contains(&stays), "{stays} is gone at level {level}");
        }
        let lazy = (0..program.rules.len()).filter(|at| program.lazy.contains(*at)).count();
        eprintln!("level {level}: {} rules, {lazy} of them lazy", program.rules.len());
        lengths.push(program.rules.len());
    }
    assert!(lengths.is_sorted_by(|less, more| less < more), "{lengths:?}");
}

#[test]
fn the_set_up_is_part_of_the_initial_values() {
    let Some(program) = at_level(2) else { return };
    let check = |name: &str, expect: Option<&str>| assert_eq!(initial(&program, name).as_deref(), expect, "{name}");
    check("blocking_paranoia_level", Some("2"));
    check("detection_paranoia_level", Some("2"));
    check("critical_anomaly_score", Some("5"));
    check("inbound_anomaly_score_threshold", Some("5"));
    check("inbound_anomaly_score_pl1", Some("0"));
    check("allowed_methods", Some("GET HEAD POST OPTIONS"));
    check("arg_length", None);
}

#[test]
fn compiles_in_little_time() {
    let timed = |options: Options| {
        let begun = Instant::now();
        let directives = core_rule_set("")?;
        let read = begun.elapsed();
        let program = compiled(directives, options);
        eprintln!("{options:?}: read in {read:?}, with compiling {:?}", begun.elapsed());
        Some((program.rules.len(), begun.elapsed()))
    };
    let Some((rules, all)) = timed(Options { fold: false }) else { return };
    assert!(rules > 600);
    let Some((_, folded)) = timed(Options::default()) else { return };
    // Measured in release; a debug build under load only has to end.
    let bound = if cfg!(debug_assertions) { Duration::from_mins(1) } else { Duration::from_secs(3) };
    assert!(all < bound && folded < bound);
}
