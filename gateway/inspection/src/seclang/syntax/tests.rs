//! Rule sets that must load as they ship.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rampart_settings::{Diagnostic, Report};

use super::{Parsed, parse};
use crate::seclang::ast::DirectiveKind;
use crate::seclang::files::{Files, RootedFiles};

/// The Core Rule Set 4.28, where the shared test data is there.
fn crs() -> Option<PathBuf> {
    let given = std::env::var_os("RAMPART_SHARED").map(PathBuf::from);
    let shared = given.clone().unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let folder = shared.join("crs");
    if folder.is_dir() {
        return Some(folder.canonicalize().unwrap());
    }
    assert!(given.is_none(), "RAMPART_SHARED is set, but {} is missing", folder.display());
    println!("skipped: {} is not there", folder.display());
    None
}

fn load(roots: &[&Path], patterns: &[&str]) -> Parsed {
    let root = roots.first().unwrap();
    let patterns: Vec<PathBuf> = patterns.iter().map(|pattern| root.join(pattern)).collect();
    let (parsed, said) = try_load(&RootedFiles::new(roots).unwrap(), &patterns);
    assert!(said.is_empty(), "{}", said.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    parsed
}

fn try_load<P: AsRef<Path>>(files: &dyn Files, patterns: &[P]) -> (Parsed, Vec<Diagnostic>) {
    let report = Report::new();
    let parsed = parse(patterns, files, &report);
    (parsed, report.into_sorted())
}

fn kinds(parsed: &Parsed) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for directive in &parsed.directives {
        let name = match &directive.kind {
            DirectiveKind::Rule { .. } => "SecRule",
            DirectiveKind::Action(_) => "SecAction",
            DirectiveKind::Marker(_) => "SecMarker",
            DirectiveKind::DefaultAction(_) => "SecDefaultAction",
            DirectiveKind::UpdateTargetById { .. } => "SecRuleUpdateTargetById",
            DirectiveKind::Setting(_) => "setting",
            other => panic!("{other:?}"),
        };
        *counts.entry(name).or_default() += 1;
    }
    counts
}

#[test]
fn the_core_rule_set_4_loads_as_it_ships() {
    let Some(crs) = crs() else { return };
    let parsed = load(&[&crs], &["crs-setup.conf.example", "rules/*.conf"]);
    let expect = BTreeMap::from([
        ("SecRule", 695),
        ("SecAction", 8),
        ("SecMarker", 30),
        ("SecRuleUpdateTargetById", 55),
        ("SecDefaultAction", 5),
        ("setting", 1),
    ]);
    assert_eq!(kinds(&parsed), expect);
    let data = parsed.files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "data")).count();
    assert_eq!((parsed.files.len(), data), (47, 20));

    let examples = load(&[&crs], &["rules/*.conf.example"]);
    assert!(!examples.files.is_empty());
}

#[test]
fn the_core_rule_set_3_of_debian_loads_as_it_ships() {
    let (setup, rules) = (Path::new("/etc/modsecurity/crs"), Path::new("/usr/share/modsecurity-crs"));
    if !setup.is_dir() || !rules.is_dir() {
        println!("skipped: Debian's package modsecurity-crs is not installed");
        return;
    }
    let parsed = load(&[rules, setup], &["owasp-crs.load"]);
    let kinds = kinds(&parsed);
    assert!(kinds["SecRule"] > 500 && kinds["SecMarker"] > 20, "{kinds:?}");
}

#[test]
fn the_recommended_settings_load_as_they_ship() {
    let package = Path::new("/usr/share/nginx/docs/modsecurity");
    if !package.is_dir() {
        println!("skipped: Debian's package libnginx-mod-http-modsecurity is not installed");
        return;
    }
    let parsed = load(&[package], &["modsecurity.conf"]);
    let kinds = kinds(&parsed);
    assert!(kinds["SecRule"] >= 7 && kinds["setting"] >= 20, "{kinds:?}");
}
