//! Operators as written: `!@rx ^a`, `@pmFromFile words.data`, `^a` (a pattern).
//!
//! The name is checked here; the argument is compiled later, by the operator. Data files are read here: relative names
//! are looked up beside the rule file, then below the roots.

use std::sync::Arc;

use super::here::Here;
use super::line::Span;
use super::read::Reader;
use super::template::{Braces, template};
use super::word::Word;
use crate::seclang::ast::OperatorText;

/// The operators that are known, as the manual spells them.
const KNOWN: [&str; 31] = [
    "rx",
    "rxGlobal",
    "lt",
    "le",
    "eq",
    "ge",
    "gt",
    "pm",
    "pmFromFile",
    "streq",
    "within",
    "contains",
    "containsWord",
    "strmatch",
    "beginsWith",
    "endsWith",
    "ipMatch",
    "ipMatchFromFile",
    "validateByteRange",
    "validateUtf8Encoding",
    "validateUrlEncoding",
    "unconditionalMatch",
    "noMatch",
    "detectSQLi",
    "detectXSS",
    "verifyCC",
    "verifyCPF",
    "verifySSN",
    "verifySVNR",
    "geoLookup",
    "rbl",
];

/// Shorter names that the manual allows.
const ALIASES: [(&str, &str); 2] = [("pmf", "pmFromFile"), ("ipMatchF", "ipMatchFromFile")];

/// Operators that ModSecurity has and Rampart has not, and what to do.
const UNSUPPORTED: [(&str, &str); 7] = [
    ("validateSchema", "take the rule out; routes may name a JSON Schema of their bodies"),
    ("validateDTD", "take the rule out; documents with a DTD are refused"),
    ("validateHash", "take the rule out"),
    ("fuzzyHash", "take the rule out"),
    ("gsbLookup", "take the rule out: nothing is looked up while a request waits"),
    ("inspectFile", "take the rule out: programs are not run on requests; FILES_TMP_CONTENT holds the contents"),
    ("rsub", "take the rule out: bodies are not rewritten"),
];

/// The operator in `word`; `None` where it is wrong, which is reported.
pub(super) fn operator(word: Word<'_>, here: &Here<'_>, reader: &mut Reader<'_>) -> Option<OperatorText> {
    let (negated, rest) = negation(word.span);
    let (name, argument) = match rest.trim_start().strip_prefix('@') {
        Some(named) => {
            let end = named.text.find(|next: char| next.is_ascii_whitespace()).unwrap_or(named.text.len());
            // One blank separates; further ones are the argument's, as ModSecurity v3 reads it.
            (canonical(named.part(0..end), here)?, named.from(end + 1))
        }
        None => ("rx", rest),
    };
    let quotes: &[char] = word.quote.as_slice();
    let text = template(argument, quotes, Braces::MayBeText, here)?;
    let data = match name {
        "pmFromFile" | "ipMatchFromFile" => Some(data(argument, here, reader)?),
        _ => None,
    };
    Some(OperatorText { negated, name: name.into(), argument: text, data })
}

/// Takes the `!` off. A pattern may begin with white space, so none is taken unless a name follows.
fn negation(span: Span<'_>) -> (bool, Span<'_>) {
    match span.trim_start().strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, span),
    }
}

/// The name as the manual spells it.
fn canonical(name: Span<'_>, here: &Here<'_>) -> Option<&'static str> {
    let alias = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name.text)).map(|(_, meant)| *meant);
    let known = alias.or_else(|| KNOWN.into_iter().find(|known| known.eq_ignore_ascii_case(name.text)));
    if known.is_none() {
        match UNSUPPORTED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.text)) {
            Some((_, help)) => here.unsupported(name, "the operator", help),
            None => {
                here.unknown(name, "operator", KNOWN.into_iter(), "a pattern that begins with @ is written @rx \\@...");
            }
        }
    }
    known
}

/// The contents of the files that an argument names, one after the other.
fn data(names: Span<'_>, here: &Here<'_>, reader: &mut Reader<'_>) -> Option<Arc<[u8]>> {
    let mut files = names.split(&[' ', '\t']);
    let Some(first) = files.next() else {
        here.error(names, "the operator needs the name of a file").help("name a file beside this one");
        return None;
    };
    let mut bytes = reader.data(first, here)?;
    for more in files {
        bytes = [&*bytes, b"\n", &*reader.data(more, here)?].concat().into();
    }
    Some(bytes)
}
