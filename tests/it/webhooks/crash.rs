//! A worker that dies right after an answer has lost nothing that it answered for.

use super::{SECRET, proof};
use crate::servers::worker::{Engine, KEY, Worker, on_both_stores};
use serde_json::{Value, json};
use std::time::Duration;

const MESSAGES: usize = 200;

on_both_stores! { kill_nine_right_after_the_last_answer_loses_nothing }

async fn kill_nine_right_after_the_last_answer_loses_nothing(engine: Engine) {
    // Expectation 35.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Some(database) = engine.database().await else { return };
    let database = database.as_deref();
    let directory = tempfile::tempdir().unwrap();
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
    let worker = Worker::start(directory.path(), database);
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
    let worker = Worker::start(directory.path(), database);
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
