//! Which of the author's lines are signature: what stands below `-- `, device lines, footers of lists and lawyers.
//!
//! A sign-off ("Regards, Ann") is what the person wrote and stays.

use super::banner;
use super::card::{card, contact, has_link};
use super::footer::{heads_notice, is_patch, list_footer, notice};
use super::history::{Part, ruler};
use super::line::Line;
use super::words::mobile;

/// Lines below a signature mark; more is text that happens to stand below two dashes.
const LINES_MAX: usize = 30;
/// Rounds of taking a piece off the end.
const ROUNDS_MAX: usize = 40;

/// Marks the signature of every stretch of own lines.
pub(super) fn mark(lines: &[Line<'_>], parts: &mut [Part]) {
    banner::mark(lines, parts);
    let mut at = 0;
    while at < lines.len() {
        let end = stretch(lines, parts, at);
        if end > at {
            mark_stretch(lines, parts, at, end);
            mark_devices(lines, parts, at, end);
        }
        at = end.max(at + 1);
    }
}

/// Where the own lines that begin at `from` end.
fn stretch(lines: &[Line<'_>], parts: &[Part], from: usize) -> usize {
    let mut end = from;
    let rest = lines.get(from..).unwrap_or_default().iter().zip(parts.get(from..).unwrap_or_default());
    for (at, (line, part)) in rest.enumerate() {
        if line.is_empty() {
            continue;
        }
        if *part != Part::Content {
            break;
        }
        end = from + at + 1;
    }
    end
}

/// Takes signatures off the end of the lines `from..end`.
fn mark_stretch(lines: &[Line<'_>], parts: &mut [Part], from: usize, end: usize) {
    let mut end = end;
    let mut marked = false;
    for _ in 0..ROUNDS_MAX {
        while end > from && lines.get(end - 1).is_some_and(Line::is_empty) {
            end -= 1;
        }
        let Some(stretch) = lines.get(from..end).filter(|stretch| !stretch.is_empty()) else { return };
        let first = from == 0 || lines.iter().take(from).all(Line::is_empty);
        let below = parts.iter().skip(end).take(3);
        let headed =
            below.copied().any(|part| part == Part::Signature) && stretch.last().is_some_and(heads_notice);
        let found = if headed { stretch.len().checked_sub(1) } else { tail(stretch, first, marked) };
        let Some(start) = found else { return };
        marked = marked || stretch.get(start).is_some_and(is_mark);
        for part in parts.iter_mut().take(end).skip(from + start) {
            *part = Part::Signature;
        }
        end = from + start;
    }
}

/// Device lines that stand alone, wherever they are.
fn mark_devices(lines: &[Line<'_>], parts: &mut [Part], from: usize, end: usize) {
    let is_empty = |at: usize| lines.get(at).is_none_or(Line::is_empty);
    for at in from..end {
        let alone = is_empty(at + 1) && at.checked_sub(1).is_none_or(is_empty);
        if alone
            && lines.get(at).is_some_and(|line| !line.is_empty() && is_device_line(line))
            && let Some(part) = parts.get_mut(at)
        {
            *part = Part::Signature;
        }
    }
}

/// Where a signature begins that reaches to the end of `lines`; the last of them is not empty.
fn tail(lines: &[Line<'_>], first: bool, marked: bool) -> Option<usize> {
    let last = lines.len().checked_sub(1)?;
    let line = lines.get(last)?;
    if closes_fence(lines, last) {
        return None;
    }
    if is_mark(line) || ruler(&line.folded).is_some_and(|signs| signs >= 2) || is_tracker(line) {
        return Some(last);
    }
    below_mark(lines, first, marked)
        .or_else(|| is_device_line(line).then_some(last))
        .or_else(|| list_footer(lines))
        .or_else(|| notice(lines))
        .or_else(|| dashed_name(lines).then_some(last))
        .or_else(|| contact(lines))
        .or_else(|| card(lines))
}

/// A fenced code block at the end is text.
fn closes_fence(lines: &[Line<'_>], last: usize) -> bool {
    lines.get(last).is_some_and(|line| line.bare.starts_with("```"))
}

/// RFC 3676 section 4.3: `-- ` on its own line; many senders lose the blank.
fn is_mark(line: &Line<'_>) -> bool {
    matches!(line.folded.as_str(), "--" | "—" | "- --" | "– –")
}

/// The dot that a tracking extension leaves in sent mail.
fn is_tracker(line: &Line<'_>) -> bool {
    line.folded == "ᐧ"
}

/// The last signature mark, when no more than a signature stands below it. `first`: nothing stands above these
/// lines, so that a mark on top of them closes nothing. `marked`: one was taken already; a second needs short lines.
fn below_mark(lines: &[Line<'_>], first: bool, marked: bool) -> Option<usize> {
    let mut below = 0;
    let mut prose = 0;
    for (at, line) in lines.iter().enumerate().rev() {
        if is_mark(line) {
            // A patch that is sent along stands below the signature of the letter.
            if lines
                .iter()
                .skip(at)
                .any(|line| line.raw.starts_with("@@ -") || line.raw.starts_with("diff --git "))
            {
                return None;
            }
            if ends_patch(lines, at) {
                return None;
            }
            let closes = !first || lines.iter().take(at).any(|line| !line.is_empty());
            return (closes && !(marked && (below > 8 || prose > 2))).then_some(at);
        }
        below += usize::from(!line.is_empty());
        prose += usize::from(line.bare.chars().count() > 60 && !has_link(&line.folded));
        if below > LINES_MAX {
            return None;
        }
    }
    None
}

/// Below the mark stands a version number alone, and above it a diff: `git format-patch` ends its patches so.
fn ends_patch(lines: &[Line<'_>], at: usize) -> bool {
    let (above, below) = lines.split_at(at);
    let mut below = below.iter().skip(1).filter(|line| !line.is_empty());
    let version = below.next().is_some_and(|line| {
        let number = line.bare.split(' ').next().unwrap_or_default();
        number.contains('.') && number.split('.').all(|part| part.starts_with(|c: char| c.is_ascii_digit()))
    });
    version && below.next().is_none() && above.iter().any(is_patch)
}

/// "Sent from my iPhone" and its kin.
fn is_device_line(line: &Line<'_>) -> bool {
    let text =
        line.folded.trim_matches(['<', '>', '(', ')', '*', '_', '.', '-', ' ', '[', ']', '!', '"', '~']);
    if text.is_empty() || text.len() > 240 {
        return false;
    }
    if mobile::is_whole(text) {
        return true;
    }
    if let Some(device) = mobile::FROM_MY.iter().find_map(|start| text.strip_prefix(start)) {
        return from_my(device);
    }
    let visible = without_links(text);
    if is_app_offer(&visible) {
        return true;
    }
    let words = visible.split_whitespace().count();
    words <= 14
        && visible.chars().count() <= 110
        && mobile::has_sent(&visible)
        && mobile::has_device(&visible)
        && is_one_statement(&visible)
}

/// "Get Outlook for iOS" in whatever language: the app, a system and a word or two.
fn is_app_offer(text: &str) -> bool {
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let system = words.iter().any(|word| word.starts_with("ios") || word.starts_with("android"));
    system && text.contains("outlook") && words.len() <= 7 && is_one_statement(text)
}

/// After "sent from my": up to five words, then nothing, a link or an apology.
fn from_my(device: &str) -> bool {
    let cut = device.find([',', '.', ';', '!', '<', '(', '-', '|']).unwrap_or(device.len());
    let (name, rest) = device.split_at_checked(cut).unwrap_or((device, ""));
    let words = name.split_whitespace().count();
    let excused = mobile::APOLOGIES.iter().any(|word| device.contains(word));
    let rest = without_links(rest);
    let quiet =
        rest.trim_matches([',', '.', ';', '!', '<', '(', ')', '-', '|', ' ', '>']).split_whitespace().count()
            <= 4;
    words <= 6 && (excused || (words <= 5 && quiet && (rest.trim().is_empty() || mobile::has_device(device))))
}

/// A sentence of a letter goes on after a comma; a device line does not, unless to excuse itself.
fn is_one_statement(text: &str) -> bool {
    let sentence = text.trim_end_matches(['.', '!']);
    let broken = sentence.contains([',', '?', ';']) || sentence.contains(". ");
    !broken || mobile::APOLOGIES.iter().any(|word| text.contains(word))
}

/// The text without `<link>`, `(link)` and bare links.
fn without_links(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        let at = word.find("http://").or_else(|| word.find("https://"));
        let shown = at.and_then(|at| word.get(..at)).unwrap_or(word).trim_end_matches(['<', '(', '[', ']']);
        if !shown.is_empty() {
            out.push_str(shown.trim_start_matches(['[', '<']));
            out.push(' ');
        }
    }
    out.trim_end().to_owned()
}

/// `-Ann Bee` as the last line. `-Ann` is how people end a letter: the person's own.
fn dashed_name(lines: &[Line<'_>]) -> bool {
    let Some((line, above)) = lines.split_last() else { return false };
    let Some(name) = line.raw.strip_prefix('-') else { return false };
    let words = name.split_whitespace().count();
    let is_list = above.iter().rev().take(2).any(|line| line.raw.starts_with('-'));
    !is_list
        && (2..=3).contains(&words)
        && name.len() <= 40
        && name.chars().all(|c| c.is_alphabetic() || matches!(c, ' ' | '.'))
        && name.starts_with(char::is_alphabetic)
}
