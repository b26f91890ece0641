//! TLS on the addresses of the settings: rustls, with a certificate that is read again when its files
//! change, so that whatever renews it need not know this server.
//!
//! A certificate that cannot be used stops the start; later the one before stays in use, which is said.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tidings_cli::Failure;
use tokio_rustls::TlsAcceptor;

use crate::settings::TlsSettings;

/// Certificates of a file at most.
const CERTIFICATES_MAX: usize = 16;

/// Longest file.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// What TLS connections are made with.
#[derive(Debug)]
pub(crate) struct Tls {
    settings: TlsSettings,
    config: RwLock<Arc<ServerConfig>>,
    /// What the files were like when they were looked at last.
    seen: Mutex<[Option<Stamp>; 2]>,
}

/// What changes with a file: device, inode, length, and when it was written.
type Stamp = (u64, u64, u64, i64, i64);

impl Tls {
    /// Reads certificate and key.
    pub(crate) fn open(settings: &TlsSettings) -> Result<Tls, Failure> {
        let seen = stamps(settings);
        let config = read(settings).map_err(Failure::usage)?;
        Ok(Tls {
            settings: settings.clone(),
            config: RwLock::new(Arc::new(config)),
            seen: Mutex::new(seen),
        })
    }

    /// What takes the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&config))
    }

    /// Reads the files again if they have changed, or in any case; gives what to say of it.
    pub(crate) fn reload(&self, in_any_case: bool) -> Option<String> {
        let now = stamps(&self.settings);
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == now && !in_any_case {
                return None;
            }
            *seen = now;
        }
        Some(match read(&self.settings) {
            Ok(config) => {
                *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                "the TLS certificate was read again".to_owned()
            }
            Err(why) => format!("the TLS certificate stays the one before: {why}"),
        })
    }
}

fn read(settings: &TlsSettings) -> Result<ServerConfig, String> {
    let TlsSettings { certificate, key } = settings;
    let text = read_file(certificate, "http.tls_certificate")?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text)
        .take(CERTIFICATES_MAX)
        .collect();
    let chain = chain.map_err(|error| {
        format!(
            "http.tls_certificate {} is no PEM: {error}",
            certificate.display()
        )
    })?;
    if chain.is_empty() {
        let path = certificate.display();
        return Err(format!(
            "http.tls_certificate {path} has no certificate (BEGIN CERTIFICATE)"
        ));
    }
    let text = read_file(key, "http.tls_key")?;
    let private = PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        format!(
            "http.tls_key {} has no private key in PEM: {error}",
            key.display()
        )
    })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(chain, private)
        });
    let mut config = config.map_err(|error| {
        let (certificate, key) = (certificate.display(), key.display());
        format!("http.tls_certificate {certificate} and http.tls_key {key} cannot be used: {error}")
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn read_file(path: &Path, name: &str) -> Result<Vec<u8>, String> {
    let read = tidings_sink::settings::read_regular(path, FILE_BYTES_MAX);
    read.map(String::into_bytes)
        .map_err(|error| format!("cannot read {name} {}: {error}", path.display()))
}

fn stamps(settings: &TlsSettings) -> [Option<Stamp>; 2] {
    [&settings.certificate, &settings.key].map(|path| {
        let about = std::fs::metadata(path).ok()?;
        let (dev, ino, len) = (about.dev(), about.ino(), about.size());
        Some((dev, ino, len, about.mtime(), about.mtime_nsec()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str) -> TlsSettings {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let settings = TlsSettings {
            certificate: dir.join("cert.pem"),
            key: dir.join("key.pem"),
        };
        std::fs::write(&settings.certificate, made.cert.pem()).unwrap();
        std::fs::write(&settings.key, made.signing_key.serialize_pem()).unwrap();
        settings
    }

    #[test]
    fn a_certificate_is_read_again_when_it_changes_and_kept_when_it_is_broken() {
        let dir = tempfile::tempdir().unwrap();
        let settings = write(dir.path(), "a.test");
        let tls = Tls::open(&settings).unwrap();
        let config = || Arc::clone(&tls.config.read().unwrap());
        let first = config();
        assert_eq!(tls.reload(false), None);
        std::fs::write(&settings.key, "broken").unwrap();
        let said = tls.reload(false).unwrap();
        assert!(
            said.contains("stays the one before") && said.contains("key.pem"),
            "{said}"
        );
        // Said once.
        assert_eq!(tls.reload(false), None);
        assert!(Arc::ptr_eq(&first, &config()));
        write(dir.path(), "b.test");
        assert!(tls.reload(false).unwrap().contains("read again"));
        assert!(!Arc::ptr_eq(&first, &config()));
        assert!(tls.reload(true).is_some());
    }

    #[test]
    fn what_cannot_be_used_is_told_with_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let good = write(dir.path(), "a.test");
        let other = tempfile::tempdir().unwrap();
        let others = write(other.path(), "a.test");
        let missing = TlsSettings {
            certificate: dir.path().join("no"),
            ..good.clone()
        };
        let crossed = TlsSettings {
            key: others.key.clone(),
            ..good.clone()
        };
        let swapped = TlsSettings {
            certificate: good.key.clone(),
            key: good.certificate.clone(),
        };
        for (settings, why) in [
            (missing, "cannot read http.tls_certificate"),
            (crossed, "cannot be used"),
            (swapped, "has no certificate"),
        ] {
            let failure = Tls::open(&settings).unwrap_err().sentence();
            assert!(failure.contains(why), "{failure}");
        }
    }
}
