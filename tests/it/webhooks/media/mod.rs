//! Attachments that providers only point at: fetched after the commit, with the provider's token, never
//! from where nobody may be sent, tried again, and marked where they cannot be had.

mod failures;
mod guard;
mod provider;
mod ways;

use super::daemon::Daemon;
use super::{send, surface};
use crate::api::world::World;
use crate::servers::worker::{Engine, on_both_stores};
use inlet::imap;
use inlet::media::{Media, Parts};
use inlet::secret::{EncryptionKey, Sealer};
use inlet::web::Web;
use provider::Provider;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// A fetcher on a world's store.
fn media(world: &World, allow_private_hosts: bool, max_bytes: usize) -> Media {
    let key = EncryptionKey::parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "the test").unwrap();
    let network = imap::Network {
        allow_private_hosts,
        allow_plaintext: false,
        tls: imap::tls_config(&[]).unwrap(),
        limits: imap::Limits::default(),
    };
    Media::new(Parts {
        store: world.store.clone(),
        blobs: world.blobs.clone(),
        sealer: Sealer::new(&key, &[], Arc::new(inlet::ids::SystemEntropy::new())),
        clock: world.clock.clone(),
        ids: world.ids.clone(),
        wake: inlet::notify::Wake::default(),
        pipeline: world.services.pipeline.clone(),
        web: Web::new(&network).unwrap(),
        max_bytes,
    })
}

/// Sends an unsigned body; the attachments of the one message it made.
async fn attachments(world: &World, surface: &str, content_type: &str, body: String) -> Vec<Value> {
    let answer = send(world, surface, &[("content-type", content_type)], body).await;
    assert!((200..300).contains(&answer.status), "{}", String::from_utf8_lossy(&answer.body));
    stored(world, surface).await
}

async fn stored(world: &World, surface: &str) -> Vec<Value> {
    let page = world.get(&format!("/v1/messaging/conversations?surfaceId={surface}")).await.expect(200);
    let mut all = Vec::new();
    for row in page["data"].as_array().unwrap() {
        let path = format!("/v1/messaging/conversations/{}/messages", row["id"].as_str().unwrap());
        for message in world.get(&path).await.expect(200)["data"].as_array().unwrap() {
            all.extend(message["attachments"].as_array().unwrap().iter().cloned());
        }
    }
    all
}

/// A generic message with these attachment URLs.
fn pointing_at(id: &str, urls: &[&str]) -> String {
    let attachments: Vec<Value> =
        urls.iter().map(|url| json!({"filename": "a.png", "contentType": "image/png", "url": url})).collect();
    json!({"externalThreadId": "t", "externalMessageId": id, "content": "look", "attachments": attachments})
        .to_string()
}

const ANYBODY: &str = "application/json";
