//! How a path changes on the way to the upstream.

use std::borrow::Cow;

use rampart_message::{PathPolicy, path};
use rampart_settings::Place;
use regex::bytes::Regex;

use crate::raw_rules::{RawRewrite, RawRoute};
use crate::routing::{Pattern, compile_regex};

/// How a path changes on the way to the upstream: a prefix is taken away, then one put in front or a part replaced.
#[derive(Debug, Clone, Default)]
pub struct Rewrite {
    strip_prefix: Option<Box<[u8]>>,
    change: Option<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    AddPrefix(Box<[u8]>),
    Replace { regex: Regex, to: Box<[u8]> },
}

impl Rewrite {
    /// Whether every path stays as it is.
    pub fn is_identity(&self) -> bool {
        self.strip_prefix.is_none() && self.change.is_none()
    }

    /// The path that the upstream sees, of a normalised path. It begins with a slash. What a regular expression made of
    /// the path is normalised again, so that `/a/../b` cannot be put together from parts.
    pub fn apply<'p>(&self, path: &'p [u8]) -> Cow<'p, [u8]> {
        let stripped = self.strip(path);
        match &self.change {
            None => stripped,
            Some(Change::AddPrefix(prefix)) => Cow::Owned([prefix, &*stripped].concat()),
            Some(Change::Replace { regex, to }) => match regex.replace(&stripped, &**to) {
                Cow::Borrowed(_) => stripped,
                Cow::Owned(changed) => Cow::Owned(absolute(&changed)),
            },
        }
    }

    fn strip<'p>(&self, path: &'p [u8]) -> Cow<'p, [u8]> {
        let rest = self.strip_prefix.as_ref().and_then(|prefix| path.strip_prefix(&**prefix));
        match rest {
            Some([]) => Cow::Borrowed(b"/"),
            Some(rest) if rest.starts_with(b"/") => Cow::Borrowed(rest),
            // The prefix is not there, or ends inside a segment.
            _ => Cow::Borrowed(path),
        }
    }

    pub(crate) fn compile(raw: &RawRoute, pattern: Option<&Pattern>, place: &Place<'_>) -> Self {
        let strip_prefix = raw.strip_prefix.as_deref().and_then(|prefix| {
            let place = place.key("strip_prefix");
            let prefix = prefix_of(prefix, &place)?;
            if let Some(pattern) = pattern
                && !pattern.begins_with(&prefix)
            {
                let message = format!("no path of this route begins with it: the route is for {:?}", pattern.text());
                place.error(message);
            }
            Some(prefix.into_bytes().into())
        });
        let place = place.key("rewrite");
        Self { strip_prefix, change: raw.rewrite.as_ref().and_then(|raw| Change::compile(raw, &place)) }
    }
}

impl Change {
    fn compile(raw: &RawRewrite, place: &Place<'_>) -> Option<Self> {
        match (&raw.add_prefix, &raw.regex, &raw.to) {
            (Some(prefix), None, None) => {
                let prefix = prefix_of(prefix, &place.key("add_prefix"))?;
                Some(Self::AddPrefix(prefix.into_bytes().into()))
            }
            (None, Some(pattern), Some(to)) => match compile_regex(pattern) {
                Ok(regex) => {
                    check_groups(&regex, to, &place.key("to"));
                    Some(Self::Replace { regex, to: to.as_bytes().into() })
                }
                Err(why) => {
                    place.key("regex").error(why);
                    None
                }
            },
            (Some(_), _, _) => {
                place.error("`add_prefix` stands alone");
                None
            }
            _ => {
                place.error_help(
                    "neither a prefix nor a replacement",
                    "write { add_prefix = \"/v2\" }, or { regex = \"^/old/\", to = \"/new/\" }",
                );
                None
            }
        }
    }
}

/// A prefix of whole segments: normalised, with a slash in front and none at the end.
fn prefix_of(text: &str, place: &Place<'_>) -> Option<String> {
    let trimmed = text.strip_suffix('/').unwrap_or(text);
    let normal = path::scan(trimmed.as_bytes());
    if trimmed.is_empty() || PathPolicy::STRICT.check(normal.problems()).is_err() {
        place.error_help(format!("{text:?} is not a prefix of paths"), "such as \"/llm/openai\"");
        return None;
    }
    match std::str::from_utf8(normal.as_bytes()) {
        Ok(written) if written == trimmed => Some(trimmed.to_owned()),
        Ok(written) => {
            place.error_help("paths are normalised, so none begins with it", format!("write \"{written}\""));
            None
        }
        Err(_) => None,
    }
}

/// A group that does not exist would be replaced by nothing, silently.
fn check_groups(regex: &Regex, to: &str, place: &Place<'_>) {
    let mut rest = to;
    while let Some((_, after)) = rest.split_once('$') {
        if let Some(escaped) = after.strip_prefix('$') {
            rest = escaped;
            continue;
        }
        let name = match after.strip_prefix('{') {
            Some(braced) => braced.split_once('}').map_or(braced, |(name, _)| name),
            None => after.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().unwrap_or_default(),
        };
        rest = after;
        let known = match name.parse::<usize>() {
            Ok(number) => number < regex.captures_len(),
            Err(_) => regex.capture_names().flatten().any(|group| group == name),
        };
        if !known {
            place.error_help(
                format!("the expression has no group \"{name}\""),
                "`${name}` ends a name where a letter follows; `$$` is a dollar sign",
            );
        }
    }
}

fn absolute(path: &[u8]) -> Vec<u8> {
    let path = if path.starts_with(b"/") { Cow::Borrowed(path) } else { Cow::Owned([b"/", path].concat()) };
    path::scan(&path).into_bytes().into_owned()
}
