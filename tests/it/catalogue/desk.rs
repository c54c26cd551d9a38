//! One mailbox of one surface before a real store: mail is put in as a poll does it, and looked at as the API does.

use crate::store::world::World;
use bytes::Bytes;
use inlet::blobs::Blobs;
use inlet::envelope::{Envelope, MailboxSink as _, Origin, Payload, SinkError, Tally, Window};
use inlet::ids::{ConversationId, Ids, SurfaceId, SystemEntropy, WorkerId};
use inlet::ingest::{MailboxIngest, Pipeline};
use inlet::model::attachment::Attachment;
use inlet::model::conversation::{Conversation, ConversationStatus};
use inlet::model::imap::{LedgerRow, Outcome};
use inlet::model::message::Message;
use inlet::notify::Wake;
use inlet::store::imap::Lease;
use jiff::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The UIDVALIDITY of every mailbox here.
pub const VALIDITY: u32 = 7;

pub struct Desk {
    pub world: World,
    pub pipeline: Pipeline,
    pub worker: WorkerId,
    next_uid: AtomicU32,
    _folder: tempfile::TempDir,
}

/// What became of one mail.
#[derive(Debug)]
pub struct Arrived {
    pub outcome: Outcome,
    pub message: Option<Message>,
    pub attachments: Vec<Attachment>,
}

impl Arrived {
    pub fn message(&self) -> &Message {
        self.message.as_ref().expect("it is a message")
    }

    pub fn conversation(&self) -> ConversationId {
        self.message().conversation_id
    }

    pub fn has_flag(&self, name: &str) -> bool {
        self.message().metadata["flags"].get(name) == Some(&serde_json::json!(true))
    }

    pub fn author(&self) -> &str {
        self.message().metadata["from"]["email"].as_str().unwrap_or_default()
    }
}

impl Desk {
    pub fn of(world: World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pipeline = pipeline(&world, folder.path());
        let worker = world.ids.next();
        Self { world, pipeline, worker, next_uid: AtomicU32::new(1), _folder: folder }
    }

    /// The lease of the surface's bucket, taken or renewed.
    pub async fn lease(&self, worker: WorkerId, surface: SurfaceId) -> Option<Lease> {
        let leases = self
            .world
            .store
            .acquire_leases(worker, 64, std::time::Duration::from_mins(1), self.world.now())
            .await
            .unwrap();
        leases.into_iter().find(|lease| lease.bucket == Lease::bucket_of(surface))
    }

    /// The sink of a surface's mailboxes.
    pub async fn sink(&self, surface: SurfaceId) -> MailboxIngest {
        let lease = self.lease(self.worker, surface).await.expect("the lease is free");
        self.pipeline.mailbox(self.world.tenant, surface, lease)
    }

    pub fn envelope(&self, surface: SurfaceId, place: Place<'_>, uid: u32, mail: &[u8]) -> Envelope {
        Envelope {
            tenant_id: self.world.tenant,
            surface_id: surface,
            origin: Origin::Imap {
                mailbox: place.mailbox.to_owned(),
                uid_validity: VALIDITY,
                uid,
                internal_date: place.internal_date,
                sent: place.sent,
                backfill: false,
                gmail: None,
            },
            received_at: self.world.now(),
            payload: Payload::Mail(Bytes::copy_from_slice(mail)),
        }
    }

    /// Stores mails as one window.
    pub async fn window(
        &self,
        sink: &MailboxIngest,
        surface: SurfaceId,
        place: Place<'_>,
        mails: &[(u32, Vec<u8>)],
    ) -> Result<Tally, SinkError> {
        let envelopes = mails.iter().map(|(uid, mail)| self.envelope(surface, place, *uid, mail)).collect();
        let through_uid = mails.last().map_or(0, |(uid, _)| *uid);
        sink.store(window(place.mailbox, envelopes, through_uid)).await
    }

    /// A mail arrives in INBOX.
    pub async fn mail(&self, mail: impl AsRef<[u8]>) -> Arrived {
        self.mail_at(Place::default(), mail).await
    }

    /// A mail arrives.
    pub async fn mail_at(&self, place: Place<'_>, mail: impl AsRef<[u8]>) -> Arrived {
        self.mail_on(self.world.surface, place, mail).await
    }

