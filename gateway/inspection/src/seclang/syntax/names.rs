//! Names with a fixed meaning: phases, severities, transformations.

use super::here::Here;
use super::line::Span;
use crate::seclang::ast::Action;
use crate::transform::Transformation as T;

/// `2`, `request`: 1 to 5.
pub(super) fn phase(span: Span<'_>, here: &Here<'_>) -> Option<u8> {
    const NAMES: [(&str, u8); 3] = [("request", 2), ("response", 4), ("logging", 5)];
    if let Some(phase) = span.text.parse().ok().filter(|phase| (1..=5).contains(phase)) {
        return Some(phase);
    }
    let named = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(span.text)).map(|(_, phase)| *phase);
    if named.is_none() {
        here.unknown(span, "phase", NAMES.iter().map(|(name, _)| *name), "write 1 to 5, request, response or logging");
    }
    named
}

/// `CRITICAL`, `2`: 0 (EMERGENCY) to 7 (DEBUG).
pub(super) fn severity(span: Span<'_>, here: &Here<'_>) -> Option<u8> {
    const NAMES: [&str; 8] = ["EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"];
    if let Some(severity) = span.text.parse().ok().filter(|severity| *severity <= 7) {
        return Some(severity);
    }
    let named = NAMES.iter().zip(0_u8..).find(|(name, _)| name.eq_ignore_ascii_case(span.text));
    if named.is_none() {
        here.unknown(span, "severity", NAMES.into_iter(), "write 0 to 7, or a name from EMERGENCY to DEBUG");
    }
    named.map(|(_, severity)| severity)
}

/// Transformations as SecLang spells them.
const TRANSFORMATIONS: [(&str, T); 32] = [
    ("base64Decode", T::Base64Decode),
    ("base64DecodeExt", T::Base64DecodeExt),
    ("base64Encode", T::Base64Encode),
    ("cmdLine", T::CmdLine),
    ("compressWhitespace", T::CompressWhitespace),
    ("cssDecode", T::CssDecode),
    ("escapeSeqDecode", T::EscapeSeqDecode),
    ("hexDecode", T::HexDecode),
    ("hexEncode", T::HexEncode),
    ("htmlEntityDecode", T::HtmlEntityDecode),
    ("jsDecode", T::JsDecode),
    ("length", T::Length),
    ("lowercase", T::Lowercase),
    ("md5", T::Md5),
    ("normalisePath", T::NormalizePath),
    ("normalisePathWin", T::NormalizePathWin),
    ("normalizePath", T::NormalizePath),
    ("normalizePathWin", T::NormalizePathWin),
    ("removeComments", T::RemoveComments),
    ("removeCommentsChar", T::RemoveCommentsChar),
    ("removeNulls", T::RemoveNulls),
    ("removeWhitespace", T::RemoveWhitespace),
    ("replaceComments", T::ReplaceComments),
    ("replaceNulls", T::ReplaceNulls),
    ("sha1", T::Sha1),
    ("trim", T::Trim),
    ("trimLeft", T::TrimLeft),
    ("trimRight", T::TrimRight),
    ("uppercase", T::Uppercase),
    ("urlDecode", T::UrlDecode),
    ("urlDecodeUni", T::UrlDecodeUni),
    ("utf8toUnicode", T::Utf8ToUnicode),
];

/// Transformations that ModSecurity has and Rampart has not.
const UNSUPPORTED: [&str; 5] = ["parityEven7bit", "parityOdd7bit", "parityZero7bit", "sqlHexDecode", "urlEncode"];

/// The action `t`: `lowercase`, `none`.
pub(super) fn transformation(span: Span<'_>, here: &Here<'_>) -> Option<Action> {
    if span.text.eq_ignore_ascii_case("none") {
        return Some(Action::Transform(None));
    }
    let known = TRANSFORMATIONS.iter().find(|(name, _)| name.eq_ignore_ascii_case(span.text));
    if known.is_none() {
        if UNSUPPORTED.iter().any(|name| name.eq_ignore_ascii_case(span.text)) {
            here.unsupported(span, "the transformation", "take the rule out, or write it with another transformation");
        } else {
            here.unknown(
                span,
                "transformation",
                TRANSFORMATIONS.iter().map(|(name, _)| *name),
                "transformations are those of ModSecurity v3: t:lowercase, t:urlDecodeUni ...",
            );
        }
    }
    known.map(|(_, transformation)| Action::Transform(Some(*transformation)))
}
