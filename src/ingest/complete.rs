//! Completing a message of which only the headers were taken because it was too large, or of which only the coming was
//! told: its text and attachments, read from the whole mail, in place of what there was. Its conversation, identity and time stay.

use super::{IngestError, Item, Pipeline};
use crate::envelope::{Envelope, Origin};
use crate::ids::{AttachmentId, MessageId, TenantId};
use crate::model::JsonMap;
use crate::model::imap::{LedgerRow, Outcome};
use crate::model::message::Message;
use crate::store::messages::Completion;
use crate::store::outbox::{Event, EventKind};
use serde_json::Value;
use std::collections::HashMap;

impl Pipeline {
    /// Completes `message` from `envelope`, which comes in place of an attachment where that announced it. `false` where somebody else has done it, or the message is gone.
    ///
    /// # Errors
    /// [`IngestError`]; nothing was changed then.
    pub async fn complete(
        &self,
        tenant: TenantId,
        message: &Message,
        envelope: Envelope,
        in_place_of: Option<AttachmentId>,
    ) -> Result<bool, IngestError> {
        let surface = message.surface_id;
        let origin = envelope.origin.clone();
        let item = Item { envelopes: vec![envelope], ..Item::default() };
        let prepared = self.prepare(tenant, vec![item]).await?;
        let Some(read) = prepared.first().and_then(|item| item.messages.first()) else { return Ok(false) };
        let kept = self.write_packs(tenant, &[read]).await?;
        let rows = read.attachments.iter().map(|attachment| {
            let mut row = attachment.row.clone();
            row.message_id = message.id;
            row
        });
        let attachments: HashMap<MessageId, Vec<_>> = HashMap::from([(message.id, rows.collect())]);
        let completion = Completion {
            content: &read.message.content,
            content_html: read.message.content_html.as_deref(),
            metadata: &completed(&message.metadata, &read.message.metadata),
            source: kept.sources.get(&read.id).copied(),
        };
        let event = Event {
            id: self.inner.ids.next(),
            kind: EventKind::ConversationUpdated,
            surface_id: surface,
            conversation_id: Some(message.conversation_id),
            message_id: Some(message.id),
            merged_conversation_id: None,
            backfill: false,
            created_at: self.inner.clock.now(),
        };
        let mut tx = self.inner.store.begin().await?;
        if !tx.complete_message(tenant, message, &completion).await? {
            return Ok(false);
        }
        if let Some(id) = in_place_of
            && !tx.delete_attachment(tenant, id).await?
        {
            return Ok(false);
        }
        tx.insert_attachments(tenant, &attachments).await?;
        tx.insert_blobs(tenant, &kept.blobs, self.inner.clock.now()).await?;
        if let Origin::Imap { mailbox, uid_validity, uid, .. } = &origin {
            let row = LedgerRow { uid: *uid, outcome: Outcome::Stored, message_id: Some(message.id) };
            tx.insert_ledger(tenant, surface, mailbox, *uid_validity, &[row]).await?;
        }
        tx.insert_events(tenant, &[event]).await?;
        tx.commit().await?;
        self.inner.wake.ring();
        Ok(true)
    }
}

/// What the whole mail says, with what was found out when the message was stored.
fn completed(before: &JsonMap, whole: &JsonMap) -> JsonMap {
    let mut metadata = whole.clone();
    for (name, value) in before.iter().filter(|(name, _)| *name != "sizeBytes") {
        match (metadata.get_mut(name), value) {
            (None, _) => drop(metadata.insert(name.clone(), value.clone())),
            (Some(Value::Object(flags)), Value::Object(earlier)) if name == "flags" => {
                let others = earlier.iter().filter(|(flag, _)| *flag != "oversized");
                flags.extend(others.map(|(flag, on)| (flag.clone(), on.clone())));
            }
            (Some(_), _) => {}
        }
    }
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_found_out_before_stays_and_the_size_goes() {
        let before = json!({"flags": {"oversized": true, "backfill": true}, "sizeBytes": 9, "matchedBy": "references"});
        let whole = json!({"flags": {"list": true}, "quoted": "> a"});
        let merged = completed(before.as_object().unwrap(), whole.as_object().unwrap());
        let expected =
            json!({"flags": {"list": true, "backfill": true}, "quoted": "> a", "matchedBy": "references"});
        assert_eq!(Value::Object(merged), expected);
    }
}
