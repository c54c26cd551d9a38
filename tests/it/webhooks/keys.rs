//! Keys that providers publish: asked for by HTTPS from whom our own settings trust, kept, renewed, and what a
//! request is answered when they cannot be had.

use super::{send, surface};
use crate::api::world::World;
use inlet::http::webhooks::Receivers;
use inlet::imap;
use inlet::web::Web;
use jiff::{Timestamp, ToSpan as _};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

/// An HTTPS server with a certificate of its own that answers every path alike and counts who asks.
struct Publisher {
    url: String,
    /// Its certificate, which is its authority too, in a folder of its own.
    directory: tempfile::TempDir,
    /// Status line with further headers, and the body.
    answer: Arc<Mutex<(String, Vec<u8>)>>,
    asked: Arc<AtomicUsize>,
}

impl Publisher {
    async fn start(keys: &str) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), made.cert.pem()).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let publisher = Self {
            url: format!("https://localhost:{}/keys", listener.local_addr().unwrap().port()),
            directory,
            answer: Arc::new(Mutex::new(("200 OK".to_owned(), keys.as_bytes().to_vec()))),
            asked: Arc::default(),
        };
        let (tls, answer, asked) =
            (TlsAcceptor::from(Arc::new(config)), publisher.answer.clone(), publisher.asked.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(tls.clone(), stream, answer.clone(), asked.clone()));
            }
        });
        publisher
    }

    fn answers(&self, first: &str, body: impl Into<Vec<u8>>) {
        *self.answer.lock().unwrap() = (first.to_owned(), body.into());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Receivers that trust this server's authority, or only the public ones.
    fn receivers(&self, trusts_it: bool, allow_private_hosts: bool) -> Receivers {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let extra = [self.directory.path().join("ca.pem")];
        let network = imap::Network {
            allow_private_hosts,
            allow_plaintext: false,
            tls: imap::tls_config(if trusts_it { &extra } else { &[] }).unwrap(),
            limits: imap::Limits::default(),
        };
        Receivers::default().with_web(Web::new(&network).unwrap())
    }
}

