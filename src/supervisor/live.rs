//! How the mailboxes that this worker polls are doing right now, and what of it is kept in the store, so that any
//! worker can answer `/status`.

use super::PollFailure;
use super::connect::Connector;
use super::trigger::Trigger;
use crate::ids::{SurfaceId, TenantId, WorkerId};
use crate::imap::poll::Report;
use crate::store::Store;
use crate::store::imap::MailboxHealth;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Least time between two writes while a long poll goes on.
const SAVE_EVERY: Duration = Duration::from_secs(5);
/// Writes of the whole process at once. A server that is restarted ends the connections of all of its mailboxes in one
/// moment, and a write that is under way takes 30 KB.
static SAVES: Semaphore = Semaphore::const_new(8);
/// How long one write may take, with the wait for its turn.
const SAVE_LIMIT: Duration = Duration::from_secs(10);

/// What a mailbox waits for the next mail with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Waiting {
    /// The server announces mail.
    #[default]
    Announcement,
    /// The settings want no IDLE.
    IdleOff,
    /// The server does not offer it.
    IdleNotOffered,
    /// The server refused it.
    IdleRefused,
    /// It has not announced mail that was there.
    IdleMissesMail,
    /// The server allows the account fewer connections than it has mailboxes.
    FewConnections,
}

impl Waiting {
    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Announcement => "announcement",
            Self::IdleOff => "idle_off",
            Self::IdleNotOffered => "idle_not_offered",
            Self::IdleRefused => "idle_refused",
            Self::IdleMissesMail => "idle_misses_mail",
            Self::FewConnections => "few_connections",
        }
    }
}

/// What the connection of a mailbox is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Connection {
    /// There is none, and none is needed before the next poll.
    #[default]
    Closed,
    /// Open, waiting for the server to announce mail.
    Idle,
    /// There is none after a failure, until the next attempt.
    Backoff,
    /// Asking for mail.
    Polling,
}

impl Connection {
    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Idle => "idle",
            Self::Backoff => "backoff",
            Self::Polling => "polling",
        }
    }
}

#[derive(Debug, Clone, Default)]
struct State {
    name: String,
    connection: Connection,
    waiting: Waiting,
    last_success_at: Option<Timestamp>,
    remark: Option<String>,
    last_poll_at: Option<Timestamp>,
    next_poll_at: Option<Timestamp>,
    failure: Option<PollFailure>,
    consecutive_errors: u32,
    backlog: u32,
    /// The task promised to be heard of by then.
    expected_by: Option<Instant>,
}

impl State {
    /// As `/status` shows one mailbox.
    fn shown(&self) -> Value {
        json!({
            "connection": self.connection.as_str(),
            "waitsFor": self.waiting.as_str(),
            "lastPollAt": self.last_poll_at.map(|at| at.to_string()),
            "lastSuccessAt": self.last_success_at.map(|at| at.to_string()),
            "nextPollAt": self.next_poll_at.map(|at| at.to_string()),
            "lastError": self.failure.as_ref().map(|failure| &failure.words),
            "errorClass": self.failure.as_ref().map(|failure| failure.trouble.as_str()),
            "consecutiveErrors": self.consecutive_errors,
            "backlog": self.backlog,
            "remark": self.remark,
        })
    }
}

/// One mailbox that a task of this worker polls.
#[derive(Debug)]
pub struct LiveMailbox {
    /// How to ask it for a poll.
    pub trigger: Trigger,
    state: Mutex<State>,
    /// What the poll under way has stored so far, as counted into the surface.
    counted: AtomicU64,
}

impl LiveMailbox {
    /// A mailbox that begins to be polled.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let state = State { name: name.to_owned(), ..State::default() };
        Self { trigger: Trigger::default(), state: Mutex::new(state), counted: AtomicU64::new(0) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A poll begins; the task will be heard of within `limit`.
    pub fn begins(&self, limit: Duration) {
        self.counted.store(0, Ordering::Relaxed);
        let mut state = self.state();
        state.connection = Connection::Polling;
        state.expected_by = Some(Instant::now() + limit);
    }

    /// The task lives, and will be heard of again within `limit`.
    pub fn promises(&self, limit: Duration) {
        self.state().expected_by = Some(Instant::now() + limit);
    }

    /// A poll succeeded.
    pub fn succeeded(&self, now: Timestamp) {
        let mut state = self.state();
        state.last_poll_at = Some(now);
        state.last_success_at = Some(now);
        state.failure = None;
        state.consecutive_errors = 0;
        state.backlog = 0;
    }

    /// Nothing is to be done before `next`, with or without a connection.
    pub fn rests(&self, connection: Connection, waiting: Waiting, next: Timestamp, limit: Duration) {
        let mut state = self.state();
        state.connection = connection;
        state.waiting = waiting;
        state.next_poll_at = Some(next);
        state.expected_by = Some(Instant::now() + limit);
    }

    /// A poll failed, for the `errors`th time in a row.
    pub fn failed(&self, failure: PollFailure, errors: u32, now: Timestamp, next: Timestamp, wait: Duration) {
        let mut state = self.state();
        state.connection = Connection::Backoff;
        state.last_poll_at = Some(now);
        state.next_poll_at = Some(next);
        state.failure = Some(failure);
        state.consecutive_errors = errors;
        state.expected_by = Some(Instant::now() + wait + Duration::from_mins(1));
    }

    /// What `auto` was found to stand for.
    pub fn is_called(&self, name: &str) {
        name.clone_into(&mut self.state().name);
    }

    /// Something its owner should know although polling goes well.
    pub fn remarks(&self, remark: Option<String>) {
        self.state().remark = remark;
    }

    /// The task has ended.
    pub fn ended(&self) {
        let mut state = self.state();
        state.connection = Connection::Closed;
        state.next_poll_at = None;
        state.expected_by = None;
    }

    /// Whether the task has not been heard of for longer than it promised.
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        self.state().expected_by.is_some_and(|by| Instant::now() > by)
    }
}

