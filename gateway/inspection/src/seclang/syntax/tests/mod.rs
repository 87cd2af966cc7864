//! Rule sets that must load as they ship; tables of right and wrong directives; laws.

mod laws;
mod print;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rampart_settings::{Diagnostic, Report};

use super::{Parsed, parse};
use crate::seclang::ast::{DirectiveKind, OperatorText};
use crate::seclang::compile::{Options, compile};
use crate::seclang::files::{Files, MemoryFiles, RootedFiles};

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

/// Every directive, written down again, is read as what it was.
fn returns(parsed: &Parsed) {
    for directive in &parsed.directives {
        let text = print::directive(directive);
        let mut files = MemoryFiles::new().with("again.conf", text.as_str());
        if let DirectiveKind::Rule { operator: OperatorText { argument, data: Some(data), .. }, .. } = &directive.kind {
            files = files.with(String::from_utf8_lossy(argument.literal().unwrap()).as_ref(), &**data);
        }
        let (again, said) = try_load(&files, &["again.conf"]);
        assert!(said.is_empty(), "{text}\n{}", said.first().unwrap());
        let kinds: Vec<_> = again.directives.iter().map(|directive| format!("{:?}", directive.kind)).collect();
        assert_eq!(kinds, [format!("{:?}", directive.kind)], "{text}");
    }
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
    assert_eq!((parsed.files.len(), data), (47, 19));
    returns(&parsed);

    let examples = load(&[&crs], &["rules/*.conf.example"]);
    assert_eq!(examples.files.len(), 2);
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
    returns(&parsed);

    // Its look-ups of countries and block lists are off as it ships, and gone when it is compiled.
    let report = Report::new();
    let program = compile(parsed.directives, Options::default(), &report);
    let said: Vec<String> = report.into_sorted().iter().map(ToString::to_string).collect();
    assert!(program.is_some(), "{}", said.join("\n"));
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

/// ModSecurity's own cases: their rules are read, or refused with a word on what to do instead. What ModSecurity refuses
/// and is read here is left to `compile`.
#[test]
fn the_rules_of_published_cases_are_read_or_refused_with_a_reason() {
    let Some(cases) = crs().map(|crs| crs.join("../seclang-tests/regression")) else { return };
    let mut read = 0;
    for entry in std::fs::read_dir(cases).unwrap() {
        let path = entry.unwrap().path();
        let cases: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for case in cases.as_array().unwrap() {
            let lines = case["rules"].as_array().map(Vec::as_slice).unwrap_or_default();
            let text: Vec<_> = lines.iter().filter_map(serde_json::Value::as_str).collect();
            let (parsed, said) = try_load(&MemoryFiles::new().with("a.conf", text.join("\n")), &["a.conf"]);
            read += usize::from(said.is_empty() && !parsed.directives.is_empty());
            let refused = |one: &&Diagnostic| {
                let absent = one.message.contains("not included") || one.message.contains("cannot be read");
                let needs = one.message == "XML needs a path";
                // A rule whose last quote is missing at the end of the file, which ModSecurity closes silently.
                let unclosed =
                    one.message.contains("is not closed") && case["title"].as_str().unwrap().contains("DetectionOnly");
                one.message.contains("is not supported") || absent || needs || unclosed
            };
            let strange = said.iter().find(|one| !refused(one) && case["expected"]["parser_error"].is_null());
            assert!(strange.is_none(), "{}: {}\n{}", path.display(), case["title"], strange.unwrap());
        }
    }
    assert!(read > 150, "{read}");
}
