mod compiling;
mod counting;
mod finding;
mod permitting;
mod telling;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use rampart_secrets::Secret;
use rampart_settings::{Document, Place, Report, Severity, Source, read};
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::api_key::{NewKey, RawApiKey};
use crate::issuer::{RawIssuer, Sources};
use crate::jwt::{Flaw, Token};
use crate::principal;

/// What the routes of these tests refer to. `main` takes tokens from `Authorization`, `web` from a cookie or a header of
/// its own, and `both` from either.
const CONTEXT: &str = r#"
[issuer.main]
issuer = "https://main.example"
audience = "gateway"
algorithms = ["HS256"]
key = "secret://env/KEY"

[issuer.web]
issuer = "https://web.example"
audience = "gateway"
algorithms = ["HS256"]
key = "secret://env/KEY"
token = ["cookie:sid", "header:x-token"]

[issuer.both]
issuer = "https://both.example"
audience = "gateway"
algorithms = ["HS256"]
key = "secret://env/KEY"
token = ["header:authorization", "cookie:sid"]
"#;

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct File {
    #[serde(default)]
    issuer: BTreeMap<String, RawIssuer>,
    #[serde(default)]
    api_key: Vec<RawApiKey>,
    identity: RawAccess,
}

/// The key of these tests, which is `ci` with the scopes `agents:read` and `agents:write`.
fn api_key() -> String {
    let mut next = 0_u8;
    let fill = |bytes: &mut [u8]| {
        for byte in bytes {
            *byte = next;
            next = next.wrapping_add(7);
        }
        Ok::<_, Infallible>(())
    };
    NewKey::make(fill).unwrap().expose().to_owned()
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(494_520)
}

/// Compiles `identity = {...}`, which stands on the first line, beside [`CONTEXT`] and the key.
fn compile(identity: &str) -> (Option<Access>, Vec<String>) {
    let digest = NewKey::read(&api_key()).unwrap().digest().unwrap();
    compile_with(
        identity,
        &format!(
            "[[api_key]]\nname = \"ci\"\ntenant = \"acme\"\nscopes = [\"agents:read\", \"agents:write\"]\ndigest = \"{digest}\"\n"
        ),
    )
}

fn compile_with(identity: &str, api_keys: &str) -> (Option<Access>, Vec<String>) {
    let report = Report::new();
    let text = format!("identity = {identity}\n{CONTEXT}\n{api_keys}");
    let document = Document::parse(Source::new("rules.toml", &text), &report);
    let access = document.and_then(|document| {
        let file: File = read(&document, &report)?;
        let root = document.root(&report);
        Some(compile_file(&file, &root))
    });
    let found = report.into_sorted().into_iter().map(|found| {
        let severity = if found.severity == Severity::Error { "error" } else { "warning" };
        format!("{}:{} {severity}: {}", found.line, found.column, found.message)
    });
    (access, found.collect())
}

fn compile_file(file: &File, root: &Place<'_>) -> Access {
    let key = Arc::new(Secret::new(b"k5F9zq2LxV7nR0wT3uYbC8mJ1hD6sGpA4eKi".to_vec()));
    let sources = Sources { secret: &|_, _| Some(Arc::clone(&key)), file: &|_, _| None };
    let issuers: BTreeMap<Arc<str>, Arc<Issuer>> = file
        .issuer
        .iter()
        .filter_map(|(name, raw)| Issuer::compile(name, raw, &sources, &root.key("issuer").key(name)))
        .map(|issuer| (Arc::clone(&issuer.name), Arc::new(issuer)))
        .collect();
    let places = file.api_key.iter().enumerate().map(|(index, raw)| (raw, root.key("api_key").index(index)));
    let api_keys = Arc::new(ApiKeys::compile(places, now()));
    Access::compile(&file.identity, Known { issuers: &issuers, api_keys: &api_keys }, &root.key("identity"))
}

fn good(identity: &str) -> Access {
    let (access, found) = compile(identity);
    assert_eq!(found, Vec::<String>::new(), "{identity}");
    access.unwrap()
}

/// Verifies tokens that are written `SUBJECT@ISSUER`: they are good if the issuer is asked. `expired@main` and the like
/// are not; `rotated@main` names a key that nobody knows.
struct Written {
    scopes: Vec<&'static str>,
    claims: Value,
}

impl Tokens for Written {
    fn verify(
        &self,
        candidates: &[Arc<Issuer>],
        token: &[u8],
        _: SystemTime,
        missing: Option<&MissingKey>,
    ) -> Verification {
        let refused = |flaw, issuer: Option<&str>| Verification::Refused { flaw, issuer: issuer.map(Arc::from) };
        let text = std::str::from_utf8(token).unwrap_or_default();
        let Some((subject, issuer)) = text.split_once('@') else { return refused(Flaw::Form, None) };
        if !candidates.iter().any(|candidate| *candidate.name == *issuer) {
            return refused(Flaw::Issuer, None);
        }
        match subject {
            "expired" => refused(Flaw::Expired, Some(issuer)),
            "forged" => refused(Flaw::Signature, Some(issuer)),
            "early" => refused(Flaw::KeysUnavailable, Some(issuer)),
            "rotated" if missing.is_some() => refused(Flaw::UnknownKey, Some(issuer)),
            "rotated" | "forgotten" => Verification::UnknownKey(MissingKey::of(issuer)),
            _ => {
                let token = principal::tests::token(subject, "acme", &self.scopes, &self.claims);
                Verification::Good(Arc::new(Token { issuer: issuer.into(), ..Token::clone(&token) }))
            }
        }
    }
}

fn tokens() -> Written {
    Written { scopes: vec!["agents:read", "tasks:read"], claims: json!({}) }
}

/// `Name: value` lines as a header; `KEY` stands for the key.
fn with<T>(lines: &[&str], then: impl FnOnce(&Headers<'_>) -> T) -> T {
    let lines: Vec<String> = lines.iter().map(|line| line.replace("KEY", &api_key())).collect();
    let fields: Vec<(&[u8], &[u8])> = lines
        .iter()
        .map(|line| line.split_once(": ").unwrap_or((line.trim_end_matches(':'), "")))
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    then(&Headers::new(&fields))
}

/// What becomes of a request, as one word: `-` for nobody, a label, `!REASON` or `!REASON VIA`, `?ISSUER`.
fn outcome(access: &Access, tokens: &Written, lines: &[&str]) -> String {
    match with(lines, |headers| access.check(headers, tokens, now())) {
        Checked::Anonymous => "-".to_owned(),
        Checked::Known(principal) => principal.label(),
        Checked::Refused(denial) => {
            let via = denial.via.map(|via| format!(" {via}")).unwrap_or_default();
            format!("!{}{via}", denial.reason)
        }
        Checked::Unknown(missing) => format!("?{}", missing.issuer),
    }
}
