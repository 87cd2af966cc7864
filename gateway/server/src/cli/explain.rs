//! `rampart explain`: what would become of one request, and why. It asks `decision`, as traffic does; nothing is sent
//! anywhere and nothing needs to run.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use rampart_decision::{BodyPlan, Code, Entry, Workspace};
use rampart_limits::Outcome as Counted;
use rampart_message::Version;
use rampart_policy::Runtime;
use rampart_record::Redaction;
use rampart_upstream::Resolved;
use serde_json::{Value, json};

use super::{ConfigArguments, Outcome, profile_route, report, term};
use crate::asked::{Answer, Judge, Request};
use crate::load::Sources;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rampart explain '/api/v1/agents?id=1 UNION SELECT password FROM users'\n  \
                        rampart explain /api/v1/tasks -X POST -H 'Content-Type: application/json' -d '{\"title\": \"x\"}'\n\n\
                        Exit code 0 when the request would pass, 1 when it would not.")]
pub(super) struct ExplainArguments {
    /// The request target: path and query, as it would stand in the request line
    #[arg(value_name = "TARGET")]
    target: String,
    /// The method [default: GET, POST with a body]
    #[arg(short = 'X', long, value_name = "METHOD")]
    method: Option<String>,
    /// A header field; may be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The body, or @FILE
    #[arg(short, long, value_name = "BODY")]
    data: Option<String>,
    /// Ask this profile alone, whatever the path
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArguments,
}

/// Decides and shows.
pub(super) fn explain(arguments: &ExplainArguments) -> anyhow::Result<Outcome> {
    let (findings, snapshot) = Sources::of_files(&arguments.config.config).without_secrets().load();
    let Some(snapshot) = snapshot else {
        report::refuse(findings, "cannot explain");
        return Ok(Outcome::Unusable);
    };
    let request = request(arguments)?;
    let profile = arguments.profile.as_deref().map(|name| profile_route(&snapshot, name)).transpose()?;
    let runtime = Runtime::default();
    runtime.reconcile(&snapshot, &Resolved::default());
    let judge = profile.as_ref().map_or(Judge::Whole(&snapshot, &runtime), Judge::Profile);
    let mut workspace = Workspace::default();
    let mut answer = judge.ask(&request, &mut workspace);
    answer.end(&mut workspace);
    let explanation = Explanation(answer);
    if arguments.json {
        term::say_json(&explanation.to_json())?;
    } else {
        term::say(&explanation.to_text())?;
    }
    Ok(if explanation.0.passes() { Outcome::Good } else { Outcome::Bad })
}

fn request(arguments: &ExplainArguments) -> anyhow::Result<Request> {
    let body = match arguments.data.as_deref() {
        None => Vec::new(),
        Some(data) => match data.strip_prefix('@') {
            Some(file) => fs::read(PathBuf::from(file)).with_context(|| format!("cannot read {file}"))?,
            None => data.as_bytes().to_vec(),
        },
    };
    let default = if arguments.data.is_some() { "POST" } else { "GET" };
    let method = arguments.method.as_deref().unwrap_or(default).into();
    let mut fields = Vec::new();
    for header in &arguments.headers {
        let Some((name, value)) = header.split_once(':') else { bail!("not NAME: VALUE: {header}") };
        fields.push((name.trim().into(), value.trim().into()));
    }
    let length = body.len();
    let target = arguments.target.as_bytes().to_vec();
    let mut request = Request { method, target, version: Version::Http11, fields, body };
    request.add("Host", "localhost");
    if length > 0 {
        request.add("Content-Length", length.to_string());
    }
    Ok(request)
}

/// The answer, as it is shown.
struct Explanation<'s>(Answer<'s>);

