//! Multipart.

/// What a multipart body is made of, beside the values it gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Multipart<'a> {
    /// The parts in order.
    pub parts: Vec<Part<'a>>,
}

/// One part of a multipart body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part<'a> {
    /// The header section of the part as received, one line an entry, folded lines joined to one entry.
    pub headers: Vec<&'a [u8]>,
    /// The name of the field, decoded; empty where it has none.
    pub name: std::borrow::Cow<'a, [u8]>,
    /// The name of the file, decoded, where the part is a file.
    pub file_name: Option<std::borrow::Cow<'a, [u8]>>,
    /// The content as received.
    pub content: &'a [u8],
}
