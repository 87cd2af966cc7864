//! The outcome as a JUnit report, for pipelines that show one.
//!
//! The form that CI systems agree on: `testsuites` of a `testsuite` for each rule file, of a `testcase` for each stage.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::summary::{CaseResult, Status, Summary};

/// The report as XML.
pub(super) fn report(summary: &Summary) -> String {
    let mut suites: BTreeMap<&str, Vec<&CaseResult>> = BTreeMap::new();
    for case in &summary.cases {
        suites.entry(&case.group).or_default().push(case);
    }
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let Summary { failed, skipped, cases, .. } = summary;
    let total = cases.len();
    let _ = writeln!(
        xml,
        "<testsuites name=\"rampart test\" tests=\"{total}\" failures=\"{failed}\" skipped=\"{skipped}\" time=\"{}\">",
        seconds(cases.iter())
    );
    for (name, cases) in suites {
        suite(&mut xml, name, &cases);
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn suite(xml: &mut String, name: &str, cases: &[&CaseResult]) {
    let count = |status| cases.iter().filter(|case| case.status == status).count();
    let _ = writeln!(
        xml,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\" time=\"{}\">",
        escape(name),
        cases.len(),
        count(Status::Fail),
        count(Status::Skip),
        seconds(cases.iter().copied())
    );
    for case in cases {
        let stage = if case.stage > 1 { format!(" stage {}", case.stage) } else { String::new() };
        let _ = write!(
            xml,
            "    <testcase name=\"{}{stage}\" classname=\"{}\" file=\"{}\" time=\"{}\"",
            escape(&case.id),
            escape(name),
            escape(&case.file),
            seconds(std::iter::once(*case))
        );
        match case.status {
            Status::Pass => xml.push_str("/>\n"),
            Status::Fail => {
                let message = escape(&case.detail);
                let (expected, got) = (escape(&case.expected), escape(&case.got));
                let _ = write!(xml, ">\n      <failure message=\"{message}\">expected {expected}; got {got}</failure>");
                xml.push_str("\n    </testcase>\n");
            }
            Status::Skip => {
                let _ = writeln!(xml, ">\n      <skipped message=\"{}\"/>\n    </testcase>", escape(&case.detail));
            }
        }
    }
    xml.push_str("  </testsuite>\n");
}

fn seconds<'c>(cases: impl Iterator<Item = &'c CaseResult>) -> String {
    let micros: u64 = cases.map(|case| case.micros).sum();
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// Text for attributes and elements; what XML 1.0 cannot hold becomes U+FFFD.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\r' => out.push_str("&#13;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            character if character.is_ascii_control() && character != '\u{7f}' => out.push('\u{fffd}'),
            character => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_counts_and_escapes() {
        let case = |id: &str, status, detail: &str| CaseResult {
            id: id.to_owned(),
            file: "a.yaml".to_owned(),
            stage: 1,
            status,
            expected: "ids 1".to_owned(),
            got: "status 200".to_owned(),
            micros: 1_500_000,
            group: "R&D".to_owned(),
            detail: detail.to_owned(),
        };
        let summary = Summary::of(vec![
            case("1-1", Status::Pass, ""),
            case("1-2", Status::Fail, "no match of \"<1>\"\u{0}"),
            case("1-3", Status::Skip, "because"),
        ]);
        let xml = report(&summary);
        for part in [
            "<testsuites name=\"rampart test\" tests=\"3\" failures=\"1\" skipped=\"1\" time=\"4.500000\">",
            "<testsuite name=\"R&amp;D\" tests=\"3\" failures=\"1\" skipped=\"1\" time=\"4.500000\">",
            "<testcase name=\"1-1\" classname=\"R&amp;D\" file=\"a.yaml\" time=\"1.500000\"/>",
            "<failure message=\"no match of &quot;&lt;1&gt;&quot;\u{fffd}\">expected ids 1; got status 200</failure>",
            "<skipped message=\"because\"/>",
        ] {
            assert!(xml.contains(part), "without {part}:\n{xml}");
        }
        assert_eq!(xml.matches("</testcase>").count(), 2);
    }
}
