//! Whether what came of a request is what its case expects.

use std::fmt::Write as _;

use super::observed::{Observed, Record};
use super::suite::Expectation;
use super::wire::Answer;

/// Ids that are shown of a long list.
const SHOWN_IDS: usize = 24;

/// What comparing comes to, when it is not that all is as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Difference {
    /// Everything that is not as expected.
    Wrong(String),
    /// All that is known is as expected, but something is not known.
    Unknown(String),
}

/// Compares.
pub(crate) fn compare(expectation: &Expectation, observed: &Observed) -> Result<(), Difference> {
    let mut wrong = Vec::new();
    let mut unknown = Vec::new();
    match (expectation.error, &observed.answer) {
        // That there is no answer is all that is asked.
        (Some(true), None) => return Ok(()),
        (Some(true), Some(answer)) => wrong.push(format!("answered {} where no answer was expected", answer.status)),
        (_, None) => wrong.push(observed.error.clone().unwrap_or_else(|| "no answer".to_owned())),
        (_, Some(answer)) => compare_answer(expectation, answer, &mut wrong),
    }
    if expectation.reads_log() && observed.answer.is_some() {
        match &observed.record {
            Some(record) => compare_record(expectation, record, &mut wrong, &mut unknown),
            None => wrong.push("what was logged is not known".to_owned()),
        }
    }
    match (wrong.as_slice(), unknown.as_slice()) {
        ([], []) => Ok(()),
        ([], unknown) => Err(Difference::Unknown(unknown.join("; "))),
        (wrong, _) => Err(Difference::Wrong(wrong.join("; "))),
    }
}

fn compare_answer(expectation: &Expectation, answer: &Answer, wrong: &mut Vec<String>) {
    if !expectation.status.is_empty() && !expectation.status.contains(&answer.status) {
        wrong.push(format!("the status is {}", answer.status));
    }
    if let Some(part) = &expectation.response_contains
        && !holds(&answer.text(), part.as_bytes())
    {
        wrong.push(format!("the answer does not hold {part:?}"));
    }
}

fn compare_record(expectation: &Expectation, record: &Record, wrong: &mut Vec<String>, unknown: &mut Vec<String>) {
    let missing: Vec<&str> = expectation.ids.iter().filter(|id| !record.has(id)).map(String::as_str).collect();
    if !missing.is_empty() {
        wrong.push(format!("no match of {}", missing.join(" ")));
    }
    let unwanted: Vec<&str> = expectation.no_ids.iter().filter(|id| record.has(id)).map(String::as_str).collect();
    if !unwanted.is_empty() {
        wrong.push(format!("a match of {}", unwanted.join(" ")));
    }
    if expectation.isolated && record.ids.len() != 1 {
        wrong.push(format!("{} rules matched, not one", record.ids.len()));
    }
    for pattern in &expectation.log {
        if !record.lines.iter().any(|line| pattern.is_match(line)) {
            // Where an event gives only the gist of a line, it cannot say what a line does not hold.
            let which = if record.is_abridged { &mut *unknown } else { &mut *wrong };
            which.push(format!("no log line matches /{pattern}/"));
        }
    }
    for pattern in &expectation.no_log {
        if record.lines.iter().any(|line| pattern.is_match(line)) {
            wrong.push(format!("a log line matches /{pattern}/"));
        }
    }
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}

/// What a case expects, in a line: `ids 942100; not 920100; status 400`.
pub(crate) fn expected(expectation: &Expectation) -> String {
    let mut parts = Vec::new();
    if !expectation.ids.is_empty() {
        parts.push(format!("ids {}", expectation.ids.join(" ")));
    }
    if !expectation.no_ids.is_empty() {
        parts.push(format!("not {}", expectation.no_ids.join(" ")));
    }
    if !expectation.status.is_empty() {
        let several: Vec<String> = expectation.status.iter().map(u16::to_string).collect();
        parts.push(format!("status {}", several.join(" or ")));
    }
    parts.extend(expectation.log.iter().map(|pattern| format!("log /{pattern}/")));
    parts.extend(expectation.no_log.iter().map(|pattern| format!("no log /{pattern}/")));
    parts.extend(expectation.response_contains.iter().map(|part| format!("answer with {part:?}")));
    match expectation.error {
        Some(true) => parts.push("no answer".to_owned()),
        Some(false) => parts.push("an answer".to_owned()),
        None => {}
    }
    if expectation.isolated {
        parts.push("one rule alone".to_owned());
    }
    if parts.is_empty() { "an answer".to_owned() } else { parts.join("; ") }
}

