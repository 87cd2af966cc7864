//! The names of tags and attributes that can run a script. NULs in a name are ignored, as old browsers do.

/// The longest name that is compared.
const LONGEST: usize = 13;

/// What an attribute of a name may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Attribute {
    #[default]
    Harmless,
    /// Runs a script, or makes tags that do, whatever the value.
    Script,
    /// The value is a URL.
    Url,
    /// The value is style, which old browsers take scripts in.
    Style,
    /// The value names another attribute (SVG).
    Indirect,
}

/// Whether a tag of this name can run a script or change where others come from.
pub(crate) fn is_script_tag(name: &[u8]) -> bool {
    if name.len() < 3 {
        return false;
    }
    // Whatever begins with SVG or XSL is enough.
    if name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(b"SVG") || start.eq_ignore_ascii_case(b"XSL")) {
        return true;
    }
    matches!(
        Folded::new(name).as_bytes(),
        b"APPLET"
            | b"BASE"
            | b"COMMENT"
            | b"EMBED"
            | b"FRAME"
            | b"FRAMESET"
            | b"HANDLER"
            | b"IFRAME"
            | b"IMPORT"
            | b"ISINDEX"
            | b"LINK"
            | b"LISTENER"
            | b"META"
            | b"NOSCRIPT"
            | b"OBJECT"
            | b"SCRIPT"
            | b"STYLE"
            | b"VMLFRAME"
            | b"XML"
            | b"XSS"
    )
}

/// What an attribute of this name may do.
pub(crate) fn attribute(name: &[u8]) -> Attribute {
    if name.len() < 2 {
        return Attribute::Harmless;
    }
    if let Some(start) = name.get(..5) {
        // `onerror`, `onload`, and whatever handlers are to come.
        let is_handler = matches!(start, [b'o' | b'O', b'n' | b'N', ..]);
        if is_handler || matches!(Folded::new(start).as_bytes(), b"XMLNS" | b"XLINK") {
            return Attribute::Script;
        }
    }
    match Folded::new(name).as_bytes() {
        b"DATAFORMATAS" | b"DATASRC" => Attribute::Script,
        b"ACTION" | b"BY" | b"BACKGROUND" | b"DYNSRC" | b"FORMACTION" | b"FOLDER" | b"FROM" | b"HANDLER" | b"HREF"
        | b"LOWSRC" | b"POSTER" | b"SRC" | b"TO" | b"VALUES" | b"XLINK:HREF" => Attribute::Url,
        b"FILTER" | b"STYLE" => Attribute::Style,
        b"ATTRIBUTENAME" => Attribute::Indirect,
        _ => Attribute::Harmless,
    }
}

/// Whether a comment is one that Internet Explorer or an XML parser acts upon.
pub(crate) fn is_active_comment(text: &[u8]) -> bool {
    // A backtick ends a tag in Internet Explorer.
    if text.contains(&b'`') {
        return true;
    }
    let conditional =
        matches!(text, [b'[', b'i' | b'I', b'f' | b'F', _, ..] | [b'x' | b'X', b'm' | b'M', b'l' | b'L', _, ..]);
    conditional || text.get(..6).is_some_and(|start| matches!(Folded::new(start).as_bytes(), b"IMPORT" | b"ENTITY"))
}

/// A name in upper case without its NULs; one that is too long to be compared is empty.
struct Folded {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Folded {
    fn new(name: &[u8]) -> Self {
        let mut folded = Self { bytes: [0; LONGEST], len: 0 };
        for byte in name.iter().filter(|&&byte| byte != 0) {
            let Some(slot) = folded.bytes.get_mut(folded.len) else {
                folded.len = 0;
                break;
            };
            *slot = byte.to_ascii_uppercase();
            folded.len += 1;
        }
        folded
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}
