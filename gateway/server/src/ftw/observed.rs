//! What came of a request: the answer, and what was logged about it.

use super::wire::Answer;

/// What came of one request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Observed {
    /// The answer, or why there is none.
    pub(crate) answer: Option<Answer>,
    /// Why there is no answer.
    pub(crate) error: Option<String>,
    /// What the gateway logged; `None` where that cannot be known.
    pub(crate) record: Option<Record>,
    /// How long it took: the decision alone in process, the round trip over the network.
    pub(crate) micros: u64,
}

/// What the gateway logged about one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// Ids of every rule that matched, each once, in the order of the log.
    pub(crate) ids: Vec<String>,
    /// One line for each description of a match, as ModSecurity writes them.
    pub(crate) lines: Vec<Vec<u8>>,
    /// The lines are not all there is, or not word by word what ModSecurity writes.
    pub(crate) is_abridged: bool,
}

impl Record {
    /// Notes that a rule matched.
    pub(crate) fn add(&mut self, id: &str) {
        if !self.ids.iter().any(|held| held == id) {
            self.ids.push(id.to_owned());
        }
    }

    /// Whether a rule matched.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.ids.iter().any(|held| held == id)
    }
}

/// One description of a match as a line of ModSecurity's error log, the form that cases look for:
/// `ModSecurity: Warning. [id "942100"] [msg "..."] [data "..."] [severity "..."]`.
pub(crate) fn line(id: &str, message: &str, data: &[u8], severity: &str) -> Vec<u8> {
    let mut line = format!("ModSecurity: Warning. [id \"{id}\"] [msg \"{message}\"] [data \"").into_bytes();
    line.extend_from_slice(data);
    line.extend_from_slice(format!("\"] [severity \"{}\"]", severity.to_ascii_uppercase()).as_bytes());
    line
}
