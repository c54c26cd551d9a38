//! A week of a hostile server, on a clock that the test moves: the real task of a mailbox, the real protocol over a real
//! connection, and how many logins and alarms the week costs. The bounds are those of the catalogue.

use super::inside::{Inside, Rules};
use crate::servers::scripted::{Act, Heard, Scripted};
use inlet::clock::{Clock as _, ManualClock};
use inlet::ids::SurfaceId;
use inlet::ingest::Pipeline;
use inlet::store::imap::MailboxHealth;
use inlet::store::outbox::EventKind;
use jiff::Timestamp;
use serde_json::json;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const WEEK: Duration = Duration::from_hours(24 * 7);
const HOURS: usize = 24 * 7;
/// Longer than an attempt takes before a server that answers at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a week may cost.
struct Cost {
    /// Logins: the most that the catalogue allows, and the fewest that still find out when it is over.
    logins: RangeInclusive<usize>,
    /// Events that tell people to act.
    alarms: usize,
    /// As `/status` calls the trouble; `None` where polling itself goes well.
    class: Option<&'static str>,
}

/// Less than the minute by which the watchdog lets a task be late.
const LITTLE: Duration = Duration::from_secs(20);

struct World {
    inside: Inside<Pipeline>,
    clock: Arc<ManualClock>,
    server: Scripted,
    surface: SurfaceId,
}

impl World {
    async fn new(hook: impl Fn(&Heard) -> Option<Act> + Send + Sync + 'static) -> Self {
        let server = Scripted::start().await;
        server.hook(hook);
        let clock = Arc::new(ManualClock::new("2026-03-02T10:00:00Z".parse().unwrap()));
        // One lease for the whole week, so that no renewal stands between the test and its clock.
        let rules = Rules { lease: 2 * WEEK, clock: Some(clock.clone()), ..Rules::default() };
        let inside = Inside::open(rules, |pipeline| pipeline).await;
        let surface = inside.site.ids.next();
        let settings = json!({
            "imapHost": "127.0.0.1", "imapPort": server.port, "imapUsername": "desk", "imapSecure": false,
        });
        inside.start(surface, settings).await;
        Self { inside, clock, server, surface }
    }

    /// Waits for the end of the attempt that is under way: the task has kept its state and waits for its next time.
    async fn rests(&self) -> MailboxHealth {
        let begun = Instant::now();
        let store = &self.inside.site.store;
        loop {
            let health = store.get_mailbox_health(self.inside.tenant, self.surface).await.unwrap();
            // Attempts take no time on the clock of the test.
            if health.connection == "backoff" && is_about(health.last_poll_at, self.clock.now()) {
                return health;
            }
            assert!(begun.elapsed() < PATIENCE, "the attempt never ended: {health:?}");
            tokio::task::yield_now().await;
        }
    }

    /// Moves both clocks: what the machine says, and what timers go by.
    async fn advance(&self, step: Duration) {
        self.clock.advance(step);
        tokio::time::pause();
        tokio::time::advance(step).await;
        tokio::time::resume();
    }

    /// Lets time pass until the task begins its next attempt. It keeps its state a moment before it starts its timer: what
    /// passes between the two does not count for it, so little passes at first, and that is made good at the end.
    async fn pass(&self, health: &MailboxHealth) {
        let next = health.next_poll_at.unwrap();
        let step = Duration::try_from(next.duration_since(self.clock.now())).unwrap();
        let first = step.min(LITTLE);
        self.advance(first).await;
        sleep(Duration::from_millis(2)).await;
        self.advance(step - first).await;
        for _ in 0..4 {
            if self.begins(health).await {
                return;
            }
            self.advance(LITTLE / 2).await;
        }
        panic!("the next attempt never began: {health:?}");
    }

    /// Whether the attempt that follows `health` begins, or is over already.
    async fn begins(&self, health: &MailboxHealth) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(50) {
            let Some(live) = self.inside.supervisor.live(self.surface) else { return false };
            let is_same = live.last_poll_at.is_some_and(|at| is_about(health.last_poll_at, at));
            if live.connection != "backoff" || !is_same {
                return true;
            }
            sleep(Duration::from_millis(1)).await;
        }
        false
    }

    fn logins(&self) -> usize {
        let state = self.server.state();
        state.heard.iter().filter(|heard| heard.command.starts_with("LOGIN")).count()
    }

    async fn alarms(&self) -> usize {
        let (store, tenant) = (&self.inside.site.store, self.inside.tenant);
        let events = store.list_events(tenant, None, 1_000).await.unwrap();
        events.iter().filter(|event| event.kind == EventKind::SurfaceError).count()
    }
}

