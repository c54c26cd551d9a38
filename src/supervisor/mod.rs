//! The supervisor of mailboxes: one task for each mailbox that this worker has leased polls it, waits for the server
//! to announce mail or for the next time, and backs off when something fails.
//!
//! [`Worker`] runs; [`Supervisor`] is what others hold: it asks for polls and tells how they go. What is to be polled
//! stands in the store ([`crate::store::imap`]); a wake-up carries no data, so a start, a stop, a crash and a second
//! worker are the same case. Reading a mailbox is [`crate::imap::poll`]'s, storing `ingest`'s.

mod access;
mod act;
mod audit;
pub mod backoff;
mod connect;
mod demand;
pub mod explanation;
mod failure;
pub mod hosts;
mod identity;
mod leases;
mod live;
mod now;
mod pace;
pub mod providers;
mod rest;
pub mod schedule;
mod seats;
pub mod settings;
mod task;
mod token;
mod trigger;
mod worker;

pub use access::Access;
pub use audit::MailboxAudit;
pub use identity::Identity;
pub use live::Connection;
pub use now::{PollNowError, SurfacePoll};
pub use token::{TokenError, Tokens};
pub use trigger::MailboxPoll;
pub use worker::Worker;

use crate::clock::Clock;
use crate::envelope::MailboxSink;
use crate::ids::{Ids, SurfaceId, TenantId, WorkerId};
use crate::imap::Network;
use crate::imap::poll::InFlight;
use crate::ingest::{MailboxIngest, Pipeline};
use crate::secret::Sealer;
use crate::store::Store;
use crate::store::imap::{Lease, MailboxHealth};
use backoff::Trouble;
use hosts::Hosts;
use live::LiveSurface;
use seats::Accounts;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Where mail of a surface goes. Implemented for the pipeline; tests have their own.
pub trait Intake: Clone + Send + Sync + 'static {
    /// Stores one mailbox's windows.
    type Sink: MailboxSink + 'static;

    /// The sink of one surface, writing under `lease`.
    fn sink(&self, tenant: TenantId, surface: SurfaceId, lease: Lease) -> Self::Sink;
}

impl Intake for Pipeline {
    type Sink = MailboxIngest;

    fn sink(&self, tenant: TenantId, surface: SurfaceId, lease: Lease) -> MailboxIngest {
        self.mailbox(tenant, surface, lease)
    }
}

/// What the supervisor works with.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Settings, health, cursors, leases.
    pub store: Store,
    /// Opens the secrets of settings.
    pub sealer: Sealer,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Jitter.
    pub ids: Ids,
    /// The rules of the network.
    pub network: Network,
    /// Memory for mail in flight, for the whole process.
    pub in_flight: InFlight,
    /// A mail above this is not downloaded, bytes.
    pub max_message_bytes: u64,
    /// This process.
    pub worker: WorkerId,
    /// Logins at one host a second, all mailboxes of this process together.
    pub logins_per_second: u32,
    /// How long a lease lasts that is not renewed.
    pub lease: Duration,
}

/// Why a poll failed, for those who asked and for `/status`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct PollFailure {
    /// What kind of trouble.
    pub trouble: Trouble,
    /// A sentence; never a secret or mail content.
    pub words: String,
}

/// The supervisor as others see it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Supervisor {
    shared: Arc<Shared>,
}

/// What handle, worker and tasks share.
#[derive(Debug)]
struct Shared {
    parts: Parts,
    hosts: Hosts,
    accounts: Accounts,
    surfaces: RwLock<HashMap<SurfaceId, Arc<LiveSurface>>>,
    /// Buckets that this worker holds now.
    held: RwLock<HashSet<u16>>,
    /// Settings that cannot be used: their revision, and why.
    unusable: RwLock<HashMap<SurfaceId, (i64, PollFailure)>>,
    wake: Notify,
    /// Grows with every look at what is to be polled.
    rounds: watch::Sender<u64>,
}

impl Supervisor {
    /// A supervisor that does nothing until its [`Worker`] runs.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let shared = Shared {
            hosts: Hosts::new(parts.logins_per_second),
            accounts: Accounts::default(),
            parts,
            surfaces: RwLock::default(),
            held: RwLock::default(),
            unusable: RwLock::default(),
            wake: Notify::new(),
            rounds: watch::Sender::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The one who runs, storing into `intake`.
    #[must_use]
    pub fn worker<I: Intake>(&self, intake: I) -> Worker<I> {
        Worker::new(Arc::clone(&self.shared), intake)
    }

    /// Something was started or stopped: look now. Other workers see it within seconds.
    pub fn wake(&self) {
        self.shared.wake.notify_one();
    }

    /// How polling a surface goes at this moment, if it is this worker that polls it.
    #[must_use]
    pub fn live(&self, surface: SurfaceId) -> Option<MailboxHealth> {
        self.shared.find(surface).map(|live| live.health())
    }

    /// What it works with.
    #[must_use]
    pub fn parts(&self) -> &Parts {
        &self.shared.parts
    }
}

impl Shared {
    fn find(&self, surface: SurfaceId) -> Option<Arc<LiveSurface>> {
        self.surfaces.read().unwrap_or_else(PoisonError::into_inner).get(&surface).cloned()
    }

    fn holds(&self, surface: SurfaceId) -> bool {
        self.held.read().unwrap_or_else(PoisonError::into_inner).contains(&Lease::bucket_of(surface))
    }

    /// Why the settings of that revision cannot be used, if they were tried.
    fn unusable(&self, surface: SurfaceId, revision: i64) -> Option<PollFailure> {
        let unusable = self.unusable.read().unwrap_or_else(PoisonError::into_inner);
        unusable.get(&surface).filter(|(of, _)| *of == revision).map(|(_, failure)| failure.clone())
    }

    /// A uniform number for jitter.
    fn chance(&self) -> u32 {
        u32::from_le_bytes(self.parts.ids.random::<4>())
    }
}
