//! Mailboxes over the REST API of the whole daemon, against a real Dovecot.

use super::reader::mail;
use super::world::World;
use crate::servers::smtp::mail_sink;
use crate::servers::worker::{Engine, on_both_stores};
use inlet::clock::ManualClock;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;

on_both_stores! {
    a_mailbox_is_started_polled_and_shown,
    mail_that_arrives_is_announced_by_idle,
    mail_that_arrives_is_found_by_the_timer,
    a_restart_goes_on_where_the_cursor_stands,
    a05_a_uidvalidity_change_doubles_nothing_and_loses_nothing,
    a21_the_same_mails_in_two_mailboxes_are_one_message_each,
    a_mail_of_ours_in_sent_and_in_the_inbox_ends_as_outbound,
    stop_ends_polling_and_start_resumes,
    b27_many_polls_at_once_share_and_all_succeed,
    i03_a_worker_killed_while_it_reads_loses_nothing_and_doubles_nothing,
}

async fn a_mailbox_is_started_polled_and_shown(engine: Engine) {
    let Some(world) = World::on(engine).await else { return };
    world.user.deliver("INBOX", &[mail(1), mail(2), mail(3)]);
    let (status, answer) = world.call(Method::POST, "poll", None).await;
    assert_eq!((status, &answer["code"]), (400, &json!("MAILBOX_NOT_CONFIGURED")));
    world.start(json!({})).await;
    let (status, first) = world.call(Method::POST, "poll", Some(&json!({}))).await;
    assert_eq!((status, &first["lastUid"]), (200, &json!(3)), "{first}");
    assert_eq!(first["mailboxes"][0]["mailbox"], "INBOX");
    assert_eq!(world.poll().await, 0, "a second poll finds nothing");
    assert_eq!(world.subjects().await, ["number 1", "number 2", "number 3"]);
    let shown = world.status().await;
    let keys: Vec<&String> = shown.as_object().unwrap().keys().collect();
    for key in [
        "active",
        "config",
        "consecutiveErrors",
        "lastError",
        "lastPollAt",
        "lastUid",
        "mailbox",
        "messagesProcessed",
        "nextPollAt",
        "pollIntervalMinutes",
        "pollStatus",
        "worker",
        "connection",
        "backlog",
    ] {
        assert!(keys.iter().any(|shown| *shown == key), "{key} is missing: {shown}");
    }
    assert_eq!(shown["messagesProcessed"], 3);
    assert_eq!(
        shown["config"],
        json!({
            "host": "localhost", "mailbox": "INBOX", "pollIntervalMinutes": 5, "pollingEnabled": true,
            "port": world.server.tls_port, "provider": "custom", "secure": true, "username": world.user.name,
        })
    );
    assert!(!shown.to_string().contains("secret"), "{shown}");
}

async fn mail_that_arrives_is_announced_by_idle(engine: Engine) {
    let Some(world) = World::on(engine).await else { return };
    world.start(json!({})).await;
    world.poll().await;
    let mut events = world.events().await;
    world.user.deliver("INBOX", &[mail(7)]);
    events.wait_for("Text 7.").await;
    assert_eq!(world.subjects().await, ["number 7"]);
}

async fn mail_that_arrives_is_found_by_the_timer(engine: Engine) {
    // The test's clock stands a moment before the full minute: the schedule's next time is always that moment away.
    let clock = ManualClock::new("2026-11-02T10:00:59.9Z".parse().unwrap());
    let Some(world) = World::with_clock(engine, Arc::new(clock)).await else { return };
    world.start(json!({"idle": false, "schedule": "* * * * *"})).await;
    world.poll().await;
    let mut events = world.events().await;
    world.user.deliver("INBOX", &[mail(8)]);
    events.wait_for("Text 8.").await;
}

async fn a_restart_goes_on_where_the_cursor_stands(engine: Engine) {
    let Some(mut world) = World::on(engine).await else { return };
    world.user.deliver("INBOX", &[mail(1), mail(2)]);
    world.start(json!({})).await;
    world.poll().await;
    assert_eq!(world.status().await["messagesProcessed"], 2);
    world.restart().await;
    assert_eq!(world.poll().await, 0);
    assert_eq!(world.status().await["lastUid"], 2);
    world.user.deliver("INBOX", &[mail(3)]);
    world.poll().await;
    assert_eq!(world.subjects().await, ["number 1", "number 2", "number 3"]);
    assert_eq!(world.status().await["messagesProcessed"], 3);
}

async fn a05_a_uidvalidity_change_doubles_nothing_and_loses_nothing(engine: Engine) {
    let Some(world) = World::on(engine).await else { return };
    world.user.deliver("INBOX", &(1..=20).map(mail).collect::<Vec<_>>());
    world.start(json!({"idle": false})).await;
    world.poll().await;
    world.user.deliver("INBOX", &[mail(21)]);
    world.user.reset_uid_validity("INBOX", 31_337);
    assert_eq!(world.poll().await, 1);
    assert_eq!(world.subjects().await.len(), 21);
    assert_eq!(world.poll().await, 0);
}

