//! `rampart generate`: the man pages and shell completions, made from the same definitions that parse the command line,
//! so that they cannot disagree with it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, CommandFactory, Subcommand};
use clap_complete::Shell;

use super::{Arguments, Outcome, term};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rampart generate man --into /usr/local/share/man/man1\n  \
                        rampart generate completions bash > /etc/bash_completion.d/rampart")]
pub(super) struct GenerateArguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Man pages: the main one to standard output, or one for each command into a directory
    Man {
        /// Directory for rampart.1, rampart-run.1 ...; it must exist
        #[arg(long, value_name = "DIR")]
        into: Option<PathBuf>,
    },
    /// Completions for a shell, to standard output
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: Shell,
    },
}

/// Writes what was asked for.
pub(super) fn generate(arguments: &GenerateArguments) -> anyhow::Result<Outcome> {
    let mut command = Arguments::command();
    match &arguments.what {
        What::Man { into: None } => clap_mangen::Man::new(command).render(&mut io::stdout().lock())?,
        What::Man { into: Some(directory) } => man_pages(command, directory)?,
        What::Completions { shell } => {
            // Rendered first: clap_complete panics when the pipe closes while it writes.
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut command, "rampart", &mut script);
            io::Write::write_all(&mut io::stdout().lock(), &script)?;
        }
    }
    Ok(Outcome::Good)
}

fn man_pages(mut command: clap::Command, directory: &Path) -> anyhow::Result<()> {
    command.build();
    let mut open = vec![command];
    while let Some(command) = open.pop() {
        open.extend(command.get_subcommands().filter(|c| c.get_name() != "help").cloned());
        let page = command.get_display_name().unwrap_or("rampart").to_owned();
        let mut text = Vec::new();
        clap_mangen::Man::new(command).render(&mut text)?;
        let file = directory.join(format!("{page}.1"));
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        term::note(&format!("wrote {}", file.display()));
    }
    Ok(())
}
