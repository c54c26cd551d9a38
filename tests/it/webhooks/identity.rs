//! Whose message it is and which one: edits, deletions, groups, people of several ids, messages without
//! ids, our own words coming back. On both stores.

use super::*;
use std::time::Duration;

/// A surface of a preset that takes anybody's word: what is proved here is not the sender.
async fn open(world: &World, kind: &str, provider: &str) -> String {
    surface(world, kind, json!({"provider": provider, "allowUnsigned": true})).await
}

async fn post(world: &World, surface: &str, body: &Value) -> Value {
    let answer = send(world, surface, &[], body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
}

/// The messages of a surface, by conversation, oldest first.
async fn messages(world: &World, surface: &str) -> Vec<Vec<Value>> {
    let list = world.get(&format!("/v1/messaging/conversations?surfaceId={surface}")).await.expect(200);
    let mut all = Vec::new();
    for row in list["data"].as_array().unwrap() {
        let path = format!("/v1/messaging/conversations/{}/messages", row["id"].as_str().unwrap());
        let page = world.get(&path).await.expect(200);
        assert_eq!(page["totalCount"], row["messageCount"]);
        all.push(page["data"].as_array().unwrap().clone());
    }
    all
}

async fn only(world: &World, surface: &str) -> Value {
    let all = messages(world, surface).await;
    assert_eq!((all.len(), all[0].len()), (1, 1), "{all:?}");
    all[0][0].clone()
}

fn telegram(update: &str, message_id: i64, text: &str, more: &Value) -> Value {
    let mut message = json!({"message_id": message_id, "date": 1_762_000_000, "text": text,
        "chat": {"id": 7, "type": "private"}, "from": {"id": 7, "is_bot": false, "first_name": "Ana"}});
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"update_id": message_id, update: message})
}

#[tokio::test]
async fn e53_an_edit_is_recorded_on_its_message() {
    for world in World::each().await {
        let id = open(&world, "telegram", "telegram").await;
        post(&world, &id, &telegram("message", 1, "helo", &json!({}))).await;
        let first = telegram("edited_message", 1, "hello", &json!({"edit_date": 1_762_000_010}));
        let second = telegram("edited_message", 1, "hello!", &json!({"edit_date": 1_762_000_020}));
        // The older edit comes again after the newer one, and each comes twice.
        for edit in [&first, &second, &first, &second] {
            post(&world, &id, edit).await;
        }
        let message = only(&world, &id).await;
        assert_eq!(message["content"], "hello!");
        assert_eq!(message["metadata"]["editedAt"], "2025-11-01T12:27:00Z");
        let before: Vec<&Value> =
            message["metadata"]["edits"].as_array().unwrap().iter().map(|edit| &edit["content"]).collect();
        assert_eq!(before, ["helo", "hello"]);
        // The message itself, delivered again, undoes nothing.
        post(&world, &id, &telegram("message", 1, "helo", &json!({}))).await;
        assert_eq!(only(&world, &id).await["content"], "hello!");
    }
}

#[tokio::test]
async fn e53_an_edit_that_comes_first_is_the_message() {
    for world in World::each().await {
        let id = open(&world, "telegram", "telegram").await;
        post(&world, &id, &telegram("edited_message", 1, "new", &json!({"edit_date": 1_762_000_010}))).await;
        post(&world, &id, &telegram("message", 1, "old", &json!({}))).await;
        assert_eq!(only(&world, &id).await["content"], "new");
    }
}

fn slack(event: &Value) -> Value {
    json!({"type": "event_callback", "team_id": "T1", "event_id": "Ev", "event": event})
}

#[tokio::test]
async fn e53_a_deletion_is_recorded_on_its_message_and_makes_none() {
    for world in World::each().await {
        let id = open(&world, "slack", "slack").await;
        let gone = |ts: &str| {
            slack(&json!({"type": "message", "subtype": "message_deleted", "channel": "C1", "deleted_ts": ts,
                "event_ts": "1762000030.000000", "channel_type": "channel"}))
        };
        let said =
            slack(&json!({"type": "message", "channel": "C1", "channel_type": "channel", "user": "U1",
            "text": "oops", "ts": "1762000000.000100"}));
        post(&world, &id, &said).await;
        post(&world, &id, &gone("1762000000.000100")).await;
        post(&world, &id, &gone("1762000000.000100")).await;
        let message = only(&world, &id).await;
        assert_eq!(message["metadata"]["deletedAt"], "2025-11-01T12:27:10Z");
    }
}

