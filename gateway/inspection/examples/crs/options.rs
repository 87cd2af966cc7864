//! What the program is asked for.

use std::path::PathBuf;

/// What is left out to see what it costs.
#[derive(Clone, Copy)]
pub(crate) enum Cost {
    Files,
    Rules,
}

pub(crate) struct Options {
    pub(crate) rules: PathBuf,
    pub(crate) paranoia: u8,
    pub(crate) repeat: u32,
    pub(crate) only: Option<String>,
    pub(crate) oracle: Option<PathBuf>,
    pub(crate) out: Option<PathBuf>,
    pub(crate) slowest: usize,
    pub(crate) cost: Option<Cost>,
    pub(crate) files: Vec<PathBuf>,
}

impl Options {
    pub(crate) fn of_arguments() -> Self {
        let shared = std::env::var_os("RAMPART_SHARED").map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
        let mut options = Self {
            rules: shared.join("crs"),
            paranoia: 1,
            repeat: 5,
            only: None,
            oracle: None,
            out: None,
            slowest: 0,
            cost: None,
            files: Vec::new(),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} wants a value"));
            match argument.as_str() {
                "--rules" => options.rules = value().into(),
                "--paranoia" => options.paranoia = value().parse().expect("a paranoia level"),
                "--repeat" => options.repeat = value().parse().expect("a number of passes"),
                "--only" => options.only = Some(value()),
                "--oracle" => options.oracle = Some(value().into()),
                "--out" => options.out = Some(value().into()),
                "--slowest" => options.slowest = value().parse().expect("a number"),
                "--cost" => options.cost = Some(cost(&value())),
                file if !file.starts_with("--") => options.files.push(file.into()),
                other => panic!("no option {other}; see the top of examples/crs/main.rs"),
            }
        }
        if options.files.is_empty() {
            options.files.push(shared.join("corpora/blazehttp.jsonl"));
        }
        options
    }
}

fn cost(word: &str) -> Cost {
    match word {
        "file" => Cost::Files,
        "rule" => Cost::Rules,
        other => panic!("--cost {other}: file or rule"),
    }
}
