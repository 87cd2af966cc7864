//! The buffers that judgements use, one set per worker thread.

use std::cell::RefCell;

use rampart_decision::Workspace;

thread_local! {
    /// One set of buffers per worker thread.
    static WORKSPACE: RefCell<Workspace> = RefCell::default();
}

/// Calls `with` with this thread's buffers.
pub(crate) fn with_workspace<T>(with: impl FnOnce(&mut Workspace) -> T) -> T {
    WORKSPACE.with(|workspace| match workspace.try_borrow_mut() {
        Ok(mut workspace) => with(&mut workspace),
        Err(_) => with(&mut Workspace::default()),
    })
}
