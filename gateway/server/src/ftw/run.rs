//! Runs cases: stage after stage, several cases at a time, and once more where a case asks for it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::input::Input;
use super::observed::Observed;
use super::suite::{Case, Stage};
use super::verdict::{self, Difference};
use super::wire::Answer;

/// Something that requests can be sent to.
pub(crate) trait Target: Sync {
    /// Sends one request, whole, and waits for its answer. What was logged about it may be known only later.
    fn send(&self, bytes: &[u8], stage: &Stage) -> Observed;

    /// Fills in what was logged about requests that were answered.
    fn complete(&self, observed: &mut [&mut Observed]) -> anyhow::Result<()>;
}

/// How a stage ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As its case expects.
    Pass,
    /// Otherwise; what is wrong.
    Fail(String),
    /// It was not run, or need not hold; why.
    Skip(String),
}

/// What became of one stage.
#[derive(Debug)]
pub(crate) struct Outcome<'c> {
    /// The case it is of.
    pub(crate) case: &'c Case,
    /// Which of the case's stages, from 1.
    pub(crate) stage: usize,
    /// How it ended.
    pub(crate) ending: Ending,
    /// What was expected, in a line.
    pub(crate) expected: String,
    /// What came, in a line.
    pub(crate) got: String,
    /// Microseconds.
    pub(crate) micros: u64,
}

/// Runs every case, `threads` at a time; the outcomes are in the order of the cases.
pub(crate) fn run<'c>(target: &dyn Target, cases: &'c [Case], threads: usize) -> anyhow::Result<Vec<Outcome<'c>>> {
    let all: Vec<usize> = (0..cases.len()).filter(|at| cases.get(*at).is_some_and(|case| !case.is_off)).collect();
    let mut observed = attempt(target, cases, &all, threads)?;
    let again: Vec<usize> = observed
        .iter()
        .filter(|(at, seen)| cases.get(**at).is_some_and(|case| wants_another(case, seen)))
        .map(|(at, _)| *at)
        .collect();
    if !again.is_empty() {
        observed.extend(attempt(target, cases, &again, threads)?);
    }
    let nothing = Vec::new();
    let outcomes =
        cases.iter().enumerate().flat_map(|(at, case)| conclude(case, observed.get(&at).unwrap_or(&nothing)));
    Ok(outcomes.collect())
}

/// What came of some of the cases, by their position.
fn attempt(
    target: &dyn Target,
    cases: &[Case],
    chosen: &[usize],
    threads: usize,
) -> anyhow::Result<BTreeMap<usize, Vec<Observed>>> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, chosen.len().max(1)) {
            scope.spawn(|| {
                while let Some(at) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some(case) = cases.get(*at) {
                        let observed = stages(target, case);
                        done.lock().unwrap_or_else(PoisonError::into_inner).insert(*at, observed);
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut all: Vec<&mut Observed> = done.values_mut().flatten().collect();
    target.complete(&mut all)?;
    Ok(done)
}

/// Sends the requests of one case, each after the answer to the one before it.
fn stages(target: &dyn Target, case: &Case) -> Vec<Observed> {
    let mut cookies = BTreeMap::new();
    let mut seen: Vec<Observed> = Vec::with_capacity(case.stages.len());
    let mut saves = false;
    for stage in &case.stages {
        let mut input = stage.input.clone();
        let answer = seen.last().and_then(|observed| observed.answer.as_ref());
        if let Some(answer) = answer.filter(|_| saves) {
            keep_cookies(&mut cookies, answer);
        }
        let followed = if input.follows_redirect { follow(&mut input, answer) } else { Ok(()) };
        seen.push(match followed {
            Ok(()) => {
                add_cookies(&mut input, &cookies);
                target.send(&input.bytes(), stage)
            }
            Err(why) => Observed { error: Some(why), ..Observed::default() },
        });
        saves = stage.input.saves_cookies;
    }
    seen
}

/// Turns the request to where the answer before it points.
fn follow(input: &mut Input, before: Option<&Answer>) -> Result<(), String> {
    let answer = before.ok_or("there is no answer before this one")?;
    if !matches!(answer.status, 300..=303 | 307 | 308) {
        return Err(format!("the answer before this one is {}, no redirect", answer.status));
    }
    let to = answer.field("location").ok_or("the redirect has no Location")?;
    let to = to.split('#').next().unwrap_or_default();
    match to.split_once("://") {
        Some((_, rest)) => {
            let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
            input.set("Host", host.to_owned());
            path.clone_into(&mut input.uri);
        }
        None if to.starts_with('/') => to.clone_into(&mut input.uri),
        None => {
            let path = input.uri.split('?').next().unwrap_or_default();
            let folder = path.rfind('/').map_or("/", |at| path.get(..=at).unwrap_or("/")).to_owned();
            input.uri = folder + to;
        }
    }
    Ok(())
}

fn keep_cookies(cookies: &mut BTreeMap<String, String>, answer: &Answer) {
    let set = answer.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    for (_, cookie) in set {
        if let Some((name, value)) = cookie.split(';').next().and_then(|pair| pair.split_once('=')) {
            cookies.insert(name.trim().to_owned(), value.trim().to_owned());
        }
    }
}

fn add_cookies(input: &mut Input, cookies: &BTreeMap<String, String>) {
    if cookies.is_empty() {
        return;
    }
    let mut all: Vec<String> = input.field("Cookie").map(str::to_owned).into_iter().collect();
    all.extend(cookies.iter().map(|(name, value)| format!("{name}={value}")));
    input.set("Cookie", all.join("; "));
}

fn wants_another(case: &Case, seen: &[Observed]) -> bool {
    case.stages
        .iter()
        .zip(seen)
        .any(|(stage, seen)| stage.expectation.retry_once && verdict::compare(&stage.expectation, seen).is_err())
}

fn conclude<'c>(case: &'c Case, seen: &[Observed]) -> Vec<Outcome<'c>> {
    let unseen = Observed::default();
    let outcome = |(at, stage): (usize, &Stage)| {
        let seen = seen.get(at).unwrap_or(&unseen);
        let ending = if case.is_off {
            Ending::Skip("switched off in its file".to_owned())
        } else {
            match (verdict::compare(&stage.expectation, seen), &stage.exception) {
                (Ok(()), None) => Ending::Pass,
                (Err(Difference::Wrong(wrong)), None) => Ending::Fail(wrong),
                (Err(Difference::Unknown(what)), None) => {
                    Ending::Skip(format!("{what}: events do not hold log lines word by word"))
                }
                (Err(_), Some(reason)) => Ending::Skip(reason.clone()),
                (Ok(()), Some(_)) => Ending::Fail("it holds: its override is no longer needed".to_owned()),
            }
        };
        let got = if case.is_off { "not run".to_owned() } else { verdict::got(seen) };
        let expected = verdict::expected(&stage.expectation);
        Outcome { case, stage: at + 1, ending, expected, got, micros: seen.micros }
    };
    case.stages.iter().enumerate().map(outcome).collect()
}
