//! What the mailboxes of one server share: how often anybody may log in there, and whether its IDLE can be relied
//! on. In memory only; a worker that starts finds it out again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Logins at one host at once, before the rate counts.
const BURST: u32 = 20;
/// A host that comes and goes wakes those who wait for it at most so often.
const RECOVERY_EVERY: Duration = Duration::from_secs(30);
/// Mails that IDLE did not announce before a host is polled instead.
const MISSED_LIMIT: u32 = 3;
/// How long it is polled before IDLE is tried again.
const DEMOTED_FOR: Duration = Duration::from_hours(1);
/// Hosts that are remembered; beyond it the oldest go.
const MAX_HOSTS: usize = 10_000;

#[derive(Debug)]
struct Host {
    /// When the next login may begin: logins stand in a queue of moments.
    next_login: Instant,
    missed: u32,
    demoted_until: Option<Instant>,
    /// The last connection to it failed.
    is_down: bool,
    recovered_at: Option<Instant>,
    /// Rings when it is up again.
    recovered: watch::Sender<()>,
    used_at: Instant,
}

/// Every host that was talked to.
#[derive(Debug)]
pub struct Hosts {
    logins_per_second: u32,
    known: Mutex<HashMap<String, Host>>,
}

impl Hosts {
    /// No host yet; each will take at most so many logins a second, all mailboxes together.
    #[must_use]
    pub fn new(logins_per_second: u32) -> Self {
        Self { logins_per_second: logins_per_second.max(1), known: Mutex::default() }
    }

    /// How long to wait before logging in at `host`; the turn is taken by asking.
    pub fn login_turn(&self, host: &str) -> Duration {
        self.with(host, |it, now| {
            let step = Duration::from_secs(1) / self.logins_per_second;
            let earliest = now.checked_sub(step * BURST).unwrap_or(now);
            let turn = it.next_login.max(earliest);
            it.next_login = turn + step;
            turn.saturating_duration_since(now)
        })
    }

    /// Mail was found that IDLE had not announced. `true` if the host is polled from now on.
    pub fn note_missed(&self, host: &str) -> bool {
        self.with(host, |it, now| {
            it.missed += 1;
            if it.missed >= MISSED_LIMIT {
                it.missed = 0;
                it.demoted_until = Some(now + DEMOTED_FOR);
                return true;
            }
            false
        })
    }

    /// IDLE announced mail, as it should.
    pub fn note_announced(&self, host: &str) {
        self.with(host, |it, _| it.missed = 0);
    }

    /// Whether IDLE is to be relied on.
    pub fn may_idle(&self, host: &str) -> bool {
        self.with(host, |it, now| it.demoted_until.is_none_or(|end| now >= end))
    }

    /// A connection to it could not be made. What is given changes when one can again: a mailbox that backs off
    /// need not wait to the end then.
    pub fn note_down(&self, host: &str) -> watch::Receiver<()> {
        self.with(host, |it, _| {
            it.is_down = true;
            it.recovered.subscribe()
        })
    }

    /// Somebody has logged in.
    pub fn note_up(&self, host: &str) {
        self.with(host, |it, now| {
            let is_due = it.recovered_at.is_none_or(|at| now.duration_since(at) >= RECOVERY_EVERY);
            if std::mem::take(&mut it.is_down) && is_due {
                it.recovered_at = Some(now);
                it.recovered.send_replace(());
            }
        });
    }

    fn with<T>(&self, name: &str, act: impl FnOnce(&mut Host, Instant) -> T) -> T {
        let now = Instant::now();
        let mut hosts = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= MAX_HOSTS && !hosts.contains_key(name) {
            let mut used: Vec<Instant> = hosts.values().map(|host| host.used_at).collect();
            used.sort_unstable();
            let middle = used.get(used.len() / 2).copied().unwrap_or(now);
            hosts.retain(|_, host| host.used_at > middle);
        }
        let host = hosts.entry(name.to_ascii_lowercase()).or_insert_with(|| Host {
            next_login: now.checked_sub(Duration::from_hours(1)).unwrap_or(now),
            missed: 0,
            demoted_until: None,
            is_down: false,
            recovered_at: None,
            recovered: watch::Sender::new(()),
            used_at: now,
        });
        host.used_at = now;
        act(host, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn i07_logins_at_one_host_are_spread_and_other_hosts_do_not_wait() {
        let hosts = Hosts::new(10);
        let waits: Vec<Duration> = (0..1_000).map(|_| hosts.login_turn("imap.example.com")).collect();
        assert_eq!(waits.iter().filter(|wait| wait.is_zero()).count(), 21);
        assert!(
            waits[999] > Duration::from_secs(90) && waits[999] < Duration::from_secs(100),
            "{:?}",
            waits[999]
        );
        assert!(hosts.login_turn("imap.example.org").is_zero());
        tokio::time::advance(Duration::from_secs(200)).await;
        assert!(hosts.login_turn("IMAP.example.com").is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn b09_a_host_whose_idle_misses_mail_is_polled_for_an_hour() {
        let hosts = Hosts::new(25);
        assert!(!hosts.note_missed("a") && !hosts.note_missed("a"));
        hosts.note_announced("a");
        assert!(!hosts.note_missed("a") && !hosts.note_missed("a") && hosts.note_missed("a"));
        assert!(!hosts.may_idle("a") && hosts.may_idle("b"));
        tokio::time::advance(Duration::from_mins(61)).await;
        assert!(hosts.may_idle("a"));
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_for_a_host_hear_when_it_is_up_again_and_a_flapping_one_does_not_hurry_them() {
        let hosts = Hosts::new(25);
        let mut waiting = hosts.note_down("a");
        hosts.note_up("b");
        assert!(!waiting.has_changed().unwrap());
        hosts.note_up("A");
        assert!(waiting.has_changed().unwrap());
        waiting.mark_unchanged();
        hosts.note_up("a");
        hosts.note_down("a");
        hosts.note_up("a");
        assert!(!waiting.has_changed().unwrap(), "it was not down, and then it came back too soon");
        tokio::time::advance(RECOVERY_EVERY).await;
        hosts.note_down("a");
        hosts.note_up("a");
        assert!(waiting.has_changed().unwrap());
    }

    #[test]
    fn d17_a_lock_that_a_panic_poisoned_is_used_on() {
        let hosts = std::sync::Arc::new(Hosts::new(25));
        let other = std::sync::Arc::clone(&hosts);
        let panicking = std::thread::spawn(move || other.with("a", |_, _| panic!("as a test wants")));
        assert!(panicking.join().is_err());
        assert!(hosts.login_turn("a").is_zero() && hosts.may_idle("a"));
    }
}
