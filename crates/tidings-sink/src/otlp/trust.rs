//! Whom we believe to be who they say: roots of trust and the TLS of HTTP.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::settings::SettingsError;

/// The TLS of a client that believes the host's roots, and those of `extra` (PEM).
///
/// # Errors
/// When `extra` holds no certificates.
pub(super) fn client_config(
    object: &str,
    extra: Option<&[u8]>,
) -> Result<ClientConfig, SettingsError> {
    let mut roots = RootCertStore::empty();
    // A root that cannot be read is no reason to believe nobody; a host without roots shows when
    // it connects, and names the certificate then.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for certificate in certificates(object, extra)? {
        roots
            .add(certificate)
            .map_err(|error| wrong(object, &error.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has what these versions need")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The certificates of a PEM text.
fn certificates(
    object: &str,
    pem: Option<&[u8]>,
) -> Result<Vec<CertificateDer<'static>>, SettingsError> {
    let Some(pem) = pem else {
        return Ok(Vec::new());
    };
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(wrong(object, "no certificate")),
        Err(error) => Err(wrong(object, &error.to_string())),
    }
}

fn wrong(object: &str, what: &str) -> SettingsError {
    SettingsError::new(object, "trust", what, "certificates in PEM")
}
