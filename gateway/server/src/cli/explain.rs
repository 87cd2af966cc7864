//! `rampart explain`: what would become of one request, and why. It asks `decision`, as traffic does; nothing is sent
//! anywhere and nothing needs to run.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use rampart_decision::{Admission, BodyPlan, Declared, Denied, Judgement, Seen, Workspace};
use rampart_inspection::Findings;
use rampart_message::{Head, Headers, Version};
use rampart_policy::{Route, Snapshot};
use rampart_record::{Redaction, Verdict};
use serde_json::{Value, json};

use super::{ConfigArguments, Outcome, report, term};
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
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArguments,
}

/// The request as owned bytes.
struct Request {
    method: String,
    target: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What became of it, ready to be shown.
struct Explanation<'s> {
    route: Option<&'s Route>,
    path: Option<String>,
    plan: Option<BodyPlan>,
    verdict: Verdict,
    status: Option<u16>,
    code: Option<&'static str>,
    error: Option<String>,
    findings: Findings,
}

/// Decides and shows.
pub(super) fn explain(arguments: &ExplainArguments) -> anyhow::Result<Outcome> {
    let (findings, snapshot) = Sources::of_files(&arguments.config.config).without_secrets().load();
    let Some(snapshot) = snapshot else {
        report::refuse(findings, "cannot explain");
        return Ok(Outcome::Unusable);
    };
    let request = Request::of(arguments)?;
    let explanation = decide(&snapshot, &request);
    if arguments.json {
        term::say_json(&explanation.to_json())?;
    } else {
        term::say(&explanation.to_text())?;
    }
    let passes = matches!(explanation.verdict, Verdict::Pass | Verdict::WouldBlock);
    Ok(if passes { Outcome::Good } else { Outcome::Bad })
}

impl Request {
    fn of(arguments: &ExplainArguments) -> anyhow::Result<Self> {
        let body = match arguments.data.as_deref() {
            None => Vec::new(),
            Some(data) => match data.strip_prefix('@') {
                Some(file) => fs::read(PathBuf::from(file)).with_context(|| format!("cannot read {file}"))?,
                None => data.as_bytes().to_vec(),
            },
        };
        let default = if arguments.data.is_some() { "POST" } else { "GET" };
        let method = arguments.method.clone().unwrap_or_else(|| default.to_owned());
        let mut fields = Vec::new();
        for header in &arguments.headers {
            let Some((name, value)) = header.split_once(':') else { bail!("not NAME: VALUE: {header}") };
            fields.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        let mut add = |name: &str, value: String| {
            if !fields.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                fields.push((name.to_owned(), value));
            }
        };
        add("Host", "localhost".to_owned());
        if !body.is_empty() {
            add("Content-Length", body.len().to_string());
        }
        Ok(Self { method, target: arguments.target.clone(), fields, body })
    }
}

fn decide<'s>(snapshot: &'s Snapshot, request: &Request) -> Explanation<'s> {
    let fields: Vec<(&[u8], &[u8])> = request.fields.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
    let head = Head {
        method: request.method.as_bytes(),
        target: request.target.as_bytes(),
        version: Version::Http11,
        authority: None,
        headers: Headers::new(&fields),
    };
    let declared = match request.body.len() {
        0 => Declared::Nothing,
        length => Declared::Length(length as u64),
    };
    let mut workspace = Workspace::default();
    match rampart_decision::admit(snapshot, &head, declared, &mut workspace) {
        Err(denied) => Explanation::of_denied(*denied),
        Ok(admission) => {
            let path = String::from_utf8_lossy(admission.path.as_bytes()).into_owned();
            let (route, plan) = (admission.route, admission.body);
            let judgement = judge(head, admission, &request.body, &mut workspace);
            Explanation::of_judgement(route, path, plan, judgement)
        }
    }
}

fn judge(head: Head<'_>, admission: Admission<'_, '_>, body: &[u8], workspace: &mut Workspace) -> Judgement {
    let Admission { route, target, path, body: plan, .. } = admission;
    let seen = match plan {
        BodyPlan::None => Seen::Whole(&[]),
        BodyPlan::Buffer { .. } => Seen::Whole(body),
        BodyPlan::Prefix { bytes, .. } => {
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            body.get(..bytes).map_or(Seen::Whole(body), Seen::Prefix)
        }
        BodyPlan::Stream { .. } => return rampart_decision::judge_head(route, head, target, path, workspace),
    };
    rampart_decision::judge(route, head, target, path, seen, workspace)
}

impl<'s> Explanation<'s> {
    fn of_denied(denied: Denied<'s>) -> Self {
        let Denied { route, refusal, findings } = denied;
        Self {
            route,
            path: None,
            plan: None,
            verdict: refusal.code.verdict(),
            status: Some(refusal.status),
            code: Some(refusal.code.as_str()),
            error: Some(refusal.error.into_owned()),
            findings,
        }
    }

    fn of_judgement(route: &'s Route, path: String, plan: BodyPlan, judgement: Judgement) -> Self {
        let Judgement { verdict, code, refusal, findings } = judgement;
        Self {
            route: Some(route),
            path: Some(path),
            plan: Some(plan),
            verdict,
            status: refusal.as_ref().map(|refusal| refusal.status),
            code: code.map(rampart_decision::Code::as_str),
            error: refusal.map(|refusal| refusal.error.into_owned()),
            findings,
        }
    }

    /// What happens to the body, in words.
    fn body(&self) -> Option<String> {
        Some(match self.plan? {
            BodyPlan::None => "none".to_owned(),
            BodyPlan::Buffer { limit_bytes } => format!("read whole before the upstream, at most {limit_bytes} bytes"),
            BodyPlan::Prefix { bytes, .. } => format!("the first {bytes} bytes are inspected, the rest passes"),
            BodyPlan::Stream { .. } => "passes, not inspected".to_owned(),
        })
    }

    fn to_json(&self) -> Value {
        let redaction = Redaction::default();
        let matches: Vec<Value> = self
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
        json!({
            "route": self.route.map(|route| &*route.name), "profile": self.route.map(|r| &*r.profile.name),
            "path": self.path, "body": self.body(), "verdict": self.verdict.as_str(), "status": self.status,
            "code": self.code, "error": self.error, "score": self.findings.score, "matches": matches,
        })
    }

    fn to_text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                let _ = writeln!(text, "{name:<9}{value}");
            }
        };
        line("verdict", Some(self.verdict.to_string()));
        line("status", self.status.map(|status| format!("{status} from the gateway")));
        line("code", self.code.map(str::to_owned));
        line("error", self.error.clone());
        line("route", Some(self.route.map_or_else(|| "none".to_owned(), |route| route.name.to_string())));
        line("profile", self.route.map(|r| format!("{} (mode {:?})", r.profile.name, r.profile.mode).to_lowercase()));
        line("path", self.path.clone());
        line("body", self.body());
        line("score", Some(self.findings.score.to_string()));
        let redaction = Redaction::default();
        for found in &self.findings.matches {
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
