//! Conversations as the API reads and writes them. What matching needs is in [`super::ingest`].

use super::dialect::{Fields, Record, Rowset, RowsetOf, Statement};
use super::pending::Standing;
use super::{Result, Store, Tx, active_minute, sort_time, write_json};
use crate::ids::{ConversationId, SurfaceId, TenantId};
use crate::model::conversation::{AgentMode, Conversation, ConversationStatus, Takeover};
use crate::model::message::Direction;
use crate::model::page::Walk;
use jiff::Timestamp;

/// Which conversations a list shows. Order: `last_message_at` descending, nulls last, then id
/// descending. Merged ones never show.
#[derive(Debug, Clone, Default)]
pub struct ConversationFilter {
    /// Only this surface.
    pub surface_id: Option<SurfaceId>,
    /// Only this status.
    pub status: Option<ConversationStatus>,
    /// A substring, without case, of subject, participant name or email; `%` and `_` are literal.
    pub search: Option<String>,
    /// Only surfaces of this workspace.
    pub workspace_id: Option<String>,
}

/// Where a page of conversations begins: the sort key of the border row, which is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConversationCursor {
    /// Which way to walk.
    pub walk: Walk,
    /// `last_message_at` of the border row.
    pub last_message_at: Option<Timestamp>,
    /// Its id.
    pub id: ConversationId,
}

/// The columns of a conversation in the order of [`read_conversation`].
pub(super) const COLUMNS: &str =
    "c.id, c.surface_id, c.external_thread_id, c.external_participant_id, c.participant_name,
    c.participant_email, c.subject, c.timezone, c.status, c.context, c.participant_metadata, c.agent_mode,
    c.takeover_at, c.takeover_actor_id, c.takeover_actor_type, c.takeover_reason, c.message_count,
    c.last_message_at, c.last_direction, c.created_at, c.updated_at";

/// How often a conversation is looked for: one that was merged away while its lock was waited for is
/// not found, its survivor is found the next time.
const LOCK_ATTEMPTS: u32 = 3;

impl Store {
    /// One conversation; the id of a merged one gives its survivor (whose id then differs).
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn get_conversation(
        &self,
        tenant: TenantId,
        id: ConversationId,
    ) -> Result<Option<Conversation>> {
        let mut found = read_all(&self.pools.fetch(select_one(tenant, id, "")).await?)?;
        let merges = self.pools.fetch(select_merges(tenant, &found)).await?;
        add_merges(&mut found, &merges)?;
        Ok(found.pop())
    }
}

