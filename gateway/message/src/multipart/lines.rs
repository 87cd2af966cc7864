//! Where the parts of a multipart body begin and end. One pass over the body, by a substring search for the delimiter.

use smallvec::SmallVec;

use super::Fault;

/// A body split at its delimiters.
#[derive(Debug, Default)]
pub(super) struct Split<'a> {
    /// The text before the first delimiter.
    pub(super) before: &'a [u8],
    /// The parts: all between the line end of a delimiter and the line end before the next.
    pub(super) parts: Vec<&'a [u8]>,
    /// How many parts there are.
    pub(super) count: usize,
    /// The text after the closing delimiter, blank lines apart.
    pub(super) after: &'a [u8],
    /// Whether there is a closing delimiter.
    pub(super) closed: bool,
    /// What is wrong with the delimiters.
    pub(super) faults: SmallVec<[Fault; 4]>,
}

/// What stands where the delimiter was found.
enum Found {
    /// A delimiter; the part starts here.
    Opening { content: usize },
    /// The closing delimiter; the text after it starts here.
    Closing { after: usize },
    /// Only the same bytes.
    Text,
}

/// Splits `body` at the lines `--boundary`.
pub(super) fn split<'a>(body: &'a [u8], boundary: &[u8]) -> Split<'a> {
    let delimiter = [b"--", boundary].concat();
    let mut split = Split::default();
    let mut open: Option<usize> = None;
    for at in memchr::memmem::find_iter(body, &delimiter) {
        let found = if at == 0 || body.get(at - 1) == Some(&b'\n') {
            split.delimiter(body, at + delimiter.len())
        } else {
            Found::Text
        };
        if matches!(found, Found::Text) {
            split.fault(Fault::UnmatchedBoundary);
            continue;
        }
        let end = split.line_end_before(body, at);
        match open {
            Some(start) => split.part(body.get(start..end.max(start)).unwrap_or_default()),
            None => split.before = body.get(..end).unwrap_or_default(),
        }
        match found {
            Found::Closing { after } => {
                split.after = body.get(after..).unwrap_or_default().trim_ascii();
                split.closed = true;
                return split;
            }
            Found::Opening { content } => open = Some(content),
            Found::Text => {}
        }
    }
    if let Some(start) = open {
        split.part(body.get(start..).unwrap_or_default());
    }
    split
}

impl<'a> Split<'a> {
    fn fault(&mut self, fault: Fault) {
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    fn part(&mut self, part: &'a [u8]) {
        self.count += 1;
        self.parts.push(part);
    }

    /// What the line with a delimiter that ends at `at` is.
    fn delimiter(&mut self, body: &[u8], at: usize) -> Found {
        let rest = body.get(at..).unwrap_or_default();
        let line = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let after = at + (line + 1).min(rest.len());
        let line = rest.get(..line).unwrap_or_default();
        let bare = line.strip_suffix(b"\r").unwrap_or(line);
        if after > at + line.len() && bare.len() == line.len() {
            self.fault(Fault::BareLineFeed);
        }
        let (closing, blanks) = bare.strip_prefix(b"--").map_or((false, bare), |blanks| (true, blanks));
        if !blanks.trim_ascii().is_empty() {
            // Text on the line of the closing delimiter: to some parsers the body ends here, to others not.
            return if closing { Found::Closing { after: at + 2 } } else { Found::Text };
        }
        if !blanks.is_empty() {
            self.fault(Fault::BoundaryBlanks);
        }
        if closing { Found::Closing { after } } else { Found::Opening { content: after } }
    }

    /// Where the text before the delimiter at `at` ends: its line end belongs to the delimiter.
    fn line_end_before(&mut self, body: &[u8], at: usize) -> usize {
        let Some(before) = body.get(..at).and_then(|before| before.strip_suffix(b"\n")) else { return at };
        before.strip_suffix(b"\r").map_or_else(
            || {
                self.fault(Fault::BareLineFeed);
                before.len()
            },
            <[u8]>::len,
        )
    }
}
