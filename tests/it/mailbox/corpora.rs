//! Whole corpora from a real mail server through the daemon and its API: every mail arrives once, is threaded as
//! other engines agree, and nothing that happens to the mailbox afterwards doubles or loses one.

use super::world::World;
use crate::fleet::wait_for;
use crate::servers::dovecot::read_mbox;
use crate::servers::worker::{Engine, on_both_stores};
use crate::threads::truth::{Score, Truth, shared};
use futures_util::StreamExt as _;
use inlet::clock::ManualClock;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

on_both_stores! {
    the_mixed_lists_of_2002_arrive_once_whatever_happens_to_the_mailbox,
    a_list_with_many_copies_arrives_once_whatever_happens_to_the_mailbox,
}

/// One mail of a corpus.
struct Listed {
    raw: Vec<u8>,
    /// Without angle brackets; `None` where the mail has none.
    message_id: Option<String>,
}

fn corpus(path: &Path) -> Vec<Listed> {
    let text = std::fs::read_to_string(path.join("messages.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let ids = lines.map(|line| line["message_id"].as_str().map(str::to_owned));
    let mails: Vec<Listed> = read_mbox(&path.join("mbox.gz"))
        .into_iter()
        .zip(ids)
        .map(|(raw, message_id)| Listed { raw, message_id })
        .collect();
    assert!(mails.iter().filter(|mail| mail.message_id.is_some()).count() > mails.len() * 9 / 10);
    mails
}

/// Every conversation of the surface: its id, and how many messages it has.
async fn conversations(world: &World) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let path =
            format!("/v1/messaging/conversations?surfaceId={}&limit=100&cursor={cursor}", world.surface);
        let (status, page) = world.send(Method::GET, &path, None).await;
        assert_eq!(status, 200, "{page}");
        found.extend(
            page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| (row["id"].as_str().unwrap().to_owned(), row["messageCount"].as_u64().unwrap())),
        );
        match page["pagination"]["nextCursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return found,
        }
    }
}

async fn message_count(world: &World) -> u64 {
    conversations(world).await.iter().map(|(_, messages)| messages).sum()
}

/// Every message that the API shows for a surface: its Message-ID, and its conversation as a number.
async fn shown(world: &World) -> Vec<(String, u64)> {
    let conversations = conversations(world).await;
    let listing = futures_util::stream::iter((0..).zip(&conversations)).map(async |(number, (id, _))| {
        let (mut messages, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/messaging/conversations/{id}/messages?limit=100&cursor={after}");
            let (status, listed) = world.send(Method::GET, &path, None).await;
            assert_eq!(status, 200, "{listed}");
            let data = listed["data"].as_array().unwrap().iter();
            messages.extend(data.map(|message| {
                (message["externalMessageId"].as_str().unwrap_or_default().to_owned(), number)
            }));
            match listed["nextCursor"].as_str() {
                Some(next) => next.clone_into(&mut after),
                None => return messages,
            }
        }
    });
    let lists: Vec<Vec<(String, u64)>> = listing.buffered(16).collect().await;
    lists.concat()
}

/// How the conversations of the API compare with what other engines agree on. Mails without an id of their own are
/// taken for alone: nothing else knows them again.
fn score(path: &Path, mails: &[Listed], messages: &[(String, u64)]) -> Score {
    let by_id: HashMap<&str, u64> = messages.iter().map(|(id, label)| (id.as_str(), *label)).collect();
    let label = |(place, mail): (usize, &Listed)| {
        let id = mail.message_id.as_deref();
        let known = id.and_then(|id| by_id.get(id).copied());
        assert!(id.is_none() || known.is_some(), "mail {} is not shown: {id:?}", place + 1);
        known.unwrap_or(1_000_000 + place as u64)
    };
    let labels: Vec<u64> = mails.iter().enumerate().map(label).collect();
    Truth::read(path, mails.len()).compare(&labels)
}

/// `reported` pairs are made by delay notices and bounces with what they report on; engines read only headers.
async fn lives_through_everything(engine: Engine, name: &str, reported: u64) {
    let Some(path) = shared(&format!("threading/{name}")) else { return };
    // The clock stands a moment before the full minute: the schedule's next time is always that moment away.
    let clock = ManualClock::new("2026-11-02T10:00:59.5Z".parse().unwrap());
    let Some(mut world) = World::with_clock(engine, Arc::new(clock)).await else { return };
    let mails = corpus(&path);
    let raws: Vec<&Vec<u8>> = mails.iter().map(|mail| &mail.raw).collect();
    world.user.deliver("INBOX", &raws);
    world.user.connect().uids("INBOX");
    let started = Instant::now();
    world.start(json!({"idle": false, "pollIntervalMinutes": 60})).await;
    world.poll().await;
    println!("{name} on {engine:?}: {} mails in {:?}", mails.len(), started.elapsed());
    let messages = shown(&world).await;
    let ids: HashSet<&String> = messages.iter().map(|(id, _)| id).collect();
    assert_eq!(world.status().await["lastUid"], mails.len());
    assert_eq!(ids.len(), messages.len(), "no message is shown twice");
    let score = score(&path, &mails, &messages);
    println!("{name} on {engine:?}: {} messages, {score:?}", messages.len());
    assert_eq!((score.found, score.invented), (score.together, reported));
    let total = messages.len() as u64;

    assert_eq!(world.poll().await, 0, "a second poll");
    world.restart().await;
    assert_eq!(world.poll().await, 0, "a restart");
    world.user.reset_uid_validity("INBOX", 31_337);
    assert_eq!(world.poll().await, 0, "a UIDVALIDITY reset");
    world.user.create_folder("Copies");
    world.user.deliver("Copies", &raws);
    world.start(json!({"idle": false, "mailboxes": ["Copies"], "pollIntervalMinutes": 60})).await;
    assert_eq!(world.poll().await, 0, "a second mailbox with the same mails");
    assert_eq!(message_count(&world).await, total);

    let late = |number: u32| super::reader::mail(1_000_000 + number);
    world.user.deliver("Copies", &[late(1)]);
    assert_eq!(world.poll().await, 1, "mail that is appended is found by a poll");
    world.start(json!({"idle": false, "mailboxes": ["Copies"], "schedule": "* * * * *"})).await;
    assert_eq!(world.poll().await, 0);
    world.user.deliver("INBOX", &[late(2)]);
    wait_for(Duration::from_secs(40), async || {
        let last = world.status().await["lastUid"].clone();
        (last == mails.len() + 1).then_some(()).ok_or(format!("UID {last}"))
    })
    .await;
    assert_eq!(message_count(&world).await, total + 2, "and by the timer");
}

async fn the_mixed_lists_of_2002_arrive_once_whatever_happens_to_the_mailbox(engine: Engine) {
    lives_through_everything(engine, "spamassassin-easyham", 1).await;
}

async fn a_list_with_many_copies_arrives_once_whatever_happens_to_the_mailbox(engine: Engine) {
    lives_through_everything(engine, "notmuch-lkml", 0).await;
}
