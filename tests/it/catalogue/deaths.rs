//! D05 by real deaths: a mail whose source is longer than any file of the process may be, so that the system kills it (SIGXFSZ)
//! when it writes the source down, after reading the mail and before its commit. Nothing in the product knows of the test:
//! the server sets the limit, with `prlimit`, at the moment at which it is asked for that mail.

#![cfg(target_os = "linux")]

use super::office::mail;
use crate::servers::scripted::Scripted;
use crate::servers::worker::{Engine, KEY, Worker, on_both_stores};
use reqwest::{Client, Method};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::{Value, json};
use std::os::unix::process::ExitStatusExt as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep};

on_both_stores! { d05_a_mail_over_which_the_process_really_dies_is_set_aside_after_three_deaths_and_the_rest_arrives }

const MAILS: u32 = 40;
const POISON: u32 = 20;
/// Letters that compression makes little of: far more than a file may hold, far less than a mail may have.
const POISON_BYTES: usize = 16 << 20;
/// Far more than the store and the other mails take.
const FILE_BYTES: u64 = 8 << 20;
const PATIENCE: Duration = Duration::from_secs(60);
const SIGXFSZ: i32 = 25;

/// No file of the process may become longer than this from now on.
fn limit_files(pid: u32) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    let pid = Pid::from_raw(i32::try_from(pid).unwrap());
    // It may be gone already.
    let _ = prlimit(pid, Resource::Fsize, Rlimit { current: Some(FILE_BYTES), maximum });
}

/// Lines of letters without a pattern.
fn noise() -> String {
    let mut state = 1_u64;
    let letters = (1..=POISON_BYTES).map(|place| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let letter = char::from(b'0' + u8::try_from(state >> 58).unwrap());
        if place % 72 == 0 { '\n' } else { letter }
    });
    letters.collect::<String>().replace('\n', "\r\n")
}

/// Whether the command asks for the body of the poison.
fn asks_for_poison(command: &str) -> bool {
    let Some(rest) = command.strip_prefix("UID FETCH ").filter(|rest| rest.contains("BODY.PEEK[]")) else {
        return false;
    };
    let covers = |part: &str| {
        let (first, last) = part.split_once(':').unwrap_or((part, part));
        first.parse().unwrap_or(0) <= POISON && POISON <= last.parse().unwrap_or(0)
    };
    rest.split(' ').next().unwrap_or_default().split(',').any(covers)
}

async fn send(worker: &Worker, method: Method, path: &str, body: &Value) -> (u16, Value) {
    let client = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let request = client.request(method, format!("{}{path}", worker.url)).bearer_auth(KEY);
    let answer = request.json(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
}

async fn d05_a_mail_over_which_the_process_really_dies_is_set_aside_after_three_deaths_and_the_rest_arrives(
    engine: Engine,
) {
    crate::mailbox::world::provide_tls();
    let Some(database) = engine.database().await else { return };
    let directory = tempfile::tempdir().unwrap();
    let server = Scripted::start().await;
    for number in 1..=MAILS {
        let more = if number == POISON { noise() } else { String::new() };
        server.put("INBOX", mail(number) + &more);
    }
    let victim = Arc::new(Mutex::new(None));
    let limited = victim.clone();
    server.hook(move |heard| {
        let pid = asks_for_poison(&heard.command).then(|| *limited.lock().unwrap()).flatten();
        pid.inspect(|pid| limit_files(*pid));
        None
    });
    let launch = || {
        let worker = Worker::start(directory.path(), database.as_deref());
        *victim.lock().unwrap() = Some(worker.pid());
        worker
    };

    let mut worker = launch();
    let (_, made) =
        send(&worker, Method::POST, "/v1/surfaces", &json!({"name": "d05", "type": "email"})).await;
    let surface = made["id"].as_str().unwrap().to_owned();
    let settings = json!({
        "fromAddress": "desk@example.org", "imapHost": "127.0.0.1", "imapPort": server.port, "imapSecure": false,
        "imapUsername": "desk", "imapPassword": "secret",
    });
    let path = |action: &str| format!("/v1/messaging/imap/{surface}/{action}");
    assert_eq!(send(&worker, Method::POST, &path("start"), &settings).await.0, 200);
    for death in 1..=3 {
        let ended = worker.wait_for_end(PATIENCE);
        assert_eq!(ended.and_then(|ended| ended.signal()), Some(SIGXFSZ), "death {death} of three");
        worker = launch();
    }
    let begun = Instant::now();
    loop {
        let (_, status) = send(&worker, Method::GET, &path("status"), &json!({})).await;
        if status["lastUid"] == MAILS && status["connection"] == "idle" {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "it does not go on: {status}");
        assert_eq!(worker.wait_for_end(Duration::ZERO), None, "it died a fourth time");
        sleep(Duration::from_millis(20)).await;
    }
    let (_, audit) = send(&worker, Method::GET, &path("audit"), &json!({})).await;
    let outcomes = &audit["mailboxes"][0]["outcomes"];
    assert_eq!((&audit["clean"], outcomes), (&json!(true), &json!({"stored": MAILS - 1, "quarantined": 1})));
    let letters = format!("/v1/surfaces/{surface}/dead-letters");
    let (_, page) = send(&worker, Method::GET, &letters, &json!({})).await;
    assert_eq!(page["data"].as_array().unwrap().len(), 1, "{page}");
    assert!(page.to_string().contains("died three times"), "{page}");
    // A process that may write it reads it when it is asked to.
    *victim.lock().unwrap() = None;
    let id = page["data"][0]["id"].as_str().unwrap();
    let replayed = send(&worker, Method::POST, &format!("{letters}/{id}/replay"), &json!({})).await;
    assert_eq!((replayed.0, &replayed.1["accepted"]), (200, &json!(1)), "{}", replayed.1);
    let (_, audit) = send(&worker, Method::GET, &path("audit"), &json!({})).await;
    assert_eq!(audit["mailboxes"][0]["outcomes"], json!({"stored": MAILS}), "{audit}");
}
