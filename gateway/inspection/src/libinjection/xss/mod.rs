//! Cross-site scripting: would a browser that gets the value within a page find a script in it?

mod check;
mod entity;
mod html5;
mod names;

#[cfg(test)]
pub(super) use self::html5::{Html5, Kind as HtmlKind, Start};

pub use self::check::detect_xss;
