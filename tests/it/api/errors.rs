//! Every error has one shape and tells a client what to do, and nothing of the inside.

use super::world::{World, path_of};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn an_unknown_route_and_a_wrong_method_answer_in_the_error_shape() {
    let world = World::new().await;
    assert_eq!(world.get("/v1/nothing").await.expect_error(404), "UNKNOWN_ROUTE");
    let answer = world.request(Method::PATCH, "/v1/messaging/conversations", Some(&world.key), None).await;
    assert_eq!(answer.expect_error(405), "METHOD_NOT_ALLOWED");
    let allowed = answer.header("allow").expect("Allow is required with a 405 (RFC 9110 section 15.5.6)");
    assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
}

#[tokio::test]
async fn what_is_not_json_is_malformed() {
    let world = World::new().await;
    let deep = "[".repeat(100_000);
    let bodies: [&[u8]; 8] = [
        b"",
        b"  ",
        b"{",
        b"{\"surfaceId\": nope}",
        b"{\"a\": NaN}",
        b"\xff\xfe\x00",
        b"{\"a\": \"\\ud800\"}",
        deep.as_bytes(),
    ];
    for body in bodies {
        let answer = world
            .request(Method::POST, "/v1/messaging/conversations", Some(&world.key), Some(body.to_vec()))
            .await;
        assert_eq!(
            answer.expect_error(400),
            "MALFORMED_JSON",
            "{}",
            String::from_utf8_lossy(&body[..body.len().min(40)])
        );
    }
    let invalid = [b"{\"subject\": \"".as_slice(), b"\xc3\x28\"}"].concat();
    let answer =
        world.request(Method::POST, "/v1/messaging/conversations", Some(&world.key), Some(invalid)).await;
    assert_eq!(answer.expect_error(400), "MALFORMED_JSON");
}

#[tokio::test]
async fn a_body_that_is_no_object_is_refused() {
    let world = World::new().await;
    for body in ["[]", "5", "\"x\"", "null", "true"] {
        let answer = world
            .request(
                Method::POST,
                "/v1/messaging/conversations",
                Some(&world.key),
                Some(body.as_bytes().to_vec()),
            )
            .await;
        assert_eq!(answer.fields_at_fault(), [""], "{body}");
    }
}

#[tokio::test]
async fn every_field_of_a_wrong_type_is_named() {
    let world = World::new().await;
    let wrong = json!({
        "surfaceId": 1, "externalThreadId": {}, "externalParticipantId": [], "participantName": true,
        "participantEmail": 5, "subject": 1.5, "timezone": {}, "status": 3, "context": "text", "participantMetadata": [],
    });
    let mut named = world.post("/v1/messaging/conversations", &wrong).await.fields_at_fault();
    named.sort();
    let mut fields: Vec<String> = wrong.as_object().unwrap().keys().cloned().collect();
    fields.sort();
    assert_eq!(named, fields);
}

#[tokio::test]
async fn every_value_out_of_bounds_is_named() {
    let world = World::new().await;
    let surface = world.surface("chat").await;
    let long = json!({
        "surfaceId": surface, "externalThreadId": "x".repeat(501), "externalParticipantId": "x".repeat(501),
        "participantName": "x".repeat(256), "participantEmail": "not an address", "subject": "x".repeat(1001),
        "timezone": "Mars/Olympus", "status": "ajar",
    });
    let named = world.post("/v1/messaging/conversations", &long).await.fields_at_fault();
    assert_eq!(
        named,
        [
            "externalThreadId",
            "externalParticipantId",
            "participantName",
            "participantEmail",
            "subject",
            "timezone",
            "status"
        ]
    );
    let exact = json!({
        "surfaceId": surface, "externalThreadId": "ä".repeat(500), "externalParticipantId": "x".repeat(500),
        "participantName": "x".repeat(255), "subject": "x".repeat(1000), "timezone": "Europe/Berlin",
    });
    world.post("/v1/messaging/conversations", &exact).await.expect(201);
}

