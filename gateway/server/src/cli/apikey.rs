//! `rampart apikey`: makes a key and what the configuration has of it. Nothing is stored, and nothing sent: the key is
//! printed once, and known afterwards to its holder alone.

use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Read};
use std::time::SystemTime;

use anyhow::Context;
use clap::{Args, Subcommand};
use rampart_identity::api_key::KEY_BYTES;
use rampart_identity::{ApiKeys, NewKey, RawApiKey};
use rampart_settings::{Document, Report, Severity, Source, read};
use serde_json::json;

use super::{Outcome, term};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rampart apikey new --name ci\n  \
                        rampart apikey new --name ci --scope agents:read --tenant acme --expires 2027-01-01\n  \
                        rampart apikey digest < key.txt\n\n\
                        The key goes to whoever is to use it; the table goes into a file of the rules directory. \
                        Programs send it as `X-Api-Key: rk_...` or `Authorization: Bearer rk_...`.")]
pub(super) struct ApiKeyArguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a key: prints it, once, and the [[api_key]] table to paste
    New(NewArguments),
    /// Read a key on standard input and print its digest
    Digest,
}

#[derive(Debug, Args)]
struct NewArguments {
    /// Its name in records and metrics; unique
    #[arg(long)]
    name: String,
    /// What its holder may do; may be given several times
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// On whose behalf its holder acts, if not its own
    #[arg(long)]
    tenant: Option<String>,
    /// When it ceases to hold: 2027-01-01, or 2027-01-01T12:00:00Z
    #[arg(long, value_name = "DATE")]
    expires: Option<String>,
    /// As JSON: {"key", "name", "digest", "table"}
    #[arg(long)]
    json: bool,
}

/// Makes a key, or digests one.
pub(super) fn apikey(arguments: &ApiKeyArguments) -> anyhow::Result<Outcome> {
    match &arguments.what {
        What::New(arguments) => new(arguments),
        What::Digest => digest(),
    }
}

fn new(arguments: &NewArguments) -> anyhow::Result<Outcome> {
    let mut source = File::open("/dev/urandom").context("no randomness for a key")?;
    let key = NewKey::make(|bytes| source.read_exact(bytes)).context("no randomness for a key")?;
    let table = format!("[[api_key]]\n{}", members(arguments, &key)?);
    if arguments.json {
        let digest = key.digest().map(|digest| digest.to_string());
        let answer = json!({ "key": key.expose(), "name": arguments.name, "digest": digest, "table": table });
        term::say_json(&answer)?;
        return Ok(Outcome::Good);
    }
    // Standard output has the two things that go on from here, each easy to cut out.
    term::note("The key. It is not shown again; give it to its holder over a channel that you trust:");
    term::say(key.expose())?;
    term::note("\nThe table. Paste it into a file of the rules directory:");
    term::say(&format!("\n{table}"))?;
    Ok(Outcome::Good)
}

fn digest() -> anyhow::Result<Outcome> {
    if io::stdin().is_terminal() {
        term::note("Type or paste the key, then press Enter:");
    }
    let mut line = String::new();
    // Two bytes more than a key and its line break: whatever is longer is no key.
    io::stdin().lock().take(KEY_BYTES as u64 + 4).read_line(&mut line).context("cannot read standard input")?;
    let Some(digest) = NewKey::read(line.trim()).and_then(|key| key.digest()) else {
        term::note("This is not a key: its checksum does not fit. Is it cut, or mistyped?");
        return Ok(Outcome::Bad);
    };
    term::say(&digest.to_string())?;
    Ok(Outcome::Good)
}

