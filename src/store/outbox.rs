//! Events, written in the transaction of the change they tell of. They name what changed; what it
//! looks like is read when they are sent.

use super::dialect::Statement;
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
    /// Events after `cursor`, in order, at most `limit`. An event that is seen is never preceded later
    /// by one that was not, whoever writes. After an unknown cursor there is nothing, unless it is older than the
    /// oldest event: that one was forgotten ([`Store::prune_events`]), and what is left follows it.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn list_events(
        &self,
        tenant: TenantId,
        cursor: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<Event>> {
        let after = match cursor {
            Some(_) => {
                "AND e.position > COALESCE(
                    (SELECT o.position FROM events o WHERE o.tenant_id = $1 AND o.id = $3),
                    (SELECT CASE WHEN f.id > $3 THEN -1 END FROM events f WHERE f.tenant_id = $1
                     ORDER BY f.position LIMIT 1))"
            }
            None => "",
        };
        let select = Statement::new(format!(
            "SELECT e.id, e.kind, e.surface_id, e.conversation_id, e.message_id, e.merged_conversation_id,
                e.backfill, e.created_at
             FROM events e WHERE e.tenant_id = $1 {after} ORDER BY e.position LIMIT $2"
        ));
        let select = select.bind(tenant).bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let select = match cursor {
            Some(id) => select.bind(id),
            None => select,
        };
        let rows = self.pools.fetch(select).await?;
        rows.iter()
            .map(|row| {
                let mut fields = row.fields();
                Ok(Event {
                    id: fields.id()?,
                    kind: fields.word(EventKind::parse)?,
                    surface_id: fields.id()?,
                    conversation_id: fields.maybe_id()?,
                    message_id: fields.maybe_id()?,
                    merged_conversation_id: fields.maybe_id()?,
                    backfill: fields.flag()?,
                    created_at: fields.time()?,
                })
            })
            .collect()
    }
}

impl Tx {
    /// Keeps events, in the order given; they get their place in the order of all when the transaction
    /// commits.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    #[expect(clippy::unused_async, reason = "the interface does not tell when something is written")]
    pub async fn insert_events(&mut self, tenant: TenantId, events: &[Event]) -> Result<()> {
        self.pending.tell(tenant, events);
        Ok(())
    }
}
