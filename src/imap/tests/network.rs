//! TCP, address rules, TLS and STARTTLS.

use super::server::{CAPABILITIES, Server, network, network_with, target};
use crate::imap::connect::upgrade;
use crate::imap::guard::Wire;
use crate::imap::handshake::Handshake;
use crate::imap::{Error, ErrorClass, Network, Security, Session, Target, verify};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{RootCertStore, ServerConfig};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

const REMOTE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// An authority and a server whose certificate it signed.
fn authority(name: &str, expired: bool) -> (RootCertStore, TlsAcceptor) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let root = params.self_signed(&key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(root.der().clone()).unwrap();

    let mut params_of_server = CertificateParams::new(vec![name.to_owned()]).unwrap();
    if expired {
        params_of_server.not_after = rcgen::date_time_ymd(2020, 1, 1);
    }
    let key_of_server = KeyPair::generate().unwrap();
    let certificate = params_of_server.signed_by(&key_of_server, &Issuer::new(params, key)).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key_of_server.serialize_der()).unwrap(),
        )
        .unwrap();
    (roots, TlsAcceptor::from(Arc::new(config)))
}

/// A listener on loopback, and the target that leads to it.
async fn listen(security: Security) -> (TcpListener, Target) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, Target { host: "127.0.0.1".to_owned(), port, security, ..target() })
}

async fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().await.unwrap().0
}

fn private(network: Network) -> Network {
    Network { allow_private_hosts: true, ..network }
}

async fn welcome_and_open<S: Wire>(mut server: Server<S>) {
    server.say(format!("* OK [CAPABILITY {CAPABILITIES}] ready\r\n")).await;
    serve_login(server).await;
}

async fn serve_login<S: Wire>(mut server: Server<S>) {
    loop {
        let line = server.hear().await;
        let Some((tag, command)) = line.split_once(' ') else { return };
        let extra = match command.split(' ').next() {
            Some("CAPABILITY") => format!("* CAPABILITY {CAPABILITIES}\r\n"),
            Some("EXAMINE") => "* 0 EXISTS\r\n* OK [UIDVALIDITY 1]\r\n".to_owned(),
            _ => String::new(),
        };
        server.say(format!("{extra}{tag} OK\r\n")).await;
    }
}

#[tokio::test]
async fn an_account_is_verified_over_tcp_in_clear_on_loopback() {
    let (listener, target) = listen(Security::StartTls).await;
    let script = async { welcome_and_open(Server::over(accept(&listener).await)).await };
    let network = private(network());
    tokio::join!(verify(&target, &network, "INBOX"), script).0.unwrap();
}

#[tokio::test]
async fn forbidden_addresses_are_not_connected_to() {
    let (_listener, own) = listen(Security::StartTls).await;
    let error = Session::open(&own, &network()).await.unwrap_err();
    assert!(matches!(error, Error::HostForbidden { .. }), "{error}");
    for host in ["169.254.169.254", "[::ffff:169.254.169.254]", "0.0.0.0", "[fe80::1]"] {
        let target = Target { host: host.to_owned(), ..own.clone() };
        let error = Session::open(&target, &private(network())).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Config, "{host}: {error}");
    }
    for host in ["", "mail example", "mail\r\n.example"] {
        let target = Target { host: host.to_owned(), ..own.clone() };
        assert!(matches!(Session::open(&target, &network()).await.unwrap_err(), Error::HostNotFound { .. }));
    }
}

#[tokio::test]
async fn a_closed_port_is_said_to_be_closed() {
    let (listener, target) = listen(Security::ImplicitTls).await;
    drop(listener);
    let error = Session::open(&target, &private(network())).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient);
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn an_account_is_verified_over_tls() {
    let (roots, acceptor) = authority("127.0.0.1", false);
    let (listener, target) = listen(Security::ImplicitTls).await;
    let script = async {
        let stream = acceptor.accept(accept(&listener).await).await.unwrap();
        welcome_and_open(Server::over(stream)).await;
    };
    let network = private(network_with(roots));
    tokio::join!(verify(&target, &network, "INBOX"), script).0.unwrap();
}

/// Fault 11.
#[tokio::test]
async fn certificates_that_are_not_good_are_refused_in_words() {
    for (name, expired, known, words) in [
        ("127.0.0.1", true, true, "expired"),
        ("mail.elsewhere.example", false, true, "another name"),
        ("127.0.0.1", false, false, "no trusted authority"),
    ] {
        let (roots, acceptor) = authority(name, expired);
        let (listener, target) = listen(Security::ImplicitTls).await;
        let network = private(network_with(if known { roots } else { RootCertStore::empty() }));
        let script = async { acceptor.accept(accept(&listener).await).await.map(drop) };
        let error = tokio::join!(Session::open(&target, &network), script).0.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Config);
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn tls_to_a_port_in_clear_says_so() {
    let (listener, target) = listen(Security::ImplicitTls).await;
    let script = async {
        let mut server = Server::over(accept(&listener).await);
        server.say("* OK IMAP in clear, and quite a long line of it\r\n").await;
        server
    };
    let network = private(network());
    let error = tokio::join!(Session::open(&target, &network), script).0.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Config, "{error:?}");
}

