//! Access tokens from refresh tokens (RFC 6749 section 6). Asks the token endpoint, keeps the token until five
//! minutes before its end, and tells a rotated refresh token to whoever stores it.

use super::backoff::Trouble;
use super::settings::OAuth2;
use crate::imap::{Network, vet};
use crate::web::{VettedNames, reason};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::Instant;

/// The whole request.
const LIMIT: Duration = Duration::from_secs(20);
/// The largest answer that is read, in bytes.
const ANSWER_BYTES: usize = 64 * 1024;
/// A token is renewed so long before its end, as clocks differ and a poll takes its time.
const EARLY: Duration = Duration::from_mins(5);
/// What a token lasts where the endpoint does not say.
const DEFAULT_LIFE: Duration = Duration::from_mins(30);

/// Why there is no access token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The URL cannot be used.
    #[error("The token URL cannot be used: {0}.")]
    Url(String),
    /// The endpoint was not reached, or did not answer.
    #[error("The token endpoint could not be reached: {0}.")]
    Unreachable(String),
    /// It answered, but with an error of its own or nonsense.
    #[error("The token endpoint answered with status {0}.")]
    Failed(u16),
    /// It refused the refresh token or the client.
    #[error("The token endpoint refused to renew the access ({0}); authorize the mailbox again.")]
    Refused(String),
}

impl TokenError {
    /// What kind of trouble it is. Only a refusal in the words of RFC 6749 counts against the account.
    #[must_use]
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Url(_) => Trouble::Config,
            Self::Unreachable(_) | Self::Failed(_) => Trouble::Transient,
            Self::Refused(_) => Trouble::Auth,
        }
    }
}

/// The access token of one account.
#[derive(Debug)]
pub struct Tokens {
    oauth: OAuth2,
    cached: tokio::sync::Mutex<Cached>,
}

#[derive(Debug)]
struct Cached {
    token: Option<(SecretString, Instant)>,
    /// The newest.
    refresh_token: SecretString,
    /// It took the place of the stored one, and is not stored yet.
    is_unkept: bool,
}

impl Cached {
    fn unkept(&self) -> Option<SecretString> {
        self.is_unkept.then(|| self.refresh_token.clone())
    }
}

/// A token, and the refresh token that takes the stored one's place, if the endpoint gave one.
#[derive(Debug)]
pub struct Fresh {
    /// The access token.
    pub token: SecretString,
    /// To be stored instead of the old one; told again until [`Tokens::kept`] says that it is.
    pub rotated: Option<SecretString>,
    /// Until when it is used.
    pub until: Instant,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    expires_in: Option<f64>,
    #[serde(default)]
    refresh_token: Option<String>,
}

#[derive(Deserialize)]
struct Denied {
    error: String,
}

impl Tokens {
    /// Tokens got with `oauth`.
    #[must_use]
    pub fn new(oauth: OAuth2) -> Self {
        let refresh_token = oauth.refresh_token.clone();
        let cached = Cached { token: None, refresh_token, is_unkept: false };
        Self { oauth, cached: tokio::sync::Mutex::new(cached) }
    }

