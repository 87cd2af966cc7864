//! Requests that nobody sent: as `explain`, `replay` and `test` ask `decision` about them.

use rampart_decision::{Admission, BodyPlan, Code, Declared, Denied, Judgement, Seen, Workspace};
use rampart_inspection::Findings;
use rampart_message::{Head, Headers, Version};
use rampart_policy::{Route, Snapshot};
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
    /// The routes of a configuration, as traffic is.
    Routes(&'s Snapshot),
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
            Self::Routes(snapshot) => by_routes(snapshot, head, &request.body, workspace),
            Self::Profile(route) => {
                let judged = rampart_decision::judge_alone(route, head, Seen::Whole(&request.body), workspace);
                Answer::of_judgement(route, None, None, judged)
            }
        })
    }
}

fn by_routes<'s>(snapshot: &'s Snapshot, head: Head<'_>, body: &[u8], workspace: &mut Workspace) -> Answer<'s> {
    let declared = match body.len() {
        0 => Declared::Nothing,
        length => Declared::Length(length as u64),
    };
    match rampart_decision::admit(snapshot, &head, declared, workspace) {
        Err(denied) => Answer::of_denied(*denied),
        Ok(admission) => {
            let path = String::from_utf8_lossy(admission.path.as_bytes()).into_owned();
            let (route, plan) = (admission.route, admission.body);
            let judgement = judge(head, admission, body, workspace);
            Answer::of_judgement(route, Some(path), Some(plan), judgement)
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
        }
    }

    fn of_judgement(route: &'s Route, path: Option<String>, plan: Option<BodyPlan>, judgement: Judgement) -> Self {
        let Judgement { verdict, code, refusal, findings, .. } = judgement;
        Self {
            route: Some(route),
            path,
            plan,
            verdict,
            status: refusal.as_ref().map(|refusal| refusal.status),
            code,
            error: refusal.map(|refusal| refusal.error.into_owned()),
            findings,
        }
    }

    /// Whether the request would reach the upstream.
    pub(crate) fn passes(&self) -> bool {
        matches!(self.verdict, Verdict::Pass | Verdict::WouldBlock)
    }
}
