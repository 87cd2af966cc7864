//! Multipart bodies, as ModSecurity reads them: line by line, with a flag for whatever is odd.
//!
//! `rampart_message` reads them too, for what a backend could make of them. This reader is apart because rules are written
//! against its flags and against where it gives up: a line that begins with the boundary ends a part only after a line of
//! content; in the header of a part it is one more bad header line.
//!
//! Where it differs from ModSecurity, more is seen, never less: the line ends within a field's value stay (3.0.9 loses them), the parts of a
//! body without an end are values, repeated header fields are all given, a boundary that is empty is an error.
//!
//! | input | flag | error |
//! |---|---|---|
//! | text before the first, after the last delimiter | `DATA_BEFORE`, `DATA_AFTER` | |
//! | a line that looks like a delimiter and is none | `UNMATCHED_BOUNDARY` 1 (2 as soon as a delimiter follows) | |
//! | a delimiter with anything after it | strict error | reading stops |
//! | a part without `Content-Disposition: form-data; name=...`, or with other parameters | `INVALID_PART` | the rest is one header |
//! | a header line that is folded, without a colon, with NUL, longer than [`LINE_MAX`] | `HEADER_FOLDING` ... | noted |
//! | LF alone after a header line or delimiter | `LF_LINE` | |

mod boundary;
mod disposition;

#[cfg(test)]
mod tests;

use memchr::memmem::Finder;
use smallvec::SmallVec;

use self::disposition::Disposition;
use super::body::Input;
use super::facts::{BodyOutcome, MultipartFlags};
use super::is_space;
use super::store::{Text, Values};
use crate::seclang::variable::Source;

/// The longest header line, in bytes with its line end.
const LINE_MAX: usize = 4096;

/// Adds the parts of the body.
pub(super) fn read<'a>(input: &Input<'_, 'a>, values: &mut Values<'a>) -> BodyOutcome {
    let mut flags = MultipartFlags::default();
    let content_type = input.message.head.headers.get("content-type").unwrap_or_default();
    let error = match boundary::find(content_type, &mut flags) {
        Ok(boundary) => {
            let mut reader = Reader::new(boundary, flags, values);
            reader.body(input.bytes);
            flags = reader.flags;
            reader.error
        }
        Err(error) => {
            flags.error = true;
            Some(error)
        }
    };
    values.facts.multipart = Some(flags);
    error.map_or(BodyOutcome::Fine, BodyOutcome::Failed)
}

/// A part being read.
#[derive(Default)]
struct Part<'a> {
    /// The header lines so far, each with its line end unless it was folded.
    headers: SmallVec<[Text<'a>; 4]>,
    /// The value of the first Content-Disposition.
    disposition: Option<Text<'a>>,
    /// Whether the last header line is that field.
    last_is_disposition: bool,
    /// Whether the Content-Disposition was found wanting: the header never ends.
    failed: bool,
    name: Option<Text<'a>>,
    file_name: Option<Text<'a>>,
    /// Whether the header has ended.
    in_content: bool,
    /// Where the content begins, and where it ends without its last line end.
    content: Option<(usize, usize)>,
}

struct Reader<'v, 'b, 'a> {
    boundary: &'b [u8],
    /// Finds a delimiter within a line.
    delimiter: Finder<'static>,
    flags: MultipartFlags,
    error: Option<&'static str>,
    body: &'a [u8],
    part: Option<Part<'a>>,
    /// Delimiters so far.
    delimiters: usize,
    /// Whether the line before ended in LF alone.
    after_bare_line_feed: bool,
    files_size: Option<u64>,
    values: &'v mut Values<'a>,
}

/// What a line is.
enum Line {
    Delimiter,
    Final,
    Text,
    /// Reading stops here.
    Stop,
}

impl<'v, 'b, 'a> Reader<'v, 'b, 'a> {
    fn new(boundary: &'b [u8], flags: MultipartFlags, values: &'v mut Values<'a>) -> Self {
        let delimiter = Finder::new(&[b"--", boundary].concat()).into_owned();
        let (error, body, part) = (None, &b""[..], None);
        Self {
            boundary,
            delimiter,
            flags,
            error,
            body,
            part,
            delimiters: 0,
            after_bare_line_feed: false,
            files_size: None,
            values,
        }
    }

    fn body(&mut self, body: &'a [u8]) {
        self.body = body;
        let complete = self.lines();
        if !complete && !body.is_empty() {
            self.error = Some(if self.delimiters > 0 {
                "Multipart parsing error: Multipart: Final boundary missing."
            } else {
                "Multipart parsing error: Multipart: No boundaries found in payload."
            });
            if let Some((_, end)) = self.part.as_mut().and_then(|part| part.content.as_mut()) {
                *end = body.len();
            }
            // No one says that the part is complete, but a backend may take it.
            self.finish(false);
        }
        self.values.facts.files_size = self.files_size;
    }

