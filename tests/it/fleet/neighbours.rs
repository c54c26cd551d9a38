//! Mailboxes beside others that misbehave: theirs is theirs alone (I06).

use super::{Fleet, mail, wait_for};
use crate::servers::worker::{Engine, on_both_stores};
use std::time::{Duration, Instant};

on_both_stores! { i06_mailboxes_that_misbehave_change_nothing_for_the_others }

const HEALTHY: u32 = 12;

async fn i06_mailboxes_that_misbehave_change_nothing_for_the_others(engine: Engine) {
    let history = |name: &str| if name.starts_with("huge") { 3_000 } else { 1 };
    let Some(mut fleet) = Fleet::new(engine, history).await else { return };
    let worker = fleet.worker("one");
    let bad = ["silent1", "silent2", "silent3", "closing1", "closing2", "refused1", "chatting1", "chatting2"];
    let bad: Vec<String> = bad.into_iter().map(str::to_owned).collect();
    fleet.start(&worker, &bad).await;
    let names: Vec<String> = (0..HEALTHY).map(|number| format!("box{number}")).collect();
    fleet.start(&worker, &names).await;
    // The chatting ones are in IDLE now and then.
    wait_for(Duration::from_secs(30), async || {
        let mut idle = 0;
        for surface in &fleet.surfaces[bad.len()..] {
            idle += u32::from(fleet.status(&worker, surface).await["connection"] == "idle");
        }
        (idle == HEALTHY).then_some(()).ok_or(format!("{idle} are in IDLE"))
    })
    .await;
    fleet.start(&worker, &["huge".to_owned()]).await;
    let arrivals = fleet.arrivals(&worker).await;
    for round in 0..3 {
        let sent = Instant::now();
        let numbers: Vec<u32> = (0..HEALTHY).map(|mailbox| round * HEALTHY + mailbox).collect();
        for (name, number) in names.iter().zip(&numbers) {
            fleet.crowd.deliver(name, mail(*number));
        }
        // Far less than a deadline of those that misbehave, and far more than it takes on a busy machine.
        let longest = arrivals.all(&numbers, sent, Duration::from_secs(8)).await;
        println!("{engine:?}: round {round} stored within {longest:?}");
    }
    let class =
        async |place: usize| fleet.status(&worker, &fleet.surfaces[place]).await["errorClass"].clone();
    assert_eq!(class(3).await, "transient");
    assert_eq!(class(5).await, "auth");
    for place in [0, 6] {
        assert!(class(place).await.is_null(), "{} has not failed yet", bad[place]);
    }
}
