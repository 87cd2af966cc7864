//! `type/subtype; name=value` fields: Content-Type, and the parameters that Content-Disposition shares with it
//! (RFC 9110 sections 5.6.6 and 8.3.1).
//!
//! Parsers of such fields differ in what they make of a repeated parameter, of blanks, of quotes that do not close
//! and of RFC 2231 continuations (`boundary*0=`). Here the first occurrence counts, and every one of those oddities is
//! said, so that the caller can note it.

use std::borrow::Cow;

use crate::fields::is_token;

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// Its name as received, without blanks around it.
    pub name: &'a [u8],
    /// Its value, quotes and backslashes of a quoted-string undone.
    pub value: Cow<'a, [u8]>,
    /// Whether it was a quoted-string.
    pub quoted: bool,
}

/// A media type, parsed leniently.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentType<'a> {
    /// `type/subtype` as received, without parameters and blanks.
    pub essence: &'a [u8],
    /// `charset`, the first.
    pub charset: Option<Cow<'a, [u8]>>,
    /// `boundary`, the first.
    pub boundary: Option<Cow<'a, [u8]>>,
    /// What does not follow the grammar, if anything.
    pub odd: Option<&'static str>,
}

impl<'a> ContentType<'a> {
    /// Parses the value of a Content-Type field.
    pub fn parse(field: &'a [u8]) -> Self {
        let end = memchr::memchr(b';', field).unwrap_or(field.len());
        let (essence, rest) = field.split_at_checked(end).unwrap_or((field, b""));
        let essence = essence.trim_ascii();
        let mut parsed = Self { essence, odd: odd_essence(essence), ..Self::default() };
        let mut parameters = Parameters::new(rest);
        for parameter in parameters.by_ref() {
            parsed.take(parameter);
        }
        parsed.odd = parsed.odd.or(parameters.odd);
        parsed
    }

    /// Whether the essence is `essence`, without case.
    pub fn is(&self, essence: &str) -> bool {
        self.essence.eq_ignore_ascii_case(essence.as_bytes())
    }

    /// Whether the subtype ends in `+suffix` (RFC 6839), without case.
    pub fn has_suffix(&self, suffix: &str) -> bool {
        let (all, suffix) = (self.essence, suffix.as_bytes());
        let at = all.len().wrapping_sub(suffix.len());
        all.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(suffix)) && all.get(at.wrapping_sub(1)) == Some(&b'+')
    }

    /// Whether the type says that the bytes are no text: pictures, sound, films, fonts, archives, documents of offices, or
    /// `application/octet-stream`. Binary forms of data (protobuf, CBOR ...) are not among them: they hold an
    /// application's texts. Neither is a type with a charset.
    pub fn is_binary(&self) -> bool {
        let family =
            |name: &&str| self.essence.get(..name.len()).is_some_and(|s| s.eq_ignore_ascii_case(name.as_bytes()));
        self.charset.is_none()
            && !self.has_suffix("xml")
            && !self.has_suffix("json")
            && (BINARY.iter().any(|known| self.is(known)) || BINARY_FAMILIES.iter().any(family))
    }

    fn take(&mut self, parameter: Parameter<'a>) {
        let slot = match parameter.name {
            name if name.eq_ignore_ascii_case(b"charset") => &mut self.charset,
            name if name.eq_ignore_ascii_case(b"boundary") => &mut self.boundary,
            name => {
                if name.contains(&b'*') {
                    self.odd = self.odd.or(Some("an extended parameter"));
                }
                return;
            }
        };
        if slot.is_some() {
            self.odd = self.odd.or(Some("a repeated parameter"));
        } else {
            *slot = Some(parameter.value);
        }
    }
}

/// Media types of bytes that are no text (IANA media types registry, and what is sent in their place).
const BINARY: [&str; 19] = [
    "application/octet-stream",
    "binary/octet-stream",
    "application/pdf",
    "application/zip",
    "application/x-zip-compressed",
    "application/gzip",
    "application/x-gzip",
    "application/zstd",
    "application/x-bzip2",
    "application/x-xz",
    "application/x-tar",
    "application/x-7z-compressed",
    "application/vnd.rar",
    "application/x-rar-compressed",
    "application/java-archive",
    "application/wasm",
    "application/msword",
    "application/ogg",
    "application/vnd.sqlite3",
];
/// The same, by how they begin.
const BINARY_FAMILIES: [&str; 7] = [
    "image/",
    "audio/",
    "video/",
    "font/",
    "application/font-",
    "application/vnd.ms-",
    "application/vnd.openxmlformats-officedocument.",
];