    /// Reads line by line; whether the body is complete.
    fn lines(&mut self) -> bool {
        let mut start = 0;
        while let Some(rest) = self.body.get(start..).filter(|rest| !rest.is_empty()) {
            let Some(end) = memchr::memchr(b'\n', rest).map(|at| start + at + 1) else { return self.last_line(start) };
            let line = self.body.get(start..end).unwrap_or_default();
            match self.classify(line) {
                Line::Text if self.text(start, end) => {}
                Line::Stop | Line::Text => return false,
                Line::Delimiter => {
                    self.finish(true);
                    self.part = Some(Part::default());
                }
                Line::Final => {
                    self.finish(true);
                    self.flags.data_after = end < self.body.len();
                    return true;
                }
            }
            start = end;
            self.after_bare_line_feed = !line.ends_with(b"\r\n");
        }
        false
    }

    /// The text after the last line end: content without an end, or the end without its line end.
    fn last_line(&mut self, start: usize) -> bool {
        let line = self.body.get(start..).unwrap_or_default();
        let closing = line.strip_prefix(b"--").and_then(|line| line.strip_prefix(self.boundary));
        if closing == Some(b"--") && self.delimiters > 0 {
            self.finish(true);
            return true;
        }
        if let Some(part) = self.part.as_mut().filter(|part| part.in_content) {
            part.content.get_or_insert((start, start)).1 = self.body.len();
        }
        false
    }

    /// Whether a line is a delimiter, and the flags for those that nearly are.
    fn classify(&mut self, line: &[u8]) -> Line {
        let line = line.get(..LINE_MAX).unwrap_or(line);
        let Some(rest) = line.strip_prefix(b"--").filter(|_| line.len() > 3) else {
            if self.flags.unmatched_boundary != 1 && self.delimiter.find(line).is_some() {
                self.flags.unmatched_boundary = 1;
            }
            return Line::Text;
        };
        let Some(end) = rest.strip_prefix(self.boundary) else { return self.near_delimiter(rest) };
        let ends_content = self.part.as_ref().is_none_or(|part| part.in_content && part.content.is_some());
        if !ends_content {
            self.flags.invalid_part = true;
            return Line::Text;
        }
        if self.delimiters > 0 {
            self.flags.unmatched_boundary = 2;
        }
        // The line end before a delimiter belongs to it.
        self.flags.lf_line |= self.after_bare_line_feed;
        let (end, found) = end.strip_prefix(b"--").map_or((end, Line::Delimiter), |end| (end, Line::Final));
        match end {
            b"\r\n" => self.flags.crlf_line = true,
            b"\n" => self.flags.lf_line = true,
            _ => return self.stop("Multipart parsing error: Multipart: Invalid boundary"),
        }
        self.delimiters += 1;
        found
    }

    /// A line that begins with `--` and then with something else than the boundary.
    fn near_delimiter(&mut self, rest: &[u8]) -> Line {
        let quoted = rest.strip_prefix(b"\"").is_some_and(|rest| rest.starts_with(self.boundary));
        if self.flags.boundary_quoted && quoted {
            return self.stop("Multipart parsing error: Multipart: Invalid boundary (quotes).");
        }
        let blanks = rest.iter().take_while(|&&byte| is_space(byte)).count();
        if blanks > 0 && rest.get(blanks..).is_some_and(|rest| rest.starts_with(self.boundary)) {
            return self.stop("Multipart parsing error: Multipart: Invalid boundary (whitespace).");
        }
        self.flags.unmatched_boundary = 1;
        Line::Text
    }

    fn stop(&mut self, error: &'static str) -> Line {
        self.flags.error = true;
        self.error = Some(error);
        Line::Stop
    }

