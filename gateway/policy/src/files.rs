//! Reading the rules directory.

use rampart_settings::Size;

/// Files of a rules directory at most.
pub const MAX_FILES: usize = 4_096;
/// Bytes of one file at most.
pub const MAX_FILE: Size = Size::mib(8);