fn odd_essence(essence: &[u8]) -> Option<&'static str> {
    let mut halves = essence.splitn(2, |&byte| byte == b'/');
    let token = |half: Option<&[u8]>| half.is_some_and(|half| !half.is_empty() && half.iter().all(|&b| is_token(b)));
    let good = token(halves.next()) && token(halves.next());
    if good { None } else { Some("no media type") }
}

/// The parameters after a first `;`, one by one. `odd` says what did not follow the grammar so far.
#[derive(Clone, Debug)]
pub struct Parameters<'a> {
    rest: &'a [u8],
    /// What does not follow the grammar, if anything; complete once the iterator has ended.
    pub odd: Option<&'static str>,
}

impl<'a> Parameters<'a> {
    /// Reads `rest`, which starts with the `;` before the first parameter (or is empty).
    pub fn new(rest: &'a [u8]) -> Self {
        Self { rest, odd: None }
    }

    fn odd(&mut self, what: &'static str) {
        self.odd = self.odd.or(Some(what));
    }

    /// Reads a quoted-string whose opening quote is gone; bytes that are left after it are odd.
    fn quoted(&mut self) -> Cow<'a, [u8]> {
        let input = self.rest;
        let mut owned: Option<Vec<u8>> = None;
        let mut bytes = input.iter().enumerate();
        while let Some((at, &byte)) = bytes.next() {
            match byte {
                b'"' => {
                    self.rest = input.get(at + 1..).unwrap_or_default();
                    return owned.map_or_else(|| Cow::Borrowed(input.get(..at).unwrap_or_default()), Cow::Owned);
                }
                b'\\' => {
                    let so_far = owned.get_or_insert_with(|| input.get(..at).unwrap_or_default().to_vec());
                    so_far.extend(bytes.next().map(|(_, &escaped)| escaped));
                }
                _ => {
                    if let Some(owned) = &mut owned {
                        owned.push(byte);
                    }
                }
            }
        }
        self.odd("an open quote");
        self.rest = b"";
        owned.map_or(Cow::Borrowed(input), Cow::Owned)
    }

    fn value(&mut self) -> (Cow<'a, [u8]>, bool) {
        if let Some(inside) = self.rest.strip_prefix(b"\"") {
            self.rest = inside;
            let value = self.quoted();
            let end = memchr::memchr(b';', self.rest).unwrap_or(self.rest.len());
            let (left, rest) = self.rest.split_at_checked(end).unwrap_or_default();
            if !left.trim_ascii().is_empty() {
                self.odd("bytes after a quoted parameter");
            }
            self.rest = rest;
            return (value, true);
        }
        let end = memchr::memchr(b';', self.rest).unwrap_or(self.rest.len());
        let (value, rest) = self.rest.split_at_checked(end).unwrap_or_default();
        self.rest = rest;
        let value = value.trim_ascii();
        if value.is_empty() || !value.iter().all(|&byte| is_token(byte) || byte >= 0x80) {
            self.odd("a parameter that is no token");
        }
        (Cow::Borrowed(value), false)
    }
}

impl<'a> Iterator for Parameters<'a> {
    type Item = Parameter<'a>;

    fn next(&mut self) -> Option<Parameter<'a>> {
        loop {
            let skipped = self.rest.iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == b';').count();
            self.rest = self.rest.get(skipped..).unwrap_or_default();
            if self.rest.is_empty() {
                return None;
            }
            let end = self.rest.iter().position(|byte| matches!(byte, b'=' | b';')).unwrap_or(self.rest.len());
            let (given, rest) = self.rest.split_at_checked(end)?;
            let name = given.trim_ascii();
            let Some(rest) = rest.strip_prefix(b"=") else {
                self.odd("a parameter without a value");
                self.rest = rest;
                continue;
            };
            if name.len() != given.len() || name.is_empty() || !name.iter().all(|&byte| is_token(byte)) {
                self.odd("a parameter whose name is no token");
            }
            if rest.first().is_some_and(u8::is_ascii_whitespace) {
                self.odd("a blank before a parameter's value");
            }
            self.rest = rest.trim_ascii_start();
            let (value, quoted) = self.value();
            return Some(Parameter { name, value, quoted });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(field: &str, essence: &str, charset: Option<&str>, boundary: Option<&str>, odd: Option<&str>) {
        let got = ContentType::parse(field.as_bytes());
        let text = |bytes: &Option<Cow<'_, [u8]>>| bytes.as_ref().map(|b| String::from_utf8(b.to_vec()).unwrap());
        assert_eq!(
            (got.essence, text(&got.charset).as_deref(), text(&got.boundary).as_deref(), got.odd),
            (essence.as_bytes(), charset, boundary, odd),
            "{field}"
        );
    }

