//! Reading a request body, bounded in bytes and in time, before any contact with the upstream, and handing it on.
//!
//! Pingora 0.9.1 forwards what it reads itself; what was read before has to be handed back to it. How depends on what is
//! known (each was tried with HTTP/1 and HTTP/2 on either side, 0 B to 10 MiB, `Content-Length` and not; see the crate docs):
//!
//! | body | carriage |
//! |---|---|
//! | none | [`Carriage::Nothing`] |
//! | whole, up to 64 KiB | [`Carriage::Replayed`]: Pingora's retry buffer, on from the first read, holds it and sends it |
//! | whole, larger, length declared | [`Carriage::Replaced`]: the retry buffer is turned on for the last 64 KiB, so that the body filter runs; the filter puts the whole in place of the tail |
//! | whole, larger, length unknown | [`Carriage::Subrequest`]: nothing would run the filter; a subrequest carries it (`held.rs`) |
//! | a prefix, more to come | [`Carriage::Prepended`]: no retry buffer; the filter runs with what comes next and puts the prefix before it |
//!
//! The deadline is for the whole reading: Pingora's own is 60 s for each read over HTTP/1 and none over HTTP/2.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pingora::proxy::Session;
use rampart_decision::{Code, Refusal};

use crate::budget::Permit;

/// What Pingora's retry buffer holds (`pingora-core` `v1/common.rs`, `v2/server.rs`), and the most that one read returns.
pub(crate) const WINDOW_BYTES: u64 = 64 * 1024;

/// What to read of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Want {
    /// The body may be this long in all, in bytes; longer is refused with 413.
    pub(crate) limit_bytes: u64,
    /// Reading may stop when so much has arrived; `None` reads all.
    pub(crate) prefix_bytes: Option<u64>,
    /// For all of the reading.
    pub(crate) deadline: Duration,
}

/// How what was read gets to the upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Carriage {
    /// There is no body, or it was not read.
    #[default]
    Nothing,
    /// By Pingora.
    Replayed,
    /// By the body filter, in place of what it is given.
    Replaced(Bytes),
    /// By the body filter, before what it is given.
    Prepended(Bytes),
    /// By a subrequest.
    Subrequest,
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Buffered {
    /// The bytes to inspect, as received (content codings still on).
    pub(crate) bytes: Bytes,
    pub(crate) carriage: Carriage,
    /// Whether `bytes` is all of the body.
    pub(crate) whole: bool,
}

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFault {
    /// Longer than allowed, by declaration or by count.
    TooLarge { limit_bytes: u64 },
    /// The deadline passed.
    Timeout,
    /// The client closed, reset, or broke the framing before the end.
    Incomplete,
    /// The budget of buffered bytes is spent.
    BudgetSpent,
}

/// The chunks that have arrived. One chunk, the common case, is not copied.
#[derive(Default)]
struct Chunks {
    first: Option<Bytes>,
    more: BytesMut,
    len: u64,
}

/// Reads as much of the body as `want` says.
pub(crate) async fn read(session: &mut Session, want: Want, permit: &mut Permit) -> Result<Buffered, BodyFault> {
    if session.is_body_empty() {
        return Ok(Buffered { bytes: Bytes::new(), carriage: Carriage::Nothing, whole: true });
    }
    let declared = declared_length(session);
    if declared.is_some_and(|length| length > want.limit_bytes) {
        return Err(BodyFault::TooLarge { limit_bytes: want.limit_bytes });
    }
    tokio::time::timeout(want.deadline, read_chunks(session, want, declared, permit))
        .await
        .unwrap_or(Err(BodyFault::Timeout))
}

async fn read_chunks(
    session: &mut Session,
    want: Want,
    declared: Option<u64>,
    permit: &mut Permit,
) -> Result<Buffered, BodyFault> {
    // A prefix of a body of unknown length is read without the retry buffer: should the body end within it, a subrequest
    // carries it; should it not, a full buffer would be in the way.
    let known_whole = want.prefix_bytes.is_none();
    let mut replay = false;
    let mut chunks = Chunks::default();
    loop {
        let in_window = match declared {
            Some(length) => length.saturating_sub(chunks.len) <= WINDOW_BYTES,
            None => known_whole,
        };
        if !replay && in_window {
            session.enable_retry_buffering();
            replay = true;
        }
        let Some(chunk) = session.read_request_body().await.map_err(|_| BodyFault::Incomplete)? else {
            break;
        };
        if chunks.len + chunk.len() as u64 > want.limit_bytes {
            return Err(BodyFault::TooLarge { limit_bytes: want.limit_bytes });
        }
        if !permit.grow(chunk.len()) {
            return Err(BodyFault::BudgetSpent);
        }
        chunks.push(chunk);
        if !replay && want.prefix_bytes.is_some_and(|prefix| chunks.len >= prefix) {
            return Ok(prefix_read(session, chunks.join()));
        }
    }
    Ok(whole_read(chunks, replay, declared.is_some()))
}

