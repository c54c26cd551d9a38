//! Visiting cards below a text: title, company, telephone, links. The closing and the name above them stay.

use super::line::Line;
use super::words::closings::is_closing;

/// Lines from the closing to the end of a contact block.
const CONTACT_MAX: usize = 16;

/// Titles and companies below a name that nothing else marks.
const TITLES_MAX: usize = 3;

/// Below a closing and a name: title, company, telephone, links. The closing and the name stay.
pub(super) fn contact(lines: &[Line<'_>]) -> Option<usize> {
    let near = lines.len().saturating_sub(CONTACT_MAX);
    let closing =
        (near..lines.len()).rev().find(|at| lines.get(*at).is_some_and(|line| is_closing(&line.folded)))?;
    let name = (closing + 1..lines.len()).find(|at| lines.get(*at).is_some_and(|line| !line.is_empty()))?;
    let start = (name + 1..lines.len()).find(|at| lines.get(*at).is_some_and(|line| !line.is_empty()))?;
    let below: Vec<&Line<'_>> = lines.get(start..)?.iter().filter(|line| !line.is_empty()).collect();
    let telling = below.iter().any(|line| is_contact(&line.folded));
    let short = below.iter().all(|line| line.bare.chars().count() <= 90 && !is_sentence(&line.folded));
    let titled =
        below.len() <= TITLES_MAX && below.iter().all(|line| is_title(line)) && is_name(lines.get(name)?);
    ((telling || titled) && short && !is_contact(&lines.get(name)?.folded)).then_some(start)
}

/// A visiting card below the text: a name, short lines, a telephone number or link among them. The name stays.
pub(super) fn card(lines: &[Line<'_>]) -> Option<usize> {
    let length = lines.iter().rev().take(CONTACT_MAX).take_while(|line| !line.is_empty()).count();
    let top = lines.len() - length;
    let paragraph = lines.get(top..)?;
    let above = lines.iter().take(top).rev().find(|line| !line.is_empty())?;
    let telling = paragraph.iter().any(|line| is_contact(&line.folded));
    let short = paragraph.iter().all(|line| line.bare.chars().count() <= 70 && !is_sentence(&line.folded));
    if !telling || !short || length < 2 {
        return None;
    }
    let ended = |line: &Line<'_>| line.bare.ends_with(['.', '!', '?', ')']) || is_closing(&line.folded);
    if is_name(paragraph.first()?) {
        return (length >= 3 && ended(above)).then_some(top + 1);
    }
    is_name(above).then_some(top)
}

/// A name, a title, a company: up to six words, the first with a capital, no figure and no end of a sentence.
pub(super) fn is_title(line: &Line<'_>) -> bool {
    (1..=6).contains(&line.bare.split_whitespace().count())
        && line.bare.starts_with(char::is_uppercase)
        && !line.bare.contains(|c: char| c.is_numeric() || matches!(c, ':' | '?' | '!' | ';'))
}

/// Two to four capitalised words and nothing else.
fn is_name(line: &Line<'_>) -> bool {
    let words = line.bare.split_whitespace().count();
    let capital = line
        .bare
        .split_whitespace()
        .all(|word| word.starts_with(|c: char| c.is_uppercase() || c == '"' || c == '('));
    (2..=4).contains(&words)
        && capital
        && !line.bare.contains(|c: char| c.is_ascii_digit() || matches!(c, ':' | '?' | '!' | '@' | '/'))
}

/// A line with a telephone number, a link or an address.
pub(super) fn is_contact(folded: &str) -> bool {
    has_link(folded) || has_phone(folded)
}

/// Seven digits or more with nothing between them but what telephone numbers are grouped with.
fn has_phone(folded: &str) -> bool {
    let mut digits = 0;
    for c in folded.chars() {
        match c {
            '0'..='9' => digits += 1,
            ' ' | '-' | '.' | '(' | ')' | '/' | '+' if digits > 0 => {}
            _ => digits = 0,
        }
        if digits >= 7 {
            return true;
        }
    }
    false
}

/// Many words and a full stop.
fn is_sentence(folded: &str) -> bool {
    folded.split_whitespace().count() > 6 && folded.ends_with(['.', '?', '!', ':'])
}

/// Whether the line holds a link or a mail address.
pub(super) fn has_link(folded: &str) -> bool {
    ["http://", "https://", "www."].iter().any(|sign| folded.contains(sign)) || has_address(folded)
}

/// Whether the line holds a mail address.
fn has_address(folded: &str) -> bool {
    folded.split_whitespace().any(|word| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        word.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'))
    })
}
