//! Messages and their attachments as the API reads them. They are written through [`super::ingest`].

use super::{Result, Store, Tx};
use crate::ids::{AttachmentId, ConversationId, MessageId, SurfaceId, TenantId};
use crate::model::attachment::Attachment;
use crate::model::key::KeyHash;
use crate::model::message::Message;
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

impl Store {
    /// Up to `limit` messages of a conversation after `cursor`, and whether more follow.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn list_messages(
        &self,
        _tenant: TenantId,
        _conversation: ConversationId,
        _order: MessageOrder,
        _cursor: Option<MessageCursor>,
        _limit: usize,
    ) -> Result<(Vec<Message>, bool)> {
        todo!()
    }

    /// One message.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn get_message(&self, _tenant: TenantId, _id: MessageId) -> Result<Option<Message>> {
        todo!()
    }

    /// The message of that identity (`crate::matching::keys::identity`) on that surface.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn find_message(
        &self,
        _tenant: TenantId,
        _surface: SurfaceId,
        _identity: KeyHash,
    ) -> Result<Option<Message>> {
        todo!()
    }

    /// The attachments of these messages, in the order they stood in; one statement.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn list_attachments(
        &self,
        _tenant: TenantId,
        _messages: &[MessageId],
    ) -> Result<HashMap<MessageId, Vec<Attachment>>> {
        todo!()
    }

    /// One attachment.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn get_attachment(&self, _tenant: TenantId, _id: AttachmentId) -> Result<Option<Attachment>> {
        todo!()
    }
}

impl Tx {
    /// Makes these messages outbound (role assistant): their copies were found among what we sent.
    /// Gives those that changed.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn mark_outbound(
        &mut self,
        _tenant: TenantId,
        _messages: &[MessageId],
    ) -> Result<Vec<MessageId>> {
        todo!()
    }
}
