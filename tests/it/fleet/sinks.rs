//! Faults of our own code below one mailbox: a panic, and a step that never ends. The mailbox is begun anew, and its
//! neighbour does not notice.

use crate::fleet::wait_for;
use crate::servers::crowd::Crowd;
use bytes::Bytes;
use inlet::config::Config;
use inlet::envelope::{MailboxSink, SinkError, Tally, Window};
use inlet::ids::{SurfaceId, TenantId};
use inlet::imap;
use inlet::ingest::{MailboxIngest, Pipeline};
use inlet::model::JsonMap;
use inlet::model::surface::{Surface, SurfaceStatus};
use inlet::notify::Wake;
use inlet::site::Site;
use inlet::store::imap::{Lease, MailboxSettings};
use inlet::supervisor::{Intake, Parts, Supervisor};
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};

const HISTORY: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(30);

/// What happens to the first window of a surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Panic,
    Stall,
}

/// The pipeline, with faults to come.
#[derive(Debug, Clone)]
struct Tampered {
    pipeline: Pipeline,
    faults: Arc<Mutex<HashMap<SurfaceId, Fault>>>,
}

struct TamperedSink {
    inner: MailboxIngest,
    surface: SurfaceId,
    faults: Arc<Mutex<HashMap<SurfaceId, Fault>>>,
}

impl Intake for Tampered {
    type Sink = TamperedSink;

    fn sink(&self, tenant: TenantId, surface: SurfaceId, lease: Lease) -> TamperedSink {
        let inner = self.pipeline.mailbox(tenant, surface, lease);
        TamperedSink { inner, surface, faults: self.faults.clone() }
    }
}

impl MailboxSink for TamperedSink {
    async fn store(&self, window: Window) -> Result<Tally, SinkError> {
        let fault = self.faults.lock().unwrap().remove(&self.surface);
        match fault {
            Some(Fault::Panic) => panic!("the fault of the test"),
            Some(Fault::Stall) => std::future::pending().await,
            None => self.inner.store(window).await,
        }
    }

    async fn known(&self, headers: Vec<Bytes>) -> Result<Vec<bool>, SinkError> {
        self.inner.known(headers).await
    }
}

struct World {
    site: Site,
    tenant: TenantId,
    crowd: Crowd,
    tampered: Tampered,
    supervisor: Supervisor,
    _directory: tempfile::TempDir,
    _stop: DropGuard,
}

impl World {
    async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let crowd = Crowd::start(|_| HISTORY).await;
        let directory = tempfile::tempdir().unwrap();
        let ca = directory.path().join("ca.pem");
        std::fs::write(&ca, &crowd.certificate).unwrap();
        let mut config = Config::default();
        config.data.dir = directory.path().join("data");
        let site = Site::open(config).await.unwrap();
        let mut tx = site.store.begin().await.unwrap();
        let tenant = tx.ensure_tenant("default", site.ids.next(), site.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        let supervisor = Supervisor::new(Parts {
            store: site.store.clone(),
            sealer: site.sealer.clone(),
            clock: site.clock.clone(),
            ids: site.ids.clone(),
            network: imap::Network {
                allow_private_hosts: true,
                allow_plaintext: false,
                tls: imap::tls_config(&[ca]).unwrap(),
                limits: imap::Limits::default(),
            },
            in_flight: imap::poll::InFlight::new(1 << 20),
            max_message_bytes: 1 << 20,
            worker: site.ids.next(),
            logins_per_second: 25,
            lease: Duration::from_secs(40),
        });
        let tampered = Tampered { pipeline: site.pipeline(Wake::default()), faults: Arc::default() };
        let stop = CancellationToken::new();
        tokio::spawn(supervisor.worker(tampered.clone()).run(stop.clone()));
        Self { site, tenant, crowd, tampered, supervisor, _directory: directory, _stop: stop.drop_guard() }
    }