/// What came of it, in a line: `status 403; ids 942100 949110`.
pub(crate) fn got(observed: &Observed) -> String {
    let mut text = match (&observed.answer, &observed.error) {
        (Some(answer), _) => format!("status {}", answer.status),
        (None, Some(error)) => error.clone(),
        (None, None) => "no answer".to_owned(),
    };
    if let Some(record) = &observed.record
        && !record.ids.is_empty()
    {
        let shown: Vec<&str> = record.ids.iter().take(SHOWN_IDS).map(String::as_str).collect();
        let _ = write!(text, "; ids {}", shown.join(" "));
        if record.ids.len() > SHOWN_IDS {
            let _ = write!(text, " and {} more", record.ids.len() - SHOWN_IDS);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::observed::line;
    use super::super::schema::RawOutput;
    use super::*;

    fn expectation(yaml: &str) -> Expectation {
        Expectation::compile(&serde_saphyr::from_str::<RawOutput>(yaml).unwrap()).unwrap()
    }

    fn observed(status: Option<u16>, ids: &[&str], lines: &[&str]) -> Observed {
        Observed {
            answer: status.map(|status| Answer { body: b"body text".to_vec(), ..Answer::bare(status) }),
            error: status.is_none().then(|| "refused".to_owned()),
            record: Some(Record {
                ids: ids.iter().map(|id| (*id).to_owned()).collect(),
                lines: lines.iter().map(|line| line.as_bytes().to_vec()).collect(),
                is_abridged: false,
            }),
            micros: 0,
        }
    }

    fn check(yaml: &str, seen: &Observed, expect: Result<(), &str>) {
        let expect = expect.map_err(|wrong| Difference::Wrong(wrong.to_owned()));
        assert_eq!(compare(&expectation(yaml), seen), expect, "{yaml}");
    }

    #[test]
    fn ids_are_there_or_not() {
        let seen = observed(Some(200), &["942100", "949110"], &[]);
        check("log: {expect_ids: [942100]}", &seen, Ok(()));
        check("log: {expect_ids: [942100, 1, 2]}", &seen, Err("no match of 1 2"));
        check("log: {no_expect_ids: [1]}", &seen, Ok(()));
        check("log: {no_expect_ids: [949110], expect_ids: [3]}", &seen, Err("no match of 3; a match of 949110"));
        check("isolated: true\nlog: {expect_ids: [942100]}", &seen, Err("2 rules matched, not one"));
        check("isolated: true", &observed(Some(200), &["1"], &[]), Ok(()));
    }

    #[test]
    fn status_answer_and_error() {
        let seen = observed(Some(403), &[], &[]);
        check("status: 403", &seen, Ok(()));
        check("status: [200, 403]", &seen, Ok(()));
        check("status: 400", &seen, Err("the status is 403"));
        check("response_contains: dy te", &seen, Ok(()));
        check("response_contains: nobody", &seen, Err("the answer does not hold \"nobody\""));
        check("expect_error: true", &seen, Err("answered 403 where no answer was expected"));
        let lost = observed(None, &[], &[]);
        check("expect_error: true\nlog: {expect_ids: [1]}", &lost, Ok(()));
        check("{}", &lost, Err("refused"));
    }

    #[test]
    fn log_lines_are_matched_as_lines() {
        let text = line("942100", "SQL Injection", b"Matched Data: 1' found within ARGS:x: 1'", "critical");
        let text = String::from_utf8(text).unwrap();
        let seen = observed(Some(200), &["942100"], &[&text]);
        for yaml in [
            "log: {match_regex: 'found within ARGS:x'}",
            r#"log_contains: 'id "942100"'"#,
            r#"log: {match_regex: '\[id "942100"\].*\[msg "SQL Injection"\].*\[severity "CRITICAL"\]'}"#,
            "no_log_contains: 'id \"1\"'",
        ] {
            check(yaml, &seen, Ok(()));
        }
        check("log: {no_match_regex: 'ARGS:x'}", &seen, Err("a log line matches /ARGS:x/"));
        check("log_contains: 'id \"1\"'", &seen, Err("no log line matches /id \"1\"/"));
        let mut gist = seen.clone();
        gist.record.as_mut().unwrap().is_abridged = true;
        let unknown = Err(Difference::Unknown("no log line matches /word by word/".to_owned()));
        let asked = "log: {match_regex: 'word by word', expect_ids: [942100]}";
        assert_eq!(compare(&expectation(asked), &gist), unknown);
        check("log: {match_regex: 'word by word', expect_ids: [1]}", &gist, Err("no match of 1"));
        let blind = Observed { record: None, ..observed(Some(200), &[], &[]) };
        check("log: {no_expect_ids: [1]}", &blind, Err("what was logged is not known"));
        check("status: 200", &blind, Ok(()));
    }

    #[test]
    fn both_sides_are_told_in_a_line() {
        let wanted = expectation("status: 403\nlog: {expect_ids: [1, 2], no_expect_ids: [3]}");
        assert_eq!(expected(&wanted), "ids 1 2; not 3; status 403");
        assert_eq!(got(&observed(Some(200), &["1"], &[])), "status 200; ids 1");
        assert_eq!(got(&observed(None, &[], &[])), "refused");
    }
}
