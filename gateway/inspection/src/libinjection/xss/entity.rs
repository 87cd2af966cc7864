//! Character references (`&#106;`, `&#x6a;`), and whether a URL that may hold them begins like one that runs a script.

/// The largest number that a reference may stand for; as in the C library, which is not Unicode's.
const MAX_REFERENCE: u32 = 0x10_00ff;

/// URLs that run a script or show a page of the sender's. `JAVA` stands for `javascript:` too.
const SCHEMES: [&[u8]; 4] = [b"DATA", b"VIEW-SOURCE", b"JAVA", b"VBSCRIPT"];

/// Whether a browser would run what the URL says.
pub(crate) fn is_script_url(url: &[u8]) -> bool {
    // White space before a URL is ignored, and by some browsers what is not ASCII as well.
    let start = url.iter().position(|byte| matches!(byte, 0x21..=0x7e)).unwrap_or(url.len());
    let url = url.get(start..).unwrap_or_default();
    SCHEMES.iter().any(|scheme| starts_with(url, scheme))
}

/// Whether a text begins with a word in upper case, once references are decoded, case is folded, and what browsers
/// ignore is left out: control characters and spaces before it, NUL and line feeds within it.
fn starts_with(text: &[u8], word: &[u8]) -> bool {
    let mut rest = text;
    let mut expected = word.iter();
    let mut leading = true;
    let mut next = expected.next();
    while let Some(&letter) = next {
        let Some((code, len)) = decode(rest) else { return false };
        rest = rest.get(len..).unwrap_or_default();
        if leading && code <= 32 {
            continue;
        }
        leading = false;
        if code == 0 || code == 10 {
            continue;
        }
        // As in the C library a code is cut to its lowest byte, and folded only when it is ASCII.
        let [byte, ..] = code.to_le_bytes();
        let byte = if code < 128 { byte.to_ascii_uppercase() } else { byte };
        if byte != letter {
            return false;
        }
        next = expected.next();
    }
    true
}

/// The first character and how many bytes it takes. Named references are not decoded: an ampersand is itself.
fn decode(text: &[u8]) -> Option<(u32, usize)> {
    let reference = match text {
        [] => return None,
        [b'&', b'#', b'x' | b'X', digits @ ..] => number(digits, 16).map(|(code, len)| (code, 3 + len)),
        [b'&', b'#', digits @ ..] => number(digits, 10).map(|(code, len)| (code, 2 + len)),
        _ => None,
    };
    Some(reference.unwrap_or_else(|| (u32::from(text.first().copied().unwrap_or(0)), 1)))
}

/// The digits of a reference and the semicolon behind them. None where there are no digits or they say too much.
fn number(digits: &[u8], radix: u32) -> Option<(u32, usize)> {
    let mut code = 0;
    let mut len = 0;
    for &byte in digits {
        let Some(digit) = char::from(byte).to_digit(radix) else { break };
        code = code * radix + digit;
        if code > MAX_REFERENCE {
            return None;
        }
        len += 1;
    }
    if len == 0 {
        return None;
    }
    Some((code, len + usize::from(digits.get(len) == Some(&b';'))))
}
