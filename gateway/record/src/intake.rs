//! The way in of every writer: many callers put things in, one background thread takes them out in batches.
//!
//! Two batches take turns (double buffering): callers fill one under a short lock while the thread writes the other, so
//! nobody waits for a disk. Both together are bounded in bytes. At the bound the configured choice is made: the thing is
//! dropped and counted, or the caller waits, but never longer than [`LONGEST_WAIT`], so that a dead disk slows traffic
//! down and does not stop it. It knows nothing of files or of what it carries.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

/// How long a caller waits for room at most where overload means to block.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What happens to a record for which there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Overload {
    /// It is dropped and counted; traffic never waits.
    Drop,
    /// The request waits for room, for a second at most; then the record is dropped and counted.
    Block,
}

/// The bounds of one intake.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Bytes that may be inside, being written included.
    pub(crate) capacity_bytes: usize,
    /// The writer is woken at once when the batch being filled holds this much.
    pub(crate) batch_bytes: usize,
    /// Otherwise a batch is written when its first thing is this old.
    pub(crate) interval: Duration,
    pub(crate) overload: Overload,
    /// The writer is given an empty batch when nothing has come for so long; `None`: it sleeps on.
    pub(crate) idle: Option<Duration>,
}

/// Everything between the callers and one writer.
pub(crate) struct Intake<B> {
    state: Mutex<State<B>>,
    /// The writer waits here for something to do.
    work: Condvar,
    /// Callers wait here for room, for a flush or for the end.
    room: Condvar,
    bounds: Bounds,
}

#[derive(Default)]
struct State<B> {
    filling: B,
    filling_items: u64,
    filling_bytes: usize,
    /// Of the batch that the writer has in hand.
    writing_bytes: usize,
    accepted: u64,
    finished: u64,
    /// Someone waits for all that has been accepted so far.
    hurry: bool,
    reopen: bool,
    closing: bool,
    /// The writer has gone; nothing is taken any more.
    gone: bool,
}

/// What the writer is given to do.
pub(crate) struct Work<B> {
    pub(crate) batch: B,
    /// Things in the batch.
    pub(crate) items: u64,
    /// The sink is to be opened anew before the batch is written.
    pub(crate) reopen: bool,
    /// Nothing comes after this.
    pub(crate) last: bool,
}

/// Why a pause ended, when not for want of patience.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pause {
    pub(crate) reopen: bool,
    pub(crate) closing: bool,
}

// === impl Intake ===

impl<B: Default> Intake<B> {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { state: Mutex::new(State::default()), work: Condvar::new(), room: Condvar::new(), bounds }
    }

    /// Puts in one thing of `bytes` with `put`; `false` when there is no room and it must be dropped.
    pub(crate) fn offer(&self, bytes: usize, put: impl FnOnce(&mut B)) -> bool {
        let mut state = self.state.lock();
        if !self.has_room(&state, bytes) && !self.waited_for_room(&mut state, bytes) {
            return false;
        }
        let before = state.filling_bytes;
        put(&mut state.filling);
        state.filling_bytes += bytes;
        state.filling_items += 1;
        state.accepted += 1;
        let full = before < self.bounds.batch_bytes && state.filling_bytes >= self.bounds.batch_bytes;
        let first = state.filling_items == 1;
        drop(state);
        if full || first {
            self.work.notify_one();
        }
        true
    }

    fn has_room(&self, state: &State<B>, bytes: usize) -> bool {
        !state.closing && state.filling_bytes + state.writing_bytes + bytes <= self.bounds.capacity_bytes
    }

    fn waited_for_room(&self, state: &mut MutexGuard<'_, State<B>>, bytes: usize) -> bool {
        if self.bounds.overload == Overload::Drop || bytes > self.bounds.capacity_bytes {
            return false;
        }
        let until = deadline(LONGEST_WAIT);
        while !state.closing && !self.has_room(state, bytes) {
            if self.room.wait_until(state, until).timed_out() {
                break;
            }
        }
        self.has_room(state, bytes)
    }

    /// Waits for something to do. `empty` becomes the batch that callers fill next.
    pub(crate) fn take(&self, empty: B) -> Work<B> {
        let mut state = self.state.lock();
        let idle_until = self.bounds.idle.map(deadline);
        let mut idle = false;
        while state.filling_items == 0 && !state.reopen && !state.closing && !idle {
            match idle_until {
                None => self.work.wait(&mut state),
                Some(until) => idle = self.work.wait_until(&mut state, until).timed_out(),
            }
        }
        let until = deadline(self.bounds.interval);
        while !idle && state.filling_bytes < self.bounds.batch_bytes && !state.reopen && !state.closing && !state.hurry
        {
            if self.work.wait_until(&mut state, until).timed_out() {
                break;
            }
        }
        state.hurry = false;
        state.writing_bytes = std::mem::take(&mut state.filling_bytes);
        Work {
            batch: std::mem::replace(&mut state.filling, empty),
            items: std::mem::take(&mut state.filling_items),
            reopen: std::mem::take(&mut state.reopen),
            last: state.closing,
        }
    }

    /// The writer has dealt with `items`, whether it wrote them or lost them.
    pub(crate) fn done(&self, items: u64) {
        let mut state = self.state.lock();
        state.writing_bytes = 0;
        state.finished += items;
        drop(state);
        self.room.notify_all();
    }

    /// Waits, less long when the end is asked for or the sink is to be opened anew. For a writer whose disk has refused
    /// a batch.
    pub(crate) fn pause(&self, longest: Duration) -> Pause {
        let mut state = self.state.lock();
        let until = deadline(longest);
        while !state.closing && !state.reopen {
            if self.work.wait_until(&mut state, until).timed_out() {
                break;
            }
        }
        Pause { reopen: std::mem::take(&mut state.reopen), closing: state.closing }
    }

    /// The writer will take nothing any more.
    pub(crate) fn leave(&self) {
        let mut state = self.state.lock();
        state.closing = true;
        state.gone = true;
        drop(state);
        self.room.notify_all();
    }

    /// Asks the writer to open its sink anew before it writes on.
    pub(crate) fn reopen(&self) {
        self.state.lock().reopen = true;
        self.work.notify_one();
    }

    /// Waits until everything accepted so far has been dealt with; `false` when that took longer than `longest`.
    pub(crate) fn flush(&self, longest: Duration) -> bool {
        let mut state = self.state.lock();
        let goal = state.accepted;
        let until = deadline(longest);
        while state.finished < goal && !state.gone {
            state.hurry = true;
            self.work.notify_one();
            if self.room.wait_until(&mut state, until).timed_out() {
                break;
            }
        }
        state.finished >= goal
    }

    /// Takes nothing any more, and waits for the writer to finish; `false` when that took longer than `longest`.
    pub(crate) fn close(&self, longest: Duration) -> bool {
        let mut state = self.state.lock();
        state.closing = true;
        self.work.notify_one();
        self.room.notify_all();
        let until = deadline(longest);
        while !state.gone {
            if self.room.wait_until(&mut state, until).timed_out() {
                break;
            }
        }
        state.gone
    }

    /// Bytes inside, being written included.
    pub(crate) fn queued_bytes(&self) -> usize {
        let state = self.state.lock();
        state.filling_bytes + state.writing_bytes
    }
}

/// The moment so long from now; an hour, where the clock does not reach that far.
pub(crate) fn deadline(longest: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(longest).unwrap_or(now + Duration::from_hours(1))
}