async fn a21_the_same_mails_in_two_mailboxes_are_one_message_each(engine: Engine) {
    let Some(world) = World::on(engine).await else { return };
    world.user.create_folder("Work");
    for mailbox in ["INBOX", "Work"] {
        world.user.deliver(mailbox, &[mail(1), mail(2)]);
    }
    world.user.deliver("Work", &[mail(3)]);
    world.start(json!({"mailboxes": ["Work"]})).await;
    let (status, answer) = world.call(Method::POST, "poll", None).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["mailboxes"].as_array().unwrap().len(), 2);
    assert_eq!(world.subjects().await, ["number 1", "number 2", "number 3"]);
    assert_eq!(world.status().await["messagesProcessed"], 3);
}

async fn a_mail_of_ours_in_sent_and_in_the_inbox_ends_as_outbound(engine: Engine) {
    let Some(world) = World::on(engine).await else { return };
    world.user.create_folder("Sent");
    let ours = mail(1).replace("ann@example.com", "desk@example.com").replace("To: desk@", "To: bob@");
    for mailbox in ["INBOX", "Sent"] {
        world.user.deliver(mailbox, std::slice::from_ref(&ours));
    }
    world.start(json!({"sentMailbox": "Sent"})).await;
    world.poll().await;
    let path = format!("/v1/messaging/conversations?surfaceId={}", world.surface);
    let (_, list) = world.send(Method::GET, &path, None).await;
    assert_eq!(list["data"].as_array().unwrap().len(), 1, "{list}");
    let path = format!("/v1/messaging/conversations/{}/messages", list["data"][0]["id"].as_str().unwrap());
    let (_, messages) = world.send(Method::GET, &path, None).await;
    let directions: Vec<&Value> =
        messages["data"].as_array().unwrap().iter().map(|message| &message["direction"]).collect();
    assert_eq!(directions, ["outbound"]);
}

async fn stop_ends_polling_and_start_resumes(engine: Engine) {
    let Some(world) = World::on(engine).await else { return };
    world.user.deliver("INBOX", &[mail(1)]);
    world.start(json!({})).await;
    world.poll().await;
    assert_eq!(world.call(Method::POST, "stop", Some(&json!({}))).await, (200, json!({"success": true})));
    world.user.deliver("INBOX", &[mail(2)]);
    let (status, answer) = world.call(Method::POST, "poll", None).await;
    assert_eq!((status, &answer["code"]), (409, &json!("POLLING_STOPPED")));
    let shown = world.status().await;
    assert_eq!(
        (&shown["active"], &shown["pollStatus"], &shown["nextPollAt"], &shown["lastUid"]),
        (&json!(false), &json!("stopped"), &Value::Null, &json!(1))
    );
    assert_eq!(world.subjects().await, ["number 1"]);
    world.start(json!({})).await;
    world.poll().await;
    assert_eq!(world.subjects().await, ["number 1", "number 2"]);
}

async fn b27_many_polls_at_once_share_and_all_succeed(engine: Engine) {
    let Some(world) = World::on(engine).await else { return };
    world.user.deliver("INBOX", &(1..=50).map(mail).collect::<Vec<_>>());
    world.start(json!({})).await;
    let polls = futures_util::future::join_all((0..100).map(|_| world.poll())).await;
    assert_eq!(polls.len(), 100);
    assert_eq!(world.subjects().await.len(), 50);
    let (status, answer) = world.call(Method::POST, "poll?wait=false", None).await;
    assert_eq!((status, answer), (202, json!({"success": true})));
}

