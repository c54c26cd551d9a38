//! Mail as Notes hands it on and answers it: a ruler with "Forwarded by Ann on 3 May" or nothing, then the sender's name,
//! the date, and `To:`, `cc:`, `Subject:` without a `From:`. Without the ruler only name, date and labels together count:
//! names and dates alone are too common.

use super::attribution::has_year_and_clock;
use super::header::{self, Block};
use super::line::Line;
use super::words::dividers::is_forwarded_by;
use super::words::headers::Field;

/// Lines from the sender's name to the first label, blank ones included.
const HEAD_MAX: usize = 12;
/// Filled ones among them: name, date, who sent it for whom, where to answer.
const NAMES_MAX: usize = 5;
/// Lines from the name on among which the date is: the name, who sent it for whom, the date.
const DATE_WITHIN: usize = 3;
/// Characters of such a line.
const NAME_CHARS: usize = 90;

/// Where the header that begins at this line ends; below it everything is history.
pub(super) fn header_end(lines: &[Line<'_>], at: usize) -> Option<usize> {
    if let Some(start) = announcement(lines, at) {
        return Some(head(lines, start).map_or(start, |block| block.end));
    }
    answered(lines, at).map(|block| block.end)
}

/// The header of the mail that a ruler at this line announces, its sender and date among the fields.
pub(super) fn forwarded(lines: &[Line<'_>], at: usize) -> Option<Block> {
    head(lines, announcement(lines, at)?)
}

/// The header of an answered mail that begins with the sender's name at this line.
fn answered(lines: &[Line<'_>], at: usize) -> Option<Block> {
    let line = lines.get(at).filter(|line| line.depth == 0)?;
    let is_name = !line.bare.ends_with(['.', '!', '?', ':', ','])
        && line.bare.starts_with(|c: char| c.is_uppercase() || c == '"');
    // Another name above the sender's is how the author signs: only "Sent by: Bob" may stand between.
    let between = lines.iter().skip(at + 1).take(DATE_WITHIN - 1).take_while(|line| line.bare.contains(": "));
    let date = at + 1 + between.count();
    let dated = |at: usize| lines.get(at).is_some_and(|line| has_year_and_clock(&line.folded));
    if !is_name || !(dated(at) || dated(date)) {
        return None;
    }
    head(lines, at)
}

/// Name, date and labels from line `start` on.
fn head(lines: &[Line<'_>], start: usize) -> Option<Block> {
    let mut names: Vec<&Line<'_>> = Vec::new();
    for cursor in start..lines.len().min(start + HEAD_MAX) {
        let line = lines.get(cursor).filter(|line| line.depth == 0)?;
        if line.is_blank() {
            continue;
        }
        if let Some(mut block) = header::block(lines, cursor).filter(Block::lacks_sender) {
            block.fields.extend(sender(&names));
            return Some(block);
        }
        names.push(line);
        if names.len() > NAMES_MAX || line.bare.chars().count() > NAME_CHARS {
            return None;
        }
    }
    None
}

/// `Ann Bee@ORG` above `03/05/2001 11:36 AM`, or both on one line, perhaps with "on" between.
fn sender(names: &[&Line<'_>]) -> Vec<(Field, String)> {
    let Some(first) = names.first() else { return Vec::new() };
    let dated = names.iter().take(DATE_WITHIN).find(|line| has_year_and_clock(&line.folded));
    let date_from = |text: &str| {
        let word = text
            .split_whitespace()
            .find(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains(['/', '.', '-']))?;
        text.find(word)
    };
    let mut fields = Vec::new();
    let mut name = first.bare;
    let split = dated.and_then(|line| {
        let (before, date) = line.bare.split_at_checked(date_from(line.bare)?)?;
        Some((std::ptr::eq(*line, *first), before, date))
    });
    if let Some((beside_name, before, date)) = split {
        if beside_name {
            name = before.trim_end().strip_suffix(" on").unwrap_or(before).trim_end();
        }
        fields.push((Field::Date, date.to_owned()));
    }
    fields.push((Field::From, name.to_owned()));
    fields
}

/// A ruler on both sides, "forwarded by" and a date between, perhaps wrapped; gives the line after it.
fn announcement(lines: &[Line<'_>], at: usize) -> Option<usize> {
    let line = lines.get(at).filter(|line| line.folded.starts_with("---"))?;
    if !is_forwarded_by(line.folded.trim_start_matches(['-', ' '])) {
        return None;
    }
    let ends = |at: usize| lines.get(at).is_some_and(|line| line.folded.ends_with("---"));
    (at + 1..=at + 2).find(|end| ends(end - 1))
}
