//! What one batch of the pipeline reads and writes: identities, matching keys, conversations,
//! participants, messages, attachments. Every method is one or two statements whatever the batch's
//! size, and takes rows of one tenant.

use super::conversations::insert_rows;
use super::dialect::{Fields, Rowset, RowsetOf, Statement};
use super::pending::Standing;
use super::{Result, Store, Tx, active_minute, sort_time, write_json};
use crate::ids::{ConversationId, MessageId, SurfaceId, TenantId};
use crate::model::attachment::Attachment;
use crate::model::conversation::{Conversation, ConversationState, ConversationStatus, Participant};
use crate::model::key::KeyHash;
use crate::model::message::{Direction, Message};
use jiff::Timestamp;
use std::collections::HashMap;

/// The identity of a message: (tenant, surface, key) is unique. It outlives the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The surface.
    pub surface_id: SurfaceId,
    /// Hash of the external message id.
    pub key: KeyHash,
    /// Tells two messages with one external id apart.
    pub fingerprint: KeyHash,
    /// The message; `None` once it was deleted (tombstone).
    pub message_id: Option<MessageId>,
    /// Its conversation now; `None` once it was deleted.
    pub conversation_id: Option<ConversationId>,
    /// When its author took it back, while the message itself has not come yet. Read only: such an identity is
    /// kept by [`Tx::insert_takings_back`].
    pub taken_back_at: Option<Timestamp>,
}

/// A matching key: (tenant, surface, key) names one conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadKey {
    /// The surface.
    pub surface_id: SurfaceId,
    /// Hash of a Message-ID, a thread id or a participant (see `crate::matching`).
    pub key: KeyHash,
    /// The conversation it leads to.
    pub conversation_id: ConversationId,
}

/// What a batch changes on a conversation that exists and is locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationChange {
    /// Which.
    pub id: ConversationId,
    /// The new status.
    pub status: ConversationStatus,
    /// The new count.
    pub message_count: i64,
    /// The new newest `sent_at`.
    pub last_message_at: Option<Timestamp>,
    /// The direction of that message.
    pub last_direction: Option<Direction>,
    /// Set where a new conversation goes on in its place; never unset.
    pub continued_by: Option<ConversationId>,
    /// The new `updated_at`.
    pub updated_at: Timestamp,
}

/// A message with where its source is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMessage {
    /// The message.
    pub message: Message,
    /// The author, for the conversation's participants; kept on the message as well.
    pub author: Option<Participant>,
    /// Its raw source, if one is kept.
    pub source: Option<SourceRef>,
}

/// Where the raw source of a message lies (see `crate::blobs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceRef {
    /// The pack.
    pub pack_id: uuid::Uuid,
    /// Where in it, in bytes.
    pub offset: i64,
    /// How many bytes there (compressed).
    pub stored_bytes: i64,
    /// How many bytes uncompressed.
    pub size_bytes: i64,
}

impl Store {
    /// Where the raw source of a message lies.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn get_source(&self, tenant: TenantId, message: MessageId) -> Result<Option<SourceRef>> {
        let select = Statement::new(
            "SELECT source_pack_id, source_offset, source_stored_bytes, source_size_bytes
             FROM messages WHERE tenant_id = $1 AND id = $2 AND source_pack_id IS NOT NULL",
        );
        let rows = self.pools.fetch(select.bind(tenant).bind(message)).await?;
        rows.first()
            .map(|row| {
                let mut fields = row.fields();
                Ok(SourceRef {
                    pack_id: fields.id()?,
                    offset: fields.int()?,
                    stored_bytes: fields.int()?,
                    size_bytes: fields.int()?,
                })
            })
            .transpose()
    }
}

impl Tx {
    /// Locks conversations until the end of the transaction, in the order of their ids, and gives
    /// their state after the locks are held. Merged ones are given as they are (not their survivor).
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn lock_conversations(
        &mut self,
        tenant: TenantId,
        ids: &[ConversationId],
    ) -> Result<Vec<ConversationState>> {
        let mut sorted = ids.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let select = Statement::new(
            "WITH {rows} SELECT c.id, c.surface_id, c.status, c.message_count, c.last_message_at,
                c.last_direction, c.created_at, c.merged_into, c.continued_by
             FROM r CROSS JOIN conversations c WHERE c.tenant_id = r.tenant_id AND c.id = r.id
             ORDER BY c.id {for_update:c}",
        );
        let rows = Rowset::of(tenant, &sorted).uuid("id", |id| id.0);
        let rows = self.work.fetch(select.rows(rows)).await?;
        let read = |fields: &mut Fields<'_>| read_state(fields.id()?, fields);
        let states: Vec<_> = rows.iter().map(|row| read(&mut row.fields())).collect::<Result<_>>()?;
        states.iter().for_each(|state| self.know_state(state));
        Ok(states)
    }

