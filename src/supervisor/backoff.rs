//! How long to wait after a failure, by its class. Pure: the caller brings the failures in a row and the chance.
//!
//! The delays never say "for ever": a password that is fixed on the server after a month is found out by itself,
//! and until then costs a login or two an hour. Reset it after a successful poll, not after a login: a server that
//! takes the login and closes would be asked without end.

use std::time::Duration;

/// What went wrong, as far as waiting is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// The password was rejected.
    Auth,
    /// The access token was rejected.
    Token,
    /// The server wants fewer requests.
    Throttle,
    /// It may work in a moment.
    Transient,
    /// The server broke the protocol.
    Protocol,
    /// Our store cannot be written.
    Store,
    /// Settings or the server's set-up must change.
    Config,
    /// Our own task failed.
    Internal,
}

impl Trouble {
    /// The word for it in the API, in the store and in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Token => "token",
            Self::Throttle => "throttle",
            Self::Transient => "transient",
            Self::Protocol => "protocol",
            Self::Store => "store",
            Self::Config => "config",
            Self::Internal => "internal",
        }
    }

    /// Whether a person has to act before polling can go on.
    #[must_use]
    pub const fn needs_a_person(self) -> bool {
        matches!(self, Self::Auth | Self::Config)
    }
}

/// The wait before the attempt that follows failure number `failures` (from 1) in a row of class `trouble`.
///
/// `suggested` is the server's own wish and is obeyed, with up to a tenth more. `chance` is a uniform number that
/// spreads the rest between half of the delay and all of it, so that a server that comes back is not asked by
/// everybody at once.
#[must_use]
pub fn delay(trouble: Trouble, failures: u32, suggested: Option<Duration>, chance: u32) -> Duration {
    if let Some(wish) = suggested {
        return wish + wish.mul_f64(f64::from(chance) / f64::from(u32::MAX) / 10.0);
    }
    let step = failures.max(1) - 1;
    let (first, factor, most) = match trouble {
        // Three quick tries, for a server whose directory hiccups; then once in half an hour to an hour.
        Trouble::Auth if step < 2 => (60, 2.0, 120),
        Trouble::Auth => (3_600, 1.0, 3_600),
        // The token was refreshed before this try; one that is refused again is a rejected account.
        Trouble::Token if step < 1 => (1, 1.0, 1),
        Trouble::Token => (60, 2.0, 3_600),
        Trouble::Throttle => (60, 2.0, 900),
        Trouble::Transient | Trouble::Protocol | Trouble::Internal => (2, 1.5, 300),
        Trouble::Store => (1, 2.0, 60),
        Trouble::Config => (3_600, 1.0, 3_600),
    };
    let exponent = i32::try_from(step.min(64)).unwrap_or(64);
    let seconds = (f64::from(first) * f64::powi(factor, exponent)).min(f64::from(most));
    let share = 0.5 + 0.5 * f64::from(chance) / f64::from(u32::MAX);
    Duration::from_secs_f64(seconds * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Trouble; 8] = [
        Trouble::Auth,
        Trouble::Token,
        Trouble::Throttle,
        Trouble::Transient,
        Trouble::Protocol,
        Trouble::Store,
        Trouble::Config,
        Trouble::Internal,
    ];

    fn longest(trouble: Trouble, failures: u32) -> Duration {
        delay(trouble, failures, None, u32::MAX)
    }

    #[test]
    fn a_dropped_connection_is_retried_within_seconds_and_later_every_five_minutes() {
        assert_eq!(longest(Trouble::Transient, 1), Duration::from_secs(2));
        assert_eq!(longest(Trouble::Transient, 2), Duration::from_secs(3));
        assert_eq!(longest(Trouble::Transient, 50), Duration::from_mins(5));
    }

    #[test]
    fn c04_a_rejected_password_costs_at_most_two_logins_an_hour() {
        for failures in 3..1_000 {
            assert!(delay(Trouble::Auth, failures, None, 0) >= Duration::from_mins(30));
            assert!(longest(Trouble::Auth, failures) <= Duration::from_hours(1));
        }
    }

    #[test]
    fn c08_the_servers_wish_is_obeyed() {
        let wish = Duration::from_secs(90);
        for trouble in ALL {
            for chance in [0, 1 << 31, u32::MAX] {
                let wait = delay(trouble, 7, Some(wish), chance);
                assert!(wait >= wish && wait <= wish.mul_f64(1.1), "{wait:?}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn no_delay_is_longer_than_an_hour_or_shorter_than_half_a_second(failures: u32, chance: u32, which in 0_usize..8) {
            let wait = delay(ALL[which], failures, None, chance);
            proptest::prop_assert!(wait >= Duration::from_millis(500) && wait <= Duration::from_hours(1));
        }

        #[test]
        fn delays_never_shrink_while_failures_go_on(failures in 0_u32..200, which in 0_usize..8) {
            proptest::prop_assert!(longest(ALL[which], failures + 1) >= longest(ALL[which], failures));
        }
    }
}
