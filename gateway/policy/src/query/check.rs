//! One query against its constraints. No allocation unless it is refused or changes.

use rampart_message::percent::{Decoded, Plus, decode, has_escape};

use super::integer::Standing;
use super::{Checked, Fault, Kind, Parameter, QueryRules, RawUnknown, Text, Violation};

/// Characters of a name that a violation shows.
const SHOWN: usize = 64;

/// What becomes of one piece of the query.
enum Fate {
    Keep,
    Drop,
    /// Its value becomes this.
    Value(i64),
}

/// The query as it goes on, once something of it has changed.
#[derive(Default)]
struct Rewrite {
    out: Vec<u8>,
    /// Whether a piece, even an empty one, was put.
    begun: bool,
}

impl QueryRules {
    /// Judges a query, given without its `?`; `None` where the target has none.
    pub fn check(&self, query: Option<&[u8]>) -> Checked {
        if self.is_empty() {
            return Checked::Unchanged;
        }
        match self.walk(query.unwrap_or_default()) {
            Ok(None) => Checked::Unchanged,
            Ok(Some(rewrite)) => Checked::Rewritten(rewrite.out),
            Err(violation) => Checked::Refused(violation),
        }
    }

    fn walk(&self, query: &[u8]) -> Result<Option<Rewrite>, Violation> {
        if query.contains(&b'#') {
            return Err(violation(b"", Fault::Fragment));
        }
        let (mut seen, mut start, mut rewrite) = (0_u64, 0, None);
        for piece in query.split(|byte| *byte == b'&') {
            let fate = if piece.is_empty() { Fate::Keep } else { self.piece(piece, &mut seen)? };
            if !matches!(fate, Fate::Keep) {
                rewrite.get_or_insert_with(|| Rewrite::of(query.get(..start).unwrap_or_default()));
            }
            if let Some(rewrite) = &mut rewrite {
                rewrite.put(piece, &fate);
            }
            start += piece.len() + 1;
        }
        let missing = |(index, parameter): &(usize, &Parameter)| parameter.required && seen & (1 << index) == 0;
        match self.parameters.iter().enumerate().find(missing) {
            Some((_, parameter)) => Err(violation(parameter.name.as_bytes(), Fault::Missing)),
            None => Ok(rewrite),
        }
    }

    /// Judges one piece that is not empty. `seen` has a bit for each declared parameter.
    fn piece(&self, piece: &[u8], seen: &mut u64) -> Result<Fate, Violation> {
        let (name, value) = split(piece);
        let name = decode(name, Plus::Space);
        let Some((index, parameter)) = self.declared(&name.bytes) else { return self.stranger(&name, piece) };
        let fail = |fault| Err(violation(&name.bytes, fault));
        if piece.contains(&b';') {
            return fail(Fault::Separator);
        }
        if *seen & (1 << index) != 0 && !parameter.repeat {
            return fail(Fault::Repeated);
        }
        *seen |= 1 << index;
        let value = decode(value, Plus::Space);
        let Some(text) = single_reading(&value) else { return fail(Fault::Encoding) };
        parameter.judge(text).or_else(fail)
    }

    fn declared(&self, name: &[u8]) -> Option<(usize, &Parameter)> {
        self.parameters.iter().enumerate().find(|(_, parameter)| parameter.name.as_bytes() == name)
    }

    /// A parameter that is not declared.
    fn stranger(&self, name: &Decoded<'_>, piece: &[u8]) -> Result<Fate, Violation> {
        match self.unknown {
            RawUnknown::Drop => return Ok(Fate::Drop),
            RawUnknown::Reject => return Err(violation(&name.bytes, Fault::Unknown)),
            RawUnknown::Allow => {}
        }
        if single_reading(name).is_none_or(|text| has_escape(text.as_bytes())) {
            return Err(violation(&name.bytes, Fault::Encoding));
        }
        if let Some(parameter) = self.lookalike(&name.bytes) {
            return Err(violation(&name.bytes, Fault::Spelling(parameter.name.clone())));
        }
        let parts = piece.split(|byte| *byte == b';');
        if piece.contains(&b';')
            && parts.map(|part| decode(split(part).0, Plus::Space)).any(|name| self.means(&name.bytes))
        {
            return Err(violation(&name.bytes, Fault::Separator));
        }
        Ok(Fate::Keep)
    }

    /// Whether some reader takes `name` for a declared one.
    fn means(&self, name: &[u8]) -> bool {
        self.declared(name).is_some() || self.lookalike(name).is_some()
    }

