//! A worker that dies right after an answer has lost nothing that it answered for.

use super::{SECRET, proof};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const KEY: &str = "a-key-of-the-crash-test-0123456789";
const MESSAGES: usize = 200;

/// The real program on a directory.
struct Worker {
    child: Child,
    url: String,
}

impl Worker {
    fn start(directory: &std::path::Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_inlet"))
            .current_dir(directory)
            .env_clear()
            .env("INLET_LISTEN", "127.0.0.1:0")
            .env("INLET_API_KEY", KEY)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let url = lines.find_map(|line| {
            line.split_whitespace().find(|word| word.starts_with("http://")).map(str::to_owned)
        });
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url: url.expect("it says where it listens") }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_nine_right_after_the_last_answer_loses_nothing() {
    // Expectation 35.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let directory = tempfile::tempdir().unwrap();
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
    let worker = Worker::start(directory.path());
    let order = json!({"name": "W", "type": "webhook", "inbound": {"provider": "inlet", "secret": SECRET}});
    let made = client
        .post(format!("{}/v1/surfaces", worker.url))
        .bearer_auth(KEY)
        .body(order.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(made.status(), 201);
    let made: Value = serde_json::from_slice(&made.bytes().await.unwrap()).unwrap();
    let hook = format!("{}/v1/webhooks/{}", worker.url, made["id"].as_str().unwrap());
    let mut posts = Vec::new();
    for number in 0..MESSAGES {
        let (client, hook) = (client.clone(), hook.clone());
        posts.push(tokio::spawn(async move {
            let body = json!({"externalThreadId": format!("t-{}", number % 7), "externalMessageId": number.to_string(), "content": "x"}).to_string();
            let sign = format!("sha256={}", proof(body.as_bytes()));
            let answer = client.post(hook).header("X-Inlet-Signature", sign).header("Content-Type", "application/json").body(body).send().await.unwrap();
            assert_eq!(answer.status(), 200);
        }));
    }
    for post in posts {
        post.await.unwrap();
    }
    // SIGKILL, at once.
    drop(worker);
    let worker = Worker::start(directory.path());
    let page = client
        .get(format!("{}/v1/messaging/conversations", worker.url))
        .bearer_auth(KEY)
        .send()
        .await
        .unwrap();
    let page: Value = serde_json::from_slice(&page.bytes().await.unwrap()).unwrap();
    let counts: Vec<i64> =
        page["data"].as_array().unwrap().iter().map(|row| row["messageCount"].as_i64().unwrap()).collect();
    assert_eq!(counts.len(), 7);
    assert_eq!(counts.iter().sum::<i64>(), MESSAGES as i64);
}
