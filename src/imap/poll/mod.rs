//! Reading one mailbox: what is new since the cursor goes to a [`MailboxSink`], window after window, and every UID
//! that the server lists gets its outcome.
//!
//! A poll is level-triggered: it compares UIDNEXT with the cursor until they agree, and never relies on having heard
//! an announcement. It lists UIDs in bounded windows, asks their sizes, fetches bodies in batches bounded by count
//! and bytes, and fetches the next batch while the last one is being stored. It does not schedule, connect, wait for
//! announcements or keep health: that is the supervisor's. It remembers nothing that the store does not know, but
//! for [`Place`], whose loss costs time and no mail.

mod batch;
mod care;
mod fetch;
mod in_flight;
mod place;
mod plan;
mod suspect;
#[cfg(test)]
mod tests;
mod walk;

pub use in_flight::InFlight;
pub use place::{LookBack, Place};

use super::{Error, Phase, Session};
use crate::clock::Clock;
use crate::envelope::{MailboxSink, SinkError, Tally};
use crate::ids::{SurfaceId, TenantId};
use crate::model::imap::{Backfill, Cursor, Outcome};
use care::{Care, Turn};
use jiff::Timestamp;
use plan::{Plan, Reason, Seen, plan};
use suspect::{Fault, Suspect};
use tokio_util::sync::CancellationToken;
use walk::{Ready, Step, Walk};

/// UIDs that the look-back compares with the ledger.
pub const LOOK_BACK_UIDS: u32 = 200;

/// In place of the name of the mailbox for sent mail: the one that the server says is it.
pub const AUTO: &str = "auto";

/// How often a poll asks anew whether something arrived while it was reading. A mailbox that is written to without
/// end is left to the next poll.
const MAX_ROUNDS: u32 = 20;

/// One mailbox of a surface, as far as reading it is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// Whose.
    pub tenant_id: TenantId,
    /// The surface.
    pub surface_id: SurfaceId,
    /// The name as people write it.
    pub name: String,
    /// Whether it holds what was sent.
    pub sent: bool,
    /// How much of what is already there is taken at the first start.
    pub backfill: Backfill,
    /// When the surface was first started: with [`Backfill::None`], mail that arrived earlier stays left out when
    /// UIDVALIDITY changes.
    pub started_at: Option<Timestamp>,
    /// Since when the settings speak of this account: a cursor from before belongs to another one.
    pub account_since: Option<Timestamp>,
}

impl Mailbox {
    /// Whether its name is still to be found: `auto` stands for the folder that the server has for sent mail.
    #[must_use]
    pub fn is_to_be_found(&self) -> bool {
        self.sent && self.name == AUTO
    }
}

/// What a poll did, also when it failed midway.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// What became of the mails that were handed over.
    pub tally: Tally,
    /// Listed, gone before they could be fetched.
    pub vanished: u64,
    /// Left out by the backfill rule.
    pub skipped: u64,
    /// Known again by their headers.
    pub recognized: u64,
    /// Could not be fetched, passed over.
    pub unfetchable: u64,
    /// Found by the look-back, below the cursor.
    pub late: u64,
    /// The cursor's UID.
    pub last_uid: u32,
    /// How many mails there are at most beyond the cursor.
    pub backlog: u32,
    /// UIDVALIDITY changed.
    pub was_reset: bool,
    /// UIDNEXT went down.
    pub was_rebased: bool,
}

impl Report {
    /// Whether there was anything new on the server.
    #[must_use]
    pub fn found_mail(&self) -> bool {
        let tally = self.tally;
        tally.stored + tally.duplicates + tally.quarantined + self.vanished + self.unfetchable > 0
    }
}

/// Why a poll failed. The session is gone then; what was stored stays.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    /// The connection or the server.
    #[error(transparent)]
    Imap(#[from] Error),
    /// Another worker reads this mailbox now.
    #[error("another worker has taken this mailbox over")]
    Fenced,
    /// The store.
    #[error("the store cannot be written: {0}")]
    Store(String),
    /// Other mailboxes have held all memory for mail in flight for minutes.
    #[error("there was no memory for mail in flight for {seconds} seconds")]
    Crowded {
        /// How long it was waited for.
        seconds: u64,
    },
    /// UIDVALIDITY changed too often in a row.
    #[error(
        "the server has changed the UIDVALIDITY of {mailbox} {times} times in a row, so reading it was stopped; \
         it goes on by itself once the server keeps it"
    )]
    UidValidityUnstable {
        /// Name as people write it.
        mailbox: String,
        /// How often.
        times: i64,
    },
    /// The caller asked to stop.
    #[error("polling was stopped")]
    Stopped,
}

