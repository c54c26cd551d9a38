//! The task of one mailbox: poll, rest until something happens, poll again; back off after a failure. It ends when
//! it is told to, or when another worker has taken the mailbox over.

use super::act::act;
use super::backoff::Trouble;
use super::connect::{Connector, Opened};
use super::failure::Failure;
use super::live::{LiveMailbox, LiveSurface};
use super::pace::Pace;
use super::trigger::{Answer, MailboxPoll, answer};
use super::{PollFailure, Shared};
use crate::envelope::MailboxSink;
use crate::imap::ErrorClass;
use crate::imap::poll::{LookBack, Mailbox, Place, Poll, PollError, Poller, Report};
use crate::model::imap::Cursor;
use crate::store::StoreError;
use crate::store::outbox::{Event, EventKind};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How often UIDs below the cursor are compared with the ledger.
const LOOK_BACK_EVERY: Duration = Duration::from_mins(15);
/// How soon again where the server says that something changed and nothing new is there (CONDSTORE).
const LOOK_BACK_AT_CHANGE: Duration = Duration::from_mins(1);
/// How long what follows storing is left alone after it failed.
const ACT_AGAIN_AFTER: Duration = Duration::from_mins(15);
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
    pub connector: Arc<Connector>,
    pub mailbox: Mailbox,
    pub sink: S,
    pub stop: CancellationToken,
    pub delay: Duration,
}

/// What the task remembers between polls.
#[derive(Default)]
pub(super) struct Memory {
    pub place: Option<Place>,
    pub session: Option<Box<Opened>>,
    /// What `auto` was found to stand for.
    pub found: Option<Box<Mailbox>>,
    pub pace: Pace,
    /// Changes when the host, to which no connection could be made, is up again.
    pub recovery: Option<watch::Receiver<()>>,
    /// Those who listen to events have been told that a person must act.
    pub has_alerted: bool,
    /// What the last poll stored.
    pub stored: u64,
    /// The last attempt stored something before it failed.
    pub made_progress: bool,
    pub looked_back_at: Option<Instant>,
    pub idle_refused_at: Option<Instant>,
    /// What follows storing has failed, and the session went with it.
    pub act_failed_at: Option<Instant>,
    pub must_reconnect: bool,
    /// The last rest in IDLE ended by the clock, not by an announcement or a caller.
    pub was_unannounced: bool,
    /// It ended by an announcement.
    pub was_announced: bool,
}

impl<S: MailboxSink> Task<S> {
    /// Runs until the end.
    pub async fn run(self) -> Exit {
        let mut memory = Memory::default();
        let _guest = self.connector.seats.enter();
        self.pause(self.delay).await;
        let exit = loop {
            if self.stop.is_cancelled() {
                break Exit::Stopped;
            }
            let waiters = self.live.trigger.take();
            self.live.begins(STEP_LIMIT);
            // What a poll needs is given back after it: a mailbox waits nearly all of the time.
            let result = Box::pin(self.attempt_in_turn(&mut memory)).await;
            self.live.trigger.is_over();
            let before =
                std::mem::replace(&mut memory.stored, result.as_ref().map_or(0, |it| it.tally.stored));
            if let Err(Failure::Poll(PollError::Stopped | PollError::Fenced)) = &result {
                answer(waiters, &Err(failure_of(&result)), 0);
                let is_fenced = matches!(result, Err(Failure::Poll(PollError::Fenced)));
                break if is_fenced { Exit::Fenced } else { Exit::Stopped };
            }
            let told: Answer = match &result {
                Ok(report) => Ok(self.summary(report, &memory)),
                Err(_) => Err(failure_of(&result)),
            };
            match result {
                Ok(report) => {
                    self.note_success(&report, &mut memory);
                    answer(waiters, &told, before);
                    self.rest(&mut memory).await;
                }
                Err(failure) => {
                    let wait = self.note_failure(&failure, &mut memory);
                    Box::pin(self.alert(&failure, &mut memory)).await;
                    answer(waiters, &told, before);
                    Box::pin(self.surface.save()).await;
                    self.back_off(wait, memory.recovery.take()).await;
                }
            }
        };
        close(&mut memory).await;
        self.live.ended();
        // Where the lease is gone another worker tells how the mailbox does.
        if exit == Exit::Stopped && self.shared.holds(self.mailbox.surface_id) {
            Box::pin(self.surface.save()).await;
        }
        exit
    }

