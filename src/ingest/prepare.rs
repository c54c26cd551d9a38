//! Reading a batch: the part that costs processor time, away from the store and off the event loop.

use super::watch::{self, Readers, read_all};
use super::{IngestError, Pipeline};
use crate::blobs::Entry;
use crate::envelope::{Envelope, Payload};
use crate::ids::{AttachmentId, ConversationId, Ids, MessageId, SurfaceId, TenantId};
use crate::inbound::{self, AttachmentData, InboundMessage, SurfaceSettings};
use crate::model::attachment::{Attachment, AttachmentState};
use crate::store::deliveries::{DeadLetter, Delivery};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, hash_map};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Source bytes from which reading is handed to the blocking pool.
const INLINE_BYTES: usize = 64 * 1024;

/// What stands or falls together: one webhook request with its messages, or one mail.
#[derive(Debug, Clone, Default)]
pub struct Item {
    /// The request as received.
    pub delivery: Option<Delivery>,
    /// Parts of it that are no messages.
    pub dead_letters: Vec<DeadLetter>,
    /// Its messages.
    pub envelopes: Vec<Envelope>,
}

/// An [`Item`], read.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub(super) delivery: Option<Delivery>,
    pub(super) dead_letters: Vec<DeadLetter>,
    pub(super) messages: Vec<Arc<Read>>,
}

/// One message, read, with everything that is kept of it.
#[derive(Debug)]
pub(super) struct Read {
    pub message: InboundMessage,
    /// Its id, if it turns out to be new.
    pub id: MessageId,
    /// The conversation it opens, if it belongs to none.
    pub fresh: ConversationId,
    pub source: Option<Entry>,
    pub attachments: Vec<ReadAttachment>,
}

#[derive(Debug)]
pub(super) struct ReadAttachment {
    pub row: Attachment,
    pub entry: Option<Entry>,
}

impl Pipeline {
    /// Reads a batch.
    ///
    /// # Errors
    /// [`IngestError::UnknownSurface`], [`IngestError::Store`] when settings cannot be read.
    pub async fn prepare(&self, tenant: TenantId, items: Vec<Item>) -> Result<Vec<Prepared>, IngestError> {
        let mut settings: HashMap<SurfaceId, Arc<SurfaceSettings>> = HashMap::new();
        for envelope in items.iter().flat_map(|item| &item.envelopes) {
            if let hash_map::Entry::Vacant(place) = settings.entry(envelope.surface_id) {
                place.insert(self.settings(tenant, envelope.surface_id).await?);
            }
        }
        let bytes: usize =
            items.iter().flat_map(|item| &item.envelopes).map(|it| it.payload.source_bytes()).sum();
        let settings = Arc::new(settings);
        let ids = self.inner.ids.clone();
        if bytes < INLINE_BYTES {
            return Ok(read_items(items, &settings, &ids));
        }
        let [first, second] = halves(items).map(|part| {
            let (settings, ids) = (settings.clone(), ids.clone());
            let (of_bare, for_bare) = (settings.clone(), ids.clone());
            let readers = Readers {
                read: move |item| read_item(item, &settings, &ids),
                give_up: move |item| read_bare(item, &of_bare, &for_bare),
            };
            read_all(part, watch::LIMIT, readers)
        });
        let (first, second) = tokio::join!(first, second);
        let mut prepared = first.ok_or(IngestError::Stopping)?;
        prepared.extend(second.ok_or(IngestError::Stopping)?);
        Ok(prepared)
    }
}

/// Two halves of about the same number of bytes, so that two cores read at once.
fn halves(mut items: Vec<Item>) -> [Vec<Item>; 2] {
    let weight = |item: &Item| item.envelopes.iter().map(|it| it.payload.source_bytes()).sum::<usize>();
    let total: usize = items.iter().map(weight).sum();
    let mut sum = 0;
    let middle = items.iter().position(|item| {
        sum += weight(item);
        sum * 2 >= total
    });
    let second = items.split_off(middle.map_or(items.len(), |at| (at + 1).min(items.len())));
    [items, second]
}

fn read_items(
    items: Vec<Item>,
    settings: &HashMap<SurfaceId, Arc<SurfaceSettings>>,
    ids: &Ids,
) -> Vec<Prepared> {
    items.into_iter().map(|item| read_item(item, settings, ids)).collect()
}