    /// A mail arrives on some surface.
    pub async fn mail_on(&self, surface: SurfaceId, place: Place<'_>, mail: impl AsRef<[u8]>) -> Arrived {
        let uid = self.next_uid.fetch_add(1, Ordering::Relaxed);
        let bytes = mail.as_ref();
        let mail = if bytes.contains(&b'\r') {
            bytes.to_vec()
        } else {
            bytes.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..])
        };
        let sink = self.sink(surface).await;
        self.window(&sink, surface, place, &[(uid, mail)]).await.unwrap();
        let row = self.row(surface, place.mailbox, uid).await;
        let (store, tenant) = (&self.world.store, self.world.tenant);
        let message = match row.message_id {
            Some(id) => store.get_message(tenant, id).await.unwrap(),
            None => None,
        };
        let attachments = match &message {
            Some(message) => store
                .list_attachments(tenant, &[message.id])
                .await
                .unwrap()
                .remove(&message.id)
                .unwrap_or_default(),
            None => Vec::new(),
        };
        Arrived { outcome: row.outcome, message, attachments }
    }

    /// The ledger's row of a UID; there must be exactly one.
    pub async fn row(&self, surface: SurfaceId, mailbox: &str, uid: u32) -> LedgerRow {
        let (store, tenant) = (&self.world.store, self.world.tenant);
        let rows = store.list_ledger(tenant, surface, mailbox, VALIDITY, uid, uid, 10).await.unwrap();
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows[0].clone()
    }

    pub async fn conversation(&self, id: ConversationId) -> Option<Conversation> {
        self.world.store.get_conversation(self.world.tenant, id).await.unwrap()
    }

    /// Every message of a conversation.
    pub async fn messages(&self, id: ConversationId) -> Vec<Message> {
        let order = inlet::store::messages::MessageOrder::OldestFirst;
        self.world.store.list_messages(self.world.tenant, id, order, None, 100).await.unwrap().0
    }

    /// How many conversations a surface has.
    pub async fn count(&self, surface: SurfaceId) -> i64 {
        let filter = inlet::store::conversations::ConversationFilter {
            surface_id: Some(surface),
            ..Default::default()
        };
        self.world.store.list_conversations(self.world.tenant, &filter, None, 1).await.unwrap().total
    }

    /// One more surface, its settings changed.
    pub async fn surface(&self, config: &str) -> SurfaceId {
        let id = self.world.ids.next();
        let mut surface = self.world.new_surface("another", id);
        surface.config = crate::store::world::json(config);
        let mut tx = self.world.store.begin().await.unwrap();
        tx.insert_surface(self.world.tenant, &surface).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// A person closes the conversation.
    pub async fn close(&self, id: ConversationId) {
        let tenant = self.world.tenant;
        let mut tx = self.world.store.begin().await.unwrap();
        let mut conversation = tx.lock_conversation(tenant, id).await.unwrap().unwrap();
        conversation.status = ConversationStatus::Closed;
        tx.update_conversation(tenant, &conversation).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub async fn status(&self, id: ConversationId) -> ConversationStatus {
        self.conversation(id).await.unwrap().status
    }
}

/// A second pipeline into the same store, as another process has it.
pub fn pipeline(world: &World, folder: &std::path::Path) -> Pipeline {
    let ids = Ids::new(world.clock.clone(), Arc::new(SystemEntropy::new()));
    let blobs = Blobs::open(folder.join("blobs")).unwrap();
    Pipeline::new(world.store.clone(), blobs, ids, world.clock.clone(), Wake::default())
}

/// Where a mail lies.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub mailbox: &'a str,
    pub sent: bool,
    pub internal_date: Option<Timestamp>,
}

impl Default for Place<'_> {
    fn default() -> Self {
        Self { mailbox: "INBOX", sent: false, internal_date: None }
    }
}

pub const SENT: Place<'_> = Place { mailbox: "Sent", sent: true, internal_date: None };

pub fn window(mailbox: &str, envelopes: Vec<Envelope>, through_uid: u32) -> Window {
    Window {
        mailbox: mailbox.to_owned(),
        uid_validity: VALIDITY,
        envelopes,
        settled: Vec::new(),
        unread: Vec::new(),
        through_uid,
        backfill_through_uid: 0,
        resets_in_row: 0,
        rebased_through_uid: None,
    }
}

/// A plain mail: sender, id, further header lines (each with its line end) and text.
pub fn mail(from: &str, id: &str, more: &str, text: &str) -> String {
    format!(
        "From: {from}\nTo: desk@example.org\nMessage-ID: <{id}>\n{more}Subject: A question\n\
         Date: Sun, 1 Mar 2026 09:00:00 +0000\nMIME-Version: 1.0\n\n{text}\n"
    )
}