async fn serve(
    tls: TlsAcceptor,
    stream: tokio::net::TcpStream,
    answer: Arc<Mutex<(String, Vec<u8>)>>,
    asked: Arc<AtomicUsize>,
) {
    let Ok(mut stream) = tls.accept(stream).await else { return };
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    asked.fetch_add(1, Ordering::Relaxed);
    let (first, body) = answer.lock().unwrap().clone();
    let head = format!("HTTP/1.1 {first}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(&body).await;
    let _ = stream.shutdown().await;
}

fn start() -> Timestamp {
    Timestamp::from_second(1_760_000_000).unwrap()
}

#[tokio::test]
async fn keys_are_asked_for_once_kept_for_a_day_and_renewed_when_they_do_not_fit() {
    let publisher = Publisher::start("first").await;
    let (receivers, url) = (publisher.receivers(true, true), publisher.url.clone());
    let keyring = &receivers.keyring;
    let read = async |seconds: i64, renew: bool| {
        let keys = keyring.at(&url, start() + seconds.seconds(), renew).await;
        (keys.ok().map(|keys| String::from_utf8(keys.to_vec()).unwrap()), publisher.asked())
    };
    let first = Some("first".to_owned());
    assert_eq!(read(0, false).await, (first.clone(), 1));
    publisher.answers("200 OK", "second");
    assert_eq!(read(24 * 3_600 - 1, false).await, (first.clone(), 1), "kept");
    assert_eq!(read(299, true).await, (first, 1), "not at once for whoever forges");
    let second = Some("second".to_owned());
    assert_eq!(read(300, true).await, (second.clone(), 2), "rotated");
    publisher.answers("200 OK", "third");
    assert_eq!(read(300 + 24 * 3_600, false).await, (Some("third".to_owned()), 3), "a day later");
    // Old keys are better than none.
    publisher.answers("500 Oops", "");
    assert_eq!(read(300 + 48 * 3_600, false).await, (Some("third".to_owned()), 4));
}

#[tokio::test]
async fn fifty_requests_at_once_ask_for_keys_once_and_a_failure_is_not_asked_for_again_at_once() {
    let publisher = Publisher::start("keys").await;
    let receivers = Arc::new(publisher.receivers(true, true));
    let ask = |seconds: i64| {
        let (receivers, url) = (receivers.clone(), publisher.url.clone());
        tokio::spawn(
            async move { receivers.keyring.at(&url, start() + seconds.seconds(), false).await.is_ok() },
        )
    };
    publisher.answers("503 Busy", "");
    for one in (0..50).map(|_| ask(0)).collect::<Vec<_>>() {
        assert!(!one.await.unwrap());
    }
    assert_eq!(publisher.asked(), 1);
    publisher.answers("200 OK", "keys");
    for one in (0..50).map(|_| ask(5)).collect::<Vec<_>>() {
        assert!(one.await.unwrap());
    }
    assert_eq!(publisher.asked(), 2);
}

#[tokio::test]
async fn however_many_addresses_are_named_few_are_asked_in_a_minute() {
    let publisher = Publisher::start("keys").await;
    let receivers = publisher.receivers(true, true);
    for number in 0..100 {
        let _ = receivers.keyring.at(&format!("{}/{number}", publisher.url), start(), false).await;
    }
    assert_eq!(publisher.asked(), 20);
    assert!(
        receivers.keyring.at(&format!("{}/last", publisher.url), start() + 60.seconds(), false).await.is_ok()
    );
}

#[tokio::test]
async fn keys_come_from_whom_we_trust_by_https_and_from_no_private_host() {
    let publisher = Publisher::start("keys").await;
    let plain = publisher.url.replace("https://", "http://");
    for (receivers, url) in [
        (publisher.receivers(false, true), &publisher.url),
        (publisher.receivers(true, false), &publisher.url),
        (publisher.receivers(true, true), &plain),
        (Receivers::default(), &publisher.url),
    ] {
        assert!(receivers.keyring.at(url, start(), false).await.is_err());
    }
    assert_eq!(publisher.asked(), 0);
    // What redirects, and what does not end, is no key.
    let receivers = publisher.receivers(true, true);
    publisher.answers("302 Found\r\nLocation: /other", "");
    assert!(receivers.keyring.at(&publisher.url, start(), false).await.is_err());
    publisher.answers("200 OK", vec![b'x'; 256 * 1024 + 1]);
    assert!(receivers.keyring.at(&publisher.url, start() + 10.seconds(), false).await.is_err());
    assert_eq!(publisher.asked(), 2);
}

/// A request of Microsoft's as it was signed at the start of these tests' time, and the keys of that day.
fn activity() -> Value {
    serde_json::from_str(include_str!("../../../fixtures/webhooks/teams/personal_message.json")).unwrap()
}

#[tokio::test]
async fn without_its_keys_a_request_is_asked_for_again_and_with_them_it_is_taken() {
    let world = World::at("2025-10-09T08:53:20Z").await;
    let fixture = activity();
    let id = surface(&world, "teams", json!({"provider": "teams", "appId": "app-1"})).await;
    let token = fixture["headers"]["Authorization"].as_str().unwrap();
    let headers = [("authorization", token)];
    let body = fixture["body"].to_string();
    // Nobody can be asked: not refused for good, and nothing is stored.
    let answer = send(&world, &id, &headers, body.clone()).await;
    assert_eq!((answer.status, answer.header("retry-after").is_some()), (503, true));
    assert_eq!(super::totals(&world, &id).await, (0, 0));
    // Keys of before do not fit, and new ones cannot be had: refused like any forgery.
    let keyring = &world.services.receivers.keyring;
    let mut others = fixture["keys"].clone();
    others["keys"].as_array_mut().unwrap().truncate(1);
    let address = "https://login.botframework.com/v1/.well-known/keys";
    keyring.learn(address, others.to_string().into(), start());
    assert_eq!(send(&world, &id, &headers, body.clone()).await.status, 401);
    keyring.learn(address, fixture["keys"].to_string().into(), start());
    assert_eq!(send(&world, &id, &headers, body).await.status, 200);
    assert_eq!(super::totals(&world, &id).await, (1, 1));
}

#[tokio::test]
async fn a_certificate_is_taken_from_amazon_s_own_hosts_alone() {
    let publisher = Publisher::start("certificate").await;
    let world = World::at("2025-10-09T08:53:20Z").await;
    let id = surface(
        &world,
        "email",
        json!({"provider": "ses", "username": "hook", "password": "a-long-password",
        "topicArns": ["arn:aws:sns:eu-west-1:1:mail"]}),
    )
    .await;
    let notification = |place: &str| {
        json!({"Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:eu-west-1:1:mail", "Message": "{}",
            "Timestamp": "2025-10-09T08:53:20Z", "SignatureVersion": "2", "Signature": "AAAA", "SigningCertURL": place})
        .to_string()
    };
    let foreign = publisher.url.replace("/keys", "/x.pem");
    for place in [foreign.as_str(), "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem"] {
        assert_eq!(send(&world, &id, &[], notification(place)).await.status, 401, "{place}");
    }
    assert_eq!(publisher.asked(), 0);
    // Amazon's own, that cannot be asked now: SNS is told to come again. Known and not fitting: refused.
    let own = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem";
    assert_eq!(send(&world, &id, &[], notification(own)).await.status, 503);
    world.services.receivers.keyring.learn(own, "no certificate".into(), start());
    assert_eq!(send(&world, &id, &[], notification(own)).await.status, 401);
}