#[tokio::test(flavor = "multi_thread")]
async fn c04_a_refused_login_is_told_and_heals_with_new_settings() {
    let Some(world) = World::new().await else { return };
    world.user.deliver("INBOX", &[mail(1)]);
    world.start(json!({"imapPassword": "wrong"})).await;
    let (status, answer) = world.call(Method::POST, "poll", None).await;
    assert_eq!((status, &answer["code"]), (502, &json!("IMAP_LOGIN_REFUSED")), "{answer}");
    let shown = world.status().await;
    assert_eq!((&shown["pollStatus"], &shown["errorClass"]), (&json!("error"), &json!("auth")), "{shown}");
    assert!(shown["consecutiveErrors"].as_i64().unwrap() > 0 && shown["lastError"].is_string());
    world.start(json!({})).await;
    world.poll().await;
    let shown = world.status().await;
    assert_eq!((&shown["consecutiveErrors"], &shown["lastError"]), (&json!(0), &Value::Null));
    assert_eq!(world.subjects().await, ["number 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a23_a_mailbox_that_is_not_there_is_named_and_the_others_go_on() {
    let Some(world) = World::new().await else { return };
    world.user.deliver("INBOX", &[mail(1)]);
    world.start(json!({"mailboxes": ["Nowhere"]})).await;
    let (status, answer) = world.call(Method::POST, "poll", None).await;
    assert_eq!(status, 502);
    assert!(answer["error"].as_str().unwrap().contains("Nowhere"), "{answer}");
    assert_eq!(world.subjects().await, ["number 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_logs_in_for_real() {
    let Some(world) = World::new().await else { return };
    let verify = async |change: Value| {
        let (status, answer) = world.call(Method::POST, "verify", Some(&world.changed(change))).await;
        assert_eq!(status, 200, "{answer}");
        answer
    };
    let good = json!({"imap": {"success": true, "error": null}, "smtp": {"success": true, "error": null}});
    assert_eq!(verify(json!({})).await, good);
    assert_eq!(verify(json!({"imapSecure": false, "imapPort": world.server.plain_port})).await, good);
    let wrong = verify(json!({"imapPassword": "wrong"})).await;
    assert_eq!(wrong["imap"]["success"], false);
    let absent = verify(json!({"mailbox": "Nowhere"})).await;
    assert!(absent["imap"]["error"].as_str().unwrap().contains("Nowhere"), "{absent}");
    let smtp = json!({"smtpHost": "localhost", "smtpPort": 1, "smtpUsername": "u", "smtpPassword": "p"});
    let unreachable = verify(smtp).await;
    assert_eq!(
        (&unreachable["imap"]["success"], &unreachable["smtp"]["success"]),
        (&json!(true), &json!(false))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_settings_is_told_at_once() {
    let Some(world) = World::new().await else { return };
    let (status, answer) = world.call(Method::POST, "start", Some(&json!({"imapPort": 0}))).await;
    let paths: Vec<&str> = answer["details"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["path"].as_str().unwrap())
        .collect();
    assert_eq!(status, 400);
    assert_eq!(paths, ["fromAddress", "imapHost", "imapPort", "imapUsername", "imapPassword"]);
    let order = json!({"name": "hook", "type": "webhook"});
    let (_, other) = world.send(Method::POST, "/v1/surfaces", Some(&order)).await;
    let path = format!("/v1/messaging/imap/{}/start", other["id"].as_str().unwrap());
    let (status, answer) = world.send(Method::POST, &path, Some(&world.settings())).await;
    assert_eq!((status, &answer["code"]), (400, &json!("NOT_AN_EMAIL_SURFACE")));
    let missing = "/v1/messaging/imap/01890000-0000-7000-8000-000000000000/status";
    assert_eq!(world.send(Method::GET, missing, None).await.0, 404);
}

async fn i03_a_worker_killed_while_it_reads_loses_nothing_and_doubles_nothing(engine: Engine) {
    let Some(mut world) = World::with_process(engine).await else { return };
    world.user.deliver("INBOX", &(1..=2_000).map(mail).collect::<Vec<_>>());
    world.start(json!({})).await;
    for text in ["Text 1.", "Text 600.", "Text 1100."] {
        // Somewhere behind this mail's commit.
        world.events().await.wait_for(text).await;
        world.crash();
    }
    world.poll().await;
    assert_eq!(world.status().await["lastUid"], 2_000);
    let path = format!("/v1/messaging/conversations?surfaceId={}&limit=1", world.surface);
    let (_, list) = world.send(Method::GET, &path, None).await;
    assert_eq!(list["pagination"]["totalCount"], 2_000, "{}", list["pagination"]);
    world.user.deliver("INBOX", &[mail(2_001)]);
    world.poll().await;
    assert_eq!(world.status().await["lastUid"], 2_001);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_mail_is_sent_for_real() {
    let Some(world) = World::new().await else { return };
    let (port, mails) = mail_sink("250-AUTH PLAIN\r\n");
    let body = json!({
        "fromAddress": "desk@example.com", "fromName": "Desk", "to": "ann@example.org", "smtpHost": "localhost",
        "smtpPort": port, "smtpUsername": "desk", "smtpPassword": "secret",
    });
    let (status, answer) = world.call(Method::POST, "test-send", Some(&body)).await;
    assert_eq!((status, &answer["success"]), (200, &json!(true)), "{answer}");
    let heard = mails.recv_timeout(std::time::Duration::from_secs(10)).unwrap();
    assert!(heard.contains("AUTH PLAIN AGRlc2sAc2VjcmV0"), "{heard}");
    assert!(
        heard.contains("MAIL FROM:<desk@example.com>") && heard.contains("RCPT TO:<ann@example.org>"),
        "{heard}"
    );
    assert!(heard.contains(&format!("Message-ID: <{}>", answer["messageId"].as_str().unwrap())), "{heard}");
    let smtp = json!({"smtpHost": "localhost", "smtpPort": mail_sink("250-AUTH PLAIN\r\n").0, "smtpUsername": "desk",
        "smtpPassword": "secret"});
    let (_, verified) = world.call(Method::POST, "verify", Some(&world.changed(smtp))).await;
    assert_eq!(verified["smtp"], json!({"success": true, "error": null}));
    let refused = {
        let mut body = body.clone();
        body["smtpPort"] = json!(1);
        world.call(Method::POST, "test-send", Some(&body)).await
    };
    assert_eq!((refused.0, &refused.1["code"]), (502, &json!("SMTP_FAILED")), "{}", refused.1);
}
