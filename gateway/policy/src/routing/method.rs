//! The methods that a route takes.

use std::fmt::Write as _;

/// Methods that have a bit; the order is that of an `Allow` field.
const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
/// Bytes of a method's name at most.
const LONGEST: usize = 32;

/// A set of methods, or all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Methods {
    /// `None` is any method.
    listed: Option<Listed>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Listed {
    known: u16,
    others: Vec<Box<str>>,
}

impl Methods {
    /// Those listed; any, if none is. `GET` brings `HEAD` (RFC 9110 section 9.3.2).
    pub(crate) fn of<'m>(names: impl IntoIterator<Item = &'m str>) -> Self {
        let mut listed = Listed::default();
        for name in names {
            match bit(name.as_bytes()) {
                Some(bit) => listed.known |= bit,
                None if listed.others.iter().any(|other| **other == *name) => {}
                None => listed.others.push(name.into()),
            }
        }
        if bit(b"GET").is_some_and(|get| listed.known & get != 0) {
            listed.known |= bit(b"HEAD").unwrap_or_default();
        }
        Self { listed: (listed != Listed::default()).then_some(listed) }
    }

    /// Whether `name` can be a method, and if not, why.
    pub(crate) fn check(name: &str) -> Result<(), String> {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || name.len() > LONGEST || !name.bytes().all(token) {
            return Err(format!("{name:?} is not a method"));
        }
        let upper = name.to_ascii_uppercase();
        if upper != name && bit(upper.as_bytes()).is_some() {
            return Err(format!("methods are in upper case: \"{upper}\", not \"{name}\""));
        }
        Ok(())
    }

    pub(crate) const fn is_listed(&self) -> bool {
        self.listed.is_some()
    }

    pub(crate) fn takes(&self, method: &[u8]) -> bool {
        let Some(listed) = &self.listed else { return true };
        match bit(method) {
            Some(bit) => listed.known & bit != 0,
            None => listed.others.iter().any(|other| other.as_bytes() == method),
        }
    }

    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        match (&self.listed, &other.listed) {
            (Some(a), Some(b)) => a.known & b.known != 0 || a.others.iter().any(|name| b.others.contains(name)),
            _ => true,
        }
    }

    /// Takes the listed methods of `other` in. Used for `Allow`: there every route lists its methods.
    pub(crate) fn join(&mut self, other: &Self) {
        let Some(more) = &other.listed else { return };
        let listed = self.listed.get_or_insert_default();
        listed.known |= more.known;
        let new: Vec<Box<str>> = more.others.iter().filter(|name| !listed.others.contains(name)).cloned().collect();
        listed.others.extend(new);
    }

    /// The value of an `Allow` field.
    pub(crate) fn allow(&self) -> String {
        let mut text = String::new();
        let Some(listed) = &self.listed else { return text };
        let known = KNOWN.iter().filter(|name| bit(name.as_bytes()).is_some_and(|bit| listed.known & bit != 0));
        for name in known.copied().chain(listed.others.iter().map(AsRef::as_ref)) {
            let _ = write!(text, "{}{name}", if text.is_empty() { "" } else { ", " });
        }
        text
    }
}

fn bit(method: &[u8]) -> Option<u16> {
    KNOWN.iter().position(|name| name.as_bytes() == method).map(|position| 1 << position)
}
