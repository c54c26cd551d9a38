//! Conversations of the messaging view, one at a time.

use super::world::{World, path_of};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const PATH: &str = "/v1/messaging/conversations";

const DETAIL_KEYS: &[&str] = &[
    "agentMode",
    "context",
    "createdAt",
    "externalParticipantId",
    "externalThreadId",
    "id",
    "lastMessageAt",
    "messageCount",
    "participantEmail",
    "participantMetadata",
    "participantName",
    "participants",
    "status",
    "subject",
    "surface",
    "surfaceId",
    "timezone",
    "updatedAt",
];

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[tokio::test]
async fn a_new_conversation_has_every_field_and_reads_back_the_same() {
    for world in World::each().await {
        let surface = world.surface("chat").await;
        let body = json!({
            "surfaceId": surface, "externalThreadId": "t-1", "externalParticipantId": "p-1", "participantName": "Ann",
            "participantEmail": "Ann@Example.ORG", "subject": "Hello", "timezone": "Europe/Berlin", "status": "open",
            "context": {"plan": "pro", "n": 3}, "participantMetadata": {"vip": true}, "unknownKey": [1],
        });
        let made = world.post(PATH, &body).await.expect(201);
        assert_eq!(keys(&made), DETAIL_KEYS);
        assert_eq!(
            made,
            json!({
                "agentMode": "agent", "context": {"plan": "pro", "n": 3}, "createdAt": "2026-11-02T10:00:00.123456Z",
                "externalParticipantId": "p-1", "externalThreadId": "t-1", "id": made["id"], "lastMessageAt": null,
                "messageCount": 0, "participantEmail": "ann@example.org", "participantMetadata": {"vip": true},
                "participantName": "Ann",
                "participants": [{"externalParticipantId": "p-1", "name": "Ann", "email": "ann@example.org"}],
                "status": "open", "subject": "Hello",
                "surface": {"id": surface, "name": "A chat surface", "type": "chat"}, "surfaceId": surface,
                "timezone": "Europe/Berlin", "updatedAt": "2026-11-02T10:00:00.123456Z",
            })
        );
        let id: uuid::Uuid = made["id"].as_str().unwrap().parse().unwrap();
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(world.get(&path_of(&made)).await.expect(200), made);
    }
}

#[tokio::test]
async fn what_is_not_given_is_null_and_never_absent() {
    let world = World::new().await;
    let surface = world.surface("chat").await;
    let made = world.conversation(&surface).await;
    assert_eq!(keys(&made), DETAIL_KEYS);
    for field in [
        "externalParticipantId",
        "externalThreadId",
        "lastMessageAt",
        "participantEmail",
        "participantName",
        "subject",
        "timezone",
    ] {
        assert_eq!(made[field], Value::Null, "{field}");
    }
    assert_eq!(made["status"], "open");
    assert_eq!(made["context"], json!({}));
    assert_eq!(made["participantMetadata"], json!({}));
    assert_eq!(made["participants"], json!([]));
    let nulls = json!({"surfaceId": surface, "subject": null, "context": null, "status": null, "participantEmail": null});
    assert_eq!(world.post(PATH, &nulls).await.expect(201)["context"], json!({}));
}

#[tokio::test]
async fn the_same_thread_and_participant_is_the_same_conversation() {
    for world in World::each().await {
        let surface = world.surface("chat").await;
        let body = |participant: &str| json!({"surfaceId": surface, "externalThreadId": "t", "externalParticipantId": participant, "subject": participant});
        let first = world.post(PATH, &body("ann")).await.expect(201);
        let again = world.post(PATH, &body("ann")).await.expect(200);
        assert_eq!(again, first);
        // A chat is between two: another participant has a conversation of their own.
        let other = world.post(PATH, &body("bob")).await.expect(201);
        assert_ne!(other["id"], first["id"]);
        // Another surface has nothing to do with it, and without a thread id nothing matches.
        let elsewhere = world.surface("chat").await;
        let elsewhere =
            json!({"surfaceId": elsewhere, "externalThreadId": "t", "externalParticipantId": "ann"});
        world.post(PATH, &elsewhere).await.expect(201);
        let flat = json!({"surfaceId": surface, "externalParticipantId": "ann"});
        world.post(PATH, &flat).await.expect(201);
        world.post(PATH, &flat).await.expect(201);
    }
}

#[tokio::test]
async fn one_thread_made_a_hundred_times_at_once_is_one_conversation() {
    for world in World::each().await {
        let surface = world.surface("chat").await;
        let body = json!({"surfaceId": surface, "externalThreadId": "t", "externalParticipantId": "p"});
        let answers = futures_util::future::join_all((0..100).map(|_| world.post(PATH, &body))).await;
        let made = answers.iter().filter(|answer| answer.status == 201).count();
        let found = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!((made, found), (1, 99));
        let first = answers[0].json()["id"].clone();
        assert!(answers.iter().all(|answer| answer.json()["id"] == first));
    }
}

