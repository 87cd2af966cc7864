//! SecLang files in profiles: what is found, what is said, what of a snapshot a reload takes over.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rampart_inspection::{Connection, Findings, Scratch};
use rampart_message::{Body, Head, Headers, Message, Version};
use rampart_policy::Snapshot;

use crate::common::{CONFIG, Folder};

const ROUTE: &str = "[[route]]\nname = \"all\"\nmatch = { path = \"/**\" }\nupstream = \"agents\"\n";
const USED: &str = "inspection = \"sec\"\n";
const BLOCK: &str = "SecRule ARGS \"@contains attack\" \"id:1,phase:2,deny,status:403,msg:'Attack'\"\n";

/// A folder whose route uses a profile `sec` with these keys.
fn folder(keys: &str, files: &[(&str, &str)]) -> Folder {
    let folder = Folder::new();
    folder.write("rules/r.toml", format!("version = 1\n{ROUTE}{USED}[profile.sec]\n{keys}"));
    for (name, text) in files {
        folder.write(name, text);
    }
    folder
}

#[track_caller]
fn good(folder: &Folder) -> Snapshot {
    let (said, snapshot) = folder.load();
    snapshot.unwrap_or_else(|| panic!("{said:#?}"))
}

/// What the profile of the only route finds in a request for `target`, and the transaction's `TX` variables of these
/// names.
fn ask<const N: usize>(snapshot: &Snapshot, target: &str, names: [&str; N]) -> (Findings, [Option<String>; N]) {
    let route = &snapshot.routes[0];
    let fields: &[(&[u8], &[u8])] = &[
        (b"host", b"a.example"),
        (b"accept", b"*/*"),
        (b"user-agent", b"curl/8.5.0"),
        (b"content-type", b"application/json"),
    ];
    let headers = Headers::new(fields);
    let head = Head { method: b"POST", target: target.as_bytes(), version: Version::Http11, authority: None, headers };
    let opened = Body::open(&headers, br#"{"description": "hello"}"#, &route.limits);
    let mut buffers = rampart_message::Scratch::new();
    let mut message = Message::parse_head(head, &route.limits, &mut buffers);
    message.parse_body(&opened, &route.limits);
    let mut scratch = Scratch::default();
    let now = SystemTime::UNIX_EPOCH;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let connection = Connection { client: address, server: address };
    let mut findings = route.profile.inspect(&route.exclusions, &message, &mut scratch);
    let mut transaction = route.profile.begin(connection, "id", now, &mut scratch).expect("SecLang rules");
    transaction.request(route.profile.exempt(&route.exclusions), &message, &route.limits, now, &mut scratch);
    route.profile.join(&mut findings, &transaction);
    let value = |name: &str| transaction.tx(name).map(|value| String::from_utf8_lossy(value).into_owned());
    (findings, names.map(value))
}

fn blocks(snapshot: &Snapshot, target: &str) -> bool {
    ask(snapshot, target, []).0.outcome.is_block()
}

#[test]
fn a_profile_runs_its_files_and_no_other_rules() {
    let folder = folder("seclang = [\"sec/*.conf\"]", &[("sec/a.conf", BLOCK), ("sec/b.conf.example", "not SecLang")]);
    folder.write(
        "rules/own.toml",
        "version = 1\n[[rule]]\nid = \"own\"\ntargets = [\"args\"]\nmatch = { contains = \"other\" }\ncategory = \"sqli\"",
    );
    let snapshot = good(&folder);
    assert_eq!((snapshot.loaded.rules, snapshot.loaded.seclang_rules), (1, 3), "two choose the body's processor");
    let (found, []) = ask(&snapshot, "/?a=attack", []);
    assert_eq!((found.outcome, &*found.seclang_rules[0]), (rampart_inspection::Outcome::Block { status: 403 }, "1"));
    assert!(!blocks(&snapshot, "/?a=other"));
}

#[test]
fn files_that_are_not_there_are_an_error_of_the_route_that_needs_them() {
    let folder = folder("seclang = [\"none/*.conf\"]", &[]);
    let missing = format!("no file fits {}", folder.path("none/*.conf").display());
    let (said, snapshot) = folder.load();
    assert!(snapshot.is_none());
    let root = format!("{}/", folder.path("").display()).replace("//", "/");
    assert_eq!(
        said,
        [format!(
            "rules/r.toml:6:14 route[0].inspection: the profile \"sec\" has no rules: {} (put the files there, or name \
             where they are in the profile's `seclang`)",
            missing.replace(&root, "")
        )]
    );
    folder.write("rules/r.toml", format!("version = 1\n{ROUTE}[profile.sec]\nseclang = [\"none/*.conf\"]"));
    let snapshot = good(&folder);
    assert_eq!(snapshot.profiles["sec"].unavailable.as_deref(), Some(missing.as_str()));
    assert!(snapshot.seclang.is_empty());
    assert_eq!(snapshot.watched.patterns, [folder.path("none/*.conf")], "they may come");
}

#[test]
fn only_the_operators_directories_are_read() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("x.conf"), BLOCK).unwrap();
    let roots = "seclang_roots = [\"sec\"]\n";
    let check = |keys: &str, expect: &str| {
        let folder =
            folder(keys, &[("config.toml", &format!("{roots}{CONFIG}")), ("sec/a.conf", "Include /etc/passwd")]);
        let (said, snapshot) = folder.load();
        assert!(snapshot.is_none());
        assert!(said.iter().any(|line| line.contains(expect)), "{expect}: {said:#?}");
    };
    let lies = "it lies outside of the directories that rule files are read from";
    check(&format!("seclang = [\"{}/x.conf\"]", outside.path().display()), lies);
    check(&format!("seclang = [\"{}/*.conf\"]", outside.path().display()), lies);
    check("seclang = [\"sec/a.conf\"]", "sec/a.conf:1:9 : /etc/passwd is not included: it lies outside");
    let nowhere = folder("", &[("config.toml", &format!("seclang_roots = [\"nowhere\"]\n{CONFIG}"))]);
    let (said, _) = nowhere.load();
    assert_eq!(
        said,
        [
            "config.toml:1:17 seclang_roots: the directory nowhere cannot be used: there is no such file (name directories \
          that exist)"
        ]
    );
}

