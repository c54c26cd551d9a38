//! Messages that their authors wrote anew or took back: recorded on the message that is here, never a
//! second one. The newest change wins, whatever the order in which changes come.

use super::unit::Fate;
use super::write::Writing;
use crate::envelope::{Change, ChangeKind};
use crate::ids::MessageId;
use crate::inbound::InboundMessage;
use crate::model::message::Message;
use crate::store::{StoreError, Tx};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Earlier texts of a message that are kept.
const EDITS_KEPT: usize = 20;
/// Characters of each that are kept.
const EDIT_CHARS: usize = 10_000;

/// Since when a message is taken back, in its metadata.
pub(super) const DELETED_AT: &str = "deletedAt";
const EDITED_AT: &str = "editedAt";
const EDITS: &str = "edits";

impl Writing<'_> {
    /// Applies the batch's changes to messages that are stored by now; gives those that changed.
    pub(super) async fn write_changes(&self, tx: &mut Tx) -> Result<Vec<MessageId>, StoreError> {
        let mut changes: Vec<(MessageId, Change, &InboundMessage)> = Vec::new();
        for (fate, read) in self.fates.iter().zip(self.reads) {
            let Some(change) = read.message.change else { continue };
            let id = match fate {
                Fate::Known(identity) => identity.message_id,
                Fate::CopyOfNew(position) => self.fresh.get(*position).map(|it| it.read.id),
                Fate::New(_) | Fate::Early => None,
            };
            changes.extend(id.map(|id| (id, change, &read.message)));
        }
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<MessageId> = changes.iter().map(|(id, ..)| *id).collect();
        let mut messages = tx.lock_messages(self.unit.tenant, &ids).await?;
        messages.retain_mut(|message| {
            let this = message.id;
            let of_it = changes.iter().filter(|(id, ..)| *id == this);
            of_it.fold(false, |changed, (_, change, read)| apply(*change, read, message) | changed)
        });
        tx.rewrite_messages(self.unit.tenant, &messages).await?;
        Ok(messages.into_iter().map(|message| message.id).collect())
    }
}

/// Whether the change is news to `message`; then it is in it.
fn apply(change: Change, read: &InboundMessage, message: &mut Message) -> bool {
    let since = |name: &str| message.metadata.get(name).and_then(Value::as_str)?.parse::<Timestamp>().ok();
    let at = Value::String(change.at.to_string());
    match change.kind {
        ChangeKind::Deleted => {
            if since(DELETED_AT).is_some() {
                return false;
            }
            message.metadata.insert(DELETED_AT.to_owned(), at);
        }
        ChangeKind::Edited => {
            let is_old = since(EDITED_AT).is_some_and(|last| last > change.at);
            if is_old || (message.content == read.content && message.content_html == read.content_html) {
                return false;
            }
            let before: String = message.content.chars().take(EDIT_CHARS).collect();
            let edits = message.metadata.entry(EDITS.to_owned()).or_insert_with(|| json!([]));
            if let Value::Array(edits) = edits {
                edits.push(json!({"content": before, "until": at}));
                let spare = edits.len().saturating_sub(EDITS_KEPT);
                edits.drain(..spare);
            }
            message.content.clone_from(&read.content);
            message.content_html.clone_from(&read.content_html);
            message.metadata.insert(EDITED_AT.to_owned(), at);
        }
    }
    true
}
