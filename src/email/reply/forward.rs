//! Mails handed on: where the original begins, its subject, people, date and text.

use super::Forward;
use super::attribution;
use super::header::{self, Block};
use super::history::{divider, next_filled};
use super::line::{Line, fold};
use super::notes;
use super::people;
use super::words::dividers::{self, Divider};
use super::words::headers::Field;
use super::words::subjects::{self, Prefix};

/// Lines between a forward divider and the header below it.
const GAP_MAX: usize = 3;

/// Lines that may end an attribution, before the search for a forwarded mail is given up.
const ENDS_MAX: usize = 300;

/// A forwarded mail: from line `start`, its text from line `body`.
#[derive(Debug)]
pub(super) struct Found {
    pub start: usize,
    pub body: usize,
    pub forward: Forward,
}

/// The forwarded mail in the text, if the author handed one on. `subject` is the outer mail's.
pub(super) fn find(lines: &[Line<'_>], subject: Option<&str>) -> Option<Found> {
    let outer = subject.map(fold).unwrap_or_default();
    let prefix = subjects::prefix(&outer).map(|(prefix, _)| prefix);
    let next = next_filled(lines);
    let mut own_words = false;
    let mut ends = 0;
    let mut above: Option<&Line<'_>> = None;
    for (at, line) in lines.iter().enumerate() {
        if line.is_empty() {
            continue;
        }
        let opens = line.depth == 0 || above.is_none_or(|above| above.depth < line.depth);
        if opens && let Some(found) = announced(lines, &next, at) {
            return Some(found);
        }
        if divider(line) == Some(Divider::ReplyAbove) {
            return None;
        }
        let sure = opens.then(|| pasted(lines, &next, at)).flatten();
        if let Some(block) = sure {
            let answered = is_answered(lines, &next, &block);
            if answered {
                return None;
            }
            let allowed = prefix != Some(Prefix::Reply) || !own_words;
            return allowed.then(|| from_block(lines, ruled_start(lines, at), &block));
        }
        if line.depth > 0 {
            return None;
        }
        own_words = own_words || !is_frame(line);
        above = Some(line);
        if line.folded.ends_with([':', '>', ']']) {
            ends += 1;
        }
        if ends > ENDS_MAX {
            return None;
        }
        if is_attribution_end(lines, at) {
            return (prefix == Some(Prefix::Forward)).then(|| from_attribution(lines, at, subject)).flatten();
        }
    }
    None
}

/// Whether the author's words stand below the quote that the header block opens: then it is history.
fn is_answered(lines: &[Line<'_>], next: &[usize], block: &Block) -> bool {
    let first = next.get(block.end).and_then(|at| lines.get(*at));
    let quoted = block.depth > 0 || first.is_some_and(|line| line.depth > 0);
    quoted && lines.iter().skip(block.end).any(|line| line.depth == 0 && !line.is_empty())
}

/// A header block at this line, or below "Original Message" at this line.
fn pasted(lines: &[Line<'_>], next: &[usize], at: usize) -> Option<Block> {
    if divider(lines.get(at)?) == Some(Divider::Original) {
        return header::block(lines, *next.get(at + 1)?).filter(Block::is_likely);
    }
    header::block(lines, at).filter(Block::is_sure)
}

/// A ruler or divider: no words of the author's.
fn is_frame(line: &Line<'_>) -> bool {
    super::history::ruler(&line.folded).is_some() || divider(line).is_some()
}

/// A divider that says "forwarded" at this line, with headers below or behind it.
fn announced(lines: &[Line<'_>], next: &[usize], at: usize) -> Option<Found> {
    let line = lines.get(at)?;
    if let Some(fields) = behind(line) {
        let block = Block { end: at + 1, depth: line.depth, patch: false, fields };
        return block.is_likely().then(|| from_block(lines, at, &block));
    }
    if let Some(block) = notes::forwarded(lines, at) {
        return Some(from_block(lines, at, &block));
    }
    if divider(line)? != Divider::Forwarded {
        return None;
    }
    let mut below = *next.get(at + 1)?;
    for _ in 0..GAP_MAX {
        if lines.get(below)?.is_blank() {
            below = *next.get(below + 1)?;
        }
    }
    let block = header::block(lines, below).filter(Block::is_likely)?;
    Some(from_block(lines, at, &block))
}

/// Headers on the divider's own line.
fn behind(line: &Line<'_>) -> Option<Vec<(Field, String)>> {
    let text = line.bare.trim_start_matches(['-', ' ']);
    if text.len() == line.bare.len() || line.folded.len() < 40 {
        return None;
    }
    let folded = fold(text);
    dividers::forward_prefix(&folded)?;
    let rest = text.split_once("--")?.1.trim_start_matches('-');
    let fields = header::inline(rest);
    (fields.len() >= 2).then_some(fields)
}

/// The ruler above a header block is where the forwarded mail begins.
fn ruled_start(lines: &[Line<'_>], at: usize) -> usize {
    let above = lines.iter().take(at).enumerate().rev().find(|(_, line)| !line.is_empty());
    above.filter(|(_, line)| is_frame(line)).map_or(at, |(above, _)| above)
}

/// The forward that a header block describes.
fn from_block(lines: &[Line<'_>], start: usize, block: &Block) -> Found {
    let many = |field: Field| block.value(field).map(people::list).unwrap_or_default();
    let date = block.value(Field::Date).or_else(|| block.value(Field::Sent));
    let filled = |value: &str| (!value.is_empty()).then(|| value.to_owned());
    Found {
        start,
        body: block.end,
        forward: Forward {
            subject: block.value(Field::Subject).and_then(filled),
            from: block.value(Field::From).and_then(people::one),
            to: many(Field::To),
            cc: many(Field::Cc),
            date: date.and_then(filled),
            body: body(lines.get(block.end..).unwrap_or_default(), block.depth),
        },
    }
}

/// Whether an attribution sure enough to stand alone ends here.
fn is_attribution_end(lines: &[Line<'_>], at: usize) -> bool {
    let from = (at + 1).saturating_sub(4);
    let near = lines.get(from..=at).unwrap_or_default();
    attribution::find(near, |_| false).iter().any(|found| found.strong && found.end == near.len())
}

/// Outlook 2019 and others forward below a mere attribution; only the subject tells.
fn from_attribution(lines: &[Line<'_>], last: usize, subject: Option<&str>) -> Option<Found> {
    let from = (last + 1).saturating_sub(4);
    let near = lines.get(from..=last)?;
    let found = attribution::find(near, |_| false).pop()?;
    let start = from + found.start;
    let text: Vec<&str> = lines.get(start..=last)?.iter().map(|line| line.bare).collect();
    let text = text.join(" ");
    let (from, date) = people::in_attribution(&text);
    let below = lines.get(last + 1..).unwrap_or_default();
    let depth = below.iter().find(|line| !line.is_empty()).map_or(0, |line| line.depth);
    let subject = subject.and_then(|subject| subject.split_once(':')).map(|(_, rest)| rest.trim().to_owned());
    Some(Found {
        start,
        body: last + 1,
        forward: Forward { subject, from, to: Vec::new(), cc: Vec::new(), date, body: body(below, depth) },
    })
}

/// The forwarded text: quote marks and common indent taken off, blank lines around it too.
fn body(lines: &[Line<'_>], depth: usize) -> String {
    let depth = match depth {
        0 => lines.iter().find(|line| !line.is_blank()).map_or(0, |line| line.depth.min(1)),
        depth => depth,
    };
    let texts: Vec<&str> = lines
        .iter()
        .map(|line| if line.is_blank() && line.depth <= depth { "" } else { shed(line, depth) })
        .collect();
    let indent = texts
        .iter()
        .filter(|text| !text.is_empty())
        .map(|text| text.len() - text.trim_start_matches(' ').len())
        .min()
        .unwrap_or(0);
    let mut out = String::new();
    for text in texts {
        out.push_str(text.get(indent..).unwrap_or_default());
        out.push('\n');
    }
    out.trim().to_owned()
}

/// The line without `depth` quote marks.
fn shed<'a>(line: &Line<'a>, depth: usize) -> &'a str {
    let mut text = line.raw;
    for _ in 0..depth.min(line.depth) {
        let Some(rest) = text.trim_start().strip_prefix('>') else { break };
        text = rest.strip_prefix(' ').unwrap_or(rest);
    }
    text
}
