//! Events, written in the transaction of the change they tell of. They name what changed; what it
//! looks like is read when they are sent.

use super::{Result, Store, Tx};
use crate::ids::{ConversationId, EventId, MessageId, SurfaceId, TenantId};
use crate::model::message::text_enum;
use jiff::Timestamp;

text_enum! {
    /// What happened.
    EventKind {
        /// A message was stored.
        MessageCreated = "message.created",
        /// A conversation was made.
        ConversationCreated = "conversation.created",
        /// A conversation changed.
        ConversationUpdated = "conversation.updated",
        /// Two conversations became one.
        ConversationMerged = "conversation.merged",
        /// A surface stopped working.
        SurfaceError = "surface.error",
    }
}

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Its id: also its place in the order.
    pub id: EventId,
    /// What happened.
    pub kind: EventKind,
    /// Where.
    pub surface_id: SurfaceId,
    /// To which conversation (the survivor of a merge).
    pub conversation_id: Option<ConversationId>,
    /// To which message.
    pub message_id: Option<MessageId>,
    /// The conversation merged away.
    pub merged_conversation_id: Option<ConversationId>,
    /// Whether it tells of history: only endpoints that asked for that get it.
    pub backfill: bool,
    /// When.
    pub created_at: Timestamp,
}

impl Store {
    /// Events after `cursor`, in order, at most `limit`.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn list_events(
        &self,
        _tenant: TenantId,
        _cursor: Option<EventId>,
        _limit: usize,
    ) -> Result<Vec<Event>> {
        todo!()
    }
}

impl Tx {
    /// Keeps events.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn insert_events(&mut self, _tenant: TenantId, _events: &[Event]) -> Result<()> {
        todo!()
    }
}
