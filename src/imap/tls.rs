//! Trust: the system's roots and, if configured, more CAs. One TLS provider (ring), named explicitly.

use super::pinned::Pinned;
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsSetupError {
    /// The extra CA file could not be used.
    #[error("The CA file {} is not a readable PEM file with certificates: {words}.", .path.display())]
    CaFile {
        /// As configured.
        path: PathBuf,
        /// What is wrong with it.
        words: String,
    },
    /// The system has no roots and none were given, or TLS itself refused.
    #[error("TLS cannot be used: {0}.")]
    Roots(rustls::Error),
}

/// A client configuration that trusts the system's roots and those in `extra_ca_files` (PEM, one or more certificates each).
/// Where the environment variable `SSL_CERT_FILE` is set, that file stands for the system's roots. Reads files: call
/// it at start, share the result.
///
/// # Errors
/// The CA file cannot be used, or there is no root at all.
pub fn tls_config(extra_ca_files: &[PathBuf]) -> Result<Arc<ClientConfig>, TlsSetupError> {
    let mut roots = Vec::new();
    for path in extra_ca_files {
        roots.extend(read_certificates(path)?);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let listed = std::env::var_os("SSL_CERT_FILE").map(|path| read_certificates(Path::new(&path)));
    // A system file that cannot be read is the platform verifier's to complain of.
    let certificates = roots.iter().cloned().chain(listed.and_then(Result::ok).unwrap_or_default()).collect();
    let platform =
        Verifier::new_with_extra_roots(roots, Arc::clone(&provider)).map_err(TlsSetupError::Roots)?;
    let verifier = Pinned { platform, certificates };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsSetupError::Roots)?
        .dangerous() // the name of the method; the verifier is the platform's, and what the operator listed
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsSetupError> {
    let failed = |words: String| TlsSetupError::CaFile { path: path.to_owned(), words };
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?.collect();
    let found = found.map_err(|error| failed(error.to_string()))?;
    if found.is_empty() {
        return Err(failed("it holds no certificate".to_owned()));
    }
    Ok(found)
}