    /// Remembers where a locked conversation stands.
    pub(super) fn know_state(&mut self, state: &ConversationState) {
        if state.merged_into.is_none() {
            let standing = Standing {
                surface_id: state.surface_id,
                status: state.status,
                active_minute: active_minute(state.last_message_at),
            };
            self.pending.know(state.id, standing);
        }
    }

    /// Keeps new conversations.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn insert_conversations(
        &mut self,
        tenant: TenantId,
        conversations: &[Conversation],
    ) -> Result<()> {
        self.work.write("conversations", insert_rows(tenant, conversations), None).await?;
        for conversation in conversations {
            self.pending.appear(tenant, conversation.id, Standing::of(conversation));
        }
        Ok(())
    }

    /// Changes existing, locked conversations.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn change_conversations(
        &mut self,
        tenant: TenantId,
        changes: &[ConversationChange],
    ) -> Result<()> {
        self.know_shelves(tenant, changes.iter().map(|change| change.id)).await?;
        let standing = |change: &&ConversationChange| {
            let known = self.pending.standing(change.id)?;
            Some((known.status, known.active_minute))
        };
        let (settled, moved): (Vec<_>, Vec<_>) = changes.iter().partition(|change| {
            standing(change) == Some((change.status, active_minute(change.last_message_at)))
        });
        // A column that an index has is set only where it changes: SQLite writes the index for every
        // column that is named.
        let update = Statement::new(
            "WITH {rows} UPDATE {or_fail} conversations SET message_count = r.message_count,
                last_message_at = r.last_message_at, last_direction = r.last_direction,
                continued_by = COALESCE(r.continued_by, conversations.continued_by), updated_at = r.updated_at
             FROM r WHERE conversations.tenant_id = r.tenant_id AND conversations.id = r.id",
        );
        let update = update.rows(change_rows(tenant, &settled));
        self.write_changes(changes, update).await?;
        let update = Statement::new(
            "WITH {rows} UPDATE {or_fail} conversations SET status = r.status, active_minute = r.active_minute,
                message_count = r.message_count, last_message_at = r.last_message_at,
                last_direction = r.last_direction,
                continued_by = COALESCE(r.continued_by, conversations.continued_by), updated_at = r.updated_at
             FROM r WHERE conversations.tenant_id = r.tenant_id AND conversations.id = r.id",
        );
        let update = update.rows(change_rows(tenant, &moved));
        self.work.write_beside("conversations", update, None).await?;
        for change in changes {
            let minute = active_minute(change.last_message_at);
            self.pending.shift(tenant, change.id, change.status, minute);
        }
        Ok(())
    }

    /// Changes of conversations that this transaction made wait for those; others may go beside them.
    async fn write_changes(&mut self, changes: &[ConversationChange], update: Statement<'_>) -> Result<()> {
        if changes.iter().any(|change| self.pending.has_written(change.id)) {
            return self.work.write("conversations", update, None).await;
        }
        self.work.write_beside("conversations", update, None).await
    }

    /// Keeps new messages.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn insert_messages(&mut self, tenant: TenantId, messages: &[NewMessage]) -> Result<()> {
        let rows = Rowset::of(tenant, messages)
            .uuid("id", |new| new.message.id.0)
            .uuid("conversation_id", |new| new.message.conversation_id.0)
            .uuid("surface_id", |new| new.message.surface_id.0)
            .int("sent_at", |new| new.message.sent_at.as_microsecond())
            .int("created_at", |new| new.message.created_at.as_microsecond())
            .text("role", |new| new.message.role.as_str())
            .maybe_text("direction", |new| new.message.direction.map(Direction::as_str))
            .uuid("pack_id", |new| new.source.map(|source| source.pack_id))
            .int("pack_offset", |new| new.source.map(|source| source.offset))
            .int("stored_bytes", |new| new.source.map(|source| source.stored_bytes))
            .int("size_bytes", |new| new.source.map(|source| source.size_bytes))
            .maybe_text("external_id", |new| new.message.external_message_id.as_deref())
            .maybe_text("in_reply_to", |new| new.message.in_reply_to.as_deref())
            .maybe_text("flow_step_result_id", |new| new.message.flow_step_result_id.as_deref())
            .maybe_text("author_id", |new| new.author.as_ref().map(|person| person.external_id.as_str()))
            .maybe_text("author_name", |new| new.author.as_ref()?.name.as_deref())
            .maybe_text("author_email", |new| new.author.as_ref()?.email.as_deref())
            .text("content", |new| new.message.content.as_str())
            .maybe_text("content_html", |new| new.message.content_html.as_deref())
            .text("metadata", |new| write_json(&new.message.metadata));
        let insert = Statement::new(
            "WITH {rows} INSERT {or_fail} INTO messages (tenant_id, id, conversation_id, surface_id, sent_at, created_at,
                role, direction, source_pack_id, source_offset, source_stored_bytes, source_size_bytes,
                external_message_id, in_reply_to, flow_step_result_id, author_id, author_name, author_email,
                content, content_html, metadata)
             SELECT r.tenant_id, r.id, r.conversation_id, r.surface_id, r.sent_at, r.created_at, r.role, r.direction,
                r.pack_id, r.pack_offset, r.stored_bytes, r.size_bytes, r.external_id, r.in_reply_to,
                r.flow_step_result_id, r.author_id, r.author_name, r.author_email, r.content, r.content_html,
                r.metadata FROM r",
        );
        self.work.write("messages", insert.rows(rows), None).await
    }

    /// Keeps new attachments; each message's in the order given.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn insert_attachments(
        &mut self,
        tenant: TenantId,
        attachments: &HashMap<MessageId, Vec<Attachment>>,
    ) -> Result<()> {
        let numbered = |(message, list): (&MessageId, &'_ Vec<Attachment>)| {
            let message = *message;
            (0_i64..).zip(list.clone()).map(move |(position, attachment)| (message, position, attachment))
        };
        let placed: Vec<_> = attachments.iter().flat_map(numbered).collect();
        let rows = Rowset::of(tenant, &placed)
            .uuid("id", |(.., attachment)| attachment.id.0)
            .uuid("message_id", |(message, ..)| message.0)
            .int("position", |(_, position, _)| *position)
            .maybe_text("filename", |(.., attachment)| attachment.filename.as_deref())
            .text("content_type", |(.., attachment)| attachment.content_type.as_str())
            .int("size_bytes", |(.., attachment)| attachment.size_bytes)
            .maybe_bytes("sha256", |(.., attachment)| attachment.sha256.as_ref().map(<[u8; 32]>::as_slice))
            .maybe_text("content_id", |(.., attachment)| attachment.content_id.as_deref())
            .int("inline", |(.., attachment)| i64::from(attachment.inline))
            .text("state", |(.., attachment)| attachment.state.as_str())
            .maybe_text("source_url", |(.., attachment)| attachment.source_url.as_deref());
        let insert = Statement::new(
            "WITH {rows} INSERT {or_fail} INTO attachments (tenant_id, id, message_id, position, filename, content_type,
                size_bytes, sha256, content_id, inline, state, source_url)
             SELECT r.tenant_id, r.id, r.message_id, r.position, r.filename, r.content_type, r.size_bytes, r.sha256,
                r.content_id, r.inline, r.state, r.source_url FROM r",
        );
        self.work.write("attachments", insert.rows(rows), None).await
    }

    /// Makes sure that it is known where these conversations are counted.
    pub(super) async fn know_shelves(
        &mut self,
        tenant: TenantId,
        ids: impl Iterator<Item = ConversationId>,
    ) -> Result<()> {
        let unknown: Vec<_> = ids.filter(|id| self.pending.standing(*id).is_none()).collect();
        if !unknown.is_empty() {
            self.lock_conversations(tenant, &unknown).await?;
        }
        Ok(())
    }
}

fn change_rows<'q>(
    tenant: TenantId,
    changes: &'q [&'q ConversationChange],
) -> RowsetOf<'q, &'q ConversationChange> {
    Rowset::of(tenant, changes)
        .uuid("id", |change| change.id.0)
        .text("status", |change| change.status.as_str())
        .int("active_minute", |change| active_minute(change.last_message_at))
        .int("message_count", |change| change.message_count)
        .int("last_message_at", |change| sort_time(change.last_message_at))
        .maybe_text("last_direction", |change| change.last_direction.map(Direction::as_str))
        .uuid("continued_by", |change| change.continued_by.map(|id| id.0))
        .int("updated_at", |change| change.updated_at.as_microsecond())
}

/// The columns behind the id.
pub(super) fn read_state(id: ConversationId, fields: &mut Fields<'_>) -> Result<ConversationState> {
    Ok(ConversationState {
        id,
        surface_id: fields.id()?,
        status: fields.word(ConversationStatus::parse)?,
        message_count: fields.int()?,
        last_message_at: fields.sort_time()?,
        last_direction: fields.maybe_word(Direction::parse)?,
        created_at: fields.time()?,
        merged_into: fields.maybe_id()?,
        continued_by: fields.maybe_id()?,
    })
}
