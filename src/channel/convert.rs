//! Converters of the mapping language: times, directions, base64. A time in the wrong unit or of an
//! absurd year is no time (the arrival stands in), never a wrong one.

use super::error::Fault;
use super::fallbacks::Fallbacks;
use super::selectors::Scope;
use super::settings::Table;
use crate::envelope::ChannelMessage;
use crate::model::message::Direction;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::Value;

/// 1990-01-01: seconds that were read as milliseconds end in January 1970, and no chat is older.
const EARLIEST_SECOND: i64 = 631_152_000;

/// How a provider writes times.
#[derive(Debug, Clone, PartialEq, Eq)]
enum TimeFormat {
    Rfc3339,
    UnixSeconds,
    UnixMilliseconds,
    Pattern(String),
}

/// Where a time is and how it is written.
#[derive(Debug)]
pub(super) struct TimeRule {
    path: Fallbacks,
    format: TimeFormat,
}

impl TimeRule {
    /// `{path, format}`, or a path alone for RFC 3339.
    pub fn compile(table: &Table<'_>, key: &'static str) -> Result<Option<Self>, Fault> {
        let Some(value) = table.value(key) else { return Ok(None) };
        let Value::Object(_) = value else {
            let path = Fallbacks::compile(&table.at(key), value)?;
            return Ok(Some(Self { path, format: TimeFormat::Rfc3339 }));
        };
        let inner = Table::of(table.at(key), value)?;
        let path = Fallbacks::required(&inner, "path")?;
        let format = match inner.text("format")? {
            None | Some("rfc3339") => TimeFormat::Rfc3339,
            Some("unix_s") => TimeFormat::UnixSeconds,
            Some("unix_ms") => TimeFormat::UnixMilliseconds,
            Some(pattern) if pattern.contains('%') && pattern.len() <= 100 => {
                if !gives_back_a_time(pattern) {
                    return Err(
                        inner.fault("format", "is no strftime pattern that a date and a time are read by")
                    );
                }
                TimeFormat::Pattern(pattern.to_owned())
            }
            Some(_) => {
                return Err(inner.fault("format", "must be rfc3339, unix_s, unix_ms or a strftime pattern"));
            }
        };
        inner.finish()?;
        Ok(Some(Self { path, format }))
    }

    /// The time, if there is one that can be meant.
    pub fn read(&self, scope: &Scope<'_>) -> Option<Timestamp> {
        let text = self.path.text(scope)?;
        let time = match &self.format {
            TimeFormat::Rfc3339 => rfc3339(&text),
            TimeFormat::UnixSeconds => unix_seconds(&text),
            TimeFormat::UnixMilliseconds => {
                text.split('.').next()?.parse().ok().and_then(|ms| Timestamp::from_millisecond(ms).ok())
            }
            TimeFormat::Pattern(pattern) => by_pattern(pattern, &text),
        };
        time.and_then(|time| sane(time, scope.received_at()))
    }
}

/// The time, unless it is older than anything or more than a day ahead of its arrival.
pub(super) fn sane(time: Timestamp, received_at: Timestamp) -> Option<Timestamp> {
    let latest = received_at.checked_add(24.hours()).unwrap_or(Timestamp::MAX);
    (time.as_second() >= EARLIEST_SECOND && time <= latest).then_some(time)
}

/// RFC 3339; a time without a zone is UTC.
pub(super) fn rfc3339(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| utc(text.parse().ok()?))
}