/// The members of the key's table, as TOML. They were read back, and what is wrong with them was said.
fn members(arguments: &NewArguments, key: &NewKey) -> anyhow::Result<String> {
    let digest = key.digest().context("a key that was just made has a digest")?;
    let mut lines = vec![format!("name = {}", quoted(&arguments.name)), format!("digest = \"{digest}\"")];
    if !arguments.scopes.is_empty() {
        let scopes: Vec<String> = arguments.scopes.iter().map(|scope| quoted(scope)).collect();
        lines.push(format!("scopes = [{}]", scopes.join(", ")));
    }
    let optional = [("tenant", &arguments.tenant), ("expires", &arguments.expires)];
    lines.extend(optional.into_iter().filter_map(|(key, value)| Some(format!("{key} = {}", quoted(value.as_ref()?)))));
    let text = lines.join("\n");
    check(&text)?;
    Ok(text)
}

/// What `rampart check` would say about the table: warnings are shown, errors end the command.
fn check(members: &str) -> anyhow::Result<()> {
    let report = Report::new();
    if let Some(document) = Document::parse(Source::new("arguments", members), &report)
        && let Some(raw) = read::<RawApiKey>(&document, &report)
    {
        ApiKeys::compile([(&raw, document.root(&report))], SystemTime::now());
    }
    let mut errors = Vec::new();
    for finding in report.into_sorted() {
        let help = finding.help.map_or_else(String::new, |help| format!(" ({help})"));
        let text = format!("{}: {}{help}", finding.path, finding.message);
        match finding.severity {
            Severity::Warning => term::note(&format!("warning: {text}")),
            Severity::Error => errors.push(text),
        }
    }
    anyhow::ensure!(errors.is_empty(), "no key was made: {}", errors.join("; "));
    Ok(())
}

/// A basic string of TOML, whose escapes are those of JSON and one more: TOML takes no bare DEL.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> NewKey {
        let mut next = 0_u8;
        NewKey::make(|bytes| {
            bytes.fill_with(|| {
                next = next.wrapping_add(11);
                next
            });
            Ok::<_, std::convert::Infallible>(())
        })
        .unwrap()
    }

    fn arguments(name: &str) -> NewArguments {
        NewArguments { name: name.to_owned(), scopes: Vec::new(), tenant: None, expires: None, json: false }
    }

    #[test]
    fn the_table_is_read_back_as_it_was_asked_for() {
        for name in ["ci", "with \"quotes\" and \\", "Jürgen's"] {
            let asked = NewArguments {
                scopes: vec!["agents:read".to_owned(), "agents:write".to_owned()],
                tenant: Some("acme".to_owned()),
                expires: Some("2999-01-01".to_owned()),
                ..arguments(name)
            };
            let text = members(&asked, &key()).unwrap();
            let report = Report::new();
            let document = Document::parse(Source::new("table", &text), &report).unwrap();
            let raw: RawApiKey = read(&document, &report).unwrap();
            assert_eq!((raw.name.as_str(), raw.scopes, raw.tenant), (name, asked.scopes, asked.tenant));
            let keys = ApiKeys::compile(
                [(&read::<RawApiKey>(&document, &report).unwrap(), document.root(&report))],
                SystemTime::now(),
            );
            assert_eq!(keys.verify(key().expose().as_bytes(), SystemTime::now()).map(|key| &*key.name), Ok(name));
            assert!(!text.contains(&key().expose()[20..]), "{text}");
        }
    }

    #[test]
    fn arguments_that_check_would_refuse_make_no_key() {
        let check = |asked: &NewArguments, expect: &str| {
            let error = members(asked, &key()).unwrap_err().to_string();
            assert!(error.starts_with("no key was made: ") && error.contains(expect), "{error}");
        };
        check(&arguments(""), "name");
        check(&arguments("a\u{7f}b"), "name: a name is");
        check(
            &NewArguments { expires: Some("soon".to_owned()), ..arguments("ci") },
            "expires: \"soon\" is not a date (write \"2027-01-01\"",
        );
        check(
            &NewArguments { scopes: vec!["a b".to_owned()], ..arguments("ci") },
            "scopes[0]: \"a b\" is several scopes",
        );
        check(&NewArguments { tenant: Some("\n".to_owned()), ..arguments("ci") }, "tenant: a tenant is");
    }
}
