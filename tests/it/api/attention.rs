//! Attention items and reply addresses over the API, on both stores.

use super::world::{World, path_of};
use inlet::ids::{AttentionId, ConversationId, SurfaceId};
use inlet::model::attention::{AttentionItem, AttentionKind, AttentionStatus};
use reqwest::Method;
use serde_json::{Value, json};

async fn raise(world: &World, surface: &str, conversation: &Value) -> AttentionId {
    let id = world.ids.next();
    let item = AttentionItem {
        id,
        surface_id: SurfaceId::parse(surface).unwrap(),
        conversation_id: ConversationId::parse(conversation["id"].as_str().unwrap()).unwrap(),
        kind: AttentionKind::HumanRequested,
        reason: Some("She asks for a human.".to_owned()),
        status: AttentionStatus::Open,
        created_at: "2026-11-02T09:00:00Z".parse().unwrap(),
        resolved_at: None,
    };
    let mut tx = world.store.begin().await.unwrap();
    tx.insert_attention_items(world.tenant, &[item]).await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn listed(world: &World, query: &str) -> Vec<Value> {
    world.get(&format!("/api/attention-items{query}")).await.expect(200).as_array().unwrap().clone()
}

#[tokio::test]
async fn attention_items_are_listed_newest_first_and_resolved_once() {
    for world in World::each().await {
        let surface = world.surface("chat").await;
        let conversation = world.conversation(&surface).await;
        let (first, second) =
            (raise(&world, &surface, &conversation).await, raise(&world, &surface, &conversation).await);
        let items = listed(&world, "").await;
        let ids: Vec<&str> = items.iter().map(|item| item["id"].as_str().unwrap()).collect();
        assert_eq!(ids, [second.to_string(), first.to_string()]);
        let expected = json!({
            "id": first, "tenantId": world.tenant, "conversationId": conversation["id"], "type": "human_requested",
            "reason": "She asks for a human.", "status": "open", "createdAt": "2026-11-02T09:00:00Z", "resolvedAt": null,
        });
        assert_eq!(items[1], expected);
        assert_eq!(listed(&world, "?limit=1").await.len(), 1);
        assert_eq!(listed(&world, &format!("?before={second}")).await, [expected]);
        let path = format!("/api/attention-items/{first}/resolve");
        assert_eq!(world.post(&path, &json!({})).await.expect(200), json!({"ok": true}));
        assert_eq!(world.post(&path, &json!({})).await.expect_error(409), "ALREADY_RESOLVED");
        let resolved = listed(&world, "?status=resolved").await;
        assert_eq!((resolved.len(), resolved[0]["resolvedAt"].is_string()), (1, true));
        assert_eq!(listed(&world, "?status=open").await.len(), 1);
        world.get("/api/attention-items?status=lost").await.expect_error(400);
        let other = world.tenant_named("second").await;
        let other = world.key_of(other, &["conversations:read"]).await;
        let answer = world.request(Method::GET, "/api/attention-items", Some(&other), None).await;
        assert_eq!(answer.expect(200), json!([]));
        world.request(Method::DELETE, &path_of(&conversation), Some(&world.key), None).await.expect(200);
        assert!(listed(&world, "").await.is_empty(), "they go with their conversation");
    }
}

#[tokio::test]
async fn a_reply_address_is_given_for_mail_surfaces_that_have_an_address() {
    for world in World::each().await {
        let chat = world.surface("chat").await;
        let conversation = world.conversation(&chat).await;
        let path = format!("{}/reply-address", path_of(&conversation));
        assert_eq!(world.get(&path).await.fields_at_fault(), ["surface"]);
        let order = json!({"name": "mail", "type": "email", "config": {"ownAddresses": ["help@us.example"]}});
        let mail = world.post("/v1/surfaces", &order).await.expect(201);
        let conversation = world.conversation(mail["id"].as_str().unwrap()).await;
        let path = format!("{}/reply-address", path_of(&conversation));
        let (one, two) = (world.get(&path).await.expect(200), world.get(&path).await.expect(200));
        assert_eq!(one["replyTo"], two["replyTo"]);
        assert_ne!(one["messageId"], two["messageId"]);
        assert!(one["replyTo"].as_str().unwrap().starts_with("help+"), "{one}");
        assert!(one["messageId"].as_str().unwrap().ends_with("@us.example"), "{one}");
        let bare = world.post("/v1/surfaces", &json!({"name": "bare", "type": "email"})).await.expect(201);
        let conversation = world.conversation(bare["id"].as_str().unwrap()).await;
        let path = format!("{}/reply-address", path_of(&conversation));
        assert_eq!(world.get(&path).await.fields_at_fault(), ["surface.config.ownAddresses"]);
    }
}
