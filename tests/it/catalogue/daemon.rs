//! The whole daemon before a server that misbehaves: what is stored, what is told, what is tried again.

use super::office::{Office, mail};
use crate::servers::scripted::{Act, Heard, Scripted};
use crate::servers::worker::{Engine, KEY, on_both_stores};
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

on_both_stores! {
    b25_mail_is_stored_within_a_second_of_its_delivery,
    d02_the_body_of_an_oversized_mail_is_fetched_on_demand,
    d16_a_mail_that_could_not_be_fetched_is_replayed_once,
    a20_what_is_done_after_storing_makes_no_mail_be_skipped,
}

async fn office() -> Office {
    Office::open(Engine::Sqlite).await.unwrap()
}

async fn b25_mail_is_stored_within_a_second_of_its_delivery(engine: Engine) {
    let Some(office) = Office::open(engine).await else { return };
    office.start(json!({})).await;
    office.poll().await;
    for number in 1..=10 {
        office.wait_until("IDLE", |status| status["connection"] == "idle").await;
        office.server.deliver("INBOX", mail(number));
        let took = office.wait_for(u64::from(number)).await;
        assert!(took < Duration::from_secs(1), "mail {number} took {took:?}");
    }
    let status = office.status().await;
    assert_eq!(status["mailboxes"]["INBOX"]["waitsFor"], "announcement");
    assert!(status["explanation"].as_str().unwrap().contains("announces"), "{status}");
}