    /// A token that lasts at least five minutes more. All mailboxes of the account share it.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn fresh(&self, network: &Network) -> Result<Fresh, TokenError> {
        let mut cached = self.cached.lock().await;
        if let Some((token, until)) = &cached.token
            && Instant::now() < *until
        {
            return Ok(Fresh { token: token.clone(), rotated: cached.unkept(), until: *until });
        }
        let asking = ask(&self.oauth, &cached.refresh_token, network);
        let granted = tokio::time::timeout(LIMIT, asking).await.map_err(|_| {
            TokenError::Unreachable(format!("no answer within {} seconds", LIMIT.as_secs()))
        })??;
        let life = granted
            .expires_in
            .filter(|seconds| seconds.is_finite())
            .map_or(DEFAULT_LIFE, |seconds| Duration::from_secs_f64(seconds.clamp(0.0, 86_400.0)));
        let token = SecretString::from(granted.access_token);
        let until = Instant::now() + life.saturating_sub(EARLY).max(Duration::from_secs(30));
        cached.token = Some((token.clone(), until));
        let is_new = |given: &String| !given.is_empty() && given != cached.refresh_token.expose_secret();
        if let Some(rotated) = granted.refresh_token.filter(is_new) {
            cached.refresh_token = rotated.into();
            cached.is_unkept = true;
        }
        Ok(Fresh { token, rotated: cached.unkept(), until })
    }

    /// Whether the next token has to be asked for.
    pub async fn are_due(&self) -> bool {
        self.cached.lock().await.token.as_ref().is_none_or(|(_, until)| Instant::now() >= *until)
    }

    /// `refresh_token` is stored now.
    pub async fn kept(&self, refresh_token: &SecretString) {
        let mut cached = self.cached.lock().await;
        if is_same(&cached.refresh_token, refresh_token) {
            cached.is_unkept = false;
        }
    }

    /// The next token is got with `stored`, the stored refresh token: another process may have replaced it. Not so while a
    /// newer one waits to be stored.
    pub async fn follow(&self, stored: SecretString) {
        let mut cached = self.cached.lock().await;
        if !cached.is_unkept {
            cached.refresh_token = stored;
        }
    }

    /// Whether these are what `oauth` would get, be it with the first refresh token or the newest.
    pub async fn are_of(&self, oauth: &OAuth2) -> bool {
        let place = |it: &OAuth2| {
            let secret = it.client_secret.as_ref().map(|secret| secret.expose_secret().to_owned());
            (it.token_url.clone(), it.client_id.clone(), secret, it.scope.clone())
        };
        let given = &oauth.refresh_token;
        let is_known = is_same(given, &self.oauth.refresh_token)
            || is_same(given, &self.cached.lock().await.refresh_token);
        is_known && place(oauth) == place(&self.oauth)
    }

    /// The token was refused: the next one is a new one.
    pub async fn forget(&self) {
        self.cached.lock().await.token = None;
    }
}

fn is_same(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}

async fn ask(oauth: &OAuth2, refresh_token: &SecretString, network: &Network) -> Result<Granted, TokenError> {
    let url = vetted_url(&oauth.token_url, network)?;
    let client = Client::builder()
        .tls_backend_preconfigured(network.tls.as_ref().clone())
        .redirect(Policy::none())
        .no_proxy()
        .dns_resolver(VettedNames { allow_private: network.allow_private_hosts })
        .build()
        .map_err(|_| TokenError::Url("no TLS client could be made for it".into()))?;
    let mut form = vec![
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token.expose_secret()),
        ("client_id", &oauth.client_id),
    ];
    form.extend(oauth.client_secret.as_ref().map(|secret| ("client_secret", secret.expose_secret())));
    form.extend(oauth.scope.as_deref().map(|scope| ("scope", scope)));
    let request = client
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("accept", "application/json")
        .body(encode_form(&form));
    let mut response = request.send().await.map_err(|error| TokenError::Unreachable(reason(&error)))?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| TokenError::Unreachable(reason(&error)))? {
        if body.len() + chunk.len() > ANSWER_BYTES {
            return Err(TokenError::Failed(status));
        }
        body.extend_from_slice(&chunk);
    }
    if status == 200 {
        return serde_json::from_slice(&body).map_err(|_| TokenError::Failed(status));
    }
    // RFC 6749 section 5.2: a refusal is 400 or 401 with a code; 5xx and what is not JSON is trouble of the server.
    match serde_json::from_slice::<Denied>(&body) {
        Ok(denied) if matches!(status, 400 | 401) && denied.error != "temporarily_unavailable" => {
            let code = denied.error.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(60);
            Err(TokenError::Refused(code.collect()))
        }
        _ => Err(TokenError::Failed(status)),
    }
}

fn vetted_url(text: &str, network: &Network) -> Result<Url, TokenError> {
    let url = Url::parse(text).map_err(|_| TokenError::Url("it is not a URL".into()))?;
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    let address: Option<IpAddr> = host.parse().ok();
    if let Some(address) = address {
        vet(address, network.allow_private_hosts).map_err(|why| TokenError::Url(why.to_string()))?;
    }
    let is_loopback = host == "localhost" || address.is_some_and(|address| address.is_loopback());
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback && network.allow_private_hosts => Ok(url),
        _ => Err(TokenError::Url("it does not begin with https://".into())),
    }
}

/// `application/x-www-form-urlencoded` (the URL standard's section 5.2).
fn encode_form(pairs: &[(&str, &str)]) -> String {
    let mut url = String::new();
    for (name, value) in pairs {
        if !url.is_empty() {
            url.push('&');
        }
        for (text, end) in [(name, "="), (value, "")] {
            for byte in text.bytes() {
                match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => {
                        url.push(char::from(byte));
                    }
                    b' ' => url.push('+'),
                    other => url.push_str(&format!("%{other:02X}")),
                }
            }
            url.push_str(end);
        }
    }
    url
}
