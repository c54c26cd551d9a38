//! Public keys that providers publish at fixed addresses (Amazon SNS, Microsoft): asked for by ourselves,
//! kept for a day, never fetched more than a few times a minute, whoever knocks. Which addresses may be
//! asked is decided in `channel`, not here.

use crate::http::ApiError;
use bytes::Bytes;
use jiff::Timestamp;
use reqwest::Client;
use reqwest::redirect::Policy;
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// The whole request.
const LIMIT: Duration = Duration::from_secs(4);
/// The longest answer that is read, in bytes.
const ANSWER_BYTES: usize = 256 * 1024;
/// How long keys are believed, in seconds.
const FRESH_SECONDS: i64 = 24 * 3_600;
/// How soon keys that do not fit are asked for again, in seconds: a provider may have changed them.
const RETRY_SECONDS: i64 = 300;
/// Addresses that are remembered.
const MOST: usize = 64;
/// Requests a minute.
const REQUESTS_PER_MINUTE: usize = 20;

/// Keys by their address.
#[derive(Debug, Default)]
pub struct Keyring {
    known: Mutex<HashMap<String, (Timestamp, Bytes)>>,
    asked: Mutex<Vec<Timestamp>>,
    client: OnceLock<Client>,
}

impl Keyring {
    /// What stands at `url`. `renew` says that what is known does not fit.
    ///
    /// # Errors
    /// 503: the provider cannot be asked now, and may send its request again.
    pub async fn at(&self, url: &str, now: Timestamp, renew: bool) -> Result<Bytes, ApiError> {
        let limit = if renew { RETRY_SECONDS } else { FRESH_SECONDS };
        let known = self.known().get(url).cloned();
        if let Some((since, keys)) = &known
            && now.as_second() - since.as_second() < limit
        {
            return Ok(keys.clone());
        }
        if !self.may_ask(now) {
            return known.map(|(_, keys)| keys).ok_or_else(|| ApiError::unavailable(60));
        }
        match self.ask(url).await {
            Ok(keys) => {
                self.learn(url, keys.clone(), now);
                Ok(keys)
            }
            Err(error) => {
                tracing::warn!(%error, "the public keys of a provider cannot be had");
                known.map(|(_, keys)| keys).ok_or_else(|| ApiError::unavailable(30))
            }
        }
    }

    /// Remembers what stands at `url`.
    pub fn learn(&self, url: &str, keys: Bytes, now: Timestamp) {
        let mut known = self.known();
        if known.len() >= MOST && !known.contains_key(url) {
            known.clear();
        }
        known.insert(url.to_owned(), (now, keys));
    }

    /// Asks for an address once, for its effect: a subscription is confirmed so.
    ///
    /// # Errors
    /// A sentence without the address, which is a secret.
    pub async fn visit(&self, url: &str) -> Result<(), String> {
        self.ask(url).await.map(drop)
    }

    fn may_ask(&self, now: Timestamp) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|at| now.as_second() - at.as_second() < 60);
        let may = asked.len() < REQUESTS_PER_MINUTE;
        if may {
            asked.push(now);
        }
        may
    }

    async fn ask(&self, url: &str) -> Result<Bytes, String> {
        let plain = |error: reqwest::Error| error.without_url().to_string();
        let client = match self.client.get() {
            Some(client) => client,
            None => {
                let made = Client::builder().timeout(LIMIT).https_only(true).redirect(Policy::none()).build();
                self.client.get_or_init(|| made.unwrap_or_default())
            }
        };
        let answer = client.get(url).send().await.and_then(reqwest::Response::error_for_status);
        let mut answer = answer.map_err(plain)?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(plain)? {
            if body.len() + chunk.len() > ANSWER_BYTES {
                return Err("the answer is too long".to_owned());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.into())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Timestamp, Bytes)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
