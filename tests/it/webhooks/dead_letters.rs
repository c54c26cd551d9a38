//! What could not become a message: listed, tried, mended, replayed.

use super::*;

#[tokio::test]
async fn a_dead_letter_is_mended_by_a_new_mapping_and_replayed() {
    // Expectation 83.
    for world in World::each().await {
        let id = surface(
            &world,
            "webhook",
            json!({"provider": "custom", "allowUnsigned": true,
            "map": {"each": "$.events[*]", "thread": "$.thread", "messageId": "$.id", "text": "$.text"}}),
        )
        .await;
        let payload = json!({"events": [{"id": 1, "thread": "t", "text": "good"}, {"id": 2, "room": "t", "text": "canary words"}]});
        let answer = send(&world, &id, &[], payload.to_string()).await.expect(200);
        assert_eq!((&answer["accepted"], &answer["quarantined"]), (&json!(1), &json!(1)));

        let list = world.get(&format!("/v1/surfaces/{id}/dead-letters")).await;
        let letter = list.expect(200)["data"][0].clone();
        assert_eq!(
            (&letter["status"], &letter["attempts"], &letter["surfaceId"]),
            (&json!("open"), &json!(1), &json!(id))
        );
        assert_eq!(letter["reason"], "map.thread: nothing is there");
        assert!(!String::from_utf8_lossy(&list.body).contains("canary"));

        let replay = format!("/v1/surfaces/{id}/dead-letters/{}/replay", letter["id"].as_str().unwrap());
        let early = world.post(&replay, &json!({})).await;
        assert_eq!(early.expect_error(422), "STILL_UNREADABLE");
        let map = json!({"each": "$.events[*]", "thread": ["$.thread", "$.room"], "messageId": "$.id", "text": "$.text"});
        let shown = world
            .post(&format!("/v1/surfaces/{id}/mapping/test"), &json!({"payload": payload, "map": map}))
            .await
            .expect(200);
        assert_eq!(
            shown["envelopes"][1],
            json!({"externalThreadId": "t", "externalMessageId": "2", "content": "canary words"})
        );
        assert_eq!(totals(&world, &id).await, (1, 1));

        world.put(&format!("/v1/surfaces/{id}"), &json!({"inbound": {"map": map}})).await.expect(200);
        let replayed = world.post(&replay, &json!({})).await.expect(200);
        assert_eq!(replayed["accepted"], 1);
        assert_eq!(replayed["messages"][0]["conversationId"], answer["messages"][0]["conversationId"]);
        let again = world.post(&replay, &json!({})).await.expect(200);
        assert_eq!(again["accepted"], 0);
        assert_eq!(totals(&world, &id).await, (1, 2));
        let letters = world.get(&format!("/v1/surfaces/{id}/dead-letters?status=open")).await.expect(200);
        assert_eq!(letters["data"], json!([]));
    }
}

#[tokio::test]
async fn a_trial_writes_nothing_and_names_what_is_wrong() {
    // Expectation 84.
    let world = World::new().await;
    let id = inlet(&world).await;
    let test = format!("/v1/surfaces/{id}/mapping/test");
    let shown =
        world.post(&test, &json!({"payload": {"content": "x", "externalThreadId": "t"}})).await.expect(200);
    assert_eq!(shown, json!({"envelopes": [{"externalThreadId": "t", "content": "x"}], "ignored": 0}));
    let wrong = world.post(&test, &json!({"payload": {"content": 1}})).await;
    assert_eq!(wrong.expect_error(422), "MAPPING_FAILED");
    assert_eq!(wrong.json()["details"][0]["path"], "content");
    let several = json!([{"content": "x"}, {"content": 1}, {"subject": "s"}]);
    let wrong = world.post(&test, &json!({"payload": several})).await;
    assert_eq!(wrong.expect_error(422), "MAPPING_FAILED");
    let told: Vec<String> =
        wrong.json()["details"].as_array().unwrap().iter().map(|it| it["message"].to_string()).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("(item 2)") && told[1].contains("(item 3)"), "{told:?}");
    let wrong = world.post(&test, &json!({"payload": {}, "map": {"thread": "$["}})).await;
    assert_eq!(wrong.expect_error(422), "MAPPING_FAILED");
    assert_eq!(wrong.json()["details"][0]["path"], "inbound.map.thread");
    assert_eq!(world.post(&test, &json!({})).await.fields_at_fault(), ["payload"]);
    assert_eq!(totals(&world, &id).await, (0, 0));
}

