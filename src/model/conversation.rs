//! Conversations: messages that belong together, on one surface.

use super::JsonMap;
use super::message::{Direction, text_enum};
use crate::ids::{ConversationId, SurfaceId};
use jiff::Timestamp;

text_enum! {
    /// Whether a conversation takes new messages.
    ConversationStatus {
        /// It does.
        Open = "open",
        /// An inbound message reopens it within the surface's reopen window.
        Closed = "closed",
        /// It never does again: a new conversation follows it.
        Archived = "archived",
    }
}

text_enum! {
    /// Who answers.
    AgentMode {
        /// Software answers.
        Agent = "agent",
        /// A human took over.
        Human = "human",
    }
}

/// Who took a conversation over, when and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Takeover {
    /// When.
    pub at: Timestamp,
    /// The API key or user that did.
    pub actor_id: String,
    /// What `actor_id` is: `api_key` or `user`.
    pub actor_type: String,
    /// The reason given.
    pub reason: Option<String>,
}

/// A stored conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    /// Our id.
    pub id: ConversationId,
    /// The surface it lives on.
    pub surface_id: SurfaceId,
    /// The channel's id of the thread (email: the root Message-ID).
    pub external_thread_id: Option<String>,
    /// The channel's id of the other party (email: the address).
    pub external_participant_id: Option<String>,
    /// The other party's name.
    pub participant_name: Option<String>,
    /// The other party's address, lower-cased.
    pub participant_email: Option<String>,
    /// The subject of its first message.
    pub subject: Option<String>,
    /// The other party's IANA time zone.
    pub timezone: Option<String>,
    /// Whether it takes new messages.
    pub status: ConversationStatus,
    /// What callers keep on it.
    pub context: JsonMap,
    /// What the channel knows of the other party.
    pub participant_metadata: JsonMap,
    /// Who answers.
    pub agent_mode: AgentMode,
    /// The last take-over, kept while `agent_mode` is human.
    pub takeover: Option<Takeover>,
    /// How many messages it has.
    pub message_count: i64,
    /// The newest `sent_at` among its messages.
    pub last_message_at: Option<Timestamp>,
    /// The direction of that newest message.
    pub last_direction: Option<Direction>,
    /// Ids of conversations that were merged into this one, oldest first.
    pub merged_from: Vec<ConversationId>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// One of the people seen in a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// The channel's id of the person (email: the address).
    pub external_id: String,
    /// Display name.
    pub name: Option<String>,
    /// Address, lower-cased.
    pub email: Option<String>,
}

/// What matching knows of a conversation that it found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationState {
    /// Its id.
    pub id: ConversationId,
    /// Its surface.
    pub surface_id: SurfaceId,
    /// Its status.
    pub status: ConversationStatus,
    /// How many messages it has.
    pub message_count: i64,
    /// The newest `sent_at`.
    pub last_message_at: Option<Timestamp>,
    /// The direction of that message.
    pub last_direction: Option<Direction>,
    /// When it was stored: the older one survives a merge.
    pub created_at: Timestamp,
    /// The survivor, if it was merged away.
    pub merged_into: Option<ConversationId>,
    /// The conversation that goes on where this one was closed for good.
    pub continued_by: Option<ConversationId>,
}

/// A conversation that is merged away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merge {
    /// The one that stays (locked, or inserted in this transaction).
    pub survivor: ConversationId,
    /// The one that goes (locked).
    pub loser: ConversationId,
}
