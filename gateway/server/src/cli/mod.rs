//! The command line.
use std::process::ExitCode;
pub(crate) fn main() -> ExitCode {
    let _ = crate::demo::start;
    ExitCode::SUCCESS
}