/// The prefix has arrived; the body may, by chance, have ended with it.
fn prefix_read(session: &mut Session, bytes: Bytes) -> Buffered {
    let whole = session.is_body_done();
    let carriage = if whole { Carriage::Subrequest } else { Carriage::Prepended(bytes.clone()) };
    Buffered { bytes, carriage, whole }
}

fn whole_read(chunks: Chunks, replay: bool, declared: bool) -> Buffered {
    let length = chunks.len;
    let bytes = chunks.join();
    let carriage = match length {
        0 => Carriage::Nothing,
        ..=WINDOW_BYTES if replay => Carriage::Replayed,
        _ if declared => Carriage::Replaced(bytes.clone()),
        _ => Carriage::Subrequest,
    };
    Buffered { bytes, carriage, whole: true }
}

/// The declared length. Pingora has refused lists, signs and lengths that disagree, and dropped the field where there is a
/// transfer coding (RFC 9112 section 6.3).
pub(crate) fn declared_length(session: &Session) -> Option<u64> {
    let value = session.get_header(http::header::CONTENT_LENGTH)?;
    std::str::from_utf8(value.as_bytes()).ok()?.trim().parse().ok()
}

// === impl Carriage ===

impl Carriage {
    /// What the body filter makes of the first chunk that Pingora is about to send.
    pub(crate) fn fill(&self, chunk: &mut Option<Bytes>) {
        match self {
            Self::Nothing | Self::Replayed | Self::Subrequest => {}
            Self::Replaced(whole) => *chunk = Some(whole.clone()),
            Self::Prepended(prefix) => {
                *chunk = Some(match chunk.take() {
                    Some(next) if !next.is_empty() => {
                        let mut joined = BytesMut::with_capacity(prefix.len() + next.len());
                        joined.extend_from_slice(prefix);
                        joined.extend_from_slice(&next);
                        joined.freeze()
                    }
                    _ => prefix.clone(),
                });
            }
        }
    }

    /// Whether all of the body can be sent a second time.
    pub(crate) fn repeatable(&self) -> bool {
        matches!(self, Self::Nothing | Self::Replayed | Self::Replaced(_))
    }
}

// === impl Chunks ===

impl Chunks {
    fn push(&mut self, chunk: Bytes) {
        self.len += chunk.len() as u64;
        if self.first.is_none() && self.more.is_empty() {
            self.first = Some(chunk);
            return;
        }
        if let Some(first) = self.first.take() {
            self.more.reserve(first.len() + chunk.len());
            self.more.extend_from_slice(&first);
        }
        self.more.extend_from_slice(&chunk);
    }

    fn join(self) -> Bytes {
        self.first.unwrap_or_else(|| self.more.freeze())
    }
}

// === impl BodyFault ===

impl From<BodyFault> for Refusal {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::TooLarge { limit_bytes } => Refusal::new(
                Code::BodyTooLarge,
                "The request body is larger than this route takes",
                format!("At most {limit_bytes} bytes are taken here."),
            ),
            BodyFault::Timeout => Refusal::new(
                Code::BodyTimeout,
                "The request body did not arrive in time",
                "Send the body faster, or in smaller requests.",
            ),
            BodyFault::Incomplete => Refusal::new(
                Code::BodyIncomplete,
                "The request body ended early or is not framed as declared",
                "Send as many bytes as Content-Length says, or complete chunks.",
            ),
            BodyFault::BudgetSpent => Refusal::new(
                Code::BufferExhausted,
                "The gateway holds as many request bodies as it may",
                "Try again later.",
            )
            .retry_after_s(1),
        }
    }
}

#[cfg(test)]
mod tests;
