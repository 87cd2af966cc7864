//! Values: what a request says, one by one, each with its kind, its name and its bytes, decoded once.
//!
//! A value borrows from the request wherever no decoding was needed, so a request without escapes costs no allocation
//! per value. JSON and XML names are not strings but nodes linked to their parent; a name such as
//! `root.steps[3].text` is written only when somebody asks for it, which is when a rule matched.

use std::borrow::Cow;

/// Which part of the request a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// The path, in its normalised and decoded form, and beside it the raw one where that differs.
    Path,
    /// A parameter of the query string.
    Query,
    /// A header field (cookies have their own kind).
    Header,
    /// One cookie of a `Cookie` field.
    Cookie,
    /// A field of a urlencoded or multipart form.
    Form,
    /// An uploaded file: its name, and its content (see [`Aspect`]).
    File,
    /// A string, number, boolean or null of a JSON document.
    Json,
    /// A text or attribute (or comment, instruction ...) of an XML document.
    Xml,
    /// A body as one value: text, an unknown type, or a body that did not parse.
    Body,
}

impl Kind {
    /// Every kind, in the order of the enum.
    pub const ALL: [Self; 9] = [
        Self::Path,
        Self::Query,
        Self::Header,
        Self::Cookie,
        Self::Form,
        Self::File,
        Self::Json,
        Self::Xml,
        Self::Body,
    ];

    /// The word of the target grammar (`query`, `json` ...).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookie",
            Self::Form => "form",
            Self::File => "file",
            Self::Json => "json",
            Self::Xml => "xml",
            Self::Body => "body",
        }
    }
}

/// What a value is within its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Aspect {
    /// Text, decoded: the ordinary case.
    Text,
    /// The bytes as received, given beside the decoded value because they differ from it (path).
    Raw,
    /// A JSON number, as text.
    Number,
    /// A JSON `true` or `false`.
    Boolean,
    /// A JSON `null`.
    Null,
    /// The file name of an upload.
    FileName,
    /// The content of an upload: of a file in a form, or of a body of bytes that are no text.
    FileContent,
    /// An XML attribute.
    Attribute,
    /// An XML comment.
    Comment,
    /// An XML processing instruction.
    Instruction,
    /// An XML document type declaration.
    Doctype,
}

/// The name of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name<'a> {
    /// It has none (path, body).
    None,
    /// A flat name, decoded.
    Text(Cow<'a, [u8]>),
    /// A place in a JSON or XML document: an index into [`Message::nodes`](crate::Message::nodes).
    Node(u32),
}

/// One value of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value<'a> {
    /// Where it comes from.
    pub kind: Kind,
    /// What it is there.
    pub aspect: Aspect,
    /// Its name.
    pub name: Name<'a>,
    /// Its bytes, decoded once.
    pub bytes: Cow<'a, [u8]>,
}

/// One step of a place in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// The document that is the body.
    Root,
    /// A document inside a part of a multipart form; the name of the form field.
    Part(Cow<'a, [u8]>),
    /// A member of a JSON object; the key, decoded.
    Key(Cow<'a, [u8]>),
    /// An element of a JSON array, from 0; or a document of a sequence of documents.
    Index(u32),
    /// An XML element; its name with its prefix.
    Element(&'a [u8]),
    /// An XML attribute; its name with its prefix.
    Attribute(&'a [u8]),
}

/// A node of a document: a step, and the node it starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node<'a> {
    /// The index of the parent; a root is its own parent.
    pub parent: u32,
    /// The step from the parent to here.
    pub step: Step<'a>,
}

/// The name of an argument, itself inspectable. See [`Message::names`](crate::Message::names).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameOf<'m> {
    /// The kind of the value that bears the name.
    pub kind: Kind,
    /// The name, decoded.
    pub bytes: &'m [u8],
    /// Where it stands.
    pub at: crate::At,
}
