//! C09: an account whose server allows it fewer connections than it has mailboxes.

use super::office::{Office, mail};
use crate::servers::scripted::Act;
use crate::servers::worker::Engine;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

/// Who is logged in, and how often somebody was refused.
#[derive(Debug, Default)]
struct Logins {
    open: HashSet<usize>,
    refused: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn c09_mailboxes_of_an_account_that_may_have_one_connection_take_turns() {
    let office = Office::open(Engine::Sqlite).await.unwrap();
    let names = ["INBOX", "Work", "Bills", "Sent"];
    for (number, name) in (1..).zip(names) {
        office.server.put(name, mail(number));
    }
    let logins = Arc::new(Mutex::new(Logins::default()));
    let counted = logins.clone();
    office.server.hook(move |heard| {
        let mut logins = counted.lock().unwrap();
        if heard.command == "LOGOUT" {
            logins.open.remove(&heard.connection);
        }
        if !heard.command.starts_with("LOGIN") {
            return None;
        }
        if !logins.open.is_empty() {
            logins.refused += 1;
            return Some(Act::SayAndClose("$ NO [ALERT] Too many simultaneous connections\r\n".to_owned()));
        }
        logins.open.insert(heard.connection);
        None
    });
    office.start(json!({"mailboxes": ["Work", "Bills"], "sentMailbox": "Sent"})).await;
    // Each wants a connection of its own at first: one gets it, and the others find out that it is the only one.
    let take_turns = |status: &Value| {
        let mailboxes = status["mailboxes"].as_object().unwrap();
        mailboxes.values().filter(|mailbox| mailbox["waitsFor"] == "few_connections").count() == 1
    };
    office.wait_until("the one in IDLE gives its connection up", take_turns).await;
    let refused = logins.lock().unwrap().refused;
    assert!((1..=3).contains(&refused), "{refused}");
    for number in 5..=7 {
        office.poll().await;
        office.server.put("Work", mail(number));
    }
    assert_eq!(office.poll().await, 1);
    assert_eq!(logins.lock().unwrap().refused, refused, "nobody is refused any more");
    assert_eq!(office.conversations().await.1, 7);
    let all = |status: &Value| {
        let mailboxes = status["mailboxes"].as_object().unwrap();
        mailboxes.values().all(|mailbox| mailbox["waitsFor"] == "few_connections")
    };
    let status = office.wait_until("all take turns", all).await;
    assert_eq!((&status["errorClass"], &status["connection"]), (&json!(null), &json!("closed")), "{status}");
    assert!(status["explanation"].as_str().unwrap().contains("take turns"), "{status}");
    assert_eq!(office.audit().await["clean"], true, "the audit takes its turn as well");
    assert_eq!(logins.lock().unwrap().refused, refused);
}
