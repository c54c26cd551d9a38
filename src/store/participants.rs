//! The people seen in conversations.

use super::dialect::{Rowset, Statement};
use super::{Result, Store, Tx};
use crate::ids::{ConversationId, TenantId};
use crate::model::conversation::Participant;
use crate::model::key::KeyHash;
use jiff::Timestamp;
use std::collections::HashSet;

/// How many participants of a conversation are listed.
const LISTED_PARTICIPANTS: i64 = 200;

impl Store {
    /// The people seen in a conversation, first seen first, at most 200.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn list_participants(&self, tenant: TenantId, id: ConversationId) -> Result<Vec<Participant>> {
        let select = Statement::new(
            "SELECT external_id, name, email FROM participants WHERE tenant_id = $1 AND conversation_id = $2
             ORDER BY seen_at, position, key LIMIT $3",
        );
        let rows = self.pools.fetch(select.bind(tenant).bind(id).bind(LISTED_PARTICIPANTS)).await?;
        rows.iter()
            .map(|row| {
                let mut fields = row.fields();
                Ok(Participant {
                    external_id: fields.text()?,
                    name: fields.maybe_text()?,
                    email: fields.maybe_text()?,
                })
            })
            .collect()
    }
}

impl Tx {
    /// Which of these (conversation, external participant id) pairs are known as participants.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn known_participants(
        &mut self,
        tenant: TenantId,
        pairs: &[(ConversationId, String)],
    ) -> Result<HashSet<(ConversationId, String)>> {
        let rows = Rowset::of(tenant, pairs)
            .uuid("conversation_id", |(conversation, _)| conversation.0)
            .hash("key", |(_, external_id)| participant_key(external_id));
        let select = Statement::new(
            "WITH {rows} SELECT p.conversation_id, p.external_id FROM r CROSS JOIN participants p
             WHERE p.tenant_id = r.tenant_id AND p.conversation_id = r.conversation_id AND p.key = r.key",
        );
        let rows = self.work.fetch(select.rows(rows)).await?;
        rows.iter()
            .map(|row| {
                let mut fields = row.fields();
                Ok((fields.id()?, fields.text()?))
            })
            .collect()
    }

    /// Keeps participants of conversations; known ones stay as they are.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn insert_participants(
        &mut self,
        tenant: TenantId,
        participants: &[(ConversationId, Participant)],
        now: Timestamp,
    ) -> Result<()> {
        let mut keyed: Vec<_> = (0_i64..)
            .zip(participants)
            .map(|(position, (conversation, person))| {
                (*conversation, participant_key(&person.external_id), position, person)
            })
            .collect();
        keyed.sort_unstable_by_key(|(conversation, key, position, _)| (*conversation, *key, *position));
        let rows = Rowset::of(tenant, &keyed)
            .uuid("conversation_id", |(conversation, ..)| conversation.0)
            .hash("key", |(_, key, ..)| *key)
            .text("external_id", |(.., person)| person.external_id.as_str())
            .maybe_text("name", |(.., person)| person.name.as_deref())
            .maybe_text("email", |(.., person)| person.email.as_deref())
            .int("position", |(_, _, position, _)| *position);
        let insert = Statement::new(
            "WITH {rows} INSERT {or_fail} INTO participants (tenant_id, conversation_id, key, external_id, name, email,
                seen_at, position)
             SELECT r.tenant_id, r.conversation_id, r.key, r.external_id, r.name, r.email, $1, r.position
             FROM r WHERE true ON CONFLICT DO NOTHING",
        );
        self.work.write("participants", insert.bind(now).rows(rows), None).await
    }
}

pub(super) fn participant_key(external_id: &str) -> KeyHash {
    KeyHash::of(&[external_id.as_bytes()])
}
