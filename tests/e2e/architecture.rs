//! `gateway/ARCHITECTURE.md` is the code's real picture: every crate stands in its table of floors, and uses only crates
//! of lower floors.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn gateway() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway"))
}

/// Floor by crate, from rows such as "| 2 | `upstream` | ...".
fn floors() -> BTreeMap<String, i32> {
    let page = fs::read_to_string(gateway().join("ARCHITECTURE.md")).unwrap();
    let row = |line: &str| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let floor = cells.next()?.parse().ok()?;
        let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?.to_owned();
        Some((name, floor))
    };
    page.lines().filter_map(row).collect()
}

/// The crates of the gateway that each names among its dependencies; what only tests use does not count.
fn uses(name: &str) -> Vec<String> {
    let text = fs::read_to_string(gateway().join(name).join("Cargo.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    let sections = ["dependencies", "build-dependencies"];
    let tables = sections.iter().filter_map(|section| manifest.get(*section)?.as_table());
    tables.flat_map(|table| table.keys()).filter_map(|key| key.strip_prefix("rampart-")).map(str::to_owned).collect()
}

#[test]
fn nothing_reaches_up() {
    let floors = floors();
    let mut crates: Vec<String> = fs::read_dir(gateway())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("Cargo.toml").exists())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    crates.sort();
    assert_eq!(crates, floors.keys().cloned().collect::<Vec<_>>(), "the table and the folders differ");
    for name in &crates {
        for used in uses(name) {
            assert!(
                floors[&used] < floors[name],
                "{name} (floor {}) uses {used} (floor {})",
                floors[name],
                floors[&used]
            );
        }
    }
}
