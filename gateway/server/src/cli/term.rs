//! Output of the commands: answers to standard output, complaints to standard error.
//!
//! A reader that closes the pipe early (`rampart audit query | head`) ends the command quietly.

use std::io::{self, IsTerminal, Write};

/// Writes one answer line to standard output.
///
/// # Errors
/// When standard output cannot be written, a closed pipe included.
pub(crate) fn say(line: &str) -> anyhow::Result<()> {
    writeln!(io::stdout().lock(), "{line}")?;
    Ok(())
}

/// Writes a value as indented JSON to standard output.
///
/// # Errors
/// As [`say`].
pub(crate) fn say_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)?;
    Ok(())
}

/// Writes one line to standard error; where that is closed there is nobody to tell.
pub(crate) fn note(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Shows why a command failed: the cause first, then what lies behind it.
pub(crate) fn complain(error: &anyhow::Error) {
    let label = if use_colour() { "\u{1b}[1;31merror\u{1b}[0m" } else { "error" };
    note(&format!("{label}: {error}"));
    for cause in error.chain().skip(1) {
        note(&format!("  because: {cause}"));
    }
}

/// Whether the error is only that the reader of our output went away.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        let json = cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
        io.or(json) == Some(io::ErrorKind::BrokenPipe)
    })
}

/// Colour on standard error: only to a terminal, and never against <https://no-color.org>.
pub(crate) fn use_colour() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}
