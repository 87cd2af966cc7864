//! What does not fit the schema: each mistake with its exact words and place.

use super::{brief, findings};

fn check(text: &str, expect: &[&str]) {
    let (value, found) = findings(text);
    assert_eq!(brief(&found), expect, "{text}");
    assert_eq!(value.is_none(), !expect.is_empty(), "{text}");
}

#[test]
fn keys() {
    check("", &["1:1 : missing key \"version\""]);
    check("version = 1\nprot = 1", &["2:1 prot: unknown key \"prot\" (did you mean \"port\"?)"]);
    check(
        "version = 1\n[[route]]\nname = \"a\"\n[[route]]\nnmae = \"b\"",
        &["4:1 route[1]: missing key \"name\"", "5:1 route[1].nmae: unknown key \"nmae\" (did you mean \"name\"?)"],
    );
    check(
        "version = 1\n[table.x]\nname = \"a\"\ncolour = 1",
        &["4:1 table.x.colour: unknown key \"colour\" (known here: \"name\", \"size\")"],
    );
    check(
        "version = 1\n[table.\"a b\"]\nname = 1",
        &["3:8 table.\"a b\".name: expected a string, found the integer 1"],
    );
}

#[test]
fn types() {
    check("version = \"1\"", &["1:11 version: expected an integer, found the string \"1\""]);
    check("version = 1\non = \"yes\"", &["2:6 on: expected a boolean, found the string \"yes\""]);
    check("version = 1\nroute = 5", &["2:9 route: expected an array, found the integer 5"]);
    check("version = 1\nroute = [5]", &["2:10 route[0]: expected a table, found the integer 5"]);
    check("version = 1\nlabel = 1979-05-27", &["2:9 label: expected a string, found a date"]);
    check("version = 1\nlabel = [1]", &["2:9 label: expected a string, found an array"]);
    check("version = 1\nport = 1.5", &["2:8 port: expected an integer, found the float 1.5"]);
    check("version = 1\nratio = 1", &[]);
    check(
        "version = 1\nnames = true",
        &["2:9 names: expected a string or an array or a table, found the boolean true"],
    );
    check(
        "version = 1\nwait = 30",
        &[
            "2:8 wait: expected a duration, found the integer 30 (for example \"250ms\", \"30s\", \"5m\", \"24h\", \"7d\")",
        ],
    );
}

#[test]
fn values() {
    check("version = 1\nport = 70000", &["2:8 port: 70000 is out of range (0 to 65535)"]);
    check("version = 1\nport = -1", &["2:8 port: -1 is out of range (0 to 65535)"]);
    check("version = 1\ncount = 4294967296", &["2:9 count: 4294967296 is out of range (0 to 4294967295)"]);
    check("version = 1\ncount = 4294967295", &[]);
    check("version = 1\nroom = -1", &["2:8 room: -1 is out of range (at least 0)"]);
    check(
        "version = 1\nroom = \"8Mib\"",
        &["2:8 room: \"8Mib\" is not a size: unknown unit \"Mib\" (for example \"64KiB\", \"8MiB\", \"10MB\", 65536)"],
    );
    check("version = 1\nmode = \"blok\"", &["2:8 mode: unknown value \"blok\" (did you mean \"block\"?)"]);
    check("version = 1\nmode = \"x\"", &["2:8 mode: unknown value \"x\" (one of \"off\", \"block\", \"detect\")"]);
    check("version = 1\nspan = \"block\"", &[]);
    check("version = 1\nspan = \"10s\"", &[]);
    check("version = 1\nspan = \"blok\"", &["2:8 span: unknown value \"blok\" (did you mean \"block\"?)"]);
    check(
        "version = 1\nspan = \"10 s\"",
        &[
            "2:8 span: \"10 s\" is not a duration: not a whole number with a unit (for example \"250ms\", \"30s\", \"5m\", \"24h\", \"7d\", or one of \"off\", \"block\", \"detect\")",
        ],
    );
    check("version = 1\nfew = []", &["2:7 few: 0 items where at least 1 are needed"]);
    check(
        "version = 1\nfew = [1, 2, 300]",
        &["2:7 few: 3 items where at most 2 are allowed", "2:14 few[2]: 300 is out of range (0 to 255)"],
    );
    check("version = 1\nlabel = \"\"", &["2:9 label: the string is empty"]);
    check("version = 1\nlabel = \"123456789\"", &["2:9 label: the string has 9 characters, more than 8"]);
    check(
        "version = 99999999999999999999",
        &["1:11 : not valid TOML: the integer 99999999999999999999 does not fit into 64 bits"],
    );
}

#[test]
fn alternatives() {
    check("version = 1\nnames = { name = 1 }", &["2:18 names.name: expected a string, found the integer 1"]);
    check("version = 1\nnames = [1]", &["2:10 names[0]: expected a string, found the integer 1"]);
    check(
        "version = 1\noperator = { regx = \"x\" }",
        &["2:14 operator.regx: unknown key \"regx\" (did you mean \"regex\"?)"],
    );
    check(
        "version = 1\noperator = { phrases = 1 }",
        &["2:24 operator.phrases: expected an array, found the integer 1"],
    );
    check("version = 1\noperator = {}", &["2:12 operator: the table is empty (one of \"phrases\", \"regex\")"]);
}

#[test]
fn what_may_be_a_secret_is_not_repeated() {
    check(
        "version = 1\nsecret = \"hunter2\"",
        &["2:10 secret: the value does not have the form ^secret:// (for example \"secret://x\")"],
    );
    let (_, found) = findings("version = 1\nsecret = \"hunter2\"");
    assert!(!found[0].to_string().contains("hunter2"), "{}", found[0]);
    let (_, found) = findings("version = 1\nsecret = 271828");
    assert_eq!(brief(&found), ["2:10 secret: expected a string, found an integer (for example \"secret://x\")"]);
    assert!(!found[0].to_string().contains("271828"), "{}", found[0]);
}

#[test]
fn all_mistakes_of_a_file_are_found_in_one_go() {
    check(
        "version = 3\nport = \"x\"\nbogus = 1\n[[route]]\nsize = \"9\"\n[table.y]\nname = []",
        &[
            "1:11 version: 3 is out of range (only 1 is known)",
            "2:8 port: expected an integer, found the string \"x\"",
            "3:1 bogus: unknown key \"bogus\" (known here: \"count\", \"few\", \"label\", \"mode\", \"names\", \"on\", \
             \"operator\", \"port\", \"ratio\", \"room\", \"route\", \"secret\", ...)",
            "4:1 route[0]: missing key \"name\"",
            "5:8 route[0].size: \"9\" is not a size: the unit is missing (for example \"64KiB\", \"8MiB\", \"10MB\", 65536)",
            "7:8 table.y.name: expected a string, found an array",
        ],
    );
}

#[test]
fn nesting_is_bounded() {
    let (value, found) = findings(&format!("version = 1\nfew = {}1{}", "[".repeat(5_000), "]".repeat(5_000)));
    assert!(value.is_none());
    assert!(!found.is_empty());
}
