//! Which of the author's lines are signature: what stands below `-- `, device lines, footers of lists and lawyers.
//!
//! A sign-off ("Regards, Ann") is what the person wrote and stays.

use super::history::{Part, ruler};
use super::line::Line;
use super::words::{footers, mobile};

/// Lines below a signature mark; more is text that happens to stand below two dashes.
const LINES_MAX: usize = 30;
/// Lines of a list footer below its ruler.
const FOOTER_MAX: usize = 14;
/// Rounds of taking a piece off the end.
const ROUNDS_MAX: usize = 40;

/// Marks the signature of every stretch of own lines.
pub(super) fn mark(lines: &[Line<'_>], parts: &mut [Part]) {
    let mut at = 0;
    while at < lines.len() {
        let end = stretch(lines, parts, at);
        if end > at {
            mark_stretch(lines, parts, at, end);
        }
        at = end.max(at + 1);
    }
}

/// Where the own lines that begin at `from` end.
fn stretch(lines: &[Line<'_>], parts: &[Part], from: usize) -> usize {
    let mut end = from;
    for (at, (line, part)) in lines.iter().zip(parts).enumerate().skip(from) {
        if line.is_empty() {
            continue;
        }
        if *part != Part::Content {
            break;
        }
        end = at + 1;
    }
    end
}

/// Takes signatures off the end of the lines `from..end`.
fn mark_stretch(lines: &[Line<'_>], parts: &mut [Part], from: usize, end: usize) {
    let mut end = end;
    for _ in 0..ROUNDS_MAX {
        while end > from && lines.get(end - 1).is_some_and(Line::is_empty) {
            end -= 1;
        }
        let Some(stretch) = lines.get(from..end).filter(|stretch| !stretch.is_empty()) else { return };
        let Some(start) = tail(stretch) else { return };
        for part in parts.iter_mut().take(end).skip(from + start) {
            *part = Part::Signature;
        }
        end = from + start;
    }
}

/// Where a signature begins that reaches to the end of `lines`; the last of them is not empty.
fn tail(lines: &[Line<'_>]) -> Option<usize> {
    let last = lines.len().checked_sub(1)?;
    let line = lines.get(last)?;
    if closes_fence(lines, last) {
        return None;
    }
    if is_mark(line) || ruler(&line.folded).is_some_and(|signs| signs >= 2) || is_tracker(line) {
        return Some(last);
    }
    below_mark(lines)
        .or_else(|| is_device_line(line).then_some(last))
        .or_else(|| list_footer(lines))
        .or_else(|| notice(lines))
        .or_else(|| dashed_name(lines).then_some(last))
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

/// The first signature mark that has no more than a signature below it.
fn below_mark(lines: &[Line<'_>]) -> Option<usize> {
    let mut below = 0;
    let mut start = None;
    for (at, line) in lines.iter().enumerate().rev() {
        if line.is_empty() {
            continue;
        }
        if is_mark(line) {
            start = Some(at);
        }
        below += 1;
        if below > LINES_MAX {
            break;
        }
    }
    start
}

/// "Sent from my iPhone" and its kin.
fn is_device_line(line: &Line<'_>) -> bool {
    let text = line.folded.trim_matches(['<', '>', '(', ')', '*', '_', '.', '-', ' ', '[', ']', '!', '"', '~']);
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
    let words = visible.split_whitespace().count();
    words <= 14 && visible.chars().count() <= 110 && mobile::has_sent(&visible) && mobile::has_device(&visible) && is_one_statement(&visible)
}

/// After "sent from my": up to five words, then nothing, a link or an apology.
fn from_my(device: &str) -> bool {
    let cut = device.find([',', '.', ';', '!', '<', '(', '-', '|']).unwrap_or(device.len());
    let (name, rest) = device.split_at_checked(cut).unwrap_or((device, ""));
    let words = name.split_whitespace().count();
    let excused = mobile::APOLOGIES.iter().any(|word| device.contains(word));
    let rest = without_links(rest);
    let quiet = rest.trim_matches([',', '.', ';', '!', '<', '(', ')', '-', '|', ' ', '>']).split_whitespace().count() <= 4;
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

/// A ruler near the end with an address, a link or a notice below it.
fn list_footer(lines: &[Line<'_>]) -> Option<usize> {
    let mut telling = false;
    let mut filled = 0;
    let mut start = None;
    for (at, line) in lines.iter().enumerate().rev() {
        if line.is_empty() {
            continue;
        }
        if let Some(signs) = ruler(&line.folded) {
            let underscores = line.folded.starts_with("__") && signs >= 5;
            if filled > 0 && signs >= 5 && (telling || underscores) {
                start = Some(at);
            }
        } else {
            telling = telling || is_telling(&line.folded);
            filled += 1;
        }
        if filled > FOOTER_MAX || start.is_some() {
            break;
        }
    }
    start
}

/// What footers hold and sentences seldom do.
fn is_telling(folded: &str) -> bool {
    ["http://", "https://", "www.", "@", "mailing list", "mailman"].iter().any(|sign| folded.contains(sign))
        || footers::has_notice(folded)
}

/// A last paragraph that unsubscribes, disclaims or sells.
fn notice(lines: &[Line<'_>]) -> Option<usize> {
    let length = lines.iter().rev().take(LINES_MAX).take_while(|line| !line.is_empty()).count();
    let start = lines.len() - length;
    let paragraph = lines.get(start..)?;
    let mut text = String::new();
    for line in paragraph {
        text.push_str(&line.folded);
        text.push(' ');
    }
    (start > 0 && footers::has_notice(&text)).then_some(start)
}

/// `-Ann` or `-Ann Bee` as the last line.
fn dashed_name(lines: &[Line<'_>]) -> bool {
    let Some((line, above)) = lines.split_last() else { return false };
    let Some(name) = line.raw.strip_prefix('-') else { return false };
    let words = name.split_whitespace().count();
    let is_list = above.iter().rev().take(2).any(|line| line.raw.starts_with('-'));
    !is_list && (1..=3).contains(&words) && name.len() <= 40 && name.chars().all(|c| c.is_alphabetic() || matches!(c, ' ' | '.'))
        && name.starts_with(char::is_alphabetic)
}
