//! Payloads that others recorded (`../shared/data/webhooks`), each with what it must become: read off the payload by
//! rules that know nothing of our mappings. Skipped with a message where the data is missing.

use super::*;
use std::path::PathBuf;

struct Sample {
    file: String,
    provider: String,
    kind: String,
    expected: Value,
    raw: Vec<u8>,
}

fn samples() -> Vec<Sample> {
    let shared =
        std::env::var("INLET_SHARED").unwrap_or_else(|_| format!("{}/../shared", env!("CARGO_MANIFEST_DIR")));
    let folder = PathBuf::from(shared).join("data/webhooks");
    let Ok(index) = std::fs::read(folder.join("index.json")) else {
        println!("skipped: no payloads at {}", folder.display());
        return Vec::new();
    };
    let index: Vec<Value> = serde_json::from_slice(&index).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    index
        .iter()
        .map(|row| Sample {
            file: text(&row["file"]),
            provider: text(&row["provider"]),
            kind: text(&row["kind"]),
            expected: row["expected"].clone(),
            raw: std::fs::read(folder.join(text(&row["file"]))).unwrap(),
        })
        .collect()
}

impl Sample {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.raw).unwrap()
    }

    /// What the payload becomes, as `mapping/test` shows it; nothing of it may be broken.
    fn read(&self, provider: &str, post: &Post) -> Vec<Value> {
        let channel = channel(json!({"provider": provider, "allowUnsigned": true}));
        let normalized = post.normalized(&channel).unwrap_or_else(|error| panic!("{}: {error}", self.file));
        assert_eq!(normalized.broken, [], "{}", self.file);
        normalized.items.iter().map(|(_, item)| item_json(item)).collect()
    }
}

fn of(provider: &str) -> Vec<Sample> {
    samples().into_iter().filter(|sample| sample.provider.starts_with(provider)).collect()
}

/// The text without the difference of line ends.
fn lines(value: &Value) -> String {
    value.as_str().unwrap_or_default().replace("\r\n", "\n").trim().to_owned()
}

/// A form as a provider posts it; `file:NAME` stands for an uploaded file.
fn multipart(fields: &Value) -> Post {
    let mut body = String::new();
    let mut part = |name: &str, value: &Value| {
        body.push_str(&format!("--b\r\nContent-Disposition: form-data; name=\"{name}\""));
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match text.strip_prefix("file:") {
            Some(file) => {
                body.push_str(&format!("; filename=\"{file}\"\r\nContent-Type: image/jpeg\r\n\r\nJPEG\r\n"));
            }
            None => body.push_str(&format!("\r\n\r\n{text}\r\n")),
        }
    };
    for (name, value) in fields.as_object().unwrap() {
        match value {
            Value::Null => {}
            Value::Object(inner)
                if inner.values().any(|one| one.as_str().is_some_and(|text| text.starts_with("file:"))) =>
            {
                inner.iter().for_each(|(key, one)| part(&format!("{name}[{key}]"), one));
            }
            Value::Object(inner) => inner.iter().for_each(|(key, one)| part(&format!("{name}[{key}]"), one)),
            value => part(name, value),
        }
    }
    body.push_str("--b--\r\n");
    Post::new(body).header("Content-Type", "multipart/form-data; boundary=b")
}

fn address(text: &Value) -> String {
    let text = text.as_str().unwrap_or_default();
    let inside = text.rsplit_once('<').map_or(text, |(_, rest)| rest.trim_end_matches('>'));
    inside.trim().to_lowercase()
}

fn check_mail(sample: &Sample, envelope: &Value, from: &Value, subject: &Value, text: &Value) {
    let file = &sample.file;
    assert_eq!(envelope["participant"]["email"], json!(address(from)), "{file}");
    if !subject.is_null() {
        assert_eq!(lines(&envelope["subject"]), lines(subject), "{file}");
    }
    if !lines(text).is_empty() {
        assert!(
            lines(&envelope["content"]).starts_with(&lines(text).chars().take(2).collect::<String>()),
            "{file}: {envelope}"
        );
    }
}

#[test]
fn griddler_s_mails_of_mailgun_are_read() {
    for sample in of("mailgun inbound") {
        let fields = sample.json();
        let files = fields
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| key.starts_with("attachment-") && key.ends_with(char::is_numeric))
            .count();
        let linked = fields["attachments"].as_array().map_or(0, Vec::len);
        let envelopes = sample.read("mailgun", &multipart(&fields));
        assert_eq!(envelopes.len(), 1, "{}", sample.file);
        let from = ["from", "From", "sender"].map(|key| &fields[key]);
        let from =
            from.into_iter().find(|value| value.as_str().is_some_and(|text| !text.is_empty())).unwrap();
        check_mail(&sample, &envelopes[0], from, &fields["subject"], &fields["body-plain"]);
        assert_eq!(
            envelopes[0]["attachments"].as_array().map_or(0, Vec::len),
            files + linked,
            "{}",
            sample.file
        );
    }
}

