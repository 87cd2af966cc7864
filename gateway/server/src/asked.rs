//! Requests that nobody sent: as `explain`, `replay` and `test` ask `decision` about them.

use std::net::Ipv4Addr;
use std::time::SystemTime;

use rampart_decision::query::{self, Query};
use rampart_decision::{
    Admission, Asking, Beside, BodyPlan, Code, Declared, Denied, Entry, Exchange, Judgement, Origin, Refusal, Seen,
    Step, Workspace,
};
use rampart_identity::PreflightAnswer;
use rampart_inspection::{Connection, Findings};
use rampart_message::{Head, Headers, Version};
use rampart_policy::{Route, Runtime, Snapshot};
use rampart_proxy::steady;
use rampart_record::Verdict;

/// A request as owned bytes.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Vec<u8>,
    pub(crate) target: Vec<u8>,
    pub(crate) version: Version,
    pub(crate) fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

/// Who is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Judge<'s> {
    /// The routes of a configuration, as traffic is, but for who may come in: recordings hold tokens that have expired.
    Routes(&'s Snapshot),
    /// The routes, and who may come in: as the first request that a gateway with this runtime gets.
    Whole(&'s Snapshot, &'s Runtime),
    /// One profile, whatever the path ([`Route::of_profile`]).
    Profile(&'s Route),
}

/// What became of a request.
#[derive(Debug)]
pub(crate) struct Answer<'s> {
    pub(crate) route: Option<&'s Route>,
    /// The path as it was matched and would be forwarded.
    pub(crate) path: Option<String>,
    /// What happens to the body.
    pub(crate) plan: Option<BodyPlan>,
    pub(crate) verdict: Verdict,
    /// Of the refusal.
    pub(crate) status: Option<u16>,
    pub(crate) code: Option<Code>,
    /// What the client is told.
    pub(crate) error: Option<String>,
    pub(crate) findings: Findings,
    /// Who came in, where that was asked.
    pub(crate) way: Option<Entry>,
    /// Whether it is a preflight, which the gateway answers itself.
    pub(crate) preflight: bool,
    /// What would go on with the response.
    pub(crate) exchange: Option<Box<Exchange>>,
}

impl Request {
    /// Adds a field where there is none of that name.
    pub(crate) fn add(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        if !self.fields.iter().any(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes())) {
            self.fields.push((name.into(), value.into()));
        }
    }

    /// Calls `with` with the head, which borrows from the request.
    fn with_head<T>(&self, with: impl FnOnce(Head<'_>) -> T) -> T {
        let fields: Vec<(&[u8], &[u8])> = self.fields.iter().map(|(n, v)| (n.as_slice(), v.as_slice())).collect();
        with(Head {
            method: &self.method,
            target: &self.target,
            version: self.version,
            authority: None,
            headers: Headers::new(&fields),
        })
    }
}

impl<'s> Judge<'s> {
    /// What would become of the request.
    pub(crate) fn ask(self, request: &Request, workspace: &mut Workspace) -> Answer<'s> {
        request.with_head(|head| match self {
            Self::Routes(snapshot) => by_routes(snapshot, None, head, &request.body, workspace),
            Self::Whole(snapshot, runtime) => by_routes(snapshot, Some(runtime), head, &request.body, workspace),
            Self::Profile(route) => {
                let asked = rampart_decision::Request::new(head, origin());
                let judged = rampart_decision::judge(route, asked, Seen::Whole(&request.body), workspace);
                Answer::of_judgement(route, None, None, judged)
            }
        })
    }
}

fn by_routes<'s>(
    snapshot: &'s Snapshot,
    runtime: Option<&Runtime>,
    head: Head<'_>,
    body: &[u8],
    workspace: &mut Workspace,
) -> Answer<'s> {
    let declared = match body.len() {
        0 => Declared::Nothing,
        length => Declared::Length(length as u64),
    };
    match rampart_decision::admit(snapshot, &head, origin(), declared, workspace) {
        Err(denied) => Answer::of_denied(*denied),
        Ok(mut admission) => {
            let fresh;
            let path =
                admission.request.path.as_ref().map(|path| String::from_utf8_lossy(path.as_bytes()).into_owned());
            let (route, plan) = (admission.route, admission.body);
            let arrival = runtime.map(|runtime| come_in(runtime, &admission, declared)).unwrap_or_default();
            let Arrival { way, end } = arrival;
            match end {
                End::Passed => {}
                End::Preflight(answer) => return Answer { way, ..Answer::of_preflight(route, path, &answer) },
                End::Refused(refusal) => return Answer { way, ..Answer::of_refusal(route, *refusal) },
            }
            match query::check(route, admission.request.target.and_then(|target| target.query)) {
                Query::Unchanged => {}
                Query::Refused(refusal) => return Answer { way, ..Answer::of_refusal(route, *refusal) },
                Query::Rewritten(query) => {
                    fresh = query::retarget(head.target, &query);
                    admission = query::readmit(admission, &fresh);
                }
            }
            let judgement = judge(admission, body, workspace);
            Answer { way, ..Answer::of_judgement(route, path, Some(plan), judgement) }
        }
    }
}

