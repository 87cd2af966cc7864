//! The one thread that reloads. It takes every request that waits, does one reload for all of them and answers them
//! together; a reload that panics is a failed reload, and the thread goes on.

use std::fmt;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use tokio::sync::oneshot;

use super::status::Reload;

/// Requests that may wait. Beyond it a request is not lost: whoever waits already asks for the same thing, and only the
/// admin API, which wants an answer, is told to come back.
const WAITING_MAX: usize = 64;

/// Who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// SIGHUP.
    Signal,
    /// A watched file changed.
    Files,
    /// `POST /admin/reload`.
    Admin {
        /// From where.
        client: Option<IpAddr>,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signal => "signal",
            Self::Files => "file change",
            Self::Admin { .. } => "admin API",
        })
    }
}

struct Request {
    cause: Cause,
    answer: Option<oneshot::Sender<Reload>>,
}

/// Where reloads are asked for. The worker ends when the last handle is gone.
#[derive(Clone)]
pub(crate) struct Handle {
    requests: SyncSender<Request>,
}

impl Handle {
    /// Asks for a reload and does not wait for it.
    pub(crate) fn ask(&self, cause: Cause) {
        match self.requests.try_send(Request { cause, answer: None }) {
            // Full: the requests that wait will read the same files later than now.
            Ok(()) | Err(TrySendError::Full(_)) => {}
            Err(TrySendError::Disconnected(_)) => log::error!(target: "rampart", "the reload worker is gone"),
        }
    }

    /// Asks for a reload and waits for its result; `None` when too many wait already or the process ends.
    pub(crate) async fn ask_and_wait(&self, cause: Cause) -> Option<Reload> {
        let (answer, result) = oneshot::channel();
        self.requests.try_send(Request { cause, answer: Some(answer) }).ok()?;
        result.await.ok()
    }
}

/// Requests before anybody works on them.
pub(crate) struct Queue {
    waiting: Receiver<Request>,
}

/// Where to ask, and what will answer. (The watch on the files must be able to ask before the worker, which tells the
/// watch what to look at, can exist.)
pub(crate) fn queue() -> (Handle, Queue) {
    let (requests, waiting) = sync_channel(WAITING_MAX);
    (Handle { requests }, Queue { waiting })
}

impl Queue {
    /// Starts the worker; `reload` is called on its thread with the causes, first come first.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn work(self, reload: impl FnMut(&[Cause]) -> Reload + Send + 'static) -> std::io::Result<()> {
        thread::Builder::new().name("reload".into()).spawn(move || work(&self.waiting, reload)).map(drop)
    }
}

fn work(waiting: &Receiver<Request>, mut reload: impl FnMut(&[Cause]) -> Reload) {
    while let Ok(first) = waiting.recv() {
        let mut requests = vec![first];
        requests.extend(waiting.try_iter().take(WAITING_MAX));
        let causes: Vec<Cause> = requests.iter().map(|request| request.cause).collect();
        let result = catch_unwind(AssertUnwindSafe(|| reload(&causes))).unwrap_or_else(|_| Reload::Failed {
            summary: "internal error while reloading; the snapshot before it keeps serving".to_owned(),
            diagnostics: serde_json::Value::Array(Vec::new()),
        });
        for answer in requests.into_iter().filter_map(|request| request.answer) {
            // Who asked may have gone.
            let _ = answer.send(result.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);
    const ADMIN: Cause = Cause::Admin { client: None };

    fn start(reload: impl FnMut(&[Cause]) -> Reload + Send + 'static) -> std::io::Result<Handle> {
        let (handle, queue) = queue();
        queue.work(reload)?;
        Ok(handle)
    }

    fn swapped(digest: &str) -> Reload {
        Reload::Swapped { digest: digest.into(), restart_needed: Vec::new() }
    }

    #[tokio::test]
    async fn what_waits_while_a_reload_runs_is_one_reload() {
        let (started, starts) = mpsc::channel();
        let (go, gate) = mpsc::channel::<()>();
        let handle = start(move |causes| {
            started.send(causes.to_vec()).unwrap();
            gate.recv_timeout(LONG).unwrap();
            swapped("x")
        })
        .unwrap();
        handle.ask(Cause::Signal);
        assert_eq!(starts.recv_timeout(LONG).unwrap(), [Cause::Signal]);
        // The first runs; three more wait, one of them for its answer.
        handle.ask(Cause::Files);
        handle.ask(Cause::Signal);
        let admin = tokio::spawn({
            let handle = handle.clone();
            async move { handle.ask_and_wait(ADMIN).await }
        });
        tokio::task::yield_now().await;
        go.send(()).unwrap();
        let second = tokio::task::spawn_blocking(move || starts.recv_timeout(LONG).unwrap()).await.unwrap();
        go.send(()).unwrap();
        assert_eq!(second, [Cause::Files, Cause::Signal, ADMIN]);
        assert_eq!(admin.await.unwrap(), Some(swapped("x")));
    }

    #[tokio::test]
    async fn a_reload_that_panics_is_a_failed_one_and_the_next_works() {
        let mut calls = 0;
        let handle = start(move |_| {
            calls += 1;
            assert!(calls > 1, "the first one panics");
            swapped("y")
        })
        .unwrap();
        assert!(matches!(handle.ask_and_wait(ADMIN).await, Some(Reload::Failed { .. })));
        assert_eq!(handle.ask_and_wait(ADMIN).await, Some(swapped("y")));
    }

    #[test]
    fn asking_never_blocks_however_many_wait() {
        let (go, gate) = mpsc::channel::<()>();
        let handle = start(move |_| {
            let _ = gate.recv_timeout(LONG);
            swapped("z")
        })
        .unwrap();
        for _ in 0..10 * WAITING_MAX {
            handle.ask(Cause::Files);
        }
        drop(go);
    }
}
