//! Providers as they behave: each sends its messages with its own proof, and does with our answer what
//! it is known to do: tries again on its own schedule, holds a chat back behind its first message, gives up, bounces
//! the mail to a person, or never calls again. Faults come between: our 503s, answers that are lost,
//! connections that break, and `kill -9`.

mod front;
mod providers;
mod rules;
mod unnamed;
mod wire;

use super::daemon::Daemon;
use crate::servers::worker::{Engine, on_both_stores};
use front::Workers;
use providers::{Provider, all};
use rules::{After, Heard, Rules};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Requests under way at once, all providers together.
const AT_ONCE: usize = 32;
/// Chats of a provider.
const CHATS: usize = 7;

/// How many messages; `INLET_SIMULATED_MESSAGES` says it for the long run.
fn messages() -> usize {
    std::env::var("INLET_SIMULATED_MESSAGES").ok().and_then(|text| text.parse().ok()).unwrap_or(675)
}

/// What became of one message, as its provider sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Delivered,
    /// The provider has given it up: it does not try again by its own rules.
    Lost,
    Bounced,
    Disabled,
}

/// What happens to one attempt on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// A 503, as a worker or a proxy in front of it gives when it is overrun.
    Refused,
    /// The connection breaks before we have the request.
    CutBefore,
    /// We have it, and our answer does not arrive.
    LostAnswer,
}

