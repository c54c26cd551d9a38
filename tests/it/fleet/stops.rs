//! B26: a worker that is told to stop, whatever its mailboxes are doing.

use super::{Fleet, wait_for};
use crate::servers::worker::{Engine, on_both_stores};
use rustix::process::{Pid, Signal, kill_process};
use std::time::{Duration, Instant};

on_both_stores! { b26_a_worker_that_is_told_to_stop_in_any_state_exits_within_ten_seconds_with_nothing_half_done }

const HISTORY: u32 = 2_000;

async fn b26_a_worker_that_is_told_to_stop_in_any_state_exits_within_ten_seconds_with_nothing_half_done(
    engine: Engine,
) {
    let history = |name: &str| if name.starts_with("huge") { HISTORY } else { 1 };
    let Some(mut fleet) = Fleet::new(engine, history).await else { return };
    let mut worker = fleet.worker("one");
    // In IDLE, silent at login, closed at login, refused, announcing without end, and reading.
    let names = ["box1", "silent1", "closing1", "refused1", "chatting1", "huge1"].map(str::to_owned);
    fleet.start(&worker, &names).await;
    let reading = fleet.surfaces[5].clone();
    wait_for(Duration::from_secs(60), async || {
        let status = fleet.status(&worker, &reading).await;
        (status["lastUid"].as_u64().unwrap() > 0).then_some(()).ok_or(status.to_string())
    })
    .await;
    let pid = Pid::from_raw(i32::try_from(worker.pid()).unwrap()).unwrap();
    let told = Instant::now();
    kill_process(pid, Signal::TERM).unwrap();
    let limit = Duration::from_secs(10);
    let ended = tokio::task::spawn_blocking(move || worker.wait_for_end(limit)).await.unwrap();
    println!("{engine:?}: ended {:?} after SIGTERM", told.elapsed());
    assert_eq!(ended.and_then(|ended| ended.code()), Some(0), "within ten seconds, in order");
    // Another worker, not the same one again, takes over at once: the leases were given back, not left to run out.
    let directory = if engine == Engine::Postgres { "two" } else { "one" };
    let next = fleet.worker(directory);
    let begun = Instant::now();
    wait_for(Duration::from_secs(60), async || {
        let status = fleet.status(&next, &reading).await;
        (status["lastUid"] == HISTORY && status["backlog"] == 0).then_some(()).ok_or(status.to_string())
    })
    .await;
    println!("{engine:?}: read to the end {:?} after the next start", begun.elapsed());
    assert_eq!(fleet.status(&next, &reading).await["messagesProcessed"], HISTORY, "none twice, none lost");
}
