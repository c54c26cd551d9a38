//! Providers that send a request once, behind the proxies of `docs/operations.md`: nginx before two workers of which one is
//! killed and then the other, HAProxy before one that is killed and started again.

use super::daemon::{Daemon, post};
use crate::servers::proxy::{Proxy, free_port};
use crate::servers::worker::Engine;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;

const SENDERS: usize = 6;
/// Requests of one sender.
const EACH: usize = 60;
/// How long a provider waits (Chatwoot).
const PATIENCE: Duration = Duration::from_secs(5);

/// A worker at that port, in a directory of its own.
fn start(directory: &Path, database: Option<&str>, port: u16) -> Daemon {
    let own = directory.join(port.to_string());
    std::fs::create_dir_all(&own).unwrap();
    Daemon::start(&own, database, &[("INLET_LISTEN", &format!("127.0.0.1:{port}"))])
}

async fn started(directory: &Path, database: Option<&str>, port: u16) -> Daemon {
    let (directory, database) = (directory.to_owned(), database.map(str::to_owned));
    tokio::task::spawn_blocking(move || start(&directory, database.as_deref(), port)).await.unwrap()
}

/// Requests under way: each is sent once; their answers, and how many have come.
struct Sending {
    senders: Vec<JoinHandle<Vec<u16>>>,
    done: Arc<AtomicUsize>,
}

impl Sending {
    fn begin(url: &str, surface: &str) -> Self {
        let done = Arc::new(AtomicUsize::new(0));
        let senders = (0..SENDERS).map(|sender| {
            let (url, surface, done) = (url.to_owned(), surface.to_owned(), done.clone());
            tokio::spawn(async move {
                let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
                let mut statuses = Vec::new();
                for number in 0..EACH {
                    let id = format!("{sender}-{number}");
                    let body = json!({"externalThreadId": format!("t{sender}"), "externalMessageId": id, "content": id});
                    statuses.push(post(&client, &url, &surface, &body).await.map_or(0, |(status, _)| status));
                    done.fetch_add(1, Ordering::Relaxed);
                }
                statuses
            })
        });
        Self { senders: senders.collect(), done }
    }

    async fn until(&self, part: usize) {
        while self.done.load(Ordering::Relaxed) < SENDERS * EACH * part / 3 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Every request was answered 200, and every message is there once.
    async fn check(self, daemon: &Daemon, surface: &str) {
        for sender in self.senders {
            assert_eq!(sender.await.unwrap(), [200; EACH]);
        }
        let stored = daemon.conversations(surface).await;
        assert_eq!(stored.len(), SENDERS);
        for (thread, messages) in stored {
            let sender = thread.unwrap().split_off(1);
            let mut found: Vec<&str> = messages.iter().map(|it| it["content"].as_str().unwrap()).collect();
            let mut sent: Vec<String> = (0..EACH).map(|number| format!("{sender}-{number}")).collect();
            found.sort_unstable();
            sent.sort_unstable();
            assert_eq!(found, sent);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_hands_on_to_the_next_worker_what_is_sent_once() {
    let Some(Some(database)) = Engine::Postgres.database().await else { return };
    let (directory, ports) = (tempfile::tempdir().unwrap(), [free_port(), free_port()]);
    let Some(proxy) = Proxy::nginx(ports) else { return };
    let first = start(directory.path(), Some(&database), ports[0]);
    let second = start(directory.path(), Some(&database), ports[1]);
    let surface = first.inlet_surface().await;
    let sending = Sending::begin(&proxy.url, &surface);
    sending.until(1).await;
    drop(first);
    sending.until(2).await;
    // One is always there: the first is back before the second goes.
    let first = started(directory.path(), Some(&database), ports[0]).await;
    drop(second);
    sending.check(&first, &surface).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn haproxy_waits_for_a_single_worker_to_be_started_again() {
    let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
    let Some(proxy) = Proxy::haproxy(port) else { return };
    let daemon = start(directory.path(), None, port);
    let surface = daemon.inlet_surface().await;
    let sending = Sending::begin(&proxy.url, &surface);
    sending.until(1).await;
    drop(daemon);
    let daemon = started(directory.path(), None, port).await;
    sending.until(2).await;
    drop(daemon);
    let daemon = started(directory.path(), None, port).await;
    sending.check(&daemon, &surface).await;
}
