//! What providers do and expect, each test named by its number in docs/faults-webhooks.md. Answers over
//! real HTTP; what is stored on both stores where that matters.

use super::*;
use inlet::clock::Clock as _;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

async fn ask(world: &World, method: Method, path: &str) -> Answer {
    world.send(method, path, HeaderMap::new(), None).await
}

fn seconds(world: &World) -> i64 {
    world.clock.now().as_second()
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

#[tokio::test]
async fn e19_a_token_is_good_for_one_body() {
    let world = World::new().await;
    let id = surface(&world, "email", json!({"provider": "mailgun", "secret": SECRET})).await;
    let now = seconds(&world);
    let form = |words: &str, token: &str, stamp: i64| {
        let proof = proof(format!("{stamp}{token}").as_bytes());
        format!(
            "recipient=in%40x.org&from=ana%40x.org&subject=Hi&body-plain={words}&timestamp={stamp}&token={token}&signature={proof}"
        )
    };
    let typed = [("content-type", "application/x-www-form-urlencoded")];
    send(&world, &id, &typed, form("one", "t1", now)).await.expect(200);
    // Mailgun's own second try has the same body.
    assert_eq!(send(&world, &id, &typed, form("one", "t1", now)).await.expect(200)["duplicates"], 1);
    assert_eq!(send(&world, &id, &typed, form("two", "t1", now)).await.expect_error(401), "UNVERIFIED");
    assert_eq!(send(&world, &id, &typed, form("old", "t2", now - 301)).await.expect_error(401), "UNVERIFIED");
    assert_eq!(totals(&world, &id).await, (1, 1));
}

#[tokio::test]
async fn e23_a_request_without_its_token_is_asked_for_again() {
    let world = World::new().await;
    let id = surface(&world, "sms", json!({"provider": "vonage", "secret": SECRET})).await;
    let answer = send(&world, &id, &[], "{}").await;
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some());
    assert_eq!(
        send(&world, &id, &[("authorization", "Bearer a.b.c")], "{}").await.expect_error(401),
        "UNVERIFIED"
    );
}

#[tokio::test]
async fn e27_a_challenge_is_answered_as_plain_text() {
    let world = World::new().await;
    let settings = json!({"provider": "messenger", "secret": SECRET, "verifyToken": "right-token"});
    let id = surface(&world, "messaging", settings).await;
    let asked = |token: &str| {
        format!("/v1/webhooks/{id}?hub.mode=subscribe&hub.verify_token={token}&hub.challenge=%3Cb%3E1")
    };
    let answer = ask(&world, Method::GET, &asked("right-token")).await;
    assert_eq!((answer.status, text(&answer)), (200, "<b>1".to_owned()));
    assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let refused = ask(&world, Method::GET, &asked("wrong")).await;
    assert_eq!((refused.status, text(&refused)), (403, String::new()));
}

#[tokio::test]
async fn e28_slack_hears_its_challenge_after_its_proof() {
    let world = World::new().await;
    let id = surface(&world, "slack", json!({"provider": "slack", "secret": SECRET})).await;
    let body = json!({"type": "url_verification", "challenge": "c-1", "token": "x"}).to_string();
    let stamp = seconds(&world).to_string();
    let signature = format!("v0={}", proof(format!("v0:{stamp}:{body}").as_bytes()));
    let headers = [("x-slack-request-timestamp", stamp.as_str()), ("x-slack-signature", &signature)];
    let answer = send(&world, &id, &headers, body.clone()).await;
    assert_eq!((answer.status, text(&answer)), (200, "c-1".to_owned()));
    assert_eq!(send(&world, &id, &[], body).await.expect_error(401), "UNVERIFIED");
}

