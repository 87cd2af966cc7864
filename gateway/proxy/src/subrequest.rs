//! A second pass through the phases, whose request head is the first one's and whose body comes from a channel.
//!
//! Two kinds of request take it (`held.rs`): those whose response may have to be held back, and those with the one body that
//! Pingora cannot be handed back: larger than its window, of undeclared length, read to its end. What was decided goes
//! along, so the second pass decides nothing and the body is forwarded once. It costs two channels. The API is
//! alpha in Pingora: it is used in this file and in `held.rs` only.
//!
//! Over HTTP/2 the head of a subrequest does not survive as it is (0.9.1 writes it as HTTP/1 with `HTTP/2` in the request
//! line and without `Host`, cannot read it back and answers nothing), so it is made an HTTP/1.1 head first. Over either the
//! head declares the length of what goes through the channel, which may be a stand-in (`held.rs`); what the upstream is told
//! is the length of the whole body (`forward.rs`).

use std::mem;

use http::Version;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use pingora::protocols::http::subrequest::server::SubrequestHandle;
use pingora::proxy::subrequest::{BodyMode, Ctx};
use pingora::proxy::{PreparedSubrequest, Session};
use pingora::{Error, ErrorType};

use crate::context::Context;

/// What the first pass hands to the second.
struct Handover {
    context: Context,
    /// Bytes of the body in the channel.
    length: usize,
}

/// A subrequest that takes over what `context` knows, and its channels. `length` is that of what will go through them as
/// its body.
/// Afterwards `context` is spent.
pub(crate) fn prepare(
    session: &mut Session,
    context: &mut Context,
    length: usize,
) -> pingora::Result<(PreparedSubrequest, SubrequestHandle)> {
    let Some(spawner) = session.subrequest_spawner.take() else {
        return Error::e_explain(ErrorType::InternalError, "subrequests are not allowed here");
    };
    if session.as_http2().is_some() {
        make_http1(session)?;
    }
    let handover = Handover { context: mem::replace(context, Context::spent()), length };
    let ctx = Ctx::builder().body_mode(BodyMode::ExpectBody).user_ctx(Box::new(handover)).build();
    Ok(spawner.create_subrequest(session.as_downstream(), ctx))
}

/// In the second pass: what the first handed over.
pub(crate) fn take_over(session: &mut Session) -> pingora::Result<Context> {
    let user_ctx = session.subrequest_ctx.as_mut().and_then(|ctx| ctx.user_ctx_mut());
    let Some(handover) = user_ctx.and_then(|ctx| ctx.downcast_mut::<Handover>()) else {
        return Error::e_explain(ErrorType::InternalError, "a subrequest without its request");
    };
    let (context, length) = (mem::replace(&mut handover.context, Context::spent()), handover.length);
    declare(session, length)?;
    Ok(context)
}

fn make_http1(session: &mut Session) -> pingora::Result<()> {
    let header = session.req_header_mut();
    if !header.headers.contains_key(HOST)
        && let Some(authority) = header.uri.authority().map(|authority| authority.as_str().to_owned())
    {
        header.insert_header(HOST, authority)?;
    }
    header.set_version(Version::HTTP_11);
    Ok(())
}

/// Makes the head of the second pass say how long the body in the channel is. (That of the first is handed over as the bytes
/// that were received.) One that was framed as having none stays so.
fn declare(session: &mut Session, length: usize) -> pingora::Result<()> {
    let header = session.req_header_mut();
    let framed = header.headers.contains_key(CONTENT_LENGTH) || header.headers.contains_key(TRANSFER_ENCODING);
    header.remove_header(&TRANSFER_ENCODING);
    if length > 0 || framed {
        header.insert_header(CONTENT_LENGTH, length)?;
    }
    Ok(())
}
