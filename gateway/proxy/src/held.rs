//! A request that a subrequest carries, and a response whose head is held back until its body was judged.
//!
//! Pingora passes a response head on before it reads the body, and nothing in its phases can hold it. So the request goes
//! through a subrequest: its phases inspect (`watch.rs`) and withhold the body until it was judged, and here, in the first
//! pass, the head waits until they let it go. A refusal can so still become an answer. The one thing that lets a held
//! response pass is [`Hold::let_go`]; what ends without it has not left the gateway. What need not be inspected is not held.
//!
//! A body of undeclared length beyond Pingora's window takes the same way, with nothing held (`body.rs`).
//!
//! A client that leaves in the meantime is noticed as on every other way: the exchange with the upstream ends, too.
//!
//! The recipe is alpha API of Pingora 0.9.1, in this file and `subrequest.rs` only.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;
use http::Method;
use http::header::CONTENT_LENGTH;
use parking_lot::Mutex;
use pingora::http::ResponseHeader;
use pingora::protocols::http::HttpTask;
use pingora::protocols::http::subrequest::server::SubrequestHandle;
use pingora::proxy::Session;
use pingora::{Error, ErrorSource, ErrorType};
use rampart_decision::{Code, Refusal};
use tokio::sync::mpsc;

use crate::body::{Carriage, WINDOW_BYTES};
use crate::context::Context;
use crate::watch::Watch;
use crate::{refusal, subrequest};

/// Nothing waits.
const OPEN: u8 = 0;
/// The head waits; no byte of a body has come so far.
const HEAD: u8 = 1;
/// Head and body wait.
const BODY: u8 = 2;

/// What the two passes share.
#[derive(Debug, Default)]
pub(crate) struct Hold {
    /// One of the three above.
    waits: AtomicU8,
    refusal: Mutex<Option<Box<Refusal>>>,
}

impl Hold {
    /// The head that follows waits for the judgement of its body.
    pub(crate) fn hold(&self) {
        self.waits.store(HEAD, Ordering::Release);
    }

    /// Bytes of the body have been withheld.
    pub(crate) fn withhold(&self) {
        self.waits.store(BODY, Ordering::Release);
    }

    /// What waits may pass, and everything that follows.
    pub(crate) fn let_go(&self) {
        self.waits.store(OPEN, Ordering::Release);
    }

    /// Whether the client has nothing of the response so far, and gets nothing until it is let go.
    pub(crate) fn holds(&self) -> bool {
        self.waits.load(Ordering::Acquire) != OPEN
    }

    /// Leaves the answer that the client gets in place of the held response.
    pub(crate) fn refuse(&self, refusal: Box<Refusal>) {
        *self.refusal.lock() = Some(refusal);
    }

    fn head_alone(&self) -> bool {
        self.waits.load(Ordering::Acquire) == HEAD
    }
}

/// Sends the request and its whole `body` to the upstream through a subrequest, and the response to the client as far as
/// the subrequest lets it go. Afterwards `context` is spent: the second pass logs the request.
pub(crate) async fn carry(session: &mut Session, context: &mut Context, body: Bytes) -> pingora::Result<()> {
    let hold = Arc::new(Hold::default());
    if context.watch.as_ref().is_some_and(Watch::holds) {
        context.hold = Some(Arc::clone(&hold));
    }
    let (request_id, way) = (context.request_id().to_owned(), context.way.told());
    let body = load(context, body);
    let (prepared, handle) = subrequest::prepare(session, context, body.len())?;
    // Both in this task: handed from worker to worker, connections would return to Pingora's pool while they are asked for
    // by the next request, which 0.9.1 answers by closing them ("failed to acquire reusable stream").
    // On an error, which is the client's having gone, the channels close and the subrequest ends with them.
    let (passed, ()) = tokio::join!(pass_on(session, handle, body, &hold), prepared.run());
    match passed? {
        Passed::Nothing => {
            let refused = hold.refusal.lock().take();
            let refused = refused.unwrap_or_else(|| Box::new(failed()));
            refusal::answer(session, &refused, &request_id, &way).await
        }
        // An error, so that the response does not end as if it were complete.
        Passed::Part => Error::create(
            ErrorType::ConnectionClosed,
            ErrorSource::Upstream,
            Some("the response broke off".into()),
            None,
        )
        .into_err(),
        Passed::All => Ok(()),
    }
}