#[tokio::test]
async fn threads_of_mails_are_message_ids_with_or_without_brackets() {
    let world = World::new().await;
    let surface = world.surface("email").await;
    let body = |thread: &str| json!({"surfaceId": surface, "externalThreadId": thread});
    let first = world.post(PATH, &body("<a.b@Example.org>")).await.expect(201);
    assert_eq!(first["externalThreadId"], "a.b@Example.org");
    assert_eq!(world.post(PATH, &body("a.b@example.ORG")).await.expect(200)["id"], first["id"]);
}

#[tokio::test]
async fn a_change_touches_what_it_names_and_null_empties() {
    for world in World::each().await {
        let surface = world.surface("chat").await;
        let body = json!({
            "surfaceId": surface, "subject": "Old", "participantName": "Ann", "participantEmail": "a@example.org",
            "timezone": "UTC", "context": {"a": 1}, "participantMetadata": {"b": 2},
        });
        let before = world.post(PATH, &body).await.expect(201);
        world.clock.advance(Duration::from_secs(5));
        let path = path_of(&before);
        let after = world.put(&path, &json!({"subject": "New", "unknown": 1})).await.expect(200);
        let mut expected = before.clone();
        expected["subject"] = json!("New");
        expected["updatedAt"] = json!("2026-11-02T10:00:05.123456Z");
        assert_eq!(after, expected);
        assert_eq!(world.get(&path).await.expect(200), expected);

        let emptied = world
            .put(
                &path,
                &json!({
                    "subject": null, "participantName": null, "participantEmail": null, "timezone": null, "context": null,
                    "participantMetadata": null, "externalThreadId": null, "externalParticipantId": null, "status": null,
                }),
            )
            .await
            .expect(200);
        for field in ["subject", "participantName", "participantEmail", "timezone"] {
            assert_eq!(emptied[field], Value::Null, "{field}");
        }
        assert_eq!(emptied["context"], json!({}));
        assert_eq!(emptied["participantMetadata"], json!({}));
        assert_eq!(emptied["status"], "open");
    }
}

#[tokio::test]
async fn every_field_can_be_changed() {
    let world = World::new().await;
    let surface = world.surface("chat").await;
    let made = world.conversation(&surface).await;
    let change = json!({
        "status": "closed", "subject": "S", "participantName": "N", "participantEmail": "E@x.example", "timezone": "Asia/Tokyo",
        "context": {"c": []}, "participantMetadata": {"m": null}, "externalThreadId": "t", "externalParticipantId": "p",
    });
    let after = world.put(&path_of(&made), &change).await.expect(200);
    let mut expected = change.clone();
    expected["participantEmail"] = json!("e@x.example");
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&after[field], value, "{field}");
    }
    // The new thread id leads here from now on.
    let found = json!({"surfaceId": surface, "externalThreadId": "t", "externalParticipantId": "p"});
    assert_eq!(world.post(PATH, &found).await.expect(200)["id"], made["id"]);
    // A thread id of another conversation cannot be taken.
    let other = world.conversation(&surface).await;
    let answer =
        world.put(&path_of(&other), &json!({"externalThreadId": "t", "externalParticipantId": "p"})).await;
    assert_eq!(answer.expect_error(409), "THREAD_TAKEN");
    let wrong = json!({"status": "x", "subject": 5, "context": [], "timezone": "x", "participantEmail": "x"});
    let mut named = world.put(&path_of(&other), &wrong).await.fields_at_fault();
    named.sort();
    assert_eq!(named, ["context", "participantEmail", "status", "subject", "timezone"]);
}

#[tokio::test]
async fn a_deleted_conversation_is_gone_with_its_messages() {
    for world in World::each().await {
        let surface = world.surface("chat").await;
        let body = json!({"surfaceId": surface, "externalThreadId": "t", "externalParticipantId": "p"});
        let made = world.post(PATH, &body).await.expect(201);
        let path = path_of(&made);
        let message = json!({"role": "user", "content": "x", "externalMessageId": "m-1"});
        world.post(&format!("{path}/messages"), &message).await.expect(201);
        let gone = world.request(Method::DELETE, &path, Some(&world.key), Some(b"{}".to_vec())).await;
        assert_eq!(gone.expect(200), json!({"success": true}));
        world.get(&path).await.expect_error(404);
        world.get(&format!("{path}/messages")).await.expect_error(404);
        world.delete(&path).await.expect_error(404);
        assert_eq!(world.get(PATH).await.expect(200)["pagination"]["totalCount"], 0);
        // The thread id is free again, and a client may post the message again, once.
        let next = world.post(PATH, &body).await.expect(201);
        assert_ne!(next["id"], made["id"]);
        let posted = world.post(&format!("{}/messages", path_of(&next)), &message).await.expect(201);
        assert_eq!(posted["conversationId"], next["id"]);
        let repeated = world.post(&format!("{}/messages", path_of(&next)), &message).await.expect(200);
        assert_eq!(repeated, posted);
    }
}
