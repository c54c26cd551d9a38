//! The part that runs: holds leases, looks at what is to be polled, and keeps one task for each mailbox of it.

use super::backoff::Trouble;
use super::connect::Connector;
use super::leases::Leases;
use super::live::{LiveMailbox, LiveSurface};
use super::settings::{Account, SettingsError};
use super::task::{Exit, Task};
use super::{Intake, PollFailure, Shared};
use crate::ids::{SurfaceId, TenantId};
use crate::secret::SecretError;
use crate::store::StoreError;
use crate::store::imap::{Lease, MailboxHealth, MailboxSettings};
use futures_util::{StreamExt as _, stream};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// How long giving leases back may take at the end.
const RELEASE_LIMIT: Duration = Duration::from_secs(10);
/// How often the store is asked what is to be polled; a wake-up comes sooner.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long that may take.
const LOOK_LIMIT: Duration = Duration::from_secs(20);
/// Starts a second when many mailboxes begin at once.
const STARTS_PER_SECOND: u32 = 50;
/// How far ahead starts are planned. What is beyond it is begun with at a later look, so that leases are renewed in
/// between, however many mailboxes there are.
const PLAN_AHEAD: Duration = LOOK_EVERY;
/// How long a task may take to end after it was told to, before it is cut off.
const END_LIMIT: Duration = Duration::from_secs(30);
/// States that are kept at once when the process stops.
const SAVES_AT_ONCE: usize = 8;
/// How long all of them may take when the process stops.
const STOP_LIMIT: Duration = Duration::from_secs(8);
/// The pause before a task that panicked is begun anew; grows with every panic.
const PANIC_PAUSE: Duration = Duration::from_secs(2);

/// Runs the tasks. Made by [`super::Supervisor::worker`].
pub struct Worker<I> {
    shared: Arc<Shared>,
    intake: I,
    tasks: JoinSet<(SurfaceId, Exit)>,
    running: HashMap<SurfaceId, Running>,
    /// Which task belongs to which surface, for those that end without a word.
    owners: HashMap<Id, SurfaceId>,
    leases: Leases,
    /// When the next mailbox may begin: starts stand in a queue of moments.
    next_start: Instant,
    /// Panics of a surface's tasks, which delay its next start.
    panics: HashMap<SurfaceId, u32>,
}

struct Running {
    revision: i64,
    lease: Lease,
    stop: CancellationToken,
    handles: Vec<AbortHandle>,
    live: Arc<LiveSurface>,
    alive: usize,
    told_to_end_at: Option<Instant>,
}

/// Why a surface cannot be begun with.
#[derive(Debug, thiserror::Error)]
enum BeginError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<I: Intake> Worker<I> {
    pub(super) fn new(shared: Arc<Shared>, intake: I) -> Self {
        Self {
            shared,
            intake,
            tasks: JoinSet::new(),
            running: HashMap::new(),
            owners: HashMap::new(),
            leases: Leases::default(),
            next_start: Instant::now(),
            panics: HashMap::new(),
        }
    }