struct Simulation {
    workers: Workers,
    permits: Semaphore,
    /// Surface of each provider.
    surfaces: BTreeMap<&'static str, String>,
    attempts: AtomicUsize,
    faults: AtomicUsize,
    done: AtomicUsize,
    ends: Mutex<BTreeMap<(&'static str, usize), End>>,
}

/// An even spread over 64 bits (splitmix64): the same faults in every run.
fn spread(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// One attempt in twenty goes wrong. What is sent once has its answer lost at most: the rest is between the proxy
/// and the workers, see [`front`].
fn fault(provider: &Provider, number: usize, attempt: usize) -> Fault {
    let name: u64 = provider.name.bytes().fold(7, |sum, byte| spread(sum ^ u64::from(byte)));
    let roll = spread(name ^ ((number as u64) << 20) ^ attempt as u64);
    // Two of the few tries of these are left to the two kills, which are minutes apart only in life.
    let has_few = matches!(provider.rules, Rules::Slack | Rules::Sns);
    if !roll.is_multiple_of(20) || (has_few && attempt >= 2) {
        return Fault::None;
    }
    match roll / 20 % 3 {
        0 if provider.rules.tries_again() => Fault::Refused,
        1 if provider.rules.tries_again() => Fault::CutBefore,
        _ => Fault::LostAnswer,
    }
}

impl Simulation {
    /// Delivers one message as its provider does.
    async fn deliver(&self, provider: &Provider, number: usize) {
        let mut attempt = 0;
        let end = loop {
            let heard = self.attempt(provider, number, attempt).await;
            attempt += 1;
            match provider.rules.after(&heard, attempt) {
                After::Delivered => break End::Delivered,
                After::Lost => break End::Lost,
                After::Bounced => break End::Bounced,
                After::Disabled => break End::Disabled,
                After::Retry(pause) => tokio::time::sleep(pause).await,
            }
        };
        self.ends.lock().unwrap().insert((provider.name, number), end);
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    async fn attempt(&self, provider: &Provider, number: usize, attempt: usize) -> Heard {
        let _permit = self.permits.acquire().await.unwrap();
        self.attempts.fetch_add(1, Ordering::Relaxed);
        let fault = fault(provider, number, attempt);
        if fault != Fault::None {
            self.faults.fetch_add(1, Ordering::Relaxed);
        }
        match fault {
            Fault::Refused => return Heard::status(503),
            Fault::CutBefore => return Heard::Nothing,
            Fault::None | Fault::LostAnswer => {}
        }
        let path = format!("/v1/webhooks/{}", self.surfaces[provider.name]);
        let heard = if provider.rules.goes_by_front(attempt) {
            self.workers.by_front(provider, number, &path).await
        } else {
            self.workers.directly(provider, number, &path).await
        };
        if fault == Fault::LostAnswer { Heard::Nothing } else { heard }
    }
}

/// Sends every provider's messages; those of one chat one after the other where the provider does so.
async fn send_all(simulation: &Arc<Simulation>, providers: &Arc<Vec<Provider>>, each: usize) {
    let mut lanes: Vec<(usize, Vec<usize>)> = Vec::new();
    for (position, provider) in providers.iter().enumerate() {
        let width = if provider.rules.holds_chats_back() { CHATS } else { each };
        lanes.extend((0..width).map(|first| (position, (first..each).step_by(width).collect())));
    }
    // All providers at the same time, so that a kill cuts off some of each.
    lanes.sort_by_key(|(position, lane)| (lane.first().copied(), *position));
    let mut running = Vec::new();
    for (position, lane) in lanes {
        let (simulation, providers) = (simulation.clone(), providers.clone());
        running.push(tokio::spawn(async move {
            for number in lane {
                simulation.deliver(&providers[position], number).await;
            }
        }));
    }
    for lane in running {
        lane.await.unwrap();
    }
}

/// Kills one worker when a third is done and the next one when two thirds are, and starts each again at once.
async fn kill_twice(
    simulation: Arc<Simulation>,
    mut daemons: Vec<Daemon>,
    directory: std::path::PathBuf,
    database: Option<String>,
    all: usize,
) -> Vec<Daemon> {
    for part in [1, 2] {
        while simulation.done.load(Ordering::Relaxed) < all * part / 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let victim = (part - 1) % daemons.len();
        simulation.workers.is_gone(victim);
        // What is under way at it now is cut off, wherever it is.
        drop(daemons.remove(victim));
        let (directory, database) = (directory.clone(), database.clone());
        let starting = move || start(&directory, database.as_deref(), victim);
        let daemon = tokio::task::spawn_blocking(starting).await.unwrap();
        simulation.workers.is_at(victim, &daemon.url);
        daemons.insert(victim, daemon);
    }
    daemons
}

/// The worker of that number, in a directory of its own.
fn start(directory: &std::path::Path, database: Option<&str>, number: usize) -> Daemon {
    let own = directory.join(number.to_string());
    std::fs::create_dir_all(&own).unwrap();
    Daemon::start(&own, database, &[])
}

on_both_stores! { every_message_of_every_provider_is_stored_once_whatever_goes_wrong }

async fn every_message_of_every_provider_is_stored_once_whatever_goes_wrong(engine: Engine) {
    let Some(database) = engine.database().await else { return };
    let directory = tempfile::tempdir().unwrap();
    // What operators are told to run for providers that never try again: two workers where the store allows it.
    let number = if database.is_some() { 2 } else { 1 };
    let daemons: Vec<Daemon> =
        (0..number).map(|number| start(directory.path(), database.as_deref(), number)).collect();
    let providers = Arc::new(all());
    let each = messages().div_ceil(providers.len());
    let mut surfaces = BTreeMap::new();
    for provider in providers.iter() {
        surfaces.insert(provider.name, daemons[0].surface(&provider.inbound).await);
    }
    let simulation = Arc::new(Simulation {
        workers: Workers::at(daemons.iter().map(|daemon| daemon.url.clone())),
        permits: Semaphore::new(AT_ONCE),
        surfaces,
        attempts: AtomicUsize::new(0),
        faults: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
        ends: Mutex::default(),
    });
    let sent = each * providers.len();
    let killing = kill_twice(simulation.clone(), daemons, directory.path().to_owned(), database, sent);
    let killing = tokio::spawn(killing);
    let began = tokio::time::Instant::now();
    send_all(&simulation, &providers, each).await;
    let took = began.elapsed();
    let daemons = killing.await.unwrap();
    let mut repeats = 0.0;
    for daemon in &daemons {
        repeats += daemon.figures_with("inlet_webhook_messages_total{", "outcome=\"duplicate\"").await;
    }
    let unheard = check(&simulation, &daemons[0], &providers, each).await;
    println!(
        "{engine:?}: {sent} messages of {} providers at {number} workers in {took:?}: {} attempts, {} faults, {} \
         requests handed on by the proxy, 2 kills; all stored once, {repeats} of them sent again after they were stored; \
         nobody disabled us, nothing bounced; {unheard} whose provider heard no answer and tries once",
        providers.len(),
        simulation.attempts.load(Ordering::Relaxed),
        simulation.faults.load(Ordering::Relaxed),
        simulation.workers.handed_on(),
    );
}

/// Each message is there once, nobody disabled us, nothing bounced, and nobody has given one up, but those whose
/// only answer was lost behind us. How many those are.
async fn check(simulation: &Simulation, daemon: &Daemon, providers: &[Provider], each: usize) -> usize {
    let mut unheard = 0;
    for provider in providers {
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        for (_, messages) in daemon.conversations(&simulation.surfaces[provider.name]).await {
            for message in messages {
                *found.entry(message["content"].as_str().unwrap().trim().to_owned()).or_default() += 1;
            }
        }
        for number in 0..each {
            let end = simulation.ends.lock().unwrap()[&(provider.name, number)];
            let copies = found.remove(&provider.text(number)).unwrap_or(0);
            let lost_answer =
                !provider.rules.tries_again() && fault(provider, number, 0) == Fault::LostAnswer;
            let expected = if lost_answer { End::Lost } else { End::Delivered };
            assert_eq!((copies, end), (1, expected), "{} {number}", provider.name);
            unheard += usize::from(lost_answer);
        }
        assert_eq!(found, BTreeMap::new(), "{}: nothing is invented", provider.name);
    }
    unheard
}
