//! Where the process is in its life, as `/ready` tells it and as the control tasks act on it.

use std::fmt;

use tokio::sync::watch;

/// The stations, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// The listeners are not up yet.
    Starting,
    /// Requests are accepted.
    Serving,
    /// A successor has the listening sockets; both accept until this one stops.
    HandedOver,
    /// No new connections; requests in flight are finished.
    Draining,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::HandedOver => "handed_over",
            Self::Draining => "draining",
        })
    }
}

/// The stage, shared by every thread; it only ever moves on.
#[derive(Debug, Clone)]
pub(crate) struct Lifecycle {
    stage: watch::Sender<Stage>,
}

impl Lifecycle {
    /// A process that is starting.
    pub(crate) fn new() -> Self {
        Self { stage: watch::channel(Stage::Starting).0 }
    }

    /// The stage now.
    pub(crate) fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// Moves on to `stage`; a stage that lies behind is not returned to.
    pub(crate) fn reach(&self, stage: Stage) {
        self.stage.send_if_modified(|current| {
            let forward = stage > *current;
            if forward {
                *current = stage;
            }
            forward
        });
    }

    /// Waits until `stage` or a later one is reached.
    pub(crate) async fn reached(&self, stage: Stage) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.stage.subscribe().wait_for(|current| *current >= stage).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stage_is_never_returned_to() {
        let life = Lifecycle::new();
        life.reach(Stage::Draining);
        life.reach(Stage::Serving);
        assert_eq!(life.stage(), Stage::Draining);
        life.reached(Stage::HandedOver).await;
    }
}