#[test]
fn mistakes_have_their_line() {
    let folder = folder(
        "seclang = [\"sec/*.conf\"]",
        &[("sec/a.conf", "# one\nSecRule ARGS \"@rx (\" \"id:1,phase:2,deny\"\n"), ("sec/b.conf", "SecRul ARGS x\n")],
    );
    let (said, snapshot) = folder.load();
    assert!(snapshot.is_none());
    let starts = |start: &str| said.iter().any(|line| line.starts_with(start));
    assert!(starts("sec/b.conf:1:1 "), "{said:#?}");
    folder.write("sec/b.conf", "");
    let (said, _) = folder.load();
    assert!(said.iter().any(|line| line.starts_with("sec/a.conf:2:")), "{said:#?}");
}

#[test]
fn what_somebody_should_look_at_is_a_warning() {
    let text = format!("SecRuleEngine DetectionOnly\nSecAuditEngine Off\n{BLOCK}SecRuleRemoveById 7\n");
    let folder = folder("seclang = [\"sec/a.conf\"]", &[("sec/a.conf", &text)]);
    let (said, snapshot) = folder.load();
    let warnings = [
        "sec/a.conf:1:1 : SecRuleEngine DetectionOnly: these rules block nothing, whatever the profile's mode is",
        "sec/a.conf:4:1 : there is no rule with id 7",
    ];
    assert_eq!(said, warnings);
    let snapshot = snapshot.expect("warnings only");
    let remarks: Vec<_> = snapshot.seclang[0].rules().notes().map(|remark| (remark.line, remark.is_warning)).collect();
    assert!(remarks.contains(&(2, false)), "{remarks:?}");
    // A reload that compiles nothing says it again.
    assert_eq!(folder.reload(&snapshot).0, warnings);
}

