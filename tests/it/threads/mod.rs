//! Conversations over whole corpora and made-up histories, through the pipeline and both stores.

mod belief;
mod corpora;
mod histories;
mod tokens;
#[path = "../../../src/tests/threads/truth.rs"]
pub mod truth;

use crate::servers::postgres;
use bytes::Bytes;
use inlet::blobs::Blobs;
use inlet::clock::{Clock, SystemClock};
use inlet::envelope::{Envelope, Origin, Payload};
use inlet::ids::{Ids, SurfaceId, SystemEntropy, TenantId};
use inlet::ingest::{Item, Pipeline, Receipt};
use inlet::model::JsonMap;
use inlet::model::surface::{Surface, SurfaceStatus};
use inlet::notify::Wake;
use inlet::store::{Store, StoreOptions};
use std::collections::HashMap;
use std::sync::Arc;

/// A pipeline into an empty store, with one email surface.
pub struct World {
    pub store: Store,
    pub pipeline: Pipeline,
    pub tenant: TenantId,
    pub surface: SurfaceId,
    clock: Arc<SystemClock>,
    _folder: tempfile::TempDir,
}

impl World {
    /// On SQLite.
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("inlet.db").display());
        Self::open(url, folder).await
    }

    /// On a fresh database of the tests' PostgreSQL, if there is one.
    pub async fn postgres() -> Option<Self> {
        let url = postgres::Server::shared()?.fresh_database();
        Some(Self::open(url, tempfile::tempdir().unwrap()).await)
    }

    async fn open(url: String, folder: tempfile::TempDir) -> Self {
        let clock = Arc::new(SystemClock);
        let ids = Ids::new(clock.clone(), Arc::new(SystemEntropy::new()));
        let store = Store::open(&StoreOptions::new(url)).await.unwrap();
        store.migrate().await.unwrap();
        let blobs = Blobs::open(folder.path().join("blobs")).unwrap();
        let pipeline = Pipeline::new(store.clone(), blobs, ids.clone(), clock.clone(), Wake::default());
        let mut world =
            Self { store, pipeline, tenant: ids.next(), surface: ids.next(), clock, _folder: folder };
        world.surface = world.add_surface("email").await;
        world
    }

    /// A surface more.
    pub async fn add_surface(&mut self, kind: &str) -> SurfaceId {
        self.add_configured_surface(kind, JsonMap::new()).await
    }

    /// A surface more, with settings.
    pub async fn add_configured_surface(&mut self, kind: &str, config: JsonMap) -> SurfaceId {
        let ids = Ids::new(self.clock.clone(), Arc::new(SystemEntropy::new()));
        let now = self.clock.now();
        let mut tx = self.store.begin().await.unwrap();
        self.tenant = tx.ensure_tenant("test", self.tenant, now).await.unwrap();
        let surface = Surface {
            id: ids.next(),
            name: kind.to_owned(),
            kind: kind.to_owned(),
            status: SurfaceStatus::Active,
            environment: "test".to_owned(),
            workspace_id: None,
            config,
            inbound: JsonMap::new(),
            outbound: JsonMap::new(),
            created_at: now,
            updated_at: now,
        };
        tx.insert_surface(self.tenant, &surface).await.unwrap();
        tx.commit().await.unwrap();
        surface.id
    }

    /// Takes mails as one batch.
    pub async fn take_mails<M: AsRef<[u8]>>(&self, mails: &[M]) -> Vec<Receipt> {
        let item = |mail: &M| Item { envelopes: vec![self.envelope(mail.as_ref())], ..Item::default() };
        let receipts = self.pipeline.take(self.tenant, mails.iter().map(item).collect()).await.unwrap();
        receipts.into_iter().flatten().collect()
    }

    fn envelope(&self, mail: &[u8]) -> Envelope {
        Envelope {
            tenant_id: self.tenant,
            surface_id: self.surface,
            origin: Origin::Import,
            received_at: self.clock.now(),
            payload: Payload::Mail(Bytes::copy_from_slice(mail)),
        }
    }

    /// A label for each receipt: equal where the messages are in one conversation now.
    pub async fn labels(&self, receipts: &[Receipt]) -> Vec<u64> {
        let mut labels: HashMap<String, u64> = HashMap::new();
        let mut survivors: HashMap<String, String> = HashMap::new();
        let mut result = Vec::new();
        for receipt in receipts {
            let message =
                self.store.get_message(self.tenant, receipt.message_id.unwrap()).await.unwrap().unwrap();
            let id = message.conversation_id;
            let survivor = match survivors.get(&id.to_string()) {
                Some(known) => known.clone(),
                None => {
                    let found = self.store.get_conversation(self.tenant, id).await.unwrap().unwrap();
                    survivors.insert(id.to_string(), found.id.to_string());
                    found.id.to_string()
                }
            };
            assert_eq!(survivor, id.to_string(), "a message lies in a conversation that was merged away");
            let next = labels.len() as u64;
            result.push(*labels.entry(survivor).or_insert(next));
        }
        result
    }
}
