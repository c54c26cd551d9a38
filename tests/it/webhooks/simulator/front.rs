//! The way from a provider to the workers: straight to its own one, or, for what is sent once, by a proxy that hands a
//! request on to the next worker when one cannot be reached, breaks off or answers 502 to 504 (nginx:
//! `proxy_next_upstream error timeout http_502 http_503 http_504 non_idempotent`), for as long as the provider waits.

use super::providers::Provider;
use super::rules::Heard;
use super::spread;
use std::sync::RwLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Between two rounds through all workers.
const PAUSE: Duration = Duration::from_millis(50);

/// The workers, by number.
pub struct Workers {
    /// `None` while one is not up.
    urls: RwLock<Vec<Option<String>>>,
    client: reqwest::Client,
    handed_on: AtomicUsize,
}

impl Workers {
    pub fn at(urls: impl Iterator<Item = String>) -> Self {
        Self {
            urls: RwLock::new(urls.map(Some).collect()),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            handed_on: AtomicUsize::new(0),
        }
    }

    pub fn is_gone(&self, worker: usize) {
        self.urls.write().unwrap()[worker] = None;
    }

    pub fn is_at(&self, worker: usize, url: &str) {
        self.urls.write().unwrap()[worker] = Some(url.to_owned());
    }

    /// Attempts that the proxy made after the first one.
    pub fn handed_on(&self) -> usize {
        self.handed_on.load(Ordering::Relaxed)
    }

    /// One attempt at the provider's own worker.
    pub async fn directly(&self, provider: &Provider, number: usize, path: &str) -> Heard {
        let worker = provider.name.len() % self.urls.read().unwrap().len();
        self.send(worker, provider, number, path).await
    }

    /// One attempt by the proxy. One in twenty of its own goes wrong too.
    pub async fn by_front(&self, provider: &Provider, number: usize, path: &str) -> Heard {
        let (began, patience) = (Instant::now(), provider.rules.patience() * 9 / 10);
        let workers = self.urls.read().unwrap().len();
        for attempt in 0.. {
            let roll = spread(spread(number as u64) ^ attempt as u64);
            let (goes_wrong, cuts_before) = (roll.is_multiple_of(20), (roll / 20).is_multiple_of(2));
            if !(goes_wrong && cuts_before) {
                let heard = self.send((number + attempt) % workers, provider, number, path).await;
                if !goes_wrong && !matches!(heard, Heard::Nothing | Heard::Answer { status: 502..=504, .. }) {
                    return heard;
                }
            }
            if began.elapsed() > patience {
                break;
            }
            self.handed_on.fetch_add(1, Ordering::Relaxed);
            if (attempt + 1).is_multiple_of(workers) {
                tokio::time::sleep(PAUSE).await;
            }
        }
        Heard::status(502)
    }

    async fn send(&self, worker: usize, provider: &Provider, number: usize, path: &str) -> Heard {
        let Some(worker) = self.urls.read().unwrap()[worker].clone() else { return Heard::Nothing };
        let mut heard = Heard::Nothing;
        // A provider of mail by Amazon shows its password only when it is asked to.
        for is_asked in [false, true] {
            let request = provider.request(number, &format!("{worker}{path}"), is_asked);
            heard = match request.send(&self.client, provider.rules.patience()).await {
                Ok(answer) => answer,
                Err(_) => return Heard::Nothing,
            };
            if !(provider.waits_to_be_asked && heard.asks_for_basic()) {
                break;
            }
        }
        heard
    }
}
