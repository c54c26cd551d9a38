//! Messages of a conversation: posted, repeated, listed.

use super::world::{World, path_of};
use serde_json::{Value, json};
use std::time::Duration;

const MESSAGE_KEYS: &[&str] = &[
    "attachments",
    "content",
    "contentHtml",
    "conversationId",
    "createdAt",
    "direction",
    "externalMessageId",
    "flowStepResultId",
    "id",
    "inReplyTo",
    "metadata",
    "role",
    "sentAt",
];

async fn world_with_conversation(world: &World, kind: &str) -> String {
    let surface = world.surface(kind).await;
    path_of(&world.conversation(&surface).await)
}

#[tokio::test]
async fn a_message_has_every_field_and_is_listed_the_same() {
    for world in World::each().await {
        let conversation = world_with_conversation(&world, "chat").await;
        let messages = format!("{conversation}/messages");
        let body = json!({
            "content": "Grüße, 世界 👋", "role": "user", "externalMessageId": "m-1", "flowStepResultId": "f-1",
            "metadata": {"a": [1, {"b": null}]},
        });
        let posted = world.post(&messages, &body).await.expect(201);
        let mut keys: Vec<&str> = posted.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, MESSAGE_KEYS);
        assert_eq!(
            posted,
            json!({
                "attachments": [], "content": "Grüße, 世界 👋", "contentHtml": null,
                "conversationId": conversation.rsplit('/').next(), "createdAt": "2026-11-02T10:00:00.123456Z",
                "direction": "inbound", "externalMessageId": "m-1", "flowStepResultId": "f-1", "id": posted["id"],
                "inReplyTo": null, "metadata": {"a": [1, {"b": null}]}, "role": "user",
                "sentAt": "2026-11-02T10:00:00.123456Z",
            })
        );
        let list = world.get(&messages).await.expect(200);
        assert_eq!(list, json!({"data": [posted], "totalCount": 1, "nextCursor": null}));
    }
}

#[tokio::test]
async fn direction_follows_the_role_unless_it_is_named() {
    let world = World::new().await;
    let messages = format!("{}/messages", world_with_conversation(&world, "chat").await);
    let mut sent = vec![
        (json!({"role": "user"}), json!("inbound")),
        (json!({"role": "assistant"}), json!("outbound")),
        (json!({"role": "system"}), Value::Null),
        (json!({"role": "user", "direction": "outbound"}), json!("outbound")),
        (json!({"role": "system", "direction": "inbound"}), json!("inbound")),
        (json!({"role": "assistant", "direction": null}), json!("outbound")),
    ];
    for (body, direction) in &mut sent {
        body["content"] = json!("x");
        let posted = world.post(&messages, body).await.expect(201);
        assert_eq!(&posted["direction"], direction, "{body}");
        assert_eq!(posted["metadata"], json!({}));
    }
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_named() {
    let world = World::new().await;
    let messages = format!("{}/messages", world_with_conversation(&world, "chat").await);
    for (body, fields) in [
        (json!({}), vec!["content", "role"]),
        (json!({"content": "", "role": "user"}), vec!["content"]),
        (json!({"content": null, "role": null}), vec!["content", "role"]),
        (
            json!({"content": ["x"], "role": "robot", "direction": "sideways"}),
            vec!["content", "role", "direction"],
        ),
        (
            json!({"content": "x", "role": "user", "externalMessageId": "x".repeat(501), "metadata": "m", "flowStepResultId": 1}),
            vec!["externalMessageId", "flowStepResultId", "metadata"],
        ),
    ] {
        assert_eq!(world.post(&messages, &body).await.fields_at_fault(), fields, "{body}");
    }
}

#[tokio::test]
async fn the_same_external_id_again_is_the_stored_message() {
    for world in World::each().await {
        let conversation = world_with_conversation(&world, "chat").await;
        let messages = format!("{conversation}/messages");
        let body = |content: &str| json!({"content": content, "role": "user", "externalMessageId": "m-1"});
        let first = world.post(&messages, &body("one")).await.expect(201);
        let after_first = world.get(&conversation).await.expect(200);
        world.clock.advance(Duration::from_secs(60));
        assert_eq!(world.post(&messages, &body("one")).await.expect(200), first);
        assert_eq!(world.post(&messages, &body("two")).await.expect(200), first);
        // A repeat changes nothing: no counter, no time.
        assert_eq!(world.get(&conversation).await.expect(200), after_first);
        assert_eq!(world.get(&messages).await.expect(200)["totalCount"], 1);
    }
}

#[tokio::test]
async fn one_external_id_posted_a_hundred_times_at_once_is_one_message() {
    for world in World::each().await {
        let conversation = world_with_conversation(&world, "chat").await;
        let messages = format!("{conversation}/messages");
        let body = json!({"content": "x", "role": "user", "externalMessageId": "m-1"});
        let answers = futures_util::future::join_all((0..100).map(|_| world.post(&messages, &body))).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 99);
        let first = answers[0].json();
        assert!(answers.iter().all(|answer| answer.json() == first));
        assert_eq!(world.get(&conversation).await.expect(200)["messageCount"], 1);
    }
}

