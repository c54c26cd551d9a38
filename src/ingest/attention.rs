//! What a person should look at among the messages of a batch: raised with them, in their transaction.

use super::unit::Fresh;
use super::write::Writing;
use crate::ids::ConversationId;
use crate::model::attention::{AttentionItem, AttentionKind, AttentionStatus};
use crate::store::{StoreError, Tx};

impl Writing<'_> {
    /// Raises an item for each mail that was kept out of the thread of the participant it claims to come from
    /// (matching.md 3).
    pub(super) async fn write_attention(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let forged = self.placed().filter(|(it, _)| it.claims_to_be_a_participant());
        let items: Vec<AttentionItem> =
            forged.map(|(it, placement)| self.item(it, placement.conversation_id)).collect();
        tx.insert_attention_items(self.unit.tenant, &items).await
    }

    fn item(&self, it: &Fresh<'_>, conversation_id: ConversationId) -> AttentionItem {
        AttentionItem {
            id: self.unit.ids.next(),
            surface_id: it.read.message.surface_id,
            conversation_id,
            kind: AttentionKind::ValidationFailed,
            reason: Some(
                "The mail claims to come from a participant of the conversation that it answers, but the \
                 domain of its sender disowns it (DMARC failed)."
                    .to_owned(),
            ),
            status: AttentionStatus::Open,
            created_at: self.unit.now,
            resolved_at: None,
        }
    }
}
