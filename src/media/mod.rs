//! Fetching what providers only pointed at: attachments that came as a URL or as an id. After the commit
//! of their message, away from its request. Which ones are due is in the store, so that a restart and
//! a second worker change nothing: whoever takes one has it for a while, and who takes it next ends the
//! claim of whoever had it. What cannot be had is marked; its message stays.

mod fetch;

use crate::blobs::{BlobError, Blobs, Pack, PackKind, Place};
use crate::channel::Channel;
use crate::clock::Clock;
use crate::envelope::{Envelope, Origin, Payload};
use crate::ids::{EventId, Ids};
use crate::ingest::{IngestError, Pipeline};
use crate::model::attachment::Attachment;
use crate::notify::Wake;
use crate::secret::Sealer;
use crate::store::blobs::BlobPlace;
use crate::store::media::{FetchedMedia, MediaJob};
use crate::store::outbox::{Event, EventKind};
use crate::store::{Store, StoreError};
use crate::web::Web;
use bytes::Bytes;
use fetch::{Bytewise, FetchError};
use jiff::SignedDuration;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Fetches at once.
const AT_ONCE: usize = 4;
/// Between two looks at what is due.
const LOOK: Duration = Duration::from_millis(500);
/// The same after the store could not be asked.
const LOOK_AFTER_TROUBLE: Duration = Duration::from_secs(5);
/// How long a worker has what it took: longer than two requests and the storing can last.
const CLAIM: SignedDuration = SignedDuration::from_mins(4);
/// Pauses after the first, second, ... try; after the last one it is given up. Together about a day.
const PAUSES: [SignedDuration; 8] = [
    SignedDuration::from_secs(2),
    SignedDuration::from_secs(10),
    SignedDuration::from_mins(1),
    SignedDuration::from_mins(10),
    SignedDuration::from_hours(1),
    SignedDuration::from_hours(3),
    SignedDuration::from_hours(6),
    SignedDuration::from_hours(12),
];
/// The longest that a provider may ask to be left alone.
const LONGEST_RETRY_AFTER_SECONDS: u32 = 6 * 3_600;

/// Why a fetched attachment could not be kept, or its job not be settled.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The packs.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// The pipeline, for a mail that completes its message.
    #[error(transparent)]
    Ingest(#[from] IngestError),
}

/// The fetcher of one worker. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Media {
    parts: Arc<Parts>,
}

/// What fetching takes.
#[derive(Debug)]
pub struct Parts {
    /// Where attachments are described.
    pub store: Store,
    /// Where their bytes go.
    pub blobs: Blobs,
    /// Opens the tokens of surfaces.
    pub sealer: Sealer,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids.
    pub ids: Ids,
    /// Rung when an attachment has come or is given up.
    pub wake: Wake,
    /// Reads mails that complete their messages.
    pub pipeline: Pipeline,
    /// The requests.
    pub web: Web,
    /// The largest attachment that is fetched.
    pub max_bytes: usize,
}

