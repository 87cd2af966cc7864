//! Server certificates by SNI, replaced while connections run.
//!
//! Pingora's own loading panics on a bad file and reads it once. Here every file is read and checked before anything is
//! swapped: a reload that fails leaves the certificates that serve. Handshakes in progress keep the key they started with.
//!
//! SNI matching: the exact name, then `*.` and the rest after the first label (RFC 9525 section 6.3: one label only), then
//! the default. Only TLS 1.2 and 1.3, ring's suites.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rampart_policy::CertificateFiles;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Why certificates could not be loaded. Names the file, never its content.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The chain cannot be read or is not PEM.
    #[error("certificate file {}: {reason}", path.display())]
    Chain {
        /// The file.
        path: PathBuf,
        /// What the PEM reader said.
        reason: rustls::pki_types::pem::Error,
    },
    /// The chain holds no certificate.
    #[error("certificate file {}: holds no PEM certificate", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The key cannot be read or is not PEM.
    #[error("key file {}: {reason}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What the PEM reader said.
        reason: rustls::pki_types::pem::Error,
    },
    /// Certificate and key do not belong together, or the key's algorithm is not supported.
    #[error("certificate {} and key {}: {reason}", chain.display(), key.display())]
    Pair {
        /// The certificate's file.
        chain: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What rustls said.
        reason: rustls::Error,
    },
    /// TLS could not be set up at all.
    #[error("TLS set-up: {0}")]
    Setup(#[from] rustls::Error),
    /// A listener was given no certificate.
    #[error("a TLS listener needs at least one certificate")]
    None,
}

/// The certificates of one listener.
pub struct Certificates {
    files: Vec<CertificateFiles>,
    current: ArcSwap<ByName>,
}

#[derive(Default)]
struct ByName {
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// Keyed by what follows `*.`.
    wildcard: HashMap<String, Arc<CertifiedKey>>,
    default: Option<Arc<CertifiedKey>>,
}

// === impl Certificates ===

impl Certificates {
    /// Reads and checks all of `files`. The first entry also answers where no name matches and none is the default.
    pub fn load(files: Vec<CertificateFiles>) -> Result<Arc<Self>, CertificateError> {
        let current = ByName::load(&files)?;
        Ok(Arc::new(Self { files, current: ArcSwap::from_pointee(current) }))
    }

    /// Reads the same files again; on an error the certificates that serve stay.
    pub fn reload(&self) -> Result<(), CertificateError> {
        self.current.store(Arc::new(ByName::load(&self.files)?));
        Ok(())
    }

    /// The files that [`Certificates::reload`] reads, for a watcher.
    pub fn files(&self) -> &[CertificateFiles] {
        &self.files
    }

    /// The TLS configuration of a listener that presents these certificates.
    pub(crate) fn server_config(self: &Arc<Self>, http2: bool) -> Result<ServerConfig, CertificateError> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols =
            if http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
        config.ticketer = rustls::crypto::ring::Ticketer::new()?;
        Ok(config)
    }

    fn find(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.load();
        let named = name.and_then(|name| {
            let name = name.to_ascii_lowercase();
            current.exact.get(&name).or_else(|| current.wildcard.get(name.split_once('.')?.1)).cloned()
        });
        named.or_else(|| current.default.clone())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(hello.server_name())
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("files", &self.files).finish_non_exhaustive()
    }
}

// === impl ByName ===

