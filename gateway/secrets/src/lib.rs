//! References to secrets, the providers behind them, and a [`Secret`] that does not print itself.
//!
//! Configuration never holds a secret, only where it is: `secret://env/NAME` or `secret://file/PATH` ([`SecretRef`]).
//! A [`Resolver`] turns references into secrets when a configuration is loaded, through [`Provider`]s: the environment
//! and files are built in, others can be added. The environment is a function that is passed in, and files are read at
//! that moment only.
//!
//! Never here: I/O while serving, caching, or a message that repeats what may be a secret.
//!
//! ```
//! use rampart_secrets::{Resolver, SecretRef};
//!
//! let environment = |name: &str| (name == "ADMIN_TOKEN").then(|| "s3cr3t".to_owned());
//! let resolver = Resolver::new(&environment, "/etc/rampart");
//! let reference: SecretRef = "secret://env/ADMIN_TOKEN".parse()?;
//! let token = resolver.resolve(&reference)?.secret;
//! assert!(token.matches(b"s3cr3t"));
//! assert_eq!(format!("{token:?}"), "[redacted]");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod file;
mod reference;
mod resolver;
mod secret;
mod weakness;

pub use reference::{BadReference, SecretInput, SecretRef};
pub use resolver::{Environment, Provider, Resolved, Resolver, SecretError};
pub use secret::Secret;
pub use weakness::weakness;

/// The largest secret that is read, in bytes: the longest certificate chains with their keys are a tenth of it.
pub const MAX_SECRET_BYTES: usize = 64 * 1_024;
