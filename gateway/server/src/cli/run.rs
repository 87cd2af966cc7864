//! `rampart run`: the gateway.

use clap::Args;

use super::{ConfigArguments, Outcome};
use crate::load::Sources;
use crate::process::log;
use crate::serve::{Order, serve};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rampart run --config /etc/rampart/config.toml\n  \
    RAMPART__LISTENER__MAIN__ADDRESS=0.0.0.0:8080 rampart run\n\n\
    Signals: TERM finishes what is in flight and stops, INT stops now, HUP reloads, USR1 opens log files anew,\n\
    USR2 starts the binary as it is on disk now and hands the listening sockets over to it.")]
pub(super) struct RunArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Take the listening sockets over from the running process (send it QUIT after this one has started)
    #[arg(long)]
    upgrade: bool,
    #[command(flatten)]
    log: LogArguments,
}

/// How much the process says of itself.
#[derive(Debug, Clone, Args)]
pub(super) struct LogArguments {
    /// How much to log to standard error: off, error, warn, info, debug, trace
    #[arg(long, value_name = "LEVEL", env = "RAMPART_LOG")]
    log_level: Option<::log::LevelFilter>,
}

impl LogArguments {
    /// Starts the log of the process.
    pub(super) fn start(&self) {
        log::start(self.log_level);
    }
}

/// Runs until a signal ends it.
pub(super) fn run(arguments: &RunArguments) -> anyhow::Result<Outcome> {
    arguments.log.start();
    let sources = Sources::of_files(&arguments.config.config);
    serve(Order { sources, takes_over: arguments.upgrade, announce: Box::new(|_| {}) })
}
