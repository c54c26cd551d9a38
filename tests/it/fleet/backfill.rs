//! A large mailbox read by a process that is killed on the way, again and again: bounded memory, each mail once.

use super::{Fleet, scaled, wait_for};
use crate::servers::crowd::UID_VALIDITY;
use crate::servers::worker::{ENCRYPTION_KEY, Engine, on_both_stores};
use inlet::config::Config;
use inlet::ids::SurfaceId;
use inlet::model::imap::Outcome;
use inlet::site::Site;
use reqwest::Method;
use serde_json::json;
use std::collections::HashSet;
use std::time::{Duration, Instant};

on_both_stores! { a_large_mailbox_is_read_once_by_a_process_that_is_killed_five_times }

fn history(_: &str) -> u32 {
    scaled(3_000, 100_000)
}

async fn a_large_mailbox_is_read_once_by_a_process_that_is_killed_five_times(engine: Engine) {
    let Some(mut fleet) = Fleet::new(engine, history).await else { return };
    let total = history("");
    let mut worker = fleet.worker("one");
    fleet.start(&worker, &["large".to_owned()]).await;
    let surface = fleet.surfaces[0].clone();
    let begun = Instant::now();
    let mut peak = 0;
    let limit = Duration::from_secs(if total > 10_000 { 900 } else { 60 });
    for kill in 1..=5 {
        let mark = total / 6 * kill;
        wait_for(limit, async || {
            let status = fleet.status(&worker, &surface).await;
            (status["lastUid"].as_u64().unwrap() >= u64::from(mark)).then_some(()).ok_or(status.to_string())
        })
        .await;
        peak = peak.max(worker.resident_bytes().unwrap_or_default().1);
        worker.kill();
        worker = fleet.worker("one");
    }
    wait_for(limit, async || {
        let status = fleet.status(&worker, &surface).await;
        (status["lastUid"] == total && status["backlog"] == 0).then_some(()).ok_or(status.to_string())
    })
    .await;
    let took = begun.elapsed();
    peak = peak.max(worker.resident_bytes().unwrap_or_default().1);
    println!("{engine:?}: {total} mails with five kills in {took:?}, peak memory {} MiB", peak >> 20);
    assert!(peak < 256 << 20, "{peak} bytes");
    assert_eq!(fleet.totals(&worker).await, (u64::from(total / 10) + 1, u64::from(total)));
    let path = format!("/v1/messaging/imap/{surface}/poll");
    let (status, answer) = fleet.send(&worker, Method::POST, &path, Some(&json!({}))).await;
    assert_eq!((status, &answer["messagesProcessed"]), (200, &json!(0)), "{answer}");
    let path = format!("/v1/messaging/imap/{surface}/audit");
    let (status, audit) = fleet.send(&worker, Method::GET, &path, None).await;
    assert_eq!((status, &audit["clean"]), (200, &json!(true)), "{audit}");
    let mailbox = &audit["mailboxes"][0];
    assert_eq!((&mailbox["firstUid"], &mailbox["lastUid"]), (&json!(1), &json!(total)), "{audit}");
    assert_eq!((&mailbox["listed"], &mailbox["accounted"]), (&json!(total), &json!(total)), "{audit}");
    assert_eq!(mailbox["outcomes"], json!({"stored": total}), "each of them, and once");
    worker.kill();
    every_uid_has_one_outcome(&fleet, total).await;
    println!("{engine:?}: the audit is clean: {total} of {total} UIDs listed have one outcome each");
}

/// The ledger itself, row by row, beside what the audit says of it.
async fn every_uid_has_one_outcome(fleet: &Fleet, total: u32) {
    let mut config = Config::default();
    config.data.dir = fleet.directory.path().join("one").join("data");
    if let Some(database) = &fleet.database {
        config.store.url = Some(database.clone().into());
        config.encryption.key = Some(ENCRYPTION_KEY.into());
    }
    let site = Site::open(config).await.unwrap();
    let tenant = site.store.list_tenants().await.unwrap()[0];
    let surface = SurfaceId::parse(&fleet.surfaces[0]).unwrap();
    let most = total as usize + 1;
    let rows =
        site.store.list_ledger(tenant, surface, "INBOX", UID_VALIDITY, 1, u32::MAX, most).await.unwrap();
    assert!(rows.iter().map(|row| row.uid).eq(1..=total), "every UID once, and none between is missing");
    assert!(rows.iter().all(|row| row.outcome == Outcome::Stored));
    let messages: HashSet<_> = rows.iter().map(|row| row.message_id.unwrap()).collect();
    assert_eq!(messages.len(), rows.len(), "each is a message of its own");
}
