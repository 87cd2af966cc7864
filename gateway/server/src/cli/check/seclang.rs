//! What `check` says of SecLang rules that are good: one line for each set of files, and at length what is in it.
//!
//! What asks for a look was reported as a warning; the remarks here do not.

use std::fmt::Write as _;

use rampart_inspection::Remark;
use rampart_policy::{SecLangSet, Snapshot};
use serde_json::{Value, json};

use crate::cli::report::counted;
use crate::cli::term;

/// Remarks that are listed of one set.
const MAX_REMARKS: usize = 200;

/// Says which rules which profiles run.
pub(super) fn show(snapshot: &Snapshot, verbose: bool) -> anyhow::Result<()> {
    for set in &snapshot.seclang {
        term::say(&line(snapshot, set, verbose))?;
        if verbose {
            term::say(&at_length(set))?;
        }
    }
    let missing = snapshot.profiles.values().filter_map(|profile| Some((profile, profile.unavailable.as_ref()?)));
    for (profile, why) in missing.filter(|_| verbose) {
        term::say(&format!("SecLang of {}: not loaded, no route uses it: {why}", profile.name))?;
    }
    Ok(())
}

fn line(snapshot: &Snapshot, set: &SecLangSet, verbose: bool) -> String {
    let profiles: Vec<&str> = snapshot.profiles_of(set).map(AsRef::as_ref).collect();
    let (files, rules, remarks) = (set.files().count(), set.rules().len(), remarks(set).count());
    let mut line = format!(
        "SecLang of {}: {}, {} left to run",
        profiles.join(", "),
        counted(files, "file"),
        counted(rules, "rule")
    );
    if remarks > 0 {
        let _ = write!(line, ", {}", counted(remarks, "remark"));
        if !verbose {
            line.push_str(" (--verbose lists them)");
        }
    }
    line
}

fn at_length(set: &SecLangSet) -> String {
    let files = set.files().map(|file| format!("  {}", file.display()));
    let say = |remark: Remark<'_>| format!("  {}:{}: {}", remark.file.display(), remark.line, remark.text);
    let lines: Vec<String> = files.chain(remarks(set).take(MAX_REMARKS).map(say)).collect();
    lines.join("\n")
}

/// What asks for nothing.
fn remarks(set: &SecLangSet) -> impl Iterator<Item = Remark<'_>> {
    set.rules().notes().filter(|remark| !remark.is_warning)
}

/// The same for tools.
pub(super) fn json(snapshot: &Snapshot) -> Value {
    let remark = |remark: Remark<'_>| {
        json!({
            "file": remark.file.display().to_string(), "line": remark.line, "text": remark.text,
            "warning": remark.is_warning,
        })
    };
    let set = |set: &SecLangSet| {
        json!({
            "profiles": snapshot.profiles_of(set).map(AsRef::as_ref).collect::<Vec<&str>>(),
            "patterns": set.wanted().patterns,
            "files": set.files().map(|file| file.display().to_string()).collect::<Vec<_>>(),
            "rules": set.rules().len(),
            "remarks": set.rules().notes().map(remark).collect::<Vec<_>>(),
        })
    };
    snapshot.seclang.iter().map(set).collect()
}

/// Why profiles that no route uses are not loaded, by name.
pub(super) fn unavailable(snapshot: &Snapshot) -> Value {
    let missing = snapshot.profiles.values().filter_map(|profile| {
        let why = profile.unavailable.as_deref()?;
        Some((profile.name.to_string(), Value::from(why)))
    });
    Value::Object(missing.collect())
}
