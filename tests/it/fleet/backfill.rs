//! A large mailbox read by a process that is killed on the way, again and again: bounded memory, each mail once.

use super::{Fleet, scaled, wait_for};
use crate::servers::worker::{Engine, on_both_stores};
use reqwest::Method;
use serde_json::json;
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
}