    /// A line that is no delimiter. `false`: reading stops.
    fn text(&mut self, start: usize, end: usize) -> bool {
        let line = self.body.get(start..end).unwrap_or_default();
        match &mut self.part {
            None => self.flags.data_before = true,
            Some(part) if part.in_content => {
                let content = line.strip_suffix(b"\n").map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line));
                part.content.get_or_insert((start, start)).1 = start + content.len();
            }
            Some(_) if line.len() > LINE_MAX => {
                self.stop("Multipart parsing error: Multipart: Part header line too long");
                return false;
            }
            Some(_) => {
                if let Err(error) = self.header_line(line) {
                    self.error = Some(error);
                }
            }
        }
        true
    }

    /// A line in the header of a part.
    fn header_line(&mut self, line: &'a [u8]) -> Result<(), &'static str> {
        let Some(part) = &mut self.part else { return Ok(()) };
        if memchr::memchr(0, line).is_some() {
            return Err("Multipart parsing error: Multipart: Nul byte in part headers.");
        }
        if line.ends_with(b"\r\n") {
            self.flags.crlf_line = true;
        } else {
            self.flags.lf_line = true;
        }
        if matches!(line, b"\r\n" | b"\n") {
            return self.header_end();
        }
        if line.first().is_some_and(|&byte| is_space(byte)) {
            return self.folded(line);
        }
        let colon = memchr::memchr(b':', line)
            .ok_or("Multipart parsing error: Multipart: Invalid part header (colon missing)")?;
        let (name, value) = line.split_at_checked(colon).unwrap_or_default();
        if name.is_empty() {
            return Err("Multipart parsing error: Multipart: Invalid part header (header name missing).");
        }
        part.headers.push(Text::Given(line));
        let is_disposition = name.eq_ignore_ascii_case(b"content-disposition");
        if is_disposition && part.disposition.is_some() {
            // The first counts, and what is folded onto a second one goes to the first.
            return Ok(());
        }
        part.last_is_disposition = is_disposition;
        if is_disposition {
            let value = value.get(1..).unwrap_or_default();
            let blanks = value.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            part.disposition = Some(Text::Given(chomp(value.get(blanks..).unwrap_or_default())));
        }
        Ok(())
    }

    /// A line that goes on the one before it.
    fn folded(&mut self, line: &[u8]) -> Result<(), &'static str> {
        self.flags.header_folding = true;
        let blanks = line.iter().take_while(|&&byte| is_space(byte)).count();
        let (blanks, more) = line.split_at_checked(blanks).unwrap_or_default();
        // The line end counts as a blank of a line that has nothing else.
        if blanks.iter().any(|byte| !matches!(byte, b' ' | b'\t')) {
            self.flags.invalid_header_folding = true;
        }
        let Some(part) = &mut self.part else { return Ok(()) };
        let last = part.headers.last_mut();
        let last = last.ok_or("Multipart parsing error: Multipart: Invalid part header (folding error).")?;
        *last = join(*last, more, self.values)?;
        if let Some(value) = part.disposition.as_mut().filter(|_| part.last_is_disposition) {
            *value = join(*value, more, self.values)?;
        }
        Ok(())
    }

    /// The blank line after a header.
    fn header_end(&mut self) -> Result<(), &'static str> {
        let Some(part) = &mut self.part else { return Ok(()) };
        let value =
            part.disposition.ok_or("Multipart parsing error: Multipart: Part missing Content-Disposition header.")?;
        if std::mem::replace(&mut part.failed, true) {
            return Ok(());
        }
        let disposition = Disposition::parse(self.values.bytes(value));
        let names_file = memchr::memmem::find(self.values.bytes(value), b"filename=").is_some();
        self.flags.invalid_quoting |= disposition.invalid_quoting;
        part.name = push_names(&disposition.names, Source::MultipartName, self.values);
        part.file_name = push_names(&disposition.file_names, Source::MultipartFilename, self.values);
        if !disposition.valid {
            return Err("Multipart parsing error: Multipart: Invalid Content-Disposition header");
        }
        if part.name.is_none() {
            return Err("Multipart parsing error: Multipart: Content-Disposition header missing name field.");
        }
        if part.file_name.is_some() && !names_file {
            return Err("Multipart parsing error: Multipart: Invalid Content-Disposition header (filename).");
        }
        (part.failed, part.in_content) = (false, true);
        Ok(())
    }

    /// The part has ended; `whole` where its end was seen. One without a name is dropped.
    fn finish(&mut self, whole: bool) {
        let Some(part) = self.part.take().filter(|part| whole || part.in_content) else { return };
        let Some(name) = part.name else {
            self.flags.invalid_part |= whole;
            return;
        };
        let values = &mut *self.values;
        for line in part.headers {
            // ModSecurity leaves its line end on the last field of a part; rules of the Core Rule Set expect none.
            let length = values.bytes(line).trim_ascii_end().len();
            values.push(Source::MultipartPartHeader, name, line.part(0, length));
        }
        let content = part.content.and_then(|(from, to)| self.body.get(from..to)).unwrap_or_default();
        let Some(file_name) = part.file_name else {
            return values.push_argument((Source::ArgPost, Source::ArgPostName), name, Text::Given(content));
        };
        self.files_size = Some(self.files_size.unwrap_or_default() + content.len() as u64);
        let size = values.make_number(content.len() as u64);
        values.push(Source::File, name, file_name);
        values.push(Source::FileName, name, name);
        values.push(Source::FileSize, name, size);
        values.push(Source::FileContent, name, Text::Given(content));
    }
}

/// Adds the names of a Content-Disposition as values of `source`; gives the one that counts, where it is not empty.
fn push_names<'a>(names: &[Vec<u8>], source: Source, values: &mut Values<'a>) -> Option<Text<'a>> {
    let mut first = None;
    for name in names {
        let text = values.make(name);
        values.push(source, text, text);
        first.get_or_insert(text);
    }
    first.filter(|_| names.first().is_some_and(|name| !name.is_empty()))
}

/// A header line with a line folded onto it.
fn join<'a>(line: Text<'a>, more: &[u8], values: &mut Values<'a>) -> Result<Text<'a>, &'static str> {
    let joined = [chomp(values.bytes(line)), b" ", chomp(more)].concat();
    if joined.len() > LINE_MAX {
        return Err("Multipart parsing error: Multipart: Part header too long.");
    }
    Ok(values.make(&joined))
}

/// Without the line end.
fn chomp(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |at| at + 1);
    line.get(..end).unwrap_or_default()
}