impl Media {
    /// A fetcher that does nothing yet.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts) }
    }

    /// Fetches what becomes due, until `stopping`. What is under way then is dropped: it is taken again
    /// when its claim is over.
    pub async fn run(self, stopping: CancellationToken) {
        let mut running = JoinSet::new();
        let mut pause = LOOK;
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                Some(_) = running.join_next() => {}
            }
            while running.try_join_next().is_some() {}
            pause = LOOK;
            match self.take(AT_ONCE - running.len()).await {
                Ok(jobs) => jobs.into_iter().for_each(|job| {
                    let media = self.clone();
                    running.spawn(async move { media.fetch_one(job).await });
                }),
                Err(error) => {
                    tracing::warn!(%error, "what media is due cannot be asked");
                    pause = LOOK_AFTER_TROUBLE;
                }
            }
        }
    }

    /// Fetches everything that is due now; how many were taken.
    ///
    /// # Errors
    /// [`MediaError`] when nothing could be taken.
    pub async fn run_due(&self) -> Result<usize, MediaError> {
        let mut taken = 0;
        loop {
            let jobs = self.take(AT_ONCE).await?;
            if jobs.is_empty() {
                return Ok(taken);
            }
            taken += jobs.len();
            for job in jobs {
                self.fetch_one(job).await;
            }
        }
    }

    async fn take(&self, limit: usize) -> Result<Vec<MediaJob>, MediaError> {
        let parts = &self.parts;
        let now = parts.clock.now();
        if limit == 0 || !parts.store.has_due_media(now).await? {
            return Ok(Vec::new());
        }
        let mut tx = parts.store.begin().await?;
        let jobs = tx.take_due_media(now, now.saturating_add(CLAIM).unwrap_or(now), limit).await?;
        tx.commit().await?;
        Ok(jobs)
    }

    async fn fetch_one(&self, job: MediaJob) {
        let id = job.attachment_id;
        let settled = match self.fetch(&job).await {
            Ok(Some((attachment, bytes))) if bytes.completes => {
                self.complete(&job, &attachment, bytes.bytes).await
            }
            Ok(Some((attachment, bytes))) => self.keep(&job, &attachment, bytes).await,
            // Deleted meanwhile: only the job is left.
            Ok(None) => self.settle(&job, None, None).await,
            Err(Trouble::Fetch(error)) => self.fail(&job, &error).await,
            Err(Trouble::Ours(error)) => Err(error),
        };
        match settled {
            Ok(()) | Err(MediaError::Store(StoreError::Stale)) => {}
            // It is taken again when the claim is over.
            Err(error) => {
                tracing::warn!(attachment.id = %id, %error, "a fetched attachment could not be kept");
            }
        }
    }

    async fn fetch(&self, job: &MediaJob) -> Result<Option<(Attachment, Bytewise)>, Trouble> {
        let parts = &self.parts;
        let attachment = parts.store.get_attachment(job.tenant_id, job.attachment_id).await.map_err(ours)?;
        let Some(attachment) = attachment else { return Ok(None) };
        let Some(source) = attachment.source_url.clone() else { return Ok(None) };
        let surface = parts.store.get_surface(job.tenant_id, job.surface_id).await.map_err(ours)?;
        let Some(surface) = surface else { return Ok(None) };
        let channel = match parts.sealer.open_map(&surface.inbound, job.tenant_id, surface.id) {
            Ok(mut inbound) => {
                // Only signatures read it, and no signature is checked here.
                inbound.entry("publicUrl").or_insert_with(|| "https://localhost/".into());
                Channel::compile(&surface.name, &inbound).ok()
            }
            Err(_) => None,
        };
        let none = crate::channel::Media::default();
        let rules = channel.as_ref().map_or(&none, Channel::media);
        let bytes =
            fetch::fetch(&parts.web, rules, &source, parts.max_bytes).await.map_err(Trouble::Fetch)?;
        Ok(Some((attachment, bytes)))
    }

    async fn keep(&self, job: &MediaJob, attachment: &Attachment, got: Bytewise) -> Result<(), MediaError> {
        let Bytewise { bytes, content_type, .. } = got;
        let sha256: [u8; 32] = Sha256::digest(&bytes).into();
        let is_vague = matches!(attachment.content_type.as_str(), "" | "application/octet-stream");
        let fetched = FetchedMedia {
            sha256,
            size_bytes: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
            content_type: content_type
                .filter(|_| is_vague)
                .unwrap_or_else(|| attachment.content_type.clone()),
        };
        let known = self.parts.store.find_lasting_blobs(job.tenant_id, &[sha256]).await?;
        let place = if known.is_empty() { Some(self.pack(sha256, bytes).await?) } else { None };
        self.settle(job, Some((attachment, place)), Some(&fetched)).await?;
        count("stored");
        Ok(())
    }

    /// Reads the message anew from the mail that it announced; the announcement is no attachment any more.
    async fn complete(&self, job: &MediaJob, attachment: &Attachment, raw: Bytes) -> Result<(), MediaError> {
        let parts = &self.parts;
        if let Some(message) = parts.store.get_message(job.tenant_id, attachment.message_id).await? {
            let envelope = Envelope {
                tenant_id: job.tenant_id,
                surface_id: job.surface_id,
                origin: Origin::Webhook { delivery_id: parts.ids.next(), position: 0 },
                received_at: message.created_at,
                payload: Payload::Mail(raw),
            };
            let done =
                parts.pipeline.complete(job.tenant_id, &message, envelope, Some(attachment.id)).await?;
            if !done {
                // It was changed meanwhile, or another worker was faster: whoever takes the job next sees.
                return Err(StoreError::Stale.into());
            }
        }
        self.settle(job, None, None).await?;
        count("stored");
        Ok(())
    }

    async fn pack(&self, sha256: [u8; 32], bytes: Bytes) -> Result<BlobPlace, MediaError> {
        let mut pack = Pack::new(self.parts.ids.next());
        let packing = tokio::task::spawn_blocking(move || {
            let place = pack.add(&bytes);
            (pack, place)
        });
        let (pack, place) = packing.await.map_err(|error| BlobError::Io {
            action: "packing",
            path: std::path::PathBuf::new(),
            source: std::io::Error::other(error),
        })?;
        self.parts.blobs.write(PackKind::Attachment, pack).await?;
        Ok(blob_place(sha256, place))
    }

    /// Tries again later, or gives up.
    async fn fail(&self, job: &MediaJob, error: &FetchError) -> Result<(), MediaError> {
        let tries = usize::try_from(job.attempts).unwrap_or(usize::MAX);
        let pause = PAUSES.get(tries.saturating_sub(1)).filter(|_| error.may_retry());
        let Some(pause) = pause else {
            tracing::warn!(attachment.id = %job.attachment_id, surface.id = %job.surface_id, %error,
                attempts = job.attempts, "an attachment cannot be had");
            let attachment = self.parts.store.get_attachment(job.tenant_id, job.attachment_id).await?;
            self.settle(job, attachment.as_ref().map(|attachment| (attachment, None)), None).await?;
            count("unavailable");
            return Ok(());
        };
        let asked = error.retry_after_seconds().unwrap_or(0).min(LONGEST_RETRY_AFTER_SECONDS);
        let pause = (*pause).max(SignedDuration::from_secs(i64::from(asked)));
        tracing::info!(attachment.id = %job.attachment_id, %error, pause_seconds = pause.as_secs(),
            "an attachment is fetched again later");
        let due_at = self.parts.clock.now().saturating_add(pause).unwrap_or(jiff::Timestamp::MAX);
        let mut tx = self.parts.store.begin().await?;
        tx.put_off_media(job, due_at).await?;
        tx.commit().await?;
        count("retried");
        Ok(())
    }

    /// Ends the job, with its attachment stored (`fetched`), given up, or gone (`None`).
    async fn settle(
        &self,
        job: &MediaJob,
        attachment: Option<(&Attachment, Option<BlobPlace>)>,
        fetched: Option<&FetchedMedia>,
    ) -> Result<(), MediaError> {
        let parts = &self.parts;
        let now = parts.clock.now();
        let message = match attachment {
            Some((attachment, _)) => parts.store.get_message(job.tenant_id, attachment.message_id).await?,
            None => None,
        };
        let mut tx = parts.store.begin().await?;
        let changed = tx.settle_media(job, fetched).await?;
        if let Some((_, Some(place))) = attachment {
            tx.insert_blobs(job.tenant_id, &[place], now).await?;
        }
        if let Some(message) = message.filter(|_| changed) {
            let event = Event {
                id: parts.ids.next::<EventId>(),
                kind: EventKind::ConversationUpdated,
                surface_id: message.surface_id,
                conversation_id: Some(message.conversation_id),
                message_id: Some(message.id),
                merged_conversation_id: None,
                backfill: false,
                created_at: now,
            };
            tx.insert_events(job.tenant_id, &[event]).await?;
        }
        tx.commit().await?;
        parts.wake.ring();
        Ok(())
    }
}

/// Why there are no bytes.
enum Trouble {
    Fetch(FetchError),
    Ours(MediaError),
}

fn ours(error: StoreError) -> Trouble {
    Trouble::Ours(error.into())
}

fn count(outcome: &'static str) {
    metrics::counter!("inlet_media_total", "outcome" => outcome).increment(1);
}

fn blob_place(sha256: [u8; 32], place: Place) -> BlobPlace {
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    BlobPlace {
        sha256,
        pack_id: place.pack_id,
        offset: signed(place.offset),
        stored_bytes: signed(place.stored_bytes),
        size_bytes: signed(place.size_bytes),
    }
}
