//! Certificate files, checked before a listener depends on them.
//!
//! The files are read again by whoever listens; here it is made sure that this will succeed, and that a mistake is
//! reported at the key that names the file.

use std::path::Path;
use std::sync::Arc;

use rampart_settings::Place;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;

use crate::files;

/// Reads both files and reports what is wrong with them; the chain as it was read. `name` is the name that the
/// certificate is for, if it is known.
pub(crate) fn check(cert_file: &Path, key_file: &Path, name: Option<&str>, place: &Place<'_>) -> Option<Vec<u8>> {
    let chain = read(cert_file, &place.key("cert_file"));
    let key = read(key_file, &place.key("key_file"));
    let (chain, key) = (chain?, key?);
    let certificates = parse_chain(&chain, &place.key("cert_file"));
    let private = parse_key(&key, &place.key("key_file"));
    let (certificates, private) = (certificates?, private?);
    let leaf = certificates.first().cloned()?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    if let Err(error) = CertifiedKey::from_der(certificates, private, &provider) {
        let (message, help) = match error {
            rustls::Error::InconsistentKeys(_) => {
                ("the key does not belong to the certificate".to_owned(), "check that both files are of the same pair")
            }
            other => (format!("the pair cannot be used: {other}"), "use an RSA, ECDSA P-256/P-384 or Ed25519 key"),
        };
        place.key("key_file").error_help(message, help);
        return None;
    }
    if let Some(name) = name {
        check_name(&leaf, name, place);
    }
    Some(chain)
}

/// Reads a file of authorities and reports what is wrong with it.
pub(crate) fn check_authorities(ca_file: &Path, place: &Place<'_>) -> Option<Vec<u8>> {
    let bytes = read(ca_file, place)?;
    let mut anchors = rustls::RootCertStore::empty();
    for (index, certificate) in parse_chain(&bytes, place)?.into_iter().enumerate() {
        if let Err(error) = anchors.add(certificate) {
            place.error(format!("certificate {} of the file cannot be an authority: {error}", index + 1));
            return None;
        }
    }
    Some(bytes)
}

fn read(path: &Path, place: &Place<'_>) -> Option<Vec<u8>> {
    match files::read(path) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            let help = "relative paths are relative to the folder of the configuration file";
            place.error_help(format!("{} cannot be read: {error}", path.display()), help);
            None
        }
    }
}

fn parse_chain(bytes: &[u8], place: &Place<'_>) -> Option<Vec<CertificateDer<'static>>> {
    let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(bytes).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Some(chain),
        Ok(_) => {
            place.error_help("the file holds no certificate", "it has to be PEM: -----BEGIN CERTIFICATE-----");
            None
        }
        Err(error) => {
            place.error(format!("the file is not PEM: {error}"));
            None
        }
    }
}

fn parse_key(bytes: &[u8], place: &Place<'_>) -> Option<PrivateKeyDer<'static>> {
    match PrivateKeyDer::from_pem_slice(bytes) {
        Ok(key) => Some(key),
        Err(pem::Error::NoItemsFound) => {
            place.error_help("the file holds no private key", "it has to be PEM: -----BEGIN PRIVATE KEY-----");
            None
        }
        Err(error) => {
            place.error(format!("the file is not PEM: {error}"));
            None
        }
    }
}

/// Clients refuse a certificate that does not name the host; that is theirs to say, so it is a warning.
fn check_name(leaf: &CertificateDer<'_>, name: &str, place: &Place<'_>) {
    // Any name below the wildcard shows whether the certificate covers it.
    let example = name.strip_prefix('*').map_or_else(|| name.to_owned(), |rest| format!("any{rest}"));
    let Ok(server) = ServerName::try_from(example) else { return };
    let Ok(parsed) = rustls::server::ParsedCertificate::try_from(leaf) else { return };
    if rustls::client::verify_server_name(&parsed, &server).is_err() {
        place
            .key("cert_file")
            .warn(format!("the certificate is not for \"{name}\""), "clients that ask for this name will refuse it");
    }
}
