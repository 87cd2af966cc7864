//! The validator: walks the spanned tree along the schema and reports everything that does not fit.
//!
//! What it checks: unknown and missing keys, types, listed values, ranges, lengths, patterns, durations and sizes. It
//! never stops at the first mistake, and descends into what is right beside what is wrong. Its recursion is bounded
//! by the nesting that the TOML parser allows (80).

use regex::Regex;
use serde_json::Value as Json;

use crate::document::Document;
use crate::nearest::nearest;
use crate::place::{Step, diagnose, listed, render};
use crate::schema::{Property, Schema};
use crate::tree::{Entry, Node, Span, Value};
use crate::{Diagnostic, Duration, Severity, Size};

/// Something that does not fit, and where.
pub(crate) struct Mistake {
    pub(crate) path: Vec<Step>,
    pub(crate) diagnostic: Diagnostic,
}

/// Everything in the document that does not fit the schema.
pub(crate) fn mistakes(document: &Document, schema: &Json) -> Vec<Mistake> {
    let mut walk = Walk { document, path: Vec::new(), found: Vec::new() };
    walk.value(&document.root, Schema::root(schema));
    walk.found
}

struct Walk<'d> {
    document: &'d Document,
    path: Vec<Step>,
    found: Vec<Mistake>,
}

