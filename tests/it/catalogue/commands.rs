//! `inlet imap` and `inlet replay`, typed by a person: the real program against a daemon before a scripted mail server.

use super::office::{Office, mail};
use crate::servers::worker::{Engine, KEY, on_both_stores};
use serde_json::{Value, json};
use std::process::Command;

on_both_stores! {
    an_audit_is_typed_and_its_exit_code_tells_of_a_difference,
    a_mail_that_was_set_aside_is_replayed_from_the_command_line,
    an_oversized_mail_is_fetched_from_the_command_line,
}

/// What a command printed, and its exit code.
struct Typed {
    text: String,
    code: Option<i32>,
}

impl Office {
    /// Types a command; `body` is written to the file `mailbox.json` of the folder it is typed in.
    async fn types(&self, arguments: &[&str], body: Option<&Value>) -> Typed {
        let folder = tempfile::tempdir().unwrap();
        if let Some(body) = body {
            std::fs::write(folder.path().join("mailbox.json"), body.to_string()).unwrap();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_inlet"));
        command.args(arguments).current_dir(folder.path()).env_clear();
        command.env("INLET_API_KEY", KEY).env("INLET_URL", self.url());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Typed { text, code: output.status.code() }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_is_verified_started_polled_and_stopped_from_the_command_line() {
    let office = Office::open(Engine::Sqlite).await.unwrap();
    office.server.put("INBOX", mail(1));
    let good = office.settings(json!({"idle": false}));
    let verify = ["imap", "verify", "support", "--body", "mailbox.json"];
    let verified = office.types(&verify, Some(&good)).await;
    assert_eq!(verified.code, Some(0), "{}", verified.text);
    assert_eq!(verified.text, "imap  ok\nsmtp  not configured\n", "what was not tried is not called good");
    let smtp = json!({"smtpHost": "127.0.0.1", "smtpPort": 1, "smtpUsername": "u", "smtpPassword": "p"});
    let refused = office.types(&verify, Some(&office.settings(smtp))).await;
    assert_eq!(refused.code, Some(1), "{}", refused.text);
    assert!(refused.text.starts_with("imap  ok\nsmtp  Connecting failed"), "{}", refused.text);
    let wrong = office.types(&verify, Some(&office.settings(json!({"imapPassword": "wrong"})))).await;
    assert_eq!(wrong.code, Some(1), "{}", wrong.text);
    assert!(!wrong.text.contains("imap  ok"), "{}", wrong.text);

    let started = office.types(&["imap", "start", "support", "--body", "mailbox.json"], Some(&good)).await;
    assert_eq!(started.code, Some(0), "{}", started.text);
    let polled = office.types(&["imap", "poll", "support", "--json"], None).await;
    let answer: Value = serde_json::from_str(&polled.text).unwrap();
    assert_eq!((polled.code, &answer["lastUid"]), (Some(0), &json!(1)), "{}", polled.text);
    let status = office.types(&["imap", "status", "support"], None).await;
    assert!(status.text.contains("explanation") && status.text.contains("no IDLE"), "{}", status.text);
    let stopped = office.types(&["imap", "stop", "support"], None).await;
    assert_eq!(stopped.code, Some(0), "{}", stopped.text);
    let status = office.types(&["imap", "status", "support"], None).await;
    assert!(status.text.contains("behind UID 1"), "{}", status.text);
}

async fn an_audit_is_typed_and_its_exit_code_tells_of_a_difference(engine: Engine) {
    let Some(office) = Office::open(engine).await else { return };
    for number in 1..=4 {
        office.server.put("INBOX", mail(number));
    }
    office.server.state().boxes.get_mut("INBOX").unwrap().mails.remove(&2);
    office.start(json!({"idle": false})).await;
    office.poll().await;
    let clean = office.types(&["imap", "audit", "support"], None).await;
    assert_eq!(clean.code, Some(0), "{}", clean.text);
    assert!(clean.text.contains("UIDs 1 to 4: 3 listed, 3 with an outcome\nno difference"), "{}", clean.text);
    office.server.state().boxes.get_mut("INBOX").unwrap().mails.insert(2, mail(2).into_bytes());
    let found = office.types(&["imap", "audit", "support"], None).await;
    assert_eq!(found.code, Some(1), "{}", found.text);
    assert!(found.text.contains("1 without: 2\nthere are differences"), "{}", found.text);
    let json = office.types(&["imap", "audit", "support", "--json"], None).await;
    let answer: Value = serde_json::from_str(&json.text).unwrap();
    assert_eq!((json.code, &answer["clean"]), (Some(1), &json!(false)), "{answer}");
}

async fn a_mail_that_was_set_aside_is_replayed_from_the_command_line(engine: Engine) {
    let Some(office) = Office::open(engine).await else { return };
    for number in 1..=3 {
        office.server.put("INBOX", mail(number));
    }
    office.server.state().boxes.get_mut("INBOX").unwrap().hidden.insert(2);
    office.start(json!({"idle": false})).await;
    office.poll().await;
    let replay = ["replay", "--surface", "support", "--dead-letters"];
    let failed = office.types(&replay, None).await;
    assert_eq!(failed.code, Some(1), "{}", failed.text);
    assert!(failed.text.contains("1 still cannot be read"), "{}", failed.text);
    office.server.state().boxes.get_mut("INBOX").unwrap().hidden.clear();
    let replayed = office.types(&replay, None).await;
    assert_eq!(replayed.code, Some(0), "{}", replayed.text);
    assert!(replayed.text.contains("1 replayed, 1 new messages"), "{}", replayed.text);
    assert_eq!(office.conversations().await.1, 3);
    let again = office.types(&replay, None).await;
    assert!(again.text.contains("0 replayed, 0 new messages"), "{}", again.text);
}

async fn an_oversized_mail_is_fetched_from_the_command_line(engine: Engine) {
    let Some(office) = Office::open(engine).await else { return };
    let huge = format!("{}{}", mail(1), "words that go on\r\n".repeat(5_000));
    office.server.put("INBOX", &huge);
    office.server.state().boxes.get_mut("INBOX").unwrap().claimed.insert(1, 1 << 30);
    office.start(json!({"idle": false})).await;
    office.wait_for(1).await;
    let before = office.messages().await[0].clone();
    assert_eq!(before["metadata"]["flags"]["oversized"], json!(true));
    let fetch = ["imap", "fetch", "support", before["id"].as_str().unwrap()];
    let fetched = office.types(&fetch, None).await;
    assert_eq!(fetched.code, Some(0), "{}", fetched.text);
    assert!(fetched.text.contains(&huge.len().to_string()), "{}", fetched.text);
    assert!(office.messages().await[0]["content"].as_str().unwrap().starts_with("Text 1."));
    let again = office.types(&fetch, None).await;
    assert_eq!(again.code, Some(1), "it is whole now: {}", again.text);
}
