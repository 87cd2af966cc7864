//! Where in a request a token is.

use std::fmt;

use rampart_settings::Place;

/// Where in a request a token may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenPlace {
    /// `Authorization`, after the scheme `Bearer` (RFC 6750 section 2.1).
    Bearer,
    /// The value of this header, whose name is in lower case; a scheme `Bearer` in front is left out.
    Header(Box<str>),
    /// The value of this cookie.
    Cookie(Box<str>),
}

// === impl TokenPlace ===

impl TokenPlace {
    pub(super) fn compile(texts: &[String], place: &Place<'_>) -> Box<[Self]> {
        if texts.is_empty() {
            place.error_help("no place where a token may be", "token = [\"header:authorization\"]");
        }
        let mut places: Vec<Self> = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            let place = place.index(index);
            match Self::parse(text) {
                Some(found) if places.contains(&found) => place.error(format!("\"{text}\" is listed twice")),
                Some(found) => places.push(found),
                None => place.error_help(
                    format!("\"{text}\" is no place where a token may be"),
                    "write \"header:authorization\", \"header:NAME\" or \"cookie:NAME\"",
                ),
            }
        }
        places.into()
    }

    fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once(':')?;
        if !is_name(name) {
            return None;
        }
        match kind {
            "header" if name.eq_ignore_ascii_case("authorization") => Some(Self::Bearer),
            "header" => Some(Self::Header(name.to_ascii_lowercase().into())),
            "cookie" => Some(Self::Cookie(name.into())),
            _ => None,
        }
    }
}

impl fmt::Display for TokenPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bearer => f.write_str("header:authorization"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
        }
    }
}

/// A token of RFC 9110 section 5.6.2, of which header and cookie names are made.
fn is_name(name: &str) -> bool {
    const LONGEST: usize = 128;
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=LONGEST).contains(&name.len()) && name.bytes().all(good)
}
