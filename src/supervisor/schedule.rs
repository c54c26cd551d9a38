//! When a mailbox is polled: every so many minutes, or by a five-field cron expression. Pure.
//!
//! The expression means what crontab(5) means, in UTC: minute, hour, day of month, month, day of week, with
//! Sunday as 0 or 7, names of months and days, and "either day matches" where both day fields are restricted. The
//! `cron` crate reads the fields; it wants seconds first, counts Sunday as 1 and asks for both days, so the
//! translation and the walk over time are here.

use cron::TimeUnitSpec;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use std::str::FromStr;
use std::time::Duration;

/// The longest expression that is read, in characters.
const EXPRESSION_CHARS: usize = 200;
/// How far ahead an occurrence is looked for, in days: leap days are at most 8 years apart (1896, 1904).
const HORIZON_DAYS: u32 = 8 * 366;
const DAY_NAMES: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// When a mailbox is polled next.
#[derive(Debug, Clone)]
pub enum Cadence {
    /// So long after the last poll.
    Every(Duration),
    /// At the times of an expression.
    At(Box<Schedule>),
}

impl Cadence {
    /// The first moment after `now` at which to poll.
    #[must_use]
    pub fn next_after(&self, now: Timestamp) -> Timestamp {
        match self {
            Self::Every(interval) => now.checked_add(*interval).unwrap_or(Timestamp::MAX),
            Self::At(schedule) => schedule.next_after(now).unwrap_or(Timestamp::MAX),
        }
    }
}

/// Why an expression is not a schedule, in words for the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Not five fields.
    #[error(
        "a schedule has five fields (minute, hour, day of month, month, day of week), this one has {fields}"
    )]
    Fields {
        /// How many there are.
        fields: usize,
    },
    /// The day of the week cannot be read.
    #[error("the day of the week `{0}` is neither 0 to 7 nor sun to sat, nor a list, range or step of these")]
    DayOfWeek(String),
    /// One of the other fields cannot be read.
    #[error("`{0}` is not a cron expression")]
    Unreadable(String),
    /// No such moment comes.
    #[error("`{0}` names a time that never comes")]
    Never(String),
}

/// A five-field cron expression, UTC.
#[derive(Debug, Clone)]
pub struct Schedule {
    fields: cron::Schedule,
    any_day_of_month: bool,
    any_day_of_week: bool,
}

impl Schedule {
    /// Reads an expression.
    ///
    /// # Errors
    /// [`ScheduleError`], also for an expression that is well formed but never comes true (30 February).
    pub fn parse(expression: &str) -> Result<Self, ScheduleError> {
        let expression: String = expression.chars().take(EXPRESSION_CHARS + 1).collect();
        let unreadable = || ScheduleError::Unreadable(expression.clone());
        let fields: Vec<&str> = expression.split_whitespace().collect();
        let &[minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(ScheduleError::Fields { fields: fields.len() });
        };
        // The crate takes a step of nought as a range that never ends.
        let has_empty_step = fields.iter().any(|field| {
            field
                .split(',')
                .filter_map(|part| part.split_once('/'))
                .any(|(_, step)| step.parse() == Ok(0_u32))
        });
        if expression.chars().count() > EXPRESSION_CHARS || has_empty_step {
            return Err(unreadable());
        }
        let weekday_numbers = translate_weekday(weekday)?;
        let translated = format!("0 {minute} {hour} {day} {month} {weekday_numbers}");
        let schedule = Self {
            fields: cron::Schedule::from_str(&translated).map_err(|_| unreadable())?,
            any_day_of_month: is_any(day),
            any_day_of_week: is_any(weekday),
        };
        match schedule.next_after(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError::Never(expression)),
        }
    }

    /// The first moment strictly after `now` that the expression names. `None` beyond the end of time.
    #[must_use]
    pub fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        let start = now.to_zoned(TimeZone::UTC);
        let mut date = start.date();
        let mut earliest =
            (u32::from(start.hour().unsigned_abs()), u32::from(start.minute().unsigned_abs()) + 1);
        for _ in 0..=HORIZON_DAYS {
            if let Some((hour, minute)) = self.names_day(date).then(|| self.time_from(earliest)).flatten() {
                return date
                    .at(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0)
                    .to_zoned(TimeZone::UTC)
                    .ok()
                    .map(|moment| moment.timestamp());
            }
            date = date.checked_add(1.day()).ok()?;
            earliest = (0, 0);
        }
        None
    }

    fn names_day(&self, date: Date) -> bool {
        let by_date = self.fields.days_of_month().includes(u32::from(date.day().unsigned_abs()));
        let weekday = u32::from(date.weekday().to_sunday_one_offset().unsigned_abs());
        let by_weekday = self.fields.days_of_week().includes(weekday);
        let by_day = if self.any_day_of_month || self.any_day_of_week {
            by_date && by_weekday
        } else {
            by_date || by_weekday
        };
        by_day && self.fields.months().includes(u32::from(date.month().unsigned_abs()))
    }

    /// The first (hour, minute) of a named day that is not before `earliest`, whose minute may be 60.
    fn time_from(&self, earliest: (u32, u32)) -> Option<(u32, u32)> {
        self.fields
            .hours()
            .iter()
            .filter(|hour| *hour >= earliest.0)
            .flat_map(|hour| self.fields.minutes().iter().map(move |minute| (hour, minute)))
            .find(|time| *time >= earliest)
    }
}