    async fn start(&self, name: &str, fault: Option<Fault>) -> SurfaceId {
        let (now, id) = (self.site.clock.now(), self.site.ids.next::<SurfaceId>());
        if let Some(fault) = fault {
            self.tampered.faults.lock().unwrap().insert(id, fault);
        }
        let settings = json!({
            "imapHost": "localhost", "imapPort": self.crowd.port, "imapUsername": name, "imapPassword": "secret",
            "imapSecure": true, "mailbox": "INBOX", "pollIntervalMinutes": 60, "idle": true,
        });
        let mut settings: JsonMap = settings.as_object().unwrap().clone();
        self.site.sealer.seal_map(&mut settings, self.tenant, id);
        let surface = Surface {
            id,
            name: name.to_owned(),
            kind: "email".to_owned(),
            status: SurfaceStatus::Active,
            environment: "test".to_owned(),
            workspace_id: None,
            config: JsonMap::new(),
            inbound: JsonMap::new(),
            outbound: JsonMap::new(),
            created_at: now,
            updated_at: now,
        };
        let mut tx = self.site.store.begin().await.unwrap();
        tx.insert_surface(self.tenant, &surface).await.unwrap();
        let (tenant_id, enabled) = (self.tenant, true);
        let mailbox =
            MailboxSettings { tenant_id, surface_id: id, settings, enabled, revision: 1, updated_at: now };
        tx.save_mailbox(&mailbox).await.unwrap();
        tx.commit().await.unwrap();
        self.supervisor.wake();
        id
    }

    async fn last_uid(&self, surface: SurfaceId) -> u32 {
        let cursors = self.site.store.list_cursors(self.tenant, surface).await.unwrap();
        cursors.first().map_or(0, |cursor| cursor.last_uid)
    }

    async fn wait_for_uid(&self, surface: SurfaceId, uid: u32) -> Duration {
        wait_for(PATIENCE, async || {
            let last = self.last_uid(surface).await;
            (last == uid).then_some(()).ok_or(format!("UID {last} of {uid}"))
        })
        .await
    }

    fn has_met_its_fault(&self, surface: SurfaceId) -> bool {
        !self.tampered.faults.lock().unwrap().contains_key(&surface)
    }
}

#[tokio::test]
async fn a_mailbox_whose_task_panics_is_begun_anew_and_its_neighbour_goes_on() {
    let world = World::new().await;
    let broken = world.start("broken", Some(Fault::Panic)).await;
    let healthy = world.start("healthy", None).await;
    world.wait_for_uid(healthy, HISTORY).await;
    world.wait_for_uid(broken, HISTORY).await;
    assert!(world.has_met_its_fault(broken));
    world.crowd.deliver("healthy", super::mail(1));
    world.crowd.deliver("broken", super::mail(2));
    world.wait_for_uid(healthy, HISTORY + 1).await;
    world.wait_for_uid(broken, HISTORY + 1).await;
    let health = world.supervisor.live(broken).unwrap();
    assert_eq!((health.messages_processed, health.last_error), (i64::from(HISTORY) + 1, None));
}

#[tokio::test]
async fn a_mailbox_that_stalls_is_cut_off_by_the_watchdog_and_its_neighbour_goes_on() {
    let world = World::new().await;
    let stalled = world.start("stalled", Some(Fault::Stall)).await;
    let healthy = world.start("healthy", None).await;
    world.wait_for_uid(healthy, HISTORY).await;
    wait_for(PATIENCE, async || world.has_met_its_fault(stalled).then_some(()).ok_or("not yet".to_owned()))
        .await;
    world.crowd.deliver("healthy", super::mail(1));
    world.wait_for_uid(healthy, HISTORY + 1).await;
    assert_eq!(world.last_uid(stalled).await, 0);
    // Longer than any single step of a poll may take.
    tokio::time::pause();
    tokio::time::advance(Duration::from_hours(4)).await;
    tokio::time::resume();
    world.wait_for_uid(stalled, HISTORY).await;
    world.crowd.deliver("healthy", super::mail(2));
    world.wait_for_uid(healthy, HISTORY + 2).await;
}
