//! From a reference to the secret: the providers, and what goes wrong with each.

use std::fmt;
use std::path::PathBuf;

use crate::MAX_SECRET_BYTES;
use crate::file;
use crate::reference::SecretRef;
use crate::secret::Secret;

/// What a variable of the environment holds; `None` when it is not set.
pub type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Something that secrets can be had from, under the name that follows `secret://`.
pub trait Provider {
    /// The name: lower case, such as `vault`.
    fn name(&self) -> &str;

    /// The secret that `reference` names, which is one of this provider's. Called when a configuration is loaded, never
    /// while serving.
    fn fetch(&self, reference: &SecretRef) -> Result<Resolved, SecretError>;
}

/// A secret, and what there is to say about the way it is kept.
#[derive(Debug)]
pub struct Resolved {
    /// The secret.
    pub secret: Secret,
    /// For operators: each a sentence, without any part of the secret.
    pub warnings: Vec<String>,
}

/// Turns references into secrets.
pub struct Resolver<'a> {
    environment: &'a Environment<'a>,
    folder: PathBuf,
    others: Vec<Box<dyn Provider + 'a>>,
}

/// A secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The reference names a provider that there is not.
    #[error("{reference}: there is no provider `{}`; known: {}", reference.provider(), known.join(", "))]
    UnknownProvider {
        /// The reference.
        reference: SecretRef,
        /// The names that there are.
        known: Vec<String>,
    },
    /// What follows `secret://env/` cannot be the name of a variable.
    #[error("{reference}: `{}` is no name of an environment variable; letters, digits and _ are", reference.rest())]
    VariableName {
        /// The reference.
        reference: SecretRef,
    },
    /// The variable is not set.
    #[error(
        "{reference}: the environment variable {} is not set; set it for the gateway's process \
         (in a systemd unit: Environment= or EnvironmentFile=)",
        reference.rest()
    )]
    VariableMissing {
        /// The reference.
        reference: SecretRef,
    },
    /// The file cannot be read.
    #[error("{reference}: cannot read {}: {source}; check that it exists and that the gateway's user may read it", path.display())]
    File {
        /// The reference.
        reference: SecretRef,
        /// The file that was looked for.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The path names a folder, a pipe or a device.
    #[error("{reference}: {} is not a plain file", path.display())]
    NotAFile {
        /// The reference.
        reference: SecretRef,
        /// What was found.
        path: PathBuf,
    },
    /// There is nothing in it.
    #[error("{reference}: the secret is empty")]
    Empty {
        /// The reference.
        reference: SecretRef,
    },
    /// It is larger than [`MAX_SECRET_BYTES`].
    #[error("{reference}: the secret is larger than {MAX_SECRET_BYTES} bytes: is this the right file?")]
    TooLarge {
        /// The reference.
        reference: SecretRef,
    },
    /// Another provider has failed.
    #[error("{reference}: {message}")]
    Provider {
        /// The reference.
        reference: SecretRef,
        /// What happened and what to do, without any part of the secret.
        message: String,
    },
}

// === impl Resolver ===

impl<'a> Resolver<'a> {
    /// A resolver with the built-in providers. `folder` is what relative paths are relative to.
    pub fn new(environment: &'a Environment<'a>, folder: impl Into<PathBuf>) -> Self {
        Self { environment, folder: folder.into(), others: Vec::new() }
    }

    /// Adds a provider; a built-in one of the same name goes first.
    #[must_use]
    pub fn with(mut self, provider: impl Provider + 'a) -> Self {
        self.others.push(Box::new(provider));
        self
    }

    /// The secret behind the reference. An empty one, or one that is too large, is an error whoever provides it.
    pub fn resolve(&self, reference: &SecretRef) -> Result<Resolved, SecretError> {
        let resolved = match reference.provider() {
            "env" => self.variable(reference)?,
            "file" => file::read(reference, &self.folder)?,
            _ => self.other(reference)?.fetch(reference)?,
        };
        match resolved.secret.len() {
            0 => Err(SecretError::Empty { reference: reference.clone() }),
            length if length > MAX_SECRET_BYTES => Err(SecretError::TooLarge { reference: reference.clone() }),
            _ => Ok(resolved),
        }
    }

    fn variable(&self, reference: &SecretRef) -> Result<Resolved, SecretError> {
        let name = reference.rest();
        let good = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !name.starts_with(|c: char| c.is_ascii_digit());
        if !good {
            return Err(SecretError::VariableName { reference: reference.clone() });
        }
        let value = (self.environment)(name);
        let value = value.ok_or_else(|| SecretError::VariableMissing { reference: reference.clone() })?;
        Ok(Resolved { secret: Secret::from(value), warnings: Vec::new() })
    }

    fn other(&self, reference: &SecretRef) -> Result<&dyn Provider, SecretError> {
        let found = self.others.iter().find(|provider| provider.name() == reference.provider());
        found.map(AsRef::as_ref).ok_or_else(|| {
            let others = self.others.iter().map(|provider| provider.name().to_owned());
            let known = ["env".to_owned(), "file".to_owned()].into_iter().chain(others).collect();
            SecretError::UnknownProvider { reference: reference.clone(), known }
        })
    }
}

impl fmt::Debug for Resolver<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("folder", &self.folder).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "TOKEN" => Some("s3cr3t".to_owned()),
            "NEWLINE" => Some("s3cr3t\n".to_owned()),
            "EMPTY" => Some(String::new()),
            "HUGE" => Some("x".repeat(MAX_SECRET_BYTES + 1)),
            _ => None,
        }
    }

    struct Vault;

    impl Provider for Vault {
        fn name(&self) -> &'static str {
            "vault"
        }

        fn fetch(&self, reference: &SecretRef) -> Result<Resolved, SecretError> {
            match reference.rest() {
                "empty" => Ok(Resolved { secret: Secret::new(Vec::new()), warnings: Vec::new() }),
                key => Ok(Resolved { secret: Secret::from(format!("from vault: {key}")), warnings: Vec::new() }),
            }
        }
    }

    fn resolve(text: &str) -> Result<String, String> {
        let providers = Resolver::new(&environment, "/nowhere").with(Vault);
        let resolved = providers.resolve(&text.parse().unwrap()).map_err(|error| error.to_string())?;
        Ok(resolved.secret.expose_str().unwrap().to_owned())
    }

    #[test]
    fn each_provider_gives_what_it_has() {
        assert_eq!(resolve("secret://env/TOKEN"), Ok("s3cr3t".to_owned()));
        assert_eq!(resolve("secret://env/NEWLINE"), Ok("s3cr3t\n".to_owned()), "variables are taken as they are");
        assert_eq!(resolve("secret://vault/kv/admin"), Ok("from vault: kv/admin".to_owned()));
    }

    #[test]
    fn an_error_says_what_where_and_what_to_do() {
        fn check(text: &str, expect: &[&str]) {
            let error = resolve(text).unwrap_err();
            assert!(expect.iter().all(|part| error.contains(part)) && error.contains(text), "{error}");
        }
        check("secret://env/NOT_SET", &["environment variable NOT_SET is not set", "systemd"]);
        check("secret://env/A-B", &["`A-B` is no name"]);
        check("secret://env/1A", &["`1A` is no name"]);
        check("secret://env/EMPTY", &["empty"]);
        check("secret://env/HUGE", &["larger than 65536 bytes"]);
        check("secret://vault/empty", &["empty"]);
        check("secret://aws/x", &["no provider `aws`", "env, file, vault"]);
        check("secret://file/nowhere/at/all", &["cannot read /nowhere/at/all", "No such file", "check that it exists"]);
    }
}
