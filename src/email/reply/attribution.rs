//! The line that introduces a quote ("On 3 May, Ann wrote:"), also when it was wrapped over several lines.
//!
//! It finds such lines; what they introduce is for [`super::history`].

use super::line::Line;
use super::words::attribution::{has_intro, has_lead, has_verb, has_verb_end};

/// Lines that one attribution may be wrapped over, blank ones included.
const SPAN_MAX: usize = 6;
/// Bytes of an attribution.
const BYTES_MAX: usize = 600;
/// Lines looked at as the end of an attribution: a hostile text may be made of nothing else.
const ENDS_MAX: usize = 1500;

/// An attribution: lines `start..end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attribution {
    pub start: usize,
    pub end: usize,
    /// Sure enough to cut unquoted text below it; others need a quote mark to follow.
    pub strong: bool,
}

/// Every attribution among the unquoted lines, in order, without overlap.
pub(super) fn find(lines: &[Line<'_>], followed: impl Fn(usize) -> bool) -> Vec<Attribution> {
    let mut found: Vec<Attribution> = Vec::new();
    let ends = lines.iter().enumerate().filter(|(_, line)| line.depth == 0 && may_end(&line.folded));
    for (last, _) in ends.take(ENDS_MAX) {
        let floor = found.last().map_or(0, |previous| previous.end);
        if let Some(attribution) = ending_at(lines, floor, last, followed(last + 1)) {
            found.push(attribution);
        }
    }
    found
}

/// Whether an attribution can end with this line.
fn may_end(folded: &str) -> bool {
    let text = folded.trim_end_matches(['-', ' ', '*', '_']);
    match text.chars().next_back() {
        None => false,
        Some(':' | '>' | ']' | '…') => true,
        Some(_) => starts_with_date(text) || has_verb_end(text),
    }
}

/// The attribution whose last line is `last`.
fn ending_at(lines: &[Line<'_>], floor: usize, last: usize, quote_follows: bool) -> Option<Attribution> {
    let mut text = String::new();
    let lowest = floor.max((last + 1).saturating_sub(SPAN_MAX));
    let mut start = last;
    let mut hit = None;
    for at in (lowest..=last).rev() {
        let line = lines.get(at)?;
        if at < last && !may_continue(line, &text) {
            break;
        }
        if line.is_blank() {
            continue;
        }
        text = if text.is_empty() { line.folded.clone() } else { format!("{} {text}", line.folded) };
        if text.len() > BYTES_MAX {
            break;
        }
        match judge(&text, quote_follows) {
            Some(true) => {
                (start, hit) = (at, Some(true));
                break;
            }
            Some(false) if hit.is_none() => (start, hit) = (at, Some(false)),
            _ => {}
        }
    }
    let strong = hit?;
    let mut text = joined(lines, start, last);
    let mut strong = strong;
    while let Some(above) = start.checked_sub(1).filter(|above| *above >= lowest)
        && lines.get(above).is_some_and(|line| is_torn(line, &text))
    {
        (start, strong) = (above, true);
        text = joined(lines, start, last);
    }
    if date_at(&text).is_none()
        && let Some(above) = opening_above(lines, lowest, start)
    {
        return Some(Attribution { start: above, end: last + 1, strong: true });
    }
    Some(Attribution { start, end: last + 1, strong })
}

/// The folded lines `start..=last` as one.
fn joined(lines: &[Line<'_>], start: usize, last: usize) -> String {
    let filled = lines.get(start..=last).unwrap_or_default().iter().filter(|line| !line.is_blank());
    filled.map(|line| line.folded.as_str()).collect::<Vec<_>>().join(" ")
}

/// Whether this line is the torn-off beginning of the attribution that goes on with `below`: short, with a day or one
/// of the first words, and no end of a sentence.
fn is_torn(line: &Line<'_>, below: &str) -> bool {
    let text = line.folded.as_str();
    if line.depth > 0 || text.is_empty() || text.len() > 90 || text.ends_with([':', '!', '?', ';']) {
        return false;
    }
    let numbered = text.contains(|c: char| c.is_ascii_digit());
    let last = text.rsplit(' ').next().unwrap_or(text);
    if text.ends_with('.') && last.chars().count() > 7 {
        return false;
    }
    let dated = date_at(text).is_some();
    let led = has_lead(text);
    if has_address(text) && !has_address(below) && text.ends_with(['>', ',', ')']) {
        return text.chars().count() <= 80;
    }
    if below.starts_with(['<', '(']) {
        return text.chars().count() <= 80;
    }
    if dated && date_at(below).is_none() {
        return true;
    }
    if has_lead(below) {
        let whole = date_at(below).is_some_and(|at| at <= 16) && has_year_and_clock(below);
        return !whole && dated && (led || text.chars().count() <= 45);
    }
    (led && (numbered || text.len() <= 30))
        || (dated && !below.starts_with(char::is_alphabetic))
        || (numbered && text.chars().count() <= 45)
}

/// Whether the line above can be the beginning of what `below` ends.
fn may_continue(line: &Line<'_>, below: &str) -> bool {
    if line.depth > 0 {
        return false;
    }
    if line.is_blank() {
        return below.starts_with(['<', '>']);
    }
    match line.folded.chars().next_back() {
        Some('!' | '?' | ':') => false,
        Some('.') => {
            let last = line.folded.rsplit(' ').next().unwrap_or_default();
            last.chars().count() <= 7 || has_verb(&line.folded) || date_at(&line.folded).is_some()
        }
        _ => true,
    }
}

/// A line above `start` that opens an attribution with its date, nothing but wrapped words between.
fn opening_above(lines: &[Line<'_>], lowest: usize, start: usize) -> Option<usize> {
    (lowest..start)
        .rev()
        .take(SPAN_MAX)
        .take_while(|at| lines.get(*at).is_some_and(|line| line.depth == 0))
        .find_map(|at| {
            let line = lines.get(at)?;
            let text = line.folded.as_str();
            let opens = (has_lead(text) && (date_at(text).is_some() || has_address(text)))
                || starts_with_date(text)
                || has_intro(text);
            (opens && !text.ends_with(['!', '?'])).then_some(at)
        })
}

/// `Some(true)`: surely an attribution; `Some(false)`: one if a quote follows.
fn judge(text: &str, quote_follows: bool) -> Option<bool> {
    // "---- Ann wrote ----": a ruler on both sides says what a colon says.
    let ruled = text.starts_with("--") && text.ends_with("--");
    let text = text.trim_matches(['-', ' ', '*', '_']);
    let stem = text.trim_end_matches([':', ' ', '…']);
    let colon = ruled || stem.len() < text.len();
    let date = date_at(text);
    let email = has_address(text);
    let verb = has_verb(text);
    let from_date = starts_with_date(text);
    let led = has_lead(text) && date.is_some_and(|at| at <= 40);
    if verb && email && (colon || has_verb_end(stem)) {
        return Some(true);
    }
    if verb && date.is_some() && colon && (led || from_date || has_verb_end(stem)) {
        return Some(true);
    }
    if email && colon && text.contains('<') && has_year_and_clock(text) {
        return Some(true);
    }
    if from_date && (email || text.contains("gmt")) && text.ends_with([':', '>']) {
        return Some(true);
    }
    if from_date && text.contains("gmt") && date.is_some() && stem.len() < 100 {
        return Some(true);
    }
    if led && email && colon {
        return Some(true);
    }
    let hint = verb || date.is_some() || email || has_intro(text);
    let ended = colon || (verb && date.is_some()) || (email && text.ends_with('>') && stem.len() < 120);
    (quote_follows && hint && ended && stem.len() < 300).then_some(false)
}

/// Whether a text begins with a date in digits.
pub(super) fn starts_with_date(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && date_at(text).is_some_and(|at| at <= 16)
}

/// Whether there is both a date and a time of day.
pub(super) fn has_year_and_clock(text: &str) -> bool {
    let Some(first) = date_at(text) else { return false };
    let clock = |at: usize| text.get(at..).is_some_and(|rest| is_clock(rest.as_bytes()));
    let starts = text.match_indices(|c: char| c.is_ascii_digit()).map(|(at, _)| at);
    let mut fresh = starts.filter(|at| {
        at.checked_sub(1)
            .and_then(|before| text.as_bytes().get(before))
            .is_none_or(|byte| !byte.is_ascii_digit())
    });
    fresh.any(|at| clock(at) && (at > first || date_at(text.get(at + 5..).unwrap_or_default()).is_some()))
}

/// `9:31`, `23.10`: one or two digits, a sign, exactly two digits and no year behind.
fn is_clock(bytes: &[u8]) -> bool {
    let hours = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let sign = bytes.get(hours);
    let minutes = bytes.iter().skip(hours + 1).take_while(|byte| byte.is_ascii_digit()).count();
    let next = bytes.get(hours + 3);
    let dotted = sign == Some(&b'.')
        && next == Some(&b'.')
        && bytes.get(hours + 4).is_some_and(|byte| {
            byte.is_ascii_digit() && bytes.get(hours + 6).is_some_and(u8::is_ascii_digit)
        });
    (1..=2).contains(&hours) && matches!(sign, Some(b':' | b'.' | b'h')) && minutes == 2 && !dotted
}

/// Whether there is a mail address, be it cut off ("ann@...").
pub(super) fn has_address(text: &str) -> bool {
    text.match_indices('@').any(|(at, _)| {
        let before = text.get(..at).and_then(|head| head.chars().next_back());
        let after = text.get(at + 1..).and_then(|tail| tail.chars().next());
        before.is_some_and(char::is_alphanumeric) && after.is_some_and(|c| c.is_alphanumeric() || c == '.')
    })
}

/// Where the first year, time of day or date in digits begins.
pub(super) fn date_at(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if !byte.is_ascii_digit() {
            at += 1;
            continue;
        }
        let digits = bytes.iter().skip(at).take_while(|byte| byte.is_ascii_digit()).count();
        if is_year(text.get(at..at + digits)) || is_clock_or_date(bytes, at, digits) {
            return Some(at);
        }
        at += digits;
    }
    None
}

/// Gregorian 1970 to 2099, Buddhist 2540 to 2599, Solar Hijri 1380 to 1449.
fn is_year(digits: Option<&str>) -> bool {
    let year = digits.filter(|digits| digits.len() == 4).and_then(|digits| digits.parse::<u16>().ok());
    year.is_some_and(|year| matches!(year, 1970..=2099 | 2540..=2599 | 1380..=1449))
}

/// `9:31`, `16.11.`, `28/10/21`: one or two digits, a sign, two more digits.
fn is_clock_or_date(bytes: &[u8], at: usize, digits: usize) -> bool {
    let sign = bytes.get(at + digits);
    let more = bytes.iter().skip(at + digits + 1).take_while(|byte| byte.is_ascii_digit()).count();
    let before = at.checked_sub(1).and_then(|at| bytes.get(at));
    let free = !before.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'#'));
    match sign {
        Some(b':' | b'h') => digits <= 2 && more == 2 && free,
        Some(b'.' | b'/' | b'-') => {
            let next = bytes.get(at + digits + 1 + more);
            let third =
                bytes.iter().skip(at + digits + 2 + more).take_while(|byte| byte.is_ascii_digit()).count();
            digits <= 2 && (1..=2).contains(&more) && free && next == sign && matches!(third, 2 | 4)
        }
        _ => false,
    }
}