fn utc(time: DateTime) -> Option<Timestamp> {
    time.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// Seconds with or without a fraction (`1760000000.000100`), down to the nanosecond.
fn unix_seconds(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut digits = fraction.get(..fraction.len().min(9))?.to_owned();
    while digits.len() < 9 {
        digits.push('0');
    }
    Timestamp::new(whole.parse().ok()?, digits.parse().ok()?).ok()
}

/// Whether a time that is written by the pattern can be read by it.
fn gives_back_a_time(pattern: &str) -> bool {
    let sample = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
    strtime::format(pattern, &sample).is_ok_and(|text| by_pattern(pattern, &text).is_some())
}

fn by_pattern(pattern: &str, text: &str) -> Option<Timestamp> {
    let time = strtime::parse(pattern, text).ok()?;
    time.to_timestamp().ok().or_else(|| utc(time.to_datetime().ok()?))
}

/// Which way a message went.
#[derive(Debug)]
pub(super) enum DirectionRule {
    Always(Direction),
    By {
        path: Fallbacks,
        inbound: Vec<String>,
        outbound: Vec<String>,
        default: Direction,
    },
    /// Outbound where there is anything at all.
    Outbound {
        if_present: Fallbacks,
    },
}

const DIRECTIONS: [(&str, Direction); 2] =
    [("inbound", Direction::Inbound), ("outbound", Direction::Outbound)];

impl DirectionRule {
    /// `{path, inbound, outbound, default}`, `{path, outboundIfPresent}`, or one of the two words for all messages.
    pub fn compile(table: &Table<'_>, key: &'static str) -> Result<Option<Self>, Fault> {
        if let Some(Value::String(_)) = table.value(key) {
            return Ok(table.word(key, &DIRECTIONS)?.map(Self::Always));
        }
        let Some(inner) = table.table(key)? else { return Ok(None) };
        let owned = |words: Vec<&str>| words.into_iter().map(str::to_owned).collect();
        let path = Fallbacks::required(&inner, "path")?;
        if inner.flag("outboundIfPresent")? {
            inner.finish()?;
            return Ok(Some(Self::Outbound { if_present: path }));
        }
        let made = Self::By {
            path,
            inbound: owned(inner.texts("inbound")?),
            outbound: owned(inner.texts("outbound")?),
            default: inner.word("default", &DIRECTIONS)?.unwrap_or(Direction::Inbound),
        };
        inner.finish()?;
        Ok(Some(made))
    }

    /// Puts the direction on `message`; nothing said means inbound.
    pub fn apply(&self, scope: &Scope<'_>, message: &mut ChannelMessage) {
        message.direction = Some(match self {
            Self::Always(direction) => *direction,
            Self::Outbound { if_present } if if_present.value(scope).is_some() => Direction::Outbound,
            Self::Outbound { .. } => Direction::Inbound,
            Self::By { path, inbound, outbound, default } => {
                let word = path.text(scope);
                let is_in = |words: &[String]| word.as_ref().is_some_and(|word| words.contains(word));
                if is_in(outbound) {
                    Direction::Outbound
                } else if is_in(inbound) {
                    Direction::Inbound
                } else {
                    *default
                }
            }
        });
    }
}

/// Base64 with or without line breaks and padding.
pub(super) fn decode_base64(text: &str) -> Option<Bytes> {
    let engine = base64::engine::GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        base64::engine::general_purpose::GeneralPurposeConfig::new()
            .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
    );
    if let Ok(bytes) = STANDARD.decode(text) {
        return Some(bytes.into());
    }
    let packed: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    engine.decode(packed).ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<Timestamp> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn times_are_read_as_providers_write_them() {
        assert_eq!(rfc3339("2026-10-01T10:00:00+02:00"), at("2026-10-01T08:00:00Z"));
        assert_eq!(rfc3339("2026-10-01T10:00:00.123"), at("2026-10-01T10:00:00.123Z"));
        assert_eq!(unix_seconds("1760000000.000100"), at("2025-10-09T08:53:20.0001Z"));
        assert_eq!(unix_seconds("1760000000"), at("2025-10-09T08:53:20Z"));
        assert_eq!(by_pattern("%Y%m%d%H%M%S", "20261001100000"), at("2026-10-01T10:00:00Z"));
        assert_eq!(
            by_pattern("%a, %d %b %Y %H:%M:%S %z", "Thu, 01 Oct 2026 10:00:00 +0200"),
            at("2026-10-01T08:00:00Z")
        );
        for text in ["", "x", "1.2.3", "9999999999999999999", "1760000000.\u{e9}"] {
            assert_eq!(unix_seconds(text), None, "{text}");
            assert_eq!(rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_in_the_wrong_unit_is_none() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        assert_eq!(unix_seconds("1760000000123").and_then(|time| sane(time, now)), None);
        assert_eq!(Timestamp::from_millisecond(1_760_000_000).ok().and_then(|time| sane(time, now)), None);
        assert!(sane("2026-11-21T11:00:00Z".parse().unwrap(), now).is_some());
        assert!(sane("2026-11-21T13:00:00Z".parse().unwrap(), now).is_none());
    }
}
