//! Reports on other mail: bounces (RFC 3464 and the many other forms), complaints (RFC 5965), read receipts (RFC 8098).
//!
//! Says that a mail is one, and which Message-ID it is about. Does not say why a delivery failed.

use super::bounce;
use super::header::{Headers, split_line};
use super::mail::Mail;
use super::message_id;
use super::mime::{Part, Structure};
use std::borrow::Cow;

/// Bytes of one part in which an embedded original is looked for.
const PART_LIMIT_BYTES: usize = 256 * 1024;

/// What a report reports.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    pub bounce: bool,
    pub read_receipt: bool,
    /// Message-ID of the mail that it is about.
    pub reported: Option<String>,
}

/// Reads the marks of a report. `mail` holds what the header says, `text` what a reader sees.
pub(super) fn read(headers: &Headers<'_>, structure: &Structure<'_>, mail: &Mail, text: &str) -> Report {
    let has = |kind: &str| structure.parts.iter().any(|p| p.content_type == kind);
    let read_receipt = has("message/disposition-notification")
        || structure.report_type.as_deref() == Some("disposition-notification");
    let has_original =
        || structure.parts.iter().any(|p| is_original(&p.content_type) || id_in_part(p).is_some());
    let bounce = !read_receipt
        && (has("message/delivery-status")
            || has("message/global-delivery-status")
            || structure.content_type == "multipart/report"
            || headers.has("x-failed-recipients")
            || bounce::is_bounce(headers, mail, text, has_original));
    if !bounce && !read_receipt {
        return Report::default();
    }
    Report { bounce, read_receipt, reported: reported(headers, structure, mail) }
}

/// The id of the mail that a report is about. An original is believed even where it has the report's own id: some
/// systems reuse it.
fn reported(headers: &Headers<'_>, structure: &Structure<'_>, mail: &Mail) -> Option<String> {
    let is_other = |id: &String| mail.message_id.as_ref() != Some(id);
    let told = || {
        let mut ids = structure.parts.iter().filter_map(id_in_part);
        let first = ids.next()?;
        if is_other(&first) { Some(first) } else { ids.find(is_other).or(Some(first)) }
    };
    // Where the parts are torn, the header of the original may stand in none of them.
    let torn = || id_in_text(limited(headers.body)).filter(is_other);
    // RFC 3834 section 3.1.5: an automatic answer names what it answers.
    let answered = || mail.in_reply_to.first().cloned();
    structure.parts.iter().find_map(original_id).or_else(told).or_else(torn).or_else(answered)
}

/// The Message-ID in an embedded original, its header, or a receipt's `Original-Message-ID`.
fn original_id(part: &Part<'_>) -> Option<String> {
    match part.content_type.as_str() {
        kind if is_original(kind) => {
            Headers::of_message(&beginning(part)).first("message-id").and_then(message_id::own)
        }
        "message/disposition-notification" | "message/delivery-status" | "message/global-delivery-status" => {
            let bytes = beginning(part);
            // Per-message fields come first, then a group of fields for each recipient.
            let mut rest = bytes.as_ref();
            for _ in 0..8 {
                let group = Headers::of_message(rest);
                let names = ["original-message-id", "x-original-message-id"];
                if let Some(id) = names.iter().find_map(|n| group.first(n)).and_then(message_id::own) {
                    return Some(id);
                }
                rest = rest.get(rest.len() - group.body.len()..).unwrap_or_default();
                if rest.is_empty() {
                    break;
                }
            }
            None
        }
        _ => None,
    }
}

fn beginning<'a>(part: &Part<'a>) -> Cow<'a, [u8]> {
    part.encoding.decode(limited(part.body))
}

fn limited(bytes: &[u8]) -> &[u8] {
    bytes.get(..PART_LIMIT_BYTES).unwrap_or(bytes)
}

/// Types in which a report carries the mail that it is about, or its header.
fn is_original(content_type: &str) -> bool {
    matches!(
        content_type,
        "message/rfc822"
            | "message/global"
            | "message/partial"
            | "text/rfc822-headers"
            | "message/rfc822-headers"
            | "message/global-headers"
            | "text/rfc822"
    )
}

/// A line `Message-ID: <...>` in a part of text: the original was put there without MIME.
fn id_in_part(part: &Part<'_>) -> Option<String> {
    let kind = part.content_type.split('/').next().unwrap_or_default();
    matches!(kind, "text" | "message" | "multipart").then(|| id_in_text(&beginning(part))).flatten()
}

fn id_in_text(text: &[u8]) -> Option<String> {
    let mut rest = text;
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        rest = after;
        let line = line.trim_ascii_start();
        let line = line.strip_prefix(b">").unwrap_or(line).trim_ascii_start();
        let is_id = line.get(..11).is_some_and(|start| start.eq_ignore_ascii_case(b"message-id:"));
        if !is_id {
            continue;
        }
        let value = line.get(11..).unwrap_or_default();
        // The id may be folded onto the next line.
        let value = if value.trim_ascii().is_empty() { split_line(after).0 } else { value };
        if let Some(id) =
            message_id::bracketed(value).next().or_else(|| bare_id(value)).filter(|id| id.contains('@'))
        {
            return Some(id);
        }
    }
    None
}

/// An id that somebody wrote without brackets, alone on its line.
fn bare_id(value: &[u8]) -> Option<String> {
    let id = std::str::from_utf8(value).ok()?.trim();
    let is_id = id.len() <= 250 && id.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>'));
    (is_id && !id.is_empty()).then(|| id.to_owned())
}
