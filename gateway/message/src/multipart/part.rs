//! One part of a multipart body: its header, and its content as a field or a file.

use std::borrow::Cow;

use super::disposition::Disposition;
use super::{Fault, Part, Reader};
use crate::charset::{Charset, to_utf8};
use crate::collector::Full;
use crate::fields::is_token;
use crate::json::Outcome;
use crate::{Aspect, At, ContentType, Kind, Name, Problem, ProblemCode, Processor, Step, Value, documents};

/// What the header of a part says.
#[derive(Default)]
struct PartHead<'a> {
    fields: Vec<&'a [u8]>,
    disposition: Option<Disposition<'a>>,
    content_type: Option<ContentType<'a>>,
    coded: bool,
}

impl<'a> Reader<'_, '_, 'a> {
    /// Reads one part.
    pub(super) fn part(&mut self, text: &'a [u8]) -> Result<(), Full> {
        let at = self.out.next_value();
        let (header, content) = self.split_header(text, at);
        self.out.bound("part_header_bytes", at, header.len(), self.out.limits.part_header_bytes);
        let mut head = self.header(header, at);
        let disposition = self.judge(head.disposition.take(), at);
        if head.coded {
            self.out.note(Problem::new(ProblemCode::PartTransferEncoding, at));
        }
        let name = disposition.names.first().cloned().unwrap_or_default();
        let file_name = disposition.file_names.first().cloned();
        for other in disposition.names.into_iter().skip(1) {
            self.out.push_flat(Kind::Form, other, Cow::Borrowed(b""))?;
        }
        let is_file = file_name.is_some();
        let unnamed = disposition.file_names.iter().any(|file_name| file_name.is_empty());
        for file_name in disposition.file_names {
            self.file_name(name.clone(), file_name)?;
        }
        let part = Part { headers: head.fields, name: name.clone(), file_name, content };
        if self.form.parts.len() <= self.out.limits.multipart_parts {
            self.form.parts.push(part);
        }
        let content_type = head.content_type.as_ref();
        if !is_file {
            return self.field(name, content, content_type);
        }
        // An empty file name is none to some readers (Go's mime/multipart), and then the content is a field's. A browser
        // sends one where no file was chosen, with no content.
        if unnamed && !content.is_empty() {
            self.field(name.clone(), content, content_type)?;
        }
        self.file(name, content, content_type)
    }

