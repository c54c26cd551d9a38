//! Requests as providers sign and send them. The proofs are made by what the providers document, not by
//! our code.

use super::rules::Heard;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use inlet::clock::{Clock, SystemClock};
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use std::time::Duration;

/// One request.
pub struct Wire {
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Wire {
    pub fn new(url: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            url: url.to_owned(),
            headers: vec![("Content-Type", content_type.to_owned())],
            body: body.into(),
        }
    }

    pub fn json(url: &str, body: &serde_json::Value) -> Self {
        Self::new(url, "application/json", body.to_string())
    }

    pub fn form(url: &str, fields: &[(&str, &str)]) -> Self {
        let fields: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        Self::new(url, "application/x-www-form-urlencoded", fields.join("&"))
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// Sends it; `patience` is how long the provider waits for an answer.
    pub async fn send(self, client: &reqwest::Client, patience: Duration) -> Result<Heard, reqwest::Error> {
        let mut request = client.post(self.url).body(self.body).timeout(patience);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let answer = request.send().await?;
        let has = |name: &str, value: &str| {
            answer.headers().get_all(name).iter().any(|it| it.to_str().is_ok_and(|it| it.starts_with(value)))
        };
        let (no_retry, asks_for_basic) = (has("x-slack-no-retry", "1"), has("www-authenticate", "Basic"));
        let status = answer.status().as_u16();
        Ok(Heard::Answer { status, no_retry, asks_for_basic, body: answer.text().await? })
    }
}

/// Seconds since 1970.
pub fn now() -> i64 {
    SystemClock.now().as_second()
}

pub fn sha256(secret: &str, text: &str) -> Vec<u8> {
    tag(hmac::HMAC_SHA256, secret.as_bytes(), text)
}

pub fn sha1(secret: &str, text: &str) -> Vec<u8> {
    tag(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes(), text)
}

fn tag(algorithm: hmac::Algorithm, secret: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, secret), text.as_bytes()).as_ref().to_vec()
}

/// The key pair of a provider that signs by one (RFC 8032).
fn key_pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(b"a-seed-of-the-simulator-32-bytes").unwrap()
}

pub fn ed25519(text: &str) -> Vec<u8> {
    key_pair().sign(text.as_bytes()).as_ref().to_vec()
}

/// In base64, as a provider shows it.
pub fn public_key() -> String {
    base64(key_pair().public_key())
}

pub fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

/// A JSON Web Token (RFC 7519) signed by HMAC-SHA256.
pub fn token(claims: &serde_json::Value) -> String {
    let part = |text: String| URL_SAFE_NO_PAD.encode(text);
    let signed =
        format!("{}.{}", part("{\"alg\":\"HS256\",\"typ\":\"JWT\"}".to_owned()), part(claims.to_string()));
    let tag = sha256(super::providers::SECRET, &signed);
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// The SHA-256 of a text in hex.
pub fn digest(text: &str) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()))
}

pub fn encode(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}
