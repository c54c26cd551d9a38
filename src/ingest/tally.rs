//! What a batch makes of the counters of a conversation.

use crate::ids::ConversationId;
use crate::model::conversation::{ConversationState, ConversationStatus};
use crate::model::message::Direction;
use crate::store::ingest::ConversationChange;
use jiff::Timestamp;

/// Count, newest message and status, growing message by message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tally {
    pub status: ConversationStatus,
    pub message_count: i64,
    pub last_message_at: Option<Timestamp>,
    pub last_direction: Option<Direction>,
    pub continued_by: Option<ConversationId>,
}

impl Tally {
    /// Of a conversation without messages.
    pub fn empty() -> Self {
        Self {
            status: ConversationStatus::Open,
            message_count: 0,
            last_message_at: None,
            last_direction: None,
            continued_by: None,
        }
    }

    /// Of a stored conversation.
    pub fn of(state: &ConversationState) -> Self {
        Self {
            status: state.status,
            message_count: state.message_count,
            last_message_at: state.last_message_at,
            last_direction: state.last_direction,
            continued_by: state.continued_by,
        }
    }

    /// One message more.
    pub fn add(&mut self, sent_at: Timestamp, direction: Option<Direction>) {
        self.message_count += 1;
        self.newest(Some(sent_at), direction);
    }

    /// Another conversation comes in: it stays open if one of the two is.
    pub fn absorb(&mut self, other: &ConversationState) {
        self.message_count += other.message_count;
        self.newest(other.last_message_at, other.last_direction);
        if other.status == ConversationStatus::Open {
            self.status = ConversationStatus::Open;
        }
    }

    fn newest(&mut self, at: Option<Timestamp>, direction: Option<Direction>) {
        if at >= self.last_message_at {
            self.last_message_at = at;
            self.last_direction = direction;
        }
    }

    /// As a change of a stored conversation.
    pub fn change(&self, id: ConversationId, now: Timestamp) -> ConversationChange {
        ConversationChange {
            id,
            status: self.status,
            message_count: self.message_count,
            last_message_at: self.last_message_at,
            last_direction: self.last_direction,
            continued_by: self.continued_by,
            updated_at: now,
        }
    }
}
