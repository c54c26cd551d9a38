//! One response of the server, taken out of async-imap's types: only what Inlet asks for, owned.

use async_imap::imap_proto::{AttributeValue, MailboxDatum, NameAttribute, Outcome, StatusAttribute};
use async_imap::imap_proto::{Response, ResponseCode, Status};
use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use std::ops::Range;

/// One response.
#[derive(Debug)]
pub enum Event {
    /// The answer that ends a command.
    Tagged { tag: String, kind: StatusKind, text: String },
    /// Untagged OK, NO, BAD, BYE or PREAUTH.
    Status { kind: StatusKind, code: Option<Code>, text: String },
    /// `+`.
    Continue,
    /// The number of messages in the mailbox.
    Exists(u32),
    /// The number of messages not seen by another session.
    Recent(u32),
    /// A FETCH row, asked for or not.
    Row(Row),
    /// SEARCH numbers.
    Numbers(Vec<u32>),
    /// A LIST row.
    Folder(FolderRow),
    /// STATUS of some mailbox.
    MailboxStatus(StatusRow),
    /// Anything else.
    Other,
}

/// How a status response begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusKind {
    Ok,
    No,
    Bad,
    Bye,
    PreAuth,
}

/// A response code that is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    UidValidity(u32),
    UidNext(u32),
    HighestModSeq(u64),
}

/// A FETCH row.
#[derive(Debug, Default)]
pub struct Row {
    pub uid: Option<u32>,
    pub size: Option<u64>,
    pub internal_date: Option<Timestamp>,
    /// `BODY[]` or `BODY[HEADER]`; empty where the server said NIL.
    pub body: Option<Bytes>,
    pub gmail_message_id: Option<u64>,
    pub gmail_thread_id: Option<u64>,
}

/// A LIST row.
#[derive(Debug)]
pub struct FolderRow {
    /// As on the wire.
    pub name: String,
    pub delimiter: Option<String>,
    /// Attributes in lower case, with the backslash.
    pub attributes: Vec<String>,
}

/// A STATUS row.
#[derive(Debug, Default)]
pub struct StatusRow {
    pub messages: Option<u32>,
    pub uid_next: Option<u32>,
    pub uid_validity: Option<u32>,
    pub highest_modseq: Option<u64>,
}

/// Reads a parsed response. The body is not copied here: its place within `buffer` is given back, so that the caller
/// can take the whole buffer over.
pub fn read(response: &Response<'_>, buffer: &[u8]) -> (Event, Option<Range<usize>>) {
    let event = match response {
        Response::Done { tag, status, outcome } => {
            Event::Tagged { tag: tag.0.clone(), kind: kind(status), text: text(outcome) }
        }
        Response::Data { status, outcome } => Event::Status {
            kind: kind(status),
            code: outcome.code.as_ref().and_then(code),
            text: text(outcome),
        },
        Response::Continue(_) => Event::Continue,
        Response::MailboxData(datum) => read_datum(datum),
        Response::Fetch(_, attributes) => {
            let (row, place) = read_row(attributes, buffer);
            return (Event::Row(row), place);
        }
        _ => Event::Other,
    };
    (event, None)
}

/// The body at `place` of `buffer` as bytes of its own. A body that fills most of the buffer takes it over without a copy.
pub fn take_body(buffer: BytesMut, place: Range<usize>) -> Bytes {
    if place.len() >= buffer.capacity() / 4 * 3 {
        let whole = buffer.freeze();
        if place.end <= whole.len() {
            return whole.slice(place);
        }
        return Bytes::new();
    }
    Bytes::copy_from_slice(buffer.get(place).unwrap_or_default())
}

const fn kind(status: &Status) -> StatusKind {
    match status {
        Status::Ok => StatusKind::Ok,
        Status::No => StatusKind::No,
        Status::Bad => StatusKind::Bad,
        Status::Bye => StatusKind::Bye,
        Status::PreAuth => StatusKind::PreAuth,
    }
}

const fn code(code: &ResponseCode<'_>) -> Option<Code> {
    match code {
        ResponseCode::UidValidity(value) => Some(Code::UidValidity(*value)),
        ResponseCode::UidNext(value) => Some(Code::UidNext(*value)),
        ResponseCode::HighestModSeq(value) => Some(Code::HighestModSeq(*value)),
        _ => None,
    }
}

/// The words with the codes that matter for classification put back in front; unknown codes imap-proto leaves there.
fn text(outcome: &Outcome<'_>) -> String {
    let words = outcome.information.as_deref().unwrap_or_default();
    match outcome.code {
        Some(ResponseCode::Alert) => format!("[ALERT] {words}"),
        Some(ResponseCode::TryCreate) => format!("[TRYCREATE] {words}"),
        _ => words.to_owned(),
    }
}

