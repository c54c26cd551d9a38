//! Messages and their attachments as the API reads them. They are written through [`super::ingest`].

use super::dialect::{Fields, Record, Rowset, Statement};
use super::ingest::SourceRef;
use super::{Result, Store, Tx, write_json};
use crate::ids::{AttachmentId, ConversationId, MessageId, SurfaceId, TenantId};
use crate::model::JsonMap;
use crate::model::attachment::{Attachment, AttachmentState};
use crate::model::key::KeyHash;
use crate::model::message::{Direction, Message, Role};
use jiff::Timestamp;
use std::collections::HashMap;

/// Which end of a conversation a list begins at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageOrder {
    /// By `sent_at`, then id.
    OldestFirst,
    /// The reverse.
    NewestFirst,
}

/// Where a page of messages begins: the sort key of the last row of the page before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageCursor {
    /// Its `sent_at`.
    pub sent_at: Timestamp,
    /// Its id.
    pub id: MessageId,
}

/// What a message that was taken without its body becomes.
#[derive(Debug)]
pub struct Completion<'a> {
    /// Its text.
    pub content: &'a str,
    /// Sanitized HTML.
    pub content_html: Option<&'a str>,
    /// All of its metadata.
    pub metadata: &'a JsonMap,
    /// Where its source lies.
    pub source: Option<SourceRef>,
}

/// The columns of a message in the order of [`read_message`].
const COLUMNS: &str = "m.id, m.conversation_id, m.surface_id, m.external_message_id, m.role, m.direction,
    m.content, m.content_html, m.metadata, m.in_reply_to, m.flow_step_result_id, m.sent_at, m.created_at";

/// The columns of an attachment in the order of [`read_attachment`].
const ATTACHMENT_COLUMNS: &str = "a.id, a.message_id, a.filename, a.content_type, a.size_bytes, a.sha256,
    a.content_id, a.inline, a.state, a.source_url";

impl Store {
    /// Up to `limit` messages of a conversation after `cursor`, and whether more follow.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn list_messages(
        &self,
        tenant: TenantId,
        conversation: ConversationId,
        order: MessageOrder,
        cursor: Option<MessageCursor>,
        limit: usize,
    ) -> Result<(Vec<Message>, bool)> {
        let (order, beyond) = match order {
            MessageOrder::OldestFirst => ("ASC", ">"),
            MessageOrder::NewestFirst => ("DESC", "<"),
        };
        let beyond = match cursor {
            Some(_) => format!("AND (m.sent_at, m.id) {beyond} ($4, $5)"),
            None => String::new(),
        };
        let select = Statement::new(format!(
            "SELECT {COLUMNS} FROM messages m WHERE m.tenant_id = $1 AND m.conversation_id = $2 {beyond}
             ORDER BY m.sent_at {order}, m.id {order} LIMIT $3"
        ));
        let one_more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let select = select.bind(tenant).bind(conversation).bind(one_more);
        let select = match cursor {
            Some(cursor) => select.bind(cursor.sent_at).bind(cursor.id),
            None => select,
        };
        let mut messages = read_messages(&self.pools.fetch(select).await?)?;
        let more = messages.len() > limit;
        messages.truncate(limit);
        Ok((messages, more))
    }

    /// One message.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn get_message(&self, tenant: TenantId, id: MessageId) -> Result<Option<Message>> {
        let text = format!("SELECT {COLUMNS} FROM messages m WHERE m.tenant_id = $1 AND m.id = $2");
        let rows = self.pools.fetch(Statement::new(text).bind(tenant).bind(id)).await?;
        Ok(read_messages(&rows)?.pop())
    }

    /// The message of that identity (`crate::matching::keys::identity`) on that surface.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn find_message(
        &self,
        tenant: TenantId,
        surface: SurfaceId,
        identity: KeyHash,
    ) -> Result<Option<Message>> {
        let text = format!(
            "SELECT {COLUMNS} FROM identities i
             CROSS JOIN messages m WHERE m.tenant_id = i.tenant_id AND m.id = i.message_id
             AND i.tenant_id = $1 AND i.surface_id = $2 AND i.key = $3"
        );
        let rows = self.pools.fetch(Statement::new(text).bind(tenant).bind(surface).bind(identity)).await?;
        Ok(read_messages(&rows)?.pop())
    }

    /// The attachments of these messages, in the order they stood in; one statement.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn list_attachments(
        &self,
        tenant: TenantId,
        messages: &[MessageId],
    ) -> Result<HashMap<MessageId, Vec<Attachment>>> {
        let text = format!(
            "WITH {{rows}} SELECT {ATTACHMENT_COLUMNS} FROM r CROSS JOIN attachments a
             WHERE a.tenant_id = r.tenant_id AND a.message_id = r.id ORDER BY a.message_id, a.position"
        );
        let ids = Rowset::of(tenant, messages).uuid("id", |id| id.0);
        let rows = self.pools.fetch(Statement::new(text).rows(ids)).await?;
        let mut of_message: HashMap<MessageId, Vec<Attachment>> = HashMap::new();
        for row in &rows {
            let attachment = read_attachment(&mut row.fields())?;
            of_message.entry(attachment.message_id).or_default().push(attachment);
        }
        Ok(of_message)
    }

    /// One attachment.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn get_attachment(&self, tenant: TenantId, id: AttachmentId) -> Result<Option<Attachment>> {
        let text =
            format!("SELECT {ATTACHMENT_COLUMNS} FROM attachments a WHERE a.tenant_id = $1 AND a.id = $2");
        let rows = self.pools.fetch(Statement::new(text).bind(tenant).bind(id)).await?;
        rows.first().map(|row| read_attachment(&mut row.fields())).transpose()
    }
}

