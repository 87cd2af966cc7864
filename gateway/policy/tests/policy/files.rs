//! What is read from disk, and what is left alone.

use std::fs;
use std::path::Path;

use rampart_policy::MAX_FILE;

use crate::common::{CONFIG, Folder};

fn route(name: &str) -> String {
    format!("version = 1\n[[route]]\nname = \"{name}\"\nmatch = {{ path = \"/{name}\" }}\nupstream = \"agents\"")
}

#[test]
fn every_rules_file_below_is_read_and_nothing_else() {
    let folder = Folder::new();
    folder.write("rules/a.toml", route("a"));
    folder.write("rules/deep/er/b.toml", route("b"));
    for name in [
        ".hidden.toml",
        "#a.toml#",
        "a.toml~",
        "a.toml.swp",
        "a.toml.bak",
        ".#a.toml",
        ".git/x.toml",
        "notes.md",
        "4913",
    ] {
        folder.write(&format!("rules/{name}"), "not toml at all");
    }
    assert_eq!(folder.names(), ["a", "b"]);
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    let folder = Folder::new();
    folder.write("rules/routes.toml", route("a"));
    let made = std::process::Command::new("mkfifo").arg(folder.path("rules/pipe.toml")).status().unwrap();
    assert!(made.success());
    let (said, snapshot) = folder.load();
    assert!(snapshot.is_none());
    assert!(
        said.iter().any(|line| line.contains("rules/pipe.toml") && line.contains("not a regular file")),
        "{said:?}"
    );
}

#[test]
fn a_directory_without_routes_replaces_nothing() {
    let (said, snapshot) = Folder::new().load();
    assert!(snapshot.is_none());
    assert!(said.iter().any(|line| line.contains("there are no routes")), "{said:?}");
}

#[test]
fn links_are_followed_below_the_directory_only() {
    use std::os::unix::fs::symlink;

    let folder = Folder::new();
    // A ConfigMap of Kubernetes: the files are links through a link to a hidden folder.
    folder.write("rules/..2026_11_20/a.toml", route("a"));
    symlink("..2026_11_20", folder.path("rules/..data")).unwrap();
    symlink("..data/a.toml", folder.path("rules/a.toml")).unwrap();
    // A circle ends.
    symlink(".", folder.path("rules/circle")).unwrap();
    assert_eq!(folder.names(), ["a"]);

    folder.write("outside/b.toml", route("b"));
    symlink("../outside/b.toml", folder.path("rules/b.toml")).unwrap();
    symlink("../outside", folder.path("rules/c")).unwrap();
    symlink("nowhere.toml", folder.path("rules/d.toml")).unwrap();
    let (said, snapshot) = folder.load();
    assert!(snapshot.is_none());
    let places: Vec<&str> = said.iter().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(places, ["rules/b.toml", "rules/c", "rules/d.toml"], "{said:?}");
    assert!(said[0].contains("leads out of the rules directory"), "{said:?}");
}

#[test]
fn what_cannot_be_read_is_said() {
    let folder = Folder::new();
    fs::remove_dir_all(folder.path("rules")).unwrap();
    let (said, _) = folder.load();
    assert!(said[0].starts_with("rules:0:0 : the rules directory cannot be read: No such file"), "{said:?}");
    folder.write("rules", "a file");
    assert!(folder.load().0[0].starts_with("rules:0:0 : the rules directory is a file"));
    fs::remove_file(folder.path("config.toml")).unwrap();
    let (said, _) = folder.load();
    assert!(said[0].starts_with("config.toml:0:0 : the configuration file cannot be read: No such file"), "{said:?}");
}

#[test]
fn a_file_that_is_too_large_is_refused() {
    let folder = Folder::new();
    let most = usize::try_from(MAX_FILE.bytes()).unwrap();
    let padded = |bytes: usize| {
        let text = route("a");
        format!("{text}\n#{}", " ".repeat(bytes - text.len() - 2))
    };
    folder.write("rules/a.toml", padded(most));
    assert_eq!(folder.names(), ["a"]);
    folder.write("rules/a.toml", padded(most + 1));
    assert_eq!(folder.load().0, ["rules/a.toml:0:0 : cannot be read: larger than 8MiB"]);
}

#[test]
fn all_files_are_judged_even_where_the_configuration_is_broken() {
    let folder = Folder::new();
    folder.write("config.toml", "version = [");
    folder.write("rules/a.toml", "version = 7");
    folder.write("rules/b.toml", b"version = 1 # \xff");
    let (said, _) = folder.load();
    let places: Vec<&str> = said.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(places, ["config.toml:1:12", "rules/a.toml:1:11", "rules/b.toml:1:15"], "{said:?}");
}

#[test]
fn the_digest_names_the_state() {
    let folder = Folder::new();
    folder.write("rules/a.toml", route("a"));
    let digest = || folder.load().1.unwrap().digest;
    let first = digest();
    assert_eq!(first.len(), 12);
    assert_eq!(digest(), first);
    folder.write("rules/a.toml", route("b"));
    let second = digest();
    assert_ne!(second, first);
    folder.write("rules/c.toml", "version = 1");
    assert_ne!(digest(), second);
    fs::remove_file(folder.path("rules/c.toml")).unwrap();
    folder.write("rules/a.toml", route("a"));
    assert_eq!(digest(), first);
}