#[test]
fn griddler_s_mails_of_sendgrid_are_read() {
    for sample in of("sendgrid inbound").iter().filter(|sample| sample.file.contains("griddler")) {
        let fields = sample.json();
        let files = fields
            .as_object()
            .unwrap()
            .values()
            .filter(|value| value.as_str().is_some_and(|text| text.starts_with("file:")))
            .count();
        let envelopes = sample.read("sendgrid", &multipart(&fields));
        check_mail(sample, &envelopes[0], &fields["from"], &fields["subject"], &fields["text"]);
        assert_eq!(envelopes[0]["attachments"].as_array().map_or(0, Vec::len), files, "{}", sample.file);
    }
}

#[test]
fn griddler_s_mails_of_postmark_are_read() {
    for sample in of("postmark inbound") {
        let body = sample.json();
        let envelopes = sample.read("postmark", &Post::new(sample.raw.clone()));
        check_mail(&sample, &envelopes[0], &body["FromFull"]["Email"], &body["Subject"], &body["TextBody"]);
        let attached = body["Attachments"].as_array().map_or(0, Vec::len);
        assert_eq!(envelopes[0]["attachments"].as_array().map_or(0, Vec::len), attached, "{}", sample.file);
    }
}

#[test]
fn griddler_s_mails_of_cloudmailin_are_read() {
    for sample in of("cloudmailin inbound") {
        let body = sample.json();
        let has_files = body["attachments"].to_string().contains("file:");
        for post in [Post::new(sample.raw.clone()), multipart(&body)] {
            if has_files && post.headers.get("content-type") == Some("application/json") {
                continue;
            }
            let envelopes = sample.read("cloudmailin", &post);
            check_mail(
                &sample,
                &envelopes[0],
                &body["headers"]["from"],
                &body["headers"]["subject"],
                &body["plain"],
            );
            let attached = body["attachments"].as_object().map_or(0, serde_json::Map::len);
            assert_eq!(
                envelopes[0]["attachments"].as_array().map_or(0, Vec::len),
                attached,
                "{}",
                sample.file
            );
        }
    }
}

#[test]
fn griddler_s_mails_of_mandrill_are_read() {
    for sample in of("mandrill inbound") {
        let events = sample.json()["mandrill_events"].as_str().unwrap().to_owned();
        let envelopes = sample.read("mandrill", &multipart(&sample.json()));
        let events: Vec<Value> = serde_json::from_str(&events).unwrap();
        let mails: Vec<&Value> =
            events.iter().filter(|event| event["event"] == "inbound").map(|event| &event["msg"]).collect();
        assert_eq!(envelopes.len(), mails.len(), "{}", sample.file);
        for (envelope, mail) in envelopes.iter().zip(mails) {
            check_mail(&sample, envelope, &mail["from_email"], &mail["subject"], &mail["text"]);
            let attached = mail["attachments"].as_object().map_or(0, serde_json::Map::len);
            assert_eq!(envelope["attachments"].as_array().map_or(0, Vec::len), attached, "{}", sample.file);
        }
    }
}

#[test]
fn the_forms_of_sendgrid_s_libraries_are_read() {
    for sample in of("sendgrid inbound parse") {
        let post =
            Post::new(sample.raw.clone()).header("Content-Type", "multipart/form-data; boundary=xYzZY");
        let envelopes = sample.read("sendgrid", &post);
        assert_eq!(envelopes.len(), 1, "{}", sample.file);
        assert!(envelopes[0]["participant"]["email"].as_str().is_some_and(|email| email.contains('@')));
        assert!(!lines(&envelopes[0]["content"]).is_empty(), "{}: {}", sample.file, envelopes[0]);
        let files = usize::from(sample.file.contains("attachment"));
        assert_eq!(envelopes[0]["attachments"].as_array().map_or(0, Vec::len), files, "{}", sample.file);
    }
}

#[test]
fn slack_events_are_read_as_bolt_reads_them() {
    let (mut messages, mut others) = (0, 0);
    for sample in of("slack").iter().filter(|sample| sample.provider == "slack") {
        let envelopes = sample.read("slack", &Post::new(sample.raw.clone()));
        let expected = |key: &str| sample.expected[key].as_str().unwrap_or_default().to_owned();
        let event = sample.json()["event"].clone();
        let says = matches!(expected("event_type").as_str(), "message" | "app_mention");
        match expected("subtype").as_str() {
            "" | "file_share" | "thread_broadcast" | "bot_message" if says => {
                assert_eq!(envelopes.len(), 1, "{}", sample.file);
                assert_eq!(envelopes[0]["content"], json!(expected("text")), "{}", sample.file);
                let id = envelopes[0]["externalMessageId"].as_str().unwrap();
                assert!(id.ends_with(&format!("{}:{}", expected("channel"), expected("ts"))), "{id}");
                let thread =
                    if expected("thread_ts").is_empty() { expected("ts") } else { expected("thread_ts") };
                let thread_id = envelopes[0]["externalThreadId"].as_str().unwrap();
                assert!(thread_id.ends_with(&thread) || event["channel_type"] == "im", "{thread_id}");
                let direction = if event["bot_id"].is_string() { "outbound" } else { "inbound" };
                assert_eq!(envelopes[0]["direction"], direction, "{}", sample.file);
                let files = event["files"].as_array().map_or(0, Vec::len);
                assert_eq!(envelopes[0]["attachments"].as_array().map_or(0, Vec::len), files);
                messages += 1;
            }
            "message_changed" | "message_deleted" => {
                let word = if expected("subtype") == "message_changed" { "edit" } else { "delete" };
                assert_eq!(envelopes[0]["change"], word, "{}", sample.file);
                let ts = event["previous_message"]["ts"].as_str().unwrap();
                assert!(envelopes[0]["externalMessageId"].as_str().unwrap().ends_with(ts));
            }
            _ => {
                assert_eq!(envelopes, [] as [Value; 0], "{}", sample.file);
                others += 1;
            }
        }
    }
    println!("{messages} messages and {others} others of Slack");
}

