//! What follows a backslash outside a class.

use super::Translator;
use crate::transform::hex_value;

/// What PCRE's `\h` and `\v` match when patterns are bytes, inside a class.
pub(super) const HORIZONTAL_SPACE: &str = "\\x09\\x20\\xA0";
pub(super) const VERTICAL_SPACE: &str = "\\x0A-\\x0D\\x85";

impl<'p> Translator<'p> {
    /// What follows `\`.
    pub(super) fn escape(&mut self) -> Result<(), String> {
        let (letter, rest) = self.rest.split_first().ok_or("it ends with a backslash")?;
        match letter {
            b'1'..=b'9' => return self.number(),
            b'd' | b'D' | b'w' | b'W' | b's' | b'S' | b'b' | b'B' | b'A' | b'z' => {
                self.item(&format!("\\{}", char::from(*letter)));
            }
            b'h' => self.item(&format!("[{HORIZONTAL_SPACE}]")),
            b'H' => self.item(&format!("[^{HORIZONTAL_SPACE}]")),
            b'v' => self.item(&format!("[{VERTICAL_SPACE}]")),
            b'V' => self.item(&format!("[^{VERTICAL_SPACE}]")),
            b'N' => self.item("[^\\x0A]"),
            b'R' => {
                let breaks = format!("\\x0D\\x0A|[{VERTICAL_SPACE}]");
                self.item_of(&format!("(?:{breaks})"), &format!("(?>{breaks})"));
            }
            b'Z' => self.item_of("(?:)", "(?=\\x0A?\\z)"),
            b'g' => return self.numbered_reference(rest),
            b'k' => return self.named_reference(rest),
            b'Q' => {
                self.rest = rest;
                self.quoted();
                return Ok(());
            }
            // The end of a quotation that was not begun is ignored.
            b'E' => {}
            _ => {
                let byte = self.escaped_byte()?;
                self.literal(byte);
                return Ok(());
            }
        }
        self.rest = rest;
        Ok(())
    }

    /// The byte that `\n`, `\x41`, `\x{41}`, `\012`, `\cA` or an escaped punctuation character stands for; reading goes on
    /// behind it. Inside and outside classes.
    pub(super) fn escaped_byte(&mut self) -> Result<u8, String> {
        let (letter, rest) = self.rest.split_first().ok_or("it ends with a backslash")?;
        if matches!(letter, b'0'..=b'7') {
            return self.octal();
        }
        self.rest = rest;
        Ok(match letter {
            b'a' => 0x07,
            b'e' => 0x1B,
            b'f' => 0x0C,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => return self.hexadecimal(),
            b'o' if rest.starts_with(b"{") => return self.braced(8),
            b'c' => {
                let (control, rest) = rest.split_first().ok_or("\\c is followed by nothing")?;
                self.rest = rest;
                control.to_ascii_uppercase() ^ 0x40
            }
            other if other.is_ascii_alphanumeric() => {
                return Err(format!("\\{} is not supported", char::from(*other)));
            }
            other => *other,
        })
    }

    /// The rest of `\xHH` (up to two digits) or `\x{H...}`.
    fn hexadecimal(&mut self) -> Result<u8, String> {
        if self.rest.starts_with(b"{") {
            return self.braced(16);
        }
        let mut byte = 0;
        for _ in 0..2 {
            let Some((digit, rest)) = self.rest.split_first() else { break };
            let Some(digit) = hex_value(*digit) else { break };
            byte = byte << 4 | digit;
            self.rest = rest;
        }
        Ok(byte)
    }

    /// The rest of `\x{...}` or `\o{...}`.
    fn braced(&mut self, radix: u32) -> Result<u8, String> {
        let end = self.rest.iter().position(|byte| *byte == b'}').ok_or("\\x{ is not closed")?;
        let digits = self.rest.get(1..end).unwrap_or_default();
        let value = std::str::from_utf8(digits).ok().and_then(|text| u32::from_str_radix(text, radix).ok());
        let value = value.ok_or_else(|| format!("\"{}\" is no number of a byte", digits.escape_ascii()))?;
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        u8::try_from(value)
            .map_err(|_| format!("\\x{{{value:x}}} is no byte: patterns match bytes, write its UTF-8 bytes"))
    }

    /// A back reference `\1`, or where there are not so many groups three octal digits.
    fn number(&mut self) -> Result<(), String> {
        let length = self.rest.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
        let digits = self.rest.get(..length).unwrap_or_default();
        let number = digits.iter().fold(0u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
        if number < 10 || number <= self.captures {
            self.rest = self.rest.get(length..).unwrap_or_default();
            self.back_reference(&format!("\\{number}"));
            return Ok(());
        }
        let byte = self.octal()?;
        self.literal(byte);
        Ok(())
    }

    /// Up to three octal digits.
    pub(super) fn octal(&mut self) -> Result<u8, String> {
        let length = self.rest.iter().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
        let digits = self.rest.get(..length).unwrap_or_default();
        if digits.is_empty() {
            return Err("a back reference names no group".to_owned());
        }
        let value = digits.iter().fold(0u32, |sum, digit| sum * 8 + u32::from(digit - b'0'));
        self.rest = self.rest.get(length..).unwrap_or_default();
        u8::try_from(value).map_err(|_| format!("\\{value:o} is no byte"))
    }

    /// `\g1`, `\g{1}`, `\g{-1}`, `\g{name}`: what follows `\g`.
    fn numbered_reference(&mut self, rest: &'p [u8]) -> Result<(), String> {
        let (name, after) = if let Some(inner) = rest.strip_prefix(b"{") {
            let end = inner.iter().position(|byte| *byte == b'}').ok_or("\\g{ is not closed")?;
            (inner.get(..end).unwrap_or_default(), end + 2)
        } else {
            let end = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            (rest.get(..end).unwrap_or_default(), end)
        };
        let name = std::str::from_utf8(name).unwrap_or_default();
        let group = match name.strip_prefix('-') {
            Some(back) => back.parse().ok().and_then(|back: u32| (self.captures + 1).checked_sub(back)),
            None => name.parse().ok(),
        };
        let group = group.filter(|group| *group > 0).ok_or_else(|| format!("\\g{name} is not supported"))?;
        self.rest = self.rest.get(1 + after..).unwrap_or_default();
        self.back_reference(&format!("\\{group}"));
        Ok(())
    }

    /// `\k<name>`, `\k'name'`, `\k{name}`: what follows `\k`.
    fn named_reference(&mut self, rest: &'p [u8]) -> Result<(), String> {
        let (open, inner) = rest.split_first().ok_or("\\k is followed by nothing")?;
        let end = match open {
            b'<' => b'>',
            b'{' => b'}',
            b'\'' => b'\'',
            _ => return Err("\\k is followed by no name".to_owned()),
        };
        let length = inner.iter().position(|byte| *byte == end).ok_or("a name is not closed")?;
        let name = String::from_utf8_lossy(inner.get(..length).unwrap_or_default()).into_owned();
        self.rest = self.rest.get(length + 3..).unwrap_or_default();
        self.back_reference(&format!("\\k<{name}>"));
        Ok(())
    }

    /// Writes a back reference. What it matches is known only while matching.
    pub(super) fn back_reference(&mut self, exact: &str) {
        self.item_of("(?:(?s:.)*)", &format!("(?:{exact})"));
    }

    /// The rest of `\Q...\E`.
    fn quoted(&mut self) {
        while let Some((byte, rest)) = self.rest.split_first() {
            if let Some(after) = self.rest.strip_prefix(b"\\E") {
                self.rest = after;
                return;
            }
            self.rest = rest;
            self.literal(*byte);
        }
    }
}
