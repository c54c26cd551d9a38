//! Attachments: listed with their message, downloaded as bytes to be saved.

use super::world::{SCOPES, World, path_of};
use inlet::blobs::{Pack, PackKind};
use inlet::clock::Clock as _;
use inlet::ids::MessageId;
use inlet::model::attachment::{Attachment, AttachmentState};
use inlet::store::blobs::BlobPlace;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::HashMap;

const HASH: [u8; 32] = [0xab; 32];

/// A message with these attachments; its conversation's path.
async fn message_with(world: &World, attachments: impl FnOnce(MessageId) -> Vec<Attachment>) -> String {
    let surface = world.surface("chat").await;
    let path = path_of(&world.conversation(&surface).await);
    let body = json!({"content": "see there", "role": "user"});
    let posted = world.post(&format!("{path}/messages"), &body).await.expect(201);
    let id = MessageId::parse(posted["id"].as_str().unwrap()).unwrap();
    let mut tx = world.store.begin().await.unwrap();
    tx.insert_attachments(world.tenant, &HashMap::from([(id, attachments(id))])).await.unwrap();
    tx.commit().await.unwrap();
    path
}

fn attachment(world: &World, message_id: MessageId, state: AttachmentState) -> Attachment {
    Attachment {
        id: world.ids.next(),
        message_id,
        filename: Some("página.html".to_owned()),
        content_type: "text/html".to_owned(),
        size_bytes: 25,
        sha256: (state == AttachmentState::Stored).then_some(HASH),
        content_id: None,
        inline: false,
        state,
        source_url: None,
    }
}

async fn keep_bytes(world: &World, bytes: &[u8]) {
    let mut pack = Pack::new(world.ids.next());
    let place = pack.add(bytes);
    world.blobs.write(PackKind::Attachment, pack).await.unwrap();
    let number = |value: u64| i64::try_from(value).unwrap();
    let place = BlobPlace {
        sha256: HASH,
        pack_id: place.pack_id,
        offset: number(place.offset),
        stored_bytes: number(place.stored_bytes),
        size_bytes: number(place.size_bytes),
    };
    let mut tx = world.store.begin().await.unwrap();
    tx.insert_blobs(world.tenant, &[place], world.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
}

async fn listed(world: &World, path: &str) -> Value {
    world.get(&format!("{path}/messages")).await.expect(200)["data"][0]["attachments"].clone()
}

#[tokio::test]
async fn an_attachment_is_listed_whole_and_downloads_as_a_file_to_save() {
    for world in World::each().await {
        let bytes = b"<script>alert(1)</script>";
        keep_bytes(&world, bytes).await;
        let path = message_with(&world, |id| vec![attachment(&world, id, AttachmentState::Stored)]).await;
        let shown = listed(&world, &path).await[0].clone();
        let id = shown["id"].as_str().unwrap().to_owned();
        assert_eq!(
            shown,
            json!({
                "id": id, "filename": "página.html", "contentType": "text/html", "size": 25, "sha256": "ab".repeat(32),
                "contentId": null, "inline": false, "state": "stored", "url": format!("/v1/messaging/attachments/{id}"),
            })
        );
        let url = shown["url"].as_str().unwrap();
        let file = world.get(url).await;
        assert_eq!(file.status, 200);
        assert_eq!(file.body, bytes);
        assert_eq!(file.header("content-type"), Some("application/octet-stream"));
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
        let disposition = file.header("content-disposition").unwrap();
        assert!(
            disposition.starts_with("attachment; ") && disposition.contains("p%C3%A1gina.html"),
            "{disposition}"
        );
        // Nobody else gets it.
        world.request(Method::GET, url, None, None).await.expect_error(401);
        let other = world.tenant_named("second").await;
        let other = world.key_of(other, SCOPES).await;
        world.request(Method::GET, url, Some(&other), None).await.expect_error(404);
        let elsewhere =
            world.key_with(world.tenant, SCOPES, |key| key.workspace_id = Some("w".to_owned())).await;
        world.request(Method::GET, url, Some(&elsewhere), None).await.expect_error(404);
    }
}

#[tokio::test]
async fn bytes_that_are_not_here_are_404_with_the_reason() {
    let world = World::new().await;
    let states = [AttachmentState::Pending, AttachmentState::Unavailable];
    let path = message_with(&world, |id| states.map(|state| attachment(&world, id, state)).to_vec()).await;
    let shown = listed(&world, &path).await;
    for (position, state) in states.iter().enumerate() {
        assert_eq!(shown[position]["state"], state.as_str());
        assert_eq!(shown[position]["sha256"], Value::Null);
        let answer = world.get(shown[position]["url"].as_str().unwrap()).await;
        assert_eq!(answer.expect_error(404), "ATTACHMENT_NOT_STORED");
    }
}