impl Tx {
    /// One conversation (a merged id gives its survivor), locked until the end of the transaction.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn lock_conversation(
        &mut self,
        tenant: TenantId,
        id: ConversationId,
    ) -> Result<Option<Conversation>> {
        let mut rows = Vec::new();
        for _ in 0..LOCK_ATTEMPTS {
            rows = self.work.fetch(select_one(tenant, id, "{for_update:c}")).await?;
            if !rows.is_empty() {
                break;
            }
        }
        let mut found = read_all(&rows)?;
        let merges = self.work.fetch(select_merges(tenant, &found)).await?;
        add_merges(&mut found, &merges)?;
        let found = found.pop();
        if let Some(conversation) = &found {
            self.pending.know(conversation.id, Standing::of(conversation));
        }
        Ok(found)
    }

    /// Replaces what callers may change and what counts: everything but id, surface, `created_at`,
    /// `merged_from`.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn update_conversation(&mut self, tenant: TenantId, conversation: &Conversation) -> Result<()> {
        self.know_shelves(tenant, [conversation.id].into_iter()).await?;
        let update = Statement::new(
            "WITH {rows} UPDATE {or_fail} conversations SET status = r.status, last_message_at = r.last_message_at,
                active_minute = r.active_minute,
                message_count = r.message_count, last_direction = r.last_direction,
                external_thread_id = r.external_thread_id,
                external_participant_id = r.external_participant_id, participant_name = r.participant_name,
                participant_email = r.participant_email, subject = r.subject, timezone = r.timezone,
                agent_mode = r.agent_mode, takeover_at = r.takeover_at,
                takeover_actor_id = r.takeover_actor_id, takeover_actor_type = r.takeover_actor_type,
                takeover_reason = r.takeover_reason, updated_at = r.updated_at, search_text = r.search_text,
                context = r.context, participant_metadata = r.participant_metadata
             FROM r WHERE conversations.tenant_id = r.tenant_id AND conversations.id = r.id",
        );
        let conversations = std::slice::from_ref(conversation);
        self.work.execute(update.rows(conversation_rows(tenant, conversations))).await?;
        let minute = active_minute(conversation.last_message_at);
        self.pending.shift(tenant, conversation.id, conversation.status, minute);
        Ok(())
    }

    /// Deletes a conversation (a merged id: its survivor) with its messages, attachments, participants,
    /// matching keys and attention items. The identities of its messages stay as tombstones, so that a poll does not
    /// bring them back. `false` if there was none.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn delete_conversation(
        &mut self,
        tenant: TenantId,
        id: ConversationId,
        _now: Timestamp,
    ) -> Result<bool> {
        let Some(conversation) = self.lock_conversation(tenant, id).await? else { return Ok(false) };
        for text in [
            "DELETE FROM attachments WHERE tenant_id = $1 AND message_id IN
                (SELECT m.id FROM messages m WHERE m.tenant_id = $1 AND m.conversation_id = $2)",
            "DELETE FROM messages WHERE tenant_id = $1 AND conversation_id = $2",
            "DELETE FROM participants WHERE tenant_id = $1 AND conversation_id = $2",
            "DELETE FROM thread_keys WHERE tenant_id = $1 AND conversation_id = $2",
            "DELETE FROM attention_items WHERE tenant_id = $1 AND conversation_id = $2",
            "DELETE FROM conversations WHERE tenant_id = $1 AND merged_into = $2",
            "DELETE FROM conversations WHERE tenant_id = $1 AND id = $2",
        ] {
            self.work.execute(Statement::new(text).bind(tenant).bind(conversation.id)).await?;
        }
        self.pending.vanish(tenant, conversation.id);
        Ok(true)
    }
}

/// One conversation, or the survivor of one.
fn select_one(tenant: TenantId, id: ConversationId, lock: &str) -> Statement<'static> {
    let text = format!(
        "SELECT {COLUMNS} FROM conversations c WHERE c.tenant_id = $1 AND c.id =
            (SELECT COALESCE(o.merged_into, o.id) FROM conversations o WHERE o.tenant_id = $1 AND o.id = $2)
            AND c.merged_into IS NULL {lock}"
    );
    Statement::new(text).bind(tenant).bind(id)
}

pub(super) fn read_all(rows: &[Record]) -> Result<Vec<Conversation>> {
    rows.iter().map(|row| read_conversation(&mut row.fields())).collect()
}

pub(super) fn select_merges(tenant: TenantId, survivors: &[Conversation]) -> Statement<'_> {
    Statement::new(
        "WITH {rows} SELECT c.merged_into, c.id FROM r CROSS JOIN conversations c
         WHERE c.tenant_id = r.tenant_id AND c.merged_into = r.id ORDER BY c.merged_at, c.id",
    )
    .rows(Rowset::of(tenant, survivors).uuid("id", |conversation| conversation.id.0))
}

pub(super) fn add_merges(survivors: &mut [Conversation], merges: &[Record]) -> Result<()> {
    for row in merges {
        let mut fields = row.fields();
        let (survivor, loser): (ConversationId, ConversationId) = (fields.id()?, fields.id()?);
        if let Some(conversation) = survivors.iter_mut().find(|conversation| conversation.id == survivor) {
            conversation.merged_from.push(loser);
        }
    }
    Ok(())
}

pub(super) fn read_conversation(fields: &mut Fields<'_>) -> Result<Conversation> {
    Ok(Conversation {
        id: fields.id()?,
        surface_id: fields.id()?,
        external_thread_id: fields.maybe_text()?,
        external_participant_id: fields.maybe_text()?,
        participant_name: fields.maybe_text()?,
        participant_email: fields.maybe_text()?,
        subject: fields.maybe_text()?,
        timezone: fields.maybe_text()?,
        status: fields.word(ConversationStatus::parse)?,
        context: fields.json()?,
        participant_metadata: fields.json()?,
        agent_mode: fields.word(AgentMode::parse)?,
        takeover: read_takeover(fields)?,
        message_count: fields.int()?,
        last_message_at: fields.sort_time()?,
        last_direction: fields.maybe_word(Direction::parse)?,
        merged_from: Vec::new(),
        created_at: fields.time()?,
        updated_at: fields.time()?,
    })
}