#[tokio::test]
async fn another_tenant_s_letters_are_not_there() {
    let world = World::new().await;
    let id = surface(
        &world,
        "webhook",
        json!({"provider": "custom", "allowUnsigned": true, "map": {"thread": "$.t", "text": "$.x"}}),
    )
    .await;
    send(&world, &id, &[], "{}").await.expect(200);
    let letters = world.get(&format!("/v1/surfaces/{id}/dead-letters")).await.expect(200);
    let letter = letters["data"][0]["id"].as_str().unwrap();
    let stranger = world.tenant_named("second").await;
    let key = world.key_of(stranger, crate::api::world::SCOPES).await;
    for (method, path) in [
        (Method::GET, format!("/v1/surfaces/{id}")),
        (Method::PUT, format!("/v1/surfaces/{id}")),
        (Method::DELETE, format!("/v1/surfaces/{id}")),
        (Method::GET, format!("/v1/surfaces/{id}/dead-letters")),
        (Method::GET, format!("/v1/surfaces/{id}/dead-letters/{letter}")),
        (Method::POST, format!("/v1/surfaces/{id}/dead-letters/{letter}/replay")),
        (Method::POST, format!("/v1/surfaces/{id}/dead-letters/{letter}/discard")),
        (Method::POST, format!("/v1/surfaces/{id}/dead-letters/replay")),
        (Method::POST, format!("/v1/surfaces/{id}/mapping/test")),
    ] {
        let answer =
            world.request(method.clone(), &path, Some(&key), Some(b"{\"payload\":{}}".to_vec())).await;
        assert_eq!(answer.expect_error(404), "NOT_FOUND", "{method} {path}");
    }
    let listed = world.request(Method::GET, "/v1/surfaces", Some(&key), None).await.expect(200);
    assert_eq!(listed["data"], json!([]));
}

#[tokio::test]
async fn e83_letters_are_shown_without_secrets_replayed_together_and_given_up() {
    for world in World::each().await {
        let settings = json!({"provider": "custom", "secret": "canary/secret-1",
            "verify": {"scheme": "static", "from": "body:/key"}, "map": {"thread": "$.thread", "messageId": "$.id", "text": "$.text"}});
        let id = surface(&world, "webhook", settings).await;
        // Expectation 87: of the headers, those that somebody may need are kept, and none that opens anything.
        let sent = [
            ("X-Request-Id", "r-1"),
            ("Authorization", "Bearer canary-2"),
            ("Cookie", "c=canary-3"),
            ("X-Other", "canary-4"),
        ];
        for number in 0..3 {
            let text = if number == 2 { Value::Null } else { json!(format!("words {number}")) };
            let body = json!({"key": "canary/secret-1", "id": number, "room": "r", "text": text});
            assert_eq!(send(&world, &id, &sent, body.to_string()).await.expect(200)["quarantined"], 1);
        }
        let list = format!("/v1/surfaces/{id}/dead-letters");
        let letters = world.get(&list).await.expect(200);
        let letter = format!("{list}/{}", letters["data"][0]["id"].as_str().unwrap());
        let shown = world.get(&letter).await.expect(200);
        assert_eq!(shown["headers"]["x-request-id"], "r-1");
        assert!(shown["body"].as_str().unwrap().contains("\"room\":\"r\""), "{shown}");
        assert!(!shown.to_string().contains("canary"), "{shown}");

        let map = json!({"thread": "$.room", "messageId": "$.id", "text": "$.text"});
        world.put(&format!("/v1/surfaces/{id}"), &json!({"inbound": {"map": map}})).await.expect(200);
        let report = world.post(&format!("{list}/replay"), &json!({})).await.expect(200);
        assert_eq!(report, json!({"accepted": 2, "replayed": 2, "failed": 1, "hasMore": false}));
        let again = world.post(&format!("{list}/replay"), &json!({})).await.expect(200);
        assert_eq!(again, json!({"accepted": 0, "replayed": 0, "failed": 1, "hasMore": false}));
        assert_eq!(totals(&world, &id).await, (1, 2));

        let given_up = world.post(&format!("{letter}/discard"), &json!({})).await.expect(200);
        assert_eq!(given_up["status"], "discarded");
        let open = world.get(&format!("{list}?status=open")).await.expect(200);
        assert_eq!(open["data"], json!([]));
        let done = letters["data"][1]["id"].as_str().unwrap();
        let done = world.post(&format!("{list}/{done}/discard"), &json!({})).await.expect(200);
        assert_eq!(done["status"], "replayed");
    }
}