#[test]
fn profiles_that_ask_alike_share_what_was_loaded() {
    let more = "[profile.child]\nextends = \"sec\"\nmode = \"detect\"\n[profile.twin]\nseclang = [\"sec/a.conf\"]\n\
                [profile.other]\nextends = \"sec\"\nparanoia = 2\n";
    let folder = folder(&format!("seclang = [\"sec/a.conf\"]\n{more}"), &[("sec/a.conf", BLOCK)]);
    let snapshot = good(&folder);
    let rules = |name: &str| snapshot.profiles[name].seclang.as_ref().unwrap();
    assert!(rules("sec").is_same_as(rules("child")) && rules("sec").is_same_as(rules("twin")));
    assert!(!rules("sec").is_same_as(rules("other")));
    assert_eq!(snapshot.seclang.len(), 2);
}

#[test]
fn the_digest_and_the_watch_know_every_file() {
    let files = [
        ("sec/a.conf", "Include more/*.inc\nSecRule ARGS \"@pmFromFile words.data\" \"id:1,phase:2,deny\"\n"),
        ("sec/words.data", "attack\n"),
        ("sec/more/b.inc", "SecAction \"id:2,phase:1,pass,nolog\"\n"),
    ];
    let folder = folder("seclang = [\"sec/*.conf\"]", &files);
    let before = good(&folder);
    assert_eq!(before.digest, good(&folder).digest);
    for (name, _) in files {
        assert!(before.watched.paths.contains(&folder.path(name)), "{name}: {:?}", before.watched);
    }
    assert!(before.watched.paths.iter().all(|path| path.is_absolute()), "{:?}", before.watched);
    let patterns = [folder.path("sec/*.conf"), folder.path("sec/more/*.inc")];
    assert_eq!(before.watched.patterns, patterns);
    let mut digests = vec![before.digest];
    for (name, text) in [
        ("sec/words.data", "attack\nother\n"),
        ("sec/a.conf", "Include more/*.inc\n"),
        ("sec/more/b.inc", "# nothing\n"),
        ("sec/more/c.inc", "# a new one\n"),
    ] {
        folder.write(name, text);
        digests.push(good(&folder).digest);
    }
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), 5, "{digests:?}");
}

#[test]
fn a_reload_compiles_only_what_has_changed() {
    let data = "SecRule ARGS \"@pmFromFile words.data\" \"id:1,phase:2,deny,status:403\"\n";
    let more = "[profile.other]\nseclang = [\"sec/b.conf\"]\n";
    let folder = folder(
        &format!("seclang = [\"sec/a.conf\"]\n{more}"),
        &[("sec/a.conf", data), ("sec/words.data", "attack\n"), ("sec/b.conf", BLOCK)],
    );
    let first = good(&folder);
    let reloaded = |running: &Snapshot| {
        let (said, snapshot) = folder.reload(running);
        snapshot.unwrap_or_else(|| panic!("{said:#?}"))
    };
    let same = |one: &Snapshot, two: &Snapshot| {
        ["sec", "other"].map(|name| {
            let rules = |snapshot: &Snapshot| snapshot.profiles[name].seclang.clone().unwrap();
            rules(one).is_same_as(&rules(two))
        })
    };
    // Routes change: nothing is compiled.
    folder.write(
        "rules/z.toml",
        "version = 1\n[[route]]\nname = \"x\"\nmatch = { path = \"/x\" }\nupstream = \"agents\"",
    );
    let second = reloaded(&first);
    assert_eq!(same(&first, &second), [true, true]);
    assert_ne!(first.digest, second.digest);
    assert_eq!(second.digest, good(&folder).digest, "what is taken over counts like what is compiled");
    assert_eq!(second.watched, good(&folder).watched);
    // A data file changes: its rules are compiled, the others taken over.
    assert!(blocks(&second, "/?a=attack") && !blocks(&second, "/?a=other"));
    folder.write("sec/words.data", "other\n");
    let third = reloaded(&second);
    assert_eq!(same(&second, &third), [false, true]);
    assert!(!blocks(&third, "/?a=attack") && blocks(&third, "/?a=other"));
    // Back again: only the running snapshot is taken over from.
    folder.write("sec/words.data", "attack\n");
    assert_eq!(same(&first, &reloaded(&third)), [false, true]);
    // What does not compile is no snapshot; the running one is as it was.
    folder.write("sec/a.conf", "SecRule ARGS \"@rx (\" \"id:1,phase:2,deny\"\n");
    assert!(folder.reload(&third).1.is_none());
    assert!(blocks(&third, "/?a=other"));
    // A profile that is gone takes its rules along.
    folder.write("sec/a.conf", data);
    folder.write("rules/r.toml", format!("version = 1\n{ROUTE}{USED}[profile.sec]\nseclang = [\"sec/a.conf\"]"));
    assert_eq!(reloaded(&third).seclang.len(), 1);
}

