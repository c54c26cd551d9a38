//! Public keys that providers publish at fixed addresses (Amazon SNS, Microsoft): asked for by ourselves,
//! kept for a day, never fetched more than a few times a minute, whoever knocks. Which addresses may be
//! asked is decided in `channel`; to which hosts a name may lead, in `web`.

use crate::http::ApiError;
use crate::web::{Web, WebRequest};
use bytes::Bytes;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The whole request.
const LIMIT: Duration = Duration::from_secs(4);
/// The longest answer that is read, in bytes.
const ANSWER_BYTES: usize = 256 * 1024;
/// How long keys are believed, in seconds.
const FRESH_SECONDS: i64 = 24 * 3_600;
/// How soon keys that do not fit are asked for again, in seconds: a provider may have changed them.
const RETRY_SECONDS: i64 = 300;
/// How long nobody is asked who has just failed, in seconds: who waits for the same keys does not wait again.
const FAILED_SECONDS: i64 = 5;
/// Addresses that are remembered.
const MOST: usize = 64;
/// Requests a minute.
const REQUESTS_PER_MINUTE: usize = 20;

/// Keys by their address.
#[derive(Debug, Default)]
pub struct Keyring {
    web: Option<Web>,
    places: Mutex<HashMap<String, Arc<Place>>>,
    asked: Mutex<Vec<Timestamp>>,
}

/// One address.
#[derive(Debug, Default)]
struct Place {
    /// Held by the one who asks; the others wait for what comes of it.
    asking: tokio::sync::Mutex<()>,
    known: Mutex<Known>,
}

#[derive(Debug, Default, Clone)]
struct Known {
    keys: Option<(Timestamp, Bytes)>,
    failed_at: Option<Timestamp>,
}

impl Known {
    /// Keys that are younger than `limit_seconds`.
    fn fresh(&self, limit_seconds: i64, now: Timestamp) -> Option<Bytes> {
        let (since, keys) = self.keys.as_ref()?;
        (now.as_second() - since.as_second() < limit_seconds).then(|| keys.clone())
    }

    /// Old keys are better than none; where there are none the provider is told to come again.
    fn or_later(&self, seconds: u32) -> Result<Bytes, ApiError> {
        self.keys.as_ref().map(|(_, keys)| keys.clone()).ok_or_else(|| ApiError::unavailable(seconds))
    }
}

impl Keyring {
    /// One that asks by `web`; without it nobody is asked.
    #[must_use]
    pub fn new(web: Web) -> Self {
        Self { web: Some(web), ..Self::default() }
    }

    /// What stands at `url`. `renew` says that what is known does not fit.
    ///
    /// # Errors
    /// 503: the provider cannot be asked now, and may send its request again.
    pub async fn at(&self, url: &str, now: Timestamp, renew: bool) -> Result<Bytes, ApiError> {
        let limit_seconds = if renew { RETRY_SECONDS } else { FRESH_SECONDS };
        let place = self.place(url);
        if let Some(keys) = place.known().fresh(limit_seconds, now) {
            return Ok(keys);
        }
        let _asking = place.asking.lock().await;
        // Somebody may have asked meanwhile.
        let known = place.known().clone();
        if let Some(keys) = known.fresh(limit_seconds, now) {
            return Ok(keys);
        }
        if known.failed_at.is_some_and(|at| now.as_second() - at.as_second() < FAILED_SECONDS) {
            return known.or_later(30);
        }
        if !self.may_ask(now) {
            return known.or_later(60);
        }
        match self.ask(url).await {
            Ok(keys) => {
                *place.known() = Known { keys: Some((now, keys.clone())), failed_at: None };
                Ok(keys)
            }
            Err(error) => {
                tracing::warn!(%error, "the public keys of a provider cannot be had");
                place.known().failed_at = Some(now);
                known.or_later(30)
            }
        }
    }

    /// Remembers what stands at `url`.
    pub fn learn(&self, url: &str, keys: Bytes, now: Timestamp) {
        *self.place(url).known() = Known { keys: Some((now, keys)), failed_at: None };
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
        let web = self.web.as_ref().ok_or("this worker asks nobody")?;
        if !url.starts_with("https://") {
            return Err("keys are taken by HTTPS alone".to_owned());
        }
        let request = WebRequest { url, authorization: None, redirects: false, limit_bytes: ANSWER_BYTES };
        let answer = tokio::time::timeout(LIMIT, web.get(request)).await;
        let answer = answer.map_err(|_| format!("no answer within {} seconds", LIMIT.as_secs()))?;
        let answer = answer.map_err(|error| error.to_string())?;
        if (200..300).contains(&answer.status) {
            Ok(answer.body)
        } else {
            Err(format!("it answered with status {}", answer.status))
        }
    }

    fn place(&self, url: &str) -> Arc<Place> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= MOST && !places.contains_key(url) {
            places.clear();
        }
        places.entry(url.to_owned()).or_default().clone()
    }
}

impl Place {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
