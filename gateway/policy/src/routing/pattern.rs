//! Path patterns: `/a/b` exactly, `*` for one segment, a trailing `**` for any number of them.

use rampart_message::{PathPolicy, path};

/// Segments of a pattern at most. It bounds the recursion of a search.
const MAX_SEGMENTS: usize = 64;

/// A pattern of paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    text: Box<str>,
    pub(crate) segments: Vec<Segment>,
    /// Whether it ends in `**`: what the segments describe, and all below.
    pub(crate) tail: bool,
    rank: Rank,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    Literal(Box<[u8]>),
    /// One segment that is not empty.
    Star,
}

/// How specific a pattern is; greater is more specific.
///
/// "Fewer wildcards" is said of the segments of a path: of two patterns that fit it, the one that leaves fewer of its
/// segments to wildcards. `**` may stand for any number of them, so a pattern without it is more specific, and of two
/// with it the one that says more before it: `/a/*/b/**` rather than `/a/**`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Rank {
    Wild {
        /// Bytes before the first wildcard.
        literal_prefix: usize,
        /// Whether there is no `**`.
        closed: bool,
        /// Segments that are literal.
        literals: usize,
        /// Segments, `**` not counted.
        segments: usize,
    },
    Exact,
}

/// Why a text is not a pattern, and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadPattern {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Pattern {
    /// Reads a pattern. It has to be written as paths are matched: normalised.
    pub(crate) fn parse(text: &str, policy: PathPolicy) -> Result<Self, BadPattern> {
        let bad = |message: String, help: &str| Err(BadPattern { message, help: Some(help.to_owned()) });
        if text.is_empty() || !text.starts_with('/') {
            return bad(format!("a path begins with a slash, not {text:?}"), "write \"/**\" for every path");
        }
        let normal = path::scan(text.as_bytes());
        if let Err(problem) = policy.check(normal.problems()) {
            return bad(format!("no request has this path: {problem}"), "`allow` in the route takes some odd paths");
        }
        if normal.as_bytes() != text.as_bytes() {
            let written = String::from_utf8_lossy(normal.as_bytes()).into_owned();
            let message = "paths are normalised before they are matched, so no request has this one".to_owned();
            return Err(BadPattern { message, help: Some(format!("write \"{written}\"")) });
        }
        Self::split(text).map_err(|(message, help)| BadPattern { message, help: Some(help.to_owned()) })
    }

    fn split(text: &str) -> Result<Self, (String, &'static str)> {
        let mut parts: Vec<&str> = text.get(1..).unwrap_or_default().split('/').collect();
        let tail = parts.last() == Some(&"**");
        if tail {
            parts.pop();
        }
        if parts.len() > MAX_SEGMENTS {
            return Err((format!("{} segments where at most {MAX_SEGMENTS} are allowed", parts.len()), "shorten it"));
        }
        let mut segments = Vec::with_capacity(parts.len());
        for part in parts {
            segments.push(match part {
                "*" => Segment::Star,
                "**" => return Err(("`**` stands only at the end".to_owned(), "write `*` for one segment")),
                part if part.contains('*') => {
                    let message = format!("`*` stands for a whole segment, not for a part of {part:?}");
                    return Err((message, "write `*` alone between two slashes"));
                }
                part => Segment::Literal(part.as_bytes().into()),
            });
        }
        let rank = rank(&segments, tail);
        Ok(Self { text: text.into(), segments, tail, rank })
    }

    /// The pattern as it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) const fn rank(&self) -> Rank {
        self.rank
    }

    /// Whether every path that fits begins with `prefix`, a prefix of whole segments.
    pub(crate) fn begins_with(&self, prefix: &str) -> bool {
        let mut wanted = prefix.split('/').skip(1);
        let mut own = self.segments.iter();
        wanted.all(|segment| matches!(own.next(), Some(Segment::Literal(text)) if **text == *segment.as_bytes()))
    }

    /// Whether some path fits both patterns.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let fit = self.segments.iter().zip(&other.segments).all(|pair| match pair {
            (Segment::Literal(a), Segment::Literal(b)) => a == b,
            (Segment::Star, Segment::Literal(one)) | (Segment::Literal(one), Segment::Star) => !one.is_empty(),
            (Segment::Star, Segment::Star) => true,
        });
        let (mine, others) = (self.segments.len(), other.segments.len());
        fit && (mine == others || (mine < others && self.tail) || (others < mine && other.tail))
    }
}

fn rank(segments: &[Segment], tail: bool) -> Rank {
    let stars = segments.iter().filter(|segment| **segment == Segment::Star).count();
    if stars == 0 && !tail {
        return Rank::Exact;
    }
    let literal = segments.iter().map_while(|segment| match segment {
        Segment::Literal(text) => Some(text.len() + 1),
        Segment::Star => None,
    });
    Rank::Wild {
        literal_prefix: 1 + literal.sum::<usize>(),
        closed: !tail,
        literals: segments.len() - stars,
        segments: segments.len(),
    }
}