impl Walk<'_> {
    fn error(&mut self, span: &Span, message: String, help: Option<String>) {
        let diagnostic = diagnose(self.document, span, Severity::Error, render(&self.path), message, help);
        self.found.push(Mistake { path: self.path.clone(), diagnostic });
    }

    /// An error whose source line is shown without the value: it may be a secret.
    fn masked_error(&mut self, span: &Span, message: String, help: Option<String>) {
        self.error(span, message, help);
        if let Some(Mistake { diagnostic, .. }) = self.found.last_mut() {
            let before: String = diagnostic.snippet.chars().take(diagnostic.column.saturating_sub(1)).collect();
            diagnostic.snippet = before + "...";
            diagnostic.end_column = diagnostic.column + "...".len();
        }
    }

    fn value(&mut self, node: &Node, schema: Schema<'_>) {
        let all = schema.alternatives();
        if all.is_empty() {
            return;
        }
        let fitting: Vec<Schema<'_>> = all.iter().copied().filter(|one| accepts(*one, &node.value)).collect();
        match fitting.as_slice() {
            [] => self.wrong_type(node, &all),
            [one] => self.one(node, *one),
            several => self.any(node, several),
        }
    }

    fn wrong_type(&mut self, node: &Node, all: &[Schema<'_>]) {
        let mut wanted: Vec<&str> = Vec::new();
        for name in all.iter().flat_map(|one| described(*one)) {
            if !wanted.contains(&name) {
                wanted.push(name);
            }
        }
        let found = match &node.value {
            other if all.iter().any(|one| may_be_secret(*one)) => other.kind().to_owned(),
            Value::String(text) => format!("the string {text:?}"),
            Value::Integer(number) => format!("the integer {number}"),
            Value::Float(number) => format!("the float {number}"),
            Value::Boolean(truth) => format!("the boolean {truth}"),
            other => other.kind().to_owned(),
        };
        let help = all.iter().find_map(|one| examples(*one));
        let message = format!("expected {}, found {found}", wanted.join(" or "));
        if all.iter().any(|one| may_be_secret(*one)) {
            self.masked_error(&node.span, message, help);
        } else {
            self.error(&node.span, message, help);
        }
    }

    /// The value fits the type of several alternatives.
    fn any(&mut self, node: &Node, several: &[Schema<'_>]) {
        if let (Value::String(text), Some(choices)) = (&node.value, all_choices(several)) {
            self.choice(text, &choices, &node.span);
            return;
        }
        let mut best: Option<(usize, Vec<Mistake>)> = None;
        for one in several {
            let mut trial = Walk { document: self.document, path: self.path.clone(), found: Vec::new() };
            trial.one(node, *one);
            if trial.found.is_empty() {
                return;
            }
            let shared = shared_keys(node, *one);
            let better = best
                .as_ref()
                .is_none_or(|(keys, found)| shared > *keys || (shared == *keys && trial.found.len() < found.len()));
            if better {
                best = Some((shared, trial.found));
            }
        }
        match (best, &node.value) {
            (Some((0, _)), Value::Table(entries)) => self.no_alternative(entries, several, &node.span),
            (Some((_, found)), Value::String(text)) => match list_and_form(several) {
                Some((choices, form)) => self.listed_or_formed(text, &choices, form, &node.span),
                None => self.found.extend(found),
            },
            (Some((_, found)), _) => self.found.extend(found),
            (None, _) => {}
        }
    }

    /// A string that is none of the `choices`, and does not have the form that would do instead.
    fn listed_or_formed(&mut self, text: &str, choices: &[&str], form: Schema<'_>, span: &Span) {
        if nearest(text, choices.iter().copied()).is_some() {
            return self.choice(text, choices, span);
        }
        let before = self.found.len();
        self.string(text, form, span);
        for mistake in self.found.iter_mut().skip(before) {
            let help = mistake.diagnostic.help.take().map_or_else(String::new, |help| format!("{help}, or "));
            mistake.diagnostic.help = Some(format!("{help}one of {}", listed(choices)));
        }
    }

    /// A table none of whose keys belongs to any alternative.
    fn no_alternative(&mut self, entries: &[Entry], several: &[Schema<'_>], span: &Span) {
        let mut known: Vec<&str> = several.iter().flat_map(|one| one.keys()).collect();
        known.sort_unstable();
        known.dedup();
        if entries.is_empty() {
            self.error(span, "the table is empty".to_owned(), Some(format!("one of {}", listed(&known))));
        }
        for entry in entries {
            self.unknown_key(entry, &known);
        }
    }

    fn one(&mut self, node: &Node, schema: Schema<'_>) {
        match &node.value {
            Value::Table(entries) => self.table(node, entries, schema),
            Value::Array(items) => self.array(node, items, schema),
            Value::String(text) => self.string(text, schema, &node.span),
            Value::Integer(number) => self.number(*number, schema, &node.span),
            _ => {}
        }
    }

    fn table(&mut self, node: &Node, entries: &[Entry], schema: Schema<'_>) {
        for entry in entries {
            match schema.property(&entry.key) {
                Property::Named(inner) | Property::Open(inner) => {
                    self.path.push(Step::Key(entry.key.clone()));
                    self.value(&entry.node, inner);
                    self.path.pop();
                }
                Property::Unknown => self.unknown_key(entry, &schema.keys().collect::<Vec<_>>()),
                Property::Anything => {}
            }
        }
        for name in schema.required() {
            if node.get(name).is_none() {
                self.error(&node.span, format!("missing key \"{name}\""), None);
            }
        }
    }

    fn unknown_key(&mut self, entry: &Entry, known: &[&str]) {
        let help = match nearest(&entry.key, known.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("known here: {}", listed(known)),
        };
        self.path.push(Step::Key(entry.key.clone()));
        self.error(&entry.key_span, format!("unknown key \"{}\"", entry.key), Some(help));
        self.path.pop();
    }

    fn array(&mut self, node: &Node, items: &[Node], schema: Schema<'_>) {
        let bound = |name: &str| schema.keyword(name).and_then(Json::as_u64);
        let count = items.len() as u64;
        if let Some(least) = bound("minItems").filter(|least| count < *least) {
            self.error(&node.span, format!("{count} items where at least {least} are needed"), None);
        }
        if let Some(most) = bound("maxItems").filter(|most| count > *most) {
            self.error(&node.span, format!("{count} items where at most {most} are allowed"), None);
        }
        let Some(inner) = schema.items() else { return };
        for (index, item) in items.iter().enumerate() {
            self.path.push(Step::Index(index));
            self.value(item, inner);
            self.path.pop();
        }
    }

    fn string(&mut self, text: &str, schema: Schema<'_>, span: &Span) {
        if let Some(choices) = schema.choices() {
            self.choice(text, &choices, span);
            return;
        }
        let wrong = match schema.text("format") {
            Some(Duration::FORMAT) => text.parse::<Duration>().err().map(|error| ("duration", error.to_string())),
            Some(Size::FORMAT) => text.parse::<Size>().err().map(|error| ("size", error.to_string())),
            _ => return self.plain_string(text, schema, span),
        };
        if let Some((what, why)) = wrong {
            self.error(span, format!("{text:?} is not a {what}: {why}"), examples(schema));
        }
    }

    fn plain_string(&mut self, text: &str, schema: Schema<'_>, span: &Span) {
        let secret = may_be_secret(schema);
        let length = text.chars().count() as u64;
        let bound = |name: &str| schema.keyword(name).and_then(Json::as_u64);
        let (message, help) = if length == 0 && bound("minLength").is_some_and(|least| least > 0) {
            ("the string is empty".to_owned(), examples(schema))
        } else if let Some(least) = bound("minLength").filter(|least| length < *least) {
            (format!("the string has {length} characters, fewer than {least}"), None)
        } else if let Some(most) = bound("maxLength").filter(|most| length > *most) {
            (format!("the string has {length} characters, more than {most}"), None)
        } else if let Some(pattern) = schema.text("pattern")
            && Regex::new(pattern).is_ok_and(|pattern| !pattern.is_match(text))
        {
            let shown = if secret { "the value".to_owned() } else { format!("{text:?}") };
            let help = examples(schema).or_else(|| schema.text("description").map(str::to_owned));
            (format!("{shown} does not have the form {pattern}"), help)
        } else {
            return;
        };
        if secret {
            self.masked_error(span, message, help);
        } else {
            self.error(span, message, help);
        }
    }

    fn choice(&mut self, text: &str, choices: &[&str], span: &Span) {
        if choices.contains(&text) {
            return;
        }
        let help = match nearest(text, choices.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("one of {}", listed(choices)),
        };
        self.error(span, format!("unknown value {text:?}"), Some(help));
    }

    fn number(&mut self, number: i64, schema: Schema<'_>, span: &Span) {
        let bound = |name: &str| schema.keyword(name).and_then(whole);
        let least = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|bound| bound + 1));
        let most = bound("maximum")
            .or_else(|| bound("exclusiveMaximum").map(|bound| bound - 1))
            .or_else(|| schema.text("format").and_then(widest));
        let value = i128::from(number);
        if least.is_some_and(|least| value < least) || most.is_some_and(|most| value > most) {
            let range = match (least, most) {
                (Some(least), Some(most)) if least == most => format!("only {least} is known"),
                (Some(least), Some(most)) => format!("{least} to {most}"),
                (Some(least), None) => format!("at least {least}"),
                (None, Some(most)) => format!("at most {most}"),
                (None, None) => return,
            };
            self.error(span, format!("{number} is out of range"), Some(range));
        }
    }
}

