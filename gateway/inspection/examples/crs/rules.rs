//! The rules as the program loads them: a Core Rule Set, and before it what `modsecurity.conf` would say.

use std::path::{Path, PathBuf};

use rampart_inspection::{Files, FilesError, RootedFiles, SecLang};
use rampart_settings::Report;

/// What is not loaded.
#[derive(Default)]
pub(crate) struct Without {
    file: Option<PathBuf>,
    rule: Option<u32>,
}

impl Without {
    pub(crate) fn file(file: &String) -> Self {
        Self { file: Some(file.into()), rule: None }
    }

    pub(crate) fn rule(id: u32) -> Self {
        Self { file: None, rule: Some(id) }
    }
}

/// Names of files that are only in memory.
const BEFORE: &str = "before.conf";
const LEVEL: &str = "level.conf";
const AFTER: &str = "after.conf";

/// The rule set's own files, and ours.
struct WithOurs {
    disk: RootedFiles,
    paranoia: u8,
    without: Option<PathBuf>,
    removed: Option<u32>,
}

impl WithOurs {
    fn ours(&self, path: &Path) -> Option<String> {
        let level = self.paranoia;
        Some(match path.to_str()? {
            BEFORE => "SecRuleEngine On\nSecRequestBodyAccess On\nSecRequestBodyLimit 134217728\n\
                SecRequestBodyNoFilesLimit 134217728\nSecArgumentsLimit 1000000\nSecResponseBodyAccess Off\n\
                SecRule REQUEST_HEADERS:Content-Type \"^(?:application(?:/soap\\+|/)|text/)xml\" \
                \"id:200000,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML\"\n\
                SecRule REQUEST_HEADERS:Content-Type \"^application/json\" \
                \"id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON\"\n"
                .to_owned(),
            LEVEL => format!(
                "SecAction \"id:900005,phase:1,nolog,pass,setvar:tx.blocking_paranoia_level={level},\
                 setvar:tx.detection_paranoia_level={level}\"\n"
            ),
            AFTER => self.removed.map_or_else(String::new, |id| format!("SecRuleRemoveById {id}\n")),
            _ => return None,
        })
    }
}

impl Files for WithOurs {
    fn find(&self, pattern: &Path) -> Result<Vec<PathBuf>, FilesError> {
        if self.ours(pattern).is_some() {
            return Ok(vec![pattern.to_owned()]);
        }
        let mut found = self.disk.find(pattern)?;
        found.retain(|path| Some(path) != self.without.as_ref());
        Ok(found)
    }

    fn read(&self, path: &Path, most: usize) -> Result<Vec<u8>, FilesError> {
        self.ours(path).map_or_else(|| self.disk.read(path, most), |text| Ok(text.into_bytes()))
    }
}

fn set_up(folder: &Path) -> PathBuf {
    ["crs-setup.conf", "crs-setup.conf.example"]
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("{} holds no crs-setup.conf", folder.display()))
}

fn canonical(folder: &Path) -> PathBuf {
    folder.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
}

/// Loads the rules, or says what is wrong with them and stops.
pub(crate) fn load(folder: &Path, paranoia: u8, without: &Without) -> SecLang {
    let folder = canonical(folder);
    let disk = RootedFiles::new([&folder]).unwrap_or_else(|(path, error)| panic!("{}: {error}", path.display()));
    let files = WithOurs { disk, paranoia, without: without.file.clone(), removed: without.rule };
    let patterns = [BEFORE.into(), set_up(&folder), LEVEL.into(), folder.join("rules/*.conf"), AFTER.into()];
    let report = Report::new();
    let rules = SecLang::load(&patterns, &files, &report);
    for diagnostic in report.into_sorted() {
        println!("{diagnostic}");
    }
    rules.expect("the rules can be loaded")
}

/// The rule files, for leaving out.
pub(crate) fn files(folder: &Path) -> Vec<String> {
    let folder = canonical(folder).join("rules");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.path().to_str()?.to_owned()))
        .filter(|path| Path::new(path).extension().is_some_and(|extension| extension == "conf"))
        .collect();
    files.sort_unstable();
    files
}

/// The ids of the rules that judge values: those with a message.
pub(crate) fn ids(folder: &Path) -> Vec<u32> {
    let mut ids = Vec::new();
    for file in files(folder) {
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
        // A rule ends at the first line that is not continued.
        for rule in text.replace("\\\n", " ").lines().filter(|line| line.starts_with("Sec") && line.contains("msg:")) {
            let id = rule.split("id:").nth(1).map(|rest| rest.split([',', '"']).next().unwrap_or_default());
            ids.extend(id.and_then(|id| id.trim().parse::<u32>().ok()));
        }
    }
    ids
}
