//! The HTTP interface: routes, what requests are read as, who calls, how errors look. Handlers begin
//! and commit their own transactions; what comes in from channels is stored by `ingest`.

mod auth;
mod connection;
pub mod cursor;
pub mod error;
mod events;
pub mod extract;
pub mod fields;
mod health;
mod imap;
mod inbox;
mod messaging;
mod observe;
pub mod openapi;
pub mod page;
mod retry;
mod router;
mod server;
mod surfaces;
pub mod webhooks;

pub use auth::{Caller, KeyCache, Scope};
pub use error::ApiError;
pub use imap::smtp::{Rules as SmtpRules, RulesError as SmtpRulesError};
pub use retry::retry;
pub use router::{document as openapi, router};
pub use server::{ServerLimits, serve};

use crate::blobs::Blobs;
use crate::clock::Clock;
use crate::ids::Ids;
use crate::ingest::{Gather, Pipeline};
use crate::limits;
use crate::notify::Wake;
use crate::secret::{ReplyTokens, Sealer};
use crate::spool::Spool;
use crate::store::Store;
use crate::supervisor::Supervisor;
use crate::web::Web;
use jiff::Timestamp;
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use webhooks::{Outage, Receivers};

/// What handlers work with. Cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// Where everything is kept.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids and random bytes.
    pub ids: Ids,
    /// What configuration decides.
    pub settings: Arc<Settings>,
    /// Seals and opens the secrets of surfaces.
    pub sealer: Sealer,
    /// API keys seen a moment ago.
    pub keys: Arc<KeyCache>,
    /// The figures of the process.
    pub metrics: PrometheusHandle,
    /// The other parts of the process that handlers call.
    pub services: Arc<Services>,
    /// Polls mailboxes.
    pub supervisor: Supervisor,
    /// The rules for talking to SMTP servers.
    pub smtp: Arc<SmtpRules>,
}

/// The parts of the process that handlers call.
#[derive(Debug)]
pub struct Services {
    /// Where the bytes of attachments are.
    pub blobs: Blobs,
    /// Rung after every commit that has events.
    pub wake: Wake,
    /// Keeps what webhooks bring, many requests in one commit.
    pub gather: Gather,
    /// The pipeline that it gathers into.
    pub pipeline: Pipeline,
    /// The surfaces that webhooks come for.
    pub receivers: Receivers,
    /// What webhooks bring while the store is away.
    pub outage: Outage,
    /// Cancelled when the process stops: what never ends by itself ends then.
    pub stopping: CancellationToken,
}

impl Services {
    /// The parts over one store and one folder of blobs.
    #[must_use]
    pub fn new(
        store: &Store,
        blobs: Blobs,
        ids: &Ids,
        clock: &Arc<dyn Clock>,
        stopping: CancellationToken,
    ) -> Self {
        let wake = Wake::default();
        let pipeline = Pipeline::new(store.clone(), blobs.clone(), ids.clone(), clock.clone(), wake.clone());
        Self {
            blobs,
            wake,
            gather: Gather::new(pipeline.clone()),
            pipeline,
            receivers: Receivers::default(),
            outage: Outage::default(),
            stopping,
        }
    }

    /// The same, reading reply tokens in mails.
    #[must_use]
    pub fn with_reply_tokens(self, tokens: ReplyTokens) -> Self {
        let pipeline = self.pipeline.with_reply_tokens(tokens);
        Self { gather: Gather::new(pipeline.clone()), pipeline, ..self }
    }

    /// The same with a spool for the time that the store is away.
    #[must_use]
    pub fn with_spool(self, spool: Option<Spool>) -> Self {
        Self { outage: Outage::new(spool), ..self }
    }

    /// The same, asking providers for the keys that they publish by `web`.
    #[must_use]
    pub fn with_web(self, web: Web) -> Self {
        Self { receivers: self.receivers.with_web(web), ..self }
    }
}

impl AppState {
    /// The time as the store keeps it, in whole microseconds: what is answered is what is read later.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }
}

impl std::fmt::Debug for AppState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppState").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What configuration decides about the interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where clients reach us, without a slash at the end: `https://inlet.example`.
    pub public_url: String,
    /// How long a client may take to send a body; larger ones get a second more for each 64 KiB.
    pub body_timeout: Duration,
    /// Largest body of an API request.
    pub api_body_bytes: usize,
    /// Largest body of a webhook request, unless its surface says less.
    pub webhook_body_bytes: usize,
}

impl Settings {
    /// The defaults, for a service that is reached at `public_url`.
    #[must_use]
    pub fn new(public_url: impl Into<String>) -> Self {
        Self {
            public_url: public_url.into(),
            body_timeout: Duration::from_secs(30),
            api_body_bytes: limits::API_BODY_BYTES,
            webhook_body_bytes: limits::WEBHOOK_BODY_BYTES,
        }
    }
}