    #[test]
    fn media_types() {
        check("text/plain", "text/plain", None, None, None);
        check(" text/plain ; charset=utf-8", "text/plain", Some("utf-8"), None, None);
        check("text/plain;CHARSET=\"utf-8\";", "text/plain", Some("utf-8"), None, None);
        check("multipart/form-data; boundary=\"a\\\"b;c\"", "multipart/form-data", None, Some("a\"b;c"), None);
        check("multipart/form-data; boundary=--x--", "multipart/form-data", None, Some("--x--"), None);
        check("a/b;c=d;charset=e", "a/b", Some("e"), None, None);
    }

    #[test]
    fn odd_media_types() {
        check("", "", None, None, Some("no media type"));
        check("text", "text", None, None, Some("no media type"));
        check("text/", "text/", None, None, Some("no media type"));
        check("application/json, text/plain", "application/json, text/plain", None, None, Some("no media type"));
        check("a/b; charset=utf-8; charset=utf-7", "a/b", Some("utf-8"), None, Some("a repeated parameter"));
        check("a/b; boundary=x; boundary=y", "a/b", None, Some("x"), Some("a repeated parameter"));
        check("a/b; boundary*0=x; boundary*1=y", "a/b", None, None, Some("an extended parameter"));
        check("a/b; charset", "a/b", None, None, Some("a parameter without a value"));
        check("a/b; charset =utf-8", "a/b", Some("utf-8"), None, Some("a parameter whose name is no token"));
        check("a/b; charset= utf-8", "a/b", Some("utf-8"), None, Some("a blank before a parameter's value"));
        check("a/b; charset=\"utf-8", "a/b", Some("utf-8"), None, Some("an open quote"));
        check("a/b; charset=\"x\"y", "a/b", Some("x"), None, Some("bytes after a quoted parameter"));
        check("a/b; charset=a b", "a/b", Some("a b"), None, Some("a parameter that is no token"));
        check("a/b; charset=", "a/b", Some(""), None, Some("a parameter that is no token"));
    }

    #[test]
    fn types_of_bytes() {
        for (field, expect) in [
            ("image/png", true),
            ("Image/JPEG; q=1", true),
            ("application/octet-stream", true),
            ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", true),
            ("application/octet-stream; charset=utf-8", false),
            ("image/svg+xml", false),
            ("images/png", false),
            ("image", false),
            ("application/json", false),
            ("application/protobuf", false),
            ("text/plain", false),
            ("", false),
        ] {
            assert_eq!(ContentType::parse(field.as_bytes()).is_binary(), expect, "{field}");
        }
    }

    #[test]
    fn suffixes() {
        let has = |field: &str| ContentType::parse(field.as_bytes()).has_suffix("json");
        assert!(has("application/problem+json"));
        assert!(has("application/vnd.api+JSON; a=b"));
        assert!(!has("application/json"));
        assert!(!has("+jso"));
        assert!(!has("n"));
    }

    proptest::proptest! {
        #[test]
        fn a_quoted_boundary_comes_back(boundary in "[ -~]{1,70}") {
            let escaped: String = boundary.chars().flat_map(|c| {
                let escape = matches!(c, '"' | '\\');
                escape.then_some('\\').into_iter().chain([c])
            }).collect();
            let field = format!("multipart/form-data; boundary=\"{escaped}\"");
            let parsed = ContentType::parse(field.as_bytes());
            proptest::prop_assert_eq!(parsed.boundary.as_deref(), Some(boundary.as_bytes()));
            proptest::prop_assert_eq!(parsed.odd, None);
        }

        #[test]
        fn any_bytes(field: Vec<u8>) {
            let parsed = ContentType::parse(&field);
            proptest::prop_assert!(parsed.boundary.is_none_or(|boundary| boundary.len() <= field.len()));
        }
    }
}
