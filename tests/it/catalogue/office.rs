//! The whole daemon before a scripted mail server, used over its API.

use crate::mailbox::world::{Daemon, Place, provide_tls};
use crate::servers::scripted::Scripted;
use crate::servers::worker::{Engine, KEY};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(40);

pub struct Office {
    pub surface: String,
    pub server: Scripted,
    daemon: Daemon,
    client: Client,
    /// Where its store is.
    pub place: Place,
}

impl Office {
    /// A daemon with an email surface that is not yet configured; `None` where the store is not there.
    pub async fn open(engine: Engine) -> Option<Self> {
        Self::open_with_patience(engine, None).await
    }

    /// The same with a daemon that waits so many milliseconds for the store's lock.
    pub async fn open_with_patience(engine: Engine, patience_millis: Option<u64>) -> Option<Self> {
        provide_tls();
        let database = engine.database().await?;
        let place = Place { directory: tempfile::tempdir().unwrap(), database, clock: None, patience_millis };
        let daemon = Daemon::start(&place).await;
        let client = Client::builder().no_proxy().build().unwrap();
        let server = Scripted::start().await;
        let mut office = Self { surface: String::new(), server, daemon, client, place };
        let order = json!({"name": "support", "type": "email"});
        let (_, surface) = office.send(Method::POST, "/v1/surfaces", Some(&order)).await;
        office.surface = surface["id"].as_str().unwrap().to_owned();
        Some(office)
    }

    /// Where the daemon's API is.
    pub fn url(&self) -> &str {
        &self.daemon.url
    }

    /// What `/start` takes, with some settings changed; null takes one away.
    pub fn settings(&self, change: Value) -> Value {
        let mut settings = json!({
            "fromAddress": "desk@example.org", "imapHost": "127.0.0.1", "imapPort": self.server.port,
            "imapSecure": false, "imapUsername": "desk", "imapPassword": "secret",
        });
        let map = settings.as_object_mut().unwrap();
        map.extend(change.as_object().unwrap().clone());
        map.retain(|_, value| !value.is_null());
        settings
    }

    pub async fn start(&self, change: Value) {
        let answer = self.call(Method::POST, "start", Some(&self.settings(change))).await;
        assert_eq!(answer, (200, json!({"success": true})));
    }

    /// Polls; it must succeed. Gives `messagesProcessed`.
    pub async fn poll(&self) -> u64 {
        let (status, answer) = self.call(Method::POST, "poll", None).await;
        assert_eq!(status, 200, "{answer}");
        answer["messagesProcessed"].as_u64().unwrap()
    }

    /// Polls; it must fail. Gives the answer.
    pub async fn poll_in_vain(&self) -> Value {
        let (status, answer) = self.call(Method::POST, "poll", None).await;
        assert_eq!(status, 502, "{answer}");
        answer
    }

    pub async fn status(&self) -> Value {
        self.call(Method::GET, "status", None).await.1
    }

    pub async fn audit(&self) -> Value {
        let (status, answer) = self.call(Method::GET, "audit", None).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    pub async fn call(&self, method: Method, action: &str, body: Option<&Value>) -> (u16, Value) {
        self.send(method, &format!("/v1/messaging/imap/{}/{action}", self.surface), body).await
    }

    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let mut request = self.client.request(method, format!("{}{path}", self.daemon.url)).bearer_auth(KEY);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = timeout(PATIENCE, request.send()).await.unwrap().unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    /// The surface's conversations, newest first, at most a hundred, and how many there are.
    pub async fn conversations(&self) -> (Vec<Value>, u64) {
        let path = format!("/v1/messaging/conversations?surfaceId={}&limit=100", self.surface);
        let (_, list) = self.send(Method::GET, &path, None).await;
        (list["data"].as_array().unwrap().clone(), list["pagination"]["totalCount"].as_u64().unwrap())
    }

    /// The messages of the newest conversation.
    pub async fn messages(&self) -> Vec<Value> {
        let (list, _) = self.conversations().await;
        let id = list[0]["id"].as_str().unwrap();
        let (_, messages) =
            self.send(Method::GET, &format!("/v1/messaging/conversations/{id}/messages"), None).await;
        messages["data"].as_array().unwrap().clone()
    }

    /// Waits until there are so many conversations; how long that took.
    pub async fn wait_for(&self, count: u64) -> Duration {
        let start = Instant::now();
        while self.conversations().await.1 < count {
            assert!(start.elapsed() < PATIENCE, "{count} conversations never came: {}", self.status().await);
            sleep(Duration::from_millis(10)).await;
        }
        start.elapsed()
    }

    /// Waits until `/status` is as wanted.
    pub async fn wait_until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let status = self.status().await;
            if is_so(&status) {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "{what} never came about: {status}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn dead_letters(&self) -> Vec<Value> {
        let (_, page) =
            self.send(Method::GET, &format!("/v1/surfaces/{}/dead-letters", self.surface), None).await;
        page["data"].as_array().unwrap().clone()
    }
}

pub fn mail(number: u32) -> String {
    super::desk::mail("ann@example.com", &format!("{number}@office"), "", &format!("Text {number}."))
        .replace('\n', "\r\n")
}
