//! SecLang's names for the operators, and what each makes of its parameter.
//!
//! Names are compared without case, as ModSecurity does. An operator that Rampart does not have is an error that says so:
//! nothing is skipped.

use super::{
    Bytes, Comparison, ContainsWord, IpMatch, Operator, OperatorError, Phrases, Rx, Text, TextKind, Verify, VerifyKind,
    Within, comparison,
};

/// What a name stands for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Rx,
    RxGlobal,
    Pm,
    PmFromFile,
    Compare(fn(i64) -> Comparison),
    Text(TextKind),
    ContainsWord,
    Within,
    IpMatch,
    IpMatchFromFile,
    ValidateByteRange,
    ValidateUtf8Encoding,
    ValidateUrlEncoding,
    UnconditionalMatch,
    NoMatch,
    DetectSqli,
    DetectXss,
    Verify(VerifyKind),
}

/// Every operator, as its documentation spells it.
const NAMES: [(&str, Kind); 31] = [
    ("rx", Kind::Rx),
    ("rxGlobal", Kind::RxGlobal),
    ("pm", Kind::Pm),
    ("pmFromFile", Kind::PmFromFile),
    ("pmf", Kind::PmFromFile),
    ("lt", Kind::Compare(Comparison::Lt)),
    ("le", Kind::Compare(Comparison::Le)),
    ("eq", Kind::Compare(Comparison::Eq)),
    ("ge", Kind::Compare(Comparison::Ge)),
    ("gt", Kind::Compare(Comparison::Gt)),
    ("streq", Kind::Text(TextKind::Equals)),
    ("contains", Kind::Text(TextKind::Contains)),
    ("strmatch", Kind::Text(TextKind::Contains)),
    ("beginsWith", Kind::Text(TextKind::BeginsWith)),
    ("endsWith", Kind::Text(TextKind::EndsWith)),
    ("containsWord", Kind::ContainsWord),
    ("within", Kind::Within),
    ("ipMatch", Kind::IpMatch),
    ("ipMatchFromFile", Kind::IpMatchFromFile),
    ("ipMatchF", Kind::IpMatchFromFile),
    ("validateByteRange", Kind::ValidateByteRange),
    ("validateUtf8Encoding", Kind::ValidateUtf8Encoding),
    ("validateUrlEncoding", Kind::ValidateUrlEncoding),
    ("unconditionalMatch", Kind::UnconditionalMatch),
    ("noMatch", Kind::NoMatch),
    ("detectSQLi", Kind::DetectSqli),
    ("detectXSS", Kind::DetectXss),
    ("verifyCC", Kind::Verify(VerifyKind::CreditCard)),
    ("verifyCPF", Kind::Verify(VerifyKind::Cpf)),
    ("verifySSN", Kind::Verify(VerifyKind::Ssn)),
    ("verifySVNR", Kind::Verify(VerifyKind::Svnr)),
];

/// Operators that ModSecurity has and Rampart does not, and what to do instead.
const UNSUPPORTED: [(&str, &str); 12] = [
    ("validateSchema", "remove the rule"),
    ("validateDTD", "Rampart does not read DTDs; remove the rule"),
    ("validateHash", "hash enforcement is not part of ModSecurity 3 either; remove the rule"),
    ("rsub", "what passes is never changed; remove the rule"),
    ("geoLookup", "there is no location database; remove the rule and those that read GEO"),
    ("gsbLookup", "no service is asked during a request; remove the rule"),
    ("rbl", "no service is asked during a request; remove the rule, or use a [ban] or @ipMatchFromFile"),
    ("inspectFile", "no program is run during a request; remove the rule"),
    ("fuzzyHash", "remove the rule"),
    ("verifyNid", "remove the rule, or use @rx"),
    ("validateNid", "remove the rule, or use @rx"),
    ("yara", "remove the rule"),
];

impl Kind {
    pub(super) fn of(name: &str) -> Result<Self, OperatorError> {
        if let Some((_, kind)) = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return Ok(*kind);
        }
        if let Some((_, instead)) = UNSUPPORTED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return Err(OperatorError::Unsupported { name: name.to_owned(), instead });
        }
        Err(OperatorError::Unknown { name: name.to_owned(), nearest: nearest(name) })
    }
}

/// Whether an operator's parameter names a file whose contents it needs.
#[cfg(test)]
pub(super) fn reads_file(name: &str) -> Result<bool, OperatorError> {
    Ok(matches!(Kind::of(name)?, Kind::PmFromFile | Kind::IpMatchFromFile))
}

impl Operator {
    /// Compiles an operator of a SecLang rule: its name without `@` (in any case), its parameter, and for `pmFromFile`,
    /// `ipMatchFromFile` and their short names the contents of the files, one after the other.
    ///
    /// A parameter with macros goes to [`Dynamic`](super::Dynamic) instead, unless the macros are known.
    ///
    /// # Errors
    /// When there is no such operator, or the parameter is none of it.
    pub(crate) fn seclang(name: &str, parameter: &[u8], data: Option<&[u8]>) -> Result<Self, OperatorError> {
        let kind = Kind::of(name)?;
        let wrong = |reason: String| OperatorError::Parameter { name: name.to_owned(), reason };
        let file = || data.ok_or_else(|| wrong("its file was not read".to_owned()));
        Ok(match kind {
            // An empty pattern matches everything, and captures nothing.
            Kind::Rx | Kind::RxGlobal if parameter.is_empty() => Self::Always,
            Kind::Rx => Self::Rx(Rx::compile(parameter)?),
            Kind::RxGlobal => Self::RxGlobal(Rx::compile(parameter)?),
            Kind::Pm => Self::Phrases(Phrases::of_parameter(parameter).map_err(wrong)?),
            Kind::PmFromFile => Self::Phrases(Phrases::of_file(file()?).map_err(wrong)?),
            Kind::Compare(compare) => Self::Number(compare(comparison::integer(parameter))),
            Kind::Text(kind) => Self::Text(Text::of(kind, parameter)),
            Kind::ContainsWord => Self::ContainsWord(ContainsWord::new(parameter)),
            Kind::Within => Self::Within(Within::new(parameter)),
            Kind::IpMatch => Self::IpMatch(IpMatch::of_parameter(parameter).map_err(wrong)?),
            Kind::IpMatchFromFile => Self::IpMatch(IpMatch::of_file(file()?).map_err(wrong)?),
            Kind::ValidateByteRange => Self::OutsideBytes(Bytes::of_parameter(parameter).map_err(wrong)?),
            Kind::ValidateUtf8Encoding => Self::InvalidUtf8,
            Kind::ValidateUrlEncoding => Self::InvalidUrlEncoding,
            Kind::UnconditionalMatch => Self::Always,
            Kind::NoMatch => Self::Never,
            Kind::DetectSqli => Self::DetectSqli,
            Kind::DetectXss => Self::DetectXss,
            Kind::Verify(kind) => Self::Verify(Verify::compile(kind, parameter)?),
        })
    }
}

/// The name that differs in the fewest letters, where that is no more than a third of them.
fn nearest(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    NAMES
        .iter()
        .map(|(known, _)| (distance(&lower, &known.to_ascii_lowercase()), *known))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, known)| *distance * 3 <= known.len())
        .map(|(_, known)| known)
}

/// Letters to insert, remove or change (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.bytes().enumerate() {
        let mut diagonal = i;
        let mut before = i + 1;
        for (slot, r) in row.iter_mut().skip(1).zip(right.bytes()) {
            let next = (diagonal + usize::from(l != r)).min(before + 1).min(*slot + 1);
            diagonal = std::mem::replace(slot, next);
            before = next;
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}
