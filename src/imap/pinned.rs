//! A trusted certificate that a server shows as its own. `openssl req -x509` makes certificates that are CA and
//! server at once; OpenSSL accepts such a one where it is itself in the trust store, webpki does not. It is accepted
//! here too if it is, byte for byte, one that the operator listed, is in its time and bears the server's name.
//! Every other certificate is the platform verifier's matter alone.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::Verifier;

/// What webpki says of a CA certificate in the place of a server's; it says so only of one that is in its time.
const CA_AS_SERVER: &str = "CaUsedAsEndEntity";

/// The platform's verifier, and certificates that are trusted as they are.
#[derive(Debug)]
pub(super) struct Pinned {
    pub platform: Verifier,
    pub certificates: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let platform =
            self.platform.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match platform {
            Err(Error::InvalidCertificate(CertificateError::Other(why)))
                if format!("{:?}", why.0) == CA_AS_SERVER && self.certificates.contains(end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.platform.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.platform.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.platform.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    fn own_certificate(is_ca: bool) -> CertificateDer<'static> {
        let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        parameters.is_ca =
            if is_ca { rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained) } else { rcgen::IsCa::NoCa };
        parameters.not_before = rcgen::date_time_ymd(2025, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2027, 1, 1);
        parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    fn accepts(trusted: &CertificateDer<'static>, shown: &CertificateDer<'_>, name: &str, year: u64) -> bool {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let platform = Verifier::new_with_extra_roots([trusted.clone()], provider).unwrap();
        let verifier = Pinned { platform, certificates: vec![trusted.clone()] };
        let now = UnixTime::since_unix_epoch(Duration::from_secs((year - 1970) * 31_556_952 + 86_400));
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verifier.verify_server_cert(shown, &[], &name, &[], now).is_ok()
    }

    #[test]
    fn a_trusted_certificate_is_accepted_as_the_servers_own_under_its_name_and_in_its_time() {
        let ours = own_certificate(true);
        assert!(accepts(&ours, &ours, "localhost", 2026));
        assert!(!accepts(&ours, &ours, "mail.example.org", 2026), "another name");
        assert!(!accepts(&ours, &ours, "localhost", 2028), "expired");
        assert!(!accepts(&ours, &own_certificate(true), "localhost", 2026), "another certificate");
    }
}
