//! Fetching by UID, read-only: sizes, whole mails, headers. Rows that were not asked for are dropped, whatever they hold.

use super::driver::{Driver, Unasked};
use super::error::{Error, Phase};
use super::response::{Event, Row};
use super::session::Session;
use super::uid_set;
use crate::envelope::GmailIds;
use bytes::Bytes;
use jiff::Timestamp;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

const PHASE: Phase = Phase::Fetch;
/// Over which the pace is judged; longer than the silence that is allowed, so that silence is called silence.
const WINDOW: Duration = Duration::from_secs(65);

/// What is known of a mail before it is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// The UID.
    pub uid: u32,
    /// RFC822.SIZE in bytes, as the server claims.
    pub size: Option<u64>,
    /// When the server received it.
    pub internal_date: Option<Timestamp>,
}

/// A mail, or its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The UID.
    pub uid: u32,
    /// When the server received it.
    pub internal_date: Option<Timestamp>,
    /// RFC822.SIZE in bytes, as the server claims.
    pub size: Option<u64>,
    /// The bytes; empty where the server has none (NIL). At most [`super::Limits::max_message_bytes`].
    pub body: Bytes,
    /// Gmail's own ids, where the server is Gmail.
    pub gmail: Option<GmailIds>,
}

impl Session {
    /// Sizes and dates of `uids`, ascending. A UID that is missing is gone.
    ///
    /// # Errors
    /// As every command.
    pub async fn fetch_sizes(mut self, uids: &[u32]) -> Result<(Self, Vec<Listed>), Error> {
        let mut rows: Vec<Listed> = Vec::new();
        let mut take = |row: Row, uid: u32| {
            // A server may split a row, and push flags of the same mail in between.
            rows.push(Listed { uid, size: row.size, internal_date: row.internal_date });
            Ok(())
        };
        fetch(&mut self.driver, uids, "(UID RFC822.SIZE INTERNALDATE)", &mut take).await?;
        rows.sort_by_key(|row| row.uid);
        rows.dedup_by(|later, kept| {
            let same = later.uid == kept.uid;
            if same {
                kept.size = kept.size.or(later.size);
                kept.internal_date = kept.internal_date.or(later.internal_date);
            }
            same
        });
        Ok((self, rows))
    }

    /// Whole mails of `uids`, handed to `each` as they come (in the server's order, each UID at most once). What `each` got
    /// before an error is good. A UID that never comes is gone, or the server cannot read it.
    ///
    /// # Errors
    /// As every command.
    pub async fn fetch_mails(
        self,
        uids: &[u32],
        each: &mut (dyn FnMut(Fetched) + Send),
    ) -> Result<Self, Error> {
        let items = if self.capabilities.gmail {
            "(UID RFC822.SIZE INTERNALDATE X-GM-MSGID X-GM-THRID BODY.PEEK[])"
        } else {
            "(UID RFC822.SIZE INTERNALDATE BODY.PEEK[])"
        };
        self.fetch_bodies(uids, items, each).await
    }

    /// Headers of `uids`, as [`Session::fetch_mails`].
    ///
    /// # Errors
    /// As every command.
    pub async fn fetch_headers(
        self,
        uids: &[u32],
        each: &mut (dyn FnMut(Fetched) + Send),
    ) -> Result<Self, Error> {
        let items = if self.capabilities.gmail {
            "(UID RFC822.SIZE INTERNALDATE X-GM-MSGID X-GM-THRID BODY.PEEK[HEADER])"
        } else {
            "(UID RFC822.SIZE INTERNALDATE BODY.PEEK[HEADER])"
        };
        self.fetch_bodies(uids, items, each).await
    }

    async fn fetch_bodies(
        mut self,
        uids: &[u32],
        items: &str,
        each: &mut (dyn FnMut(Fetched) + Send),
    ) -> Result<Self, Error> {
        let mut delivered: Vec<u32> = Vec::new();
        let mut take = |row: Row, uid: u32| {
            // Flags another client has changed come as rows, too.
            let Some(body) = row.body else { return Ok(()) };
            if let Err(place) = delivered.binary_search(&uid) {
                delivered.insert(place, uid);
            } else {
                return Err(Error::protocol(PHASE, "it sent two mails under one UID"));
            }
            let gmail = row
                .gmail_message_id
                .zip(row.gmail_thread_id)
                .map(|(message_id, thread_id)| GmailIds { message_id, thread_id });
            each(Fetched { uid, internal_date: row.internal_date, size: row.size, body, gmail });
            Ok(())
        };
        fetch(&mut self.driver, uids, items, &mut take).await?;
        Ok(self)
    }
}

type Take<'a> = dyn FnMut(Row, u32) -> Result<(), Error> + Send + 'a;

/// Fetches `items` of `uids`, in as many commands as their sets need.
async fn fetch(driver: &mut Driver, uids: &[u32], items: &str, take: &mut Take<'_>) -> Result<(), Error> {
    let mut asked: Vec<u32> = uids.iter().copied().filter(|uid| *uid > 0).collect();
    asked.sort_unstable();
    asked.dedup();
    for (set, part) in uid_set::split(&asked) {
        let tag = driver.send(PHASE, &format!("UID FETCH {set} {items}")).await?;
        let mut unasked = Unasked::new(driver.limits().max_unasked_responses);
        let mut pace = Pace::new(driver);
        loop {
            let event = pace.next(driver).await?;
            if let Some(done) = driver.check(PHASE, &tag, &event) {
                done?;
                break;
            }
            unasked.count(PHASE)?;
            if let Event::Row(row) = event
                && let Some(uid) = row.uid
                && part.binary_search(&uid).is_ok()
            {
                pace.rows += 1;
                take(row, uid)?;
            }
        }
    }
    Ok(())
}

/// The slowest pace accepted. Not a deadline: a big batch on a slow line may take as long as it needs.
#[derive(Debug)]
struct Pace {
    window_end: Instant,
    bytes_at_start: u64,
    bytes_before: u64,
    rows: u64,
}

impl Pace {
    fn new(driver: &mut Driver) -> Self {
        let bytes = driver.guard().received_bytes();
        Self { window_end: Instant::now() + WINDOW, bytes_at_start: bytes, bytes_before: bytes, rows: 0 }
    }

    async fn next(&mut self, driver: &mut Driver) -> Result<Event, Error> {
        loop {
            if let Ok(event) = timeout_at(self.window_end, driver.next(PHASE)).await {
                if Instant::now() >= self.window_end {
                    self.judge(driver)?;
                }
                return event;
            }
            self.judge(driver)?;
        }
    }

    /// At the end of a window: a mail, or enough bytes, or nothing yet at all (for silence the guard is there).
    fn judge(&mut self, driver: &mut Driver) -> Result<(), Error> {
        let floor = driver.limits().min_fetch_bytes_per_second;
        let bytes = driver.guard().received_bytes();
        let enough = bytes - self.bytes_before >= floor.saturating_mul(WINDOW.as_secs());
        if self.rows == 0 && !enough && bytes > self.bytes_at_start {
            return Err(Error::TooSlow { floor });
        }
        *self = Self { window_end: Instant::now() + WINDOW, bytes_before: bytes, rows: 0, ..*self };
        Ok(())
    }
}