fn read_takeover(fields: &mut Fields<'_>) -> Result<Option<Takeover>> {
    let at = fields.maybe_time()?;
    let (actor_id, actor_type, reason) = (fields.maybe_text()?, fields.maybe_text()?, fields.maybe_text()?);
    Ok(at.zip(actor_id).zip(actor_type).map(|((at, actor_id), actor_type)| Takeover {
        at,
        actor_id,
        actor_type,
        reason,
    }))
}

fn conversation_rows(tenant: TenantId, conversations: &[Conversation]) -> RowsetOf<'_, Conversation> {
    let takeover = |conversation: &'_ Conversation| conversation.takeover.clone();
    Rowset::of(tenant, conversations)
        .uuid("id", |c| c.id.0)
        .uuid("surface_id", |c| c.surface_id.0)
        .text("status", |c| c.status.as_str())
        .int("last_message_at", |c| sort_time(c.last_message_at))
        .int("active_minute", |c| active_minute(c.last_message_at))
        .int("message_count", |c| c.message_count)
        .maybe_text("last_direction", |c| c.last_direction.map(Direction::as_str))
        .maybe_text("external_thread_id", |c| c.external_thread_id.as_deref())
        .maybe_text("external_participant_id", |c| c.external_participant_id.as_deref())
        .maybe_text("participant_name", |c| c.participant_name.as_deref())
        .maybe_text("participant_email", |c| c.participant_email.as_deref())
        .maybe_text("subject", |c| c.subject.as_deref())
        .maybe_text("timezone", |c| c.timezone.as_deref())
        .text("agent_mode", |c| c.agent_mode.as_str())
        .int("takeover_at", move |c| takeover(c).map(|takeover| takeover.at.as_microsecond()))
        .maybe_text("takeover_actor_id", move |c| takeover(c).map(|takeover| takeover.actor_id))
        .maybe_text("takeover_actor_type", move |c| takeover(c).map(|takeover| takeover.actor_type))
        .maybe_text("takeover_reason", move |c| takeover(c)?.reason)
        .int("created_at", |c| c.created_at.as_microsecond())
        .int("updated_at", |c| c.updated_at.as_microsecond())
        .text("search_text", search_text)
        .text("context", |c| write_json(&c.context))
        .text("participant_metadata", |c| write_json(&c.participant_metadata))
}

/// Inserts conversations.
pub(super) fn insert_rows(tenant: TenantId, conversations: &[Conversation]) -> Statement<'_> {
    Statement::new(
        "WITH {rows} INSERT {or_fail} INTO conversations (tenant_id, id, surface_id, status, last_message_at,
            active_minute, message_count, last_direction, external_thread_id, external_participant_id, participant_name,
            participant_email, subject, timezone, agent_mode, takeover_at, takeover_actor_id,
            takeover_actor_type, takeover_reason, created_at, updated_at, search_text, context,
            participant_metadata)
         SELECT r.tenant_id, r.id, r.surface_id, r.status, r.last_message_at, r.active_minute, r.message_count, r.last_direction,
            r.external_thread_id, r.external_participant_id, r.participant_name, r.participant_email,
            r.subject, r.timezone, r.agent_mode, r.takeover_at, r.takeover_actor_id, r.takeover_actor_type,
            r.takeover_reason, r.created_at, r.updated_at, r.search_text, r.context, r.participant_metadata
         FROM r",
    )
    .rows(conversation_rows(tenant, conversations))
}

/// What a search looks in: subject, name and address, lower-cased, one a line.
fn search_text(conversation: &Conversation) -> String {
    let parts = [&conversation.subject, &conversation.participant_name, &conversation.participant_email];
    let parts: Vec<_> = parts.into_iter().flatten().map(|part| part.to_lowercase()).collect();
    parts.join("\n")
}