#[tokio::test]
async fn e29_e30_e34_other_methods_and_spellings_of_the_address() {
    let world = World::new().await;
    let id = inlet(&world).await;
    let path = format!("/v1/webhooks/{id}");
    assert_eq!(ask(&world, Method::HEAD, &path).await.status, 200);
    for method in [Method::GET, Method::OPTIONS, Method::PUT, Method::DELETE] {
        let answer = ask(&world, method.clone(), &path).await;
        assert_eq!(answer.status, 405, "{method}");
        assert!(answer.header("allow").is_some_and(|allow| allow.contains("POST")), "{method}");
    }
    let body = json!({"content": "x", "externalMessageId": "m", "externalThreadId": "t"}).to_string();
    let header = format!("sha256={}", proof(body.as_bytes()));
    let mut headers = HeaderMap::new();
    headers.insert("x-inlet-signature", HeaderValue::from_str(&header).unwrap());
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    for path in [format!("{path}/"), path] {
        world.send(Method::POST, &path, headers.clone(), Some(body.clone().into())).await.expect(200);
    }
    assert_eq!(totals(&world, &id).await, (1, 1));
}

#[tokio::test]
async fn e31_e32_calls_that_are_no_messages_are_answered_200() {
    let world = World::new().await;
    for (provider, body) in [
        ("line", json!({"destination": "U", "events": []})),
        (
            "intercom",
            json!({"type": "notification_event", "topic": "ping", "data": {"item": {"type": "ping"}}}),
        ),
        ("viber", json!({"event": "webhook", "timestamp": 1})),
        ("viber", json!({"event": "delivered", "message_token": 1})),
        ("telegram", json!({"update_id": 1, "my_chat_member": {"chat": {"id": 1}}})),
        (
            "whatsapp",
            json!({"object": "whatsapp_business_account", "entry": [{"changes": [{"field": "messages", "value": {"statuses": [{"id": "w", "status": "read"}]}}]}]}),
        ),
        (
            "messenger",
            json!({"object": "page", "entry": [{"id": "P", "messaging": [{"sender": {"id": "1"}, "read": {"watermark": 1}}]}]}),
        ),
        ("slack", json!({"type": "event_callback", "team_id": "T", "event": {"type": "reaction_added"}})),
        ("crisp", json!({"event": "message:compose:send", "data": {"session_id": "s"}})),
        ("sunshine", json!({"events": [{"type": "conversation:typing"}]})),
        ("chatwoot", json!({"event": "conversation_status_changed", "id": 1})),
        ("freshchat", json!({"action": "conversation_resolution", "data": {}})),
        ("teams", json!({"type": "conversationUpdate"})),
        ("rocketchat", json!({"_id": "r", "type": "LivechatSession", "messages": []})),
    ] {
        let id = surface(&world, "chat", json!({"provider": provider, "allowUnsigned": true})).await;
        let answer = send(&world, &id, &[], body.to_string()).await;
        assert_eq!(answer.status, 200, "{provider}: {}", text(&answer));
        assert_eq!(totals(&world, &id).await, (0, 0), "{provider}");
        let letters = world.get(&format!("/v1/surfaces/{id}/dead-letters")).await.expect(200);
        assert_eq!(letters["data"], json!([]), "{provider} {body}");
    }
}

#[tokio::test]
async fn e33_reports_on_our_own_mail_at_the_inbound_address_are_kept_for_an_operator() {
    let world = World::new().await;
    for (provider, body) in [
        ("postmark", json!({"RecordType": "Delivery", "MessageID": "1", "Recipient": "x@y"})),
        ("sendgrid", json!([{"event": "delivered", "sg_event_id": "1", "email": "x@y"}])),
        ("mailgun", json!({"event-data": {"event": "delivered"}, "signature": {}})),
        ("cloudmailin", json!({"something": "else"})),
    ] {
        let id = surface(&world, "email", json!({"provider": provider, "allowUnsigned": true})).await;
        let answer = send(&world, &id, &[], body.to_string()).await.expect(200);
        assert_eq!(answer["quarantined"], 1, "{provider}");
        let letters = world.get(&format!("/v1/surfaces/{id}/dead-letters")).await.expect(200);
        assert!(
            letters["data"][0]["reason"].as_str().is_some_and(|reason| reason.contains("map")),
            "{letters}"
        );
    }
}