#[tokio::test]
async fn a_message_moves_the_counters_of_its_conversation() {
    for world in World::each().await {
        let conversation = world_with_conversation(&world, "chat").await;
        let messages = format!("{conversation}/messages");
        world.clock.advance(Duration::from_secs(1));
        world.post(&messages, &json!({"content": "x", "role": "user"})).await.expect(201);
        world.clock.advance(Duration::from_secs(1));
        world.post(&messages, &json!({"content": "y", "role": "assistant"})).await.expect(201);
        let read = world.get(&conversation).await.expect(200);
        assert_eq!(read["messageCount"], 2);
        assert_eq!(read["lastMessageAt"], "2026-11-02T10:00:02.123456Z");
        assert_eq!(read["updatedAt"], "2026-11-02T10:00:02.123456Z");
    }
}

#[tokio::test]
async fn an_inbound_message_reopens_a_closed_conversation_and_an_outbound_one_does_not() {
    let world = World::new().await;
    let conversation = world_with_conversation(&world, "chat").await;
    let messages = format!("{conversation}/messages");
    world.put(&conversation, &json!({"status": "closed"})).await.expect(200);
    world.post(&messages, &json!({"content": "x", "role": "assistant"})).await.expect(201);
    assert_eq!(world.get(&conversation).await.expect(200)["status"], "closed");
    world.post(&messages, &json!({"content": "x", "role": "user"})).await.expect(201);
    assert_eq!(world.get(&conversation).await.expect(200)["status"], "open");
}

#[tokio::test]
async fn messages_are_listed_both_ways_and_by_page() {
    for world in World::each().await {
        let conversation = world_with_conversation(&world, "chat").await;
        let messages = format!("{conversation}/messages");
        for number in 0..7 {
            // Two share a moment: then the id decides.
            if number % 2 == 0 {
                world.clock.advance(Duration::from_secs(1));
            }
            world.post(&messages, &json!({"content": number.to_string(), "role": "user"})).await.expect(201);
        }
        for (order, expected) in [("", "0123456"), ("order=asc&", "0123456"), ("order=desc&", "6543210")] {
            let mut seen = String::new();
            let mut query = format!("?{order}limit=3");
            loop {
                let page = world.get(&format!("{messages}{query}")).await.expect(200);
                assert_eq!(page["totalCount"], 7);
                let rows = page["data"].as_array().unwrap();
                assert!(rows.len() <= 3);
                seen.extend(rows.iter().map(|row| row["content"].as_str().unwrap()));
                let Some(cursor) = page["nextCursor"].as_str() else { break };
                query = format!("?{order}limit=3&cursor={cursor}");
            }
            assert_eq!(seen, expected, "{order}");
        }
        let first = world.get(&format!("{messages}?limit=1")).await.expect(200);
        let cursor = first["nextCursor"].as_str().unwrap();
        let other_order = world.get(&format!("{messages}?order=desc&cursor={cursor}")).await;
        assert_eq!(other_order.fields_at_fault(), ["cursor"]);
        assert_eq!(world.get(&format!("{messages}?order=up")).await.fields_at_fault(), ["order"]);
    }
}

