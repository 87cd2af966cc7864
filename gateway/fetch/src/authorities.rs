//! Who is trusted to say who a server is.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::error::FetchError;

/// Whether `pem` holds certificate authorities, and nothing that cannot be one.
pub fn check_authorities(pem: &[u8]) -> Result<(), FetchError> {
    from_pem(pem).map(drop)
}

/// How TLS is spoken: verified, versions 1.2 and 1.3, no client certificate. `pem` takes the place of the system's
/// authorities.
pub(crate) fn tls(pem: Option<&[u8]>) -> Result<Arc<ClientConfig>, FetchError> {
    let roots = pem.map_or_else(of_system, from_pem)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let versions = versions.map_err(|error| FetchError::Authorities(error.to_string()))?;
    let mut config = versions.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn from_pem(pem: &[u8]) -> Result<RootCertStore, FetchError> {
    let wrong = |why: String| FetchError::Authorities(why);
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| wrong(format!("not PEM: {error}")))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        Err(wrong("no certificate in PEM: -----BEGIN CERTIFICATE-----".to_owned()))
    } else {
        Ok(roots)
    }
}

/// Systems keep certificates that no verifier takes beside good ones; those are left out.
fn of_system() -> Result<RootCertStore, FetchError> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 { Err(FetchError::NoAuthorities) } else { Ok(roots) }
}
