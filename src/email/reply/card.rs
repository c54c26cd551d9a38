//! Visiting cards below a text: title, company, telephone, links. The closing and the name above them stay.

use super::line::Line;
use super::words::closings::is_closing;
use super::words::titles::has_title;

/// Lines from the closing to the end of a contact block.
const CONTACT_MAX: usize = 16;

/// Words of a line that names a post and a company.
const TITLE_WORDS: usize = 8;
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

/// A visiting card below the text: a name, short lines, a telephone number or link among them. The name stays where it
/// stands above the card, alone, as people sign.
pub(super) fn card(lines: &[Line<'_>]) -> Option<usize> {
    let length = lines.iter().rev().take(CONTACT_MAX).take_while(|line| !line.is_empty()).count();
    let top = lines.len() - length;
    let paragraph = lines.get(top..)?;
    let (at, above) = lines.iter().take(top).enumerate().rev().find(|(_, line)| !line.is_empty())?;
    let telling =
        paragraph.iter().filter(|line| is_contact(&line.folded) || is_extension(&line.folded)).count();
    let short = paragraph.iter().all(|line| line.bare.chars().count() <= 70 && !is_sentence(&line.folded));
    if !short || introduces(above) {
        return None;
    }
    if telling == 0 {
        return titled(lines, at, paragraph).then_some(top);
    }
    let (name, rest) = paragraph.split_first()?;
    let ended = above.bare.ends_with(['.', '!', '?', ')']) || is_closing(&above.folded) || is_lone(lines, at);
    let all_tell = |lines: &[Line<'_>]| {
        !lines.is_empty() && lines.iter().all(|line| is_contact(&line.folded) || is_extension(&line.folded))
    };
    if is_name(name) {
        let sure = ended || telling >= 2;
        return (sure && (length >= 3 || all_tell(rest))).then_some(top);
    }
    if is_first_name(name) && all_tell(rest) {
        return Some(top + 1);
    }
    let signed = is_name(above) || (is_lone(lines, at) && (length >= 2 || all_tell(paragraph)));
    (signed && (length >= 2 || all_tell(paragraph))).then_some(top)
}

/// A name above one or two lines of which the first names a post or a company, below the end of a sentence or a closing.
fn titled(lines: &[Line<'_>], above: usize, paragraph: &[Line<'_>]) -> bool {
    let [name, post, rest @ ..] = paragraph else { return false };
    let ended =
        lines.get(above).is_some_and(|line| line.bare.ends_with(['.', '!', '?']) || is_closing(&line.folded));
    let is_post =
        |line: &Line<'_>| has_title(&line.folded) && line.bare.split_whitespace().count() <= TITLE_WORDS;
    ended && is_name(name) && is_post(post) && rest.len() <= 1 && rest.iter().all(is_title)
}

/// Whether the line leads over to what stands below it.
fn introduces(line: &Line<'_>) -> bool {
    line.bare.ends_with([':', ',', '：', '，'])
}

/// A first name that stands alone between blank lines or below a closing, as people sign.
fn is_lone(lines: &[Line<'_>], at: usize) -> bool {
    let Some(line) = lines.get(at).filter(|line| is_first_name(line)) else { return false };
    let above = at.checked_sub(1).and_then(|above| lines.get(above));
    !line.bare.ends_with(['.', '!', '?'])
        && above.is_some_and(|above| above.is_empty() || is_closing(&above.folded))
}

/// One capitalised word, perhaps behind a dash.
fn is_first_name(line: &Line<'_>) -> bool {
    let name = line.bare.trim_start_matches(['-', '–', '—', '~', ' ']);
    name.starts_with(char::is_uppercase)
        && (2..=16).contains(&name.chars().count())
        && name.chars().all(|c| c.is_alphabetic() || matches!(c, '-' | '\'' | '.'))
}

/// `x30429`, `ext. 5-7749`, `3-9497`: a number inside a house.
fn is_extension(folded: &str) -> bool {
    let number = folded.trim_start_matches(|c: char| !c.is_ascii_digit());
    let head = folded.strip_suffix(number).unwrap_or(folded).trim_matches([' ', '.', ':', '-', '#', '(']);
    let digits = number.chars().filter(char::is_ascii_digit).count();
    matches!(head, "" | "x" | "ext" | "extension" | "phone" | "tel" | "cell" | "fax" | "durchwahl" | "poste")
        && (4..=6).contains(&digits)
        && number.chars().all(|c| c.is_ascii_digit() || c == '-')
        && (!head.is_empty() || number.contains('-'))
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
