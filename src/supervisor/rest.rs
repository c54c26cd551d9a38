//! How a mailbox waits between polls: in IDLE where the server announces mail, else by the clock.

use super::connect::Opened;
use super::live::{Connection, Waiting};
use super::pace::SHORT_LIFE;
use super::providers;
use super::task::{Memory, Task};
use crate::envelope::MailboxSink;
use crate::imap::{ErrorClass, IdleEnd};
use jiff::Timestamp;
use std::time::Duration;
use tokio::time::Instant;

/// How often a mailbox is polled whose server's IDLE cannot be relied on.
const DEMOTED_EVERY: Duration = Duration::from_mins(1);
/// How long a server that refused IDLE is polled before it is asked again.
const REFUSED_FOR: Duration = Duration::from_hours(1);

/// How a rest in IDLE ended.
enum Resumed {
    /// Poll now.
    Poll,
    /// The server does not take part.
    Refused,
    /// The connection is gone; open another after so long.
    Lost(Duration),
}

impl<S: MailboxSink> Task<S> {
    /// Waits until mail is announced, the next poll is due, or somebody asks.
    pub(super) async fn rest(&self, memory: &mut Memory) {
        if std::mem::take(&mut memory.must_reconnect) {
            return;
        }
        let now = self.shared.parts.clock.now();
        let account = &self.connector.account;
        let mut due = account.cadence.next_after(now);
        let host = &account.host;
        let waiting = self.waiting(memory);
        if waiting == Waiting::IdleMissesMail {
            due = due.min(now.checked_add(DEMOTED_EVERY).unwrap_or(due));
        }
        let (mut connection, mut limit) = (Connection::Closed, until(now, due));
        let mut waiting = waiting;
        if let Some(opened) = memory.session.take() {
            if waiting == Waiting::Announcement {
                let next = due.min(now.checked_add(providers::of(host).idle_limit).unwrap_or(due));
                let limit_here =
                    until(now, next).min(opened.renew_at.saturating_duration_since(Instant::now()));
                self.live.rests(Connection::Idle, waiting, due, limit_here + SHORT_LIFE);
                match self.idle(opened, limit_here, memory).await {
                    // What it takes to go on is another poll, now.
                    Resumed::Poll => return,
                    Resumed::Refused => {
                        memory.idle_refused_at = Some(Instant::now());
                        waiting = Waiting::IdleRefused;
                    }
                    Resumed::Lost(wait) => (connection, limit) = (Connection::Backoff, limit.min(wait)),
                }
            } else {
                Box::pin(opened.session.logout()).await;
            }
        }
        let next = self.shared.parts.clock.now().checked_add(limit).map_or(due, |next| next.min(due));
        self.live.rests(connection, waiting, next, limit + SHORT_LIFE);
        Box::pin(self.surface.save()).await;
        self.pause(limit).await;
    }

    /// What the next poll is waited for with.
    fn waiting(&self, memory: &Memory) -> Waiting {
        let account = &self.connector.account;
        let offers_idle = memory.session.as_ref().map(|opened| opened.session.capabilities().idle);
        if !account.idle {
            Waiting::IdleOff
        } else if self.connector.seats.are_few() {
            Waiting::FewConnections
        } else if !self.shared.hosts.may_idle(&account.host) {
            Waiting::IdleMissesMail
        } else if memory.idle_refused_at.is_some_and(|at| at.elapsed() < REFUSED_FOR) {
            Waiting::IdleRefused
        } else if offers_idle == Some(false) {
            Waiting::IdleNotOffered
        } else {
            Waiting::Announcement
        }
    }

    async fn idle(&self, opened: Box<Opened>, limit: Duration, memory: &mut Memory) -> Resumed {
        Box::pin(self.surface.save()).await;
        let wake = async {
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = self.live.trigger.asked() => {}
                () = self.connector.seats.until_few() => {}
            }
        };
        let Opened { session, at, renew_at } = *opened;
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
                    self.shared.hosts.note_announced(&self.connector.account.host);
                    self.pause(memory.pace.before_poll()).await;
                }
                memory.session = Some(Box::new(Opened { session, at, renew_at }));
                Resumed::Poll
            }
            Err(error) => {
                tracing::debug!(surface = %self.mailbox.surface_id, %error, "the connection ended while it waited");
                self.connector.note(&error).await;
                if error.class() == ErrorClass::Token && at.elapsed() >= SHORT_LIFE {
                    // Its time was over: planned, and no reason to wait.
                    return Resumed::Poll;
                }
                let wait = memory.pace.lost(at.elapsed(), self.shared.chance());
                Resumed::Lost(error.suggested_wait().map_or(wait, |wish| wish.max(wait)))
            }
        }
    }
}

fn until(now: Timestamp, due: Timestamp) -> Duration {
    Duration::try_from(due.duration_since(now)).unwrap_or(Duration::ZERO)
}
