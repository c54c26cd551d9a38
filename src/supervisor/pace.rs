//! How one mailbox paces itself after failures, lost connections and idle talk. Pure: the caller brings the chance and
//! waits. What a wait is for each class of trouble stands in [`super::backoff`].

use super::backoff::{self, Trouble};
use std::time::Duration;

/// A connection that lives shorter than this, again and again, is not opened again at once.
pub const SHORT_LIFE: Duration = Duration::from_mins(5);
/// Announcements in a row that brought no mail before they are answered more slowly.
const VAIN_LIMIT: u32 = 5;

/// The memory of one mailbox.
#[derive(Debug, Default)]
pub struct Pace {
    failures: u32,
    short_lives: u32,
    in_vain: u32,
}

impl Pace {
    /// Failures since the last success.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// A poll succeeded; gives how many had failed before. A login alone is no success (I12).
    pub fn succeeded(&mut self) -> u32 {
        std::mem::take(&mut self.failures)
    }

    /// An attempt failed: the wait before the next one. One that got further than the last is a first failure.
    pub fn failed(
        &mut self,
        trouble: Trouble,
        made_progress: bool,
        wish: Option<Duration>,
        chance: u32,
    ) -> Duration {
        let before = if made_progress { 0 } else { self.failures };
        self.failures = before.saturating_add(1);
        backoff::delay(trouble, self.failures, wish, chance)
    }

    /// A rest in IDLE ended as it should.
    pub fn rested(&mut self) {
        self.short_lives = 0;
    }

    /// The connection died while it waited, after it had `lived` so long: the wait before another is opened. The
    /// first time may be a server that is restarted; one that takes logins and closes must not be asked twice a
    /// minute (B22).
    pub fn lost(&mut self, lived: Duration, chance: u32) -> Duration {
        self.short_lives = if lived < SHORT_LIFE { self.short_lives.saturating_add(1) } else { 0 };
        match self.short_lives {
            0 | 1 => backoff::delay(Trouble::Transient, 1, None, chance),
            lives => {
                let doublings = lives.saturating_sub(2).min(4);
                Duration::from_secs(40 << doublings)
                    + Duration::from_secs_f64(20.0 * f64::from(chance) / f64::from(u32::MAX))
            }
        }
    }

    /// The server announced something: how long to let it talk before it is polled. Nothing, unless what it announced
    /// was nothing several times before: a server that talks without end gets a poll a minute, not all of a core.
    #[must_use]
    pub fn before_poll(&self) -> Duration {
        match self.in_vain.checked_sub(VAIN_LIMIT) {
            None => Duration::ZERO,
            Some(more) => Duration::from_secs((1 << more.min(6)).min(60)),
        }
    }

    /// What the poll after an announcement found.
    pub fn answered(&mut self, found_mail: bool) {
        self.in_vain = if found_mail { 0 } else { self.in_vain.saturating_add(1) };
    }
}

#[cfg(test)]
mod tests {
    use super::super::hosts::Hosts;
    use super::*;
    use tokio::time::{Instant, advance};

    const WEEK: Duration = Duration::from_hours(24 * 7);

    #[test]
    fn b22_connections_that_die_young_are_opened_less_than_twice_a_minute() {
        let mut pace = Pace::default();
        let mut clock = Duration::ZERO;
        let mut logins = vec![clock];
        for _ in 1..60 {
            clock += pace.lost(Duration::ZERO, 0);
            logins.push(clock);
        }
        let hour = logins.iter().filter(|at| **at < Duration::from_hours(1)).count();
        assert!(hour < 120, "{hour} logins in the first hour");
        for window in logins[2..].windows(3) {
            assert!(window[2] - window[0] > Duration::from_mins(1), "{window:?}");
        }
        for _ in 0..1_000 {
            assert!(
                pace.lost(Duration::ZERO, u32::MAX) < Duration::from_mins(12),
                "and it is never given up"
            );
        }
        assert!(
            pace.lost(SHORT_LIFE, 0) <= Duration::from_secs(2),
            "a connection that has lived starts anew"
        );
    }

