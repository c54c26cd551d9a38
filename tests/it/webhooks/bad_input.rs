//! Requests that nobody should send: what is answered, and that nothing of them is stored.

use super::*;
use std::time::Duration;

#[tokio::test]
async fn every_refusal_before_the_proof_looks_the_same() {
    // Expectations 2, 25 and 26.
    let world = World::new().await;
    let id = inlet(&world).await;
    let body = r#"{"content":"canary-content"}"#;
    let good = format!("sha256={}", proof(body.as_bytes()));
    let other = format!("sha256={}", proof(b"{}"));
    let mut seen: Vec<(Vec<u8>, Vec<String>)> = Vec::new();
    for (surface, headers) in [
        (id.as_str(), vec![]),
        (&id, vec![("X-Inlet-Signature", other.as_str())]),
        (&id, vec![("X-Inlet-Signature", "")]),
        (&id, vec![("X-Inlet-Signature", "sha256=")]),
        (&id, vec![("X-Inlet-Signature", good.as_str()), ("X-Inlet-Signature", good.as_str())]),
        (&id, vec![("Authorization", "Bearer wrong-wrong-wrong")]),
        ("0198c0de-0000-7000-8000-000000000001", vec![("X-Inlet-Signature", good.as_str())]),
        ("no-id-at-all", vec![]),
    ] {
        let answer = send(&world, surface, &headers, body).await;
        assert_eq!(answer.expect_error(401), "UNVERIFIED");
        let challenges: Vec<_> = answer
            .headers
            .get_all("www-authenticate")
            .iter()
            .map(|value| value.to_str().unwrap().to_owned())
            .collect();
        assert_eq!(challenges, ["Bearer", "Basic realm=\"webhook\""]);
        seen.push((answer.body, challenges));
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
    let text = String::from_utf8_lossy(&seen[0].0).into_owned();
    assert!(!text.contains("canary") && !text.contains(&good[7..]));
    assert_eq!(totals(&world, &id).await, (0, 0));
}

#[tokio::test]
async fn bodies_that_are_no_messages_are_answered_or_kept() {
    let world = World::new().await;
    let generic = surface(&world, "webhook", json!({"provider": "inlet", "allowUnsigned": true})).await;
    let custom = surface(
        &world,
        "webhook",
        json!({"provider": "custom", "allowUnsigned": true,
        "map": {"thread": "$.t", "messageId": "$.i", "text": "$.x"}}),
    )
    .await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("application/json", b"{".to_vec()),
        ("application/json", b"".to_vec()),
        ("application/json", b"null".to_vec()),
        ("application/json", b"{\"content\":1}".to_vec()),
        ("application/json", deep.into_bytes()),
        ("application/json", format!("[{}1]", "1,".repeat(1_100_000)).into_bytes()),
        ("multipart/form-data", b"x".to_vec()),
        ("multipart/form-data; boundary=b", b"--b\r\n".to_vec()),
        ("application/x-www-form-urlencoded", b"&&&".to_vec()),
    ];
    for (content_type, body) in &cases {
        let answer = send(&world, &generic, &[("content-type", content_type)], body.clone()).await;
        assert_eq!(answer.expect_error(422), "UNPROCESSABLE_BODY", "{content_type}");
        let answer = send(&world, &custom, &[("content-type", content_type)], body.clone()).await.expect(200);
        assert_eq!(answer["quarantined"], 1, "{content_type}");
    }
    let letters = |id: String| {
        let world = &world;
        async move {
            world.get(&format!("/v1/surfaces/{id}/dead-letters")).await.expect(200)["data"]
                .as_array()
                .unwrap()
                .len()
        }
    };
    assert_eq!(letters(generic.clone()).await, 0);
    assert_eq!(letters(custom.clone()).await, cases.len());
    for content_type in ["text/html", "image/png", "application/xml"] {
        let answer = send(&world, &custom, &[("content-type", content_type)], "<x/>").await;
        assert_eq!(answer.expect_error(415), "UNSUPPORTED_MEDIA_TYPE");
    }
    let answer = send(&world, &custom, &[("content-encoding", "br")], "x").await;
    assert_eq!(answer.expect_error(415), "UNSUPPORTED_CONTENT_ENCODING");
    assert_eq!(totals(&world, &custom).await, (0, 0));
}

#[tokio::test]
async fn a_body_over_the_surface_s_limit_is_never_cut() {
    // Expectations 68 and 69.
    let world = World::new().await;
    let small = surface(
        &world,
        "webhook",
        json!({"provider": "inlet", "allowUnsigned": true, "maxBodyBytes": 1_000}),
    )
    .await;
    let large = surface(&world, "webhook", json!({"provider": "inlet", "allowUnsigned": true})).await;
    let body = |bytes: usize| json!({"externalThreadId": "t", "content": "x".repeat(bytes)}).to_string();
    assert_eq!(send(&world, &small, &[], body(2_000)).await.expect_error(413), "PAYLOAD_TOO_LARGE");
    assert_eq!(send(&world, &small, &[], body(100)).await.expect(200)["accepted"], 1);
    // Three megabytes: above the framework's own limit.
    let many = json!([{"externalThreadId": "u", "content": "x".repeat(1_500_000)}, {"externalThreadId": "u", "content": "y".repeat(1_500_000)}]);
    assert_eq!(send(&world, &large, &[], many.to_string()).await.expect(200)["accepted"], 2);
    assert_eq!(totals(&world, &small).await, (1, 1));
}

#[tokio::test]
async fn a_paused_surface_is_gone_for_those_who_can_prove_themselves() {
    let world = World::new().await;
    let id = inlet(&world).await;
    let body = json!({"externalThreadId": "t", "content": "x"});
    signed(&world, &id, &body).await.expect(200);
    world.put(&format!("/v1/surfaces/{id}"), &json!({"status": "paused"})).await.expect(200);
    assert_eq!(signed(&world, &id, &body).await.expect_error(404), "SURFACE_PAUSED");
    assert_eq!(send(&world, &id, &[], "{}").await.status, 401);
    world.put(&format!("/v1/surfaces/{id}"), &json!({"status": "active"})).await.expect(200);
    signed(&world, &id, &body).await.expect(200);
    world.delete(&format!("/v1/surfaces/{id}")).await.expect(200);
    assert_eq!(signed(&world, &id, &body).await.status, 401);
}

#[tokio::test]
async fn old_and_future_requests_are_refused() {
    let world = World::new().await;
    let id = surface(&world, "webhook", json!({"provider": "standard-webhooks", "secret": SECRET})).await;
    let post = |stamp: i64| {
        let (world, id) = (&world, id.clone());
        async move {
            let body = r#"{"externalThreadId":"t","content":"x"}"#;
            let text = format!("msg_1.{stamp}.{body}");
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), text.as_bytes());
            let tag = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, tag);
            let (stamp, tag) = (stamp.to_string(), format!("v1,{tag}"));
            send(
                world,
                &id,
                &[("webhook-id", "msg_1"), ("webhook-timestamp", &stamp), ("webhook-signature", &tag)],
                body,
            )
            .await
        }
    };
    let now = inlet::clock::Clock::now(&*world.clock).as_second();
    assert_eq!(post(now - 301).await.status, 401);
    assert_eq!(post(now + 301).await.status, 401);
    assert_eq!(post(now - 300).await.expect(200)["accepted"], 1);
    // The id is the same on every attempt: the idempotency key of a message without one.
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(post(now + 60).await.expect(200)["duplicates"], 1);
}