impl ByName {
    fn load(files: &[CertificateFiles]) -> Result<Self, CertificateError> {
        let mut names = Self::default();
        let mut first = None;
        for entry in files {
            let pair = Arc::new(read_pair(&entry.cert_file, &entry.key_file)?);
            first.get_or_insert_with(|| Arc::clone(&pair));
            match entry.server_name.as_deref().map(str::to_ascii_lowercase) {
                None => names.default = Some(pair),
                Some(name) => match name.strip_prefix("*.") {
                    Some(parent) => names.wildcard.insert(parent.to_owned(), pair).map_or((), drop),
                    None => names.exact.insert(name, pair).map_or((), drop),
                },
            }
        }
        names.default = names.default.or(first);
        if names.default.is_none() { Err(CertificateError::None) } else { Ok(names) }
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn read_pair(chain: &Path, key: &Path) -> Result<CertifiedKey, CertificateError> {
    let chain_error = |reason| CertificateError::Chain { path: chain.to_owned(), reason };
    let certificates: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(chain).map_err(chain_error)?.collect::<Result<_, _>>().map_err(chain_error)?;
    if certificates.is_empty() {
        return Err(CertificateError::Empty { path: chain.to_owned() });
    }
    let private =
        PrivateKeyDer::from_pem_file(key).map_err(|reason| CertificateError::Key { path: key.to_owned(), reason })?;
    CertifiedKey::from_der(certificates, private, &provider()).map_err(|reason| CertificateError::Pair {
        chain: chain.to_owned(),
        key: key.to_owned(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey as Made, generate_simple_self_signed};

    use super::*;

    fn write(dir: &Path, name: &str, server_name: Option<&str>) -> CertificateFiles {
        let Made { cert, signing_key } = generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let files = CertificateFiles {
            server_name: server_name.map(str::to_owned),
            cert_file: dir.join(format!("{name}.crt")),
            key_file: dir.join(format!("{name}.key")),
        };
        std::fs::write(&files.cert_file, cert.pem()).unwrap();
        std::fs::write(&files.key_file, signing_key.serialize_pem()).unwrap();
        files
    }

    fn presented(certificates: &Certificates, name: Option<&str>) -> Vec<u8> {
        certificates.find(name).unwrap().cert[0].to_vec()
    }

    fn leaf(files: &CertificateFiles) -> Vec<u8> {
        CertificateDer::from_pem_file(&files.cert_file).unwrap().to_vec()
    }

    #[test]
    fn the_most_exact_name_is_presented() {
        let dir = tempfile::tempdir().unwrap();
        let default = write(dir.path(), "default", None);
        let exact = write(dir.path(), "exact", Some("a.example.com"));
        let wildcard = write(dir.path(), "wildcard", Some("*.example.com"));
        let certificates = Certificates::load(vec![default.clone(), exact.clone(), wildcard.clone()]).unwrap();
        let check = |name: Option<&str>, expect: &CertificateFiles| {
            assert!(presented(&certificates, name) == leaf(expect), "{name:?}");
        };
        check(Some("a.example.com"), &exact);
        check(Some("A.Example.COM"), &exact);
        check(Some("b.example.com"), &wildcard);
        check(Some("c.b.example.com"), &default);
        check(Some("example.com"), &default);
        check(Some("localhost"), &default);
        check(None, &default);
    }

    #[test]
    fn without_a_default_the_first_stands_in() {
        let dir = tempfile::tempdir().unwrap();
        let first = write(dir.path(), "first", Some("a.example"));
        let second = write(dir.path(), "second", Some("b.example"));
        let certificates = Certificates::load(vec![first.clone(), second]).unwrap();
        assert_eq!(presented(&certificates, Some("c.example")), leaf(&first));
        assert!(matches!(Certificates::load(Vec::new()), Err(CertificateError::None)));
    }

    #[test]
    fn a_reload_that_fails_leaves_what_serves() {
        let dir = tempfile::tempdir().unwrap();
        let files = write(dir.path(), "a", None);
        let certificates = Certificates::load(vec![files.clone()]).unwrap();
        let before = presented(&certificates, None);
        std::fs::write(&files.cert_file, "garbage").unwrap();
        assert!(matches!(certificates.reload(), Err(CertificateError::Empty { .. })));
        assert_eq!(presented(&certificates, None), before);
        write(dir.path(), "a", None);
        certificates.reload().unwrap();
        assert_ne!(presented(&certificates, None), before);
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (write(dir.path(), "one", None), write(dir.path(), "other", None));
        let mixed = CertificateFiles { key_file: other.key_file, ..one.clone() };
        assert!(matches!(Certificates::load(vec![mixed]), Err(CertificateError::Pair { .. })));
        let missing = CertificateFiles { key_file: dir.path().join("none"), ..one };
        assert!(matches!(Certificates::load(vec![missing]), Err(CertificateError::Key { .. })));
    }

    #[test]
    fn http2_is_offered_where_asked() {
        let dir = tempfile::tempdir().unwrap();
        let certificates = Certificates::load(vec![write(dir.path(), "a", None)]).unwrap();
        assert_eq!(certificates.server_config(true).unwrap().alpn_protocols, [&b"h2"[..], b"http/1.1"]);
        assert_eq!(certificates.server_config(false).unwrap().alpn_protocols, [b"http/1.1"]);
    }
}