    #[test]
    fn i12_the_wait_is_short_again_after_a_success_and_after_progress() {
        let mut pace = Pace::default();
        let fail = |pace: &mut Pace, progress| pace.failed(Trouble::Transient, progress, None, u32::MAX);
        let first = fail(&mut pace, false);
        for _ in 0..30 {
            fail(&mut pace, false);
        }
        assert_eq!(fail(&mut pace, false), Duration::from_mins(5));
        assert_eq!(fail(&mut pace, true), first);
        fail(&mut pace, false);
        assert_eq!(pace.succeeded(), 2);
        assert_eq!(fail(&mut pace, false), first);
    }

    #[test]
    fn a_server_that_announces_nothing_without_end_is_polled_ever_more_rarely_and_at_once_after_mail() {
        let mut pace = Pace::default();
        let mut clock = Duration::ZERO;
        let mut polls = 0;
        while clock < Duration::from_hours(1) {
            clock += pace.before_poll();
            pace.answered(false);
            polls += 1;
        }
        assert!(polls < 80, "{polls} polls in an hour");
        pace.answered(true);
        assert_eq!(pace.before_poll(), Duration::ZERO);
    }

    /// What a hostile server does to every attempt.
    #[derive(Debug, Clone, Copy)]
    enum Hostile {
        /// LOGIN is refused.
        Refuses,
        /// Throttled, with a wish of so many seconds or without.
        Throttles(Option<u64>),
        /// The connection is reset during login.
        Resets,
        /// Login and poll work, then the connection is closed.
        Closes,
        /// Nonsense.
        Babbles,
    }

    /// A week of one mailbox: its logins.
    async fn logins_of_a_week(hosts: &Hosts, host: &str, server: Hostile, chances: &mut u32) -> u32 {
        let mut pace = Pace::default();
        let (mut logins, end) = (0, Instant::now() + WEEK);
        while Instant::now() < end {
            advance(hosts.login_turn(host)).await;
            logins += 1;
            *chances = chances.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let chance = *chances;
            let wait = match server {
                Hostile::Refuses => pace.failed(Trouble::Auth, false, None, chance),
                Hostile::Throttles(wish) => {
                    pace.failed(Trouble::Throttle, false, wish.map(Duration::from_secs), chance)
                }
                Hostile::Resets => pace.failed(Trouble::Transient, false, None, chance),
                Hostile::Babbles => pace.failed(Trouble::Protocol, false, None, chance),
                Hostile::Closes => {
                    pace.succeeded();
                    pace.lost(Duration::from_secs(1), chance)
                }
            };
            advance(wait).await;
        }
        logins
    }

    #[tokio::test(start_paused = true)]
    async fn a_week_of_a_hostile_server_costs_the_bounds_of_the_catalogue() {
        let hosts = Hosts::new(25);
        let mut chances = 7;
        let hours = 24 * 7;
        // The most logins a week that each case allows, and the fewest that still find out when it is over.
        let cases = [
            ("C04 a rejected password: one in 30 to 60 minutes", Hostile::Refuses, 2 * hours + 3, hours),
            (
                "throttled without a wish: at most 15 minutes",
                Hostile::Throttles(None),
                8 * hours + 6,
                4 * hours,
            ),
            ("C08 throttled for 5 minutes: the wish", Hostile::Throttles(Some(300)), 12 * hours, 10 * hours),
            ("reset at login: at most 5 minutes", Hostile::Resets, 24 * hours + 20, 12 * hours),
            ("nonsense: the same", Hostile::Babbles, 24 * hours + 20, 12 * hours),
            ("B22 closed after login: less than 2 a minute", Hostile::Closes, 6 * hours, 4 * hours),
        ];
        for (name, server, most, fewest) in cases {
            let logins = logins_of_a_week(&hosts, "imap.example.com", server, &mut chances).await;
            println!("{name}: {logins} logins a week (bounds {fewest} to {most})");
            assert!((fewest..=most).contains(&logins), "{name}: {logins} logins a week");
        }
    }
}
