//! A human takes a conversation over and gives it back.

use super::world::{World, path_of};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn a_human_takes_over_once_and_gives_back_once() {
    for world in World::each().await {
        let surface = world.surface("chat").await;
        let made = world.conversation(&surface).await;
        let path = path_of(&made);
        world.clock.advance(Duration::from_secs(1));
        let taken = world.post(&format!("{path}/takeover"), &json!({"reason": "angry"})).await.expect(200);
        assert_eq!(
            taken,
            json!({
                "id": made["id"], "agentMode": "human", "takeoverAt": "2026-11-02T10:00:01.123456Z",
                "takeoverActorId": taken["takeoverActorId"], "takeoverActorType": "api_key", "takeoverReason": "angry",
                "updatedAt": "2026-11-02T10:00:01.123456Z",
            })
        );
        assert!(taken["takeoverActorId"].is_string());
        assert_eq!(world.get(&path).await.expect(200)["agentMode"], "human");
        let again = world.post(&format!("{path}/take-over"), &json!({})).await;
        assert_eq!(again.expect_error(409), "ALREADY_HUMAN");
        // Messages are stored as ever.
        let message = json!({"content": "x", "role": "user"});
        world.post(&format!("{path}/messages"), &message).await.expect(201);
        let released = world.post(&format!("{path}/release"), &json!({})).await.expect(200);
        assert_eq!(released["agentMode"], "agent");
        for field in ["takeoverAt", "takeoverActorId", "takeoverActorType", "takeoverReason"] {
            assert_eq!(released[field], Value::Null, "{field}");
        }
        assert_eq!(world.post(&format!("{path}/release"), &json!({})).await.expect_error(409), "NOT_HUMAN");
    }
}

#[tokio::test]
async fn the_body_of_a_take_over_may_be_missing_empty_or_null() {
    let world = World::new().await;
    let surface = world.surface("chat").await;
    for body in [None, Some("{}"), Some("null"), Some("")] {
        let made = world.conversation(&surface).await;
        let body = body.map(|text| text.as_bytes().to_vec());
        let path = format!("{}/takeover", path_of(&made));
        let taken = world.request(Method::POST, &path, Some(&world.key), body).await.expect(200);
        assert_eq!(taken["takeoverReason"], Value::Null);
    }
    let made = world.conversation(&surface).await;
    let answer = world.post(&format!("{}/takeover", path_of(&made)), &json!({"reason": 5})).await;
    assert_eq!(answer.fields_at_fault(), ["reason"]);
}