impl Tx {
    /// Gives a message its body. `false` if it has changed since it was read, or is gone.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn complete_message(
        &mut self,
        tenant: TenantId,
        message: &Message,
        completion: &Completion<'_>,
    ) -> Result<bool> {
        let update = Statement::new(
            "UPDATE messages SET content = $3, content_html = $4, metadata = $5, source_pack_id = $6,
                source_offset = $7, source_stored_bytes = $8, source_size_bytes = $9
             WHERE tenant_id = $1 AND id = $2 AND metadata = $10 RETURNING id",
        );
        let source = completion.source;
        let update = update
            .bind(tenant)
            .bind(message.id)
            .bind(completion.content)
            .bind(completion.content_html)
            .bind(write_json(completion.metadata))
            .bind(source.map(|source| source.pack_id))
            .bind(source.map(|source| source.offset))
            .bind(source.map(|source| source.stored_bytes))
            .bind(source.map(|source| source.size_bytes))
            .bind(write_json(&message.metadata));
        Ok(!self.work.fetch(update).await?.is_empty())
    }

    /// These messages as they are, each once, locked until the transaction ends.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn lock_messages(&mut self, tenant: TenantId, ids: &[MessageId]) -> Result<Vec<Message>> {
        let mut sorted = ids.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let select = Statement::new(format!(
            "WITH {{rows}} SELECT {COLUMNS} FROM r CROSS JOIN messages m
             WHERE m.tenant_id = r.tenant_id AND m.id = r.id ORDER BY m.id {{for_update:m}}"
        ));
        let rows = Rowset::of(tenant, &sorted).uuid("id", |id| id.0);
        read_messages(&self.work.fetch(select.rows(rows)).await?)
    }

    /// Writes text, HTML and metadata of these messages anew.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn rewrite_messages(&mut self, tenant: TenantId, messages: &[Message]) -> Result<()> {
        if messages.is_empty() {
            return Ok(());
        }
        let update = Statement::new(
            "WITH {rows} UPDATE messages SET content = r.content, content_html = r.content_html,
                metadata = r.metadata
             FROM r WHERE messages.tenant_id = r.tenant_id AND messages.id = r.id",
        );
        let metadata: HashMap<MessageId, String> = messages
            .iter()
            .map(|message| (message.id, serde_json::Value::Object(message.metadata.clone()).to_string()))
            .collect();
        let rows = Rowset::of(tenant, messages)
            .uuid("id", |message| message.id.0)
            .text("content", |message| message.content.as_str())
            .maybe_text("content_html", |message| message.content_html.as_deref())
            .text("metadata", |message| metadata.get(&message.id).map_or("{}", String::as_str));
        self.work.execute(update.rows(rows)).await.map(drop)
    }

    /// Makes these messages outbound (role assistant): their copies were found among what we sent.
    /// Gives those that changed.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn mark_outbound(
        &mut self,
        tenant: TenantId,
        messages: &[MessageId],
    ) -> Result<Vec<MessageId>> {
        let mut sorted = messages.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let update = Statement::new(
            "WITH {rows} UPDATE messages SET direction = 'outbound', role = 'assistant'
             FROM r WHERE messages.tenant_id = r.tenant_id AND messages.id = r.id
                AND (messages.direction IS NULL OR messages.direction <> 'outbound')
             RETURNING messages.id",
        );
        let ids = Rowset::of(tenant, &sorted).uuid("id", |id| id.0);
        let rows = self.work.fetch(update.rows(ids)).await?;
        rows.iter().map(|row| row.fields().id()).collect()
    }
}

fn read_messages(rows: &[Record]) -> Result<Vec<Message>> {
    rows.iter().map(|row| read_message(&mut row.fields())).collect()
}

fn read_message(fields: &mut Fields<'_>) -> Result<Message> {
    Ok(Message {
        id: fields.id()?,
        conversation_id: fields.id()?,
        surface_id: fields.id()?,
        external_message_id: fields.maybe_text()?,
        role: fields.word(Role::parse)?,
        direction: fields.maybe_word(Direction::parse)?,
        content: fields.text()?,
        content_html: fields.maybe_text()?,
        metadata: fields.json()?,
        in_reply_to: fields.maybe_text()?,
        flow_step_result_id: fields.maybe_text()?,
        sent_at: fields.time()?,
        created_at: fields.time()?,
    })
}

fn read_attachment(fields: &mut Fields<'_>) -> Result<Attachment> {
    Ok(Attachment {
        id: fields.id()?,
        message_id: fields.id()?,
        filename: fields.maybe_text()?,
        content_type: fields.text()?,
        size_bytes: fields.int()?,
        sha256: fields.maybe_sha256()?,
        content_id: fields.maybe_text()?,
        inline: fields.flag()?,
        state: fields.word(AttachmentState::parse)?,
        source_url: fields.maybe_text()?,
    })
}