/// Whether the schema marks its values as secrets: `writeOnly`.
fn may_be_secret(schema: Schema<'_>) -> bool {
    schema.keyword("writeOnly") == Some(&Json::Bool(true))
}

/// The largest value of an integer format that `schemars` gives no maximum.
fn widest(format: &str) -> Option<i128> {
    match format {
        "uint32" => Some(u32::MAX.into()),
        "int32" => Some(i32::MAX.into()),
        _ => None,
    }
}

fn whole(bound: &Json) -> Option<i128> {
    #[expect(clippy::cast_possible_truncation, reason = "schemars writes whole bounds of small integers as floats too")]
    bound.as_i64().map(i128::from).or_else(|| bound.as_u64().map(i128::from)).or(bound.as_f64().map(|f| f as i128))
}

fn accepts(schema: Schema<'_>, value: &Value) -> bool {
    let types = schema.types();
    types.is_empty()
        || types.iter().any(|name| {
            matches!(
                (*name, value),
                ("object", Value::Table(_))
                    | ("array", Value::Array(_))
                    | ("string", Value::String(_))
                    | ("integer", Value::Integer(_))
                    | ("number", Value::Integer(_) | Value::Float(_))
                    | ("boolean", Value::Boolean(_))
            )
        })
}

/// True if a value of this kind could fit the schema.
pub(crate) fn may_hold(schema: Schema<'_>, value: &Value) -> bool {
    let all = schema.alternatives();
    all.is_empty() || all.iter().any(|one| accepts(*one, value))
}

fn described(schema: Schema<'_>) -> Vec<&'static str> {
    match schema.text("format") {
        Some(Duration::FORMAT) => return vec!["a duration"],
        Some(Size::FORMAT) => return vec!["a size"],
        _ => {}
    }
    let article = |name: &str| match name {
        "object" => "a table",
        "array" => "an array",
        "string" => "a string",
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => "a boolean",
        _ => "another value",
    };
    schema.types().into_iter().map(article).collect()
}

fn examples(schema: Schema<'_>) -> Option<String> {
    let examples = schema.keyword("examples").and_then(Json::as_array)?;
    let written: Vec<String> = examples.iter().map(Json::to_string).collect();
    (!written.is_empty()).then(|| format!("for example {}", written.join(", ")))
}

/// The listed strings of all alternatives, if each lists them.
fn all_choices<'s>(several: &[Schema<'s>]) -> Option<Vec<&'s str>> {
    let lists: Option<Vec<Vec<&str>>> = several.iter().map(|one| one.choices()).collect();
    lists.map(|lists| lists.into_iter().flatten().collect())
}

/// The listed strings, and the first alternative that takes others, if there are both.
fn list_and_form<'s>(several: &[Schema<'s>]) -> Option<(Vec<&'s str>, Schema<'s>)> {
    let choices: Vec<&str> = several.iter().filter_map(|one| one.choices()).flatten().collect();
    let form = several.iter().find(|one| one.choices().is_none())?;
    (!choices.is_empty()).then_some((choices, *form))
}

/// How many keys of the table the schema knows; a tag that names the schema counts more than any key.
fn shared_keys(node: &Node, schema: Schema<'_>) -> usize {
    let Value::Table(entries) = &node.value else { return 0 };
    let weight = |entry: &Entry| match schema.property(&entry.key) {
        Property::Named(inner) => match (&entry.node.value, inner.choices()) {
            (Value::String(text), Some(choices)) if choices.contains(&text.as_str()) => 100,
            _ => 1,
        },
        _ => 0,
    };
    entries.iter().map(weight).sum()
}