#[tokio::test]
async fn nul_in_text_is_dropped_on_both_stores() {
    for world in World::each().await {
        let surface = world.surface("chat").await;
        let made = world
            .post(
                "/v1/messaging/conversations",
                &json!({"surfaceId": surface, "subject": "a\0b", "context": {"k\0": ["v\0"]}}),
            )
            .await
            .expect(201);
        assert_eq!(made["subject"], "ab");
        assert_eq!(made["context"], json!({"k": ["v"]}));
        let message = json!({"role": "user", "content": "x\0y", "metadata": {"a": "\0"}});
        let stored = world.post(&format!("{}/messages", path_of(&made)), &message).await.expect(201);
        assert_eq!(stored["content"], "xy");
        assert_eq!(stored["metadata"], json!({"a": ""}));
        let only_nul = json!({"role": "user", "content": "\0"});
        let answer = world.post(&format!("{}/messages", path_of(&made)), &only_nul).await;
        assert_eq!(answer.fields_at_fault(), ["content"]);
    }
}

#[tokio::test]
async fn a_body_above_the_limit_is_413_and_one_at_the_limit_is_read() {
    let world = World::new().await;
    let padded = |bytes: usize| {
        let mut body = b"{}".to_vec();
        body.resize(bytes, b' ');
        Some(body)
    };
    let limit = 10 * 1024 * 1024;
    let send = |body| world.request(Method::POST, "/v1/messaging/conversations", Some(&world.key), body);
    assert_eq!(send(padded(limit + 1)).await.expect_error(413), "PAYLOAD_TOO_LARGE");
    assert_eq!(send(padded(11 * 1024 * 1024)).await.expect_error(413), "PAYLOAD_TOO_LARGE");
    assert_eq!(send(padded(limit)).await.fields_at_fault(), ["surfaceId"]);
}

#[tokio::test]
async fn an_id_of_any_other_form_is_404_and_never_400() {
    let world = World::new().await;
    let odd = [
        "x",
        "1",
        "%00",
        "%ff",
        "..",
        "00000000-0000-0000-0000-000000000000",
        "{00000000-0000-0000-0000-000000000000}",
    ];
    for id in odd {
        for (method, tail) in [
            (Method::GET, ""),
            (Method::PUT, ""),
            (Method::DELETE, ""),
            (Method::GET, "/messages"),
            (Method::POST, "/messages"),
            (Method::POST, "/takeover"),
            (Method::POST, "/take-over"),
            (Method::POST, "/release"),
        ] {
            let path = format!("/v1/messaging/conversations/{id}{tail}");
            let answer = world.request(method.clone(), &path, Some(&world.key), Some(b"{}".to_vec())).await;
            if id != ".." {
                assert_eq!(answer.expect_error(404), "NOT_FOUND", "{method} {path}");
            }
        }
    }
    let made = world.post("/v1/messaging/conversations", &json!({"surfaceId": "my surface"})).await;
    assert_eq!(made.expect_error(404), "NOT_FOUND");
    assert_eq!(world.get("/v1/messaging/conversations?surfaceId=x").await.expect_error(404), "NOT_FOUND");
}

#[tokio::test]
async fn a_store_that_is_gone_is_503_with_retry_after_and_no_word_of_the_driver() {
    let world = World::new().await;
    world.store.close().await;
    let answer = world.get("/v1/messaging/conversations").await;
    assert!(answer.header("retry-after").is_some());
    assert_eq!(answer.expect_error(503), "UNAVAILABLE");
    let text = String::from_utf8_lossy(&answer.body).to_lowercase();
    assert!(!["sql", "pool", "database"].iter().any(|word| text.contains(word)), "{text}");
    let ready = world.get("/readyz").await;
    assert_eq!(ready.expect_error(503), "UNAVAILABLE");
    assert_eq!(world.get("/healthz").await.expect(200), json!({"status": "ok"}));
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_keeps_a_plain_one_of_the_client() {
    let world = World::new().await;
    assert!(world.get("/healthz").await.header("x-request-id").is_some());
    let kept = world.get_with("/healthz", "x-request-id", "abc-123").await;
    assert_eq!(kept.header("x-request-id"), Some("abc-123"));
    let replaced = world.get_with("/healthz", "x-request-id", "a b<script>").await;
    assert_ne!(replaced.header("x-request-id"), Some("a b<script>"));
}
