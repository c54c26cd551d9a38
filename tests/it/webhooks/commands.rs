//! `inlet surfaces test` and `inlet replay`, typed by a person against a real worker.

use super::daemon::Daemon;
use crate::servers::worker::KEY;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

fn inlet(folder: &Path, url: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_inlet"));
    command.args(arguments).current_dir(folder).env_clear().env("INLET_API_KEY", KEY).env("INLET_URL", url);
    command.output().unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn e84_a_payload_is_tried_against_a_file_of_settings_without_a_worker() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples/tawkto.toml");
    let start = json!({"event": "chat:start", "chatId": "c-70", "time": "2026-10-01T10:00:00.000Z",
        "message": {"text": "hello", "type": "msg", "sender": {"type": "visitor"}}, "visitor": {"name": "Ana"}});
    let file = folder.path().join("start.json");
    std::fs::write(&file, start.to_string()).unwrap();
    let arguments = ["surfaces", "test", file.to_str().unwrap(), "--settings", settings.to_str().unwrap()];
    let shown = inlet(folder.path(), "http://127.0.0.1:9", &arguments);
    assert!(shown.status.success(), "{}", text(&shown));
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["envelopes"][0]["externalThreadId"], "c-70");
    assert_eq!(shown["envelopes"][0]["content"], "hello");
    std::fs::write(&file, json!({"event": "chat:start", "message": {"type": "msg"}}).to_string()).unwrap();
    let refused = inlet(folder.path(), "http://127.0.0.1:9", &arguments);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused).contains("map.thread: nothing is there"), "{}", text(&refused));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_mapping_left_out_is_added_from_the_requests_since_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let worker = Daemon::start(folder.path(), None, &[]);
    let map = |kinds: &[&str]| json!({"each": "$.events[*]", "when": [{"path": "$.kind", "in": kinds}], "thread": "$.room", "messageId": "$.i", "text": "$.x"});
    let settings = json!({"provider": "custom", "allowUnsigned": true, "map": map(&["said"])});
    let id = worker.surface(&settings).await;
    for number in 0..205 {
        let event =
            |kind: &str| json!({"kind": kind, "room": "r", "i": format!("{kind}-{number}"), "x": "words"});
        let body = json!({"events": [event("said"), event("sung")]});
        assert_eq!(worker.post(&id, &body).await.unwrap().1["accepted"], 1);
    }
    let replay = |arguments: &[&str]| {
        let shown = inlet(folder.path(), &worker.url, &[&["replay", "--surface", "W"], arguments].concat());
        (shown.status.code().unwrap(), text(&shown))
    };
    assert_eq!(replay(&[]).0, 2);
    assert_eq!(replay(&["--since", "yesterday"]).0, 2);
    assert_eq!(replay(&["--since", "2026-01-01T00:00:00Z", "--dead-letters"]).0, 2);
    let since = ["--since", "2020-01-01T00:00:00Z"];
    let (status, told) = replay(&since);
    assert!(status == 0 && told.contains("205 replayed, 0 new messages"), "{told}");
    let change = json!({"inbound": {"map": map(&["said", "sung"])}});
    assert_eq!(worker.call(reqwest::Method::PUT, &format!("/v1/surfaces/{id}"), Some(&change)).await.0, 200);
    let (status, told) = replay(&["--since", "2100-01-01T00:00:00Z"]);
    assert!(status == 0 && told.contains("0 replayed, 0 new messages"), "{told}");
    let (status, told) = replay(&since);
    assert!(status == 0 && told.contains("205 replayed, 205 new messages"), "{told}");
    let (_, told) = replay(&since);
    assert!(told.contains("205 replayed, 0 new messages"), "{told}");
    let stored = worker.conversations(&id).await;
    assert_eq!(stored.iter().map(|(_, messages)| messages.len()).collect::<Vec<_>>(), [410]);
    // What cannot be read by today's settings is told, and the rest goes on.
    let change = json!({"inbound": {"map": {"each": "$.events[*]", "thread": "$.none", "messageId": "$.i", "text": "$.x"}}});
    assert_eq!(worker.call(reqwest::Method::PUT, &format!("/v1/surfaces/{id}"), Some(&change)).await.0, 200);
    let (status, told) = replay(&since);
    assert!(status == 1 && told.contains("205 still cannot be read"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_replayed_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let worker = Daemon::start(folder.path(), None, &[]);
    let map = |thread: &str| json!({"thread": thread, "messageId": "$.i", "text": "$.x"});
    let settings = json!({"provider": "custom", "allowUnsigned": true, "map": map("$.thread")});
    let id = worker.surface(&settings).await;
    for number in 0..3 {
        worker.post(&id, &json!({"room": "r", "i": number, "x": "words"})).await.unwrap();
    }
    let replay = ["replay", "--surface", "W", "--dead-letters"];
    let failed = inlet(folder.path(), &worker.url, &replay);
    assert_eq!(failed.status.code(), Some(1), "{}", text(&failed));
    assert!(text(&failed).contains("3 still cannot be read"), "{}", text(&failed));
    let change = json!({"inbound": {"map": map("$.room")}});
    let path = format!("/v1/surfaces/{id}");
    assert_eq!(worker.call(reqwest::Method::PUT, &path, Some(&change)).await.0, 200);
    let mended = inlet(folder.path(), &worker.url, &replay);
    assert!(mended.status.success(), "{}", text(&mended));
    assert!(text(&mended).contains("3 replayed, 3 new messages"), "{}", text(&mended));
    let payload = folder.path().join("payload.json");
    std::fs::write(&payload, r#"{"room": "r", "i": 9, "x": "words"}"#).unwrap();
    let tried =
        inlet(folder.path(), &worker.url, &["surfaces", "test", payload.to_str().unwrap(), "--surface", "W"]);
    let tried: Value = serde_json::from_slice(&tried.stdout).unwrap();
    assert_eq!(tried["envelopes"][0]["externalMessageId"], "9");
}