fn read_item(item: Item, settings: &HashMap<SurfaceId, Arc<SurfaceSettings>>, ids: &Ids) -> Prepared {
    let read_one = |envelope: Envelope| {
        let settings = settings.get(&envelope.surface_id)?;
        Some(Arc::new(read(envelope, settings, ids)))
    };
    Prepared {
        delivery: item.delivery,
        dead_letters: item.dead_letters,
        messages: item.envelopes.into_iter().filter_map(read_one).collect(),
    }
}

/// The same with headers alone, for an item that could not be read in time.
fn read_bare(item: Item, settings: &HashMap<SurfaceId, Arc<SurfaceSettings>>, ids: &Ids) -> Prepared {
    let read_one = |envelope: Envelope| {
        let settings = settings.get(&envelope.surface_id)?;
        Some(Arc::new(read_head(bare(&envelope), settings, ids.next(), ids)))
    };
    Prepared {
        delivery: item.delivery,
        dead_letters: item.dead_letters,
        messages: item.envelopes.into_iter().filter_map(read_one).collect(),
    }
}

fn read(envelope: Envelope, settings: &SurfaceSettings, ids: &Ids) -> Read {
    let id: MessageId = ids.next();
    let fallback = bare(&envelope);
    let whole = catch_unwind(AssertUnwindSafe(|| finish(inbound::normalize(envelope, settings), id, ids)));
    whole.unwrap_or_else(|_| {
        tracing::error!(message.id = %id, "reading a message failed; it is kept with its headers alone");
        read_head(fallback, settings, id, ids)
    })
}

/// Reads what [`bare`] has left of an envelope.
fn read_head(bare: Envelope, settings: &SurfaceSettings, id: MessageId, ids: &Ids) -> Read {
    let mut message = inbound::normalize(bare, settings);
    message.content = String::new();
    finish(message, id, ids)
}

/// The envelope with only the head of its source: what is read when reading the whole fails.
fn bare(envelope: &Envelope) -> Envelope {
    let payload = match &envelope.payload {
        Payload::Mail(raw) | Payload::LinkedMail { raw, .. } => {
            let end =
                raw.windows(4).position(|four| four == b"\r\n\r\n").map_or(raw.len().min(4_096), |at| at + 4);
            Payload::OversizedMail { header: raw.slice(..end), size_bytes: raw.len() as u64 }
        }
        other => other.clone(),
    };
    Envelope { payload, ..envelope.clone() }
}

fn finish(mut message: InboundMessage, id: MessageId, ids: &Ids) -> Read {
    let attached = std::mem::take(&mut message.attachments);
    let attachments: Vec<ReadAttachment> =
        attached.into_iter().map(|attachment| keep_attachment(attachment, id, ids)).collect();
    if let Some(html) = &message.content_html {
        let by_cid = |cid: &str| {
            let row =
                attachments.iter().map(|it| &it.row).find(|row| row.content_id.as_deref() == Some(cid))?;
            Some(format!("/v1/messaging/attachments/{}", row.id))
        };
        message.content_html = Some(crate::email::html::map_cids(html, by_cid));
    }
    let source = message.source.take().map(|raw| Entry::of(&raw));
    Read { id, fresh: ids.next(), source, attachments, message }
}

fn keep_attachment(
    attachment: inbound::InboundAttachment,
    message_id: MessageId,
    ids: &Ids,
) -> ReadAttachment {
    let (entry, sha256, size, state, source_url) = match attachment.data {
        AttachmentData::Bytes(bytes) => {
            let hash: [u8; 32] = Sha256::digest(&bytes).into();
            (Some(Entry::of(&bytes)), Some(hash), Some(size_of(&bytes)), AttachmentState::Stored, None)
        }
        AttachmentData::Url { url, size_bytes } => {
            let size = size_bytes.and_then(|size| i64::try_from(size).ok());
            (None, None, size, AttachmentState::Pending, Some(url))
        }
    };
    let row = Attachment {
        id: ids.next::<AttachmentId>(),
        message_id,
        filename: attachment.filename,
        content_type: attachment.content_type,
        size_bytes: size.unwrap_or(0),
        sha256,
        content_id: attachment.content_id,
        inline: attachment.inline,
        state,
        source_url,
    };
    ReadAttachment { row, entry }
}

fn size_of(bytes: &Bytes) -> i64 {
    i64::try_from(bytes.len()).unwrap_or(i64::MAX)
}
