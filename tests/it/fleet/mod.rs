//! Many mailboxes and many workers: real processes on one store, beside one mail server of the test's own.
//!
//! The numbers are small here, for `make test`; `make soak` runs the same tests with those of the contract and the
//! release build (`INLET_SOAK`, `INLET_BINARY`).

mod backfill;
mod crowd;
mod inside;
mod neighbours;
mod sinks;
#[cfg(unix)]
mod stops;
mod week;
mod workers;

use crate::servers::crowd::Crowd;
use crate::servers::worker::{Engine, KEY, Worker};
use futures_util::StreamExt as _;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, Once};
use std::time::{Duration, Instant};

/// The contract's number where `make soak` asks for it, else a small one.
pub fn scaled(small: u32, contract: u32) -> u32 {
    if std::env::var_os("INLET_SOAK").is_some() { contract } else { small }
}

/// Data directory, database and mail server of a fleet, and the surfaces of its mailboxes.
pub struct Fleet {
    pub crowd: Crowd,
    pub directory: tempfile::TempDir,
    pub database: Option<String>,
    /// Surface of each mailbox, in the order they were started.
    pub surfaces: Vec<String>,
    client: Client,
}

impl Fleet {
    /// `None`, with a message, where the store is missing.
    pub async fn new(engine: Engine, history: fn(&str) -> u32) -> Option<Self> {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let database = engine.database().await?;
        let crowd = Crowd::start(history).await;
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), &crowd.certificate).unwrap();
        let client = Client::builder().no_proxy().build().unwrap();
        Some(Self { crowd, directory, database, surfaces: Vec::new(), client })
    }

    /// A worker on the fleet's store with a data directory of its own.
    pub fn worker(&self, name: &str) -> Worker {
        let directory = self.directory.path().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::copy(self.directory.path().join("ca.pem"), directory.join("ca.pem")).unwrap();
        let environment = [("INLET__IMAP__LEASE_SECONDS", "6")];
        Worker::start_with(&directory, self.database.as_deref(), &environment)
    }

    pub async fn send(
        &self,
        worker: &Worker,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let mut request = self.client.request(method, format!("{}{path}", worker.url)).bearer_auth(KEY);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = tokio::time::timeout(Duration::from_secs(60), request.send()).await.unwrap().unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
    }

    /// Starts a mailbox for each name.
    pub async fn start(&mut self, worker: &Worker, names: &[String]) {
        let starting = futures_util::stream::iter(names).map(async |name| {
            let order = json!({"name": name, "type": "email"});
            let (status, made) = self.send(worker, Method::POST, "/v1/surfaces", Some(&order)).await;
            assert_eq!(status, 201, "{made}");
            let surface = made["id"].as_str().unwrap().to_owned();
            let settings = json!({
                "fromAddress": format!("{name}@example.com"), "imapHost": "localhost",
                "imapPort": self.crowd.port, "imapSecure": true, "imapUsername": name, "imapPassword": "secret",
            });
            let path = format!("/v1/messaging/imap/{surface}/start");
            let answer = self.send(worker, Method::POST, &path, Some(&settings)).await;
            assert_eq!(answer, (200, json!({"success": true})));
            surface
        });
        let surfaces: Vec<String> = starting.buffered(16).collect().await;
        self.surfaces.extend(surfaces);
    }

    pub async fn status(&self, worker: &Worker, surface: &str) -> Value {
        let path = format!("/v1/messaging/imap/{surface}/status");
        let (status, answer) = self.send(worker, Method::GET, &path, None).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// How many conversations and messages there are in all.
    pub async fn totals(&self, worker: &Worker) -> (u64, u64) {
        let (mut conversations, mut messages, mut cursor) = (0, 0, String::new());
        loop {
            let path = format!("/v1/messaging/conversations?limit=100&cursor={cursor}");
            let (status, page) = self.send(worker, Method::GET, &path, None).await;
            assert_eq!(status, 200, "{page}");
            for row in page["data"].as_array().unwrap() {
                conversations += 1;
                messages += row["messageCount"].as_u64().unwrap();
            }
            match page["pagination"]["nextCursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => return (conversations, messages),
            }
        }
    }

    /// Waits until so many clients are in IDLE.
    pub async fn all_idle(&self, clients: usize, limit: Duration) -> Duration {
        wait_for(limit, async || {
            let idling = self.crowd.idling();
            (idling == clients).then_some(()).ok_or(format!("{idling} of {clients} are in IDLE"))
        })
        .await
    }

    /// Listens to the events of a worker from now on.
    pub async fn arrivals(&self, worker: &Worker) -> Arrivals {
        let request = self.client.get(format!("{}/v1/events", worker.url)).bearer_auth(KEY);
        let mut response = request.send().await.unwrap();
        let seen = Arc::new(Mutex::new(HashMap::new()));
        let noted = seen.clone();
        let listening = tokio::spawn(async move {
            let mut read = String::new();
            while let Ok(Some(chunk)) = response.chunk().await {
                read.push_str(&String::from_utf8_lossy(&chunk));
                while let Some((line, rest)) = read.split_once('\n') {
                    if let Some(number) = number_in(line) {
                        noted.lock().unwrap().entry(number).or_insert_with(Instant::now);
                    }
                    read = rest.to_owned();
                }
            }
        });
        Arrivals { seen, listening }
    }
}

/// A mail with a number.
pub fn mail(number: u32) -> Vec<u8> {
    format!(
        "Message-ID: <n{number}@fresh.example>\r\nFrom: ann@example.com\r\nTo: desk@example.com\r\n\
         Subject: number {number}\r\nDate: Mon, 2 Mar 2026 10:00:00 +0000\r\n\r\nFresh number {number}.\r\n"
    )
    .into_bytes()
}

fn number_in(line: &str) -> Option<u32> {
    let (_, rest) = line.split_once("Fresh number ")?;
    rest.split('.').next()?.parse().ok()
}

/// When the events of numbered mails came.
pub struct Arrivals {
    seen: Arc<Mutex<HashMap<u32, Instant>>>,
    listening: tokio::task::JoinHandle<()>,
}

impl Arrivals {
    /// Waits for the mails with these numbers; the longest time that one took since `since`.
    pub async fn all(&self, numbers: &[u32], since: Instant, limit: Duration) -> Duration {
        wait_for(limit, async || {
            let seen = self.seen.lock().unwrap();
            let missing: Vec<_> = numbers.iter().filter(|number| !seen.contains_key(number)).collect();
            missing.is_empty().then_some(()).ok_or(format!("not stored: {missing:?}"))
        })
        .await;
        let seen = self.seen.lock().unwrap();
        numbers.iter().map(|number| seen[number].duration_since(since)).max().unwrap_or_default()
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Asks again and again until it is so; how long that took. The error says what is missing.
pub async fn wait_for(limit: Duration, mut is_so: impl AsyncFnMut() -> Result<(), String>) -> Duration {
    let started = Instant::now();
    loop {
        match is_so().await {
            Ok(()) => return started.elapsed(),
            Err(missing) if started.elapsed() > limit => panic!("not within {limit:?}: {missing}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
