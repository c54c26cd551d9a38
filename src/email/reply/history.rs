//! Which lines are history: quoted lines, what introduces them, and mails pasted below a divider.

use super::attribution::{self, Attribution};
use super::header;
use super::heading;
use super::line::Line;
use super::notes;
use super::words::dividers::{self, Divider};

/// Whose words a line holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Content,
    Quoted,
    Signature,
}

/// Lines that the wrapping of one quoted line may leave unmarked.
const REMNANT_MAX: usize = 12;
/// Signs that rulers are drawn with.
const RULER: [char; 10] = ['-', '_', '=', '*', '~', '#', '+', '—', '–', '•'];

/// The number of signs, when a folded line is nothing but a ruler.
pub(super) fn ruler(folded: &str) -> Option<usize> {
    let only = !folded.is_empty() && folded.chars().all(|c| RULER.contains(&c) || c == ' ');
    // A diff adds lines with a plus; a ruler that begins with one ends with one.
    let added =
        folded.starts_with('+') && !folded.ends_with('+') && folded.contains(|c| !matches!(c, '+' | ' '));
    (only && !added).then(|| folded.chars().filter(|c| *c != ' ').count())
}

/// The words of a line between its rulers, and whether there were rulers.
fn unruled(folded: &str) -> (&str, bool) {
    let words =
        folded.trim_matches(|c| RULER.contains(&c) || matches!(c, ' ' | '<' | '>' | '|' | '[' | ']' | '.'));
    let signs = folded.chars().filter(|c| RULER.contains(c)).count();
    (words, signs >= 3)
}

/// What the line says of the text below it.
pub(super) fn divider(line: &Line<'_>) -> Option<Divider> {
    let (words, ruled) = unruled(&line.folded);
    if words.is_empty() {
        return None;
    }
    dividers::divider(words, ruled)
}

