//! Groups: captures, flags, look-around, atomic groups.

use super::Translator;

/// A group that is open.
#[derive(Debug)]
pub(super) struct Group {
    /// Where it begins in `exact`.
    start: usize,
    /// For look-around: where it begins in `linear`, which drops it.
    dropped_from: Option<usize>,
    /// Whether `(?x)` held around it.
    extended: bool,
}

impl<'p> Translator<'p> {
    /// What follows `(`.
    pub(super) fn open_group(&mut self) -> Result<(), String> {
        if self.rest.starts_with(b"*") {
            return Err("verbs such as (*UTF8) are not supported".to_owned());
        }
        let Some(inner) = self.rest.strip_prefix(b"?") else {
            self.captures += 1;
            return self.open("(", "(", false);
        };
        for (opening, linear, exact, dropped) in [
            (b":".as_slice(), "(?:", "(?:", false),
            (b">", "(?:", "(?>", false),
            (b"=", "(?:", "(?=", true),
            (b"!", "(?:", "(?!", true),
            (b"<=", "(?:", "(?<=", true),
            (b"<!", "(?:", "(?<!", true),
        ] {
            if let Some(rest) = inner.strip_prefix(opening) {
                self.rest = rest;
                return self.open(linear, exact, dropped);
            }
        }
        if let Some(comment) = inner.strip_prefix(b"#") {
            let end = comment.iter().position(|byte| *byte == b')').ok_or("a comment is not closed")?;
            self.rest = comment.get(end + 1..).unwrap_or_default();
            return Ok(());
        }
        for (opening, end) in [(b"P<".as_slice(), b'>'), (b"<", b'>'), (b"'", b'\'')] {
            if let Some(rest) = inner.strip_prefix(opening) {
                let name = self.name(rest, end)?;
                self.captures += 1;
                let group = format!("(?P<{name}>");
                return self.open(&group, &group, false);
            }
        }
        if let Some(rest) = inner.strip_prefix(b"P=") {
            let name = self.name(rest, b')')?;
            self.back_reference(&format!("\\k<{name}>"));
            return Ok(());
        }
        self.flags(inner)
    }

    /// A name up to `end`; reading goes on behind it.
    pub(super) fn name(&mut self, text: &'p [u8], end: u8) -> Result<String, String> {
        let length = text.iter().position(|byte| *byte == end).ok_or("a name is not closed")?;
        let name = text.get(..length).unwrap_or_default();
        let good = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        if name.is_empty() || name.starts_with(b"_") || !name.iter().all(good) {
            return Err(format!("\"{}\" is no name of a group", name.escape_ascii()));
        }
        self.rest = text.get(length + 1..).unwrap_or_default();
        Ok(String::from_utf8_lossy(name).into_owned())
    }

    fn open(&mut self, linear: &str, exact: &str, dropped: bool) -> Result<(), String> {
        let dropped_from = dropped.then_some(self.linear.len());
        self.open.push(Group { start: self.exact.len(), dropped_from, extended: self.extended });
        if self.open.len() > usize::try_from(crate::operator::regex::MAX_NESTING).unwrap_or(usize::MAX) {
            return Err("groups are nested too deep".to_owned());
        }
        self.item_of(linear, exact);
        Ok(())
    }

    /// What `)` closes.
    pub(super) fn close_group(&mut self) -> Result<(), String> {
        let group = self.open.pop().ok_or("a group is closed that was not opened")?;
        self.linear.push(')');
        self.exact.push(')');
        if let Some(start) = group.dropped_from {
            self.linear.truncate(start);
            self.linear.push_str("(?:)");
        }
        self.item = group.start;
        self.extended = group.extended;
        Ok(())
    }

    /// `(?i)`, `(?s-m:`: what follows `(?`.
    fn flags(&mut self, text: &'p [u8]) -> Result<(), String> {
        let end = text.iter().position(|byte| matches!(byte, b':' | b')')).ok_or("a group is not closed")?;
        let written = text.get(..end).unwrap_or_default();
        let mut kept = String::new();
        let mut on = true;
        let mut extended = self.extended;
        for flag in written {
            match flag {
                b'-' if on => {
                    on = false;
                    kept.push('-');
                }
                b'i' | b'm' | b's' | b'U' => kept.push(char::from(*flag)),
                b'x' => extended = on,
                _ => return Err(format!("(?{} is not supported", written.escape_ascii())),
            }
        }
        let kept = kept.trim_end_matches('-');
        self.rest = text.get(end + 1..).unwrap_or_default();
        if text.get(end) == Some(&b':') {
            let group = format!("(?{kept}:");
            self.open(&group, &group, false)?;
        } else if !kept.is_empty() {
            self.item(&format!("(?{kept})"));
        }
        self.extended = extended;
        Ok(())
    }
}
