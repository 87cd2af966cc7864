//! What ships: the project's own configuration and rules, and the schemas that editors use.

use std::fs;
use std::path::{Path, PathBuf};

use rampart_inspection::{BodyMode, Mode};
use rampart_message::Headers;
use rampart_policy::{Environment, LoadOptions, Query, Routed, Secrets, Snapshot, load, schema_config, schema_rules};

use crate::common::brief;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

fn shipped() -> (Vec<String>, Option<Snapshot>) {
    let mut environment = Environment::empty();
    environment.set("RAMPART_ADMIN_TOKEN", "0123456789abcdef0123456789abcdef");
    let options = LoadOptions { config: root().join("config.toml"), environment, secrets: Secrets::Require };
    let (report, snapshot) = load(&options);
    (brief(&report.into_sorted()), snapshot)
}

#[test]
fn the_projects_own_configuration_is_good() {
    let (said, snapshot) = shipped();
    let snapshot = snapshot.unwrap_or_else(|| panic!("{said:#?}"));
    assert!(said.iter().all(|line| line.contains("the body is not inspected")), "{said:#?}");
    assert!(snapshot.loaded.rules > 0 && snapshot.loaded.cases > snapshot.loaded.rules, "{:?}", snapshot.loaded);
    let ports: Vec<u16> = snapshot.config.listeners.iter().map(|listener| listener.address.port()).collect();
    assert_eq!(ports, [8080]);
    assert_eq!(snapshot.config.probe, snapshot.config.admin.as_ref().map(|admin| admin.address));
}

#[test]
fn the_demos_requests_take_the_routes_that_are_meant() {
    let (said, snapshot) = shipped();
    let snapshot = snapshot.unwrap_or_else(|| panic!("{said:#?}"));
    let check = |method: &str, path: &str, expect: (&str, &str, BodyMode)| {
        let query = Query {
            host: b"127.0.0.1:8080",
            path: path.as_bytes(),
            query: b"",
            headers: Headers::default(),
            method: method.as_bytes(),
        };
        let Routed::Found(route) = snapshot.route(&query) else { panic!("{method} {path}: no route") };
        assert_eq!((&*route.name, &*route.profile.name, route.body), expect, "{method} {path}");
        assert_eq!(route.profile.mode, Mode::Block, "{path}");
    };
    check("GET", "/", ("everything else", "default", BodyMode::Buffer));
    check("GET", "/etc/passwd", ("everything else", "default", BodyMode::Buffer));
    check("GET", "/api/v1/agents", ("agents", "default", BodyMode::Buffer));
    check("POST", "/api/v1/tasks", ("tasks", "default", BodyMode::Buffer));
    check("DELETE", "/api/v1/tasks/7", ("task", "default", BodyMode::Buffer));
    check("POST", "/auth/login", ("login", "strict", BodyMode::Buffer));
    check("POST", "/v1/chat/completions", ("chat completions", "prompt", BodyMode::Buffer));
    check("GET", "/events", ("events", "default", BodyMode::Stream));
    check("GET", "/ws", ("socket", "default", BodyMode::Stream));
    check("PUT", "/uploads/report.pdf", ("uploads", "default", BodyMode::Stream));
    check("GET", "/download", ("download", "default", BodyMode::Stream));
}

/// `RAMPART_UPDATE=1 cargo test -p rampart-policy` writes them anew.
#[test]
fn the_schemas_beside_this_crate_are_those_of_its_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    for (name, schema) in [("config.json", schema_config()), ("rules.json", schema_rules())] {
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("RAMPART_UPDATE").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(name), &text).unwrap();
        }
        let there = fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(there == text, "schema/{name} is not that of the types: run with RAMPART_UPDATE=1");
    }
}

/// Whoever completes a file in an editor sees what each key is for.
#[test]
fn every_key_of_the_schemas_is_described() {
    fn undescribed(schema: &serde_json::Value, path: &str, found: &mut Vec<String>) {
        let Some(object) = schema.as_object() else { return };
        for (key, inner) in object {
            if key == "properties" {
                for (name, property) in inner.as_object().into_iter().flatten() {
                    if property.get("description").is_none() {
                        found.push(format!("{path}/{name}"));
                    }
                }
            }
            match inner {
                serde_json::Value::Object(_) => undescribed(inner, &format!("{path}/{key}"), found),
                serde_json::Value::Array(items) => {
                    for item in items {
                        undescribed(item, &format!("{path}/{key}"), found);
                    }
                }
                _ => {}
            }
        }
    }
    for schema in [schema_config(), schema_rules()] {
        let mut found = Vec::new();
        undescribed(&schema, "", &mut found);
        assert_eq!(found, [""; 0]);
        assert!(schema.get("title").is_some() && schema.get("description").is_some());
    }
}