/// For every line the first line after it that is not empty.
pub(super) fn next_filled(lines: &[Line<'_>]) -> Vec<usize> {
    let mut next = vec![lines.len(); lines.len() + 1];
    let mut seen = lines.len();
    for (at, line) in lines.iter().enumerate().rev() {
        if !line.is_empty() {
            seen = at;
        }
        if let Some(slot) = next.get_mut(at) {
            *slot = seen;
        }
    }
    next
}

/// Marks the history in `parts`. Everything else is left as it was.
pub(super) fn mark(lines: &[Line<'_>], parts: &mut [Part]) {
    let next = next_filled(lines);
    let filled_from = |at: usize| next.get(at).and_then(|at| lines.get(*at));
    let quote_at = |at: usize| filled_from(at).is_some_and(|line| line.depth > 0 || prefix(line).is_some());
    let found = attribution::find(lines, quote_at);
    let mut attributions = found.iter().peekable();
    let mut own_words = false;
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        while attributions.next_if(|attribution| attribution.start < at).is_some() {}
        if line.is_empty() {
            at += 1;
        } else if line.depth > 0 {
            set(parts, at, at + 1);
            at += 1;
        } else if let Some(attribution) = attributions.next_if(|attribution| attribution.start == at) {
            at = introduced(lines, parts, &next, attribution, quote_at(attribution.end), own_words);
        } else if let Some(end) = heading::end(lines, at) {
            set(parts, at, end);
            at = end;
        } else if let Some(end) = pasted(lines, at) {
            let below = next.get(end).copied().unwrap_or(end);
            let quoted = lines.get(below).is_some_and(|line| line.depth > 0);
            let stop = if quoted { end } else { lines.len() };
            set(parts, at, stop);
            at = stop;
        } else if let Some(end) = prefixed(lines, at) {
            set(parts, at, end);
            at = end;
        } else {
            own_words = true;
            at += 1;
        }
    }
    remnants(lines, parts);
    elisions(lines, parts);
    rulers_above(lines, parts);
}

/// Marks an attribution and what it introduces; gives where to go on.
fn introduced(
    lines: &[Line<'_>],
    parts: &mut [Part],
    next: &[usize],
    attribution: &Attribution,
    quote_follows: bool,
    own_words: bool,
) -> usize {
    let Attribution { start, end, strong } = *attribution;
    if quote_follows || (strong && !own_words) {
        set(parts, start, end);
        let first = next.get(end).and_then(|at| lines.get(*at).map(|line| (*at, line)));
        if let Some((at, mark)) = first.and_then(|(at, line)| prefix(line).map(|mark| (at, mark))) {
            let stop = run_of(lines, at, mark);
            set(parts, at, stop);
            return stop;
        }
        return end;
    }
    if strong {
        set(parts, start, lines.len());
        return lines.len();
    }
    end
}

/// A divider or header block at this line: where its header ends.
fn pasted(lines: &[Line<'_>], at: usize) -> Option<usize> {
    let line = lines.get(at)?;
    if let Some(end) = notes::header_end(lines, at) {
        return Some(end);
    }
    let header_from = |from: usize| {
        let skip = lines
            .iter()
            .skip(from)
            .take(3)
            .take_while(|line| line.is_blank() || ruler(&line.folded).is_some())
            .count();
        header::block(lines, from + skip)
    };
    match divider(line) {
        Some(Divider::ReplyAbove) => return Some(lines.len()),
        Some(Divider::Original) => {
            return Some(
                header_from(at + 1).filter(header::Block::is_likely).map_or(at + 1, |block| block.end),
            );
        }
        Some(Divider::Forwarded) => {
            if let Some(block) = header_from(at + 1).filter(header::Block::is_likely) {
                return Some(block.end);
            }
        }
        None => {}
    }
    let (words, ruled) = unruled(&line.folded);
    if ruled && !words.is_empty() && words.len() < 60 {
        return header_from(at + 1).filter(header::Block::is_sure).map(|block| block.end);
    }
    header::block(lines, at).filter(header::Block::is_sure).map(|block| block.end)
}

/// A quote mark other than `>`: `Ann> text` or `| text`.
fn prefix<'a>(line: &'a Line<'_>) -> Option<&'a str> {
    let raw = line.raw.trim_start();
    if raw.starts_with("| ") || raw == "|" {
        return raw.get(..1);
    }
    let sign = raw.char_indices().take(16).find(|(_, c)| !c.is_alphanumeric())?;
    (sign.1 == '>' && sign.0 > 0).then(|| raw.get(..=sign.0)).flatten()
}

/// Where the lines that begin with `mark` end; blank lines between them belong to them.
fn run_of(lines: &[Line<'_>], from: usize, mark: &str) -> usize {
    let mut end = from;
    for (at, line) in lines.iter().enumerate().skip(from) {
        if line.raw.trim_start().starts_with(mark) {
            end = at + 1;
        } else if !line.is_empty() {
            break;
        }
    }
    end
}

/// Two or more lines in a row that begin with the same initials and `>`.
fn prefixed(lines: &[Line<'_>], at: usize) -> Option<usize> {
    let mark = prefix(lines.get(at)?).filter(|mark| mark.ends_with('>'))?;
    let end = run_of(lines, at, mark);
    (end > at + 1).then_some(end)
}

/// Unquoted lines squeezed between two quoted ones, going on in the middle of a sentence: a mailer wrapped the
/// quoted line without marking the rest.
fn remnants(lines: &[Line<'_>], parts: &mut [Part]) {
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let run = lines
            .iter()
            .skip(at + 1)
            .take(REMNANT_MAX + 1)
            .take_while(|line| line.depth == 0 && !line.is_empty())
            .count();
        let torn = line.depth > 0 && line.bare.len() >= 50 && !line.bare.ends_with(['.', '?', '!', ':', ';']);
        let linked = line.depth > 0
            && run == 1
            && lines.get(at + 1).is_some_and(|next| is_rest_of_link(&line.folded, &next.folded));
        if (torn || linked) && (1..=REMNANT_MAX).contains(&run) {
            let goes_on = linked
                || lines.get(at + 1).is_some_and(|next| {
                    next.bare.starts_with(|c: char| c.is_lowercase() || c == '.' || c == ')')
                });
            let closed = lines.get(at + 1 + run).is_some_and(|below| below.depth > 0);
            if goes_on && closed {
                set(parts, at + 1, at + 1 + run);
            }
        }
        at += 1 + run;
    }
}

/// `[...]` beside a quoted line stands for what was left out of the quote.
fn elisions(lines: &[Line<'_>], parts: &mut [Part]) {
    let filled: Vec<usize> =
        lines.iter().enumerate().filter(|(_, line)| !line.is_empty()).map(|(at, _)| at).collect();
    let mut beside = |order: &mut dyn Iterator<Item = usize>| {
        let mut last = Part::Content;
        for at in order {
            let (Some(line), Some(part)) = (lines.get(at), parts.get_mut(at)) else { return };
            if *part == Part::Content && last == Part::Quoted && is_elision(&line.folded) {
                *part = Part::Quoted;
            }
            last = *part;
        }
    };
    beside(&mut filled.iter().copied());
    beside(&mut filled.iter().rev().copied());
}

/// Dots, or "snip" in brackets.
fn is_elision(folded: &str) -> bool {
    let words = folded.trim_matches(['[', ']', '(', ')', '<', '>', '{', '}', ' ', '-', '*', '.', '…']);
    let bracketed = folded.starts_with(['[', '<', '(', '{']);
    (words.is_empty() && folded.contains(['.', '…']))
        || (bracketed && matches!(words, "snip" | "snipped" | "cut" | "schnipp" | "trimmed"))
}

/// Whether `below` holds a bracketed link that was torn out of a quoted line, or the end of one that `above` opens.
fn is_rest_of_link(above: &str, below: &str) -> bool {
    let opened =
        above.rfind(['(', '<']).filter(|at| !above.get(*at..).unwrap_or_default().contains([')', '>']));
    let closes = || below.split(' ').next().is_some_and(|word| word.ends_with([')', '>']));
    let link = |open: &str| below.strip_prefix(open).is_some_and(|rest| rest.starts_with("http"));
    (opened.is_some() && closes()) || link("(") || link("<")
}

/// A ruler right above history belongs to it.
fn rulers_above(lines: &[Line<'_>], parts: &mut [Part]) {
    let mut below = Part::Content;
    for (at, line) in lines.iter().enumerate().rev() {
        if line.is_empty() {
            continue;
        }
        let here = parts.get(at).copied().unwrap_or(Part::Content);
        if here == Part::Content
            && below == Part::Quoted
            && ruler(&line.folded).is_some_and(|signs| signs >= 5)
        {
            set(parts, at, at + 1);
        } else {
            below = here;
        }
    }
}

/// Marks lines `from..to` as history.
fn set(parts: &mut [Part], from: usize, to: usize) {
    for part in parts.iter_mut().take(to).skip(from) {
        *part = Part::Quoted;
    }
}
