//! What a surface lets in by number: a rate limit, its share of the queue, and one-time tokens of schemes whose signature does
//! not cover the body. In this process only; both are bounded.

use crate::limits::WEBHOOK_QUEUE_REQUESTS_OF_SURFACE;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Tokens remembered of one surface. They are remembered for as long as their timestamp is taken.
const MOST_TOKENS: usize = 10_000;
/// Twice the widest usual tolerance: a token is as old as its signature, which is refused by then.
const TOKEN_MILLIS: i64 = 2 * 1_000 * crate::limits::WEBHOOK_TOLERANCE_SECONDS;

/// What a surface has let in lately.
#[derive(Debug, Default)]
pub(super) struct Admission {
    lately: Mutex<Lately>,
    waiting: AtomicUsize,
}

/// A place among the requests of a surface that wait to be kept; given back when it is dropped.
#[derive(Debug)]
pub(super) struct PlaceInLine<'a>(&'a AtomicUsize);

#[cfg(test)]
impl PlaceInLine<'_> {
    /// Keeps the place for good.
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for PlaceInLine<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct Lately {
    /// Requests that may still come at once, in thousandths, and since when that is so.
    allowance: Option<(i64, Timestamp)>,
    /// Token to the hash of the body it came with.
    tokens: HashMap<String, ([u8; 16], Timestamp)>,
}

impl Admission {
    /// Takes one of `per_minute` requests; else in how many seconds there is one again. A minute's
    /// worth may come at once.
    pub fn take(&self, per_minute: u32, now: Timestamp) -> Result<(), u32> {
        const ONE: i64 = 1_000;
        let full = i64::from(per_minute) * ONE;
        let mut lately = self.lock();
        let (left, since) = lately.allowance.unwrap_or((full, now));
        let passed = (now.as_millisecond() - since.as_millisecond()).clamp(0, 60_000);
        let left = (left + passed * i64::from(per_minute) / 60).min(full);
        if left >= ONE {
            lately.allowance = Some((left - ONE, now));
            return Ok(());
        }
        lately.allowance = Some((left, now));
        let wait_millis = (ONE - left) * 60 / i64::from(per_minute.max(1));
        Err(u32::try_from(wait_millis / 1_000 + 1).unwrap_or(60))
    }

    /// A place for a request that is to be kept; `None` when too many of this surface wait already.
    pub fn stand_in_line(&self) -> Option<PlaceInLine<'_>> {
        let place = PlaceInLine(&self.waiting);
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        (before < WEBHOOK_QUEUE_REQUESTS_OF_SURFACE).then_some(place)
    }

    /// Whether `token` was used for another body before. A repeat of the same body is a retry.
    pub fn is_reused(&self, token: &str, body: [u8; 16]) -> bool {
        self.lock().tokens.get(token).is_some_and(|(used_for, _)| *used_for != body)
    }

    /// Remembers a token whose request is kept.
    pub fn remember(&self, token: String, body: [u8; 16], now: Timestamp) {
        let mut lately = self.lock();
        if lately.tokens.len() >= MOST_TOKENS {
            let fresh = |at: Timestamp| now.as_millisecond() - at.as_millisecond() < TOKEN_MILLIS;
            lately.tokens.retain(|_, (_, at)| fresh(*at));
        }
        if lately.tokens.len() < MOST_TOKENS {
            lately.tokens.insert(token, (body, now));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lately> {
        self.lately.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan as _;

    #[test]
    fn a_minute_s_worth_may_come_at_once_and_no_more() {
        let admission = Admission::default();
        let now = Timestamp::from_second(1_760_000_000).unwrap();
        for _ in 0..60 {
            assert_eq!(admission.take(60, now), Ok(()));
        }
        // Expectation 74: never zero seconds.
        assert_eq!(admission.take(60, now), Err(2));
        assert_eq!(admission.take(60, now + 1_000.milliseconds()), Ok(()));
        assert!(admission.take(60, now + 1_100.milliseconds()).is_err());
        assert_eq!(admission.take(60, now + 1.hour()), Ok(()));
    }

    #[test]
    fn a_slow_rate_still_fills_up() {
        let admission = Admission::default();
        let start = Timestamp::from_second(1_760_000_000).unwrap();
        assert_eq!(admission.take(1, start), Ok(()));
        for second in 1..60 {
            assert!(admission.take(1, start + i64::from(second).seconds()).is_err(), "{second}");
        }
        assert_eq!(admission.take(1, start + 120.seconds()), Ok(()));
    }

    #[test]
    fn a_flood_at_one_surface_ends_at_its_share_of_the_queue_and_drains() {
        // Expectation 74.
        let (flooded, other) = (Admission::default(), Admission::default());
        let mut places: Vec<_> =
            (0..WEBHOOK_QUEUE_REQUESTS_OF_SURFACE).map(|_| flooded.stand_in_line().unwrap()).collect();
        for _ in 0..3 {
            assert!(flooded.stand_in_line().is_none());
        }
        assert!(other.stand_in_line().is_some());
        places.pop();
        assert!(flooded.stand_in_line().is_some());
        drop(places);
        assert_eq!(flooded.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_token_is_for_one_body() {
        let admission = Admission::default();
        admission.remember("t".to_owned(), [1; 16], Timestamp::UNIX_EPOCH);
        assert!(!admission.is_reused("t", [1; 16]));
        assert!(admission.is_reused("t", [2; 16]));
        assert!(!admission.is_reused("u", [2; 16]));
    }
}
