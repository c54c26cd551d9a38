//! Names and addresses as they are written in the headers of a pasted mail.

use crate::model::Address;

/// People of one header.
const PEOPLE_MAX: usize = 500;

/// One person: `Ann Bee <a@b>`, `Ann Bee [mailto:a@b]`, `a@b`, `Ann Bee`. Without an address `email` is empty.
pub(super) fn one(text: &str) -> Option<Address> {
    let text = text.trim().trim_matches(['*', '\u{200e}', '\u{200f}']).trim();
    let email = address(text);
    let name = name(text, email);
    match (email, name) {
        (None, None) => None,
        (email, name) => Some(Address { name, email: email.unwrap_or_default().to_lowercase() }),
    }
}

/// Several people between commas or semicolons. A comma inside a name ends nobody.
pub(super) fn list(text: &str) -> Vec<Address> {
    let mut people = Vec::new();
    let mut piece_from = 0;
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        let piece = text.get(piece_from..at).unwrap_or_default();
        match c {
            '"' => quoted = !quoted,
            ';' | '；' if !quoted || piece.contains('@') => {}
            ',' | '，' | '、' if piece.contains('@') && !quoted => {}
            _ => continue,
        }
        if c == '"' {
            continue;
        }
        people.extend(one(piece));
        piece_from = at + c.len_utf8();
        if people.len() >= PEOPLE_MAX {
            return people;
        }
    }
    people.extend(one(text.get(piece_from..).unwrap_or_default()));
    people
}

/// The sender and the date of "On DATE, NAME <ADDRESS> wrote:".
pub(super) fn in_attribution(text: &str) -> (Option<Address>, Option<String>) {
    let Some(email) = address(text) else { return (None, None) };
    let at = text.find(email).unwrap_or(0);
    let before = text.get(..at).unwrap_or_default().trim_end_matches(['<', '(', '[', ' ']);
    let before = before.trim_end_matches("mailto:").trim_end_matches(['<', '(', '[', ' ']);
    let from = one(&format!("{} <{email}>", person(before)));
    (from, date(text))
}

/// The name at the end of what stands before an address: after the last quote mark, comma, digit or small word.
fn person(before: &str) -> &str {
    let trimmed = before.trim_end_matches(['"', '“', '”', '„', '»', '«', ' ', '\u{a0}', '\'']);
    if let Some(open) = trimmed.rfind(['"', '“', '„', '«']).filter(|_| trimmed.len() < before.len()) {
        return trimmed
            .get(open..)
            .unwrap_or_default()
            .trim_start_matches(['"', '“', '„', '«', ' ', '\u{a0}']);
    }
    let tail = trimmed.rfind([',', ':', ';']).map_or(trimmed, |at| trimmed.get(at + 1..).unwrap_or_default());
    let mut from = tail.len();
    for word in tail.split_whitespace().rev() {
        if !word.starts_with(char::is_uppercase) || word.chars().any(char::is_numeric) {
            break;
        }
        from = word.as_ptr() as usize - tail.as_ptr() as usize;
    }
    tail.get(from..).unwrap_or_default().trim()
}

/// The date's digits as they were written, with what stands between them.
fn date(text: &str) -> Option<String> {
    let is_edge = |c: char| !c.is_alphanumeric();
    let words: Vec<&str> = text.split_whitespace().collect();
    let first =
        words.iter().position(|word| word.contains(|c: char| c.is_ascii_digit()) && !word.contains('@'))?;
    let last =
        words.iter().rposition(|word| word.contains(|c: char| c.is_ascii_digit()) && !word.contains('@'))?;
    let found = words.get(first..=last)?.join(" ");
    Some(found.trim_matches(is_edge).to_owned())
}

/// The first address in a text.
fn address(text: &str) -> Option<&str> {
    let is_part = |c: char| {
        c.is_alphanumeric()
            || matches!(c, '.' | '_' | '%' | '+' | '-' | '=' | '\'' | '&' | '/' | '!' | '#' | '~')
    };
    text.match_indices('@').find_map(|(at, _)| {
        let head = text.get(..at)?;
        let from = head
            .char_indices()
            .rev()
            .take(256)
            .take_while(|(_, c)| is_part(*c))
            .last()
            .map(|(from, _)| from)?;
        let tail = text.get(at + 1..)?;
        let length: usize = tail
            .chars()
            .take(256)
            .take_while(|c| c.is_alphanumeric() || matches!(c, '.' | '-'))
            .map(char::len_utf8)
            .sum();
        let found = text.get(from..at + 1 + length)?.trim_end_matches('.');
        (length > 0 && !found.ends_with('@')).then_some(found)
    })
}

/// What stands before the address, unless it is the address again.
fn name(text: &str, email: Option<&str>) -> Option<String> {
    let head = match email {
        None => text,
        Some(email) => text.get(..text.find(email)?)?,
    };
    let head = head.trim().trim_end_matches(['<', '[', '(', ' ']);
    let head = head.strip_suffix("mailto:").unwrap_or(head).trim_end_matches(['<', '[', '(', ' ']);
    let head = head.trim_matches(['"', '\'', ' ', '“', '”', '„', '*', '\t', ',']);
    (!head.is_empty()).then(|| head.to_owned())
}