/// One message of Telegram's business chats taken back.
fn taken_back(ids: &[i64]) -> Value {
    json!({"update_id": 9, "deleted_business_messages": {"business_connection_id": "b", "chat": {"id": 7}, "message_ids": ids}})
}

#[tokio::test]
async fn e53_a_deletion_that_comes_first_is_recorded_when_its_message_comes() {
    for world in World::each().await {
        let id = open(&world, "telegram", "telegram").await;
        // Before its message, twice; and one whose message never comes.
        post(&world, &id, &taken_back(&[1, 2])).await;
        post(&world, &id, &taken_back(&[1])).await;
        assert_eq!(totals(&world, &id).await, (0, 0));
        let answer = post(&world, &id, &telegram("message", 1, "oops", &json!({}))).await;
        assert_eq!(answer, Value::Null);
        let message = only(&world, &id).await;
        assert_eq!(
            (&message["content"], message["metadata"]["deletedAt"].is_string()),
            (&json!("oops"), true)
        );
        // What came once comes no second time, edited or not, and stays taken back.
        post(&world, &id, &telegram("message", 1, "oops", &json!({}))).await;
        post(&world, &id, &telegram("edited_message", 1, "ooops", &json!({"edit_date": 1_762_000_010})))
            .await;
        post(&world, &id, &taken_back(&[1])).await;
        assert_eq!(only(&world, &id).await["metadata"]["deletedAt"], message["metadata"]["deletedAt"]);
        // Others are not touched by it.
        post(&world, &id, &telegram("message", 3, "stays", &json!({}))).await;
        let all: Vec<Value> = messages(&world, &id).await.concat();
        assert_eq!(all.iter().filter(|it| it["metadata"]["deletedAt"].is_string()).count(), 1);
        assert_eq!(all.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_and_its_message_at_once_are_never_parted() {
    for world in World::each().await {
        let world = std::sync::Arc::new(world);
        let id = std::sync::Arc::new(open(&world, "telegram", "telegram").await);
        let both = (1..=40)
            .flat_map(|number| [telegram("message", number, "oops", &json!({})), taken_back(&[number])]);
        let posts = both.map(|body| {
            let (world, id) = (world.clone(), id.clone());
            tokio::spawn(async move { post(&world, &id, &body).await })
        });
        for one in posts.collect::<Vec<_>>() {
            one.await.unwrap();
        }
        let all: Vec<Value> = messages(&world, &id).await.concat();
        assert_eq!(all.len(), 40);
        assert!(all.iter().all(|it| it["metadata"]["deletedAt"].is_string()), "{all:?}");
    }
}

#[tokio::test]
async fn e60_a_group_is_one_thread_of_its_authors() {
    for world in World::each().await {
        let id = open(&world, "telegram", "telegram").await;
        for (message_id, who) in [(1, "Ana"), (2, "Bo"), (3, "Ana")] {
            let from = json!({"id": who.len(), "is_bot": false, "first_name": who});
            let more = json!({"chat": {"id": -100, "type": "supergroup"}, "from": from});
            post(&world, &id, &telegram("message", message_id, "hi", &more)).await;
        }
        // Two people in private are two conversations.
        for who in [11, 12] {
            let more = json!({"chat": {"id": who, "type": "private"}, "from": {"id": who, "is_bot": false}});
            post(&world, &id, &telegram("message", who, "hi", &more)).await;
        }
        let mut sizes: Vec<usize> = messages(&world, &id).await.iter().map(Vec::len).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [1, 1, 3]);
        // LINE does not always say who writes in a group.
        let line = open(&world, "chat", "line").await;
        for (number, source) in [
            json!({"type": "group", "groupId": "G"}),
            json!({"type": "group", "groupId": "G", "userId": "U1"}),
        ]
        .into_iter()
        .enumerate()
        {
            let event = json!({"type": "message", "timestamp": 1_762_000_000_000_i64, "source": source,
                "message": {"id": number.to_string(), "type": "text", "text": "hi"}});
            post(&world, &line, &json!({"events": [event]})).await;
        }
        assert_eq!(totals(&world, &line).await, (1, 2));
    }
}

fn whatsapp(id: &str, who: &Value) -> Value {
    let mut message = json!({"id": id, "timestamp": "1762000000", "type": "text", "text": {"body": "hi"}});
    message.as_object_mut().unwrap().extend(who.as_object().unwrap().clone());
    json!({"object": "whatsapp_business_account", "entry": [{"id": "W", "changes": [{"field": "messages",
        "value": {"metadata": {"phone_number_id": "PN1"}, "messages": [message]}}]}]})
}

#[tokio::test]
async fn e56_one_person_of_two_ids_is_one_conversation() {
    for world in World::each().await {
        let phone = json!({"from": "15552223333"});
        let user = json!({"from_user_id": "US.77"});
        let both = json!({"from": "15552223333", "from_user_id": "US.77"});
        // Whichever id came first, and although a stranger stands beside.
        for order in [[&phone, &both, &user], [&both, &user, &phone], [&phone, &user, &both]] {
            let id = open(&world, "whatsapp", "whatsapp").await;
            for (number, who) in order.into_iter().enumerate() {
                post(&world, &id, &whatsapp(&format!("wamid.{number}"), who)).await;
            }
            assert_eq!(totals(&world, &id).await, (1, 3), "{order:?}");
            post(&world, &id, &whatsapp("wamid.x", &json!({"from": "15559999999"}))).await;
            assert_eq!(totals(&world, &id).await, (2, 4));
        }
    }
}

#[tokio::test]
async fn e57_an_echo_is_ours_on_the_same_thread() {
    for world in World::each().await {
        let id = open(&world, "messaging", "messenger").await;
        let event = |mid: &str, sender: &str, recipient: &str, echo: bool| {
            let message = json!({"mid": mid, "text": "hi", "is_echo": echo});
            json!({"object": "page", "entry": [{"id": "PAGE", "messaging": [{"sender": {"id": sender},
                "recipient": {"id": recipient}, "timestamp": 1_762_000_000_000_i64, "message": message}]}]})
        };
        post(&world, &id, &event("m1", "PSID", "PAGE", false)).await;
        post(&world, &id, &event("m2", "PAGE", "PSID", true)).await;
        let all = messages(&world, &id).await;
        assert_eq!(all.len(), 1);
        let directions: Vec<&Value> = all[0].iter().map(|message| &message["direction"]).collect();
        assert_eq!(directions, ["inbound", "outbound"]);
        let list = world.get(&format!("/v1/messaging/conversations?surfaceId={id}")).await.expect(200);
        assert_eq!(list["data"][0]["externalParticipantId"], "PSID");
    }
}

#[tokio::test]
async fn e58_e59_our_own_reply_comes_back_before_or_after_it_is_known() {
    for world in World::each().await {
        let id = inlet(&world).await;
        let asked =
            signed(&world, &id, &json!({"externalThreadId": "t", "externalMessageId": "q", "content": "?"}))
                .await
                .expect(200);
        let conversation = asked["messages"][0]["conversationId"].as_str().unwrap().to_owned();
        let path = format!("/v1/messaging/conversations/{conversation}/messages");
        let reply = |id: &str| json!({"content": "!", "role": "assistant", "externalMessageId": id});
        let echo = |id: &str| json!({"externalThreadId": "t", "externalMessageId": id, "content": "!", "direction": "outbound"});
        // The send call knew its id before the echo came.
        world.post(&path, &reply("a")).await.expect(201);
        assert_eq!(signed(&world, &id, &echo("a")).await.expect(200)["duplicates"], 1);
        // The echo was faster.
        assert_eq!(signed(&world, &id, &echo("b")).await.expect(200)["accepted"], 1);
        world.post(&path, &reply("b")).await.expect(200);
        assert_eq!(totals(&world, &id).await, (1, 3));
    }
}

#[tokio::test]
async fn e51_two_real_oks_are_kept_and_a_retry_is_one() {
    for world in World::each().await {
        let id = inlet(&world).await;
        let ok = json!({"externalThreadId": "t", "content": "ok"});
        let count = async |body: &Value| signed(&world, &id, body).await.expect(200)["accepted"].clone();
        world.clock.advance(Duration::from_secs(15));
        assert_eq!(count(&ok).await, 1);
        // A provider that did not hear us tries again within the half minute, whatever the clock's minute.
        for seconds in [1, 9, 19] {
            world.clock.advance(Duration::from_secs(seconds));
            assert_eq!(count(&ok).await, 0, "after {seconds} s more");
        }
        world.clock.advance(Duration::from_secs(60));
        assert_eq!(count(&ok).await, 1);
        // With a time of their own they need no clock of ours.
        let at = |time: &str| json!({"externalThreadId": "t", "content": "ok", "timestamp": time});
        assert_eq!(count(&at("2026-11-02T09:00:00Z")).await, 1);
        assert_eq!(count(&at("2026-11-02T09:00:05Z")).await, 1);
        world.clock.advance(Duration::from_secs(3_600));
        assert_eq!(count(&at("2026-11-02T09:00:05Z")).await, 0);
        // The same words twice in one request are two messages; the request again is a repeat.
        let twice =
            json!([{"externalThreadId": "u", "content": "ok"}, {"externalThreadId": "u", "content": "ok"}]);
        assert_eq!(count(&twice).await, 2);
        assert_eq!(count(&twice).await, 0);
    }
}

#[tokio::test]
async fn e50_ids_are_scoped_to_what_they_count_in() {
    for world in World::each().await {
        let id = open(&world, "telegram", "telegram").await;
        for chat in [1, 2] {
            let more =
                json!({"chat": {"id": chat, "type": "private"}, "from": {"id": chat, "is_bot": false}});
            post(&world, &id, &telegram("message", 41, "hi", &more)).await;
        }
        assert_eq!(totals(&world, &id).await, (2, 2));
        let chatwoot = open(&world, "chat", "chatwoot").await;
        for account in [1, 2] {
            let event = json!({"event": "message_created", "id": 881, "content": "Hi", "message_type": "incoming",
                "account": {"id": account}, "conversation": {"id": 5, "contact_inbox": {"source_id": "s"}}});
            post(&world, &chatwoot, &event).await;
        }
        assert_eq!(totals(&world, &chatwoot).await, (2, 2));
        // One id on two surfaces.
        for _ in 0..2 {
            let other = inlet(&world).await;
            signed(
                &world,
                &other,
                &json!({"externalMessageId": "m", "externalThreadId": "t", "content": "x"}),
            )
            .await
            .expect(200);
            assert_eq!(totals(&world, &other).await, (1, 1));
        }
    }
}

#[tokio::test]
async fn e48_one_message_told_by_several_events_is_one() {
    for world in World::each().await {
        let id = open(&world, "slack", "slack").await;
        for kind in ["message", "app_mention"] {
            let event = json!({"type": kind, "channel": "C1", "user": "U1", "text": "<@B> hi", "ts": "1762000000.000100"});
            post(&world, &id, &slack(&event)).await;
        }
        assert_eq!(totals(&world, &id).await, (1, 1));
        // A notification repeats earlier parts.
        let part = |id: &str| {
            json!({"type": "conversation_part", "part_type": "comment", "id": id, "body": format!("<p>{id}</p>"),
            "author": {"id": "u", "type": "user"}, "created_at": 1_762_000_000})
        };
        let intercom = open(&world, "chat", "intercom").await;
        let told = |topic: &str, parts: Vec<Value>| {
            json!({"type": "notification_event", "topic": topic, "data": {"item":
            {"type": "conversation", "id": "c", "source": {"id": "s", "body": "<p>first</p>", "author": {"id": "u", "type": "user"}},
             "conversation_parts": {"conversation_parts": parts}}}})
        };
        post(&world, &intercom, &told("conversation.user.created", vec![])).await;
        post(&world, &intercom, &told("conversation.user.replied", vec![part("p1")])).await;
        post(&world, &intercom, &told("conversation.user.replied", vec![part("p1"), part("p2")])).await;
        assert_eq!(totals(&world, &intercom).await, (1, 3));
    }
}

#[tokio::test]
async fn a_mail_in_parts_is_threaded_like_a_mail() {
    for world in World::each().await {
        let id = open(&world, "email", "postmark").await;
        let mail = |message_id: &str, references: &str, text: &str| {
            json!({"FromFull": {"Email": "ana@example.org", "Name": "Ana"}, "Subject": "Hi", "TextBody": text, "MessageID": "u",
                "Headers": [{"Name": "Message-ID", "Value": message_id}, {"Name": "References", "Value": references}],
                "Attachments": [{"Name": "a.txt", "Content": "aGk=", "ContentType": "text/plain"}]})
        };
        post(&world, &id, &mail("<1@x>", "", "Hello")).await;
        let reply =
            mail("<2@x>", "<1@x>", "Thanks\n\nOn Mon, 3 Nov 2025 at 10:00, Bo <bo@x> wrote:\n> Hello");
        post(&world, &id, &reply).await;
        post(&world, &id, &reply).await;
        let all = messages(&world, &id).await;
        assert_eq!((all.len(), all[0].len()), (1, 2));
        assert_eq!(all[0][1]["content"], "Thanks");
        assert_eq!(all[0][1]["attachments"][0]["state"], "stored");
        assert_eq!(all[0][1]["metadata"]["from"]["email"], "ana@example.org");
    }
}