    /// Runs until `stop`: then every window that is being stored is finished, and the leases are given back.
    pub async fn run(mut self, stop: CancellationToken) {
        // Twice in each renewal at least.
        let mut ticks = interval(LOOK_EVERY.min(self.shared.parts.lease / 8));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shared = Arc::clone(&self.shared);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = self.tasks.join_next_with_id(), if !self.tasks.is_empty() => self.note_end(ended),
                _ = ticks.tick() => {}
                () = shared.wake.notified() => {}
            }
            while let Some(ended) = self.tasks.try_join_next_with_id() {
                self.note_end(ended);
            }
            // Leases first, before anything else.
            self.leases.renew(&shared.parts).await;
            self.end_without_lease();
            self.cut_off_stalled();
            self.look().await;
            let busy: HashSet<u16> = self.running.values().map(|running| running.lease.bucket).collect();
            self.leases.give_back(&shared.parts, |bucket| busy.contains(&bucket)).await;
            self.shared.rounds.send_modify(|round| *round += 1);
        }
        self.end_all().await;
    }

    /// Ends the tasks whose lease is gone, leaving, of another epoch, or was not renewed in time.
    fn end_without_lease(&mut self) {
        self.leases.drop_untrusted();
        for running in self.running.values_mut() {
            let lease = self.leases.usable(running.lease.bucket);
            if lease.is_none_or(|lease| lease.epoch != running.lease.epoch) {
                running.end();
            }
        }
        let mut held = self.shared.held.write().unwrap_or_else(PoisonError::into_inner);
        *held = self.leases.usable_buckets().into_iter().collect();
    }

    /// Tasks that have promised to be heard of and were not, or that do not end.
    fn cut_off_stalled(&mut self) {
        for (surface, running) in &mut self.running {
            if running.live.mailboxes.iter().any(|mailbox| mailbox.is_stalled()) {
                tracing::error!(%surface, "a mailbox's task has stalled; it is begun anew");
                metrics::counter!("inlet_imap_stalled_total").increment(1);
                running.abort();
            }
            if running.told_to_end_at.is_some_and(|at| at.elapsed() > END_LIMIT) {
                running.abort();
            }
        }
    }

    /// Compares what is to be polled with what is polled.
    async fn look(&mut self) {
        let buckets = self.leases.usable_buckets();
        let wanted = if buckets.is_empty() {
            Ok(Ok(Vec::new()))
        } else {
            timeout(LOOK_LIMIT, self.shared.parts.store.list_enabled_revisions(&buckets)).await
        };
        let wanted: HashMap<SurfaceId, (TenantId, i64)> = match wanted {
            Ok(Ok(found)) => {
                found.into_iter().map(|(tenant, surface, revision)| (surface, (tenant, revision))).collect()
            }
            Ok(Err(error)) => return tracing::warn!(%error, "what is to be polled could not be read"),
            Err(_) => return tracing::warn!("what is to be polled could not be read in time"),
        };
        for (surface, running) in &mut self.running {
            if wanted.get(surface).is_none_or(|(_, revision)| *revision != running.revision) {
                running.end();
            }
        }
        self.shared
            .unusable
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|surface, (tried, _)| wanted.get(surface).is_some_and(|(_, revision)| revision == tried));
        self.panics.retain(|surface, _| wanted.contains_key(surface));
        let begun = Instant::now();
        for (surface, (tenant, revision)) in wanted {
            if self.running.contains_key(&surface) || self.shared.unusable(surface, revision).is_some() {
                continue;
            }
            let now = Instant::now();
            let start = self.next_start.max(now);
            if start.duration_since(now) >= PLAN_AHEAD || begun.elapsed() >= PLAN_AHEAD {
                break;
            }
            let Some(lease) = self.leases.usable(Lease::bucket_of(surface)) else { continue };
            if self.begin((tenant, surface), lease, start.duration_since(now)).await {
                self.next_start = start + Duration::from_secs(1) / STARTS_PER_SECOND;
            }
        }
    }

    /// Whether there is something to begin with, usable or not.
    async fn begin(
        &mut self,
        (tenant, surface): (TenantId, SurfaceId),
        lease: Lease,
        delay: Duration,
    ) -> bool {
        let settings = match self.shared.parts.store.get_mailbox(tenant, surface).await {
            Ok(Some(settings)) if settings.enabled => settings,
            Ok(_) => return false,
            Err(error) => {
                tracing::warn!(%surface, %error, "the settings of a mailbox could not be read");
                return false;
            }
        };
        let revision = settings.revision;
        if let Err(error) = self.try_begin(&settings, lease, delay).await {
            tracing::error!(%surface, %error, "a mailbox cannot be polled");
            if matches!(error, BeginError::Store(_)) {
                return true;
            }
            let failure = PollFailure { trouble: Trouble::Config, words: error.to_string() };
            self.shared
                .unusable
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(surface, (revision, failure));
            self.keep_unusable(&settings, &error).await;
        }
        true
    }

    async fn try_begin(
        &mut self,
        settings: &MailboxSettings,
        lease: Lease,
        delay: Duration,
    ) -> Result<(), BeginError> {
        let (tenant, surface) = (settings.tenant_id, settings.surface_id);
        let parts = &self.shared.parts;
        let opened = parts.sealer.open_map(&settings.settings, tenant, surface)?;
        let account = Account::read(tenant, surface, opened)?;
        let connector = Arc::new(Connector::new(&self.shared, (tenant, surface), settings.revision, account));
        let before = parts.store.get_mailbox_health(tenant, surface).await?.messages_processed;
        let named = connector.account.mailboxes.iter().map(|mailbox| LiveMailbox::new(&mailbox.name));
        let mailboxes: Vec<Arc<LiveMailbox>> = named.map(Arc::new).collect();
        let live = Arc::new(LiveSurface::new(
            Arc::clone(&connector),
            mailboxes.clone(),
            parts.worker,
            parts.store.clone(),
            before,
        ));
        let stop = CancellationToken::new();
        let delay = delay + PANIC_PAUSE * self.panics.get(&surface).map_or(0, |count| (*count).min(150));
        let mut handles = Vec::new();
        for (mailbox, live_mailbox) in connector.account.mailboxes.iter().zip(mailboxes) {
            let task = Task {
                shared: Arc::clone(&self.shared),
                surface: Arc::clone(&live),
                live: live_mailbox,
                connector: Arc::clone(&connector),
                mailbox: mailbox.clone(),
                sink: self.intake.sink(tenant, surface, lease),
                stop: stop.clone(),
                delay,
            };
            let handle = self.tasks.spawn(async move { (surface, task.run().await) });
            self.owners.insert(handle.id(), surface);
            handles.push(handle);
        }
        let running = Running {
            revision: settings.revision,
            lease,
            stop,
            alive: handles.len(),
            handles,
            live: Arc::clone(&live),
            told_to_end_at: None,
        };
        self.running.insert(surface, running);
        self.shared.surfaces.write().unwrap_or_else(PoisonError::into_inner).insert(surface, live);
        Ok(())
    }

    /// Shows settings that cannot be used where their owner looks.
    async fn keep_unusable(&self, settings: &MailboxSettings, error: &BeginError) {
        let parts = &self.shared.parts;
        let (tenant, surface) = (settings.tenant_id, settings.surface_id);
        let before = parts.store.get_mailbox_health(tenant, surface).await.unwrap_or_default();
        let health = MailboxHealth {
            last_error: Some(error.to_string()),
            error_class: Some("config".to_owned()),
            consecutive_errors: before.consecutive_errors.max(1),
            connection: "closed".to_owned(),
            next_poll_at: None,
            last_poll_at: Some(parts.clock.now()),
            worker: Some(parts.worker.to_string()),
            ..before
        };
        if let Err(error) = parts.store.save_mailbox_health(tenant, surface, &health).await {
            tracing::warn!(%surface, %error, "health was not kept");
        }
    }

    fn note_end(&mut self, ended: Result<(Id, (SurfaceId, Exit)), JoinError>) {
        let (id, exit) = match ended {
            Ok((id, (_, exit))) => (id, Some(exit)),
            Err(error) => {
                if error.is_panic() {
                    metrics::counter!("inlet_imap_panics_total").increment(1);
                }
                (error.id(), None)
            }
        };
        let Some(surface) = self.owners.remove(&id) else { return };
        let Some(running) = self.running.get_mut(&surface) else { return };
        running.alive = running.alive.saturating_sub(1);
        match exit {
            Some(Exit::Stopped) => {}
            Some(Exit::Fenced) => {
                tracing::warn!(%surface, "another worker has taken the mailbox over");
                let bucket = running.lease.bucket;
                running.end();
                self.leases.forget(bucket);
            }
            None => {
                // Panicked or cut off: the other mailboxes of the surface go on anew with it.
                let count = self.panics.entry(surface).or_insert(0);
                *count = count.saturating_add(1);
                tracing::error!(%surface, count, "a mailbox's task has failed; it is begun anew");
                running.end();
            }
        }
        if running.alive == 0 {
            self.running.remove(&surface);
            self.shared.surfaces.write().unwrap_or_else(PoisonError::into_inner).remove(&surface);
        }
    }

    /// The process stops.
    async fn end_all(mut self) {
        self.running.values_mut().for_each(Running::end);
        let ending = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(STOP_LIMIT, ending).await.is_err() {
            tracing::warn!("some mailboxes did not end in time and were cut off");
            self.tasks.abort_all();
            while self.tasks.join_next().await.is_some() {}
        }
        // A few at once: each takes 30 KB while it is under way, and there may be ten thousand.
        let lives: Vec<_> = self.running.into_values().map(|running| running.live).collect();
        let saves = stream::iter(lives).map(|live| async move { live.save().await });
        let _ = timeout(RELEASE_LIMIT, saves.buffer_unordered(SAVES_AT_ONCE).count()).await;
        self.shared.surfaces.write().unwrap_or_else(PoisonError::into_inner).clear();
        let parts = &self.shared.parts;
        match timeout(RELEASE_LIMIT, parts.store.release_leases(parts.worker)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "leases were not given back; they run out by themselves");
            }
            Err(_) => tracing::warn!("leases were not given back in time; they run out by themselves"),
        }
    }
}

impl Running {
    fn end(&mut self) {
        self.stop.cancel();
        self.told_to_end_at.get_or_insert_with(Instant::now);
    }

    fn abort(&mut self) {
        self.end();
        self.handles.iter().for_each(AbortHandle::abort);
    }
}