/// STARTTLS against `script`, from a public address.
async fn start_tls(network: &Network, script: impl AsyncFnOnce(Server)) -> Result<Session, Error> {
    let (wire, server) = Server::pipe();
    let target = target();
    let client = async {
        let handshake = Handshake::greet(wire, &network.limits).await?;
        let handshake = upgrade(handshake, REMOTE, &target, network).await?;
        Session::enter(handshake, &target, network).await
    };
    tokio::join!(client, script(server)).0
}

/// What was offered in clear is forgotten.
#[tokio::test]
async fn starttls_is_used_where_it_is_offered() {
    let (roots, acceptor) = authority("mail.example", false);
    let network = network_with(roots);
    let session = start_tls(&network, async |mut server| {
        server.say("* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] x\r\n").await;
        server.serve("STARTTLS", "$ OK go\r\n").await;
        let stream = acceptor.accept(server.into_stream()).await.unwrap();
        let mut server = Server::over(stream);
        server.serve("CAPABILITY", "* CAPABILITY IMAP4rev1\r\n$ OK\r\n").await;
        server.serve(r#"LOGIN "ann" "s3cret word""#, "$ OK [CAPABILITY IMAP4rev1 IDLE] in\r\n").await;
    });
    assert!(session.await.unwrap().capabilities().idle);
}

/// B23, fault 12: stripped, refused, or preceded by PREAUTH: never in clear.
#[tokio::test]
async fn b23_a_connection_that_should_be_protected_never_goes_on_in_clear() {
    for (greeting, answer) in [
        ("* OK [CAPABILITY IMAP4rev1] no TLS here\r\n", None),
        ("* OK [CAPABILITY IMAP4rev1 STARTTLS] x\r\n", Some("$ NO not now\r\n")),
        ("* OK [CAPABILITY IMAP4rev1 STARTTLS] x\r\n", Some("$ BAD what\r\n")),
        ("* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] x\r\n", None),
    ] {
        let network = network();
        let result = start_tls(&network, async |mut server| {
            server.say(greeting).await;
            if let Some(answer) = answer {
                server.serve("STARTTLS", answer).await;
            }
            assert_eq!(server.hear().await, "", "nothing more may be sent");
        });
        assert!(!result.await.unwrap_err().to_string().is_empty());
    }
}

/// B24, fault 12: what somebody in between put behind the OK would be read as if it came through TLS.
#[tokio::test]
async fn b24_bytes_in_clear_behind_starttls_are_refused() {
    let network = network();
    let result = start_tls(&network, async |mut server| {
        server.say("* OK [CAPABILITY IMAP4rev1 STARTTLS] x\r\n").await;
        server.serve("STARTTLS", "$ OK go\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n").await;
        assert_eq!(server.hear().await, "");
    });
    assert_eq!(result.await.unwrap_err().class(), ErrorClass::Protocol);
}

#[tokio::test]
async fn plaintext_can_be_allowed_where_starttls_is_not_offered() {
    let network = Network { allow_plaintext: true, ..network() };
    let session = start_tls(&network, async |mut server| server.welcome(CAPABILITIES).await);
    session.await.unwrap();
}

/// B12, fault 13.
#[tokio::test(start_paused = true)]
async fn b12_a_tls_handshake_that_stalls_has_a_deadline() {
    let network = network();
    let start = tokio::time::Instant::now();
    let result = start_tls(&network, async |mut server| {
        server.say("* OK [CAPABILITY IMAP4rev1 STARTTLS] x\r\n").await;
        server.serve("STARTTLS", "$ OK go\r\n").await;
        tokio::time::sleep(std::time::Duration::from_secs(20)).await;
    });
    assert!(matches!(result.await.unwrap_err(), Error::TimedOut { .. }));
    assert_eq!(start.elapsed().as_secs(), 20, "the script's own end");
}

/// A TLS server on a port that is configured without TLS: silent, or with an alert. Whoever reads it is told what to set.
#[tokio::test(start_paused = true)]
async fn tls_on_a_port_configured_without_it_is_told_with_its_cause() {
    for bytes in [&b""[..], b"\x15\x03\x01\x00\x02\x02\x0a", b"\x15\x03\x01\x00\x02\x02\x28"] {
        let (wire, mut server) = Server::pipe();
        let script = async move {
            server.say(bytes).await;
            let _open = bytes.is_empty().then_some(server);
            std::future::pending::<()>().await;
        };
        let limits = network().limits;
        let greeting = Handshake::greet_in_clear(wire, &limits);
        let error = tokio::select! {
            greeted = greeting => greeted.unwrap_err(),
            () = script => unreachable!(),
        };
        assert!(error.to_string().contains("imapSecure"), "{error}");
    }
}
