//! Classes: `[^...]`. Everything in them is written as `\xHH`, so that nothing means more to the crates than it does to PCRE.

use std::fmt::Write as _;

use super::Translator;
use super::escape::{HORIZONTAL_SPACE, VERTICAL_SPACE};

/// POSIX names that `regex` knows as PCRE does.
const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
];

/// One member of a class.
enum Member {
    Byte(u8),
    /// `\d`, `[:alpha:]`: written as it is.
    Set(String),
}

impl<'p> Translator<'p> {
    /// What follows `[`.
    pub(super) fn class(&mut self) -> Result<(), String> {
        let mut text = "[".to_owned();
        if let Some(rest) = self.rest.strip_prefix(b"^") {
            self.rest = rest;
            text.push('^');
        }
        let mut first = true;
        loop {
            let (byte, rest) = self.rest.split_first().ok_or("a class is not closed")?;
            // A bracket in the first place stands for itself.
            if *byte == b']' && !first {
                self.rest = rest;
                break;
            }
            first = false;
            match self.member()? {
                None => {}
                Some(Member::Set(set)) => text.push_str(&set),
                Some(Member::Byte(low)) => {
                    let high = self.range_end()?.unwrap_or(low);
                    if high < low {
                        return Err("a range in a class is the wrong way round".to_owned());
                    }
                    // Writing to a string does not fail.
                    let _ = if high == low {
                        write!(text, "\\x{low:02X}")
                    } else {
                        write!(text, "\\x{low:02X}-\\x{high:02X}")
                    };
                }
            }
        }
        text.push(']');
        // `[\E]` and the like hold nothing.
        if text == "[]" || text == "[^]" {
            return Err("a class is empty".to_owned());
        }
        self.item(&text);
        Ok(())
    }

    /// The other end of a range, where a hyphen and a byte follow.
    fn range_end(&mut self) -> Result<Option<u8>, String> {
        let [b'-', after @ ..] = self.rest else { return Ok(None) };
        if matches!(after, [] | [b']', ..]) {
            return Ok(None);
        }
        let before = std::mem::replace(&mut self.rest, after);
        match self.member()? {
            Some(Member::Byte(high)) => Ok(Some(high)),
            // A hyphen before a set stands for itself.
            Some(Member::Set(_)) | None => {
                self.rest = before;
                Ok(None)
            }
        }
    }

    /// One member; `None` for what stands for nothing (`\E`).
    fn member(&mut self) -> Result<Option<Member>, String> {
        let (byte, rest) = self.rest.split_first().ok_or("a class is not closed")?;
        match byte {
            b'[' if matches!(rest, [b':' | b'.' | b'=', ..]) => {
                if let Some(set) = self.posix(rest)? {
                    return Ok(Some(Member::Set(set)));
                }
            }
            b'\\' => {
                self.rest = rest;
                return self.class_escape();
            }
            _ => {}
        }
        self.rest = rest;
        Ok(Some(Member::Byte(*byte)))
    }

    /// `[:name:]`, from the colon; `None` where the bracket stands for itself.
    fn posix(&mut self, text: &'p [u8]) -> Result<Option<String>, String> {
        let Some((mark, inner)) = text.split_first() else { return Ok(None) };
        let end = inner.windows(2).position(|pair| pair == [*mark, b']']);
        let Some(name) = end.and_then(|end| inner.get(..end)) else { return Ok(None) };
        // A bracket or an escape within: the name was none, and the bracket stands for itself.
        if name.iter().any(|byte| matches!(byte, b']' | b'\\')) {
            return Ok(None);
        }
        let bare = name.strip_prefix(b"^").unwrap_or(name);
        if *mark != b':' || !POSIX.iter().any(|known| known.as_bytes() == bare) {
            return Err(format!("[{}{}... is no class", char::from(*mark), name.escape_ascii()));
        }
        self.rest = inner.get(name.len() + 2..).unwrap_or_default();
        Ok(Some(format!("[:{}:]", String::from_utf8_lossy(name))))
    }

    /// What follows `\` in a class.
    fn class_escape(&mut self) -> Result<Option<Member>, String> {
        let (letter, rest) = self.rest.split_first().ok_or("it ends with a backslash")?;
        let member = match letter {
            b'd' | b'D' | b'w' | b'W' | b's' | b'S' => Member::Set(format!("\\{}", char::from(*letter))),
            b'h' => Member::Set(HORIZONTAL_SPACE.to_owned()),
            b'v' => Member::Set(VERTICAL_SPACE.to_owned()),
            b'b' => Member::Byte(0x08),
            b'Q' => return Err("\\Q in a class is not supported".to_owned()),
            b'E' => {
                self.rest = rest;
                return Ok(None);
            }
            _ => return self.escaped_byte().map(|byte| Some(Member::Byte(byte))),
        };
        self.rest = rest;
        Ok(Some(member))
    }
}