    /// The header section and the content of a part, at the first blank line.
    fn split_header(&mut self, text: &'a [u8], at: At) -> (&'a [u8], &'a [u8]) {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', text) {
            let line = text.get(start..end).unwrap_or_default();
            if !line.ends_with(b"\r") {
                self.fault(Fault::BareLineFeed, at);
            }
            if matches!(line, b"" | b"\r") {
                return (text.get(..start).unwrap_or_default(), text.get(end + 1..).unwrap_or_default());
            }
            start = end + 1;
        }
        if !matches!(text.get(start..), Some(b"" | b"\r")) || start == 0 {
            self.fault(Fault::OpenHeader, at);
            // All of it may be header, or content: it is inspected as content.
            return (text, text);
        }
        (text.get(..start).unwrap_or_default(), b"")
    }

    fn header(&mut self, header: &'a [u8], at: At) -> PartHead<'a> {
        let mut head = PartHead::default();
        let mut start = 0;
        while start < header.len() {
            let end = self.field_end(header, start, at);
            let line = header.get(start..end).unwrap_or_default().trim_ascii_end();
            start = end;
            head.fields.push(line);
            let colon = memchr::memchr(b':', line).and_then(|at| Some((line.get(..at)?, line.get(at + 1..)?)));
            let Some((name, value)) = colon.filter(|(name, _)| !name.is_empty() && name.iter().all(|&b| is_token(b)))
            else {
                self.fault(Fault::BadHeader, at);
                continue;
            };
            self.known_field(&mut head, name, value.trim_ascii(), at);
        }
        head
    }

    /// Where the field that starts at `start` ends: after its line and the lines folded onto it.
    fn field_end(&mut self, header: &[u8], start: usize, at: At) -> usize {
        let mut end = start;
        loop {
            let rest = header.get(end..).unwrap_or_default();
            end += memchr::memchr(b'\n', rest).map_or(rest.len(), |line| line + 1);
            if !matches!(header.get(end), Some(b' ' | b'\t')) {
                return end;
            }
            self.fault(Fault::FoldedHeader, at);
        }
    }

    fn known_field(&mut self, head: &mut PartHead<'a>, name: &[u8], value: &'a [u8], at: At) {
        if name.eq_ignore_ascii_case(b"content-disposition") {
            let parsed = Disposition::parse(value);
            match &mut head.disposition {
                None => head.disposition = Some(parsed),
                Some(first) => {
                    first.names.extend(parsed.names);
                    first.file_names.extend(parsed.file_names);
                    first.faults.push(Fault::TwoDispositions);
                }
            }
        } else if name.eq_ignore_ascii_case(b"content-type") {
            if head.content_type.is_some() {
                self.out.note(Problem::case(ProblemCode::BadContentType, at, "a part with two types"));
            }
            head.content_type.get_or_insert_with(|| ContentType::parse(value));
        } else if name.eq_ignore_ascii_case(b"content-transfer-encoding") {
            let plain = ["7bit", "8bit", "binary"].iter().any(|known| value.eq_ignore_ascii_case(known.as_bytes()));
            head.coded |= !plain;
        }
    }

    fn judge(&mut self, disposition: Option<Disposition<'a>>, at: At) -> Disposition<'a> {
        let disposition = disposition.unwrap_or_default();
        if !disposition.form_data {
            self.fault(Fault::NoDisposition, at);
        }
        if disposition.names.first().is_none_or(|name| name.is_empty()) {
            self.fault(Fault::NoName, at);
        }
        for &fault in &disposition.faults {
            self.fault(fault, at);
        }
        disposition
    }

    fn file_name(&mut self, name: Cow<'a, [u8]>, file_name: Cow<'a, [u8]>) -> Result<(), Full> {
        let at = self.out.next_value();
        self.out.bound("file_name_length", at, file_name.len(), self.out.limits.file_name_length);
        self.check_text(&name, at);
        self.check_text(&file_name, at);
        self.out.push(Value { kind: Kind::File, aspect: Aspect::FileName, name: Name::Text(name), bytes: file_name })
    }

    fn file(&mut self, name: Cow<'a, [u8]>, content: &'a [u8], given: Option<&ContentType<'a>>) -> Result<(), Full> {
        let at = self.out.next_value();
        self.files += 1;
        self.out.bound("file_size", at, content.len(), self.out.limits.file_size);
        if given.is_some_and(|given| Processor::of(given) == Processor::Multipart) {
            self.out.note(Problem::new(ProblemCode::NestedMultipart, at));
        }
        let (name, bytes) = (Name::Text(name), Cow::Borrowed(content));
        self.out.push(Value { kind: Kind::File, aspect: Aspect::FileContent, name, bytes })
    }

    fn field(&mut self, name: Cow<'a, [u8]>, content: &'a [u8], given: Option<&ContentType<'a>>) -> Result<(), Full> {
        let at = self.out.next_value();
        let charset = self.charset(&name, content, given, at);
        let (text, valid) = to_utf8(charset, content);
        if !valid {
            self.out.note(Problem::new(ProblemCode::InvalidCharset, at));
        }
        self.check_text(&name, at);
        let processor = given.map_or(Processor::Text, Processor::of);
        if processor == Processor::Multipart {
            self.out.note(Problem::new(ProblemCode::NestedMultipart, at));
        }
        if let (Cow::Borrowed(text), Processor::Json | Processor::JsonSequence | Processor::Xml) = (&text, processor)
            && documents::read(text, processor, Step::Part(name.clone()), self.out)? == Outcome::Whole
        {
            return Ok(());
        }
        if memchr::memchr(0, &text).is_some() {
            self.out.note(Problem::new(ProblemCode::NulByte, at));
        }
        self.out.push_flat(Kind::Form, name, text)
    }

    /// The charset of a field's content: that of its Content-Type, else UTF-8.
    fn charset(&mut self, name: &[u8], content: &[u8], given: Option<&ContentType<'_>>, at: At) -> Charset {
        let declared = given.and_then(|given| given.charset.as_deref()).map_or(Charset::Utf8, Charset::of);
        if declared == Charset::Unknown {
            self.out.note(Problem::case(ProblemCode::UnknownCharset, at, "the charset of a part"));
        }
        // RFC 7578 section 4.6: this field names the charset of all others.
        if name == b"_charset_" && Charset::of(content) != Charset::Utf8 {
            self.out.note(Problem::case(ProblemCode::UnknownCharset, at, "the charset that a form field names"));
        }
        declared
    }

    fn check_text(&mut self, name: &[u8], at: At) {
        if std::str::from_utf8(name).is_err() {
            self.out.note(Problem::new(ProblemCode::InvalidCharset, at));
        }
        if memchr::memchr(0, name).is_some() {
            self.out.note(Problem::new(ProblemCode::NulByte, at));
        }
    }
}
