//! What a mail says, as plain values.

use super::authentication::Trace;
use super::reply::Forward;
use crate::model::Address;
use jiff::Timestamp;

/// One mail, read. Text is clean for both stores: valid UTF-8 without NUL and controls, LF line ends.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mail {
    /// The Message-ID as written, without angle brackets and folds; `None` where it is missing, empty or broken.
    pub message_id: Option<String>,
    /// Ids of In-Reply-To that count, in header order (policy: [`crate::email::message_id`]).
    pub in_reply_to: Vec<String>,
    /// Ids of References that count: the root first, the nearest last; at most 51.
    pub references: Vec<String>,
    /// The first mailbox of the first From. Not to be trusted where `flags.from_ambiguous` is set.
    pub from: Option<Address>,
    /// The Sender field.
    pub sender: Option<Address>,
    /// The Reply-To field. An address to answer to, never an identity.
    pub reply_to: Vec<Address>,
    /// The To fields; at most 500 each.
    pub to: Vec<Address>,
    /// The Cc fields.
    pub cc: Vec<Address>,
    /// The Bcc fields; only in mail we sent.
    pub bcc: Vec<Address>,
    /// Whom a mailing list says it forwards (X-Original-From, X-Original-Sender); to be believed only of a list.
    pub original_from: Option<Address>,
    /// The decoded subject on one line, at most 4 KiB; `None` where missing or empty.
    pub subject: Option<String>,
    /// The Date field, if it is a date of the years 1971 to 2099.
    pub date: Option<Timestamp>,
    /// What the person wrote, as text; at most 2 MiB.
    pub content: String,
    /// History quoted below or above it.
    pub quoted: Option<String>,
    /// The signature.
    pub signature: Option<String>,
    /// The mail that it hands on, as its text describes it.
    pub forward: Option<Forward>,
    /// Sanitized HTML; image sources of the form `cid:` stay (see [`crate::email::html::map_cids`]).
    pub content_html: Option<String>,
    /// Images of others in it, held back: their source stands in `data-remote-src`.
    pub remote_images: usize,
    /// Every part that is not the text itself, in order.
    pub attachments: Vec<MailPart>,
    /// What kind of mail it is.
    pub flags: MailFlags,
    /// Message-ID of the mail that a bounce or a read receipt reports on.
    pub reported: Option<String>,
    /// Addresses it was delivered to, lower-cased: Delivered-To, X-Original-To, Envelope-To and the like, in the
    /// order in which a reply token is looked for.
    pub delivered_to: Vec<String>,
    /// The List-Id, without its description.
    pub list_id: Option<String>,
    /// What servers on the way say of it. Which of them to believe is the caller's matter (RFC 8601 section 5).
    pub trace: Trace,
    /// Outlook's Thread-Index as written: the first 22 bytes of its base64 name a conversation.
    pub thread_index: Option<String>,
    /// Identity of a mail without Message-ID: SHA-256 over Date, From, To, Subject and body, blind to what
    /// transport changes (line ends, folding, trailing blanks). `Some` exactly where `message_id` is `None`.
    pub digest: Option<[u8; 32]>,
    /// Tells two mails with one Message-ID apart: SHA-256 over From address, raw Date and subject. A list's copy with
    /// a footer has the same one; a list that writes its name into the subject gives another.
    pub fingerprint: [u8; 32],
}

/// What can be known from a header block alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// As [`Mail::message_id`].
    pub message_id: Option<String>,
    /// As [`Mail::fingerprint`].
    pub fingerprint: [u8; 32],
}

/// A part kept as a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailPart {
    /// Decoded name without path and invisible characters, at most 255 bytes.
    pub filename: Option<String>,
    /// Media type, lower-cased, as declared.
    pub content_type: String,
    /// Without angle brackets.
    pub content_id: Option<String>,
    /// Meant to be shown inside the text: an image that the HTML can refer to.
    pub inline: bool,
    /// The decoded bytes, unchanged.
    pub data: Vec<u8>,
}

/// What kind of mail it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MailFlags {
    /// Written by a program in answer to something, or on its own (RFC 3834): never to be answered.
    pub auto_reply: bool,
    /// An automatic answer that says that somebody is away.
    pub out_of_office: bool,
    /// Delivered to one address twice, or through more than 50 stations: it goes in circles.
    pub looped: bool,
    /// A report on the delivery of another mail.
    pub bounce: bool,
    /// A report that a mail was read (RFC 8098).
    pub read_receipt: bool,
    /// Came through a mailing list or as mass mail.
    pub list: bool,
    /// A filter on the way called it spam.
    pub spam: bool,
    /// Holds an encrypted body (PGP/MIME, S/MIME, inline PGP).
    pub encrypted: bool,
    /// Carries a signature of its content (PGP/MIME, S/MIME, inline PGP).
    pub signed: bool,
    /// Readers may disagree on the author: more than one From, a disguised one, or a spelling with two addresses.
    pub from_ambiguous: bool,
    /// A bound was hit: something is missing here that the raw source holds.
    pub parse_limited: bool,
}
