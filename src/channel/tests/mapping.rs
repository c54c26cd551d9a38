//! The mapping language.

use super::*;

fn mapped(map: Value) -> Channel {
    channel(json!({"provider": "custom", "allowUnsigned": true, "map": map}))
}

fn widget() -> Channel {
    mapped(json!({
        "each": "$.events[*]",
        "when": [{"path": "$.type", "in": ["message", "reply"]}],
        "thread": ["$.conversation.id"],
        "participant": ["$.author.email", "$.author.id"],
        "name": ["$.author.name"], "email": ["$.author.email"], "messageId": ["$.id"],
        "text": ["$.text", "$.caption"], "html": ["$.body_html"],
        "time": {"path": ["$.created_at"], "format": "rfc3339"},
        "direction": {"path": "$.author.role", "inbound": ["visitor"], "outbound": ["agent"], "default": "inbound"},
        "attachments": {"each": "$.files[*]", "url": "$.url", "name": "$.name", "contentType": "$.type", "size": "$.size"},
        "metadata": {"lang": "$.lang", "tenant": "root:$.tenant"}
    }))
}

#[test]
fn a_widget_is_mapped_by_its_configuration_alone() {
    let post = Post::new(
        json!({"tenant": 7, "events": [
            {"type": "message", "id": 1, "conversation": {"id": 9_007_199_254_740_993_u64}, "author": {"id": "u1", "name": "Ana", "role": "visitor"},
             "text": null, "caption": "Hi", "created_at": "2025-10-09T08:00:00Z", "lang": "en",
             "files": [{"url": "https://example.org/a", "name": "a.png", "type": "image/png", "size": "12"}, {"name": "no url"}]},
            {"type": "typing", "conversation": {"id": "c"}},
            {"type": "reply", "id": "2", "conversation": {"id": "c"}, "author": {"email": "x@y.z", "role": "agent"}, "text": "Hello"}]})
        .to_string(),
    );
    let channel = widget();
    let normalized = post.normalized(&channel).unwrap();
    assert_eq!((normalized.items.len(), normalized.ignored), (2, 1));
    let messages = post.messages(&channel);
    assert_eq!(messages[0].external_thread_id.as_deref(), Some("9007199254740993"));
    assert_eq!(messages[0].external_participant_id.as_deref(), Some("u1"));
    assert_eq!(messages[0].external_message_id.as_deref(), Some("1"));
    assert_eq!(messages[0].content, "Hi");
    assert_eq!(messages[0].attachments.len(), 1);
    assert_eq!(messages[0].attachments[0].size_bytes, Some(12));
    assert_eq!(messages[0].metadata, map(json!({"lang": "en", "tenant": 7})));
    assert_eq!(messages[1].direction, Some(Direction::Outbound));
    assert_eq!(messages[1].participant_email.as_deref(), Some("x@y.z"));
}

#[test]
fn a_broken_item_names_the_field_and_its_neighbours_go_on() {
    // Expectations 65 and 80.
    let post = Post::new(
        r#"{"events":[{"type":"message","id":"1","text":"no thread"},{"type":"message","id":"2","conversation":{"id":"c"},"text":"x"},{"type":"message","id":"3","conversation":{"id":"c"}},5]}"#,
    );
    let normalized = post.normalized(&widget()).unwrap();
    assert_eq!(normalized.items.len(), 1);
    let reasons: Vec<String> = normalized.broken.iter().map(Broken::reason).collect();
    assert_eq!(
        reasons,
        [
            "map.thread: nothing is there",
            "map.text: nothing is there",
            "inbound.map.when[0].path: nothing is there"
        ]
    );
    let positions: Vec<u32> = normalized.broken.iter().map(|broken| broken.position).collect();
    assert_eq!(positions, [0, 2, 3]);
}

#[test]
fn a_body_of_another_shape_is_no_silent_success() {
    for body in [r#"{"foo":1}"#, r#"{"events":{}}"#, r#"{"events":[{"kind":"message"}]}"#, "[]", "5"] {
        assert!(matches!(Post::new(body).normalized(&widget()), Err(Unreadable::Malformed(_))), "{body}");
    }
    // Expectation 31: an empty list is a check of the connection.
    assert_eq!(Post::new(r#"{"events":[]}"#).normalized(&widget()).unwrap().ignored, 1);
}

#[test]
fn parts_of_a_joined_id_stay_apart() {
    // Expectation 49.
    let channel =
        mapped(json!({"thread": {"join": ["$.a", "$.b"], "with": ":"}, "messageId": "$.i", "text": "$.x"}));
    let thread = |a: &str, b: &str| {
        let post = Post::new(json!({"a": a, "b": b, "i": 1, "x": "t"}).to_string());
        post.messages(&channel).remove(0).external_thread_id.unwrap()
    };
    assert_eq!(thread("PN1", "4915"), "PN1:4915");
    assert_ne!(thread("ab", "c"), thread("a", "bc"));
    assert_ne!(thread("a:b", "c"), thread("a", "b:c"));
    assert_ne!(thread("a%3Ab", "c"), thread("a:b", "c"));
}

#[test]
fn items_see_what_is_around_them() {
    let channel = mapped(json!({"each": ["$.entry[*]", "$.messages[*]"],
        "thread": {"join": ["up:$.page", "$.from"]}, "messageId": "$.id", "text": "$.text",
        "name": {"lookup": {"in": "up:$.contacts[*]", "key": "$.id", "equals": "up:$.nobody", "take": "$.name"}},
        "email": {"lookup": {"in": "up:$.contacts[*]", "key": "$.id", "equals": "$.from", "take": "$.mail"}}}));
    let post = Post::new(
        json!({"entry": [{"page": "P", "contacts": [{"id": 1, "mail": "one@x"}, {"id": 2, "mail": "two@x"}],
            "messages": [{"id": "m", "from": "2", "text": "hi"}]}]})
        .to_string(),
    );
    let message = post.messages(&channel).remove(0);
    assert_eq!(message.external_thread_id.as_deref(), Some("P:2"));
    assert_eq!((message.participant_name, message.participant_email.as_deref()), (None, Some("two@x")));
}

#[test]
fn a_repeat_in_one_body_has_the_same_id() {
    let channel = mapped(json!({"each": "$[*]", "thread": "$.t", "messageId": "$.i", "text": "$.x"}));
    let messages =
        Post::new(r#"[{"t":1,"i":5741311803571721087,"x":"a"},{"t":"1","i":"5741311803571721087","x":"a"}]"#)
            .messages(&channel);
    // Expectations 61 and 67: a number and a string of the same digits are one id.
    assert_eq!(messages[0], messages[1]);
}
