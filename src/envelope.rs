//! The envelope: what an adapter received, unread, with where it came from and how to know it again.
//! Adapters make envelopes and know nothing of conversations; `ingest` reads them.

use crate::ids::{DeliveryId, SurfaceId, TenantId};
use crate::model::JsonMap;
use crate::model::imap::{Outcome, Reading};
use crate::model::message::{Direction, Role};
use bytes::Bytes;
use jiff::Timestamp;
use std::future::Future;

/// One thing received on a surface.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// Whose it is.
    pub tenant_id: TenantId,
    /// Which channel it came through.
    pub surface_id: SurfaceId,
    /// Where in that channel.
    pub origin: Origin,
    /// When we received it.
    pub received_at: Timestamp,
    /// What was received.
    pub payload: Payload,
}

/// Where an envelope came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A mailbox.
    Imap {
        /// Name as people write it.
        mailbox: String,
        /// UIDVALIDITY of `uid`.
        uid_validity: u32,
        /// The UID.
        uid: u32,
        /// The server's INTERNALDATE.
        internal_date: Option<Timestamp>,
        /// Whether the mailbox holds what we sent.
        sent: bool,
        /// Whether it was there before the first start: stored quietly.
        backfill: bool,
        /// Gmail's own ids, where the server is Gmail.
        gmail: Option<GmailIds>,
    },
    /// A webhook request.
    Webhook {
        /// The request.
        delivery_id: DeliveryId,
        /// Which of its messages, from 0.
        position: u32,
    },
    /// A file given to `inlet import`.
    Import,
}

/// Gmail's ids of a mail and of its thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GmailIds {
    /// X-GM-MSGID.
    pub message_id: u64,
    /// X-GM-THRID.
    pub thread_id: u64,
}

/// What was received.
#[derive(Debug, Clone)]
pub enum Payload {
    /// A whole mail, RFC 5322, as transported.
    Mail(Bytes),
    /// A mail too large to fetch: its header block, and the size the server names.
    OversizedMail {
        /// The header block.
        header: Bytes,
        /// RFC822.SIZE.
        size_bytes: u64,
    },
    /// A mail that came by webhook, with attachments that are still to be fetched.
    LinkedMail {
        /// The mail.
        raw: Bytes,
        /// Attachments of which only the address is known.
        linked: Vec<ChannelAttachment>,
    },
    /// A message that a channel's mapping has already taken apart.
    Message(Box<ChannelMessage>),
}

impl Payload {
    /// How many source bytes it holds.
    #[must_use]
    pub fn source_bytes(&self) -> usize {
        match self {
            Self::Mail(raw) | Self::LinkedMail { raw, .. } => raw.len(),
            Self::OversizedMail { header, .. } => header.len(),
            Self::Message(message) => {
                message.content.len() + message.content_html.as_ref().map_or(0, String::len)
            }
        }
    }
}

/// A channel's message in the names of the generic body (api.md 4).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChannelMessage {
    /// The channel's id of the thread.
    pub external_thread_id: Option<String>,
    /// The channel's id of the other party.
    pub external_participant_id: Option<String>,
    /// The channel's id of the message; a content hash stands in when it has none.
    pub external_message_id: Option<String>,
    /// Display name of the other party.
    pub participant_name: Option<String>,
    /// Address of the other party.
    pub participant_email: Option<String>,
    /// What else is known of the other party.
    pub participant_metadata: JsonMap,
    /// The text.
    pub content: String,
    /// The text as HTML, not yet sanitized.
    pub content_html: Option<String>,
    /// A subject, where the channel has one.
    pub subject: Option<String>,
    /// Which way it went; by role where absent.
    pub direction: Option<Direction>,
    /// Who speaks; by direction where absent.
    pub role: Option<Role>,
    /// When it was sent, by the channel.
    pub sent_at: Option<Timestamp>,
    /// What came with it.
    pub attachments: Vec<ChannelAttachment>,
    /// Goes into the conversation's context when it is new.
    pub context: JsonMap,
    /// Goes into the message's metadata.
    pub metadata: JsonMap,
    /// Other ids under which the channel knows the same thread and person.
    pub aliases: Vec<Alias>,
    /// Whether the thread is one of several people, whatever the surface's type.
    pub group: bool,
    /// What it does to the message of that id, if that is here already.
    pub change: Option<Change>,
    /// How many messages of the same words stand before it in the same request. Tells them apart
    /// where they have no ids.
    pub occurrence: u32,
}