/// The Core Rule Set, where it is; where `RAMPART_SHARED` is set it has to be there.
fn core_rules() -> Option<PathBuf> {
    let given = std::env::var_os("RAMPART_SHARED").map(PathBuf::from);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let path = root.join(given.clone().unwrap_or_else(|| "../shared".into())).join("crs");
    if path.join("rules").is_dir() {
        return Some(path.canonicalize().unwrap());
    }
    assert!(given.is_none(), "RAMPART_SHARED is set, but {} is missing", path.display());
    eprintln!("skipped: {} is not there (RAMPART_SHARED says where the shared test data is)", path.display());
    None
}

/// What `rules/inspection/crs.toml` says can be done is done to the real rule set.
#[test]
fn the_core_rule_set_obeys_the_profile() {
    let Some(crs) = core_rules() else { return };
    let crs = crs.display();
    let seclang = format!("seclang = [\"{crs}/crs-setup.conf.example\", \"{crs}/rules/*.conf\"]");
    let levels = ["blocking_paranoia_level", "detection_paranoia_level", "inbound_anomaly_score_threshold"];
    let attack = "/?a=1%20UNION%20SELECT%20password%20FROM%20users";
    let folder = folder(&seclang, &[]);
    let first = good(&folder);
    assert_eq!(ask(&first, "/", levels).1.map(Option::unwrap), ["1", "1", "5"]);
    assert!(blocks(&first, attack) && !blocks(&first, "/?a=hello"));

    let with = |keys: &str| {
        folder.write("rules/r.toml", format!("version = 1\n{ROUTE}{USED}[profile.sec]\n{seclang}\n{keys}"));
        let (said, snapshot) = folder.reload(&first);
        snapshot.ok_or(said)
    };
    let exclusion = |target: &str, rules: &str| {
        format!("[[exclusion]]\nreason = \"r\"\nroute = \"all\"\ntargets = [\"query:{target}\"]\nrules = {rules}\n")
    };
    let by_category = exclusion("c", "{ category = [\"sqli\"] }");
    let by_tag = exclusion("t", "{ tag = [\"attack-sqli\"] }");
    let by_id = exclusion("i", "{ id = [\"942100\", \"932235\"] }");
    let snapshot = with(&format!("{by_category}{by_tag}{by_id}")).unwrap();
    for (name, expect) in [("a", true), ("c", false), ("t", false)] {
        let target = attack.replace("a=", &format!("{name}="));
        assert_eq!(blocks(&snapshot, &target), expect, "{:?}", ask(&snapshot, &target, []).0.seclang_rules);
    }
    let rules = ask(&snapshot, &attack.replace("a=", "i="), []).0.seclang_rules;
    assert!(!rules.is_empty() && rules.iter().all(|rule| &**rule != "942100"), "{rules:?}");
    let said = with(&exclusion("a", "{ id = [\"999999\"] }")).unwrap_err();
    assert!(said.iter().any(|line| line.contains("999999")), "{said:?}");

    let second = with("paranoia = 2\nthreshold = 10").unwrap();
    assert_eq!(ask(&second, "/", levels).1.map(Option::unwrap), ["2", "2", "10"]);
    assert!(first.loaded.seclang_rules < second.loaded.seclang_rules, "rules of higher levels are folded away");
}
