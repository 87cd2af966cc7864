//! Where a snapshot comes from, said once for every command and for reload: the files on disk or those in the binary,
//! the environment, and what the command line overrides.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rampart_policy::{Embedded, Environment, LoadOptions, Secrets, Snapshot};
use rampart_settings::Report;

/// The project's own config.toml and rules/, in the binary: (path, text), the configuration first.
static EMBEDDED: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// A place to load from; loading again is how a reload begins.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    options: LoadOptions,
    embedded: bool,
}

impl Sources {
    /// The files on disk, with overrides and secrets from this process's environment.
    pub(crate) fn of_files(config: &Path) -> Self {
        Self::new(config, false)
    }

    /// The files in the binary.
    pub(crate) fn embedded() -> Self {
        Self::new(Path::new("config.toml"), true)
    }

    fn new(config: &Path, embedded: bool) -> Self {
        let options = LoadOptions {
            config: config.to_owned(),
            environment: Environment::of_process(),
            secrets: Secrets::Require,
        };
        Self { options, embedded }
    }

    /// Overrides one key, as the environment variable `RAMPART__KEY__PATH` would; the environment itself stays as it is.
    #[must_use]
    pub(crate) fn with(mut self, variable: &str, value: impl Into<String>) -> Self {
        self.options.environment.set(variable, value);
        self
    }

    /// A variable of the environment, as overridden.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.options.environment.get(name)
    }

    /// Secrets that cannot be had are warnings: the files are only looked at.
    #[must_use]
    pub(crate) fn without_secrets(mut self) -> Self {
        self.options.secrets = Secrets::Warn;
        self
    }

    /// The configuration file; `None` for the one in the binary.
    pub(crate) fn file(&self) -> Option<&PathBuf> {
        (!self.embedded).then_some(&self.options.config)
    }

    /// Reads and checks everything again, beside the snapshot that is running: what is dear to compile and has not
    /// changed is taken over.
    pub(crate) fn reload(&self, running: &Snapshot) -> (Report, Option<Snapshot>) {
        if self.embedded { self.load() } else { apart(|| rampart_policy::reload(&self.options, running)) }
    }

    /// Reads and checks everything.
    pub(crate) fn load(&self) -> (Report, Option<Snapshot>) {
        apart(|| match EMBEDDED.split_first() {
            Some((config, rules)) if self.embedded => {
                rampart_policy::load_embedded(&Embedded { config: *config, rules }, &self.options)
            }
            _ => rampart_policy::load(&self.options),
        })
    }
}

/// Does work that needs much memory for a while, and sees to it that the system gets it back.
///
/// The allocator returns what was freed a second ago, but only when something large is freed, and a gateway at rest frees
/// nothing. With the Core Rule Set that is a third of the process.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let done = thread::scope(|scope| match scope.spawn(work).join() {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic),
    });
    // Nobody waits for it; where no thread can be had the memory comes back later.
    let _ = thread::Builder::new().name("give back".to_owned()).spawn(|| {
        thread::sleep(Duration::from_millis(1_500));
        drop(std::hint::black_box(vec![1_u8; 4 << 20]));
    });
    done
}
