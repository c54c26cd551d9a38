//! The task of one mailbox: poll, rest until something happens, poll again; back off after a failure. It ends when
//! it is told to, or when another worker has taken the mailbox over.

use super::backoff::Trouble;
use super::hosts::idle_limit;
use super::live::{Connection, LiveMailbox, LiveSurface};
use super::pace::{Pace, SHORT_LIFE};
use super::settings::{Account, Proof};
use super::token::{TokenError, Tokens};
use super::trigger::{Answer, MailboxPoll, answer};
use super::{PollFailure, Shared};
use crate::envelope::MailboxSink;
use crate::imap::poll::{LookBack, Mailbox, Place, Poll, PollError, Poller, Report};
use crate::imap::{Auth, Error, ErrorClass, IdleEnd, Session};
use crate::model::imap::Cursor;
use crate::store::StoreError;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How often UIDs below the cursor are compared with the ledger.
const LOOK_BACK_EVERY: Duration = Duration::from_mins(15);
/// How often a mailbox is polled whose server's IDLE cannot be relied on.
const DEMOTED_EVERY: Duration = Duration::from_mins(1);
/// The longest any single step of a poll may take: a batch of 8 MiB at the slowest pace that is accepted, with
/// retries. The watchdog's measure, far above every step's own deadline.
const STEP_LIMIT: Duration = Duration::from_hours(3);
/// How long saying goodbye may hold up a stop.
const GOODBYE_LIMIT: Duration = Duration::from_secs(1);

/// Why the task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// It was told to.
    Stopped,
    /// Another worker holds the lease.
    Fenced,
}

/// One mailbox to be polled.
pub(super) struct Task<S> {
    pub shared: Arc<Shared>,
    pub surface: Arc<LiveSurface>,
    pub live: Arc<LiveMailbox>,
    pub account: Arc<Account>,
    pub tokens: Option<Arc<Tokens>>,
    pub mailbox: Mailbox,
    pub sink: S,
    pub stop: CancellationToken,
    pub delay: Duration,
}

