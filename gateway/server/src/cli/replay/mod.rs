//! `rampart replay`: recorded requests through `decision`, offline: what would become of each, and how long inspection
//! takes.
//!
//! With `--profile` one profile is asked, whatever the paths of the requests; without it the routes of the configuration
//! are, as for traffic. Times are those of the decision alone, on one core per thread, after a first pass that is not
//! timed.

mod recording;
mod summary;

use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use clap::Args;
use rampart_decision::Workspace;
use rampart_record::Verdict;
use serde::Serialize;

use self::recording::Recorded;
use self::summary::{Summary, micros};
use super::{ConfigArguments, Outcome, profile_route, report, term};
use crate::asked::Judge;
use crate::load::Sources;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rampart replay traffic.har\n  \
                        rampart replay requests.jsonl --profile crs --out verdicts.jsonl\n  \
                        rampart replay requests.jsonl --profile crs --threads 1 --repeat 10\n\n\
                        A line of the file: {\"id\", \"label\", \"method\", \"uri\", \"version\", \"headers\": [[name, value]], \"body_b64\"};\n\
                        strings are latin-1. Exit code 0 when all were judged, 2 when the file or the configuration cannot be read.")]
pub(super) struct ReplayArguments {
    /// Recorded requests: JSON lines, or an HTTP archive (HAR); - reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Ask this profile alone, whatever the path
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Write a JSON line for each request: id, label, verdict, status, code, score, rules, micros
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Threads that judge
    #[arg(long, value_name = "N", default_value = "1")]
    threads: NonZeroUsize,
    /// Judge all of it so many times, after once that is not timed
    #[arg(long, value_name = "N", default_value = "1")]
    repeat: NonZeroUsize,
    /// The summary as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArguments,
}

/// What became of one request.
#[derive(Debug, Clone, Serialize)]
struct Verdicted<'r> {
    id: &'r str,
    label: &'r str,
    verdict: Verdict,
    status: Option<u16>,
    /// The stable word for why; `None` where nothing was refused or would have been.
    code: Option<&'static str>,
    score: u32,
    rules: Vec<String>,
    /// The fastest of its runs.
    micros: f64,
}

/// Judges all of the file.
pub(super) fn replay(arguments: &ReplayArguments) -> anyhow::Result<Outcome> {
    let (findings, snapshot) = Sources::of_files(&arguments.config.config).without_secrets().load();
    let Some(snapshot) = snapshot else {
        report::refuse(findings, "cannot replay");
        return Ok(Outcome::Unusable);
    };
    let recorded = open(&arguments.file)?;
    let profile = arguments.profile.as_deref().map(|name| profile_route(&snapshot, name)).transpose()?;
    let judge = profile.as_ref().map_or(Judge::Routes(&snapshot), Judge::Profile);

    let threads = arguments.threads.get().min(recorded.len());
    let share = recorded.len().div_ceil(threads);
    let parts = thread::scope(|scope| {
        let run = |part| scope.spawn(move || judge_all(judge, part, arguments.repeat.get()));
        let running: Vec<_> = recorded.chunks(share).map(run).collect();
        let joined = running.into_iter().map(|one| one.join().map_err(|_| anyhow!("a judgement failed")));
        joined.collect::<anyhow::Result<Vec<Part<'_>>>>()
    })?;

    let summary = Summary::of(&parts);
    if let Some(out) = &arguments.out {
        write(out, &parts).with_context(|| format!("cannot write {}", out.display()))?;
    }
    if arguments.json {
        term::say_json(&summary)?;
    } else {
        term::say(&summary.to_string())?;
    }
    Ok(Outcome::Good)
}

/// What one thread did.
struct Part<'r> {
    verdicts: Vec<Verdicted<'r>>,
    /// Of every single run.
    took: Vec<Duration>,
}

fn judge_all<'r>(judge: Judge<'_>, recorded: &'r [Recorded], repeat: usize) -> Part<'r> {
    let mut workspace = Workspace::default();
    let mut verdicts: Vec<Verdicted<'r>> = recorded.iter().map(|one| verdict(judge, one, &mut workspace)).collect();
    let mut times = Vec::with_capacity(recorded.len() * repeat);
    for _ in 0..repeat {
        for (one, known) in recorded.iter().zip(&mut verdicts) {
            let began = Instant::now();
            let mut answer = judge.ask(&one.request, &mut workspace);
            let took = began.elapsed();
            answer.end(&mut workspace);
            times.push(took);
            known.micros = known.micros.min(micros(took));
        }
    }
    Part { verdicts, took: times }
}

/// What becomes of a request. Not timed: automata are built while they are used for the first time, which a gateway that
/// has run for a minute has behind it.
fn verdict<'r>(judge: Judge<'_>, one: &'r Recorded, workspace: &mut Workspace) -> Verdicted<'r> {
    let mut answer = judge.ask(&one.request, workspace);
    answer.end(workspace);
    Verdicted {
        id: &one.id,
        label: &one.label,
        verdict: answer.verdict,
        status: answer.status,
        code: answer.code.map(rampart_decision::Code::as_str),
        score: answer.findings.anomaly_score(),
        rules: answer.findings.rules().map(ToString::to_string).collect(),
        micros: f64::INFINITY,
    }
}

fn open(file: &Path) -> anyhow::Result<Vec<Recorded>> {
    let read = if file == Path::new("-") {
        recording::read(std::io::stdin().lock())
    } else {
        let opened = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
        recording::read(BufReader::new(opened))
    };
    read.with_context(|| format!("cannot use {}", file.display()))
}

fn write(out: &Path, parts: &[Part<'_>]) -> anyhow::Result<()> {
    let mut out = BufWriter::new(File::create(out)?);
    for verdict in parts.iter().flat_map(|part| &part.verdicts) {
        serde_json::to_writer(&mut out, verdict)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}
