//! Findings about the configuration, for people: like a compiler's, on standard error, errors last so that they are seen.

use rampart_settings::{Diagnostic, Report, Severity};

use super::term;

/// Shows every finding and how many there were, after which the command gives up.
pub(crate) fn refuse(report: Report, what: &str) {
    let (errors, warnings) = show(report);
    term::note(&format!("{what}: {}", count(errors, warnings)));
}

/// Logs the warnings of a configuration that is used, a line each; `rampart check` shows them at length.
pub(crate) fn log_warnings(report: Report) {
    for finding in report.into_sorted() {
        log::warn!(target: "rampart", "{}:{}:{}: {}", finding.file, finding.line, finding.column, finding.message);
    }
}

/// Shows every finding; how many errors and warnings there were.
pub(crate) fn show(report: Report) -> (usize, usize) {
    let (errors, warnings): (Vec<_>, Vec<_>) =
        report.into_sorted().into_iter().partition(|finding| finding.severity == Severity::Error);
    let is_coloured = term::use_colour();
    for finding in warnings.iter().chain(&errors) {
        term::note(&format!("{}\n", painted(finding, is_coloured)));
    }
    (errors.len(), warnings.len())
}

/// `2 errors and 1 warning`
pub(crate) fn count(errors: usize, warnings: usize) -> String {
    match (errors, warnings) {
        (_, 0) => counted(errors, "error"),
        (0, _) => counted(warnings, "warning"),
        _ => format!("{} and {}", counted(errors, "error"), counted(warnings, "warning")),
    }
}

/// `1 error`, `2 errors`
pub(crate) fn counted(n: usize, word: &str) -> String {
    format!("{n} {word}{}", if n == 1 { "" } else { "s" })
}

/// The finding with its first word in colour.
fn painted(finding: &Diagnostic, is_coloured: bool) -> String {
    let text = finding.to_string();
    if !is_coloured {
        return text;
    }
    match (finding.severity, text.split_once(':')) {
        (Severity::Error, Some((word, rest))) => format!("\u{1b}[1;31m{word}\u{1b}[0m:{rest}"),
        (Severity::Warning, Some((word, rest))) => format!("\u{1b}[1;33m{word}\u{1b}[0m:{rest}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_read_like_a_sentence() {
        for (errors, warnings, expect) in
            [(0, 0, "0 errors"), (1, 0, "1 error"), (0, 2, "2 warnings"), (2, 1, "2 errors and 1 warning")]
        {
            assert_eq!(count(errors, warnings), expect);
        }
    }

    #[test]
    fn colour_says_nothing_that_the_words_do_not() {
        let finding = Diagnostic::about(Severity::Error, "config.toml", "no listener");
        let plain = painted(&finding, false);
        let coloured = painted(&finding, true);
        assert_eq!(coloured.replace("\u{1b}[1;31m", "").replace("\u{1b}[0m", ""), plain);
        assert!(plain.starts_with("error: "));
    }
}
