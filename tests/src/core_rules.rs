//! The OWASP Core Rule Set in a test's gateway: third-party data, read from `$RAMPART_SHARED/crs` (`../shared/crs`) and
//! copied beside the gateway's configuration for as long as the test runs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::process::workspace;
use crate::setup::Setup;

/// A folder of the shared test data. `None`, with the reason printed, where it is absent; where `RAMPART_SHARED` is set
/// it has to be there.
pub fn shared(part: &str) -> Option<PathBuf> {
    let given = std::env::var_os("RAMPART_SHARED").map(PathBuf::from);
    let path = given.clone().unwrap_or_else(|| workspace().join("../shared")).join(part);
    if path.exists() {
        return Some(path);
    }
    assert!(given.is_none(), "RAMPART_SHARED is set, but {} is missing", path.display());
    eprintln!("skipped: {} is not there (RAMPART_SHARED says where the shared test data is)", path.display());
    None
}

/// What `modsecurity.conf` says before the rules, as far as they depend on it.
const BEFORE: &str = r#"SecRuleEngine On
SecRequestBodyAccess On
SecRule REQUEST_HEADERS:Content-Type "^(?:application(?:/soap\+|/)|text/)xml" "id:200000,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "^application/json" "id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"
"#;

/// A profile `crs` that runs all of the rule set at a paranoia level, and nothing else; for a file below `rules/`.
pub fn profile() -> String {
    "[profile.crs]\nseclang = [\"crs/before.conf\", \"crs/crs-setup.conf\", \"crs/level.conf\", \"crs/rules/*.conf\"]\n"
        .to_owned()
}

/// Puts the rule set, set to a paranoia level, into the gateway's folder, where [`profile`] names it.
pub fn install(mut setup: Setup, paranoia: u8) -> Option<Setup> {
    let crs = shared("crs")?;
    let mut level = String::from("SecAction \"id:900005,phase:1,nolog,pass");
    for which in ["blocking", "detection"] {
        write!(level, ",setvar:tx.{which}_paranoia_level={paranoia}").unwrap();
    }
    level.push_str("\"\n");
    setup = setup.file("crs/before.conf", BEFORE).file("crs/level.conf", &level);
    setup = setup.file("crs/crs-setup.conf", &text(&crs.join("crs-setup.conf.example")));
    for entry in std::fs::read_dir(crs.join("rules")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        setup = setup.file(&format!("crs/rules/{name}"), &text(&path));
    }
    Some(setup)
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
