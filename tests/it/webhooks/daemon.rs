//! The real program as a process of its own, and what the tests ask of it.

use super::{SECRET, proof};
use crate::servers::worker::{KEY, Worker};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// A running daemon; killed (SIGKILL) when it is dropped.
pub struct Daemon {
    _process: Worker,
    pub url: String,
    client: reqwest::Client,
}

impl Daemon {
    /// Starts one on a directory and a database (SQLite in the directory where there is none), with
    /// more environment.
    pub fn start(directory: &Path, database: Option<&str>, environment: &[(&str, &str)]) -> Self {
        let process = Worker::start_with(directory, database, environment);
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
        Self { url: process.url.clone(), _process: process, client }
    }

    /// A request with the key; its status and body.
    pub async fn call(&self, method: reqwest::Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let mut request = self.client.request(method, format!("{}{path}", self.url)).bearer_auth(KEY);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call(reqwest::Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Makes a surface for the generic body; its id.
    pub async fn inlet_surface(&self) -> String {
        self.surface(&json!({"provider": "inlet", "secret": SECRET})).await
    }

    /// Makes a surface; its id.
    pub async fn surface(&self, inbound: &Value) -> String {
        let order = json!({"name": "W", "type": "webhook", "inbound": inbound});
        let (status, made) = self.call(reqwest::Method::POST, "/v1/surfaces", Some(&order)).await;
        assert_eq!(status, 201, "{made}");
        made["id"].as_str().unwrap().to_owned()
    }

    /// Posts a generic body with its proof.
    pub async fn post(&self, surface: &str, body: &Value) -> Result<(u16, Value), reqwest::Error> {
        post(&self.client, &self.url, surface, body).await
    }

    /// Every message of a surface by conversation: external thread id to contents, in the order that
    /// the API gives them.
    pub async fn conversations(&self, surface: &str) -> Vec<(Option<String>, Vec<Value>)> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/messaging/conversations?limit=100&surfaceId={surface}&cursor={cursor}");
            let page = self.get(&path).await;
            for row in page["data"].as_array().unwrap() {
                let thread = row["externalThreadId"].as_str().map(str::to_owned);
                all.push((thread, self.messages(row["id"].as_str().unwrap()).await));
            }
            match page["pagination"]["nextCursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => return all,
            }
        }
    }

    async fn messages(&self, conversation: &str) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let path =
                format!("/v1/messaging/conversations/{conversation}/messages?limit=100&cursor={cursor}");
            let page = self.get(&path).await;
            all.extend(page["data"].as_array().unwrap().iter().cloned());
            match page["nextCursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => return all,
            }
        }
    }

    /// The sum of those figures of `/metrics` that begin with `name` and have `label`.
    pub async fn figures_with(&self, name: &str, label: &str) -> f64 {
        let text =
            self.client.get(format!("{}/metrics", self.url)).send().await.unwrap().text().await.unwrap();
        let lines = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// One figure of `/metrics`; 0 where it is not there.
    pub async fn figure(&self, name: &str) -> f64 {
        let text =
            self.client.get(format!("{}/metrics", self.url)).send().await.unwrap().text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        line.unwrap_or(0.0)
    }
}

/// Posts a generic body with its proof.
pub async fn post(
    client: &reqwest::Client,
    url: &str,
    surface: &str,
    body: &Value,
) -> Result<(u16, Value), reqwest::Error> {
    let body = body.to_string();
    let sign = format!("sha256={}", proof(body.as_bytes()));
    let request = client.post(format!("{url}/v1/webhooks/{surface}"));
    let request = request.header("X-Inlet-Signature", sign).header("content-type", "application/json");
    let answer = request.body(body).send().await?;
    let status = answer.status().as_u16();
    Ok((status, serde_json::from_slice(&answer.bytes().await?).unwrap_or_default()))
}
