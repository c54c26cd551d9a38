//! The daemon: every part made and joined, from the configuration to the last lease given back. What
//! the parts do is theirs.

use crate::config::Config;
use crate::http::{self, AppState, KeyCache, ServerLimits, Services, Settings, SmtpRules, SmtpRulesError};
use crate::ids::WorkerId;
use crate::imap::{self, poll::InFlight};
use crate::lifecycle::Lifecycle;
use crate::limits;
use crate::media::{self, Media};
use crate::site::{DeclaredError, FirstKey, Site, SiteError};
use crate::spool::{Spool, SpoolError};
use crate::store::StoreError;
use crate::supervisor::{Identity, Parts, Supervisor};
use crate::upkeep;
use crate::web::{Web, WebSetupError};
use metrics_exporter_prometheus::PrometheusHandle;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How often old samples are folded away.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// The spool's folder in the data directory.
const SPOOL_FOLDER: &str = "spool";

/// Why the daemon does not start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The data directory, the key or the store.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// The store, after it was opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folder of the spool.
    #[error("the spool: {0}")]
    Spool(#[from] SpoolError),
    /// The surfaces of the configuration.
    #[error(transparent)]
    Declared(#[from] DeclaredError),
    /// Fetching from the web.
    #[error(transparent)]
    Web(#[from] WebSetupError),
    /// Trust for mail servers.
    #[error(transparent)]
    Tls(#[from] imap::TlsSetupError),
    /// The same for sending.
    #[error(transparent)]
    Smtp(#[from] SmtpRulesError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source} (INLET_LISTEN sets another address)")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A daemon that is ready and not yet serving.
#[derive(Debug)]
pub struct App {
    site: Site,
    listener: TcpListener,
    url: String,
    first_key: FirstKey,
    state: AppState,
    media: Media,
    /// Held as long as this worker runs.
    _identity: Identity,
}

impl App {
    /// Opens what `config` names, brings the schema up to date and binds the address.
    ///
    /// # Errors
    /// [`AppError`], in words for an operator.
    pub async fn start(config: Config, metrics: PrometheusHandle) -> Result<Self, AppError> {
        Self::at(Site::open(config).await?, metrics).await
    }

    /// The same on an opened site.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn at(site: Site, metrics: PrometheusHandle) -> Result<Self, AppError> {
        let server = &site.config.server;
        let failed = |source| AppError::Listen { address: server.listen, source };
        let listener = TcpListener::bind(server.listen).await.map_err(failed)?;
        let url = server.url_at(listener.local_addr().map_err(failed)?);
        let first_key = site.ensure_first_key().await?;
        site.declare_surfaces(&|name| std::env::var(name).ok()).await?;
        let identity = Identity::claim(&site.config.data.dir, &site.ids);
        let state = AppState {
            store: site.store.clone(),
            clock: site.clock.clone(),
            ids: site.ids.clone(),
            settings: Arc::new(Settings {
                public_url: url.clone(),
                body_timeout: Duration::from_secs(server.body_timeout_seconds),
                api_body_bytes: server.api_body_bytes,
                webhook_body_bytes: server.webhook_body_bytes,
            }),
            sealer: site.sealer.clone(),
            keys: Arc::new(KeyCache::default()),
            metrics,
            services: Arc::new(
                Services::new(
                    &site.store,
                    site.blobs.clone(),
                    &site.ids,
                    &site.clock,
                    CancellationToken::new(),
                )
                .with_reply_tokens(site.sealer.reply_tokens())
                .with_spool(open_spool(&site.config)?)
                .with_web(web(&site.config)?),
            ),
            supervisor: supervisor(&site, identity.worker)?,
            smtp: Arc::new(smtp_rules(&site.config)?),
        };
        // Before anybody is told that it is up.
        state.services.receivers.warm(&state).await;
        let media = media(&site, &state.services)?;
        Ok(Self { site, listener, url, first_key, state, media, _identity: identity })
    }

    /// Where clients reach it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What became of the first key.
    #[must_use]
    pub fn first_key(&self) -> &FirstKey {
        &self.first_key
    }

    /// Serves until `life` says stop, then lets what is in flight finish within the configured time. A
    /// part that ends by itself is a fault of ours: the rest is stopped in order then.
    pub async fn run(self, life: &Lifecycle) -> Ended {
        let server = &self.site.config.server;
        let grace = Duration::from_secs(server.shutdown_seconds);
        let limits = ServerLimits {
            header: Duration::from_secs(server.header_timeout_seconds),
            connections: server.max_connections,
            drain: grace,
            ..ServerLimits::default()
        };
        let feeds = self.state.services.stopping.clone();
        let pipeline = self.state.services.pipeline.clone();
        tokio::spawn(fold_metrics(self.state.metrics.clone(), life.stopping.clone()));
        tokio::spawn(upkeep::run(self.site.clone(), life.stopping.clone()));
        tokio::spawn(self.media.run(life.stopping.clone()));
        tokio::spawn(http::webhooks::drain(self.state.clone(), life.stopping.clone()));
        let polling = self.state.supervisor.worker(pipeline).run(life.stopping.clone());
        let mut polling = tokio::spawn(polling);
        let serving = http::serve(self.listener, http::router(self.state), limits, life.stopping.clone());
        let mut serving = tokio::spawn(serving);
        let broken = tokio::select! {
            // First: after a signal the parts end as well, and that is no fault.
            biased;
            () = life.stopping.cancelled() => None,
            _ = &mut polling => Some("the supervisor of mailboxes"),
            _ = &mut serving => Some("the HTTP server"),
        };
        if let Some(part) = broken {
            tracing::error!(part, "a part of the daemon ended by itself; stopping the others");
        }
        life.stopping.cancel();
        feeds.cancel();
        let store = self.site.store.clone();
        let parts = async {
            for part in [polling, serving] {
                // The one that broke has been told of above.
                if !part.is_finished()
                    && let Err(error) = part.await
                {
                    tracing::error!(%error, "a part of the daemon failed while it stopped");
                }
            }
            store.close().await;
        };
        match (life.finish(parts, grace).await, broken) {
            (_, Some(_)) => Ended::Broken,
            (true, None) => Ended::Finished,
            (false, None) => Ended::Dropped,
        }
    }
}

/// How a run of the daemon ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Everything in flight was finished.
    Finished,
    /// Something in flight was dropped; it will be done again.
    Dropped,
    /// A part ended by itself.
    Broken,
}

fn supervisor(site: &Site, worker: WorkerId) -> Result<Supervisor, AppError> {
    let config = &site.config;
    let max_message_bytes = u64::from(config.imap.max_message_bytes);
    Ok(Supervisor::new(Parts {
        store: site.store.clone(),
        sealer: site.sealer.clone(),
        clock: site.clock.clone(),
        ids: site.ids.clone(),
        network: network(config)?,
        in_flight: InFlight::new(limits::IN_FLIGHT_BYTES as u64),
        max_message_bytes,
        worker,
        logins_per_second: config.imap.logins_per_second,
        lease: Duration::from_secs(config.imap.lease_seconds),
    }))
}

fn media(site: &Site, services: &Services) -> Result<Media, AppError> {
    Ok(Media::new(media::Parts {
        store: site.store.clone(),
        blobs: site.blobs.clone(),
        sealer: site.sealer.clone(),
        clock: site.clock.clone(),
        ids: site.ids.clone(),
        wake: services.wake.clone(),
        pipeline: services.pipeline.clone(),
        web: web(&site.config)?,
        max_bytes: site.config.media.max_bytes,
    }))
}

fn web(config: &Config) -> Result<Web, AppError> {
    Ok(Web::new(&network(config)?)?)
}

fn network(config: &Config) -> Result<imap::Network, imap::TlsSetupError> {
    let max_message_bytes = u64::from(config.imap.max_message_bytes);
    Ok(imap::Network {
        allow_private_hosts: config.network.allow_private_hosts,
        allow_plaintext: config.network.allow_plaintext,
        tls: imap::tls_config(&config.tls.extra_ca)?,
        limits: imap::Limits { max_message_bytes, ..imap::Limits::default() },
    })
}

fn open_spool(config: &Config) -> Result<Option<Spool>, SpoolError> {
    let most_bytes = config.webhooks.spool_bytes;
    (most_bytes > 0).then(|| Spool::open(&config.data.dir.join(SPOOL_FOLDER), most_bytes)).transpose()
}

fn smtp_rules(config: &Config) -> Result<SmtpRules, SmtpRulesError> {
    let network = &config.network;
    SmtpRules::new(network.allow_private_hosts, network.allow_plaintext, &config.tls.extra_ca)
}

async fn fold_metrics(metrics: PrometheusHandle, end: CancellationToken) {
    let forever = async {
        loop {
            tokio::time::sleep(METRICS_UPKEEP).await;
            metrics.run_upkeep();
        }
    };
    let _ = end.run_until_cancelled(forever).await;
}

#[cfg(test)]
mod tests {
    use crate::http::Scope;
    use crate::site::SCOPES;

    #[test]
    fn the_command_line_and_the_api_know_the_same_scopes() {
        assert!(Scope::ALL.iter().map(|scope| scope.as_str()).eq(SCOPES.iter().copied()));
    }
}
