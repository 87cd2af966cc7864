//! A response whose head is held back until its body was judged.
//!
//! Pingora passes a response head on before it reads the body, and nothing in its phases can hold it. So the request goes
//! through a subrequest: its phases inspect (`watch.rs`) and withhold the body until it was judged, and here, in the first
//! pass, the head waits for the first byte of body that they let go. A refusal can so still become an answer. What need
//! not be inspected is not held.
//!
//! The recipe is alpha API of Pingora 0.9.1, in this file and `subrequest.rs` only.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use pingora::protocols::http::HttpTask;
use pingora::protocols::http::subrequest::server::SubrequestHandle;
use pingora::proxy::Session;
use rampart_decision::Refusal;

use crate::context::Context;
use crate::{refusal, subrequest};

/// What the two passes share.
#[derive(Debug, Default)]
pub(crate) struct Hold {
    held: AtomicBool,
    refusal: Mutex<Option<Box<Refusal>>>,
}

impl Hold {
    /// The head that follows waits for the judgement of its body.
    pub(crate) fn hold(&self) {
        self.held.store(true, Ordering::Release);
    }

    pub(crate) fn holds(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }

    /// Leaves the answer that the client gets in place of the held response.
    pub(crate) fn refuse(&self, refusal: Box<Refusal>) {
        *self.refusal.lock() = Some(refusal);
    }
}

/// Sends the request and its whole `body` to the upstream through a subrequest, and the response to the client as far as
/// the subrequest lets it go. Afterwards `context` is spent: the second pass logs the request.
pub(crate) async fn carry(session: &mut Session, context: &mut Context, body: Bytes) -> pingora::Result<()> {
    let hold = Arc::new(Hold::default());
    context.hold = Some(Arc::clone(&hold));
    let request_id = context.request_id().to_owned();
    let empty = body.is_empty();
    let (mut prepared, handle) = subrequest::prepare(session, context, body.len())?;
    if empty && let Some(inner) = prepared.session_mut().as_subrequest_mut() {
        inner.clear_request_body_headers();
    }
    let running = tokio::spawn(prepared.run());
    let written = pass_on(session, handle, body, &hold).await;
    if written.is_err() {
        // The client has gone; nobody waits for the rest.
        running.abort();
        return written.map(|_| ());
    }
    if matches!(written, Ok(Passed::Nothing)) {
        let refusal = hold.refusal.lock().take();
        if let Some(refusal) = refusal {
            return refusal::answer(session, &refusal, &request_id).await;
        }
    }
    if !matches!(written, Ok(Passed::All)) {
        session.set_keepalive(None);
    }
    Ok(())
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
    // The channel stays open until the response has ended: closed, it would say that the client has gone.
    let feed = async move {
        if !body.is_empty() && subreq_wants_body.await.is_ok() {
            let _ = tx.send(HttpTask::Body(Some(body), true)).await;
        }
        tx
    };
    let receive = async {
        let mut waiting = None;
        let mut passed = Passed::Nothing;
        while let Some(task) = rx.recv().await {
            if hold.holds() && waits(&task) {
                waiting = Some(task);
                continue;
            }
            if matches!(task, HttpTask::Failed(_)) {
                break;
            }
            let interim = matches!(&task, HttpTask::Header(header, _) if header.status.is_informational());
            let tasks = mem::take(&mut waiting).into_iter().chain([task]).collect();
            if session.write_response_tasks(tasks).await? {
                return Ok(Passed::All);
            }
            if !interim {
                passed = Passed::Part;
            }
        }
        Ok(passed)
    };
    let (_tx, passed) = tokio::join!(feed, receive);
    passed
}

/// A final head that a body follows.
fn waits(task: &HttpTask) -> bool {
    matches!(task, HttpTask::Header(header, false) if !header.status.is_informational())
}
