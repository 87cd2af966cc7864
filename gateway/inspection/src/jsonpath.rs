//! The part of JSONPath (RFC 9535) that targets may use, matched against the linked names of a parsed document.
//!
//! Supported: `$`, `.name`, `['name']`, `["name"]`, `[3]`, `[*]`, `.*`, `..name`, `..*`, `..[*]`. Not supported, and
//! therefore an error when the rules are read: filters, slices, unions and negative indexes. A path selects exactly the
//! nodes that it names; `$.a` does not cover `$.a.b` (write `$.a..*` for all below).
//!
//! Paths are compared step by step with the steps of a value, never by rendering a string.

use std::fmt;

/// One step of a value's own path, from the root down: what a path is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node<'a> {
    /// Member of an object.
    Key(&'a [u8]),
    /// Element of an array.
    Index(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(Box<[u8]>),
    Index(usize),
    Any,
    /// Any number of levels, also none.
    Deep,
}

impl Step {
    fn sample(&self) -> Option<Node<'_>> {
        match self {
            Self::Key(key) => Some(Node::Key(key)),
            Self::Index(index) => Some(Node::Index(*index)),
            Self::Any => Some(Node::Index(0)),
            Self::Deep => None,
        }
    }
}

/// A compiled path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPath {
    steps: Box<[Step]>,
}

/// Why a text is no path that Rampart understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPathError {
    /// Byte offset in the text.
    pub at: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

impl fmt::Display for JsonPathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.reason, self.at)
    }
}

/// Steps in one path; a bound for the matcher's work.
const MAX_STEPS: usize = 32;

impl JsonPath {
    /// Reads a path.
    ///
    /// # Errors
    /// What is not in the supported part of RFC 9535, with the offset.
    pub fn parse(text: &str) -> Result<Self, JsonPathError> {
        let mut parser = Parser { bytes: text.as_bytes(), at: 0 };
        let mut steps = Vec::new();
        if !parser.take(b"$") {
            return Err(parser.error("a JSONPath begins with `$`"));
        }
        while parser.at < parser.bytes.len() {
            parser.segment(&mut steps)?;
            if steps.len() > MAX_STEPS {
                return Err(parser.error("more than 32 steps"));
            }
        }
        Ok(Self { steps: steps.into_boxed_slice() })
    }

    /// Steps of one value that the path selects: `*` stands for the first element, `..` for no level.
    pub fn sample(&self) -> Vec<Node<'_>> {
        self.steps.iter().filter_map(Step::sample).collect()
    }

    /// Whether the path selects the value whose steps from the root are `nodes`.
    pub fn selects(&self, nodes: &[Node<'_>]) -> bool {
        matches_steps(&self.steps, nodes)
    }
}

/// Greedy with one point of return, as for `*` in file names: linear in nodes times steps.
fn matches_steps(steps: &[Step], nodes: &[Node<'_>]) -> bool {
    let (mut s, mut n) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        match (steps.get(s), nodes.get(n)) {
            (None, None) => return true,
            (Some(Step::Deep), _) => {
                retry = Some((s, n));
                s += 1;
                continue;
            }
            (Some(step), Some(node)) if step_fits(step, *node) => {
                s += 1;
                n += 1;
                continue;
            }
            _ => {}
        }
        match retry {
            Some((deep, from)) if from < nodes.len() => {
                retry = Some((deep, from + 1));
                s = deep + 1;
                n = from + 1;
            }
            _ => return false,
        }
    }
}

