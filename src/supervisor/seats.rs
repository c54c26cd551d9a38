//! Connections of one account, all mailboxes of this process together that log in with it: surfaces of one login as well as
//! folders of one surface. Each has a connection of its own until the server says that these are too many; then they
//! take turns with a single one for an hour (C09). In memory only.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::Instant;

/// How long mailboxes take turns before each tries a connection of its own again.
const FEW_FOR: Duration = Duration::from_hours(1);

/// Every account that is logged in with.
#[derive(Debug, Default)]
pub(super) struct Accounts(Mutex<HashMap<(String, String), Weak<Seats>>>);

impl Accounts {
    /// The connections of `username` at `host`.
    pub fn seats(&self, host: &str, username: &str) -> Arc<Seats> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (host.to_ascii_lowercase(), username.to_owned());
        if let Some(seats) = known.get(&key).and_then(Weak::upgrade) {
            return seats;
        }
        if known.len() == known.capacity() {
            known.retain(|_, seats| seats.strong_count() > 0);
        }
        let seats = Arc::new(Seats::default());
        known.insert(key, Arc::downgrade(&seats));
        seats
    }
}

/// The connections of one account.
#[derive(Debug)]
pub(super) struct Seats {
    mailboxes: AtomicUsize,
    turn: Semaphore,
    few_until: watch::Sender<Option<Instant>>,
}

impl Default for Seats {
    fn default() -> Self {
        Self { mailboxes: AtomicUsize::new(0), turn: Semaphore::new(1), few_until: watch::Sender::new(None) }
    }
}

/// A mailbox that needs a connection now and then, until it is dropped.
#[derive(Debug)]
pub(super) struct Guest<'a>(&'a Seats);

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        self.0.mailboxes.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Seats {
    /// One mailbox more.
    pub fn enter(&self) -> Guest<'_> {
        self.mailboxes.fetch_add(1, Ordering::Relaxed);
        Guest(self)
    }

    /// The server has refused a connection because there are too many.
    pub fn note_crowded(&self) {
        self.few_until.send_replace(Some(Instant::now() + FEW_FOR));
    }

    /// Whether the mailboxes take turns. One alone has nobody to take turns with: its refusal came of other clients.
    pub fn are_few(&self) -> bool {
        let are_few = self.few_until.borrow().is_some_and(|end| Instant::now() < end);
        are_few && self.mailboxes.load(Ordering::Relaxed) > 1
    }

    /// Waits for the turn, where there are turns.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        if self.are_few() { self.turn.acquire().await.ok() } else { None }
    }

    /// Ends when the mailboxes have to take turns from now on: who waits with an open connection closes it then.
    pub async fn until_few(&self) {
        let mut changes = self.few_until.subscribe();
        while !self.are_few() {
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{advance, timeout};

    #[tokio::test(start_paused = true)]
    async fn c09_mailboxes_of_one_login_take_turns_for_an_hour_after_the_server_found_them_too_many() {
        let accounts = Accounts::default();
        let seats = accounts.seats("imap.example.com", "desk");
        let (_inbox, _sent) = (seats.enter(), seats.enter());
        assert!(Arc::ptr_eq(&seats, &accounts.seats("IMAP.example.com", "desk")));
        assert!(seats.turn().await.is_none(), "there are no turns yet");
        assert!(timeout(Duration::from_secs(1), seats.until_few()).await.is_err());
        seats.note_crowded();
        seats.until_few().await;
        let turn = seats.turn().await;
        assert!(turn.is_some());
        assert!(timeout(Duration::from_secs(1), seats.turn()).await.is_err(), "one at a time");
        drop(turn);
        assert!(!accounts.seats("imap.example.com", "other").are_few(), "nobody else's matter");
        advance(FEW_FOR).await;
        assert!(!seats.are_few());
    }

    #[test]
    fn a_mailbox_that_is_alone_keeps_its_connection() {
        let seats = Seats::default();
        let first = seats.enter();
        seats.note_crowded();
        assert!(!seats.are_few());
        let second = seats.enter();
        assert!(seats.are_few());
        drop(second);
        assert!(!seats.are_few());
        drop(first);
    }

    #[test]
    fn accounts_that_are_gone_are_forgotten() {
        let accounts = Accounts::default();
        for number in 0..10_000 {
            accounts.seats("imap.example.com", &number.to_string());
        }
        assert!(accounts.0.lock().unwrap().len() < 100);
    }
}
