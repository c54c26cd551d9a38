//! Faults of our own code below one mailbox: a panic, and a step that never ends. The mailbox is begun anew, and its
//! neighbour does not notice.

use super::inside::{Inside, Rules};
use super::wait_for;
use crate::servers::crowd::Crowd;
use bytes::Bytes;
use inlet::envelope::{MailboxSink, SinkError, Tally, Window};
use inlet::ids::{SurfaceId, TenantId};
use inlet::ingest::{MailboxIngest, Pipeline};
use inlet::store::imap::Lease;
use inlet::supervisor::Intake;
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const HISTORY: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(30);

/// What happens to the first window of a surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Panic,
    Stall,
}

type Faults = Arc<Mutex<HashMap<SurfaceId, Fault>>>;

/// The pipeline, with faults to come.
#[derive(Debug, Clone)]
struct Tampered {
    pipeline: Pipeline,
    faults: Faults,
}

struct TamperedSink {
    inner: MailboxIngest,
    surface: SurfaceId,
    faults: Faults,
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
    inside: Inside<Tampered>,
    crowd: Crowd,
    tampered: Tampered,
}

impl World {
    async fn new() -> Self {
        let crowd = Crowd::start(|_| HISTORY).await;
        let faults: Faults = Arc::default();
        let kept = faults.clone();
        let rules = Rules { certificate: Some(&crowd.certificate), ..Rules::default() };
        let inside = Inside::open(rules, |pipeline| Tampered { pipeline, faults: kept }).await;
        let tampered = inside.intake.clone();
        Self { inside, crowd, tampered }
    }

    async fn start(&self, name: &str, fault: Option<Fault>) -> SurfaceId {
        let id = self.inside.site.ids.next::<SurfaceId>();
        if let Some(fault) = fault {
            self.tampered.faults.lock().unwrap().insert(id, fault);
        }
        let settings = json!({"imapHost": "localhost", "imapPort": self.crowd.port, "imapUsername": name});
        self.inside.start(id, settings).await;
        id
    }

    async fn last_uid(&self, surface: SurfaceId) -> u32 {
        let store = &self.inside.site.store;
        let cursors = store.list_cursors(self.inside.tenant, surface).await.unwrap();
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
async fn d17_a_mailbox_whose_task_panics_is_begun_anew_and_its_neighbour_goes_on() {
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
    let health = world.inside.supervisor.live(broken).unwrap();
    assert_eq!((health.messages_processed, health.last_error), (i64::from(HISTORY) + 1, None));
}

#[tokio::test]
async fn b12_a_mailbox_that_stalls_is_cut_off_by_the_watchdog_and_its_neighbour_goes_on() {
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
