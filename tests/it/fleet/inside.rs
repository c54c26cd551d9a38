//! A supervisor within the test's own process, on SQLite, with an intake, a clock and rules of the test's own.

use inlet::clock::Clock;
use inlet::config::Config;
use inlet::ids::{SurfaceId, TenantId};
use inlet::imap;
use inlet::ingest::Pipeline;
use inlet::model::JsonMap;
use inlet::model::surface::{Surface, SurfaceStatus};
use inlet::notify::Wake;
use inlet::site::Site;
use inlet::store::imap::MailboxSettings;
use inlet::supervisor::{Intake, Parts, Supervisor};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What differs from test to test.
pub struct Rules<'a> {
    /// An authority to trust besides the system's, PEM.
    pub certificate: Option<&'a str>,
    pub lease: Duration,
    pub clock: Option<Arc<dyn Clock>>,
}

impl Default for Rules<'_> {
    fn default() -> Self {
        Self { certificate: None, lease: Duration::from_secs(40), clock: None }
    }
}

/// A supervisor that runs until this is dropped.
pub struct Inside<I> {
    pub site: Site,
    pub tenant: TenantId,
    pub supervisor: Supervisor,
    pub intake: I,
    _directory: tempfile::TempDir,
    _stop: DropGuard,
}

impl<I: Intake> Inside<I> {
    pub async fn open(rules: Rules<'_>, intake: impl FnOnce(Pipeline) -> I) -> Self {
        crate::mailbox::world::provide_tls();
        let directory = tempfile::tempdir().unwrap();
        let authority = rules.certificate.map(|certificate| {
            let file = directory.path().join("ca.pem");
            std::fs::write(&file, certificate).unwrap();
            file
        });
        let mut config = Config::default();
        config.data.dir = directory.path().join("data");
        let mut site = Site::open(config).await.unwrap();
        if let Some(clock) = rules.clock {
            site.clock = clock;
        }
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
                tls: imap::tls_config(authority.as_slice()).unwrap(),
                limits: imap::Limits::default(),
            },
            in_flight: imap::poll::InFlight::new(1 << 20),
            max_message_bytes: 1 << 20,
            worker: site.ids.next(),
            logins_per_second: 25,
            lease: rules.lease,
        });
        let intake = intake(site.pipeline(Wake::default()));
        let stop = CancellationToken::new();
        tokio::spawn(supervisor.worker(intake.clone()).run(stop.clone()));
        Self { site, tenant, supervisor, intake, _directory: directory, _stop: stop.drop_guard() }
    }

    /// Starts the mailbox of a new surface; `change` names its server.
    pub async fn start(&self, id: SurfaceId, change: Value) {
        let now = self.site.clock.now();
        let settings = json!({
            "imapPassword": "secret", "imapSecure": true, "mailbox": "INBOX", "pollIntervalMinutes": 60, "idle": true,
        });
        let mut settings: JsonMap = settings.as_object().unwrap().clone();
        settings.extend(change.as_object().unwrap().clone());
        self.site.sealer.seal_map(&mut settings, self.tenant, id);
        let surface = Surface {
            id,
            name: "support".to_owned(),
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
    }
}