    fn summary(&self, report: &Report, memory: &Memory) -> MailboxPoll {
        MailboxPoll {
            mailbox: memory.found.as_deref().unwrap_or(&self.mailbox).name.clone(),
            messages_processed: report.tally.stored,
            last_uid: report.last_uid,
        }
    }

    /// One poll; alone with the account where its server allows few connections.
    async fn attempt_in_turn(&self, memory: &mut Memory) -> Result<Report, Failure> {
        let seats = &self.connector.seats;
        if seats.are_few() {
            close(memory).await;
        }
        let _turn = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Err(PollError::Stopped.into()),
            turn = seats.turn() => turn,
        };
        let result = Box::pin(self.attempt(memory)).await;
        // Before the turn passes on.
        if seats.are_few() {
            close(memory).await;
        }
        result
    }

    /// One poll, on the open connection if there is one. A connection that has died in the meantime, or whose access
    /// token has run out, is no failure.
    ///
    /// Its steps are boxed: where a server comes back, all of its mailboxes wait in here for their turn to log in, and
    /// each would hold room for a whole poll.
    async fn attempt(&self, memory: &mut Memory) -> Result<Report, Failure> {
        let mailbox = Box::pin(self.find(memory)).await?;
        let look_back = Box::pin(self.look_back(&mailbox, memory)).await?;
        if let Some(opened) = memory.session.take() {
            if Instant::now() >= opened.renew_at {
                memory.session = Some(opened);
                close(memory).await;
            } else {
                match Box::pin(self.poll(*opened, &mailbox, memory, look_back.clone())).await {
                    (_, Err(Failure::Poll(PollError::Imap(error)))) if error.class() == ErrorClass::Token => {
                        tracing::debug!(surface = %self.mailbox.surface_id, %error, "the access token has run out");
                        self.connector.note(&error).await;
                    }
                    (report, Err(Failure::Poll(PollError::Imap(error))))
                        if error.class() == ErrorClass::Transient && !report.found_mail() =>
                    {
                        tracing::debug!(surface = %self.mailbox.surface_id, %error, "the waiting connection had died");
                    }
                    (report, end) => return end.map(|()| report),
                }
            }
        }
        let opened = self.connect(memory).await?;
        let (report, end) = Box::pin(self.poll(opened, &mailbox, memory, look_back)).await;
        end.map(|()| report)
    }

    /// The mailbox; where its name is `auto`, the one that holds what was sent.
    async fn find(&self, memory: &mut Memory) -> Result<Mailbox, Failure> {
        if !self.mailbox.is_to_be_found() {
            return Ok(self.mailbox.clone());
        }
        if let Some(found) = &memory.found {
            return Ok(Mailbox::clone(found));
        }
        let opened = self.connect(memory).await?;
        let (session, name) = opened.session.find_sent().await?;
        let Some(name) = name else {
            session.logout().await;
            return Err(Failure::Setting(
                "No folder of this account is marked as the one for sent mail, and none has a usual name; name it in \
                 sentMailbox."
                    .to_owned(),
            ));
        };
        if self.connector.account.mailboxes.iter().any(|other| other.name == name) {
            session.logout().await;
            return Err(Failure::Setting(format!(
                "The folder for sent mail, {name}, is read as an ordinary mailbox already; name it in sentMailbox \
                 instead of auto."
            )));
        }
        self.live.is_called(&name);
        let found = Mailbox { name, ..self.mailbox.clone() };
        memory.session = Some(Box::new(Opened { session, ..opened }));
        memory.found = Some(Box::new(found.clone()));
        Ok(found)
    }

    async fn poll(
        &self,
        opened: Opened,
        mailbox: &Mailbox,
        memory: &mut Memory,
        look_back: Option<LookBack>,
    ) -> (Report, Result<(), Failure>) {
        let parts = &self.shared.parts;
        let progress = |report: &Report| {
            self.live.promises(STEP_LIMIT);
            self.surface.progressed(&self.live, report);
        };
        let poller = Poller {
            mailbox,
            sink: &self.sink,
            in_flight: &parts.in_flight,
            clock: &*parts.clock,
            max_message_bytes: parts.max_message_bytes,
            stop: &self.stop,
            progress: &progress,
        };
        let place = memory.place.get_or_insert_default();
        let Opened { session, at, renew_at } = opened;
        let Poll { report, end } = poller.poll(session, place, look_back).await;
        memory.made_progress = report.found_mail();
        let mut session = match end {
            Ok(session) => session,
            Err(error) => return (report, Err(error.into())),
        };
        let may_act = memory.act_failed_at.is_none_or(|at| at.elapsed() >= ACT_AGAIN_AFTER);
        let wish = self.connector.account.on_stored.as_ref().filter(|_| !mailbox.sent && may_act);
        if let (Some(wish), Some(cursor)) = (wish, &mut place.cursor) {
            match act(session, &parts.store, mailbox, cursor, wish).await {
                Ok(open) => {
                    session = open;
                    memory.act_failed_at = None;
                    self.live.remarks(None);
                }
                Err(error) => {
                    // The mail is stored; what is done to it afterwards is tried again after the next poll.
                    let (surface, words) = (self.mailbox.surface_id, error.words());
                    tracing::warn!(%surface, mailbox = mailbox.name, error = words, "onStored could not be done");
                    self.live.remarks(Some(format!("What onStored wants could not be done: {words}")));
                    memory.act_failed_at = Some(Instant::now());
                    memory.must_reconnect = true;
                    return (report, Ok(()));
                }
            }
        }
        memory.session = Some(Box::new(Opened { session, at, renew_at }));
        (report, Ok(()))
    }

    /// The ledger's part of the look-back, when one is due. Reads the cursor at the first poll.
    async fn look_back(
        &self,
        mailbox: &Mailbox,
        memory: &mut Memory,
    ) -> Result<Option<LookBack>, StoreError> {
        let (tenant, surface, name) = (mailbox.tenant_id, mailbox.surface_id, &mailbox.name);
        let store = &self.shared.parts.store;
        let place = match &memory.place {
            Some(place) => place,
            None => {
                let cursors = store.list_cursors(tenant, surface).await?;
                let of_this = |cursor: &Cursor| cursor.mailbox == *name;
                let cursor = cursors.into_iter().find(of_this);
                let mark = store.get_reading(tenant, surface, name).await?;
                memory.place.insert(match mark {
                    Some(mark) => {
                        tracing::warn!(%surface, mailbox = name, uid = mark.uid,
                            "a process has died while it read this mailbox; mails are read one by one there");
                        Place::after_death(cursor, mark)
                    }
                    None => Place::new(cursor),
                })
            }
        };
        let wait = if place.wants_look_back() { LOOK_BACK_AT_CHANGE } else { LOOK_BACK_EVERY };
        let is_due = memory.looked_back_at.is_none_or(|at| at.elapsed() >= wait);
        let (Some(first), Some(cursor)) = (place.look_back_from().filter(|_| is_due), &place.cursor) else {
            return Ok(None);
        };
        let most = crate::imap::poll::LOOK_BACK_UIDS as usize;
        let last = cursor.last_uid;
        let rows = store.list_ledger(tenant, surface, name, cursor.uid_validity, first, last, most).await?;
        memory.looked_back_at = Some(Instant::now());
        Ok(Some(LookBack { first, settled: rows.into_iter().map(|row| row.uid).collect() }))
    }

    async fn connect(&self, memory: &mut Memory) -> Result<Opened, Failure> {
        let opening = async {
            let wait = self.shared.hosts.login_turn(&self.connector.account.host);
            self.live.promises(wait + STEP_LIMIT);
            sleep(wait).await;
            Box::pin(self.connector.open(&self.shared)).await
        };
        let opened = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Err(PollError::Stopped.into()),
            opened = opening => opened,
        };
        let host = &self.connector.account.host;
        match &opened {
            Ok(_) => self.shared.hosts.note_up(host),
            Err(failure) if failure.is_crowded() => self.connector.seats.note_crowded(),
            Err(failure) if failure.trouble() == Trouble::Transient => {
                memory.recovery = Some(self.shared.hosts.note_down(host));
            }
            Err(_) => {}
        }
        opened
    }

    fn note_success(&self, report: &Report, memory: &mut Memory) {
        let host = &self.connector.account.host;
        if memory.was_unannounced && report.found_mail() && self.shared.hosts.note_missed(host) {
            tracing::warn!(host, "IDLE has missed mail several times; the host is polled for an hour");
        }
        memory.was_unannounced = false;
        if std::mem::take(&mut memory.was_announced) {
            memory.pace.answered(report.found_mail());
        }
        memory.has_alerted = false;
        let failures = memory.pace.succeeded();
        if failures > 0 {
            let surface = self.mailbox.surface_id;
            tracing::info!(%surface, mailbox = self.mailbox.name, failures, "polling works again");
        }
        metrics::counter!("inlet_imap_polls_total", "result" => "ok").increment(1);
        metrics::counter!("inlet_imap_late_mails_total").increment(report.late);
        if report.was_reset || report.was_rebased {
            let (surface, mailbox) = (self.mailbox.surface_id, &self.mailbox.name);
            let what = if report.was_reset { "UIDVALIDITY changed" } else { "UIDNEXT went down" };
            tracing::warn!(%surface, mailbox, what, recognized = report.recognized, "a mailbox was read again");
            metrics::counter!("inlet_imap_read_again_total").increment(1);
        }
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
        self.live.failed(failure.told(), failures, now, next, wait);
        wait
    }

    /// Tells those who listen to events, once until it works again, that a person must act: settings or the server have
    /// to change, or a password was refused three times.
    async fn alert(&self, failure: &Failure, memory: &mut Memory) {
        let (trouble, failures) = (failure.trouble(), memory.pace.failures());
        let is_certain = trouble.needs_a_person() && (trouble != Trouble::Auth || failures >= 3);
        if !is_certain || memory.has_alerted {
            return;
        }
        let parts = &self.shared.parts;
        let event = Event {
            id: parts.ids.next(),
            kind: EventKind::SurfaceError,
            surface_id: self.mailbox.surface_id,
            conversation_id: None,
            message_id: None,
            merged_conversation_id: None,
            backfill: false,
            created_at: parts.clock.now(),
        };
        let telling = async {
            let mut tx = parts.store.begin().await?;
            tx.insert_events(self.mailbox.tenant_id, &[event]).await?;
            tx.commit().await
        };
        match telling.await {
            Ok(()) => memory.has_alerted = true,
            Err(error) => {
                tracing::warn!(surface = %self.mailbox.surface_id, %error, "an alert could not be kept");
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
    pub(super) async fn pause(&self, wait: Duration) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.live.trigger.asked() => {}
            () = sleep(wait) => {}
        }
    }
}

/// Closes the connection, if there is one. Whether the server hears it does not matter.
async fn close(memory: &mut Memory) {
    if let Some(opened) = memory.session.take() {
        let _ = Box::pin(timeout(GOODBYE_LIMIT, opened.session.logout())).await;
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

fn failure_of<T>(result: &Result<T, Failure>) -> PollFailure {
    match result {
        Err(failure) => failure.told(),
        Ok(_) => PollFailure { trouble: Trouble::Internal, words: String::new() },
    }
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

    #[test]
    fn i07_a_mailbox_that_waits_for_its_turn_to_log_in_costs_little() {
        fn bytes<A, B, R>(_: impl Fn(A, B) -> R) -> usize {
            size_of::<R>()
        }
        // A server that is restarted has all of its mailboxes wait at once.
        let waiting = bytes(Task::<MailboxIngest>::attempt_in_turn) + bytes(Task::<MailboxIngest>::attempt);
        assert!(waiting <= 2 * 1024, "{waiting} bytes");
    }
}
