//! What the store refuses stands alone and is kept as a dead letter, with the reason; the mail behind
//! it goes on.

use super::attempt::Part;
use super::prepare::{Prepared, Read};
use super::{IngestError, Pipeline, Receipt};
use crate::blobs::Entry;
use crate::envelope::Origin;
use crate::ids::{DeadLetterId, Ids, SurfaceId, TenantId};
use crate::model::imap::{Cursor, LedgerRow, Outcome};
use crate::store::StoreError;
use crate::store::deliveries::{DeadLetter, DeadLetterStatus};
use bytes::Bytes;
use serde_json::json;

impl Pipeline {
    /// Keeps the one item of `part` as a dead letter, and its mailbox goes on.
    pub(super) async fn quarantine(
        &self,
        tenant: TenantId,
        part: Part,
        why: &StoreError,
    ) -> Result<Vec<Receipt>, IngestError> {
        let Some(item) = part.items.first() else { return Ok(Vec::new()) };
        let letters = self.letters(item, why);
        for letter in &letters {
            tracing::error!(surface.id = %letter.surface_id, dead_letter.id = %letter.id, error = %why,
                "a message could not be stored and is kept as a dead letter");
        }
        let mut attempts = self.attempts();
        loop {
            match self.bury(tenant, item, &part, &letters).await {
                Ok(()) => break,
                Err(error) if attempts.go_on_after(&error).await => {}
                Err(error) => return Err(error.into()),
            }
        }
        let receipt = Receipt { outcome: Outcome::Quarantined, message_id: None, conversation_id: None };
        Ok(vec![receipt; item.messages.len()])
    }

    async fn bury(
        &self,
        tenant: TenantId,
        item: &Prepared,
        part: &Part,
        letters: &[DeadLetter],
    ) -> Result<(), StoreError> {
        let mut tx = self.inner.store.begin().await?;
        tx.insert_dead_letters(tenant, letters).await?;
        let Some(progress) = &part.progress else { return tx.commit().await };
        let unread = progress.letters(&self.inner.ids, self.inner.clock.now());
        tx.insert_dead_letters(tenant, &unread).await?;
        tx.fence(progress.lease).await?;
        let quarantined = item.messages.iter().filter_map(|read| {
            Some(LedgerRow { uid: read.uid()?, outcome: Outcome::Quarantined, message_id: None })
        });
        let settled = progress.settled.iter();
        let settled =
            settled.map(|(uid, outcome)| LedgerRow { uid: *uid, outcome: *outcome, message_id: None });
        let rows: Vec<LedgerRow> = quarantined.chain(settled).collect();
        let (surface, mailbox) = (progress.surface_id, progress.mailbox.as_str());
        tx.insert_ledger(tenant, surface, mailbox, progress.uid_validity, &rows).await?;
        tx.pass_reading(tenant, surface, mailbox, progress.through_uid).await?;
        tx.save_cursor(tenant, &progress.cursor(self.inner.clock.now())).await?;
        tx.commit().await
    }

    fn letters(&self, item: &Prepared, why: &StoreError) -> Vec<DeadLetter> {
        let now = self.inner.clock.now();
        let letter = |surface_id: SurfaceId, origin: String, body: Bytes| DeadLetter {
            id: self.inner.ids.next::<DeadLetterId>(),
            surface_id,
            reason: why.to_string(),
            status: DeadLetterStatus::Open,
            attempts: 1,
            origin,
            body,
            created_at: now,
        };
        match &item.delivery {
            Some(delivery) => {
                vec![letter(
                    delivery.surface_id,
                    json!({
                        "kind": "webhook", "deliveryId": delivery.id, "receivedAt": delivery.received_at.to_string(),
                        "headers": serde_json::from_str::<serde_json::Value>(&delivery.headers).unwrap_or_default(),
                    })
                    .to_string(),
                    delivery.body.clone(),
                )]
            }
            None => item
                .messages
                .iter()
                .map(|read| {
                    letter(
                        read.message.surface_id,
                        origin(read),
                        read.source.as_ref().map(Entry::data).unwrap_or_default(),
                    )
                })
                .collect(),
        }
    }
}

/// Where a mail came from, for a replay.
fn origin(read: &Read) -> String {
    let value = match &read.message.origin {
        Origin::Imap { mailbox, uid_validity, uid, internal_date, sent, backfill, gmail } => json!({
            "kind": "imap", "mailbox": mailbox, "uidValidity": uid_validity, "uid": uid,
            "internalDate": internal_date.map(|date| date.to_string()), "sent": sent, "backfill": backfill,
            "gmailMessageId": gmail.map(|ids| ids.message_id.to_string()),
            "gmailThreadId": gmail.map(|ids| ids.thread_id.to_string()),
        }),
        Origin::Webhook { position, .. } => json!({"kind": "webhook", "position": position}),
        Origin::Import => json!({"kind": "import"}),
    };
    value.to_string()
}

impl super::Progress {
    /// Letters without a body for mail that was passed over unread; a replay fetches it.
    pub(super) fn letters(&self, ids: &Ids, now: jiff::Timestamp) -> Vec<DeadLetter> {
        let letter = |(uid, reason): &(u32, &'static str)| DeadLetter {
            id: ids.next::<DeadLetterId>(),
            surface_id: self.surface_id,
            reason: (*reason).to_owned(),
            status: DeadLetterStatus::Open,
            attempts: 1,
            origin: json!({
                "kind": "imap", "mailbox": self.mailbox, "uidValidity": self.uid_validity, "uid": uid,
                "backfill": *uid <= self.backfill_through_uid,
            })
            .to_string(),
            body: Bytes::new(),
            created_at: now,
        };
        self.unread.iter().map(letter).collect()
    }

    /// The cursor after this progress.
    pub(super) fn cursor(&self, now: jiff::Timestamp) -> Cursor {
        Cursor {
            surface_id: self.surface_id,
            mailbox: self.mailbox.clone(),
            uid_validity: self.uid_validity,
            last_uid: self.through_uid,
            backfill_through_uid: self.backfill_through_uid,
            resets_in_row: self.resets_in_row,
            rebased_through_uid: self.rebased_through_uid,
            acted_through_uid: 0,
            updated_at: now,
        }
    }
}