/// Another pair of ids of one thread with one person: a phone number and a user id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Alias {
    /// The thread by its other id; the message's own where absent.
    pub thread: Option<String>,
    /// The person by their other id; the message's own where absent.
    pub participant: Option<String>,
}

/// A change of an earlier message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// What happened to it.
    pub kind: ChangeKind,
    /// When.
    pub at: Timestamp,
}

/// What may happen to a message after it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// Its author wrote it anew. A message that is not here yet is stored as it is now.
    Edited,
    /// Its author took it back. A message that is not here is not made; it is marked when it comes.
    Deleted,
}

/// An attachment of a [`ChannelMessage`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelAttachment {
    /// File name as given.
    pub filename: Option<String>,
    /// Media type as given.
    pub content_type: Option<String>,
    /// Content-ID without angle brackets, by which HTML shows it.
    pub content_id: Option<String>,
    /// Size as given, in bytes.
    pub size_bytes: Option<u64>,
    /// The bytes, or where to fetch them.
    pub source: AttachmentSource,
}

/// Where an attachment's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttachmentSource {
    /// Here.
    Bytes(Bytes),
    /// To be fetched later, outside the request.
    Url(String),
}

/// What reading a mailbox hands over at once: mails and outcomes of one UID range, ascending.
/// It is stored whole, with the cursor, in one transaction.
#[derive(Debug)]
pub struct Window {
    /// Mailbox name as people write it.
    pub mailbox: String,
    /// UIDVALIDITY of every UID here.
    pub uid_validity: u32,
    /// The mails, ascending by UID; their origin is [`Origin::Imap`].
    pub envelopes: Vec<Envelope>,
    /// UIDs that need no mail: vanished, skipped, or known again after a UIDVALIDITY change. Both lists
    /// may be empty: such a window only moves the cursor.
    pub settled: Vec<(u32, Outcome)>,
    /// Why those of `settled` that are quarantined were not read: each is kept as a dead letter without a body.
    pub unread: Vec<(u32, &'static str)>,
    /// Where the cursor stands after the commit: every listed UID up to it has its outcome.
    /// A window of the look-back below the cursor leaves it where it is (the larger one wins).
    pub through_uid: u32,
    /// Goes into the cursor as it is: mail up to this UID was there before the first start.
    pub backfill_through_uid: u32,
    /// Goes into the cursor as it is: how often in a row UIDVALIDITY changed.
    pub resets_in_row: i64,
    /// Goes into the cursor as it is: how far was read again after UIDNEXT went down.
    pub rebased_through_uid: Option<u32>,
}

/// How many envelopes ended how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// New messages.
    pub stored: u64,
    /// Already here.
    pub duplicates: u64,
    /// Kept as dead letters.
    pub quarantined: u64,
}

/// Why a window could not be stored. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Another worker reads this mailbox now.
    #[error("another worker has taken this mailbox over")]
    Fenced,
    /// The store cannot be written now; the same window may be tried again.
    #[error("the store cannot be written: {0}")]
    Store(String),
}

/// Takes what was read from one mailbox. Implemented by `ingest`; used by `imap`.
pub trait MailboxSink: Send + Sync {
    /// Stores a window and its cursor in one transaction; a mark up to its `through_uid` goes with it.
    ///
    /// # Errors
    /// [`SinkError`]; nothing of the window is stored then.
    fn store(&self, window: Window) -> impl Future<Output = Result<Tally, SinkError>> + Send;

    /// For each header block: whether a message of that identity is already stored, so that its
    /// body need not be fetched again (UIDVALIDITY change). `false` where the header alone cannot tell.
    ///
    /// # Errors
    /// [`SinkError::Store`].
    fn known(&self, headers: Vec<Bytes>) -> impl Future<Output = Result<Vec<bool>, SinkError>> + Send;

    /// Marks durably what is about to be read, so that a mail that kills the process can be told after it. Does
    /// nothing where nothing is kept.
    ///
    /// # Errors
    /// [`SinkError`].
    fn begin_reading(
        &self,
        mailbox: &str,
        mark: Reading,
    ) -> impl Future<Output = Result<(), SinkError>> + Send {
        let _ = (mailbox, mark);
        std::future::ready(Ok(()))
    }

    /// Takes the mark away: nothing of the mailbox is being read any more.
    ///
    /// # Errors
    /// [`SinkError`].
    fn end_reading(&self, mailbox: &str) -> impl Future<Output = Result<(), SinkError>> + Send {
        let _ = mailbox;
        std::future::ready(Ok(()))
    }
}