/// What became of a caller at the door.
#[derive(Debug, Default)]
struct Arrival {
    way: Option<Entry>,
    end: End,
}

#[derive(Debug, Default)]
enum End {
    #[default]
    Passed,
    Preflight(PreflightAnswer),
    Refused(Box<Refusal>),
}

/// Asks whether the caller may come in; nothing is waited for, so a quota counts here and a key set is what it is.
fn come_in(runtime: &Runtime, admission: &Admission<'_, '_>, declared: Declared) -> Arrival {
    let client = admission.request.origin.connection.client.ip();
    let (route, request, host) = (admission.route, &admission.request, admission.host);
    let asking = Asking { route, request, client, host, declared };
    let mut entry = Entry::default();
    let end = loop {
        let beside = Beside { runtime, now: SystemTime::now(), micros: steady() };
        match entry.proceed(asking, beside) {
            Step::Passed => break End::Passed,
            Step::Preflight(answer) => break End::Preflight(answer),
            Step::Refused(refusal) => break End::Refused(refusal),
            Step::Refresh(_) => entry.refreshed(),
            Step::Count(demand) => {
                let settled = runtime.limits().take(&demand, beside.micros);
                if let Some(refusal) = entry.counted(settled) {
                    break End::Refused(refusal);
                }
            }
        }
    };
    Arrival { way: Some(entry), end }
}

/// Where a request that nobody sent comes from: addresses of RFC 5737.
fn origin() -> Origin<'static> {
    const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const SERVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
    let connection = Connection { client: (CLIENT, 49_152).into(), server: (SERVER, 80).into() };
    Origin { connection, request_id: "asked", now: SystemTime::now() }
}

fn judge(admission: Admission<'_, '_>, body: &[u8], workspace: &mut Workspace) -> Judgement {
    let Admission { route, request, body: plan, .. } = admission;
    let seen = match plan {
        BodyPlan::None | BodyPlan::Stream { .. } => Seen::Whole(&[]),
        BodyPlan::Buffer { .. } => Seen::Whole(body),
        BodyPlan::Prefix { bytes, .. } => {
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            body.get(..bytes).map_or(Seen::Whole(body), Seen::Prefix)
        }
    };
    rampart_decision::judge(route, request, seen, workspace)
}

impl<'s> Answer<'s> {
    fn of_denied(denied: Denied<'s>) -> Self {
        let Denied { route, refusal, findings } = denied;
        Self {
            route,
            path: None,
            plan: None,
            verdict: refusal.code.verdict(),
            status: Some(refusal.status),
            code: Some(refusal.code),
            error: Some(refusal.error.into_owned()),
            findings,
            way: None,
            preflight: false,
            exchange: None,
        }
    }

    fn of_refusal(route: &'s Route, refusal: Refusal) -> Self {
        Self::of_denied(Denied { route: Some(route), refusal, findings: Findings::default() })
    }

    fn of_preflight(route: &'s Route, path: Option<String>, answer: &PreflightAnswer) -> Self {
        Self {
            route: Some(route),
            path,
            plan: None,
            verdict: Verdict::Pass,
            status: Some(answer.status),
            code: None,
            error: None,
            findings: Findings::default(),
            way: None,
            preflight: true,
            exchange: None,
        }
    }

    fn of_judgement(route: &'s Route, path: Option<String>, plan: Option<BodyPlan>, judgement: Judgement) -> Self {
        let Judgement { verdict, code, refusal, findings, exchange } = judgement;
        Self {
            route: Some(route),
            path,
            plan,
            verdict,
            status: refusal.as_ref().map(|refusal| refusal.status),
            code,
            error: refusal.map(|refusal| refusal.error.into_owned()),
            findings,
            way: None,
            preflight: false,
            exchange,
        }
    }

    /// Ends what would have gone on with a response: there is none.
    pub(crate) fn end(&mut self, workspace: &mut Workspace) {
        if let Some(exchange) = self.exchange.take() {
            self.findings = exchange.end(SystemTime::now(), workspace).0;
        }
    }

    /// Whether the request would be served: by the upstream or, a preflight, by the gateway.
    pub(crate) fn passes(&self) -> bool {
        matches!(self.verdict, Verdict::Pass | Verdict::WouldBlock)
    }
}
