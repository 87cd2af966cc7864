//! Certificate authorities that upstreams are verified by, where they are not the system's: PEM files, read once per
//! snapshot.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use pingora::protocols::tls::CaType;
use pingora::utils::tls::{WrappedX509, parse_x509};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The files read so far.
#[derive(Default)]
pub(crate) struct Authorities(Mutex<HashMap<PathBuf, Authority>>);

struct Authority {
    /// The snapshot that it was read for.
    digest: String,
    certificates: Arc<CaType>,
}

impl Authorities {
    /// The authorities in `file`, as they were when the snapshot of `digest` first needed them.
    pub(crate) fn of(&self, file: &Path, digest: &str) -> Result<Arc<CaType>, String> {
        let mut known = self.0.lock();
        if let Some(authority) = known.get(file).filter(|authority| authority.digest == digest) {
            return Ok(Arc::clone(&authority.certificates));
        }
        let certificates = read(file)?;
        let authority = Authority { digest: digest.to_owned(), certificates: Arc::clone(&certificates) };
        known.insert(file.to_owned(), authority);
        Ok(certificates)
    }
}

/// Only certificates that rustls takes as trust anchors get as far as Pingora, whose own parser does not expect others.
fn read(file: &Path) -> Result<Arc<CaType>, String> {
    let mut anchors = RootCertStore::empty();
    let mut certificates = Vec::new();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| error.to_string())? {
        let certificate = certificate.map_err(|error| error.to_string())?;
        anchors.add(certificate.clone()).map_err(|error| error.to_string())?;
        certificates.push(WrappedX509::new(certificate.to_vec(), parse_x509));
    }
    if certificates.is_empty() { Err("holds no certificate".to_owned()) } else { Ok(certificates.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_are_read_once_per_snapshot() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        let authorities = Authorities::default();
        assert!(authorities.of(&file, "1").is_err());
        std::fs::write(&file, "no certificate").unwrap();
        assert_eq!(authorities.of(&file, "1").unwrap_err(), "holds no certificate");
        std::fs::write(&file, CA).unwrap();
        assert_eq!(authorities.of(&file, "1").unwrap().len(), 1);
        std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert_eq!(authorities.of(&file, "1").unwrap().len(), 1);
        assert!(authorities.of(&file, "2").is_err());
    }

    /// A self-signed certificate of nobody, made for this test (P-256, valid to 2126).
    const CA: &str = include_str!("authorities/ca.pem");
}
