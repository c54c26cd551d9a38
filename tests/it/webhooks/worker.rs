//! The real program as a process of its own, and what the tests ask of it.

use super::{SECRET, proof};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub const KEY: &str = "a-key-of-the-process-tests-0123456789";

/// A running daemon; killed (SIGKILL) when it is dropped.
pub struct Worker {
    child: Child,
    pub url: String,
    client: reqwest::Client,
}

impl Worker {
    /// Starts one on a directory, with more variables than the ones it always has. Its store is SQLite
    /// in there unless they say otherwise.
    pub fn start(directory: &Path, variables: &[(&str, &str)]) -> Self {
        let log = std::fs::OpenOptions::new().append(true).create(true).open(directory.join("log")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_inlet"))
            .current_dir(directory)
            .env_clear()
            .env("INLET_LISTEN", "127.0.0.1:0")
            .env("INLET_API_KEY", KEY)
            .env("INLET_ENCRYPTION_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let url = lines.find_map(|line| {
            line.split_whitespace().find(|word| word.starts_with("http://")).map(str::to_owned)
        });
        let Some(url) = url else {
            panic!("it did not start: {}", std::fs::read_to_string(directory.join("log")).unwrap())
        };
        std::thread::spawn(move || lines.for_each(drop));
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
        Self { child, url, client }
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

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
