//! `rampart version`: what this binary is.

use clap::Args;
use serde::Serialize;

use super::{Outcome, term};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  rampart version --json")]
pub(super) struct VersionArguments {
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What a build is, as `version` and `rampart_build_info` tell it.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Build {
    /// The version of the workspace.
    pub(crate) version: &'static str,
    /// The commit it was built from, `unknown` outside a checkout.
    pub(crate) commit: &'static str,
    /// `release` or `debug`.
    pub(crate) profile: &'static str,
    /// The compiler's target triple.
    pub(crate) target: &'static str,
}

/// This build.
pub(crate) const BUILD: Build = Build {
    version: env!("CARGO_PKG_VERSION"),
    commit: env!("RAMPART_COMMIT"),
    profile: if cfg!(debug_assertions) { "debug" } else { "release" },
    target: env!("RAMPART_TARGET"),
};

/// Prints one line, or the fields as JSON.
pub(super) fn version(arguments: &VersionArguments) -> anyhow::Result<Outcome> {
    if arguments.json {
        term::say_json(&BUILD)?;
    } else {
        let Build { version, commit, profile, target } = BUILD;
        term::say(&format!("rampart {version} ({commit}, {profile}, {target})"))?;
    }
    Ok(Outcome::Good)
}
