//! Conversations that become one.

use super::dialect::{Rowset, RowsetOf, Statement};
use super::{Result, Tx};
use crate::ids::{ConversationId, TenantId};
use crate::model::conversation::Merge;
use jiff::Timestamp;
use std::collections::HashMap;

/// What refers to a conversation, and the loser itself last.
const MOVES: [&str; 6] = [
    "WITH {rows} UPDATE messages SET conversation_id = r.survivor
     FROM r WHERE messages.tenant_id = r.tenant_id AND messages.conversation_id = r.loser",
    "WITH {rows} UPDATE thread_keys SET conversation_id = r.survivor
     FROM r WHERE thread_keys.tenant_id = r.tenant_id AND thread_keys.conversation_id = r.loser",
    "WITH {rows} UPDATE attention_items SET conversation_id = r.survivor
     FROM r WHERE attention_items.tenant_id = r.tenant_id AND attention_items.conversation_id = r.loser",
    "WITH {rows} INSERT INTO participants (tenant_id, conversation_id, key, external_id, name, email,
        seen_at, position)
     SELECT p.tenant_id, r.survivor, p.key, p.external_id, p.name, p.email, p.seen_at, p.position
     FROM r CROSS JOIN participants p WHERE p.tenant_id = r.tenant_id AND p.conversation_id = r.loser
     ON CONFLICT DO NOTHING",
    "WITH {rows} DELETE FROM participants
     WHERE (tenant_id, conversation_id) IN (SELECT r.tenant_id, r.loser FROM r)",
    "WITH {rows} UPDATE conversations SET merged_into = r.survivor
     FROM r WHERE conversations.tenant_id = r.tenant_id AND conversations.merged_into = r.loser",
];

impl Tx {
    /// Moves messages, identities, matching keys, attention items, participants and earlier merges of each loser to
    /// its survivor, and marks the loser as merged. Counters are set by [`Tx::change_conversations`].
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn merge_conversations(
        &mut self,
        tenant: TenantId,
        merges: &[Merge],
        now: Timestamp,
    ) -> Result<()> {
        let merges = end_to_end(merges);
        self.know_shelves(tenant, merges.iter().map(|merge| merge.loser)).await?;
        for text in MOVES {
            self.work.execute(Statement::new(text).rows(rows(tenant, &merges))).await?;
        }
        let mark = Statement::new(
            "WITH {rows} UPDATE conversations SET merged_into = r.survivor, merged_at = $1, updated_at = $1
             FROM r WHERE conversations.tenant_id = r.tenant_id AND conversations.id = r.loser",
        );
        self.work.execute(mark.bind(now).rows(rows(tenant, &merges))).await?;
        for merge in &merges {
            self.pending.vanish(tenant, merge.loser);
        }
        Ok(())
    }
}

fn rows(tenant: TenantId, merges: &[Merge]) -> RowsetOf<'_, Merge> {
    Rowset::of(tenant, merges).uuid("loser", |merge| merge.loser.0).uuid("survivor", |merge| merge.survivor.0)
}

/// Where a survivor is itself merged away, its losers go to the last survivor. Merges with oneself
/// are left out.
fn end_to_end(merges: &[Merge]) -> Vec<Merge> {
    let next: HashMap<ConversationId, ConversationId> = merges
        .iter()
        .filter(|merge| merge.loser != merge.survivor)
        .map(|merge| (merge.loser, merge.survivor))
        .collect();
    let last = |start: ConversationId| {
        let mut id = start;
        // As many steps as there are merges: a circle ends too.
        for _ in 0..next.len() {
            match next.get(&id) {
                Some(further) => id = *further,
                None => break,
            }
        }
        id
    };
    let mut merges: Vec<_> =
        next.iter().map(|(loser, survivor)| Merge { loser: *loser, survivor: last(*survivor) }).collect();
    merges.retain(|merge| merge.loser != merge.survivor);
    merges.sort_unstable_by_key(|merge| merge.loser);
    merges
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_chain_of_merges_ends_at_its_last_survivor() {
        let id = |number| ConversationId(Uuid::from_u128(number));
        let merge = |loser, survivor| Merge { loser: id(loser), survivor: id(survivor) };
        assert_eq!(end_to_end(&[merge(3, 2), merge(2, 1), merge(5, 5)]), [merge(2, 1), merge(3, 1)]);
    }
}
