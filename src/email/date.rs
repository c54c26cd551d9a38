//! The Date field (RFC 5322 section 3.3 and 4.3), and the other spellings that mail brings.
//!
//! Understood besides the RFC: two-digit years, missing seconds or zone, `asctime` order, 12-hour clocks, zone names,
//! ISO 8601. Dates outside [`SANE`] are no dates. Order is the caller's matter: it knows when the mail arrived.

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

/// Years in which mail can have been sent.
pub const SANE: std::ops::RangeInclusive<i16> = 1971..=2099;

/// Reads a date; `None` where it is missing, senseless or outside [`SANE`].
pub(super) fn parse(value: &[u8]) -> Option<Timestamp> {
    let text = String::from_utf8_lossy(value.get(..value.len().min(200))?);
    let text = without_comments(&text);
    let text = text.trim();
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp).filter(is_sane);
    }
    let mut draft = Draft::default();
    for token in text.split(|c: char| c.is_whitespace() || c == ',').filter(|t| !t.is_empty()) {
        draft.take(token);
    }
    draft.finish().filter(is_sane)
}

fn is_sane(timestamp: &Timestamp) -> bool {
    SANE.contains(&Offset::UTC.to_datetime(*timestamp).year())
}

/// Comments vanish, except that a comment that is the only zone is kept by `Draft` through its token.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut depth = 0_u32;
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

#[derive(Default)]
struct Draft {
    day: Option<i8>,
    month: Option<i8>,
    year: Option<i16>,
    clock: Option<(i8, i8, i8)>,
    offset_seconds: Option<i32>,
    afternoon: Option<bool>,
}

impl Draft {
    fn take(&mut self, token: &str) {
        if token.contains(':') && self.clock.is_none() {
            self.take_clock(token);
        } else if self.clock.is_some() && token.starts_with(['+', '-']) {
            self.offset_seconds = self.offset_seconds.or_else(|| numeric_offset(token));
        } else if let Some(month) = self.month.is_none().then(|| month(token)).flatten() {
            self.month = Some(month);
        } else if token.bytes().all(|b| b.is_ascii_digit()) {
            self.take_number(token);
        } else if token.eq_ignore_ascii_case("am") || token.eq_ignore_ascii_case("pm") {
            self.afternoon = Some(token.eq_ignore_ascii_case("pm"));
        } else if self.clock.is_some() {
            self.offset_seconds = self.offset_seconds.or_else(|| named_offset(token));
        } else {
            self.take_dashed(token);
        }
    }

    fn take_number(&mut self, token: &str) {
        let Ok(number) = token.parse::<i16>() else { return };
        if self.day.is_none() && token.len() <= 2 {
            self.day = i8::try_from(number).ok();
        } else if self.year.is_none() {
            self.year = Some(full_year(number, token.len()));
        }
    }

    /// `12:34`, `12:34:56`, with a zone stuck to it: `00:01+0000`, `12:00:00Z`.
    fn take_clock(&mut self, token: &str) {
        let split = token.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(token.len());
        let (digits, zone) = token.split_at(split);
        let mut fields = digits.split(':').map(|f| f.parse::<i8>().ok());
        let hour = fields.next().flatten();
        let minute = fields.next().flatten();
        let second = fields.next().map_or(Some(0), |s| s);
        if let (Some(hour), Some(minute), Some(second)) = (hour, minute, second) {
            // A leap second is the last second of its minute, as far as order goes.
            self.clock = Some((hour, minute, if second == 60 { 59 } else { second }));
        }
        if zone.starts_with(['+', '-']) {
            self.offset_seconds = numeric_offset(zone);
        } else if !zone.is_empty() {
            self.offset_seconds = named_offset(zone);
        }
    }

    /// `22-Aug-2002`, `22-Aug-02`, `2002-08-22`.
    fn take_dashed(&mut self, token: &str) {
        let fields: Vec<&str> = token.split('-').collect();
        if let [day, month_name, year] = fields.as_slice()
            && let (Ok(day), Some(month), Ok(number)) =
                (day.parse::<i8>(), month(month_name), year.parse::<i16>())
        {
            self.day = Some(day);
            self.month = Some(month);
            self.year = Some(full_year(number, year.len()));
        } else if let [year, month, day] = fields.as_slice()
            && let (Ok(year), Ok(month), Ok(day)) =
                (year.parse::<i16>(), month.parse::<i8>(), day.parse::<i8>())
        {
            (self.year, self.month, self.day) = (Some(year), Some(month), Some(day));
        }
    }

    fn finish(self) -> Option<Timestamp> {
        let (mut hour, minute, second) = self.clock.unwrap_or((0, 0, 0));
        match self.afternoon {
            Some(true) if hour < 12 => hour += 12,
            Some(false) if hour == 12 => hour = 0,
            _ => {}
        }
        let local = DateTime::new(self.year?, self.month?, self.day?, hour, minute, second, 0).ok()?;
        let utc = Offset::UTC.to_timestamp(local).ok()?;
        utc.checked_sub(SignedDuration::from_secs(i64::from(self.offset_seconds.unwrap_or(0)))).ok()
    }
}

/// RFC 5322 section 4.3: 00 to 49 are 20xx, 50 to 99 and three digits are counted from 1900.
fn full_year(number: i16, digits: usize) -> i16 {
    match (digits, number) {
        (1 | 2, 0..=49) => 2000 + number,
        (1..=3, _) => 1900_i16.saturating_add(number),
        _ => number,
    }
}

fn month(token: &str) -> Option<i8> {
    const NAMES: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let start = token.get(..3)?.to_ascii_lowercase();
    let letters_only = token.trim_end_matches('.').bytes().all(|b| b.is_ascii_alphabetic());
    let at = NAMES.iter().position(|name| *name == start).filter(|_| letters_only)?;
    i8::try_from(at + 1).ok()
}

/// `+0530`, `-600`, `+5:30`; more than a day is no offset (then the time counts as UTC).
fn numeric_offset(token: &str) -> Option<i32> {
    let sign = if token.starts_with('-') { -1 } else { 1 };
    let digits: String = token.chars().filter(char::is_ascii_digit).take(4).collect();
    let number: i32 = digits.parse().ok()?;
    let (hours, minutes) = if digits.len() <= 2 { (number, 0) } else { (number / 100, number % 100) };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// RFC 5322 section 4.3; any other name means UTC. `GMT+7` carries its number.
fn named_offset(token: &str) -> Option<i32> {
    if let Some(at) = token.find(['+', '-']) {
        return numeric_offset(token.get(at..)?);
    }
    let hours = match token.to_ascii_uppercase().as_str() {
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        "Z" | "UT" | "UTC" | "GMT" => 0,
        _ => return None,
    };
    Some(hours * 3600)
}
