//! Reports on other mail: bounces (RFC 3464 and the many other forms), complaints (RFC 5965), read receipts (RFC 8098).
//!
//! Says that a mail is one, and which Message-ID it is about. Does not say why a delivery failed.

use super::automatic::has_empty_return_path;
use super::header::{Headers, split_line};
use super::message_id;
use super::mime::{Part, Structure};
use crate::model::Address;
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

/// Reads the marks of a report.
pub(super) fn read(
    headers: &Headers<'_>,
    structure: &Structure<'_>,
    from: Option<&Address>,
    subject: Option<&str>,
    own_id: Option<&str>,
) -> Report {
    let has = |kind: &str| structure.parts.iter().any(|p| p.content_type == kind);
    let is_report = structure.content_type == "multipart/report";
    let read_receipt = has("message/disposition-notification")
        || structure.report_type.as_deref() == Some("disposition-notification");
    let bounce = !read_receipt
        && (has("message/delivery-status")
            || has("message/global-delivery-status")
            || is_report
            || headers.has("x-failed-recipients")
            || looks_like_bounce(headers, structure, from, subject));
    if !bounce && !read_receipt {
        return Report::default();
    }
    let reported = structure
        .parts
        .iter()
        .filter_map(original_id)
        .chain(structure.parts.iter().filter_map(id_in_text))
        .find(|id| own_id != Some(id.as_str()));
    Report { bounce, read_receipt, reported }
}

/// Programs that write no multipart/report: known by who writes, and by what the subject says.
fn looks_like_bounce(
    headers: &Headers<'_>,
    structure: &Structure<'_>,
    from: Option<&Address>,
    subject: Option<&str>,
) -> bool {
    const SENDERS: [&str; 10] = [
        "mailer-daemon",
        "mailerdaemon",
        "mail-daemon",
        "postmaster",
        "post_master",
        "maildaemon",
        "mmdf",
        "mdaemon",
        "mailadm",
        "mailsystem",
    ];
    const SUBJECTS: [&str; 33] = [
        "undeliver",
        "returned mail",
        "return mail",
        "returned to sender",
        "returned:",
        "delivery status",
        "delivery fail",
        "delivery notification",
        "delivery problem",
        "delivery error",
        "delivery report",
        "delivery unsuccessful",
        "delivery has failed",
        "failure notice",
        "failure delivery",
        "mail fail",
        "mail error",
        "mail system error",
        "non-deliver",
        "nondeliver",
        "non deliver",
        "not delivered",
        "not deliver",
        "could not be delivered",
        "cannot be delivered",
        "unzustellbar",
        "message delayed",
        "delayed mail",
        "mail delivery",
        "message status",
        "user unknown",
        "配信できません",
        "メールエラー通知",
    ];
    let local = from.map(|a| a.email.split('@').next().unwrap_or_default()).unwrap_or_default();
    let is_daemon = SENDERS.contains(&local) || from.is_none();
    let subject = subject.unwrap_or_default().to_lowercase();
    let says_so = SUBJECTS.iter().any(|s| subject.contains(s));
    let has_null_path = has_empty_return_path(headers);
    let is_named_daemon = is_daemon && from.is_some();
    let has_original =
        || structure.parts.iter().any(|p| is_original(&p.content_type) || id_in_text(p).is_some());
    (says_so && (is_daemon || has_null_path))
        || (local == "mailer-daemon" && !subject.starts_with("re:"))
        || (is_named_daemon && has_original())
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
    part.encoding.decode(part.body.get(..PART_LIMIT_BYTES).unwrap_or(part.body))
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

/// A line `Message-ID: <...>` in the text: the original was put there without MIME.
fn id_in_text(part: &Part<'_>) -> Option<String> {
    let kind = part.content_type.split('/').next().unwrap_or_default();
    if !matches!(kind, "text" | "message" | "multipart") {
        return None;
    }
    let bytes = beginning(part);
    let mut rest = bytes.as_ref();
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
        if let Some(id) = message_id::bracketed(value).next().filter(|id| id.contains('@')) {
            return Some(id);
        }
    }
    None
}
