//! `rampart audit query`: security events and admin actions from the embedded store, newest first.
//!
//! It reads the store's file beside the gateway that writes it, so it needs no running gateway and no token: whoever may
//! read the file may ask.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use rampart_record::{AccessKind, AdminAction, Page, Reader, SecurityEvent};
use serde::Serialize;

use super::{ConfigArguments, Outcome, term};
use crate::filters::{ActionFilters, EventFilters};
use crate::load::Sources;

#[derive(Debug, Args)]
pub(super) struct AuditArguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Search the recorded security events, newest first
    #[command(after_help = "Examples:\n  rampart audit query --since 24h --verdict block\n  \
                            rampart audit query --client 192.0.2.7 --json --limit 1000\n  \
                            rampart audit query --request-id 01JD3...\n\n\
                            The last line names the cursor of the next page: --before CURSOR.")]
    Query {
        #[command(flatten)]
        source: Source,
        #[command(flatten)]
        filters: EventFilters,
    },
    /// Search the recorded admin actions, newest first
    #[command(after_help = "Example:\n  rampart audit actions --since 7d --action reload")]
    Actions {
        #[command(flatten)]
        source: Source,
        #[command(flatten)]
        filters: ActionFilters,
    },
}

#[derive(Debug, Args)]
struct Source {
    #[command(flatten)]
    config: ConfigArguments,
    /// The store's file; without it, [storage] path of the configuration
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// As JSON: {"items": [...], "next": cursor or null}
    #[arg(long)]
    json: bool,
}

/// Searches and prints one page.
pub(super) fn audit(arguments: &AuditArguments) -> anyhow::Result<Outcome> {
    match &arguments.what {
        What::Query { source, filters } => show(source, &source.open()?.events(&filters.query()?)?, event_line),
        What::Actions { source, filters } => show(source, &source.open()?.actions(&filters.query()?)?, action_line),
    }
}

impl Source {
    fn open(&self) -> anyhow::Result<Reader> {
        let path = match &self.store {
            Some(path) => path.clone(),
            None => self.configured()?,
        };
        Ok(Reader::open(&path)?)
    }

    fn configured(&self) -> anyhow::Result<PathBuf> {
        let (report, snapshot) = Sources::of_files(&self.config.config).without_secrets().load();
        let Some(snapshot) = snapshot else {
            for finding in report.into_sorted() {
                term::note(&finding.to_string());
            }
            bail!("the configuration cannot be read; name the store's file with --store");
        };
        snapshot
            .config
            .records
            .store
            .map(|store| store.path)
            .context("[storage] is off in the configuration: nothing is kept")
    }
}

fn show<T: Serialize>(source: &Source, page: &Page<T>, line: fn(&T) -> String) -> anyhow::Result<Outcome> {
    if source.json {
        term::say_json(page)?;
        return Ok(Outcome::Good);
    }
    for item in &page.items {
        term::say(&line(item))?;
    }
    match page.next {
        Some(next) => term::note(&format!("more: --before {next}")),
        None if page.items.is_empty() => term::note("nothing found"),
        None => {}
    }
    Ok(Outcome::Good)
}

/// `time verdict status client method path route request_id`, who it was and why not, then what matched, indented.
fn event_line(event: &SecurityEvent) -> String {
    let status = event.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
    let route = event.route.as_deref().unwrap_or("-");
    let mut line = format!(
        "{} {:<11} {status} {} {} {} route={route} id={}",
        event.time, event.verdict, event.client, event.method, event.path, event.request_id
    );
    if let Some(code) = &event.code {
        let _ = write!(line, " code={code}");
    }
    if let Some(cause) = &event.cause {
        let _ = write!(line, " cause={cause:?}");
    }
    if let Some(identity) = &event.identity {
        let _ = write!(line, " identity={identity}");
    }
    if let Some(note) = &event.access {
        let kind = match note.kind {
            AccessKind::SignIn => "sign_in",
            AccessKind::Refused => "refused",
        };
        let _ = write!(line, " access={kind}");
        let optional = [("via", note.via.as_deref()), ("reason", note.reason.as_deref())];
        for (name, value) in optional.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            let _ = write!(line, " {name}={value}");
        }
    }
    for found in &event.matches {
        let _ = write!(line, "\n    {} [{}, {}] {}", found.rule, found.category, found.severity, found.message);
    }
    line
}

fn action_line(action: &AdminAction) -> String {
    let client = action.client.map_or_else(String::new, |client| format!(" from {client}"));
    let target = action.target.as_deref().map_or_else(String::new, |target| format!(" {target}"));
    let detail = action.detail.as_deref().map_or_else(String::new, |detail| format!(": {detail}"));
    let outcome = action.outcome.as_str();
    format!("{} {outcome:<7} {}{client} {}{target}{detail}", action.time, action.actor, action.action)
}
