//! Conversations as the API reads and writes them. What matching needs is in [`super::ingest`].

use super::{Result, Store, Tx};
use crate::ids::{ConversationId, SurfaceId, TenantId};
use crate::model::conversation::{Conversation, ConversationStatus, Participant};
use crate::model::page::{Page, Walk};
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

impl Store {
    /// One page of conversations; `limit` is at most [`crate::limits::PAGE_ROWS`].
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn list_conversations(
        &self,
        _tenant: TenantId,
        _filter: &ConversationFilter,
        _cursor: Option<ConversationCursor>,
        _limit: usize,
    ) -> Result<Page<Conversation>> {
        todo!()
    }

    /// One conversation; the id of a merged one gives its survivor (whose id then differs).
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn get_conversation(
        &self,
        _tenant: TenantId,
        _id: ConversationId,
    ) -> Result<Option<Conversation>> {
        todo!()
    }

    /// The people seen in a conversation, first seen first, at most 200.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn list_participants(
        &self,
        _tenant: TenantId,
        _id: ConversationId,
    ) -> Result<Vec<Participant>> {
        todo!()
    }
}

impl Tx {
    /// One conversation (a merged id gives its survivor), locked until the end of the transaction.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn lock_conversation(
        &mut self,
        _tenant: TenantId,
        _id: ConversationId,
    ) -> Result<Option<Conversation>> {
        todo!()
    }

    /// Replaces what callers may change and what counts: everything but id, surface, `created_at`,
    /// `merged_from`.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn update_conversation(
        &mut self,
        _tenant: TenantId,
        _conversation: &Conversation,
    ) -> Result<()> {
        todo!()
    }

    /// Deletes a conversation with its messages, attachments, participants and matching keys. The
    /// identities of its messages stay as tombstones, so that a poll does not bring them back.
    /// `false` if there was none.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn delete_conversation(
        &mut self,
        _tenant: TenantId,
        _id: ConversationId,
        _now: Timestamp,
    ) -> Result<bool> {
        todo!()
    }
}