/// The store keeps microseconds.
fn is_about(kept: Option<Timestamp>, now: Timestamp) -> bool {
    kept.is_some_and(|kept| kept.as_microsecond() == now.as_microsecond())
}

/// A whole week before a server, attempt by attempt, and that mail flows when the week is over.
async fn a_week(name: &str, cost: Cost, hook: impl Fn(&Heard) -> Option<Act> + Send + Sync + 'static) {
    let world = World::new(hook).await;
    let end = world.clock.now().checked_add(WEEK).unwrap();
    let health = loop {
        let health = world.rests().await;
        if health.next_poll_at.unwrap() >= end {
            break health;
        }
        world.pass(&health).await;
    };
    let (logins, alarms) = (world.logins(), world.alarms().await);
    println!("{name}: {logins} logins a week (bounds {:?}), {alarms} alarms", cost.logins);
    assert!(cost.logins.contains(&logins), "{name}: {logins} logins");
    assert_eq!((alarms, health.error_class.as_deref()), (cost.alarms, cost.class), "{name}");
    // It heals by itself, at the next attempt.
    world.server.behave();
    world.server.put("INBOX", crate::fleet::mail(1));
    world.pass(&health).await;
    let begun = Instant::now();
    while world.inside.site.store.list_cursors(world.inside.tenant, world.surface).await.unwrap().is_empty() {
        assert!(begun.elapsed() < PATIENCE, "{name}: mail does not flow after the week");
        sleep(Duration::from_millis(1)).await;
    }
}

fn at_login(act: Act) -> impl Fn(&Heard) -> Option<Act> + Send + Sync + 'static {
    move |heard| heard.command.starts_with("LOGIN").then(|| act.clone())
}

fn says(words: &str) -> Act {
    Act::Say(format!("{words}\r\n"))
}

#[tokio::test]
async fn c04_a_week_of_a_rejected_password_costs_a_login_in_thirty_to_sixty_minutes_and_one_alarm() {
    let cost = Cost { logins: HOURS..=2 * HOURS + 3, alarms: 1, class: Some("auth") };
    a_week("rejected password", cost, at_login(says("$ NO [AUTHENTICATIONFAILED] Invalid credentials")))
        .await;
}

#[tokio::test]
async fn c09_a_week_of_too_many_connections_costs_at_most_eight_logins_an_hour() {
    let cost = Cost { logins: 4 * HOURS..=8 * HOURS + 6, alarms: 0, class: Some("throttle") };
    a_week("too many connections", cost, at_login(says("$ NO [ALERT] Too many simultaneous connections")))
        .await;
}

#[tokio::test]
async fn c08_a_week_of_suggested_backoff_times_costs_what_the_server_asks_for() {
    let cost = Cost { logins: 10 * HOURS..=12 * HOURS, alarms: 0, class: Some("throttle") };
    let wish = says("$ NO Request is throttled. Suggested Backoff Time: 300000 milliseconds");
    a_week("five minutes asked for", cost, at_login(wish)).await;
}

#[tokio::test]
async fn a_week_of_resets_at_login_costs_a_login_in_two_and_a_half_to_five_minutes() {
    let cost = Cost { logins: 12 * HOURS..=24 * HOURS + 20, alarms: 0, class: Some("transient") };
    a_week("reset at login", cost, at_login(Act::SayAndClose(String::new()))).await;
}

#[tokio::test]
async fn b20_a_week_of_nonsense_costs_no_more_than_one_of_resets() {
    let cost = Cost { logins: 12 * HOURS..=24 * HOURS + 20, alarms: 0, class: Some("protocol") };
    let babbles =
        |heard: &Heard| heard.command.starts_with("EXAMINE").then(|| says("* METADATA \"\" (nonsense"));
    a_week("nonsense", cost, babbles).await;
}

#[tokio::test]
async fn b22_a_week_of_logins_that_are_taken_and_closed_costs_less_than_two_logins_a_minute() {
    let closes =
        |heard: &Heard| (heard.command == "IDLE").then(|| Act::SayAndClose("+ idling\r\n".to_owned()));
    let cost = Cost { logins: 4 * HOURS..=6 * HOURS, alarms: 0, class: None };
    a_week("closed after login", cost, closes).await;
}
