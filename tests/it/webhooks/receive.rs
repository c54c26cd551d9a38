//! What a good request is answered, and what is read back afterwards.

use super::*;
use std::time::Duration;

#[tokio::test]
async fn a_signed_message_is_read_back_through_the_api() {
    for world in World::each().await {
        let id = inlet(&world).await;
        let body = json!({"externalThreadId": "t-1", "externalMessageId": "m-1", "externalParticipantId": "u-1",
            "participant": {"name": "Ana", "email": "Ana@Example.org"}, "content": "Hi", "subject": "Hello"});
        let first = signed(&world, &id, &body).await.expect(200);
        assert_eq!(
            (&first["accepted"], &first["duplicates"], &first["ignored"], &first["quarantined"]),
            (&json!(1), &json!(0), &json!(0), &json!(0))
        );
        let conversation = first["messages"][0]["conversationId"].as_str().unwrap();
        let messages =
            world.get(&format!("/v1/messaging/conversations/{conversation}/messages")).await.expect(200);
        assert_eq!(messages["data"][0]["content"], "Hi");
        assert_eq!(messages["data"][0]["externalMessageId"], "m-1");
        assert_eq!(messages["data"][0]["id"], first["messages"][0]["id"]);
        let detail = world.get(&format!("/v1/messaging/conversations/{conversation}")).await.expect(200);
        assert_eq!(detail["externalThreadId"], "t-1");
        assert_eq!(detail["participantEmail"], "ana@example.org");

        // Expectation 45: the same again is the same message.
        let again = signed(&world, &id, &body).await.expect(200);
        assert_eq!((&again["accepted"], &again["duplicates"]), (&json!(0), &json!(1)));
        assert_eq!(again["messages"], first["messages"]);
        assert_eq!(totals(&world, &id).await, (1, 1));
    }
}

#[tokio::test]
async fn the_other_address_is_the_same_door() {
    let world = World::new().await;
    let id = inlet(&world).await;
    let body = r#"{"externalThreadId":"t","externalMessageId":"m","content":"x"}"#;
    let mut headers = HeaderMap::new();
    headers.insert(
        "x-inlet-signature",
        HeaderValue::from_str(&format!("sha256={}", proof(body.as_bytes()))).unwrap(),
    );
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    let path = format!("/v1/products/prod_1/surfaces/{id}/webhook");
    let answer = world.send(Method::POST, &path, headers, Some(body.into())).await;
    assert_eq!(answer.expect(200)["accepted"], 1);
    let head = world.send(Method::HEAD, &path, HeaderMap::new(), None).await;
    assert_eq!(head.status, 200);
}

#[tokio::test]
async fn a_custom_surface_is_mapped_by_its_settings() {
    let world = World::new().await;
    let id = surface(&world, "chat", json!({"provider": "custom", "secrets": [SECRET],
        "verify": {"scheme": "hmac-sha256", "header": "X-Widget-Signature", "prefix": "sha256="},
        "map": {"each": "$.events[*]", "when": [{"path": "$.type", "in": ["message"]}],
            "thread": "$.conversation.id", "participant": "$.author.id", "messageId": "$.id", "text": "$.text",
            "direction": {"path": "$.author.role", "inbound": ["visitor"], "outbound": ["agent"]}}})).await;
    let body = json!({"events": [
        {"type": "message", "id": 1, "conversation": {"id": 5_741_311_803_571_721_087_u64}, "author": {"id": "u", "role": "visitor"}, "text": "a"},
        {"type": "typing", "conversation": {"id": 1}},
        {"type": "message", "id": 2, "conversation": {"id": "5741311803571721087"}, "author": {"id": "u", "role": "agent"}, "text": "b"},
        {"type": "message", "id": 3, "text": "no thread"}]}).to_string();
    let header = format!("sha256={}", proof(body.as_bytes()));
    let answer = send(&world, &id, &[("X-Widget-Signature", &header)], body).await.expect(200);
    assert_eq!(
        (&answer["accepted"], &answer["ignored"], &answer["quarantined"]),
        (&json!(2), &json!(1), &json!(1))
    );
    // Expectation 61: one thread, as number and as text.
    assert_eq!(answer["messages"][0]["conversationId"], answer["messages"][1]["conversationId"]);
    let conversation = answer["messages"][0]["conversationId"].as_str().unwrap();
    let messages =
        world.get(&format!("/v1/messaging/conversations/{conversation}/messages")).await.expect(200);
    let directions: Vec<_> =
        messages["data"].as_array().unwrap().iter().map(|message| message["direction"].clone()).collect();
    assert_eq!(directions, ["inbound", "outbound"]);
}