#[tokio::test]
async fn a_posted_mail_is_known_by_its_message_id() {
    let world = World::new().await;
    let messages = format!("{}/messages", world_with_conversation(&world, "email").await);
    let body = |id: &str| json!({"content": "x", "role": "assistant", "externalMessageId": id});
    let posted = world.post(&messages, &body("<r1@Inlet.example>")).await.expect(201);
    assert_eq!(posted["externalMessageId"], "r1@Inlet.example");
    assert_eq!(world.post(&messages, &body("r1@inlet.example")).await.expect(200)["id"], posted["id"]);
}

#[tokio::test]
async fn every_change_leaves_its_event() {
    for world in World::each().await {
        let conversation = world_with_conversation(&world, "chat").await;
        let messages = format!("{conversation}/messages");
        let body = json!({"content": "x", "role": "user", "externalMessageId": "m"});
        world.post(&messages, &body).await.expect(201);
        world.post(&messages, &body).await.expect(200);
        world.put(&conversation, &json!({"status": "closed"})).await.expect(200);
        world.post(&messages, &json!({"content": "y", "role": "user"})).await.expect(201);
        let events = world.store.list_events(world.tenant, None, 100).await.unwrap();
        let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
        assert_eq!(
            kinds,
            [
                "conversation.created",
                "message.created",
                "conversation.updated",
                "message.created",
                "conversation.updated"
            ]
        );
        assert!(events.iter().all(|event| event.conversation_id.is_some() && !event.backfill));
    }
}

#[tokio::test]
async fn a_mail_whose_id_leads_elsewhere_makes_the_two_conversations_one() {
    for world in World::each().await {
        let surface = world.surface("email").await;
        let open = |thread: &'static str| {
            let body = json!({"surfaceId": surface, "externalThreadId": thread});
            let world = &world;
            async move { world.post("/v1/messaging/conversations", &body).await.expect(201) }
        };
        // Younger and older both ways: the older one stays, whichever is posted to.
        for (first, second, posted_to) in
            [("a1@x.example", "b1@x.example", 0), ("a2@x.example", "b2@x.example", 1)]
        {
            let mut both = Vec::new();
            for thread in [first, second] {
                both.push(open(thread).await);
                world.clock.advance(Duration::from_secs(60));
            }
            for conversation in &both {
                let body = json!({"content": "Before", "role": "user"});
                world.post(&format!("{}/messages", path_of(conversation)), &body).await.expect(201);
            }
            let leads_elsewhere = [second, first][posted_to];
            let body =
                json!({"content": "Answer", "role": "assistant", "externalMessageId": leads_elsewhere});
            let posted =
                world.post(&format!("{}/messages", path_of(&both[posted_to])), &body).await.expect(201);
            assert_eq!(posted["conversationId"], both[0]["id"]);
            for conversation in &both {
                let now = world.get(&path_of(conversation)).await.expect(200);
                assert_eq!((&now["id"], &now["mergedFrom"]), (&both[0]["id"], &json!([both[1]["id"]])));
                assert_eq!(now["messageCount"], 3);
                let list = world.get(&format!("{}/messages", path_of(conversation))).await.expect(200);
                assert_eq!(list["totalCount"], 3);
            }
            let again = world.post(&format!("{}/messages", path_of(&both[1])), &body).await.expect(200);
            assert_eq!(again["id"], posted["id"], "posted twice it is one message");
        }
        let list = world.get("/v1/messaging/conversations").await.expect(200);
        assert_eq!(list["pagination"]["totalCount"], 2);
    }
}
