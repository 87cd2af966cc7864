//! The verdict on a value in all places of a page that it may be pasted into.

use memchr::memchr;

use super::entity;
use super::html5::{Html5, Kind, Start, has_markup};
use super::names::{self, Attribute};

/// Whether a browser would find a script in the value, between tags, in a tag, or behind a quote that it closes.
///
/// Linear in the length of the value; allocates nothing.
pub fn detect_xss(input: &[u8]) -> bool {
    // Without `<` and `=` no tag opens and no attribute has a value.
    if !has_markup(input) {
        return false;
    }
    is_xss(input, Start::Text)
        || is_xss(input, Start::Tag)
        // A quote that the value does not close makes all of it one value of an unknown attribute.
        || [b'\'', b'"', b'`'].iter().any(|&quote| memchr(quote, input).is_some() && is_xss(input, Start::Quoted(quote)))
}

fn is_xss(input: &[u8], start: Start) -> bool {
    let mut attribute = Attribute::Harmless;
    for token in Html5::new(input, start) {
        let named = std::mem::take(&mut attribute);
        let found = match token.kind {
            Kind::Doctype => true,
            Kind::TagName => names::is_script_tag(token.text),
            Kind::AttributeName => {
                attribute = names::attribute(token.text);
                false
            }
            Kind::AttributeValue => is_script_value(named, token.text),
            Kind::Comment => names::is_active_comment(token.text),
            Kind::Text | Kind::TagEnd | Kind::SelfClosing | Kind::ClosingTag => false,
        };
        if found {
            return true;
        }
    }
    false
}

/// Whether an attribute with this value runs a script.
fn is_script_value(attribute: Attribute, value: &[u8]) -> bool {
    match attribute {
        Attribute::Harmless => false,
        Attribute::Script | Attribute::Style => true,
        Attribute::Url => entity::is_script_url(value),
        Attribute::Indirect => names::attribute(value) != Attribute::Harmless,
    }
}
