//! The boundary that a Content-Type names, by the strict reading of ModSecurity: `multipart/form-data`, at most one semicolon, then
//! `boundary=`; nothing before it, and only parameters without a quote after it.

use memchr::memmem;

use super::super::is_space;
use crate::seclang::values::facts::MultipartFlags;

/// The type that is read.
const TYPE: &[u8] = b"multipart/form-data";
/// The longest Content-Type.
const FIELD_MAX: usize = 1024;

/// The boundary of the Content-Type `field`, or what is wrong with it.
pub(super) fn find<'f>(field: &'f [u8], flags: &mut MultipartFlags) -> Result<&'f [u8], &'static str> {
    if field.is_empty() {
        return Err("Multipart parsing error: Multipart: Content-Type header not available.");
    }
    if field.len() > FIELD_MAX {
        return Err("Multipart parsing error: Multipart: Invalid boundary in C-T (length).");
    }
    if !field.get(..TYPE.len()).is_some_and(|start| start.eq_ignore_ascii_case(TYPE)) {
        return Err("Multipart parsing error: Multipart: Invalid MIME type.");
    }
    let parameters = named(field);
    if parameters > 1 {
        return Err("Multipart parsing error: Multipart: Multiple boundary parameters in C-T.");
    }
    let Some(at) = memmem::find(field, b"boundary") else {
        return Err(if parameters > 0 {
            "Multipart parsing error: Multipart: Invalid boundary in C-T (case sensitivity)."
        } else {
            "Multipart parsing error: Multipart: Boundary not found in C-T."
        });
    };
    between(field.get(TYPE.len()..at).unwrap_or_default(), flags)?;
    let boundary = value(field.get(at + b"boundary".len()..).unwrap_or_default(), flags)?;
    if named(boundary) > 0 {
        return Err("Multipart parsing error: Multipart: Invalid boundary in C-T (content).");
    }
    let legal = |&byte: &u8| byte.is_ascii_alphanumeric() || b" '()+_,-./:=?".contains(&byte);
    if !boundary.iter().all(legal) || boundary.last() == Some(&b' ') {
        return Err("Multipart parsing error: Multipart: Invalid boundary in C-T (characters).");
    }
    if boundary.is_empty() {
        return Err("Multipart parsing error: Multipart: Invalid boundary in C-T (empty).");
    }
    Ok(boundary)
}

/// How often `boundary`, in any case, occurs with an `=` somewhere after it.
fn named(text: &[u8]) -> usize {
    let lower = text.to_ascii_lowercase();
    let last_equals = memchr::memrchr(b'=', text).unwrap_or_default();
    memmem::find_iter(&lower, b"boundary").filter(|at| at + b"boundary".len() <= last_equals).count()
}

/// What stands between the type and the parameter: blanks and one semicolon.
fn between(text: &[u8], flags: &mut MultipartFlags) -> Result<(), &'static str> {
    match text.iter().filter(|&&byte| !is_space(byte)).collect::<Vec<_>>().as_slice() {
        [] => flags.missing_semicolon = true,
        [b';'] => {}
        _ => return Err("Multipart parsing error: Multipart: Invalid boundary in C-T (malformed)."),
    }
    Ok(())
}

/// The value of the parameter, from after its name.
fn value<'f>(after_name: &'f [u8], flags: &mut MultipartFlags) -> Result<&'f [u8], &'static str> {
    let equals = memchr::memchr(b'=', after_name);
    let equals = equals.ok_or("Multipart parsing error: Multipart: Invalid boundary in C-T (malformed).")?;
    let (blanks, value) = after_name.split_at_checked(equals).unwrap_or_default();
    flags.boundary_whitespace |= blanks.iter().any(|&byte| is_space(byte));
    if !blanks.iter().all(|&byte| is_space(byte)) {
        return Err("Multipart parsing error: Multipart: Invalid boundary in C-T (parameter name).");
    }
    let value = value.get(1..).unwrap_or_default();
    flags.boundary_whitespace |= value.first().is_some_and(|&byte| is_space(byte));
    if let [b'"', inside @ .., b'"'] = value {
        flags.boundary_quoted = true;
        return Ok(inside);
    }
    if value.first() == Some(&b'"') || (value.len() >= 2 && value.last() == Some(&b'"')) {
        return Err("Multipart parsing error: Multipart: Invalid boundary in C-T (quote).");
    }
    Ok(value.split(|&byte| byte == b';').next().unwrap_or_default())
}
