//! Attachments: bytes that came with a message.

use super::message::text_enum;
use crate::ids::{AttachmentId, MessageId};

text_enum! {
    /// Whether the bytes are here.
    AttachmentState {
        /// The bytes are stored.
        Stored = "stored",
        /// The bytes are still to be fetched.
        Pending = "pending",
        /// The bytes cannot be had.
        Unavailable = "unavailable",
    }
}

/// A stored attachment's description. The bytes are found by `sha256`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Our id.
    pub id: AttachmentId,
    /// The message it belongs to.
    pub message_id: MessageId,
    /// Decoded file name, without any path.
    pub filename: Option<String>,
    /// Media type, lower-cased.
    pub content_type: String,
    /// Size of the decoded bytes.
    pub size_bytes: i64,
    /// SHA-256 of the decoded bytes; `None` until they are here.
    pub sha256: Option<[u8; 32]>,
    /// Content-ID without angle brackets.
    pub content_id: Option<String>,
    /// Whether the sender meant it to be shown inside the text.
    pub inline: bool,
    /// Whether the bytes are here.
    pub state: AttachmentState,
    /// Where the bytes are to be fetched from, while pending.
    pub source_url: Option<String>,
}
