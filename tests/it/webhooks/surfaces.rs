//! Surfaces over the API: made, shown, changed, listed, deleted; secrets go in and never come out.

use super::*;

#[tokio::test]
async fn a_surface_comes_back_with_its_secrets_masked() {
    for world in World::each().await {
        let made = world.post("/v1/surfaces", &json!({"name": "W", "type": "webhook",
            "config": {"match": {"windowDays": 3}, "apiKey": "canary-config"},
            "inbound": {"provider": "standard-webhooks", "secrets": ["canary-one-secret", "canary-two-secret"]},
            "outbound": {"token": "canary-outbound"}})).await;
        let body = made.expect(201);
        assert!(!String::from_utf8_lossy(&made.body).contains("canary"));
        assert_eq!((&body["status"], &body["environment"]), (&json!("active"), &json!("production")));
        assert_eq!(body["inbound"]["secrets"], json!(["********", "********"]));
        let id = body["id"].as_str().unwrap();
        assert_eq!(body["webhookUrl"], json!(format!("http://inlet.example/v1/webhooks/{id}")));
        let read = world.get(&format!("/v1/surfaces/{id}")).await.expect(200);
        assert_eq!(read, body);
        // At rest no secret can be read either.
        let stored = world
            .store
            .get_surface(world.tenant, id.parse::<uuid::Uuid>().unwrap().into())
            .await
            .unwrap()
            .unwrap();
        assert!(!format!("{stored:?}").contains("canary"));
    }
}

#[tokio::test]
async fn a_change_replaces_the_keys_it_names() {
    let world = World::new().await;
    let id =
        surface(&world, "webhook", json!({"provider": "inlet", "secret": SECRET, "maxBodyBytes": 5_000}))
            .await;
    let path = format!("/v1/surfaces/{id}");
    let shown = world.get(&path).await.expect(200);
    // What was shown may be sent back: a mask keeps what is stored.
    world
        .put(
            &path,
            &json!({"name": "Renamed", "inbound": shown["inbound"], "config": {"ownAddresses": ["a@b.c"]}}),
        )
        .await
        .expect(200);
    signed(&world, &id, &json!({"externalThreadId": "t", "content": "x"})).await.expect(200);
    let changed = world.put(&path, &json!({"inbound": {"maxBodyBytes": null, "rateLimitPerMinute": 100}, "config": {"replyWaitSeconds": 1}})).await.expect(200);
    assert_eq!(changed["name"], "Renamed");
    assert_eq!(
        changed["inbound"],
        json!({"provider": "inlet", "secret": "********", "rateLimitPerMinute": 100})
    );
    assert_eq!(changed["config"], json!({"ownAddresses": ["a@b.c"], "replyWaitSeconds": 1}));
    // Expectation 85: a bad change leaves the old settings in use.
    let bad = world.put(&path, &json!({"inbound": {"verify": {"scheme": "hmac-md5", "header": "X"}}})).await;
    assert_eq!(bad.fields_at_fault(), ["inbound.verify.scheme"]);
    signed(&world, &id, &json!({"externalThreadId": "t", "content": "y"})).await.expect(200);
    // Expectation 8: a rotation is seen at once.
    world.put(&path, &json!({"inbound": {"secrets": ["another-secret-1", SECRET]}})).await.expect(200);
    signed(&world, &id, &json!({"externalThreadId": "t", "content": "z"})).await.expect(200);
    world.put(&path, &json!({"inbound": {"secrets": ["another-secret-1"]}})).await.expect(200);
    assert_eq!(signed(&world, &id, &json!({"content": "z"})).await.status, 401);
}

#[tokio::test]
async fn mistakes_are_told_with_their_path() {
    let world = World::new().await;
    let cases = [
        (json!({}), vec!["type", "name"]),
        (
            json!({"name": "", "type": 5, "status": "on", "config": []}),
            vec!["name", "type", "status", "config"],
        ),
        (json!({"name": "x".repeat(256), "type": "chat"}), vec!["name"]),
        (json!({"name": "x", "type": "webhook", "inbound": {"provider": "inlet"}}), vec!["inbound.secret"]),
        (
            json!({"name": "x", "type": "webhook", "inbound": {"provider": "inlet", "secret": "********"}}),
            vec![],
        ),
        (
            json!({"name": "x", "type": "webhook", "inbound": {"provider": "nobody", "secret": SECRET}}),
            vec!["inbound.provider"],
        ),
        (
            json!({"name": "x", "type": "webhook", "inbound": {"provider": "inlet", "secret": "env:HOME"}}),
            vec!["inbound.secret"],
        ),
    ];
    for (body, paths) in cases {
        let answer = world.post("/v1/surfaces", &body).await;
        if paths.is_empty() {
            assert_eq!(answer.status, 400, "{body}");
            continue;
        }
        let mut found = answer.fields_at_fault();
        let mut wanted: Vec<String> = paths.into_iter().map(str::to_owned).collect();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{body}");
    }
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let world = World::new().await;
    for number in 0..5 {
        let kind = if number % 2 == 0 { "chat" } else { "email" };
        world
            .post("/v1/surfaces", &json!({"name": format!("S{number}"), "type": kind, "status": "draft"}))
            .await
            .expect(201);
        world.clock.advance(std::time::Duration::from_secs(1));
    }
    let names = |page: &Value| {
        page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let first = world.get("/v1/surfaces?limit=2&type=chat").await.expect(200);
    assert_eq!(names(&first), ["S4", "S2"]);
    assert_eq!(
        (&first["pagination"]["totalCount"], &first["pagination"]["hasMore"]),
        (&json!(3), &json!(true))
    );
    let next = first["pagination"]["nextCursor"].as_str().unwrap();
    let second = world.get(&format!("/v1/surfaces?limit=2&type=chat&cursor={next}")).await.expect(200);
    assert_eq!(names(&second), ["S0"]);
    let back = second["pagination"]["prevCursor"].as_str().unwrap();
    assert_eq!(
        world.get(&format!("/v1/surfaces?limit=2&type=chat&cursor={back}")).await.expect(200)["data"],
        first["data"]
    );
    assert_eq!(names(&world.get("/v1/surfaces?status=active").await.expect(200)), Vec::<String>::new());
    assert_eq!(world.get("/v1/surfaces?cursor=x").await.fields_at_fault(), ["cursor"]);
    assert_eq!(world.get("/v1/surfaces?status=odd").await.fields_at_fault(), ["status"]);
}
