//! History as Notes hands it on: a ruler with "Forwarded by Ann on 3 May", then the sender's name, the date, and `To:`,
//! `cc:`, `Subject:` without a `From:`. Without the ruler such a block is left alone: names and dates are too common.

use super::header;
use super::line::Line;
use super::words::dividers::is_forwarded_by;

/// Lines from the sender's name to the first label, blank ones included.
const HEAD_MAX: usize = 12;
/// Filled ones among them: name, date, who sent it for whom, where to answer.
const NAMES_MAX: usize = 5;
/// Characters of such a line.
const NAME_CHARS: usize = 90;

/// Where the header that begins at this line ends; below it everything is history.
pub(super) fn header_end(lines: &[Line<'_>], at: usize) -> Option<usize> {
    let start = announcement(lines, at)?;
    let mut names = 0;
    for cursor in start..lines.len().min(start + HEAD_MAX) {
        let Some(line) = lines.get(cursor).filter(|line| line.depth == 0) else { break };
        if line.is_blank() {
            continue;
        }
        if let Some(block) = header::block(lines, cursor).filter(header::Block::lacks_sender) {
            return Some(block.end);
        }
        names += 1;
        if names > NAMES_MAX || line.bare.chars().count() > NAME_CHARS {
            break;
        }
    }
    Some(start)
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
