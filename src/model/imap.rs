//! What is known of a mailbox: its settings, its cursor and the outcome ledger.

use super::message::text_enum;
use crate::ids::{MessageId, SurfaceId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

text_enum! {
    /// What became of one UID.
    Outcome {
        /// A new message.
        Stored = "stored",
        /// A message that was here already.
        Duplicate = "duplicate",
        /// Our own message, already known from sending it.
        OutboundMatched = "outbound_matched",
        /// It could not be stored; raw bytes are in the dead letters.
        Quarantined = "quarantined",
        /// Larger than `imap.max_message_bytes`; headers stored, body on the server.
        Oversized = "oversized",
        /// Listed, then gone before it could be fetched.
        Vanished = "vanished",
        /// Left out by a rule of the surface (`backfill`).
        Skipped = "skipped",
    }
}

text_enum! {
    /// What the poller is doing, as `/status` shows it.
    PollStatus {
        /// Waiting for mail.
        Idle = "idle",
        /// Asking for mail.
        Polling = "polling",
        /// The last attempt failed; `lastError` says why.
        Error = "error",
        /// Switched off.
        Stopped = "stopped",
    }
}

/// How much of the mail that is already there is taken at the first start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backfill {
    /// Everything.
    #[default]
    All,
    /// Mail that arrived on or after this day (server time, RFC 3501 SINCE).
    Since(jiff::civil::Date),
    /// Nothing: only what arrives from now on.
    None,
}

impl Backfill {
    /// Reads `all`, `none` or `since YYYY-MM-DD`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "all" => Some(Self::All),
            "none" => Some(Self::None),
            other => other.strip_prefix("since ")?.trim().parse().ok().map(Self::Since),
        }
    }
}

impl std::fmt::Display for Backfill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::None => f.write_str("none"),
            Self::Since(day) => write!(f, "since {day}"),
        }
    }
}

/// Where reading a mailbox has got to. Moves only inside the messages' transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The surface.
    pub surface_id: SurfaceId,
    /// The mailbox name as people write it (UTF-8, not modified UTF-7).
    pub mailbox: String,
    /// UIDVALIDITY of the UIDs below; never 0.
    pub uid_validity: u32,
    /// Every UID the server listed up to this one has its outcome. 0 before the first.
    pub last_uid: u32,
    /// Mail up to this UID was there before the first start and is stored quietly; 0 where there was none.
    pub backfill_through_uid: u32,
    /// How often in a row UIDVALIDITY changed without a calm poll between; above 0 the mailbox is
    /// being reconciled by headers.
    pub resets_in_row: i64,
    /// UIDNEXT went down under the same UIDVALIDITY, and mail was read again up to this UID, which is below `last_uid`;
    /// `None` where that never happened or is made up for.
    pub rebased_through_uid: Option<u32>,
    /// Every UID up to this one has had the action that the surface wants after storing (`onStored`).
    pub acted_through_uid: u32,
    /// When it last moved.
    pub updated_at: Timestamp,
}

/// Mail that is being read: what a process that dies over it leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// UIDVALIDITY of the UID.
    pub uid_validity: u32,
    /// The first UID that is being read.
    pub uid: u32,
    /// Whether it is the only one.
    pub is_alone: bool,
    /// How many processes have died over it before.
    pub deaths: i64,
}

/// Where a message lies on its server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerPlace {
    /// The mailbox as people write it.
    pub mailbox: String,
    /// UIDVALIDITY of the UID.
    pub uid_validity: u32,
    /// The UID.
    pub uid: u32,
    /// What became of it.
    pub outcome: Outcome,
}

/// One row of the outcome ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// The UID.
    pub uid: u32,
    /// What became of it.
    pub outcome: Outcome,
    /// The message it became or is a copy of.
    pub message_id: Option<MessageId>,
}
