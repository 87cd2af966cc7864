//! What a body looks like, where its Content-Type does not say or does not tell the truth.
//!
//! Some frameworks read JSON whatever the type says, browsers send JSON as `text/plain` to avoid a preflight, and an
//! attacker chooses the type. So a body is also read as what it looks like. A guess that does not hold leaves no
//! trace; one that holds is noted as `mislabelled_body` (a notice) and its values are inspected beside the others.

use crate::charset::Charset;
use crate::collector::{Collector, Full};
use crate::json::Outcome;
use crate::{At, Kind, Problem, ProblemCode, Processor, Step, documents, urlencoded};

/// Reads `text` as JSON or XML, if it starts like it and is it.
pub(crate) fn document<'a>(text: &'a [u8], out: &mut Collector<'_, 'a>) -> Result<bool, Full> {
    let guesses: &[Processor] = match text.trim_ascii_start().first() {
        Some(b'{' | b'[') => &[Processor::Json, Processor::JsonSequence],
        Some(b'<') => &[Processor::Xml],
        _ => return Ok(false),
    };
    for processor in guesses {
        let mark = out.mark();
        let outcome = documents::read(text, *processor, Step::Root, out)?;
        // Stopped at a bound: what was read may well be the document it looks like.
        if outcome != Outcome::Broken {
            out.note(Problem::case(ProblemCode::MislabelledBody, At::Body, processor.as_str()));
            return Ok(true);
        }
        out.back_to(mark);
    }
    Ok(false)
}

/// Reads `text` as a document or as a urlencoded form, if it looks like one.
pub(crate) fn any<'a>(text: &'a [u8], out: &mut Collector<'_, 'a>) -> Result<(), Full> {
    if document(text, out)? || !looks_urlencoded(text) {
        return Ok(());
    }
    out.note(Problem::case(ProblemCode::MislabelledBody, At::Body, Processor::Urlencoded.as_str()));
    urlencoded::parse(text, Kind::Form, out)
}

/// Bytes of a body that show whether it is text.
const SHOWN: usize = 512;

/// Whether the first bytes are none of a text: a control byte that no text holds (WHATWG MIME Sniffing section 3, "binary
/// data byte"), or the mark of a PDF. A byte order mark says that it is text.
pub(crate) fn looks_binary(bytes: &[u8]) -> bool {
    let shown = bytes.get(..SHOWN).unwrap_or(bytes);
    let control = |byte: &u8| matches!(byte, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f);
    Charset::of_mark(bytes).is_none() && (shown.iter().any(control) || shown.starts_with(b"%PDF-"))
}

/// A `=`, and nothing but visible ASCII.
fn looks_urlencoded(text: &[u8]) -> bool {
    memchr::memchr(b'=', text).is_some() && text.trim_ascii().iter().all(u8::is_ascii_graphic)
}
