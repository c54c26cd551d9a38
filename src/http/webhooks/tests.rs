//! What happens where too many requests of one surface wait to be stored.

use super::keeping::Keeping;
use super::outage::{self, Kept, Outage};
use super::receive::keep;
use super::{Receiver, Receivers};
use crate::channel::{Received, Unreadable};
use crate::clock::{Clock, SystemClock};
use crate::http::{AppState, KeyCache, Services, Settings};
use crate::ids::{Ids, SystemEntropy, TenantId};
use crate::imap;
use crate::ingest::IntakeError;
use crate::limits::WEBHOOK_QUEUE_REQUESTS_OF_SURFACE;
use crate::model::JsonMap;
use crate::model::surface::{Surface, SurfaceStatus};
use crate::secret::{EncryptionKey, Sealer};
use crate::spool::Spool;
use crate::store::{Store, StoreOptions};
use crate::supervisor::{Parts, Supervisor};
use bytes::Bytes;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A worker on a SQLite file, with a spool.
async fn worker(directory: &Path) -> AppState {
    let options = StoreOptions::new(format!("sqlite://{}", directory.join("t.db").display()));
    let store = Store::open(&options).await.unwrap();
    store.migrate().await.unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ids = Ids::new(clock.clone(), Arc::new(SystemEntropy::new()));
    let key = EncryptionKey::parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "the test").unwrap();
    let sealer = Sealer::new(&key, &[], Arc::new(SystemEntropy::new()));
    let blobs = crate::blobs::Blobs::open(directory.join("blobs")).unwrap();
    let services = Services::new(&store, blobs, &ids, &clock, CancellationToken::new());
    let _ = rustls::crypto::ring::default_provider().install_default();
    let network = imap::Network {
        allow_private_hosts: true,
        allow_plaintext: false,
        tls: imap::tls_config(&[]).unwrap(),
        limits: imap::Limits::default(),
    };
    AppState {
        services: Arc::new(
            services.with_spool(Some(Spool::open(&directory.join("spool"), 1 << 20).unwrap())),
        ),
        settings: Arc::new(Settings::new("http://inlet.example")),
        keys: Arc::new(KeyCache::default()),
        metrics: PrometheusBuilder::new().build_recorder().handle(),
        supervisor: Supervisor::new(Parts {
            store: store.clone(),
            sealer: sealer.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            network,
            in_flight: imap::poll::InFlight::new(1 << 20),
            max_message_bytes: 1 << 20,
            worker: ids.next(),
            logins_per_second: 25,
            lease: Duration::from_secs(40),
        }),
        smtp: Arc::default(),
        store,
        clock,
        ids,
        sealer,
    }
}

/// A surface of a preset that takes anybody's word.
async fn receiver(state: &AppState, tenant: TenantId, provider: &str) -> Arc<Receiver> {
    let Value::Object(inbound) = json!({"provider": provider, "allowUnsigned": true}) else { unreachable!() };
    let surface = Surface {
        id: state.ids.next(),
        name: provider.to_owned(),
        kind: "webhook".to_owned(),
        status: SurfaceStatus::Active,
        environment: "production".to_owned(),
        workspace_id: None,
        config: JsonMap::new(),
        inbound,
        outbound: JsonMap::new(),
        created_at: state.now(),
        updated_at: state.now(),
    };
    let mut tx = state.store.begin().await.unwrap();
    tx.insert_surface(tenant, &surface).await.unwrap();
    tx.commit().await.unwrap();
    state.services.receivers.find(state, surface.id).await.unwrap().unwrap()
}

/// The n-th message of Chatwoot's or our own form, read.
fn message(state: &AppState, receiver: &Receiver, number: usize) -> Keeping {
    let body = json!({"event": "message_created", "id": number, "content": "hi", "message_type": "incoming", "account": {"id": 1},
        "conversation": {"id": 5, "contact_inbox": {"source_id": "a"}}, "externalThreadId": "t", "externalMessageId": number.to_string()});
    let body = Bytes::from(body.to_string());
    let headers = crate::channel::HeaderList::from_json("{\"content-type\":\"application/json\"}");
    let request = Received {
        method: "POST",
        target: "/",
        headers: &headers,
        wire: &body,
        body: &body,
        received_at: state.now(),
    };
    let channel = &receiver.channel;
    let read = channel.read_again(&request).and_then(|document| channel.normalize(&request, document));
    let normalized = read.unwrap_or_else(|error: Unreadable| panic!("{error:?}"));
    Keeping::of(receiver, &request, state.ids.next(), normalized)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_tries_again_is_spooled_and_not_refused_where_too_many_wait() {
    let directory = tempfile::tempdir().unwrap();
    let state = worker(directory.path()).await;
    let tenant =
        state.store.list_tenants().await.unwrap().first().copied().unwrap_or(TenantId(uuid::Uuid::nil()));
    let (once, again) = (receiver(&state, tenant, "chatwoot").await, receiver(&state, tenant, "inlet").await);
    let full = |receiver: &Arc<Receiver>| {
        for _ in 0..WEBHOOK_QUEUE_REQUESTS_OF_SURFACE {
            receiver.admission.stand_in_line().unwrap().forget();
        }
    };
    full(&once);
    full(&again);
    let report = keep(&state, &once, message(&state, &once, 1)).await.unwrap();
    assert_eq!((report.accepted, report.messages.len()), (1, 0));
    assert_eq!(state.services.outage.spool().unwrap().figures().requests, 1);
    assert!(keep(&state, &again, message(&state, &again, 1)).await.is_err());
    // Without a spool there is nowhere to keep it.
    let bare = AppState {
        services: Arc::new(Services {
            outage: Outage::default(),
            receivers: Receivers::default(),
            blobs: state.services.blobs.clone(),
            wake: state.services.wake.clone(),
            gather: state.services.gather.clone(),
            pipeline: state.services.pipeline.clone(),
            stopping: state.services.stopping.clone(),
        }),
        ..state.clone()
    };
    let Keeping { item, record, .. } = message(&bare, &once, 2);
    let kept = outage::keep_overrun(&bare, &once, item, &record).await;
    assert!(matches!(kept, Err(IntakeError::Full)), "{kept:?}");
    // It is stored when there is room, before what comes behind it.
    let draining = tokio::spawn(super::drain(state.clone(), state.services.stopping.clone()));
    while state.services.outage.spool().unwrap().figures().requests > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let Keeping { item, record, .. } = message(&state, &once, 1);
    match outage::keep(&state, &once, item, &record).await.unwrap() {
        Kept::Stored(receipts) => assert!(receipts.iter().all(crate::ingest::Receipt::is_duplicate)),
        Kept::Spooled => panic!("the spool is empty"),
    }
    draining.abort();
}
