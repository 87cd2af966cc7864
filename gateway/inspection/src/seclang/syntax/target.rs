//! Lists of variables: `ARGS|!ARGS:foo|&TX:/^x/|XML:/*`.
//!
//! A selector is a name (`ARGS:foo`, `ARGS:'foo'`) or a pattern on names (`ARGS:/re/`, `ARGS:'/re/'`). A bare pattern
//! ends at the first unescaped slash that a separator or the end of the list follows, so that `|` and `,` may stand in it.
//!
//! Source: ModSecurity reference manual v3, "Variables" and "Target names".

use super::here::Here;
use super::line::Span;
use super::word::{closing, unescape};
use crate::seclang::ast::{Selector, Target, TargetMode};
use crate::seclang::variable::Variable;

/// What separates the targets of a list.
const SEPARATORS: [char; 2] = ['|', ','];

/// The list at `span`; `None` where anything in it is wrong, which is reported. `quotes` are escaped in it.
pub(super) fn targets(span: Span<'_>, quotes: &[char], here: &Here<'_>) -> Option<Vec<Target>> {
    let mut found = Some(Vec::new());
    let mut rest = span.trim();
    if rest.text.is_empty() {
        here.error(span, "no variable is named").help("name what is inspected: ARGS, REQUEST_HEADERS:Cookie ...");
        return None;
    }
    loop {
        let (piece, after) = one(rest);
        let target = target(piece.trim(), quotes, here);
        found = found.zip(target).map(|(mut targets, target)| {
            targets.extend(target);
            targets
        });
        match after {
            Some(after) => rest = after.trim_start(),
            None => return found,
        }
    }
}

/// The first target of a list, and what follows its separator.
fn one(list: Span<'_>) -> (Span<'_>, Option<Span<'_>>) {
    let separator = list.text.find(SEPARATORS);
    let end = match list.text.find([':', '.']) {
        Some(colon) if separator.is_none_or(|at| colon < at) => {
            let is_path =
                list.part(0..colon).text.trim_ascii().trim_start_matches(['!', '&']).eq_ignore_ascii_case("XML");
            let selector = list.from(colon + 1);
            colon + 1 + selector_length(selector.text, is_path)
        }
        _ => separator.unwrap_or(list.text.len()),
    };
    let after = (end < list.text.len()).then(|| list.from(end + 1));
    (list.part(0..end), after)
}

/// How far a selector goes; `is_path`: it is an XPath, which begins with a slash and is no pattern.
fn selector_length(text: &str, is_path: bool) -> usize {
    let next_separator = |from: usize| text.get(from..).and_then(|rest| rest.find(SEPARATORS)).map(|at| from + at);
    let quoted = text.strip_prefix('\'').and_then(|inner| closing(inner, '\'')).map(|at| at + 2);
    let end = match quoted {
        Some(end) => next_separator(end),
        None if text.starts_with('/') && !is_path => match pattern_length(text) {
            Some(end) => next_separator(end),
            None => next_separator(0),
        },
        None => next_separator(0),
    };
    end.unwrap_or(text.len())
}

/// How far a bare pattern goes: to behind the slash that ends it.
fn pattern_length(text: &str) -> Option<usize> {
    let mut from = 1;
    loop {
        let at = from + closing(text.get(from..)?, '/')?;
        let after = text.get(at + 1..)?.trim_ascii_start();
        if after.is_empty() || after.starts_with(SEPARATORS) {
            return Some(at + 1);
        }
        from = at + 1;
    }
}

fn target(span: Span<'_>, quotes: &[char], here: &Here<'_>) -> Option<Vec<Target>> {
    let (mode, rest) = match span.text.chars().next() {
        Some('!') => (TargetMode::Exclude, span.from(1).trim_start()),
        Some('&') => (TargetMode::Count, span.from(1).trim_start()),
        _ => (TargetMode::Include, span),
    };
    if rest.text.is_empty() {
        here.error(span, "a variable is missing between the separators").help("take the surplus separator out");
        return None;
    }
    let (name, selector) = rest.split_once(&[':', '.']).map_or((rest, None), |(name, key)| (name, Some(key)));
    let found = variable(name.trim(), "variable", here)?;
    if found == Variable::Xml {
        return xml(rest, selector, mode, here);
    }
    let Some(selector) = selector.map(Span::trim) else {
        return Some(vec![Target { variable: found, selector: Selector::All, mode }]);
    };
    if !is_collection(found) {
        here.error(selector, format!("{} has one value only, nothing to choose from", found.as_str()))
            .help(format!("write {} alone", found.as_str()));
        return None;
    }
    if found == Variable::Rule {
        check_rule_key(selector, here)?;
    }
    let selector = read_selector(selector, quotes, here)?;
    Some(vec![Target { variable: found, selector, mode }])
}