fn step_fits(step: &Step, node: Node<'_>) -> bool {
    match (step, node) {
        (Step::Any, _) => true,
        (Step::Key(wanted), Node::Key(key)) => wanted.as_ref() == key,
        (Step::Index(wanted), Node::Index(index)) => *wanted == index,
        _ => false,
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn error(&self, reason: &'static str) -> JsonPathError {
        JsonPathError { at: self.at, reason }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, text: &[u8]) -> bool {
        let found = self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(text));
        if found {
            self.at += text.len();
        }
        found
    }

    fn segment(&mut self, steps: &mut Vec<Step>) -> Result<(), JsonPathError> {
        if self.take(b"..") {
            steps.push(Step::Deep);
            return if self.peek() == Some(b'[') { self.bracket(steps) } else { self.member(steps) };
        }
        if self.take(b".") {
            return self.member(steps);
        }
        self.bracket(steps)
    }

    fn member(&mut self, steps: &mut Vec<Step>) -> Result<(), JsonPathError> {
        if self.take(b"*") {
            steps.push(Step::Any);
            return Ok(());
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_' || **b >= 0x80).count();
        let name = rest.get(..length).unwrap_or_default();
        if name.first().is_none_or(u8::is_ascii_digit) {
            return Err(self.error("expected a member name (write others as ['name'])"));
        }
        steps.push(Step::Key(name.into()));
        self.at += length;
        Ok(())
    }

    fn bracket(&mut self, steps: &mut Vec<Step>) -> Result<(), JsonPathError> {
        if !self.take(b"[") {
            return Err(self.error("expected `.`, `..` or `[`"));
        }
        let step = match self.peek() {
            Some(b'*') => {
                self.at += 1;
                Step::Any
            }
            Some(quote @ (b'\'' | b'"')) => Step::Key(self.quoted(quote)?),
            Some(b'0'..=b'9') => Step::Index(self.index()?),
            Some(b'?') => return Err(self.error("filters are not supported")),
            Some(b'-') => return Err(self.error("negative indexes are not supported")),
            _ => return Err(self.error("expected `*`, an index or a quoted name")),
        };
        if !self.take(b"]") {
            return Err(self.error("expected `]` (slices and unions are not supported)"));
        }
        steps.push(step);
        Ok(())
    }

    fn quoted(&mut self, quote: u8) -> Result<Box<[u8]>, JsonPathError> {
        self.at += 1;
        let mut name = Vec::new();
        loop {
            match self.peek() {
                None => return Err(self.error("the quoted name does not end")),
                Some(b) if b == quote => {
                    self.at += 1;
                    return Ok(name.into());
                }
                Some(b'\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some(b @ (b'\\' | b'\'' | b'"' | b'/')) => name.push(b),
                        _ => return Err(self.error("only \\\\, \\', \\\" and \\/ are supported as escapes")),
                    }
                }
                Some(b) => name.push(b),
            }
            self.at += 1;
        }
    }

    fn index(&mut self) -> Result<usize, JsonPathError> {
        let mut value: usize = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            value = value
                .checked_mul(10)
                .and_then(|v| v.checked_add(usize::from(digit - b'0')))
                .ok_or_else(|| self.error("the index is too large"))?;
            self.at += 1;
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(text: &str) -> Vec<Node<'_>> {
        text.split('/')
            .filter(|part| !part.is_empty())
            .map(|part| part.parse().map_or(Node::Key(part.as_bytes()), Node::Index))
            .collect()
    }

    #[test]
    fn selects_what_rfc_9535_says() {
        for (path, value, expect) in [
            ("$", "", true),
            ("$", "a", false),
            ("$.a", "a", true),
            ("$.a", "a/b", false),
            ("$.a", "b", false),
            ("$['a b']", "a b", true),
            ("$[\"a\"]['b']", "a/b", true),
            ("$['it\\'s']", "it's", true),
            ("$.steps[*].text", "steps/0/text", true),
            ("$.steps[*].text", "steps/12/text", true),
            ("$.steps[*].text", "steps/text", false),
            ("$.steps[1].text", "steps/0/text", false),
            ("$.steps[1].text", "steps/1/text", true),
            ("$.*", "a", true),
            ("$.*", "0", true),
            ("$..text", "text", true),
            ("$..text", "a/1/b/text", true),
            ("$..text", "a/1/b/text/c", false),
            ("$..a.b", "a/a/b", true),
            ("$..a..b", "x/a/y/b", true),
            ("$..a..b", "x/b/y/a", false),
            ("$.a..*", "a/b/c", true),
            ("$.a..*", "a", false),
            ("$..[*]", "a/b", true),
            ("$..[0]", "a/0", true),
        ] {
            assert_eq!(JsonPath::parse(path).unwrap().selects(&nodes(value)), expect, "{path} on {value}");
        }
    }

    #[test]
    fn refuses_the_rest_with_the_place() {
        for (path, at, reason) in [
            ("", 0, "a JSONPath begins with `$`"),
            ("a.b", 0, "a JSONPath begins with `$`"),
            ("$a", 1, "expected `.`, `..` or `[`"),
            ("$.", 2, "expected a member name (write others as ['name'])"),
            ("$.a[?(@.b)]", 4, "filters are not supported"),
            ("$.a[-1]", 4, "negative indexes are not supported"),
            ("$.a[1:2]", 5, "expected `]` (slices and unions are not supported)"),
            ("$.a[1,2]", 5, "expected `]` (slices and unions are not supported)"),
            ("$['a", 4, "the quoted name does not end"),
            ("$.a b", 3, "expected `.`, `..` or `[`"),
        ] {
            assert_eq!(JsonPath::parse(path), Err(JsonPathError { at, reason }), "{path}");
        }
    }
}