impl From<SinkError> for PollError {
    fn from(error: SinkError) -> Self {
        match error {
            SinkError::Fenced => Self::Fenced,
            SinkError::Store(words) => Self::Store(words),
        }
    }
}

/// How a poll ended.
#[derive(Debug)]
pub struct Poll {
    /// What it did.
    pub report: Report,
    /// The session, or why there is none any more.
    pub end: Result<Session, PollError>,
}

/// How large a mail is, as far as the server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MailSize {
    Bytes(u64),
    Unknown,
}

/// Reads one mailbox into a sink.
pub struct Poller<'a, S> {
    /// Which.
    pub mailbox: &'a Mailbox,
    /// Where to.
    pub sink: &'a S,
    /// The memory that all mailboxes of the process share.
    pub in_flight: &'a InFlight,
    /// For `received_at`.
    pub clock: &'a dyn Clock,
    /// A mail above this is not downloaded, bytes.
    pub max_message_bytes: u64,
    /// Ends the poll after the window that is being stored.
    pub stop: &'a CancellationToken,
    /// Called after every window that was stored.
    pub progress: &'a (dyn Fn(&Report) + Send + Sync),
}

impl<S: MailboxSink> Poller<'_, S> {
    /// Reads until nothing is left. With `look_back`, UIDs below the cursor that have no outcome are read as well.
    pub async fn poll(&self, session: Session, place: &mut Place, look_back: Option<LookBack>) -> Poll {
        let last_uid = place.cursor.as_ref().map_or(0, |cursor| cursor.last_uid);
        let mut report = Report { last_uid, ..Report::default() };
        let end = match self.take_turn(place).await {
            Ok(()) => self.rounds(session, place, look_back, &mut report).await,
            Err(error) => Err(error),
        };
        place.turn = Turn::default();
        let is_fenced = matches!(end, Err(PollError::Fenced));
        self.unmark(place, end.is_ok(), is_fenced).await;
        Poll { report, end }
    }

    /// The poll is over and the process lives: nothing that was read has killed it. Where it broke off before the place
    /// of a death was passed, that stays known. Where the store cannot be written the next poll's end does it.
    async fn unmark(&self, place: &mut Place, is_good: bool, is_fenced: bool) {
        if is_good {
            place.care = Care::default();
        }
        if !place.is_marked || is_fenced {
            return;
        }
        let name = &self.mailbox.name;
        match place.care.waiting_mark().filter(|_| place.care.is_needed()) {
            Some(mark) => drop(self.sink.begin_reading(name, mark).await),
            None => place.is_marked = self.sink.end_reading(name).await.is_err(),
        }
    }

    /// After a death, one mailbox of the process at a time.
    async fn take_turn(&self, place: &mut Place) -> Result<(), PollError> {
        let Some(mark) = place.care.waiting_mark().filter(|_| place.care.is_needed()) else { return Ok(()) };
        self.sink.begin_reading(&self.mailbox.name, mark).await?;
        place.turn = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Err(PollError::Stopped),
            turn = self.in_flight.careful_turn() => Turn(turn),
        };
        Ok(())
    }

    async fn rounds(
        &self,
        mut session: Session,
        place: &mut Place,
        mut look_back: Option<LookBack>,
        report: &mut Report,
    ) -> Result<Session, PollError> {
        for round in 0..MAX_ROUNDS {
            let (open, exists, seen) = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(PollError::Stopped),
                looked = self.look(session, place) => looked?,
            };
            session = open;
            let mut plan = self.plan(place, seen)?;
            place.note_modseq(seen, &plan, look_back.is_some());
            if let Some(look_back) = look_back.take()
                && plan.reason == Reason::Onward
            {
                session = self.look_back(session, &plan, exists, look_back, place, report).await?;
            }
            // One connection proves nothing: the next poll shows whether the server keeps its UIDVALIDITY.
            plan.must_store &= round == 0 || plan.reason != Reason::Onward;
            if !plan.has_work() {
                report.backlog = 0;
                break;
            }
            report.was_reset |= plan.reason == Reason::Reset;
            report.was_rebased |= plan.reason == Reason::Rebase;
            session = self.pass(session, Walk::new(plan, exists), place, report).await?;
        }
        Ok(session)
    }

    fn plan(&self, place: &mut Place, seen: Seen) -> Result<Plan, PollError> {
        let now = self.clock.now();
        let mut stored = place.cursor.clone();
        if place.stopped_at == Some(seen.uid_validity)
            && let Some(cursor) = &mut stored
        {
            cursor.resets_in_row = 0;
        }
        match plan(self.mailbox, stored.as_ref(), seen, now) {
            Some(plan) => {
                place.stopped_at = None;
                Ok(plan)
            }
            None => {
                place.stopped_at = Some(seen.uid_validity);
                let mailbox = self.mailbox.name.clone();
                Err(PollError::UidValidityUnstable { mailbox, times: plan::MAX_RESETS_IN_ROW })
            }
        }
    }

    /// Opens the mailbox and finds out up to where there may be mail.
    async fn look(&self, session: Session, place: &Place) -> Result<(Session, u32, Seen), PollError> {
        let (session, selected) = session.examine(&self.mailbox.name).await?;
        let modseq = selected.highest_modseq;
        let seen = |top_uid| Seen { uid_validity: selected.uid_validity, top_uid, modseq };
        if let Some(next) = selected.uid_next {
            return Ok((session, selected.exists, seen(next.saturating_sub(1))));
        }
        if selected.exists == 0 {
            return Ok((session, 0, seen(0)));
        }
        // RFC 3501 lets a server leave UIDNEXT out of EXAMINE; some know it in STATUS, some never.
        let (session, status) = session.status(&self.mailbox.name).await?;
        if let Some(next) = status.uid_next {
            return Ok((session, selected.exists, seen(next.saturating_sub(1))));
        }
        let known = place.cursor.as_ref().filter(|cursor| cursor.uid_validity == selected.uid_validity);
        let known = known.map_or(0, |cursor| cursor.last_uid);
        let (session, top_uid) = walk::find_top_uid(session, known, selected.exists).await?;
        Ok((session, selected.exists, seen(top_uid)))
    }

    async fn look_back(
        &self,
        session: Session,
        plan: &Plan,
        exists: u32,
        look_back: LookBack,
        place: &mut Place,
        report: &mut Report,
    ) -> Result<Session, PollError> {
        let mut first = look_back.first;
        if self.mailbox.backfill == Backfill::None {
            first = first.max(plan.cursor.backfill_through_uid.saturating_add(1));
        }
        let (reason, last) = (Reason::LookBack, plan.cursor.last_uid);
        let plan = Plan { reason, first, last, must_store: false, ..plan.clone() };
        if plan.first > plan.last {
            return Ok(session);
        }
        let before = report.clone();
        let walk = Walk::new(plan, exists).without(look_back.settled);
        let session = self.pass(session, walk, place, report).await?;
        let tally = report.tally;
        report.late += tally.stored - before.tally.stored + tally.quarantined - before.tally.quarantined;
        Ok(session)
    }

    async fn pass(
        &self,
        session: Session,
        mut walk: Walk,
        place: &mut Place,
        report: &mut Report,
    ) -> Result<Session, PollError> {
        let passed = self.batches(session, &mut walk, place, report).await;
        place.is_marked |= walk.is_marked();
        passed
    }

    /// Stores one batch while the next one is fetched, to the end of the walk.
    async fn batches(
        &self,
        mut session: Session,
        walk: &mut Walk,
        place: &mut Place,
        report: &mut Report,
    ) -> Result<Session, PollError> {
        let mut waiting: Option<Ready> = None;
        loop {
            if place.care.is_needed() {
                // One after the other: the mark names the only mail that is being read.
                let stored = self.store(waiting.take()).await?;
                self.settle(stored, walk, place, report);
            }
            let (suspect, care) = (place.suspect, place.care);
            let (stored, step) =
                tokio::join!(self.store(waiting.take()), self.next_step(session, walk, suspect, care));
            self.settle(stored?, walk, place, report);
            match step {
                Step::Ready(open, ready) => (session, waiting) = (open, Some(ready)),
                Step::End(open) => return Ok(open),
                Step::Stopped => return Err(PollError::Stopped),
                Step::Broken { partial, at, asked, error } => {
                    let stored = self.store(partial.filter(|ready| ready.has_outcomes())).await?;
                    self.settle(stored, walk, place, report);
                    if let (Some(uid), PollError::Imap(error)) = (at, &error) {
                        note_failure(&mut place.suspect, uid, asked, error);
                    }
                    return Err(error);
                }
            }
        }
    }

    async fn next_step(&self, session: Session, walk: &mut Walk, suspect: Suspect, care: Care) -> Step {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Step::Stopped,
            step = walk.step(self, session, suspect, care) => step,
        }
    }

    async fn store(&self, ready: Option<Ready>) -> Result<Option<Stored>, PollError> {
        let Some(Ready { window, through_uid, permit }) = ready else { return Ok(None) };
        let cursor = Cursor {
            surface_id: self.mailbox.surface_id,
            mailbox: window.mailbox.clone(),
            uid_validity: window.uid_validity,
            last_uid: window.through_uid,
            backfill_through_uid: window.backfill_through_uid,
            resets_in_row: window.resets_in_row,
            rebased_through_uid: window.rebased_through_uid,
            acted_through_uid: 0,
            updated_at: self.clock.now(),
        };
        let settled = window.settled.iter().map(|(_, outcome)| *outcome).collect();
        let had_fetched = !window.envelopes.is_empty();
        let mails = window.envelopes.len() + window.settled.len();
        let tally = self.sink.store(window).await?;
        drop(permit);
        Ok(Some(Stored { tally, settled, had_fetched, mails, cursor, through_uid }))
    }

    /// What follows from a window that is stored now.
    fn settle(&self, stored: Option<Stored>, walk: &mut Walk, place: &mut Place, report: &mut Report) {
        let Some(stored) = stored else { return };
        walk.passed(stored.through_uid);
        report.tally.stored += stored.tally.stored;
        report.tally.duplicates += stored.tally.duplicates;
        report.tally.quarantined += stored.tally.quarantined;
        for outcome in &stored.settled {
            match outcome {
                Outcome::Vanished => report.vanished += 1,
                Outcome::Skipped => report.skipped += 1,
                Outcome::Quarantined => report.unfetchable += 1,
                _ => report.recognized += 1,
            }
        }
        if stored.had_fetched || stored.settled.contains(&Outcome::Quarantined) {
            place.suspect.passed();
        }
        place.care.passed(stored.mails);
        if !place.care.is_needed() {
            place.turn = Turn::default();
        }
        report.last_uid = stored.cursor.last_uid;
        if walk.plan().reason != Reason::LookBack {
            report.backlog = walk.plan().last.saturating_sub(stored.through_uid).min(walk.exists());
        }
        let acted = place.cursor.as_ref().filter(|before| before.uid_validity == stored.cursor.uid_validity);
        let acted_through_uid = acted.map_or(0, |before| before.acted_through_uid);
        place.cursor = Some(Cursor { acted_through_uid, ..stored.cursor });
        (self.progress)(report);
    }
}

/// What is known after a window was stored.
struct Stored {
    tally: Tally,
    settled: Vec<Outcome>,
    had_fetched: bool,
    mails: usize,
    cursor: Cursor,
    through_uid: u32,
}

fn note_failure(suspect: &mut Suspect, uid: u32, asked: usize, error: &Error) {
    let is_of_fetch = match error {
        Error::Refused { phase, .. }
        | Error::Bye { phase, .. }
        | Error::Lost { phase, .. }
        | Error::TimedOut { phase, .. }
        | Error::Guard { phase, .. }
        | Error::Protocol { phase, .. } => *phase == Phase::Fetch,
        Error::TooSlow { .. } => true,
        _ => false,
    };
    if !is_of_fetch {
        return;
    }
    let fault = match (error.oversized_literal(), error) {
        (Some(bytes), _) => Fault::Oversized(bytes),
        (None, Error::Guard { .. } | Error::Protocol { .. }) => Fault::Protocol,
        _ => Fault::Other,
    };
    suspect.failed(uid, asked, fault);
}