#[tokio::test]
async fn e39_a_provider_that_takes_4xx_for_a_verdict_never_hears_one_for_our_own_state() {
    let world = World::new().await;
    for (provider, busy, paused) in [("cloudmailin", 503, 503), ("postmark", 429, 404)] {
        let id = surface(
            &world,
            "email",
            json!({"provider": provider, "allowUnsigned": true, "rateLimitPerMinute": 1}),
        )
        .await;
        let body = json!({"envelope": {"from": "a@x.org"}, "plain": "hi", "FromFull": {"Email": "a@x.org"}, "TextBody": "hi"});
        send(&world, &id, &[], body.to_string()).await.expect(200);
        let answer = send(&world, &id, &[], body.to_string()).await;
        assert_eq!(answer.status, busy);
        assert!(answer.header("retry-after").is_some_and(|seconds| seconds != "0"));
        world.put(&format!("/v1/surfaces/{id}"), &json!({"status": "paused"})).await.expect(200);
        assert_eq!(send(&world, &id, &[], body.to_string()).await.status, paused);
    }
}

#[tokio::test]
async fn e40_nothing_in_an_answer_can_be_executed() {
    let world = World::new().await;
    let telegram = surface(&world, "telegram", json!({"provider": "telegram", "allowUnsigned": true})).await;
    let update = json!({"update_id": 1, "method": "sendMessage", "message": {"message_id": 1, "date": 1, "chat": {"id": 1}, "text": "canary"}});
    let answer = send(&world, &telegram, &[], update.to_string()).await;
    assert_eq!((answer.status, text(&answer)), (200, String::new()));
    let twilio = surface(&world, "sms", json!({"provider": "twilio", "allowUnsigned": true})).await;
    let form = "MessageSid=SM1&AccountSid=AC1&From=%2B1&To=%2B2&Body=%3CResponse%3Ecanary%3C%2FResponse%3E";
    let answer = send(&world, &twilio, &[("content-type", "application/x-www-form-urlencoded")], form).await;
    assert_eq!((answer.status, text(&answer)), (200, String::new()));
    let custom = inlet(&world).await;
    let answer = signed(&world, &custom, &json!({"content": "canary", "method": "x"})).await;
    assert!(!text(&answer).contains("canary"));
}