#[test]
fn certificates_are_checked_and_watched() {
    let folder = Folder::new();
    folder.write("rules/a.toml", route("a"));
    let make = |name: &str| {
        let pair = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        (pair.cert.pem(), pair.signing_key.serialize_pem())
    };
    let ((cert, key), (_, other_key)) = (make("a.example"), make("a.example"));
    folder.write("tls/a.pem", &cert);
    folder.write("tls/a.key", &key);
    folder.write("tls/other.key", &other_key);
    folder.write("tls/empty.pem", "nothing");
    let tls = |keys: &str| folder.write("config.toml", format!("{CONFIG}\n[listener.main.tls]\n{keys}"));

    tls(
        "cert_file = \"tls/a.pem\"\nkey_file = \"tls/a.key\"\n[listener.main.tls.sni.\"A.example\"]\ncert_file = \"tls/a.pem\"\nkey_file = \"tls/a.key\"",
    );
    let (said, snapshot) = folder.load();
    let snapshot = snapshot.unwrap_or_else(|| panic!("{said:?}"));
    let certificates = &snapshot.config.listeners[0].tls.as_ref().unwrap().certificates;
    assert_eq!(certificates[1].server_name.as_deref(), Some("a.example"));
    assert_eq!(certificates[0].cert_file, folder.path("tls/a.pem"));
    assert!(snapshot.watched.paths.contains(&folder.path("tls/a.key")), "{:?}", snapshot.watched);
    assert!(snapshot.watched.paths.contains(&folder.path("rules")));
    assert_eq!(said, [""; 0]);

    let check = |keys: &str, expect: &[&str]| {
        tls(keys);
        assert_eq!(folder.load().0, expect, "{keys}");
    };
    check(
        "cert_file = \"tls/a.pem\"\nkey_file = \"tls/other.key\"",
        &[
            "config.toml:9:12 listener.main.tls.key_file: the key does not belong to the certificate (check that both files are of the same pair)",
        ],
    );
    check(
        "cert_file = \"tls/empty.pem\"\nkey_file = \"tls/empty.pem\"",
        &[
            "config.toml:8:13 listener.main.tls.cert_file: the file holds no certificate (it has to be PEM: -----BEGIN CERTIFICATE-----)",
            "config.toml:9:12 listener.main.tls.key_file: the file holds no private key (it has to be PEM: -----BEGIN PRIVATE KEY-----)",
        ],
    );
    check(
        "cert_file = \"tls/none.pem\"\nkey_file = \"tls/a.key\"",
        &[
            "config.toml:8:13 listener.main.tls.cert_file: tls/none.pem cannot be read: No such file or directory (os error 2) (relative paths are relative to the folder of the configuration file)",
        ],
    );
    let sni = "cert_file = \"tls/a.pem\"\nkey_file = \"tls/a.key\"\n[listener.main.tls.sni.\"b.example\"]\ncert_file = \"tls/a.pem\"\nkey_file = \"tls/a.key\"";
    check(
        sni,
        &[
            "config.toml:11:13 listener.main.tls.sni.\"b.example\".cert_file: the certificate is not for \"b.example\" (clients that ask for this name will refuse it)",
        ],
    );
}

#[test]
fn authorities_are_checked_and_part_of_the_state() {
    let folder = Folder::new();
    folder.write("rules/a.toml", route("a"));
    folder.write(
        "config.toml",
        format!("{}\n[upstream.agents.tls]\nca_file = \"ca.pem\"", CONFIG.replace("http:", "https:")),
    );
    let said = |folder: &Folder| folder.load().0;
    assert!(said(&folder)[0].starts_with("config.toml:8:11 upstream.agents.tls.ca_file: ca.pem cannot be read"));
    folder.write("ca.pem", "nothing");
    assert!(said(&folder)[0].contains("the file holds no certificate"), "{:?}", said(&folder));
    let digest = || {
        let made = rcgen::generate_simple_self_signed(vec!["ca".to_owned()]).unwrap();
        folder.write("ca.pem", made.cert.pem());
        let (said, snapshot) = folder.load();
        let snapshot = snapshot.unwrap_or_else(|| panic!("{said:?}"));
        assert!(snapshot.watched.paths.contains(&folder.path("ca.pem")));
        snapshot.digest
    };
    assert_ne!(digest(), digest(), "another authority is another state");
}

#[test]
fn paths_are_relative_to_the_configuration() {
    let folder = Folder::new();
    folder.write("rules/a.toml", route("a"));
    folder.write("token", "s3cr3t\n");
    folder.write(
        "config.toml",
        format!("{CONFIG}\n[process]\npid_file = \"run/pid\"\n[admin]\naddress = \"127.0.0.1:0\"\ntoken = \"secret://file/./token\""),
    );
    let (said, snapshot) = folder.load();
    let config = snapshot.unwrap_or_else(|| panic!("{said:?}")).config;
    assert_eq!(config.process.pid_file.as_deref(), Some(Path::new(&folder.path("run/pid"))));
    assert!(config.admin.unwrap().token.unwrap().matches(b"s3cr3t"));
    let before = folder.load().1.unwrap();
    assert!(before.watched.paths.contains(&folder.path("./token")), "{:?}", before.watched.paths);
    folder.write("token", "n3w");
    let after = folder.load().1.unwrap();
    assert_eq!(after.digest, before.digest, "the digest tells nothing about secrets");
    assert!(!after.is_same_as(&before));
    assert!(after.is_same_as(&folder.load().1.unwrap()));
}