    /// The declared parameter that some readers take `name` for: in another case, with blanks around it, with `[]` behind
    /// it (PHP, Rack, qs), or with `.`, `[` or a blank where the name has `_` (PHP).
    fn lookalike(&self, name: &[u8]) -> Option<&Parameter> {
        let stem = name.split(|byte| *byte == b'[').next().unwrap_or_default();
        let same = |name: &[u8], parameter: &Parameter| folded(name).eq(parameter.folded.iter().copied());
        self.parameters.iter().find(|parameter| same(name, parameter) || same(stem, parameter))
    }
}

impl Parameter {
    fn judge(&self, text: &str) -> Result<Fate, Fault> {
        if text.is_empty() && self.empty {
            return Ok(Fate::Keep);
        }
        let good = match &self.kind {
            Kind::Integer(integer) => match integer.standing(text) {
                Standing::Below if self.clamp => return Ok(Fate::Value(integer.min)),
                Standing::Above if self.clamp => return Ok(Fate::Value(integer.max)),
                standing => standing == Standing::Within,
            },
            Kind::OneOf(texts) => texts.iter().any(|one| **one == *text),
            Kind::Uuid => is_uuid(text),
            Kind::Boolean => matches!(text, "true" | "false"),
            Kind::Text(Text { encoded: false, .. }) if has_escape(text.as_bytes()) => return Err(Fault::Encoding),
            Kind::Text(rule) => rule.holds(text),
        };
        if good { Ok(Fate::Keep) } else { Err(Fault::Value(self.rule.clone())) }
    }

    /// Whether a value of this text passes as it is, or clamped.
    pub(super) fn admits(&self, text: &str) -> bool {
        self.judge(text).is_ok()
    }
}

impl Text {
    fn holds(&self, text: &str) -> bool {
        let within = match self.max_length {
            // Counting stops at the bound.
            Some(max) => text.chars().take(max + 1).count() <= max,
            None => true,
        };
        within
            && text.chars().take(self.min_length).count() == self.min_length
            && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
    }
}

impl Rewrite {
    /// Begins with what stands before the first change: whole pieces, each with its `&`.
    fn of(before: &[u8]) -> Self {
        match before.split_last() {
            Some((_, pieces)) => Self { out: pieces.to_vec(), begun: true },
            None => Self::default(),
        }
    }

    fn put(&mut self, piece: &[u8], fate: &Fate) {
        let kept = match fate {
            Fate::Drop => return,
            Fate::Keep => piece,
            Fate::Value(_) => piece.split(|byte| *byte == b'=').next().unwrap_or_default(),
        };
        if self.begun {
            self.out.push(b'&');
        }
        self.begun = true;
        self.out.extend_from_slice(kept);
        if let Fate::Value(value) = fate {
            self.out.push(b'=');
            self.out.extend_from_slice(value.to_string().as_bytes());
        }
    }
}

/// Name and value of a piece, as received. Without a `=` the value is empty.
fn split(piece: &[u8]) -> (&[u8], &[u8]) {
    let at = piece.iter().position(|byte| *byte == b'=').unwrap_or(piece.len());
    let (name, value) = piece.split_at_checked(at).unwrap_or((piece, b""));
    (name, value.strip_prefix(b"=").unwrap_or(value))
}

/// The text, if every reader decodes it so: each `%` starts an escape, and the bytes are UTF-8 without NUL.
fn single_reading<'d>(decoded: &'d Decoded<'_>) -> Option<&'d str> {
    let text = std::str::from_utf8(&decoded.bytes).ok()?;
    (!decoded.invalid && !text.contains('\0')).then_some(text)
}

/// A name as the most lenient readers take it.
pub(super) fn folded(name: &[u8]) -> impl Iterator<Item = u8> {
    let blank = |byte: &u8| byte.is_ascii_whitespace() || byte.is_ascii_control();
    let start = name.iter().position(|byte| !blank(byte)).unwrap_or(name.len());
    let end = name.iter().rposition(|byte| !blank(byte)).map_or(start, |at| at + 1);
    name.get(start..end).unwrap_or_default().iter().map(|byte| match byte {
        b' ' | b'.' | b'[' => b'_',
        other => other.to_ascii_lowercase(),
    })
}

/// RFC 9562 section 4.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn violation(name: &[u8], fault: Fault) -> Violation {
    let mut parameter: String = name.escape_ascii().take(SHOWN).map(char::from).collect();
    if name.escape_ascii().nth(SHOWN).is_some() {
        parameter.push_str("...");
    }
    Violation { parameter, fault }
}