#[test]
fn whatsapp_updates_are_read_as_pywa_reads_them() {
    let mut read = 0;
    for sample in of("whatsapp") {
        let envelopes = sample.read("whatsapp", &Post::new(sample.raw.clone()));
        let value = sample.json()["entry"][0]["changes"][0]["value"].clone();
        let message = value["messages"][0].as_object().or(value["message_echoes"][0].as_object()).cloned();
        let message = Value::Object(message.unwrap_or_default());
        let kind = message["type"].as_str().unwrap_or_default().to_owned();
        let is_message = matches!(
            sample.kind.as_str(),
            "message" | "callback_button" | "callback_selection" | "flow_completion" | "outgoing_message"
        );
        let has_words = !matches!(kind.as_str(), "reaction" | "unsupported" | "edit" | "revoke" | "unknown");
        if matches!(kind.as_str(), "edit" | "revoke") {
            let word = if kind == "edit" { "edit" } else { "delete" };
            assert_eq!(envelopes[0]["change"], word, "{}", sample.file);
            assert_eq!(
                envelopes[0]["externalMessageId"], message[&kind]["original_message_id"],
                "{}",
                sample.file
            );
        } else if is_message && has_words && message.get(&kind).is_some() {
            assert_eq!(envelopes.len(), 1, "{}", sample.file);
            let envelope = &envelopes[0];
            assert_eq!(envelope["externalMessageId"], message["id"], "{}", sample.file);
            let echo = sample.kind == "outgoing_message";
            assert_eq!(envelope["direction"], if echo { "outbound" } else { "inbound" }, "{}", sample.file);
            assert_eq!(
                envelope["externalParticipantId"],
                message[if echo { "to" } else { "from" }],
                "{}",
                sample.file
            );
            if kind == "text" {
                assert_eq!(envelope["content"], message["text"]["body"], "{}", sample.file);
            }
            let media = matches!(kind.as_str(), "image" | "video" | "audio" | "document" | "sticker");
            assert_eq!(
                envelope["attachments"].as_array().map_or(0, Vec::len),
                usize::from(media),
                "{}",
                sample.file
            );
            read += 1;
        } else {
            assert!(
                envelopes.iter().all(|envelope| envelope["role"] == "system"),
                "{}: {envelopes:?}",
                sample.file
            );
        }
    }
    println!("{read} messages of WhatsApp");
}

#[test]
fn line_events_are_read_as_line_s_library_reads_them() {
    for sample in of("line") {
        let envelopes = sample.read("line", &Post::new(sample.raw.clone()));
        let expected = sample.expected["event_types"].as_array().unwrap();
        let count = |word: &str| expected.iter().filter(|kind| **kind == word).count();
        let changes = |word: &str| envelopes.iter().filter(|envelope| envelope["change"] == word).count();
        assert_eq!((changes("edit"), changes("delete")), (count("messageEdited"), count("unsend")));
        assert_eq!(envelopes.len(), count("message") + count("messageEdited") + count("unsend"));
        let texts: Vec<&Value> = envelopes.iter().map(|envelope| &envelope["content"]).collect();
        for text in sample.expected["message_texts"].as_array().unwrap() {
            assert!(texts.contains(&text), "{text}");
        }
    }
}

#[test]
fn bodies_of_smooch_1_1_are_read() {
    for sample in of("smooch") {
        let body = sample.json();
        let envelopes = sample.read("sunshine", &Post::new(sample.raw.clone()));
        assert_eq!(envelopes.len(), 1, "{}", sample.file);
        assert_eq!(envelopes[0]["externalThreadId"], body["appUser"]["_id"]);
        assert_eq!(envelopes[0]["externalMessageId"], body["messages"][0]["_id"]);
        assert_eq!(envelopes[0]["content"], body["messages"][0]["text"]);
        assert_eq!(envelopes[0]["timestamp"], "2018-12-31T15:22:43.141Z");
    }
}
