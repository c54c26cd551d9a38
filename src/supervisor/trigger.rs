//! Asking a mailbox's task for a poll that starts after the question.

use super::PollFailure;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::sync::{Notify, oneshot};

/// Callers that may wait for one mailbox at once.
const MAX_WAITERS: usize = 1_000;

/// What a poll of one mailbox did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxPoll {
    /// Its name as people write it.
    pub mailbox: String,
    /// New messages.
    pub messages_processed: u64,
    /// The cursor.
    pub last_uid: u32,
}

/// What a caller is told.
pub type Answer = Result<MailboxPoll, PollFailure>;

/// Somebody who asked.
#[derive(Debug)]
pub struct Waiter {
    sender: oneshot::Sender<Answer>,
    /// A poll was under way then: what that one stores counts for him as well.
    came_during: bool,
}

/// The bell of one mailbox. Whoever rings before a poll starts gets the result of that poll; who rings while one is
/// under way, that of the next. However many ring, there is one poll under way and at most one to follow.
#[derive(Debug, Default)]
pub struct Trigger {
    waiters: Mutex<Vec<Waiter>>,
    /// A poll is under way.
    is_polling: AtomicBool,
    is_asked: AtomicBool,
    bell: Notify,
}

impl Trigger {
    /// Asks for a poll. `None` if too many wait already.
    pub fn ask(&self) -> Option<oneshot::Receiver<Answer>> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
            waiters.retain(|waiter| !waiter.sender.is_closed());
            if waiters.len() >= MAX_WAITERS {
                return None;
            }
            let came_during = self.is_polling.load(Ordering::Acquire);
            waiters.push(Waiter { sender, came_during });
        }
        self.ring();
        Some(receiver)
    }

    /// Asks for a poll whose result nobody waits for.
    pub fn ring(&self) {
        self.is_asked.store(true, Ordering::Release);
        self.bell.notify_one();
    }

    /// Waits until somebody asks.
    pub async fn asked(&self) {
        while !self.is_asked.load(Ordering::Acquire) {
            self.bell.notified().await;
        }
    }

    /// The poll is over.
    pub fn is_over(&self) {
        self.is_polling.store(false, Ordering::Release);
    }

    /// A poll starts now: these wait for it.
    pub fn take(&self) -> Vec<Waiter> {
        self.is_asked.store(false, Ordering::Release);
        self.is_polling.store(true, Ordering::Release);
        std::mem::take(&mut *self.waiters.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Tells everybody the result of the poll that began after they asked; `before` is what the one stored that some of them
/// came during.
pub fn answer(waiters: Vec<Waiter>, result: &Answer, before: u64) {
    for waiter in waiters {
        let mut told = result.clone();
        if let (Ok(poll), true) = (&mut told, waiter.came_during) {
            poll.messages_processed += before;
        }
        // Who has gone away does not want to know.
        drop(waiter.sender.send(told));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn polled(number: u32) -> Answer {
        Ok(MailboxPoll { mailbox: "INBOX".into(), messages_processed: 2, last_uid: number })
    }

    #[tokio::test]
    async fn b27_a_hundred_callers_share_the_poll_that_starts_after_they_asked() {
        let trigger = Trigger::default();
        let early: Vec<_> = (0..50).map(|_| trigger.ask().unwrap()).collect();
        trigger.asked().await;
        let running = trigger.take();
        let late: Vec<_> = (0..50).map(|_| trigger.ask().unwrap()).collect();
        answer(running, &polled(1), 7);
        for waiting in early {
            assert_eq!(waiting.await.unwrap(), polled(1));
        }
        trigger.asked().await;
        answer(trigger.take(), &polled(2), 2);
        for waiting in late {
            let told = waiting.await.unwrap().unwrap();
            assert_eq!(told.last_uid, 2, "the poll under way had started before they asked");
            assert_eq!(told.messages_processed, 4, "and what it stored counts as well");
        }
        let idle = tokio::time::timeout(std::time::Duration::from_millis(1), trigger.asked()).await;
        assert!(idle.is_err(), "nothing is left to do");
    }

    #[test]
    fn callers_are_bounded_and_those_gone_do_not_count() {
        let trigger = Trigger::default();
        let kept: Vec<_> = (0..MAX_WAITERS).map(|_| trigger.ask().unwrap()).collect();
        assert!(trigger.ask().is_none());
        drop(kept);
        assert!(trigger.ask().is_some());
    }
}