fn read_datum(datum: &MailboxDatum<'_>) -> Event {
    match datum {
        MailboxDatum::Exists(count) => Event::Exists(*count),
        MailboxDatum::Recent(count) => Event::Recent(*count),
        MailboxDatum::Search(numbers) => Event::Numbers(numbers.clone()),
        MailboxDatum::List(list) => Event::Folder(FolderRow {
            name: list.name.clone().into_owned(),
            delimiter: list.delimiter.as_ref().map(|text| text.clone().into_owned()),
            attributes: list.name_attributes.iter().map(attribute).collect(),
        }),
        MailboxDatum::Status { status, .. } => {
            let mut row = StatusRow::default();
            for item in status {
                match item {
                    StatusAttribute::Messages(value) => row.messages = Some(*value),
                    StatusAttribute::UidNext(value) => row.uid_next = nonzero(*value),
                    StatusAttribute::UidValidity(value) => row.uid_validity = nonzero(*value),
                    StatusAttribute::HighestModSeq(value) => row.highest_modseq = Some(*value),
                    _ => {}
                }
            }
            Event::MailboxStatus(row)
        }
        _ => Event::Other,
    }
}

/// UIDs, UIDVALIDITY and UIDNEXT are never 0 (RFC 3501 section 2.3.1.1); a server that says so says nothing.
pub const fn nonzero(value: u32) -> Option<u32> {
    if value == 0 { None } else { Some(value) }
}

fn attribute(attribute: &NameAttribute<'_>) -> String {
    match attribute {
        NameAttribute::NoInferiors => "\\noinferiors".to_owned(),
        NameAttribute::NoSelect => "\\noselect".to_owned(),
        NameAttribute::Marked => "\\marked".to_owned(),
        NameAttribute::Unmarked => "\\unmarked".to_owned(),
        NameAttribute::All => "\\all".to_owned(),
        NameAttribute::Archive => "\\archive".to_owned(),
        NameAttribute::Drafts => "\\drafts".to_owned(),
        NameAttribute::Flagged => "\\flagged".to_owned(),
        NameAttribute::Junk => "\\junk".to_owned(),
        NameAttribute::Sent => "\\sent".to_owned(),
        NameAttribute::Trash => "\\trash".to_owned(),
        NameAttribute::Extension(other) => other.to_ascii_lowercase(),
        _ => String::new(),
    }
}

fn read_row(attributes: &[AttributeValue<'_>], buffer: &[u8]) -> (Row, Option<Range<usize>>) {
    let mut row = Row::default();
    let mut place = None;
    for attribute in attributes {
        match attribute {
            AttributeValue::Uid(uid) => row.uid = nonzero(*uid),
            AttributeValue::Rfc822Size(size) => row.size = Some(u64::from(*size)),
            AttributeValue::InternalDate(text) => row.internal_date = read_date(text),
            AttributeValue::GmailMsgId(id) => row.gmail_message_id = Some(*id),
            AttributeValue::GmailThrId(id) => row.gmail_thread_id = Some(*id),
            AttributeValue::BodySection { data, .. } => {
                place = data.as_deref().and_then(|body| place_of(body, buffer));
                row.body = Some(Bytes::new());
            }
            _ => {}
        }
    }
    (row, place)
}

/// Where `part` lies within `whole`, if it does.
fn place_of(part: &[u8], whole: &[u8]) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    let end = start.checked_add(part.len())?;
    (end <= whole.len()).then_some(start..end)
}

/// INTERNALDATE (RFC 3501 section 9, `date-time`): `17-Jul-1996 02:44:25 -0700`, the day padded with a space. `None` for
/// a date that does not exist or that no clock shows.
fn read_date(text: &str) -> Option<Timestamp> {
    Timestamp::strptime("%d-%b-%Y %H:%M:%S %z", text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_dates_are_read_with_their_offset() {
        let read = |text: &str| read_date(text).map(|time| time.to_string());
        assert_eq!(read("17-Jul-1996 02:44:25 -0700").as_deref(), Some("1996-07-17T09:44:25Z"));
        assert_eq!(read(" 7-Feb-2026 00:00:00 +0000").as_deref(), Some("2026-02-07T00:00:00Z"));
        assert_eq!(read("31-Feb-2026 00:00:00 +0000"), None);
        assert_eq!(read("yesterday"), None);
        assert_eq!(read("01-Jan-99999 00:00:00 +0000"), None);
    }
}
