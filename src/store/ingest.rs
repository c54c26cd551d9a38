//! What one batch of the pipeline reads and writes: identities, matching keys, conversations,
//! participants, messages, attachments. Every method is one or two statements whatever the batch's
//! size, and takes rows of one tenant.

use super::{Result, Store, Tx};
use crate::ids::{ConversationId, MessageId, SurfaceId, TenantId};
use crate::model::attachment::Attachment;
use crate::model::conversation::{Conversation, ConversationState, ConversationStatus, Merge, Participant};
use crate::model::key::KeyHash;
use crate::model::message::{Direction, Message};
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};

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
    /// The identities among `keys`; outside any transaction, for a look ahead.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn find_identities(
        &self,
        _tenant: TenantId,
        _keys: &[(SurfaceId, KeyHash)],
    ) -> Result<Vec<Identity>> {
        todo!()
    }

    /// Where the raw source of a message lies.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn get_source(&self, _tenant: TenantId, _message: MessageId) -> Result<Option<SourceRef>> {
        todo!()
    }
}

impl Tx {
    /// The identities among `keys`.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn find_identities(
        &mut self,
        _tenant: TenantId,
        _keys: &[(SurfaceId, KeyHash)],
    ) -> Result<Vec<Identity>> {
        todo!()
    }

    /// Keeps new identities.
    ///
    /// # Errors
    /// [`super::StoreError::Stale`] if one of them was there already.
    pub async fn insert_identities(&mut self, _tenant: TenantId, _identities: &[Identity]) -> Result<()> {
        todo!()
    }

    /// The matching keys among `keys`.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn find_thread_keys(
        &mut self,
        _tenant: TenantId,
        _keys: &[(SurfaceId, KeyHash)],
    ) -> Result<Vec<ThreadKey>> {
        todo!()
    }

    /// Keeps new matching keys.
    ///
    /// # Errors
    /// [`super::StoreError::Stale`] if one of them was there already.
    pub async fn insert_thread_keys(&mut self, _tenant: TenantId, _keys: &[ThreadKey]) -> Result<()> {
        todo!()
    }

    /// Lets matching keys lead elsewhere, making those that are not there yet. Only while the
    /// conversation that they led to is locked.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn point_thread_keys(&mut self, _tenant: TenantId, _keys: &[ThreadKey]) -> Result<()> {
        todo!()
    }

    /// Locks conversations until the end of the transaction, in the order of their ids, and gives
    /// their state after the locks are held. Merged ones are given as they are (not their survivor).
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn lock_conversations(
        &mut self,
        _tenant: TenantId,
        _ids: &[ConversationId],
    ) -> Result<Vec<ConversationState>> {
        todo!()
    }

    /// Which of these (conversation, external participant id) pairs are known as participants.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn known_participants(
        &mut self,
        _tenant: TenantId,
        _pairs: &[(ConversationId, String)],
    ) -> Result<HashSet<(ConversationId, String)>> {
        todo!()
    }

    /// Keeps new conversations.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn insert_conversations(
        &mut self,
        _tenant: TenantId,
        _conversations: &[Conversation],
    ) -> Result<()> {
        todo!()
    }

    /// Changes existing, locked conversations.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn change_conversations(
        &mut self,
        _tenant: TenantId,
        _changes: &[ConversationChange],
    ) -> Result<()> {
        todo!()
    }

    /// Moves messages, identities, matching keys, participants and earlier merges of each loser to
    /// its survivor, and marks the loser as merged. Counters are set by [`Tx::change_conversations`].
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn merge_conversations(
        &mut self,
        _tenant: TenantId,
        _merges: &[Merge],
        _now: Timestamp,
    ) -> Result<()> {
        todo!()
    }

    /// Keeps participants of conversations; known ones stay as they are.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn insert_participants(
        &mut self,
        _tenant: TenantId,
        _participants: &[(ConversationId, Participant)],
        _now: Timestamp,
    ) -> Result<()> {
        todo!()
    }

    /// Keeps new messages.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn insert_messages(&mut self, _tenant: TenantId, _messages: &[NewMessage]) -> Result<()> {
        todo!()
    }

    /// Keeps new attachments; each message's in the order given.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn insert_attachments(
        &mut self,
        _tenant: TenantId,
        _attachments: &HashMap<MessageId, Vec<Attachment>>,
    ) -> Result<()> {
        todo!()
    }
}