/// The events from the first on, until there are so many of a kind.
async fn events(office: &Office, kind: &str, count: usize) -> Vec<Value> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut feed = client.get(format!("{}/v1/events", office.url())).bearer_auth(KEY).send().await.unwrap();
    let mut text = String::new();
    while text.matches(&format!("event: {kind}")).count() < count || !text.ends_with("\n\n") {
        let chunk = tokio::time::timeout(Duration::from_secs(20), feed.chunk()).await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
    }
    let events = text.lines().filter_map(|line| line.strip_prefix("data:"));
    events.map(|data| serde_json::from_str(data).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a07_the_fifth_uidvalidity_in_a_row_stops_the_mailbox_with_an_alert() {
    let office = office().await;
    office.server.put("INBOX", mail(1));
    office.start(json!({"idle": false})).await;
    office.poll().await;
    let another = || office.server.state().boxes.get_mut("INBOX").unwrap().uid_validity += 1;
    for _ in 0..4 {
        another();
        office.poll().await;
    }
    assert_eq!(office.status().await["errorClass"], Value::Null);
    another();
    let answer = office.poll_in_vain().await;
    assert!(answer["error"].as_str().unwrap().contains("UIDVALIDITY"), "{answer}");
    let status = office.status().await;
    assert_eq!(
        (&status["errorClass"], &status["pollStatus"]),
        (&json!("config"), &json!("error")),
        "{status}"
    );
    let events = events(&office, "surface.error", 1).await;
    assert_eq!(events.last().unwrap()["data"]["surface"]["id"], json!(office.surface));
    assert_eq!(office.conversations().await.1, 1);
    // A server that keeps it from now on is read on.
    office.poll().await;
    assert_eq!(office.status().await["errorClass"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_history_are_marked_and_those_of_new_mail_are_not() {
    let office = office().await;
    office.server.put("INBOX", mail(1));
    office.start(json!({})).await;
    office.wait_for(1).await;
    office.wait_until("IDLE", |status| status["connection"] == "idle").await;
    office.server.deliver("INBOX", mail(2));
    office.wait_for(2).await;
    let events = events(&office, "message.created", 2).await;
    let events = events.into_iter();
    let marks: Vec<Value> = events
        .filter(|event| event["type"] == "message.created")
        .map(|event| event["backfill"].clone())
        .collect();
    assert_eq!(marks, [json!(true), Value::Null]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a11_an_arrival_is_found_though_the_count_of_mails_stays() {
    let office = office().await;
    office.server.put("INBOX", mail(1));
    office.server.put("INBOX", mail(2));
    office.start(json!({"idle": false})).await;
    office.poll().await;
    office.server.state().boxes.get_mut("INBOX").unwrap().mails.remove(&1);
    office.server.put("INBOX", mail(3));
    assert_eq!(office.poll().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn b04_b09_a_server_that_refuses_idle_is_polled_and_status_says_so() {
    let office = office().await;
    office.server.hook(|heard| (heard.command == "IDLE").then(|| Act::Say("$ NO not here\r\n".to_owned())));
    office.start(json!({})).await;
    office.poll().await;
    let refused = |status: &Value| status["mailboxes"]["INBOX"]["waitsFor"] == "idle_refused";
    let status = office.wait_until("a refusal", refused).await;
    assert_eq!(status["connection"], "closed");
    assert!(status["explanation"].as_str().unwrap().contains("refused IDLE"), "{status}");
    office.server.put("INBOX", mail(1));
    assert_eq!(office.poll().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn b01_b06_b07_a_connection_that_ends_in_idle_is_replaced_and_mail_of_meanwhile_taken() {
    for end in ["+ idling\r\n", "+ idling\r\n* BYE see you\r\n"] {
        let office = office().await;
        office.server.hook(move |heard: &Heard| {
            let is_first = heard.command == "IDLE" && heard.connection == 0;
            is_first.then(|| Act::SayAndClose(end.to_owned()))
        });
        office.start(json!({})).await;
        office
            .server
            .wait_until("the first IDLE", |state| state.heard.iter().any(|it| it.command == "IDLE"))
            .await;
        office.server.put("INBOX", mail(1));
        office.wait_for(1).await;
        let status = office.status().await;
        assert_eq!((&status["consecutiveErrors"], &status["lastError"]), (&json!(0), &json!(null)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b08_a_server_that_never_answers_done_is_left() {
    let office = office().await;
    office.start(json!({})).await;
    office.wait_until("IDLE", |status| status["connection"] == "idle").await;
    office.server.hook(|heard| (heard.command == "DONE").then_some(Act::Silence));
    office.server.put("INBOX", mail(1));
    let start = Instant::now();
    let (status, answer) = office.call(Method::POST, "poll", None).await;
    assert_eq!((status, &answer["messagesProcessed"]), (200, &json!(1)), "{answer}");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert_eq!(office.server.logins(), 2, "on a connection of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn c04_c05_after_a_password_was_wrong_for_long_nothing_is_missing() {
    let office = office().await;
    office.server.put("INBOX", mail(1));
    office.start(json!({"idle": false})).await;
    office.poll().await;
    office.server.state().secrets.clear();
    for number in 2..=5 {
        office.server.put("INBOX", mail(number));
    }
    for _ in 0..3 {
        assert_eq!(office.poll_in_vain().await["code"], "IMAP_LOGIN_REFUSED");
    }
    let status = office.status().await;
    assert_eq!((&status["errorClass"], &status["pollStatus"]), (&json!("auth"), &json!("error")));
    assert!(status["explanation"].as_str().unwrap().contains("login is refused"), "{status}");
    let next: jiff::Timestamp = status["nextPollAt"].as_str().unwrap().parse().unwrap();
    let last: jiff::Timestamp = status["lastPollAt"].as_str().unwrap().parse().unwrap();
    assert!(next.duration_since(last).as_mins() >= 29, "{last} to {next}");
    // The owner mends it on the server; nobody calls start.
    office.server.state().secrets.insert("secret".to_owned());
    assert_eq!(office.poll().await, 4);
    assert_eq!(office.audit().await["clean"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn c09_a_server_with_too_many_connections_is_left_alone_for_a_while() {
    let office = office().await;
    office.server.hook(|heard| {
        let refusal = "$ NO [ALERT] Too many simultaneous connections\r\n".to_owned();
        heard.command.starts_with("LOGIN").then_some(Act::Say(refusal))
    });
    office.start(json!({})).await;
    let throttled = |status: &Value| status["errorClass"] == "throttle";
    let status = office.wait_until("a throttle", throttled).await;
    let next: jiff::Timestamp = status["nextPollAt"].as_str().unwrap().parse().unwrap();
    let last: jiff::Timestamp = status["lastPollAt"].as_str().unwrap().parse().unwrap();
    assert!(next.duration_since(last).as_secs() >= 29, "{status}");
    assert!(status["explanation"].as_str().unwrap().contains("fewer requests"), "{status}");
    let logins = office.server.commands().iter().filter(|it| it.starts_with("LOGIN")).count();
    assert_eq!(logins, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn c08_the_wait_that_a_server_asks_for_is_kept() {
    let office = office().await;
    office.server.hook(|heard| {
        let wish = "$ NO Request is throttled. Suggested Backoff Time: 240000 milliseconds\r\n".to_owned();
        heard.command.starts_with("EXAMINE").then_some(Act::Say(wish))
    });
    office.start(json!({})).await;
    let status = office.wait_until("a throttle", |status| status["errorClass"] == "throttle").await;
    let next: jiff::Timestamp = status["nextPollAt"].as_str().unwrap().parse().unwrap();
    let last: jiff::Timestamp = status["lastPollAt"].as_str().unwrap().parse().unwrap();
    let wait = next.duration_since(last).as_secs();
    assert!((240..=265).contains(&wait), "{wait}");
}

async fn d02_the_body_of_an_oversized_mail_is_fetched_on_demand(engine: Engine) {
    let Some(office) = Office::open(engine).await else { return };
    let huge = format!("{}{}", mail(1), "words that go on\r\n".repeat(50_000));
    office.server.put("INBOX", &huge);
    office.server.state().boxes.get_mut("INBOX").unwrap().claimed.insert(1, 1 << 30);
    office.server.put("INBOX", mail(2));
    office.start(json!({"idle": false})).await;
    office.wait_for(2).await;
    let find = async || {
        let (list, _) = office.conversations().await;
        for row in list {
            let path = format!("/v1/messaging/conversations/{}/messages", row["id"].as_str().unwrap());
            let (_, messages) = office.send(Method::GET, &path, None).await;
            let message = messages["data"][0].clone();
            if message["externalMessageId"] == "1@office" {
                return message;
            }
        }
        panic!("it is not there");
    };
    let before = find().await;
    assert_eq!((&before["metadata"]["flags"]["oversized"], &before["content"]), (&json!(true), &json!("")));
    assert_eq!(before["metadata"]["sizeBytes"], 1 << 30);
    let action = format!("messages/{}/fetch", before["id"].as_str().unwrap());
    let (status, answer) = office.call(Method::POST, &action, None).await;
    assert_eq!((status, &answer["sizeBytes"]), (200, &json!(huge.len())), "{answer}");
    let after = find().await;
    assert!(after["content"].as_str().unwrap().starts_with("Text 1."));
    assert_eq!(after["metadata"]["flags"]["oversized"], json!(null));
    assert_eq!(after["id"], before["id"]);
    assert_eq!(office.call(Method::POST, &action, None).await.0, 409, "it is whole now");
    let audit = office.audit().await;
    assert_eq!((&audit["clean"], &audit["mailboxes"][0]["outcomes"]), (&json!(true), &json!({"stored": 2})));
}

async fn d16_a_mail_that_could_not_be_fetched_is_replayed_once(engine: Engine) {
    let Some(office) = Office::open(engine).await else { return };
    for number in 1..=3 {
        office.server.put("INBOX", mail(number));
    }
    // The server lists the second one and leaves it out of every answer.
    office.server.state().boxes.get_mut("INBOX").unwrap().hidden.insert(2);
    office.start(json!({"idle": false})).await;
    office.poll().await;
    office.server.state().boxes.get_mut("INBOX").unwrap().hidden.clear();
    let letters = office.dead_letters().await;
    assert_eq!(letters.len(), 1);
    assert_eq!(office.audit().await["mailboxes"][0]["outcomes"], json!({"stored": 2, "quarantined": 1}));
    let path =
        format!("/v1/surfaces/{}/dead-letters/{}/replay", office.surface, letters[0]["id"].as_str().unwrap());
    let (status, first) = office.send(Method::POST, &path, Some(&json!({}))).await;
    assert_eq!((status, &first["accepted"]), (200, &json!(1)), "{first}");
    let (_, again) = office.send(Method::POST, &path, Some(&json!({}))).await;
    assert_eq!(again["accepted"], 0, "{again}");
    assert_eq!(office.conversations().await.1, 3);
    let audit = office.audit().await;
    assert_eq!(audit["mailboxes"][0]["outcomes"], json!({"stored": 3}), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn i08_an_audit_names_what_has_no_outcome() {
    let office = office().await;
    for number in 1..=4 {
        office.server.put("INBOX", mail(number));
    }
    office.server.state().boxes.get_mut("INBOX").unwrap().mails.remove(&2);
    office.start(json!({"idle": false})).await;
    office.poll().await;
    let clean = office.audit().await;
    assert_eq!((&clean["clean"], &clean["mailboxes"][0]["listed"]), (&json!(true), &json!(3)), "{clean}");
    office.server.state().boxes.get_mut("INBOX").unwrap().mails.insert(2, mail(2).into_bytes());
    let found = office.audit().await;
    assert_eq!((&found["clean"], &found["mailboxes"][0]["missing"]), (&json!(false), &json!([2])), "{found}");
    office.server.state().boxes.get_mut("INBOX").unwrap().uid_validity = 78;
    let changed = office.audit().await;
    assert!(changed["mailboxes"][0]["obstacle"].as_str().unwrap().contains("UIDVALIDITY"), "{changed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn i09_stopping_editing_and_deleting_close_the_connections_at_once() {
    let office = office().await;
    office.start(json!({})).await;
    office.wait_until("IDLE", |status| status["connection"] == "idle").await;
    office.call(Method::POST, "stop", Some(&json!({}))).await;
    office.server.wait_until("no connection after a stop", |state| state.open == 0).await;
    office.start(json!({})).await;
    office.wait_until("IDLE", |status| status["connection"] == "idle").await;
    office.start(json!({"pollIntervalMinutes": 9})).await;
    office.server.wait_until("another login", |state| state.logins.len() == 3).await;
    office.server.wait_until("one connection after an edit", |state| state.open == 1).await;
    office.send(Method::DELETE, &format!("/v1/surfaces/{}", office.surface), Some(&json!({}))).await;
    office.server.wait_until("no connection after the surface is gone", |state| state.open == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i12_after_a_success_backoff_begins_anew() {
    let office = office().await;
    office.start(json!({"idle": false})).await;
    office.poll().await;
    let fail = |heard: &Heard| heard.command.starts_with("EXAMINE").then(|| Act::SayAndClose(String::new()));
    office.server.hook(fail);
    for _ in 0..8 {
        office.poll_in_vain().await;
    }
    assert!(office.status().await["consecutiveErrors"].as_u64().unwrap() >= 8);
    office.server.behave();
    office.poll().await;
    office.server.hook(fail);
    office.poll_in_vain().await;
    let status = office.status().await;
    let errors = status["consecutiveErrors"].as_u64().unwrap();
    assert!(errors <= 2, "{status}");
    let next: jiff::Timestamp = status["nextPollAt"].as_str().unwrap().parse().unwrap();
    let last: jiff::Timestamp = status["lastPollAt"].as_str().unwrap().parse().unwrap();
    assert!(next.duration_since(last).as_secs() <= 4, "{status}");
}

async fn a20_what_is_done_after_storing_makes_no_mail_be_skipped(engine: Engine) {
    let Some(office) = Office::open(engine).await else { return };
    for number in 1..=700 {
        office.server.put("INBOX", mail(number));
    }
    office.start(json!({"onStored": {"seen": true, "keyword": "$Taken", "moveTo": "Done"}})).await;
    assert_eq!(office.poll().await, 700);
    office.server.wait_until("all are moved", |state| state.boxes["INBOX"].mails.is_empty()).await;
    {
        let state = office.server.state();
        assert_eq!(state.boxes["Done"].mails.len(), 700);
        let flags = &state.boxes["INBOX"].flags;
        assert!((1..=700).all(|uid| flags[&uid].contains("\\Seen") && flags[&uid].contains("$Taken")));
    }
    office.server.deliver("INBOX", mail(701));
    office.wait_for(701).await;
    office.server.wait_until("the new one is moved", |state| state.boxes["Done"].mails.len() == 701).await;
    assert_eq!(office.audit().await["clean"], true);
    // Nothing is changed on the server before it is stored, and nothing at all without the wish.
    let quiet = Office::open(engine).await.unwrap();
    quiet.server.put("INBOX", mail(1));
    quiet.start(json!({"idle": false})).await;
    quiet.poll().await;
    let changes = ["SELECT", "UID STORE", "UID MOVE", "UID COPY", "UID EXPUNGE"];
    let is_change = |command: &String| changes.iter().any(|verb| command.starts_with(verb));
    assert!(!quiet.server.commands().iter().any(is_change), "{:?}", quiet.server.commands());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_after_storing_holds_up_no_mail() {
    let office = office().await;
    office
        .server
        .hook(|heard| heard.command.starts_with("UID MOVE").then(|| Act::Say("$ NO no\r\n".to_owned())));
    office.start(json!({"onStored": {"moveTo": "Done"}})).await;
    office.server.put("INBOX", mail(1));
    office.poll().await;
    let remarked = |status: &Value| status["mailboxes"]["INBOX"]["remark"].is_string();
    let status = office.wait_until("a remark", remarked).await;
    assert_eq!(status["lastError"], json!(null));
    office.wait_until("IDLE", |status| status["connection"] == "idle").await;
    office.server.deliver("INBOX", mail(2));
    office.wait_for(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_folder_for_sent_mail_is_found_by_its_role() {
    let office = office().await;
    office.server.state().folders =
        vec![r#"() "/" "INBOX""#.to_owned(), r#"(\Sent) "/" "Ausgang""#.to_owned()];
    let ours = mail(1).replace("ann@example.com", "desk@example.org");
    office.server.put("Ausgang", ours);
    office.start(json!({"idle": false, "sentMailbox": "auto"})).await;
    office.poll().await;
    assert_eq!(office.messages().await[0]["direction"], "outbound");
    let status = office.status().await;
    assert!(status["mailboxes"]["Ausgang"].is_object(), "{status}");
    let verified =
        office.call(Method::POST, "verify", Some(&office.settings(json!({"sentMailbox": "auto"})))).await;
    assert_eq!(verified.1["imap"], json!({"success": true, "error": null}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a19_d10_c11_only_uids_are_spoken_of_and_only_whole_bodies_peeked_at() {
    let office = office().await;
    for number in 1..=3 {
        office.server.put("INBOX", mail(number));
    }
    office.start(json!({"idle": false})).await;
    office.poll().await;
    for command in office.server.commands() {
        let verb = command.split(' ').next().unwrap_or_default();
        assert!(!matches!(verb, "FETCH" | "SEARCH" | "STORE" | "COPY"), "{command}");
        for item in ["ENVELOPE", "BODYSTRUCTURE", "RFC822 ", "RFC822)", "BODY[", "FLAGS"] {
            assert!(!command.contains(item), "{command} asks for {item}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b22_a_server_that_takes_logins_and_closes_is_not_asked_again_and_again() {
    let office = office().await;
    let count = AtomicUsize::new(0);
    office.server.hook(move |heard| {
        let is_idle = heard.command == "IDLE";
        count.fetch_add(usize::from(is_idle), Ordering::Relaxed);
        is_idle.then(|| Act::SayAndClose("+ idling\r\n".to_owned()))
    });
    office.start(json!({})).await;
    office.server.wait_until("two logins", |state| state.logins.len() == 2).await;
    // The second short life is followed by 40 seconds of quiet.
    let waits = |status: &Value| status["connection"] == "backoff" && status["nextPollAt"].is_string();
    let status = office.wait_until("a pause", waits).await;
    assert_eq!(office.server.logins(), 2);
    let next: jiff::Timestamp = status["nextPollAt"].as_str().unwrap().parse().unwrap();
    let last: jiff::Timestamp = status["lastPollAt"].as_str().unwrap().parse().unwrap();
    let wait = next.duration_since(last).as_secs();
    assert!((39..=62).contains(&wait), "the next attempt is told, not the next interval: {wait} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn g18_mail_that_is_expunged_after_it_was_stored_stays() {
    let office = office().await;
    office.server.put("INBOX", mail(1));
    office.server.put("INBOX", mail(2));
    office.start(json!({"idle": false})).await;
    office.poll().await;
    office.server.state().boxes.get_mut("INBOX").unwrap().mails.clear();
    assert_eq!(office.poll().await, 0);
    assert_eq!(office.conversations().await.1, 2);
    assert_eq!(office.audit().await["clean"], true, "gone is not missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn i06_a_mailbox_whose_server_hangs_delays_no_other() {
    let office = office().await;
    let hanging = Scripted::start().await;
    hanging.hook(|heard| heard.command.starts_with("EXAMINE").then_some(Act::Silence));
    for number in 0..5 {
        let order = json!({"name": format!("hanging {number}"), "type": "email"});
        let (_, surface) = office.send(Method::POST, "/v1/surfaces", Some(&order)).await;
        let path = format!("/v1/messaging/imap/{}/start", surface["id"].as_str().unwrap());
        let settings = office.settings(json!({"imapPort": hanging.port}));
        assert_eq!(office.send(Method::POST, &path, Some(&settings)).await.0, 200);
    }
    office.start(json!({})).await;
    hanging.wait_until("all hang", |state| state.logins.len() == 5).await;
    for number in 1..=5 {
        office.wait_until("IDLE", |status| status["connection"] == "idle").await;
        office.server.deliver("INBOX", mail(number));
        let took = office.wait_for(u64::from(number)).await;
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
}