/// crontab(5): a field that begins with `*` does not restrict the day.
fn is_any(field: &str) -> bool {
    field.starts_with(['*', '?'])
}

/// The field with days as the crate counts them: a list of 1 (Sunday) to 7.
fn translate_weekday(field: &str) -> Result<String, ScheduleError> {
    let unreadable = || ScheduleError::DayOfWeek(field.to_owned());
    let mut days = [false; 7];
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<usize>().map_err(|_| unreadable())?),
            None => (part, 1),
        };
        let (first, last) = match range.split_once('-') {
            _ if matches!(range, "*" | "?") => (0, 6),
            Some((first, last)) => (weekday(first), weekday(last)),
            // crontab(5) steps only ranges; a single day with a step runs to the end of the week, as in others.
            None if part.contains('/') => (weekday(range), 6),
            None => (weekday(range), weekday(range)),
        };
        if first > last || last > 7 || step == 0 {
            return Err(unreadable());
        }
        for number in (first..=last).step_by(step) {
            if let Some(day) = days.get_mut(number % 7) {
                *day = true;
            }
        }
    }
    let numbers: Vec<String> =
        (1..).zip(days).filter(|(_, named)| *named).map(|(number, _): (u8, _)| number.to_string()).collect();
    Ok(numbers.join(","))
}

/// 0 to 7 as crontab counts; above 7 for what is no day.
fn weekday(text: &str) -> usize {
    let by_name = || DAY_NAMES.iter().position(|name| text.eq_ignore_ascii_case(name));
    text.parse().ok().or_else(by_name).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(expression: &str, now: &str) -> String {
        Schedule::parse(expression).unwrap().next_after(now.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn minutes_hours_and_steps_are_read_as_in_crontab() {
        assert_eq!(next("*/5 * * * *", "2026-03-01T10:04:59Z"), "2026-03-01T10:05:00Z");
        assert_eq!(next("*/5 * * * *", "2026-03-01T10:05:00Z"), "2026-03-01T10:10:00Z");
        assert_eq!(next("59 23 * * *", "2026-12-31T23:59:00Z"), "2027-01-01T23:59:00Z");
        assert_eq!(next("0 9-17/4 * * *", "2026-03-01T09:30:00Z"), "2026-03-01T13:00:00Z");
        assert_eq!(next("0 0 29 2 *", "2096-02-29T00:00:00Z"), "2104-02-29T00:00:00Z");
    }

    #[test]
    fn sunday_is_nought_and_seven_and_has_a_name() {
        // 2026-03-01 is a Sunday.
        for sunday in ["0", "7", "sun", "SUN", "7-7", "5-7"] {
            let expression = format!("0 12 * * {sunday}");
            assert_eq!(next(&expression, "2026-02-28T23:00:00Z"), "2026-03-01T12:00:00Z", "{sunday}");
        }
        assert_eq!(next("0 9 * * 1-5", "2026-03-06T09:00:00Z"), "2026-03-09T09:00:00Z");
        assert_eq!(next("0 9 * * mon-fri", "2026-03-06T09:00:00Z"), "2026-03-09T09:00:00Z");
        assert_eq!(next("0 9 * * mon,wed", "2026-03-02T09:00:00Z"), "2026-03-04T09:00:00Z");
        assert_eq!(next("0 9 * mar-apr */2", "2026-03-01T09:00:00Z"), "2026-03-03T09:00:00Z");
    }

    #[test]
    fn two_restricted_day_fields_match_either_day() {
        assert_eq!(next("0 0 13 * fri", "2026-03-01T00:00:00Z"), "2026-03-06T00:00:00Z");
        assert_eq!(next("0 0 10 * fri", "2026-03-06T00:00:00Z"), "2026-03-10T00:00:00Z");
        assert_eq!(next("0 0 */10 * fri", "2026-03-01T00:00:00Z"), "2026-05-01T00:00:00Z");
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_its_reason() {
        assert_eq!(Schedule::parse("0 * * * * *").unwrap_err(), ScheduleError::Fields { fields: 6 });
        assert_eq!(Schedule::parse("").unwrap_err(), ScheduleError::Fields { fields: 0 });
        assert_eq!(Schedule::parse("0 0 30 2 *").unwrap_err(), ScheduleError::Never("0 0 30 2 *".into()));
        for weekday in ["8", "fri-mon", "noday", "1-", "*/0", "2/x", ""] {
            let refused = Schedule::parse(&format!("0 0 * * {weekday}x"));
            assert!(refused.is_err(), "{weekday}x");
            assert!(Schedule::parse(&format!("0 0 * * {weekday}")).is_err(), "{weekday}");
        }
        for field in ["61", "*/0", "5-1", "a", "-", "99999999999999999999"] {
            assert!(Schedule::parse(&format!("{field} * * * *")).is_err(), "{field}");
        }
        assert!(Schedule::parse(&format!("0{} * * * *", ",0".repeat(5_000))).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_the_next_time_is_later(text in "[0-9*/,a-z -]{0,24}", now in 0_i64..4_000_000_000) {
            if let Ok(schedule) = Schedule::parse(&text) {
                let now = Timestamp::from_second(now).unwrap();
                proptest::prop_assert!(schedule.next_after(now).is_none_or(|next| next > now));
            }
        }
    }

    #[test]
    fn an_interval_counts_from_the_last_poll() {
        let now: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
        let cadence = Cadence::Every(Duration::from_mins(5));
        assert_eq!(cadence.next_after(now).to_string(), "2026-03-01T10:05:00Z");
    }
}
