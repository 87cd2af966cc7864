//! SecLang files: any bytes are read or refused, what is refused has a place, and nothing is skipped silently.
//!
//! The input is a rule file and, behind its first NUL, what it may include and read its data from.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rampart_fuzz::halves;
use rampart_inspection::{MemoryFiles, check_syntax};
use rampart_settings::Report;

fuzz_target!(|input: &[u8]| {
    let (rules, more) = halves(input);
    let files = MemoryFiles::new().with("d/a.conf", rules).with("d/b.conf", more).with("d/x.data", more);
    let report = Report::new();
    let directives = check_syntax(&["d/a.conf"], &files, &report);
    let said = report.into_sorted();

    // A file of one line that is no comment says something, or something is said of it.
    let one_line = !rules.iter().any(|byte| matches!(byte, b'\n' | b'\r' | b'\\'));
    if let (true, Ok(text)) = (one_line, std::str::from_utf8(rules)) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim_ascii();
        let lower = text.to_ascii_lowercase();
        if !text.is_empty() && !text.starts_with('#') && !lower.starts_with("include") {
            assert!(directives + said.len() >= 1, "{text:?} is skipped");
        }
    }
    for one in said {
        assert!(!one.message.is_empty());
        assert!((one.line == 0) == (one.column == 0));
        assert!(one.to_string().len() < 4_000);
    }
});
