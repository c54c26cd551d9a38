//! The database goes away and comes back, under load: no sender notices, nothing is lost or overtaken.

use super::daemon::{Daemon, post};
use crate::servers::postgres::{Durability, Server};
use crate::servers::worker::KEY;
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

/// How long the database is away, in seconds; `INLET_OUTAGE_SECONDS` says it for the long run.
fn away_seconds() -> u64 {
    std::env::var("INLET_OUTAGE_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

const REQUESTS_PER_SECOND: u64 = 200;
const THREADS: usize = 10;

/// Sends steadily until `until`, one after the other in each thread; every answer's status and time.
async fn send_steadily(url: String, surface: String, until: Instant) -> (Vec<u16>, Vec<Duration>, usize) {
    let senders = (0..THREADS).map(|thread| {
        let (url, surface) = (url.clone(), surface.clone());
        tokio::spawn(async move {
            let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
            let mut ticks = tokio::time::interval(Duration::from_millis(1_000 * THREADS as u64 / REQUESTS_PER_SECOND));
            // What is late is made up for: the rate holds whatever one answer takes.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let (mut statuses, mut times) = (Vec::new(), Vec::new());
            while Instant::now() < until {
                ticks.tick().await;
                let number = statuses.len();
                let body = json!({"externalThreadId": format!("t{thread}"), "externalMessageId": format!("{thread}-{number}"), "content": number.to_string()});
                let began = Instant::now();
                statuses.push(post(&client, &url, &surface, &body).await.map_or(0, |(status, _)| status));
                times.push(began.elapsed());
            }
            (statuses, times)
        })
    });
    let (mut statuses, mut times) = (Vec::new(), Vec::new());
    for sender in senders.collect::<Vec<_>>() {
        let (own, took) = sender.await.unwrap();
        statuses.extend(own);
        times.extend(took);
    }
    times.sort();
    let sent = statuses.len();
    (statuses, times, sent)
}

async fn wait_for_an_empty_spool(worker: &Daemon) -> Duration {
    let began = Instant::now();
    while worker.figure("inlet_spool_requests").await > 0.0 || worker.figure("inlet_store_away").await > 0.0 {
        assert!(began.elapsed() < Duration::from_secs(30), "the spool is empty 30 s after the return");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    began.elapsed()
}

/// Every thread has its messages once each, in the order in which they were sent.
async fn check(worker: &Daemon, surface: &str, sent: usize) {
    let stored = worker.conversations(surface).await;
    assert_eq!(stored.len(), THREADS);
    let mut found = 0;
    for (thread, messages) in stored {
        let numbers: Vec<usize> =
            messages.iter().map(|message| message["content"].as_str().unwrap().parse().unwrap()).collect();
        assert_eq!(numbers, (0..messages.len()).collect::<Vec<_>>(), "{thread:?}");
        found += messages.len();
    }
    assert_eq!(found, sent);
}

/// A worker whose database is about to be taken away, and requests that go on all the time.
struct Outage {
    server: Server,
    worker: Daemon,
    surface: String,
    sending: tokio::task::JoinHandle<(Vec<u16>, Vec<Duration>, usize)>,
    /// How long the database is to be away.
    away: Duration,
    _directory: tempfile::TempDir,
}

impl Outage {
    /// One second of requests; they go on until `after` the database may be back. `None` where there is no PostgreSQL.
    async fn begin(after: Duration) -> Option<Self> {
        let server = Server::start(Durability::None)?;
        let directory = tempfile::tempdir().unwrap();
        let worker = Daemon::start(directory.path(), Some(&server.fresh_database()), &[]);
        let surface = worker.inlet_surface().await;
        let away = Duration::from_secs(away_seconds());
        let until = Instant::now() + away + after;
        let sending = tokio::spawn(send_steadily(worker.url.clone(), surface.clone(), until));
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some(Self { server, worker, surface, sending, away, _directory: directory })
    }

    /// The database is back: no sender has noticed, and everything is there; `story` is what was done to it.
    async fn end(self, story: &str) {
        let emptied = wait_for_an_empty_spool(&self.worker).await;
        let (statuses, times, sent) = self.sending.await.unwrap();
        wait_for_an_empty_spool(&self.worker).await;
        let refused = statuses.iter().find(|status| **status != 200);
        assert_eq!(refused, None);
        check(&self.worker, &self.surface, sent).await;
        let longest = times[sent - 1];
        println!(
            "{sent} requests, {story}; empty {emptied:?} after the return; answers: median {:?}, p99 {:?}, longest {longest:?}",
            times[sent / 2],
            times[sent * 99 / 100],
        );
        assert!(longest < Duration::from_secs(3), "below what Slack and Meta wait: {longest:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_for_a_while_costs_no_sender_anything() {
    // Expectations 36 and 89.
    let Some(mut outage) = Outage::begin(Duration::from_secs(3)).await else { return };
    outage.server.go_away();
    tokio::time::sleep(outage.away).await;
    let health = reqwest::get(format!("{}/healthz", outage.worker.url)).await.unwrap();
    assert_eq!(health.status(), 200);
    let spooled = outage.worker.figure("inlet_webhook_spooled_total").await;
    assert!(spooled > 0.0, "it was the spool that took them");
    outage.server.come_back();
    let story = format!("away for {:?}", outage.away);
    outage.end(&story).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_and_keeps_its_connections_is_noticed_in_time() {
    // Expectation 36: nothing is refused and nothing is answered, as when a machine hangs.
    let Some(outage) = Outage::begin(Duration::from_secs(6)).await else { return };
    outage.server.freeze();
    let frozen = Instant::now();
    while outage.worker.figure("inlet_store_away").await == 0.0 {
        assert!(frozen.elapsed() < Duration::from_secs(5), "it is not noticed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let noticed = frozen.elapsed();
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().unwrap();
    let status =
        async |path: &str| client.get(format!("{}{path}", outage.worker.url)).send().await.unwrap().status();
    assert_eq!((status("/healthz").await.as_u16(), status("/readyz").await.as_u16()), (200, 503));
    tokio::time::sleep(outage.away).await;
    outage.server.thaw();
    let story = format!("hanging for {:?}, noticed after {noticed:?}", outage.away);
    outage.end(&story).await;
}

#[test]
fn a_worker_whose_spool_cannot_be_written_does_not_start() {
    // Expectation 37: said at the start, and not at the first request of an outage.
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("data")).unwrap();
    std::fs::write(directory.path().join("data/spool"), "a file where the folder should be").unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_inlet"));
    command.current_dir(directory.path()).env_clear().env("INLET_LISTEN", "127.0.0.1:0");
    let ended = command.env("INLET_DATA_DIR", directory.path().join("data")).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!ended.status.success() && said.contains("spool"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_spooled_survives_a_kill_and_is_stored_by_the_next_worker() {
    let Some(mut server) = Server::start(Durability::None) else { return };
    let url = server.fresh_database();
    let directory = tempfile::tempdir().unwrap();
    let worker = Daemon::start(directory.path(), Some(&url), &[]);
    let surface = worker.inlet_surface().await;
    for number in 0..THREADS {
        let body = json!({"externalThreadId": format!("t{number}"), "content": "0", "externalMessageId": number.to_string()});
        assert_eq!(worker.post(&surface, &body).await.unwrap().1["messages"].as_array().unwrap().len(), 1);
    }
    // One that starts before the outage has seen no request of that surface.
    drop(worker);
    let worker = Daemon::start(directory.path(), Some(&url), &[]);
    let send = async |number: usize| {
        let body = json!({"externalThreadId": format!("t{}", number % THREADS), "content": (number / THREADS).to_string(), "externalMessageId": number.to_string()});
        let (status, answer) = worker.post(&surface, &body).await.unwrap();
        assert_eq!(status, 200, "{answer}");
        answer
    };
    server.go_away();
    for number in THREADS..5 * THREADS {
        let answer = send(number).await;
        assert_eq!((&answer["accepted"], &answer["messages"]), (&json!(1), &json!([])));
    }
    drop(worker);
    server.come_back();
    let worker = Daemon::start(directory.path(), Some(&url), &[]);
    wait_for_an_empty_spool(&worker).await;
    check(&worker, &surface, 5 * THREADS).await;
    assert!(
        !directory
            .path()
            .join("data/spool/0")
            .read_dir()
            .unwrap()
            .any(|file| { file.unwrap().path().extension().is_some_and(|ending| ending == "spool") })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_spool_answers_503_with_a_time_and_a_bad_proof_stays_401() {
    let Some(mut server) = Server::start(Durability::None) else { return };
    let url = server.fresh_database();
    let directory = tempfile::tempdir().unwrap();
    let worker = Daemon::start(directory.path(), Some(&url), &[("INLET__WEBHOOKS__SPOOL_BYTES", "4000")]);
    let surface = worker.inlet_surface().await;
    let body = |number: usize| json!({"externalThreadId": "t", "externalMessageId": number.to_string(), "content": "x"});
    assert_eq!(worker.post(&surface, &body(0)).await.unwrap().0, 200);
    server.go_away();
    let mut taken = 1;
    while worker.post(&surface, &body(taken)).await.unwrap().0 == 200 {
        taken += 1;
    }
    assert!((4..40).contains(&taken), "{taken}");
    let hook = format!("{}/v1/webhooks/{surface}", worker.url);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let text = body(taken).to_string();
    let sign = format!("sha256={}", super::proof(text.as_bytes()));
    let answer = client
        .post(&hook)
        .header("X-Inlet-Signature", sign)
        .header("content-type", "application/json")
        .body(text)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 503);
    assert!(answer.headers()["retry-after"].to_str().unwrap().parse::<u32>().unwrap() >= 1);
    let unsigned = client.post(&hook).bearer_auth(KEY).body("{}").send().await.unwrap();
    assert_eq!(unsigned.status(), 401);
    server.come_back();
    wait_for_an_empty_spool(&worker).await;
    assert_eq!(worker.post(&surface, &body(taken)).await.unwrap().0, 200);
    let stored = worker.conversations(&surface).await;
    assert_eq!(stored[0].1.len(), taken + 1);
}
