//! Frees old snapshots. A snapshot holds thousands of compiled rules; whoever lets go of it last pays for freeing it, and
//! that must not be a request. So one handle is kept here until no request has another.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// How often it is looked whether a snapshot is free. Short: reloads in quick succession must not pile snapshots up.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Old snapshots that are held at most. The oldest is let go then: the request that is still deciding with it frees it.
const HELD_MAX: usize = 16;

/// Takes values that were replaced; the thread ends when this is dropped.
pub(crate) struct Retired<T> {
    sender: Sender<Arc<T>>,
}

impl<T: Send + Sync + 'static> Retired<T> {
    /// Starts the thread that frees.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start() -> std::io::Result<Self> {
        let (sender, receiver) = channel();
        thread::Builder::new().name("retire".into()).spawn(move || hold(&receiver))?;
        Ok(Self { sender })
    }

    /// Takes a value that nobody new can reach any more.
    pub(crate) fn take(&self, value: Arc<T>) {
        // A thread that is gone frees nothing; the value is then freed by its last user.
        let _ = self.sender.send(value);
    }
}

fn hold<T>(receiver: &Receiver<Arc<T>>) {
    let mut held: Vec<Arc<T>> = Vec::new();
    loop {
        let next = if held.is_empty() {
            receiver.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            receiver.recv_timeout(LOOK_EVERY)
        };
        match next {
            Ok(value) => held.push(value),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        held.retain(|value| Arc::strong_count(value) > 1);
        if held.len() > HELD_MAX {
            held.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    struct Noticed(mpsc::Sender<Option<String>>);

    impl Drop for Noticed {
        fn drop(&mut self) {
            let _ = self.0.send(thread::current().name().map(str::to_owned));
        }
    }

    #[test]
    fn the_last_user_does_not_free() {
        let (sender, freed) = mpsc::channel();
        let retired = Retired::start().unwrap();
        let value = Arc::new(Noticed(sender));
        let user = Arc::clone(&value);
        retired.take(value);
        assert!(freed.recv_timeout(LOOK_EVERY * 2).is_err(), "freed while in use");
        drop(user);
        assert_eq!(freed.recv_timeout(LONG).unwrap().as_deref(), Some("retire"));
    }

    #[test]
    fn no_more_than_the_bound_are_held() {
        let retired = Retired::start().unwrap();
        let users: Vec<Arc<u32>> = (0..100).map(Arc::new).collect();
        for value in &users {
            retired.take(Arc::clone(value));
        }
        let held = || users.iter().filter(|value| Arc::strong_count(value) > 1).count();
        for _ in 0..500 {
            if held() == HELD_MAX {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("{} are held", held());
    }
}