#[tokio::test]
async fn forms_files_and_mails_are_taken_too() {
    let world = World::new().await;
    let id = surface(&world, "webhook", json!({"provider": "inlet", "allowUnsigned": true})).await;
    let form = send(
        &world,
        &id,
        &[("content-type", "application/x-www-form-urlencoded")],
        "externalThreadId=t&externalMessageId=1&content=Hi+there",
    )
    .await;
    assert_eq!(form.expect(200)["accepted"], 1);
    let multipart = "--b\r\nContent-Disposition: form-data; name=externalThreadId\r\n\r\nt\r\n--b\r\nContent-Disposition: form-data; name=f; filename=a.txt\r\nContent-Type: text/plain\r\n\r\nfile\r\n--b--\r\n";
    let answer = send(&world, &id, &[("content-type", "multipart/form-data; boundary=b")], multipart)
        .await
        .expect(200);
    let conversation = answer["messages"][0]["conversationId"].as_str().unwrap();
    let messages =
        world.get(&format!("/v1/messaging/conversations/{conversation}/messages")).await.expect(200);
    let attachment = &messages["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|message| message["attachments"] != json!([]))
        .unwrap()["attachments"][0];
    assert_eq!(
        (&attachment["filename"], &attachment["size"], &attachment["state"]),
        (&json!("a.txt"), &json!(4), &json!("stored"))
    );
    let mail = "From: Ana <ana@example.org>\r\nMessage-ID: <one@example.org>\r\nSubject: Hi\r\n\r\nBody\r\n";
    let answer = send(&world, &id, &[("content-type", "message/rfc822")], mail).await.expect(200);
    let conversation = answer["messages"][0]["conversationId"].as_str().unwrap();
    let detail = world.get(&format!("/v1/messaging/conversations/{conversation}")).await.expect(200);
    assert_eq!((&detail["subject"], &detail["participantEmail"]), (&json!("Hi"), &json!("ana@example.org")));
}

#[tokio::test]
async fn a_rate_limit_is_of_one_surface() {
    let world = World::new().await;
    let limited =
        surface(&world, "webhook", json!({"provider": "inlet", "secret": SECRET, "rateLimitPerMinute": 2}))
            .await;
    let other = inlet(&world).await;
    let body = json!({"externalThreadId": "t", "content": "x"});
    for _ in 0..2 {
        signed(&world, &limited, &body).await.expect(200);
    }
    let refused = signed(&world, &limited, &body).await;
    assert_eq!(refused.expect_error(429), "RATE_LIMITED");
    assert!(refused.header("retry-after").unwrap().parse::<u32>().unwrap() >= 1);
    signed(&world, &other, &body).await.expect(200);
    // Nobody without the secret uses the limit up, or learns of it.
    assert_eq!(send(&world, &limited, &[], "{}").await.status, 401);
    world.clock.advance(Duration::from_secs(31));
    signed(&world, &limited, &body).await.expect(200);
}

#[tokio::test]
async fn only_listed_addresses_are_let_in() {
    let world = World::new().await;
    let body = json!({"externalThreadId": "t", "content": "x"});
    for (allow, status) in [(json!(["127.0.0.0/8", "::1"]), 200), (json!(["203.0.113.0/24"]), 401)] {
        let id =
            surface(&world, "webhook", json!({"provider": "inlet", "secret": SECRET, "allowIps": allow}))
                .await;
        assert_eq!(signed(&world, &id, &body).await.status, status);
    }
}