/// What the task remembers between polls.
#[derive(Default)]
struct Memory {
    place: Option<Place>,
    session: Option<(Session, Instant)>,
    pace: Pace,
    /// Changes when the host, to which no connection could be made, is up again.
    recovery: Option<watch::Receiver<()>>,
    /// The last attempt stored something before it failed.
    made_progress: bool,
    looked_back_at: Option<Instant>,
    idle_refused: bool,
    /// The last rest in IDLE ended by the clock, not by an announcement or a caller.
    was_unannounced: bool,
    /// It ended by an announcement.
    was_announced: bool,
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Poll(#[from] PollError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("the store cannot be read: {0}")]
    Store(#[from] StoreError),
}

impl Failure {
    fn trouble(&self) -> Trouble {
        match self {
            Self::Poll(PollError::Imap(error)) => match error.class() {
                ErrorClass::Auth => Trouble::Auth,
                ErrorClass::Token => Trouble::Token,
                ErrorClass::Throttle => Trouble::Throttle,
                ErrorClass::Transient => Trouble::Transient,
                ErrorClass::Protocol => Trouble::Protocol,
                ErrorClass::Config => Trouble::Config,
            },
            Self::Poll(PollError::Store(_)) | Self::Store(_) => Trouble::Store,
            Self::Poll(PollError::UidValidityUnstable { .. }) => Trouble::Config,
            Self::Poll(PollError::Crowded { .. } | PollError::Fenced | PollError::Stopped) => {
                Trouble::Transient
            }
            Self::Token(error) => error.trouble(),
        }
    }

    fn suggested_wait(&self) -> Option<Duration> {
        match self {
            Self::Poll(PollError::Imap(error)) => error.suggested_wait(),
            _ => None,
        }
    }

    /// A sentence for the owner of the mailbox, which names the mailbox where that is at fault.
    fn words(&self) -> String {
        let words = self.to_string();
        match self {
            Self::Poll(PollError::Imap(error)) => match error.mailbox() {
                Some(name) if !words.contains(name) => format!("Mailbox {name}: {words}"),
                _ => words,
            },
            _ => words,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Poll(error.into())
    }
}

impl<S: MailboxSink> Task<S> {
    /// Runs until the end.
    pub async fn run(self) -> Exit {
        let mut memory = Memory::default();
        self.pause(self.delay).await;
        let exit = loop {
            if self.stop.is_cancelled() {
                break Exit::Stopped;
            }
            let waiters = self.live.trigger.take();
            self.live.begins(STEP_LIMIT);
            // What a poll needs is given back after it: a mailbox waits nearly all of the time.
            let result = Box::pin(self.attempt(&mut memory)).await;
            if let Err(Failure::Poll(PollError::Stopped | PollError::Fenced)) = &result {
                answer(waiters, &Err(failure_of(&result)));
                let is_fenced = matches!(result, Err(Failure::Poll(PollError::Fenced)));
                break if is_fenced { Exit::Fenced } else { Exit::Stopped };
            }
            let told: Answer = match &result {
                Ok(report) => Ok(self.summary(report)),
                Err(_) => Err(failure_of(&result)),
            };
            match result {
                Ok(report) => {
                    self.note_success(&report, &mut memory);
                    answer(waiters, &told);
                    self.rest(&mut memory).await;
                }
                Err(failure) => {
                    let wait = self.note_failure(&failure, &mut memory);
                    answer(waiters, &told);
                    Box::pin(self.surface.save()).await;
                    self.back_off(wait, memory.recovery.take()).await;
                }
            }
        };
        if let Some((session, _)) = memory.session.take() {
            // Whether the server hears it does not matter.
            let _ = timeout(GOODBYE_LIMIT, session.logout()).await;
        }
        self.live.ended();
        // Where the lease is gone another worker tells how the mailbox does.
        if exit == Exit::Stopped && self.shared.holds(self.mailbox.surface_id) {
            Box::pin(self.surface.save()).await;
        }
        exit
    }

    fn summary(&self, report: &Report) -> MailboxPoll {
        MailboxPoll {
            mailbox: self.mailbox.name.clone(),
            messages_processed: report.tally.stored,
            last_uid: report.last_uid,
        }
    }

    /// One poll, on the open connection if there is one. A connection that has died in the meantime is no failure.
    async fn attempt(&self, memory: &mut Memory) -> Result<Report, Failure> {
        let look_back = self.look_back(memory).await?;
        if let Some((session, opened)) = memory.session.take() {
            let Poll { report, end } = self.poll(session, memory, look_back.clone()).await;
            match end {
                Ok(session) => {
                    memory.session = Some((session, opened));
                    return Ok(report);
                }
                Err(PollError::Imap(error))
                    if error.class() == ErrorClass::Transient && !report.found_mail() =>
                {
                    tracing::debug!(surface = %self.mailbox.surface_id, %error, "the waiting connection had died");
                }
                Err(error) => return Err(error.into()),
            }
        }
        let session = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Err(PollError::Stopped.into()),
            session = self.connect() => session,
        };
        let host = &self.account.host;
        match &session {
            Ok(_) => self.shared.hosts.note_up(host),
            Err(failure) if failure.trouble() == Trouble::Transient => {
                memory.recovery = Some(self.shared.hosts.note_down(host));
            }
            Err(_) => {}
        }
        let session = session?;
        let opened = Instant::now();
        let Poll { report, end } = self.poll(session, memory, look_back).await;
        memory.session = Some((end?, opened));
        Ok(report)
    }

    async fn poll(&self, session: Session, memory: &mut Memory, look_back: Option<LookBack>) -> Poll {
        let parts = &self.shared.parts;
        let progress = |report: &Report| {
            self.live.promises(STEP_LIMIT);
            self.surface.progressed(&self.live, report);
        };
        let poller = Poller {
            mailbox: &self.mailbox,
            sink: &self.sink,
            in_flight: &parts.in_flight,
            clock: &*parts.clock,
            max_message_bytes: parts.max_message_bytes,
            stop: &self.stop,
            progress: &progress,
        };
        let place = memory.place.get_or_insert_default();
        let poll = poller.poll(session, place, look_back).await;
        memory.made_progress = poll.report.found_mail();
        poll
    }

    /// The ledger's part of the look-back, when one is due. Reads the cursor at the first poll.
    async fn look_back(&self, memory: &mut Memory) -> Result<Option<LookBack>, StoreError> {
        let (tenant, surface) = (self.mailbox.tenant_id, self.mailbox.surface_id);
        let store = &self.shared.parts.store;
        let place = match &memory.place {
            Some(place) => place,
            None => {
                let cursors = store.list_cursors(tenant, surface).await?;
                let of_this = |cursor: &Cursor| cursor.mailbox == self.mailbox.name;
                memory.place.insert(Place::new(cursors.into_iter().find(of_this)))
            }
        };
        let is_due = memory.looked_back_at.is_none_or(|at| at.elapsed() >= LOOK_BACK_EVERY);
        let (Some(first), Some(cursor)) = (place.look_back_from().filter(|_| is_due), &place.cursor) else {
            return Ok(None);
        };
        let most = crate::imap::poll::LOOK_BACK_UIDS as usize;
        let (name, last) = (&self.mailbox.name, cursor.last_uid);
        let rows = store.list_ledger(tenant, surface, name, cursor.uid_validity, first, last, most).await?;
        memory.looked_back_at = Some(Instant::now());
        Ok(Some(LookBack { first, settled: rows.into_iter().map(|row| row.uid).collect() }))
    }

    async fn connect(&self) -> Result<Session, Failure> {
        let wait = self.shared.hosts.login_turn(&self.account.host);
        self.live.promises(wait + STEP_LIMIT);
        sleep(wait).await;
        let network = &self.shared.parts.network;
        let auth = match (&self.account.proof, &self.tokens) {
            (Proof::Password(password), _) => Auth::Password(password.clone()),
            (Proof::OAuth2(_), None) => return Err(TokenError::Url("it was not stored".into()).into()),
            (Proof::OAuth2(_), Some(tokens)) => {
                let fresh = tokens.fresh(network).await?;
                if let Some(rotated) = &fresh.rotated {
                    self.keep_refresh_token(rotated).await?;
                }
                Auth::Bearer { token: fresh.token, mechanism: self.account.mechanism() }
            }
        };
        let opened = Session::open(&self.account.target(auth), network).await;
        if let (Err(error), Some(tokens)) = (&opened, &self.tokens)
            && error.class() == ErrorClass::Token
        {
            tokens.forget().await;
        }
        Ok(opened?)
    }

    /// Stores the refresh token that the endpoint gave in place of the old one, unless the settings were replaced.
    async fn keep_refresh_token(&self, rotated: &SecretString) -> Result<(), StoreError> {
        let (tenant, surface) = (self.mailbox.tenant_id, self.mailbox.surface_id);
        let parts = &self.shared.parts;
        let Some(mut stored) = parts.store.get_mailbox(tenant, surface).await? else { return Ok(()) };
        let auth = stored.settings.get_mut("auth").and_then(serde_json::Value::as_object_mut);
        let Some(auth) = auth.filter(|_| stored.revision == self.surface.revision) else { return Ok(()) };
        let sealed = parts.sealer.seal(rotated.expose_secret(), tenant, surface, "auth.refreshToken");
        auth.insert("refreshToken".into(), sealed.into());
        let mut tx = parts.store.begin().await?;
        tx.save_mailbox(&stored).await?;
        tx.commit().await
    }

    fn note_success(&self, report: &Report, memory: &mut Memory) {
        let host = &self.account.host;
        if memory.was_unannounced && report.found_mail() && self.shared.hosts.note_missed(host) {
            tracing::warn!(host, "IDLE has missed mail several times; the host is polled for an hour");
        }
        memory.was_unannounced = false;
        if std::mem::take(&mut memory.was_announced) {
            memory.pace.answered(report.found_mail());
        }
        let failures = memory.pace.succeeded();
        if failures > 0 {
            let surface = self.mailbox.surface_id;
            tracing::info!(%surface, mailbox = self.mailbox.name, failures, "polling works again");
        }
        metrics::counter!("inlet_imap_polls_total", "result" => "ok").increment(1);
        metrics::counter!("inlet_imap_late_mails_total").increment(report.late);
        self.live.succeeded(self.shared.parts.clock.now());
    }

    /// How long to wait before the next attempt.
    fn note_failure(&self, failure: &Failure, memory: &mut Memory) -> Duration {
        let trouble = failure.trouble();
        let made_progress = std::mem::take(&mut memory.made_progress);
        let (wish, chance) = (failure.suggested_wait(), self.shared.chance());
        let wait = memory.pace.failed(trouble, made_progress, wish, chance);
        let (surface, failures) = (self.mailbox.surface_id, memory.pace.failures());
        // The first one, and then ever more rarely: a mailbox that is broken for months fills no disk.
        if failures.is_power_of_two() {
            let (mailbox, class) = (&self.mailbox.name, trouble.as_str());
            tracing::warn!(%surface, mailbox, class, failures, error = failure.words(), "polling failed");
        }
        metrics::counter!("inlet_imap_polls_total", "result" => trouble.as_str()).increment(1);
        let now = self.shared.parts.clock.now();
        let next = now.checked_add(wait).unwrap_or(Timestamp::MAX);
        let words = PollFailure { trouble, words: failure.words() };
        self.live.failed(words, failures, now, next, wait);
        wait
    }

    /// Waits until mail is announced, the next poll is due, or somebody asks.
    async fn rest(&self, memory: &mut Memory) {
        let now = self.shared.parts.clock.now();
        let mut due = self.account.cadence.next_after(now);
        let host = self.account.host.clone();
        if self.account.idle && !self.shared.hosts.may_idle(&host) {
            due = due.min(now.checked_add(DEMOTED_EVERY).unwrap_or(due));
        }
        let (mut connection, mut limit) = (Connection::Closed, until(now, due));
        if let Some((session, opened)) = memory.session.take() {
            let may_idle = self.account.idle && !memory.idle_refused && session.capabilities().idle;
            if !(may_idle && self.shared.hosts.may_idle(&host)) {
                Box::pin(session.logout()).await;
            } else {
                let next = due.min(now.checked_add(idle_limit(&host)).unwrap_or(due));
                self.live.rests(Connection::Idle, due, until(now, next) + SHORT_LIFE);
                match self.idle(session, opened, until(now, next), memory).await {
                    // What it takes to go on is another poll, now.
                    Resumed::Poll => return,
                    Resumed::Refused => memory.idle_refused = true,
                    Resumed::Lost(wait) => (connection, limit) = (Connection::Backoff, limit.min(wait)),
                }
            }
        }
        self.live.rests(connection, due, limit + SHORT_LIFE);
        Box::pin(self.surface.save()).await;
        self.pause(limit).await;
    }

    async fn idle(&self, session: Session, opened: Instant, limit: Duration, memory: &mut Memory) -> Resumed {
        Box::pin(self.surface.save()).await;
        let wake = async {
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = self.live.trigger.asked() => {}
            }
        };
        match session.idle(limit, wake).await {
            Ok((session, IdleEnd::Refused)) => {
                Box::pin(session.logout()).await;
                Resumed::Refused
            }
            Ok((session, end)) => {
                memory.pace.rested();
                memory.was_unannounced = end == IdleEnd::TimedOut;
                memory.was_announced = end == IdleEnd::Announced;
                if memory.was_announced {
                    self.shared.hosts.note_announced(&self.account.host);
                    self.pause(memory.pace.before_poll()).await;
                }
                memory.session = Some((session, opened));
                Resumed::Poll
            }
            Err(error) => {
                tracing::debug!(surface = %self.mailbox.surface_id, %error, "the connection ended while it waited");
                Resumed::Lost(memory.pace.lost(opened.elapsed(), self.shared.chance()))
            }
        }
    }

    /// The same after a failure; also ends when the host is up again.
    async fn back_off(&self, wait: Duration, recovery: Option<watch::Receiver<()>>) {
        tokio::select! {
            () = self.pause(wait) => {}
            () = recovered(recovery) => {}
        }
    }

    /// Waits so long, or until the task is stopped or asked for a poll.
    async fn pause(&self, wait: Duration) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.live.trigger.asked() => {}
            () = sleep(wait) => {}
        }
    }
}

/// Waits until the host is up again; without end where it was not down.
async fn recovered(recovery: Option<watch::Receiver<()>>) {
    if let Some(mut recovery) = recovery
        && recovery.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

/// How a rest in IDLE ended.
enum Resumed {
    /// Poll now.
    Poll,
    /// The server does not take part.
    Refused,
    /// The connection is gone; open another after so long.
    Lost(Duration),
}

fn failure_of<T>(result: &Result<T, Failure>) -> PollFailure {
    match result {
        Err(failure) => PollFailure { trouble: failure.trouble(), words: failure.words() },
        Ok(_) => PollFailure { trouble: Trouble::Internal, words: String::new() },
    }
}

fn until(now: Timestamp, due: Timestamp) -> Duration {
    Duration::try_from(due.duration_since(now)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::MailboxIngest;

    #[test]
    fn a_mailbox_that_waits_costs_little() {
        fn bytes<A, R>(_: impl Fn(A) -> R) -> usize {
            size_of::<R>()
        }
        // There may be ten thousand of them, and nearly all of them wait nearly all of the time.
        let waiting = bytes(Task::<MailboxIngest>::run);
        assert!(waiting <= 6 * 1024, "{waiting} bytes");
    }
}