/// Loads the request's body so that every attempt at an upstream can send it: one that fits into Pingora's window goes
/// through the channel and stays in the window. A larger one would be gone after the first attempt, so the body filter
/// puts it in place of a stand-in, which is what goes through the channel.
fn load(context: &mut Context, body: Bytes) -> Bytes {
    const STAND_IN: &[u8] = b".";
    if body.len() as u64 <= WINDOW_BYTES {
        context.body.carriage = if body.is_empty() { Carriage::Nothing } else { Carriage::Replayed };
        return body;
    }
    context.body.carriage = Carriage::Replaced(body);
    Bytes::from_static(STAND_IN)
}

fn failed() -> Refusal {
    Refusal::new(Code::Internal, "The gateway failed", "Whether the request took effect is not known.")
}

/// How much of a response the client has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passed {
    Nothing,
    Part,
    All,
}

async fn pass_on(session: &mut Session, handle: SubrequestHandle, body: Bytes, hold: &Hold) -> pingora::Result<Passed> {
    let SubrequestHandle { tx, mut rx, subreq_wants_body, .. } = handle;
    let feed = async {
        if subreq_wants_body.await.is_ok() {
            let body = Some(body).filter(|body| !body.is_empty());
            let _ = tx.send(HttpTask::Body(body, true)).await;
        }
        // The channel stays open until the response has ended: closed, it would say that the client has gone.
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        passed = receive(session, &mut rx, hold) => passed,
        never = feed => match never {},
    }
}

async fn receive(session: &mut Session, rx: &mut mpsc::Receiver<HttpTask>, hold: &Hold) -> pingora::Result<Passed> {
    let bodiless = session.req_header().method == Method::HEAD;
    let mut waiting = None;
    let mut progress = None;
    loop {
        let task = tokio::select! {
            task = rx.recv() => task,
            gone = session.downstream_session.read_body_or_idle(true) => return Err(left(gone)),
        };
        let Some(task) = task else { break };
        if let HttpTask::Header(header, _) = &task
            && !header.status.is_informational()
        {
            progress = Some(Progress::of(header, bodiless));
            if hold.holds() {
                waiting = Some(task);
                continue;
            }
        }
        // What never had a body has nothing to be judged by.
        let empty = matches!(task, HttpTask::Done) && hold.head_alone();
        if matches!(task, HttpTask::Failed(_)) || (waiting.is_some() && hold.holds() && !empty) {
            break;
        }
        if let (HttpTask::Body(Some(bytes), _), Some(progress)) = (&task, &mut progress) {
            progress.passed += bytes.len() as u64;
        }
        let tasks = waiting.take().into_iter().chain([task]).collect();
        if session.write_response_tasks(tasks).await? {
            // The other side ends by itself once its last word is taken; cut off, it would give up its connection.
            while rx.recv().await.is_some() {}
            return Ok(Passed::All);
        }
    }
    Ok(match progress {
        Some(progress) if waiting.is_none() => progress.reached(),
        _ => Passed::Nothing,
    })
}

/// Why the client's side came to an end while the response was under way.
#[expect(clippy::unnecessary_box_returns, reason = "Pingora's errors travel boxed")]
fn left(read: pingora::Result<Option<Bytes>>) -> Box<Error> {
    match read {
        Ok(_) => Error::explain(ErrorType::ConnectionClosed, "bytes after the request's end").into_down(),
        Err(error) => error.into_down(),
    }
}

/// How far a response has come, for those that end without saying so.
struct Progress {
    length: Option<u64>,
    passed: u64,
}

impl Progress {
    fn of(header: &ResponseHeader, bodiless: bool) -> Self {
        let none = bodiless || matches!(header.status.as_u16(), 204 | 304);
        let declared = header.headers.get(CONTENT_LENGTH);
        let declared = declared.and_then(|length| std::str::from_utf8(length.as_bytes()).ok()?.trim().parse().ok());
        Self { length: if none { Some(0) } else { declared }, passed: 0 }
    }

    fn reached(&self) -> Passed {
        if self.length == Some(self.passed) { Passed::All } else { Passed::Part }
    }
}
