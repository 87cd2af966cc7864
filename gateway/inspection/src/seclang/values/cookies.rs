//! Cookies: pieces between `;`, a name before the first `=`. Nothing is decoded and no quote is taken off.
//!
//! Only a name loses the white space before it, and only the last piece of a field the white space after it. A piece whose name is
//! empty is no cookie; one without `=` is a name.

use super::is_space;
use super::store::{Text, Values};
use crate::seclang::variable::Source;

/// Adds the cookies of one `Cookie` field.
pub(super) fn read<'a>(field: &'a [u8], values: &mut Values<'a>) {
    // What stands after a last `;` is no piece, so it is the piece before it that is trimmed.
    let field = field.strip_suffix(b";").unwrap_or(field);
    let end = field.iter().rposition(|&byte| !is_space(byte)).map_or(0, |at| at + 1);
    for piece in field.get(..end).unwrap_or_default().split(|&byte| byte == b';') {
        let equals = memchr::memchr(b'=', piece).unwrap_or(piece.len());
        let (name, value) = piece.split_at_checked(equals).unwrap_or_default();
        let start = name.iter().position(|&byte| !is_space(byte)).unwrap_or(name.len());
        let name = name.get(start..).unwrap_or_default();
        if !name.is_empty() {
            let (name, value) = (Text::Given(name), Text::Given(value.get(1..).unwrap_or_default()));
            values.push(Source::Cookie, name, value);
            values.push(Source::CookieName, name, name);
        }
    }
}