impl Explanation<'_> {
    /// What happens to the body, in words.
    fn body(&self) -> Option<String> {
        Some(match self.0.plan? {
            BodyPlan::None => "none".to_owned(),
            BodyPlan::Buffer { limit_bytes } => format!("read whole before the upstream, at most {limit_bytes} bytes"),
            BodyPlan::Prefix { bytes, .. } => format!("the first {bytes} bytes are inspected, the rest passes"),
            BodyPlan::Stream { .. } => "passes, not inspected".to_owned(),
        })
    }

    /// Who the caller proved to be.
    fn identity(&self) -> Option<String> {
        let principal = self.0.way.as_ref()?.principal()?;
        Some(format!("{}, tenant {}", principal.label(), principal.tenant))
    }

    /// What the route asks of its callers.
    fn needs(&self) -> Option<String> {
        self.0.route?.access.as_ref().map(ToString::to_string)
    }

    /// Why the caller does not come in, as records have it: a stable word, and who was asked.
    fn refused(&self) -> Option<(&str, Option<&str>)> {
        let note = self.0.way.as_ref()?.note()?;
        Some((note.reason.as_deref()?, note.via.as_deref()))
    }

    /// What happens instead of all that follows.
    fn preflight(&self) -> Option<String> {
        self.0.preflight.then(|| "a preflight: the gateway answers it itself, by the route's `cors`".to_owned())
    }

    /// The quotas that count the request: what it takes of them (none: more than there can ever be), and of how much. Their
    /// counts are fresh here, so what is no longer left is what the request took.
    fn quotas(&self) -> impl Iterator<Item = (&str, Option<u64>, u64)> {
        let states = self.0.way.as_ref().map(Entry::states).unwrap_or_default();
        states.iter().map(|state| {
            let most = state.quota.rule.most_at_once();
            let takes = (state.outcome == Counted::Allowed).then(|| most.saturating_sub(state.remaining));
            (&*state.quota.name, takes, most)
        })
    }

    fn to_json(&self) -> Value {
        let redaction = Redaction::default();
        let matches: Vec<Value> = self
            .0
            .findings
            .matches
            .iter()
            .map(|m| {
                json!({
                    "rule": &*m.rule, "category": m.category.as_str(), "severity": m.severity.as_str(),
                    "paranoia": m.paranoia, "target": m.target, "transform": m.transform,
                    "value": redaction.value(&m.target, &m.value), "message": m.message,
                })
            })
            .collect();
        let quotas: Vec<Value> =
            self.quotas().map(|(name, takes, most)| json!({ "name": name, "takes": takes, "of": most })).collect();
        json!({
            "route": self.0.route.map(|route| &*route.name), "profile": self.0.route.map(|r| &*r.profile.name),
            "path": self.0.path, "needs": self.needs(), "identity": self.identity(), "reason": self.refused().map(|(reason, _)| reason),
            "preflight": self.0.preflight, "quotas": quotas, "body": self.body(), "verdict": self.0.verdict.as_str(), "status": self.0.status,
            "code": self.0.code.map(Code::as_str), "error": self.0.error, "score": self.0.findings.anomaly_score(), "matches": matches,
        })
    }

    fn to_text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                let _ = writeln!(text, "{name:<9}{value}");
            }
        };
        line("verdict", Some(self.0.verdict.to_string()));
        line("status", self.0.status.map(|status| format!("{status} from the gateway")));
        line("code", self.0.code.map(|code| code.as_str().to_owned()));
        line("error", self.0.error.clone());
        line("route", Some(self.0.route.map_or_else(|| "none".to_owned(), |route| route.name.to_string())));
        line("profile", self.0.route.map(|r| format!("{} (mode {:?})", r.profile.name, r.profile.mode).to_lowercase()));
        line("path", self.0.path.clone());
        line("needs", self.needs());
        line("identity", self.identity());
        let said = |(reason, via): (&str, Option<&str>)| match via {
            Some(via) => format!("{reason} (asked: {via})"),
            None => reason.to_owned(),
        };
        line("reason", self.refused().map(said));
        for (name, takes, most) in self.quotas() {
            let takes = takes.map_or_else(|| "more than there is".to_owned(), |takes| takes.to_string());
            let fresh = "what the running gateway has counted is not looked at";
            line("quota", Some(format!("{name}: takes {takes} of {most} ({fresh})")));
        }
        line("cors", self.preflight());
        line("body", self.body());
        line("score", Some(self.0.findings.anomaly_score().to_string()));
        let redaction = Redaction::default();
        for found in &self.0.findings.matches {
            line(
                "match",
                Some(format!("{} [{}, {}, paranoia {}]", found.rule, found.category, found.severity, found.paranoia)),
            );
            let value = redaction.value(&found.target, &found.value);
            line("", Some(format!("{}: {value}", found.message)));
        }
        text.truncate(text.trim_end().len());
        text
    }
}
