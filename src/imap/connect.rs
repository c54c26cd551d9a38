//! From a host name to a protected connection that has greeted us: resolving and vetting, TCP, TLS, STARTTLS.

use super::address::{Forbidden, vet};
use super::driver::within;
use super::error::{Error, ErrorClass, Phase, cleaned};
use super::guard::Wire;
use super::handshake::Handshake;
use super::target::{Network, Security, Target};
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Connects, protects, and reads the greeting.
///
/// # Errors
/// Names the step that failed. Never goes on in clear where TLS was wanted and offered.
pub async fn dial(target: &Target, network: &Network) -> Result<Handshake, Error> {
    let limits = &network.limits;
    let connecting = connect(target, network);
    let (tcp, address) = within(Phase::Connect, limits.connect, connecting).await?;
    match target.security {
        Security::ImplicitTls => {
            let wire = secure(Box::new(tcp), target, network).await?;
            Handshake::greet(wire, limits).await
        }
        Security::StartTls => {
            let handshake = Handshake::greet_in_clear(Box::new(tcp), limits).await?;
            upgrade(handshake, address, target, network).await
        }
    }
}

/// Asks for TLS on a connection in clear (RFC 3501 section 6.2.1).
pub async fn upgrade(
    handshake: Handshake,
    address: IpAddr,
    target: &Target,
    network: &Network,
) -> Result<Handshake, Error> {
    if !handshake.capabilities().starttls {
        if network.allow_plaintext || address.to_canonical().is_loopback() {
            return Ok(handshake);
        }
        return Err(Error::Setting(format!(
            "The server {} offers no STARTTLS, and a connection in clear is only used with a loopback address or with \
             network.allow_plaintext; use TLS (usually port 993).",
            target.host
        )));
    }
    let wire = handshake.start_tls(&network.limits).await?;
    let wire = secure(wire, target, network).await?;
    Handshake::resume(wire, &network.limits).await
}

/// Resolves, vets every address, and connects to the first that answers.
async fn connect(target: &Target, network: &Network) -> Result<(TcpStream, IpAddr), Error> {
    let host = target.host.trim();
    let mut unreachable = None;
    for address in resolve(host, target.port, network.allow_private_hosts).await? {
        match TcpStream::connect(address).await {
            Ok(tcp) => {
                // Commands are short and each waits for its answer: never hold one back.
                let _ = tcp.set_nodelay(true);
                return Ok((tcp, address.ip()));
            }
            Err(error) => unreachable = Some(error),
        }
    }
    let words = unreachable.map_or_else(|| "it has no address".to_owned(), |error| error.kind().to_string());
    Err(Error::Unreachable { host: host.to_owned(), port: target.port, words })
}

/// Addresses tried at most.
const MAX_ADDRESSES: usize = 4;

/// The allowed addresses of `host`. Only what is returned here is connected to, so that a second answer of the DNS
/// cannot lead elsewhere.
async fn resolve(host: &str, port: u16, allow_private: bool) -> Result<Vec<SocketAddr>, Error> {
    let not_found = || Error::HostNotFound { host: cleaned(host) };
    if host.is_empty() || host.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err(not_found());
    }
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let found: Vec<SocketAddr> = match bare.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => tokio::net::lookup_host((bare, port)).await.map_err(|_| not_found())?.collect(),
    };
    let mut allowed = Vec::new();
    let mut forbidden: Option<Forbidden> = None;
    for address in found {
        match vet(address.ip(), allow_private) {
            Ok(()) if allowed.len() < MAX_ADDRESSES => allowed.push(address),
            Ok(()) => {}
            Err(reason) => forbidden = Some(reason),
        }
    }
    match (allowed.is_empty(), forbidden) {
        (false, _) => Ok(allowed),
        (true, Some(reason)) => Err(Error::HostForbidden { host: host.to_owned(), reason }),
        (true, None) => Err(not_found()),
    }
}

/// The TLS handshake, for the host's configured name.
async fn secure(wire: Box<dyn Wire>, target: &Target, network: &Network) -> Result<Box<dyn Wire>, Error> {
    let host = target.host.trim().trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(host.clone()).map_err(|_| {
        Error::Setting(format!("The host {} is not a name a certificate can carry.", cleaned(&host)))
    })?;
    let connector = TlsConnector::from(Arc::clone(&network.tls));
    let handshake = async {
        match connector.connect(name, wire).await {
            Ok(stream) => Ok(Box::new(stream) as Box<dyn Wire>),
            Err(error) => Err(tls_error(&host, &error)),
        }
    };
    within(Phase::Tls, network.limits.tls, handshake).await
}

fn tls_error(host: &str, error: &std::io::Error) -> Error {
    let phase = Phase::Tls;
    let host = host.to_owned();
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(reason)) => {
            Error::Certificate { host, words: certificate_words(reason) }
        }
        Some(rustls::Error::InvalidMessage(_)) => Error::Tls {
            phase,
            words: "the server does not speak TLS on this port, or something in between speaks for it"
                .to_owned(),
            class: ErrorClass::Config,
        },
        Some(rustls::Error::AlertReceived(AlertDescription::InternalError)) | None => {
            Error::Lost { phase, words: error.kind().to_string() }
        }
        Some(other) => Error::Tls { phase, words: cleaned(&other.to_string()), class: ErrorClass::Config },
    }
}

fn certificate_words(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet; check the clock".to_owned()
        }
        CertificateError::UnknownIssuer => {
            "no trusted authority signed it; an own CA can be added".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it belongs to another name".to_owned()
        }
        other => cleaned(&other.to_string()),
    }
}
