//! The generic body: JSON, arrays, forms, files, and what is wrong with it.

use super::*;

fn open() -> Channel {
    channel(json!({"provider": "inlet", "allowUnsigned": true}))
}

fn details(body: Value) -> Vec<(String, String)> {
    match Post::new(body.to_string()).normalized(&open()) {
        Err(Unreadable::Malformed(details)) => {
            details.into_iter().map(|one| (one.path, one.message)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_field_arrives() {
    let post = Post::new(
        json!({"externalThreadId": "t", "externalParticipantId": 18_446_744_073_709_551_615_u64, "externalMessageId": "m",
            "participant": {"name": "Ana", "email": "ana@example.org", "metadata": {"vip": true}, "unknown": 1},
            "content": "Hi", "contentHtml": "<p>Hi</p>", "subject": "S", "direction": "outbound", "role": "assistant",
            "timestamp": "2025-10-09T08:00:00Z", "context": {"page": "/"}, "metadata": {"n": 1.5}, "unknown": [],
            "attachments": [{"filename": "a.txt", "contentType": "text/plain", "base64": "aGk="}, {"url": "https://example.org/b"}]})
        .to_string(),
    );
    let message = post.messages(&open()).remove(0);
    assert_eq!(message.external_participant_id.as_deref(), Some("18446744073709551615"));
    assert_eq!(message.participant_metadata, map(json!({"vip": true})));
    assert_eq!(message.direction, Some(Direction::Outbound));
    assert_eq!(message.sent_at, Some("2025-10-09T08:00:00Z".parse().unwrap()));
    assert_eq!(message.attachments[0].source, AttachmentSource::Bytes(Bytes::from_static(b"hi")));
    assert_eq!(message.attachments[1].source, AttachmentSource::Url("https://example.org/b".to_owned()));
    assert_eq!(generic_json(&message)["participant"]["email"], "ana@example.org");
    assert_eq!(generic_json(&message)["metadata"], json!({"n": 1.5}));
}

#[test]
fn every_wrong_type_is_named_with_its_path() {
    let found = details(
        json!({"externalThreadId": [], "participant": {"name": 1, "email": "nobody"}, "content": {},
        "direction": "sideways", "timestamp": {}, "attachments": [{"url": "file:///etc/passwd"}, 3, {"base64": "***"}], "metadata": "x"}),
    );
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "externalThreadId",
            "content",
            "direction",
            "timestamp",
            "metadata",
            "participant.name",
            "participant.email",
            "attachments[0].url",
            "attachments[1]",
            "attachments[2].base64"
        ]
    );
    assert_eq!(details(json!({})), [("content".to_owned(), "is required".to_owned())]);
    assert_eq!(details(json!({"content": ""})), [("content".to_owned(), "must not be empty".to_owned())]);
    assert_eq!(details(json!("text"))[0].1, "must be an object");
    assert_eq!(details(json!([{"content": 1}, 2]))[0].0, "[0].content");
    assert_eq!(
        details(json!({"content": "x", "externalMessageId": "i".repeat(501)}))[0].0,
        "externalMessageId"
    );
}

#[test]
fn a_malformed_entry_of_a_batch_stands_alone() {
    // Expectation 65.
    let normalized =
        Post::new(r#"[{"content":"a"},{"content":5},{"content":"c"}]"#).normalized(&open()).unwrap();
    let positions: Vec<u32> = normalized.items.iter().map(|(position, _)| *position).collect();
    assert_eq!(positions, [0, 2]);
    assert_eq!(normalized.broken.len(), 1);
    assert_eq!(normalized.broken[0].reason(), "[1].content: must be a string");
    assert_eq!(Post::new("[]").normalized(&open()).unwrap(), Normalized::default());
}

#[test]
fn absurd_times_fall_back_to_arrival() {
    for (time, read) in [
        (json!(1_759_999_000), Some(1_759_999_000)),
        (json!(1_759_999_000_500_i64), Some(1_759_999_000)),
        (json!("1759999000"), Some(1_759_999_000)),
        (json!(1_759_999_000_500_000_i64), None),
        (json!("+056000-01-01T00:00:00Z"), None),
        (json!(0), None),
        (json!(1e300), None),
    ] {
        let post = Post::new(json!({"content": "x", "timestamp": time}).to_string());
        let got = match post.normalized(&open()) {
            Ok(normalized) => match &normalized.items[0].1 {
                Item::Message(message) => message.sent_at.map(Timestamp::as_second),
                Item::Mail { .. } => panic!(),
            },
            // A year that no RFC 3339 text has is no time at all.
            Err(_) => None,
        };
        assert_eq!(got, read, "{time}");
    }
}

#[test]
fn forms_and_files_have_the_same_names() {
    let form = Post::new("externalThreadId=t&content=Hi+there&participant[name]=Ana&participant.email=a%40b.c&context=%7B%22k%22%3A1%7D&metadata[x]=y&timestamp=1760000000")
        .header("Content-Type", "application/x-www-form-urlencoded");
    let message = form.messages(&open()).remove(0);
    assert_eq!(
        (message.content.as_str(), message.participant_name.as_deref(), message.participant_email.as_deref()),
        ("Hi there", Some("Ana"), Some("a@b.c"))
    );
    assert_eq!((message.context, message.metadata), (map(json!({"k": 1})), map(json!({"x": "y"}))));
    let multipart = Post::new("--b\r\nContent-Disposition: form-data; name=externalThreadId\r\n\r\nt\r\n--b\r\nContent-Disposition: form-data; name=f; filename=a.png\r\nContent-Type: image/png\r\n\r\nPNG\r\n--b--\r\n")
        .header("Content-Type", "multipart/form-data; boundary=b");
    let message = multipart.messages(&open()).remove(0);
    assert_eq!(message.attachments[0].filename.as_deref(), Some("a.png"));
    assert_eq!(message.attachments[0].size_bytes, Some(3));
}

#[test]
fn a_signed_delivery_id_stands_in_for_a_missing_message_id() {
    let channel = channel(json!({"provider": "standard-webhooks", "allowUnsigned": true}));
    let post = |body: &'static str| Post::new(body).header("webhook-id", "msg_9");
    assert_eq!(
        post(r#"{"content":"a"}"#).messages(&channel)[0].external_message_id.as_deref(),
        Some("msg_9")
    );
    assert_eq!(
        post(r#"{"content":"a","externalMessageId":"own"}"#).messages(&channel)[0]
            .external_message_id
            .as_deref(),
        Some("own")
    );
    let batch = post(r#"[{"content":"a"},{"content":"b"}]"#).messages(&channel);
    assert_eq!(batch[1].external_message_id.as_deref(), Some("msg_9/1"));
}

#[test]
fn a_mail_as_body_stays_a_mail() {
    let post = Post::new("From: a@b.c\r\n\r\nhi").header("Content-Type", "message/rfc822");
    let normalized = post.normalized(&open()).unwrap();
    assert!(matches!(&normalized.items[0].1, Item::Mail { raw, .. } if raw.len() == 17));
}
