//! Reload: a changed directory becomes the snapshot in force, or nothing changes and everyone is told why.
//!
//! Three things ask for it: SIGHUP, the admin API and the watch on the files. All go through one worker on a thread of its
//! own (`worker`), so that compiling rules never takes time from a serving thread and two reloads never overlap; what is
//! asked while one runs is answered together by the next. `watch` turns file events into requests, `apply` is one
//! reload, `status` remembers how it went for `/ready` and `/metrics`, `retire` frees what was replaced.

pub(crate) mod apply;
pub(crate) mod retire;
pub(crate) mod status;
pub(crate) mod watch;
pub(crate) mod worker;