fn read_selector(span: Span<'_>, quotes: &[char], here: &Here<'_>) -> Option<Selector> {
    let (inner, escaped) = match span.unquoted('\'') {
        Some(inner) => (inner, [quotes, &['\'']].concat()),
        None => (span, quotes.to_vec()),
    };
    if let Some(pattern) = inner.strip_prefix('/') {
        let Some(pattern) = pattern.text.strip_suffix('/').filter(|pattern| !pattern.is_empty()) else {
            here.error(inner, "a pattern on names stands between two slashes").help("close it: ARGS:/^id_/");
            return None;
        };
        return Some(Selector::Pattern(unescape(pattern, &escaped).into()));
    }
    if inner.text.is_empty() {
        here.error(span, "the selector is empty").help("name one member, or leave the colon out to mean all");
        return None;
    }
    Some(Selector::Name(unescape(inner.text, &escaped).as_bytes().into()))
}

/// `XML:/*` and `XML://@*`, the two paths that the Core Rule Set uses; `XML` alone, as an exclusion may say, is both.
fn xml(whole: Span<'_>, path: Option<Span<'_>>, mode: TargetMode, here: &Here<'_>) -> Option<Vec<Target>> {
    let of = |variable, path: &str| Target { variable, selector: Selector::XPath(path.into()), mode };
    let text = of(Variable::Xml, "/*");
    let attributes = of(Variable::XmlAttributes, "//@*");
    match path.map(|path| path.unquoted('\'').unwrap_or(path).text.trim_ascii()) {
        Some("/*") => Some(vec![text]),
        Some("//@*") => Some(vec![attributes]),
        None if mode == TargetMode::Exclude => Some(vec![text, attributes]),
        None => {
            here.error(whole, "XML needs a path").help("write XML:/* for the text, XML://@* for the attributes");
            None
        }
        Some(_) => {
            let help = "write XML:/* for the text of the document, XML://@* for the values of its attributes";
            here.unsupported(path.unwrap_or(whole), "the XPath", help);
            None
        }
    }
}

/// The variable of this name; what is wrong is reported.
pub(super) fn variable(name: Span<'_>, what: &str, here: &Here<'_>) -> Option<Variable> {
    let named = Variable::of(name.text).filter(|variable| *variable != Variable::XmlAttributes);
    if named.is_none() {
        let upper = name.text.to_ascii_uppercase();
        match UNSUPPORTED.iter().find(|(known, _)| *known == upper) {
            Some((_, help)) => here.unsupported(name, what, help),
            None => {
                here.unknown(
                    name,
                    what,
                    Variable::ALL.iter().map(|known| known.as_str()),
                    "variables are those of ModSecurity v3: ARGS, REQUEST_HEADERS:name, TX:name ...",
                );
            }
        }
    }
    named
}

/// Variables that ModSecurity has and Rampart has not, and what to do.
const UNSUPPORTED: [(&str, &str); 12] = [
    ("FILES_TMPNAMES", "uploads are inspected in memory: use FILES_TMP_CONTENT"),
    ("SESSIONID", "sessions are not kept: take the rule out"),
    ("USERID", "user identifiers are not kept: take the rule out"),
    ("URLENCODED_ERROR", "use REQBODY_ERROR, or @validateUrlEncoding on QUERY_STRING"),
    ("WEBSERVER_ERROR_LOG", "there is no web server's log here: take the rule out"),
    ("STATUS", "use RESPONSE_STATUS"),
    ("STATUS_LINE", "use RESPONSE_STATUS"),
    ("MODSEC_BUILD", "take the rule out"),
    ("ENV", "rules cannot read the environment: take the rule out"),
    ("SCRIPT_FILENAME", "use REQUEST_FILENAME"),
    ("STREAM_INPUT_BODY", "use REQUEST_BODY"),
    ("STREAM_OUTPUT_BODY", "use RESPONSE_BODY"),
];

/// What `RULE.x` may name.
const RULE_KEYS: [&str; 5] = ["id", "rev", "severity", "logdata", "msg"];

/// Reports a key of RULE that is none.
pub(super) fn check_rule_key(key: Span<'_>, here: &Here<'_>) -> Option<()> {
    if RULE_KEYS.iter().any(|known| known.eq_ignore_ascii_case(key.text)) {
        return Some(());
    }
    here.unknown(key, "attribute of a rule", RULE_KEYS.into_iter(), "one of id, rev, severity, logdata, msg");
    None
}

/// Whether a variable holds values by name.
pub(super) const fn is_collection(variable: Variable) -> bool {
    use Variable as V;
    matches!(
        variable,
        V::Args
            | V::ArgsNames
            | V::ArgsGet
            | V::ArgsGetNames
            | V::ArgsPost
            | V::ArgsPostNames
            | V::Files
            | V::FilesNames
            | V::FilesSizes
            | V::FilesTmpContent
            | V::MultipartFilename
            | V::MultipartName
            | V::MultipartPartHeaders
            | V::MatchedVars
            | V::MatchedVarsNames
            | V::RequestCookies
            | V::RequestCookiesNames
            | V::RequestHeaders
            | V::RequestHeadersNames
            | V::ResponseHeaders
            | V::ResponseHeadersNames
            | V::Tx
            | V::Geo
            | V::Global
            | V::Ip
            | V::Session
            | V::User
            | V::Resource
            | V::Rule
    )
}
