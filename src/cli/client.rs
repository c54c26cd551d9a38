//! Asking a running worker over its API. Knows addresses, keys and the shape of errors, no endpoint.

use super::WorkerAddress;
use crate::config::Config;
use anyhow::{Context as _, anyhow, bail};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use std::time::Duration;

/// A poll that is asked for may read a whole mailbox first.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(600);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest answer that is read, in bytes.
const ANSWER_BYTES: usize = 32 * 1024 * 1024;

/// A worker that can be asked.
#[derive(Debug)]
pub(super) struct Worker {
    url: String,
    key: SecretString,
    http: reqwest::Client,
}

/// The worker's address: the one given, else the configured listener's.
pub(super) fn worker_url(given: Option<&str>, config: &Config) -> String {
    let of_listener = || config.server.url_at(config.server.listen);
    given.map_or_else(of_listener, |url| url.trim_end_matches('/').to_owned())
}

impl Worker {
    /// A worker at the address given, asked with `INLET_API_KEY`.
    pub(super) fn new(address: &WorkerAddress, config: &Config) -> anyhow::Result<Self> {
        let key = config.auth.api_key.clone().ok_or_else(|| {
            anyhow!("set INLET_API_KEY to a key of that worker (`inlet keys create --name cli` makes one)")
        })?;
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { url: worker_url(address.url.as_deref(), config), key, http })
    }

    /// The JSON of a success; the worker's own words for a failure.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        request = request.bearer_auth(self.key.expose_secret());
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request
            .send()
            .await
            .map_err(reqwest::Error::without_url)
            .with_context(|| format!("no worker answers at {} (INLET_URL says where it is)", self.url))?;
        let status = response.status();
        let answer = read_bounded(response).await?;
        if status.is_success() {
            return Ok(answer);
        }
        bail!("{}", words_of(status, &answer))
    }
}

async fn read_bounded(mut response: reqwest::Response) -> anyhow::Result<Value> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > ANSWER_BYTES {
            bail!("the answer is larger than {ANSWER_BYTES} bytes");
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

fn words_of(status: StatusCode, answer: &Value) -> String {
    let mut words = answer.get("error").and_then(Value::as_str).map_or_else(
        || format!("the worker answered {status}"),
        |error| format!("{error} ({})", status.as_u16()),
    );
    for detail in answer.get("details").and_then(Value::as_array).into_iter().flatten() {
        let text = |field| detail.get(field).and_then(Value::as_str).unwrap_or_default();
        words.push_str(&format!("\n  {}: {}", text("path"), text("message")));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_address_given_wins_over_the_listeners() {
        let config = Config::default();
        assert_eq!(worker_url(None, &config), "http://127.0.0.1:8080");
        assert_eq!(worker_url(Some("https://inlet.example/"), &config), "https://inlet.example");
    }

    #[test]
    fn the_workers_words_are_passed_on() {
        let answer = json!({"error": "name is missing", "code": "VALIDATION",
            "details": [{"path": "name", "message": "required"}]});
        assert_eq!(words_of(StatusCode::BAD_REQUEST, &answer), "name is missing (400)\n  name: required");
        assert_eq!(words_of(StatusCode::BAD_GATEWAY, &Value::Null), "the worker answered 502 Bad Gateway");
    }
}
