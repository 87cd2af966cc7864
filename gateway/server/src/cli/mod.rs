//! The command line: what can be asked of `rampart`, and the exit code of each answer.
//!
//! One file per command. Standard output carries the answer, standard error everything else; colour only repeats what
//! the words say already. Exit codes: 0 good, 1 the thing checked is bad, 2 usage or configuration error.

mod apikey;
mod audit;
mod check;
mod demo;
mod explain;
mod generate;
mod health;
mod replay;
pub(crate) mod report;
mod run;
mod term;
mod test;
mod version;

pub(crate) use version::BUILD;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use rampart_policy::{Route, Snapshot};

/// What became of a command, as its exit code tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 0: done, and what was looked at is good.
    Good,
    /// 1: the thing checked is bad.
    Bad,
    /// 2: the command could not do its work: usage or configuration.
    Unusable,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Good => ExitCode::SUCCESS,
            Outcome::Bad => ExitCode::from(1),
            Outcome::Unusable => ExitCode::from(2),
        }
    }
}

#[derive(Debug, Parser)]
#[command(
    name = "rampart",
    version,
    about = "A security and caching gateway in front of an unchanged backend",
    long_about = "Rampart stands in front of an unchanged backend and inspects every request by the rules in a directory.\n\
                  Without a command it runs the gateway, like `rampart run`.",
    after_help = "Examples:\n  rampart demo                          see it protect a demo backend\n  \
                  rampart check                         find every mistake in config.toml and rules/\n  \
                  rampart run --config /etc/rampart/config.toml\n\n\
                  Every configuration key can be given in the environment: RAMPART__LISTENER__MAIN__ADDRESS=0.0.0.0:8080",
    args_conflicts_with_subcommands = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    run: run::RunArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway (the default)
    Run(run::RunArguments),
    /// Read config.toml and the rules directory and report every mistake
    Check(check::CheckArguments),
    /// Run the gateway in front of a demo backend and print lines to try
    Demo(demo::DemoArguments),
    /// Run the cases of the rules
    Test(test::TestArguments),
    /// Say what would become of one request, and why
    Explain(explain::ExplainArguments),
    /// Ask what would become of recorded requests, and how long inspection takes
    Replay(replay::ReplayArguments),
    /// Look at what was recorded
    Audit(audit::AuditArguments),
    /// Make an API key, or the digest of one
    Apikey(apikey::ApiKeyArguments),
    /// Ask a running gateway whether it is ready (for container health checks)
    Health(health::HealthArguments),
    /// Write the man pages or shell completions
    Generate(generate::GenerateArguments),
    /// Print the version and what it was built from
    Version(version::VersionArguments),
}

/// Where the configuration is; shared by every command that reads it.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConfigArguments {
    /// The configuration file; its rules directory is named in it
    #[arg(short, long, value_name = "FILE", env = "RAMPART_CONFIG", default_value = "config.toml")]
    pub(crate) config: PathBuf,
}

/// A route that asks the profile `name` alone.
fn profile_route(snapshot: &Snapshot, name: &str) -> anyhow::Result<Route> {
    let Some(profile) = snapshot.profiles.get(name) else {
        let known: Vec<&str> = snapshot.profiles.keys().map(AsRef::as_ref).collect();
        anyhow::bail!("no profile \"{name}\"; there are {}", known.join(", "));
    };
    if let Some(missing) = &profile.unavailable {
        anyhow::bail!("the profile \"{name}\" has no rules: {missing}");
    }
    Ok(Route::of_profile(profile))
}

/// Parses the command line, does what it asks, and gives the exit code.
pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        None => run::run(&arguments.run),
        Some(Command::Run(arguments)) => run::run(&arguments),
        Some(Command::Check(arguments)) => check::check(&arguments),
        Some(Command::Demo(arguments)) => demo::demo(&arguments),
        Some(Command::Test(arguments)) => test::test(&arguments),
        Some(Command::Explain(arguments)) => explain::explain(&arguments),
        Some(Command::Replay(arguments)) => replay::replay(&arguments),
        Some(Command::Audit(arguments)) => audit::audit(&arguments),
        Some(Command::Apikey(arguments)) => apikey::apikey(&arguments),
        Some(Command::Health(arguments)) => health::health(&arguments),
        Some(Command::Generate(arguments)) => generate::generate(&arguments),
        Some(Command::Version(arguments)) => version::version(&arguments),
    };
    result
        .unwrap_or_else(|error| {
            if !term::is_broken_pipe(&error) {
                term::complain(&error);
            }
            Outcome::Unusable
        })
        .into()
}