/// One surface whose mailboxes this worker polls.
#[derive(Debug)]
pub struct LiveSurface {
    /// Whose.
    pub tenant_id: TenantId,
    /// Which.
    pub surface_id: SurfaceId,
    /// The settings it is polled with.
    pub revision: i64,
    /// Its mailboxes; the first is the main one.
    pub mailboxes: Vec<Arc<LiveMailbox>>,
    /// Opens sessions of its account.
    pub(super) connector: Arc<Connector>,
    worker: WorkerId,
    store: Store,
    processed: AtomicI64,
    last_saved: Mutex<Option<Instant>>,
    saving: tokio::sync::Mutex<()>,
}

impl LiveSurface {
    /// A surface that begins to be polled; `processed` messages were taken before.
    pub(super) fn new(
        connector: Arc<Connector>,
        mailboxes: Vec<Arc<LiveMailbox>>,
        worker: WorkerId,
        store: Store,
        processed: i64,
    ) -> Self {
        Self {
            tenant_id: connector.tenant_id,
            surface_id: connector.surface_id,
            revision: connector.revision,
            connector,
            mailboxes,
            worker,
            store,
            processed: AtomicI64::new(processed),
            last_saved: Mutex::new(None),
            saving: tokio::sync::Mutex::new(()),
        }
    }

    /// A window of `mailbox` was stored.
    pub fn progressed(self: &Arc<Self>, mailbox: &LiveMailbox, report: &Report) {
        let before = mailbox.counted.swap(report.tally.stored, Ordering::Relaxed);
        let more = i64::try_from(report.tally.stored.saturating_sub(before)).unwrap_or(0);
        self.processed.fetch_add(more, Ordering::Relaxed);
        mailbox.state().backlog = report.backlog;
        let is_due = {
            let mut last = self.last_saved.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let is_due = last.is_none_or(|at| now.duration_since(at) >= SAVE_EVERY);
            if is_due {
                *last = Some(now);
            }
            is_due
        };
        if is_due {
            let this = Arc::clone(self);
            tokio::spawn(async move { this.save().await });
        }
    }

    /// All mailboxes taken together, as `/status` shows them.
    #[must_use]
    pub fn health(&self) -> MailboxHealth {
        let states: Vec<State> = self.mailboxes.iter().map(|mailbox| mailbox.state().clone()).collect();
        let failed = states.iter().find_map(|state| state.failure.as_ref());
        let connection = states.iter().map(|state| state.connection).max().unwrap_or_default();
        MailboxHealth {
            last_poll_at: states.iter().filter_map(|state| state.last_poll_at).max(),
            next_poll_at: states.iter().filter_map(|state| state.next_poll_at).min(),
            last_error: failed.map(|failure| failure.words.clone()),
            error_class: failed.map(|failure| failure.trouble.as_str().to_owned()),
            consecutive_errors: states
                .iter()
                .map(|state| i64::from(state.consecutive_errors))
                .max()
                .unwrap_or(0),
            messages_processed: self.processed.load(Ordering::Relaxed),
            connection: connection.as_str().to_owned(),
            backlog: states.iter().map(|state| i64::from(state.backlog)).sum(),
            worker: Some(self.worker.to_string()),
            // The one that has waited longest: the surface is as late as its latest mailbox.
            last_success_at: states.iter().map(|state| state.last_success_at).min().flatten(),
            mailboxes: states.iter().map(|state| (state.name.clone(), state.shown())).collect(),
        }
    }

    /// Keeps it in the store. A failure is not passed on: polling itself will meet the same store.
    pub async fn save(&self) {
        let saving = async {
            let _one_at_a_time = self.saving.lock().await;
            let _turn = SAVES.acquire().await;
            let health = self.health();
            // In a place of its own, which whoever waits for the turn does not need yet.
            Box::pin(self.store.save_mailbox_health(self.tenant_id, self.surface_id, &health)).await
        };
        match tokio::time::timeout(SAVE_LIMIT, saving).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(surface = %self.surface_id, %error, "health was not kept"),
            Err(_) => tracing::warn!(surface = %self.surface_id, "health was not kept in time"),
        }
    }
}