#[tokio::test]
async fn e41_a_client_that_goes_away_in_the_middle_leaves_nothing() {
    let world = World::new().await;
    let id = surface(&world, "webhook", json!({"provider": "inlet", "allowUnsigned": true})).await;
    let body = r#"{"externalMessageId":"m","externalThreadId":"t","content":"whole"}"#;
    let head = |length| {
        format!(
            "POST /v1/webhooks/{id} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let mut cut = TcpStream::connect(world.address).await.unwrap();
    cut.write_all(head(body.len() + 1).as_bytes()).await.unwrap();
    cut.write_all(body.as_bytes()).await.unwrap();
    drop(cut);
    // The whole body came, but nobody waits for the answer.
    let mut deaf = TcpStream::connect(world.address).await.unwrap();
    deaf.write_all(head(body.len()).as_bytes()).await.unwrap();
    deaf.write_all(body.as_bytes()).await.unwrap();
    drop(deaf);
    let deadline = Instant::now() + Duration::from_secs(10);
    while totals(&world, &id).await != (1, 1) {
        assert!(Instant::now() < deadline, "the message of a deaf client is stored");
        tokio::task::yield_now().await;
    }
    assert_eq!(send(&world, &id, &[], body).await.expect(200)["duplicates"], 1);
    assert_eq!(totals(&world, &id).await, (1, 1));
}

#[tokio::test]
async fn e42_no_host_of_a_payload_is_asked_while_the_provider_waits() {
    let world = World::new().await;
    let id = inlet(&world).await;
    // A listener that never answers would hold whoever asks it.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/a.png", listener.local_addr().unwrap());
    let began = Instant::now();
    let body = json!({"externalThreadId": "t", "content": "x", "attachments": [{"filename": "a.png", "contentType": "image/png", "url": url}]});
    signed(&world, &id, &body).await.expect(200);
    assert!(began.elapsed() < Duration::from_secs(3));
    assert_eq!(totals(&world, &id).await, (1, 1));
}

#[tokio::test]
async fn e44_a_second_try_is_taken_like_a_first() {
    let world = World::new().await;
    let id = surface(&world, "slack", json!({"provider": "slack", "allowUnsigned": true})).await;
    let body = json!({"type": "event_callback", "team_id": "T", "event": {"type": "message", "channel": "C", "user": "U", "text": "hi", "ts": "1762000000.000100"}});
    // The first try never reached us.
    let headers = [("x-slack-retry-num", "1"), ("x-slack-retry-reason", "http_timeout")];
    let answer = send(&world, &id, &headers, body.to_string()).await.expect(200);
    assert_eq!((&answer["accepted"], &answer["duplicates"]), (&json!(1), &json!(0)));
}

#[tokio::test]
async fn e47_a_retry_after_days_is_still_a_repeat() {
    for world in World::each().await {
        let id = inlet(&world).await;
        let body = json!({"externalMessageId": "m", "externalThreadId": "t", "content": "x"});
        assert_eq!(signed(&world, &id, &body).await.expect(200)["accepted"], 1);
        world.clock.advance(Duration::from_secs(8 * 24 * 3_600));
        assert_eq!(signed(&world, &id, &body).await.expect(200)["duplicates"], 1);
        assert_eq!(totals(&world, &id).await, (1, 1));
    }
}

#[tokio::test]
async fn e52_who_cannot_prove_himself_marks_nothing_as_seen() {
    let world = World::new().await;
    let id = inlet(&world).await;
    let body = json!({"externalMessageId": "m", "externalThreadId": "t", "content": "real"});
    let forged = json!({"externalMessageId": "m", "externalThreadId": "t", "content": "forged"});
    assert_eq!(send(&world, &id, &[], forged.to_string()).await.expect_error(401), "UNVERIFIED");
    assert_eq!(signed(&world, &id, &body).await.expect(200)["accepted"], 1);
}

#[tokio::test]
async fn e62_text_that_no_store_can_hold_is_cleaned_alike() {
    for world in World::each().await {
        let id = surface(&world, "chat", json!({"provider": "inlet", "allowUnsigned": true})).await;
        let body = b"{\"externalThreadId\":\"t\\u0000x\",\"externalMessageId\":\"m\\u0000\",\"participant\":{\"name\":\"A\\ud83dna\xff\"},\"content\":\"a\\u0000b \\udc00 \xf0\x28\"}";
        send(&world, &id, &[], &body[..]).await.expect(200);
        let list = world.get(&format!("/v1/messaging/conversations?surfaceId={id}")).await.expect(200);
        let row = &list["data"][0];
        assert_eq!((&row["externalThreadId"], &row["messageCount"]), (&json!("tx"), &json!(1)));
        let path = format!("/v1/messaging/conversations/{}/messages", row["id"].as_str().unwrap());
        let message = world.get(&path).await.expect(200)["data"][0].clone();
        assert_eq!(message["externalMessageId"], "m");
        assert_eq!(message["content"], "ab \u{fffd} \u{fffd}(");
    }
}

#[tokio::test]
async fn e63_messages_are_ordered_by_the_provider_s_time() {
    for world in World::each().await {
        let id = inlet(&world).await;
        let message = |id: &str, time: Value| json!({"externalThreadId": "t", "externalMessageId": id, "content": id, "timestamp": time});
        for (name, time) in [
            ("third", json!("2026-11-02T09:00:02Z")),
            ("first", json!("2026-11-02T09:00:00Z")),
            ("second", json!(1_793_610_001)),
            ("zero", json!(0)),
        ] {
            signed(&world, &id, &message(name, time)).await.expect(200);
        }
        let list = world.get(&format!("/v1/messaging/conversations?surfaceId={id}")).await.expect(200);
        let path =
            format!("/v1/messaging/conversations/{}/messages", list["data"][0]["id"].as_str().unwrap());
        let page = world.get(&path).await.expect(200);
        let order: Vec<&Value> =
            page["data"].as_array().unwrap().iter().map(|message| &message["content"]).collect();
        // No time that can be meant is the time of arrival: now.
        assert_eq!(order, ["first", "second", "third", "zero"]);
    }
}

#[tokio::test]
async fn e66_a_batch_of_several_accounts_is_told_apart() {
    for world in World::each().await {
        let entry = |page: &str, mid: &str| {
            json!({"id": page, "messaging": [{"sender": {"id": "PSID"}, "recipient": {"id": page},
            "timestamp": 1_762_000_000_000_i64, "message": {"mid": mid, "text": page}}]})
        };
        let batch =
            json!({"object": "page", "entry": [entry("A", "m1"), entry("B", "m2"), entry("C", "m3")]})
                .to_string();
        let every =
            surface(&world, "messaging", json!({"provider": "messenger", "allowUnsigned": true})).await;
        send(&world, &every, &[], batch.clone()).await.expect(200);
        assert_eq!(totals(&world, &every).await, (3, 3));
        let some = surface(
            &world,
            "messaging",
            json!({"provider": "messenger", "allowUnsigned": true, "accounts": ["A", "C"]}),
        )
        .await;
        let answer = send(&world, &some, &[], batch).await.expect(200);
        assert_eq!((&answer["accepted"], &answer["ignored"]), (&json!(2), &json!(1)));
    }
}

#[tokio::test]
async fn e81_html_is_kept_and_nothing_of_it_runs() {
    let world = World::new().await;
    let id = surface(&world, "chat", json!({"provider": "intercom", "allowUnsigned": true})).await;
    let html = "<p>Still <b>broken</b></p><script>steal()</script><img src=x onerror=steal()>";
    let body = json!({"type": "notification_event", "topic": "conversation.user.created", "data": {"item": {"type": "conversation", "id": "c",
        "source": {"id": "s", "author": {"id": "u", "type": "user"}, "body": html}}}});
    send(&world, &id, &[], body.to_string()).await.expect(200);
    let list = world.get(&format!("/v1/messaging/conversations?surfaceId={id}")).await.expect(200);
    let path = format!("/v1/messaging/conversations/{}/messages", list["data"][0]["id"].as_str().unwrap());
    let message = world.get(&path).await.expect(200)["data"][0].clone();
    assert_eq!(message["content"], "Still broken");
    let kept = message["contentHtml"].as_str().unwrap();
    assert!(kept.contains("broken") && !kept.contains("steal"), "{kept}");
}

#[tokio::test]
async fn e86_outcomes_are_counted_by_provider_and_type() {
    let directory = tempfile::tempdir().unwrap();
    let worker = daemon::Daemon::start(directory.path(), None, &[]);
    let id = worker.inlet_surface().await;
    let body = json!({"externalMessageId": "m", "externalThreadId": "t", "content": "x"});
    for _ in 0..3 {
        assert_eq!(worker.post(&id, &body).await.unwrap().0, 200);
    }
    let custom = json!({"provider": "custom", "allowUnsigned": true, "map": {"thread": "$.t", "messageId": "$.i", "text": "$.x"}});
    let custom = worker.surface(&custom).await;
    assert_eq!(worker.post(&custom, &json!({})).await.unwrap().0, 200);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.post(format!("{}/v1/webhooks/{id}", worker.url)).body("{}").send().await.unwrap();
    let page = client.get(format!("{}/metrics", worker.url)).send().await.unwrap().text().await.unwrap();
    let count = |name: &str, labels: &[&str]| {
        let line = page
            .lines()
            .find(|line| line.starts_with(name) && labels.iter().all(|label| line.contains(label)));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
    };
    let messages = "inlet_webhook_messages_total{";
    assert_eq!(count(messages, &["provider=\"inlet\"", "type=\"webhook\"", "outcome=\"accepted\""]), Some(1));
    assert_eq!(count(messages, &["provider=\"inlet\"", "outcome=\"duplicate\""]), Some(2));
    assert_eq!(count(messages, &["provider=\"custom\"", "outcome=\"quarantined\""]), Some(1));
    assert_eq!(count("inlet_webhook_refused_total{", &["type=\"webhook\"", "reason=\"missing\""]), Some(1));
}
