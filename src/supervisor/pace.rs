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
    use super::*;

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
}
