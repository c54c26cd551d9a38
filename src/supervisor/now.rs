//! "Poll now": the result of a poll that starts after the question, whichever worker polls.

use super::backoff::Trouble;
use super::live::LiveSurface;
use super::trigger::MailboxPoll;
use super::{PollFailure, Supervisor};
use crate::ids::{SurfaceId, TenantId};
use crate::store::StoreError;
use crate::store::imap::MailboxSettings;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How long a caller waits for a poll; a first one of a large mailbox may take longer.
const POLL_LIMIT: Duration = Duration::from_mins(10);
/// How long this worker may take to begin with a surface it holds.
const START_LIMIT: Duration = Duration::from_secs(15);
/// How long another worker may take for its poll.
const ELSEWHERE_LIMIT: Duration = Duration::from_secs(90);
/// How often the store is asked whether it has polled.
const ELSEWHERE_EVERY: Duration = Duration::from_millis(500);

/// What a poll of a whole surface did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurfacePoll {
    /// New messages of all mailboxes.
    pub messages_processed: u64,
    /// The main mailbox's cursor.
    pub last_uid: u32,
    /// Each mailbox.
    pub mailboxes: Vec<MailboxPoll>,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum PollNowError {
    /// The surface has no mailbox settings.
    #[error("the surface has no mailbox yet; call start first")]
    NotConfigured,
    /// It is stopped, or its surface takes no messages.
    #[error("polling is stopped; call start first")]
    Stopped,
    /// The poll failed.
    #[error(transparent)]
    Failed(#[from] PollFailure),
    /// It takes longer than a caller is let wait; it goes on.
    #[error("the poll is still under way; see status for how it goes")]
    StillPolling,
    /// Too many wait already.
    #[error("too many callers wait for this mailbox already")]
    Crowded,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Supervisor {
    /// Polls every mailbox of a surface now and gives the result of polls that started after the call. Callers that
    /// come while a poll is under way share the one that follows it.
    ///
    /// Where another worker polls the surface, it is told through the store, and its result is read there.
    ///
    /// # Errors
    /// [`PollNowError`].
    pub async fn poll_now(&self, tenant: TenantId, surface: SurfaceId) -> Result<SurfacePoll, PollNowError> {
        let settings = self.started(tenant, surface).await?;
        match self.running(surface, settings.revision).await? {
            Some(live) => poll_here(&live).await,
            None => self.poll_elsewhere(settings).await,
        }
    }

    /// Asks for a poll without waiting for it.
    ///
    /// # Errors
    /// [`PollNowError`], but for those about the poll itself.
    pub async fn ring(&self, tenant: TenantId, surface: SurfaceId) -> Result<(), PollNowError> {
        let settings = self.started(tenant, surface).await?;
        match self.running(surface, settings.revision).await? {
            Some(live) => live.mailboxes.iter().for_each(|mailbox| mailbox.trigger.ring()),
            None => self.tell_others(settings).await?,
        }
        Ok(())
    }

    async fn started(&self, tenant: TenantId, surface: SurfaceId) -> Result<MailboxSettings, PollNowError> {
        let settings = self.shared.parts.store.get_mailbox(tenant, surface).await?;
        let settings = settings.ok_or(PollNowError::NotConfigured)?;
        if settings.enabled { Ok(settings) } else { Err(PollNowError::Stopped) }
    }

    /// The surface as this worker polls it with at least these settings; waits for one that has just been started.
    /// `None` where another worker holds it.
    async fn running(
        &self,
        surface: SurfaceId,
        revision: i64,
    ) -> Result<Option<Arc<LiveSurface>>, PollFailure> {
        let mut rounds = self.shared.rounds.subscribe();
        let waiting = async {
            loop {
                let round = *rounds.borrow_and_update();
                let live = self.shared.find(surface).filter(|live| live.revision >= revision);
                if live.is_some() || (round > 0 && !self.shared.holds(surface)) {
                    return Ok(live);
                }
                if let Some(failure) = self.shared.unusable(surface, revision) {
                    return Err(failure);
                }
                if rounds.changed().await.is_err() {
                    return Ok(None);
                }
            }
        };
        self.wake();
        timeout(START_LIMIT, waiting).await.unwrap_or(Ok(None))
    }

    /// Starts the same settings anew: whoever polls them begins with a poll.
    async fn tell_others(&self, settings: MailboxSettings) -> Result<(), StoreError> {
        let store = &self.shared.parts.store;
        let mut tx = store.begin().await?;
        let now = self.shared.parts.clock.now();
        let revision = settings.revision + 1;
        tx.save_mailbox(&MailboxSettings { revision, updated_at: now, ..settings }).await?;
        tx.commit().await
    }

    async fn poll_elsewhere(&self, settings: MailboxSettings) -> Result<SurfacePoll, PollNowError> {
        let (tenant, surface) = (settings.tenant_id, settings.surface_id);
        let store = &self.shared.parts.store;
        let before = store.get_mailbox_health(tenant, surface).await?;
        self.tell_others(settings).await?;
        let started = Instant::now();
        while started.elapsed() < ELSEWHERE_LIMIT {
            sleep(ELSEWHERE_EVERY).await;
            let after = store.get_mailbox_health(tenant, surface).await?;
            if after.last_poll_at == before.last_poll_at {
                continue;
            }
            if let Some(words) = after.last_error {
                return Err(PollFailure { trouble: Trouble::Transient, words }.into());
            }
            let processed = after.messages_processed.saturating_sub(before.messages_processed);
            let cursors = store.list_cursors(tenant, surface).await?;
            let mailboxes: Vec<MailboxPoll> = cursors
                .into_iter()
                .map(|cursor| MailboxPoll {
                    mailbox: cursor.mailbox,
                    messages_processed: 0,
                    last_uid: cursor.last_uid,
                })
                .collect();
            return Ok(SurfacePoll {
                messages_processed: u64::try_from(processed).unwrap_or(0),
                last_uid: mailboxes.first().map_or(0, |mailbox| mailbox.last_uid),
                mailboxes,
            });
        }
        let words =
            "no worker has polled this mailbox in time; it is polled as soon as one is free".to_owned();
        Err(PollFailure { trouble: Trouble::Internal, words }.into())
    }
}

async fn poll_here(live: &LiveSurface) -> Result<SurfacePoll, PollNowError> {
    let asked: Option<Vec<_>> = live.mailboxes.iter().map(|mailbox| mailbox.trigger.ask()).collect();
    let asked = asked.ok_or(PollNowError::Crowded)?;
    let all = timeout(POLL_LIMIT, futures_util::future::join_all(asked)).await;
    let mut polled = Vec::new();
    let mut failed = None;
    for answer in all.map_err(|_| PollNowError::StillPolling)? {
        match answer {
            Ok(Ok(poll)) => polled.push(poll),
            Ok(Err(failure)) => failed = failed.or(Some(failure)),
            Err(_) => failed = failed.or_else(|| Some(restarted())),
        }
    }
    if let Some(failure) = failed {
        return Err(failure.into());
    }
    Ok(SurfacePoll {
        messages_processed: polled.iter().map(|poll| poll.messages_processed).sum(),
        last_uid: polled.first().map_or(0, |poll| poll.last_uid),
        mailboxes: polled,
    })
}

/// The task ended before it could answer.
fn restarted() -> PollFailure {
    let words = "polling was started anew or stopped meanwhile; ask again".to_owned();
    PollFailure { trouble: Trouble::Internal, words }
}
