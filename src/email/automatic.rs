//! Marks of mail that no person wrote to us: automatic answers, lists, filters.
//!
//! Headers are claims; these only ever make the worker more careful. `X-Auto-Response-Suppress` is no mark: it asks
//! others not to answer and stands in mail of people too.

use super::absence;
use super::header::Headers;
use super::message_id;
use super::words;

/// Whether a list or a mass mailer sent it (RFC 2369, RFC 2919, and what lists wrote before).
pub(super) fn is_list(headers: &Headers<'_>) -> bool {
    const NAMES: [&str; 9] = [
        "list-id",
        "list-post",
        "list-unsubscribe",
        "list-help",
        "list-subscribe",
        "mailing-list",
        "x-mailing-list",
        "x-beenthere",
        "x-mailman-version",
    ];
    NAMES.iter().any(|name| headers.has(name)) || precedence(headers) == "list"
}

/// The List-Id without its description.
pub(super) fn list_id(headers: &Headers<'_>) -> Option<String> {
    let value = headers.first("list-id")?;
    let bracketed = message_id::bracketed(value).last();
    bracketed.or_else(|| Some(words::text(value)).filter(|id| !id.is_empty() && !id.contains(' ')))
}

/// Whether a program wrote it, as an answer or on its own (RFC 3834 and older customs).
pub(super) fn is_auto_reply(headers: &Headers<'_>, subject: Option<&str>) -> bool {
    const MARKS: [&str; 9] = [
        "x-autoreply",
        "x-autoreply-from",
        "x-autorespond",
        "x-autoresponder",
        "x-auto-reply",
        "x-vacation",
        "x-away-reply",
        "x-mail-autoreply",
        "auto-submitted-by",
    ];
    let submitted = first_word(headers, "auto-submitted");
    if !submitted.is_empty() && submitted != "no" {
        return true;
    }
    if MARKS.iter().any(|name| headers.has(name) && first_word(headers, name) != "no") {
        return true;
    }
    let precedence = precedence(headers);
    let is_bulk = matches!(precedence.as_str(), "bulk" | "junk") && !is_list(headers);
    is_bulk
        || precedence.starts_with("auto")
        || first_word(headers, "preference") == "auto_reply"
        || has_empty_return_path(headers)
        || is_autoresponder(headers)
        || subject.is_some_and(absence::is_automatic_subject)
}

/// A null reverse path: the sender of reports and of careful automatic answers (RFC 5321 section 4.5.5).
pub(super) fn has_empty_return_path(headers: &Headers<'_>) -> bool {
    headers
        .first("return-path")
        .is_some_and(|value| value.iter().filter(|b| !b.is_ascii_whitespace()).eq(b"<>".iter()))
}

/// Whether its sender says that it answers a mail by itself (RFC 3834 section 5).
pub(super) fn answers_automatically(headers: &Headers<'_>) -> bool {
    first_word(headers, "auto-submitted") == "auto-replied"
}

/// Whether a filter on the way called it spam.
pub(super) fn is_spam(headers: &Headers<'_>) -> bool {
    ["x-spam-flag", "x-spam-status", "x-spam"].iter().any(|name| first_word(headers, name).starts_with("yes"))
}

fn precedence(headers: &Headers<'_>) -> String {
    let word = first_word(headers, "precedence");
    if word.is_empty() { first_word(headers, "x-precedence") } else { word }
}

fn first_word(headers: &Headers<'_>, name: &'static str) -> String {
    let value = headers.first(name).unwrap_or_default();
    let text =
        String::from_utf8_lossy(value.get(..value.len().min(80)).unwrap_or_default()).to_ascii_lowercase();
    text.split(|c: char| c.is_whitespace() || matches!(c, ';' | ',' | '('))
        .find(|w| !w.is_empty())
        .unwrap_or_default()
        .to_owned()
}

fn is_autoresponder(headers: &Headers<'_>) -> bool {
    ["x-mailer", "user-agent", "x-loop", "delivered-to"].iter().any(|name| {
        let word = first_word(headers, name);
        ["vacation", "autorespon", "auto-respon", "autoreply", "auto-reply"]
            .iter()
            .any(|w| word.starts_with(w))
    })
}

/// Stations that a mail passes at most; RFC 5321 section 6.3 lets a server refuse at 100, most do at 50 or less.
const HOPS_MAX: usize = 50;

/// Delivered-To fields that are compared with each other.
const DELIVERIES_MAX: usize = 50;

/// Whether it went in circles: delivered to one address twice, or through more stations than any way has.
pub(super) fn has_looped(headers: &Headers<'_>) -> bool {
    let mut seen: Vec<String> = Vec::new();
    for value in headers.all("delivered-to").take(DELIVERIES_MAX) {
        let value = words::text(value).to_ascii_lowercase();
        let is_address = value.contains('@') && !value.contains(char::is_whitespace);
        if is_address && seen.contains(&value) {
            return true;
        }
        seen.push(value);
    }
    headers.all("received").count() > HOPS_MAX
}
