//! Walking over a range of UIDs: listing it in windows, sorting out what needs no body, cutting the rest into
//! batches. [`super::fetch`] gets their bodies.

use super::batch::{Bounds, Item, next_batch};
use super::care::Care;
use super::plan::{Plan, Reason, Rule, rule};
use super::suspect::{Suspect, Verdict};
use super::{MailSize, PollError, Poller};
use crate::envelope::{MailboxSink, Window};
use crate::imap::{Error, Listed, Session};
use crate::limits;
use crate::model::imap::Outcome;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use tokio::sync::OwnedSemaphorePermit;

/// UIDs that are listed and whose sizes are asked at once. Doubles while windows are empty.
const LISTING_UIDS: u64 = 2_000;
/// A mailbox with no more mails than this may be listed by any range: the answer fits the line limit of 512 KiB at
/// 11 bytes a UID.
const LISTED_AT_ONCE: u32 = 30_000;
/// Announced bytes of one batch.
const BATCH_BYTES: u64 = 8 * 1024 * 1024;
/// Headers that are compared with the store at once.
const HEADERS_AT_ONCE: usize = 200;
/// Memory for these.
const HEADERS_BYTES: u64 = 4 * 1024 * 1024;
/// A longer header block is cut; identity stands at its beginning, or cannot be told from the header.
pub(super) const HEADER_BYTES: usize = 256 * 1024;

/// A window with the memory it occupies.
pub(super) struct Ready {
    pub window: Window,
    /// Up to where the walk has got with it; the cursor may stand higher.
    pub through_uid: u32,
    pub permit: Option<OwnedSemaphorePermit>,
}

impl Ready {
    pub fn has_outcomes(&self) -> bool {
        !self.window.envelopes.is_empty() || !self.window.settled.is_empty()
    }
}

/// What the walk brought.
pub(super) enum Step {
    /// The next window.
    Ready(Session, Ready),
    /// There is nothing more.
    End(Session),
    /// The caller asked to stop.
    Stopped,
    /// The session is gone. What came before the gap is good; `at` is the first UID that is missing.
    Broken { partial: Option<Ready>, at: Option<u32>, asked: usize, error: PollError },
}

impl Step {
    pub(super) fn broken(error: impl Into<PollError>) -> Self {
        Self::Broken { partial: None, at: None, asked: 0, error: error.into() }
    }
}

/// One pass over a range of UIDs.
pub(super) struct Walk {
    plan: Plan,
    exists: u32,
    /// The next UID to list; beyond `u32` at the end of the range.
    next: u64,
    width: u64,
    /// Listed, not yet in a batch, ascending.
    pub(super) items: VecDeque<Item>,
    /// Every listed UID up to here is in `items` or in a batch.
    pub(super) listed_through: u32,
    /// Up to where windows have been made; `None` before the first.
    pub(super) made_through: Option<u32>,
    /// UIDs that need no look; ascending.
    without: Vec<u32>,
    is_closed: bool,
    care: Care,
    /// The first UID of what is marked as being read.
    marked: Option<u32>,
}

impl Walk {
    pub fn new(plan: Plan, exists: u32) -> Self {
        let next = u64::from(plan.first);
        Self {
            listed_through: plan.first.saturating_sub(1),
            plan,
            exists,
            next,
            width: LISTING_UIDS,
            items: VecDeque::new(),
            made_through: None,
            without: Vec::new(),
            is_closed: false,
            care: Care::default(),
            marked: None,
        }
    }

    /// Leaves out UIDs that have their outcome; `uids` ascends.
    pub fn without(mut self, uids: Vec<u32>) -> Self {
        self.without = uids;
        self
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    pub fn exists(&self) -> u32 {
        self.exists
    }

    /// The next window, or the end.
    pub async fn step<S: MailboxSink>(
        &mut self,
        poller: &Poller<'_, S>,
        mut session: Session,
        suspect: Suspect,
        care: Care,
    ) -> Step {
        self.care = care;
        loop {
            let bounds = Bounds {
                messages: suspect.limit(if care.is_needed() { care.step() } else { limits::BATCH_MESSAGES }),
                // One batch is fetched while another is stored.
                bytes: BATCH_BYTES.min(poller.in_flight.all_bytes() / 2),
                max_message_bytes: poller.max_message_bytes,
            };
            if let Some(batch) = next_batch(&mut self.items, bounds, self.listed_through) {
                if let Err(error) = self.mark(poller, batch.first_fetched()).await {
                    return Step::broken(error);
                }
                return self.fetch(poller, session, batch).await;
            }
            if self.next > u64::from(self.plan.last) {
                return self.close(poller, session);
            }
            let first = u32::try_from(self.next).unwrap_or(u32::MAX);
            let mut last = u32::try_from(self.next + self.width - 1).unwrap_or(u32::MAX).min(self.plan.last);
            let (open, mut uids) = match session.search_uids(first, last).await {
                Ok(found) => found,
                Err(error) => return Step::broken(error),
            };
            // While a mail stands in the way, sizes and headers are asked of as few mails as bodies are.
            if uids.len() > bounds.messages && bounds.messages < limits::BATCH_MESSAGES {
                uids.truncate(bounds.messages);
                last = uids.last().copied().unwrap_or(last);
            }
            self.next = u64::from(last) + 1;
            self.width = next_width(self.width, uids.is_empty(), self.exists);
            let at = uids.first().copied();
            if care.is_needed()
                && let Err(error) = self.mark(poller, at).await
            {
                return Step::broken(error);
            }
            let asked = uids.len();
            match self.sort_out(poller, open, uids, suspect).await {
                Ok((open, items)) => (session, self.items) = (open, items),
                Err(error) => return Step::Broken { partial: None, at, asked, error },
            }
            self.listed_through = last;
        }
    }

    /// Marks what is about to be read; the commit of its window takes the mark away.
    async fn mark<S: MailboxSink>(
        &mut self,
        poller: &Poller<'_, S>,
        first: Option<u32>,
    ) -> Result<(), PollError> {
        let Some(uid) = first.filter(|uid| self.marked != Some(*uid)) else { return Ok(()) };
        let mark = self.care.mark(self.plan.cursor.uid_validity, uid);
        poller.sink.begin_reading(&poller.mailbox.name, mark).await?;
        self.marked = Some(uid);
        Ok(())
    }

    /// A window up to `through_uid` is stored.
    pub fn passed(&mut self, through_uid: u32) {
        self.marked = self.marked.filter(|uid| *uid > through_uid);
    }

    /// Whether something is marked as being read.
    pub fn is_marked(&self) -> bool {
        self.marked.is_some()
    }

    /// The last window, which only moves the cursor, where one is needed.
    fn close<S: MailboxSink>(&mut self, poller: &Poller<'_, S>, session: Session) -> Step {
        let is_calm = self.plan.reason == Reason::Onward && self.plan.must_store;
        let reached = self.made_through.unwrap_or(self.plan.first.saturating_sub(1));
        let is_behind = self.plan.reason != Reason::LookBack && reached < self.plan.last;
        let is_first = self.plan.must_store && self.made_through.is_none();
        if self.is_closed || !(is_calm || is_behind || is_first) {
            return Step::End(session);
        }
        self.is_closed = true;
        let mut ready = self.window(poller, Vec::new(), Vec::new(), self.plan.last);
        if is_calm {
            ready.window.resets_in_row = 0;
        }
        Step::Ready(session, ready)
    }

    /// A window of this walk.
    pub(super) fn window<S: MailboxSink>(
        &mut self,
        poller: &Poller<'_, S>,
        envelopes: Vec<crate::envelope::Envelope>,
        settled: Vec<(u32, Outcome)>,
        through_uid: u32,
    ) -> Ready {
        self.made_through = Some(through_uid);
        let cursor = &self.plan.cursor;
        let rebased_through_uid = match self.plan.reason {
            Reason::Rebase => (through_uid < cursor.last_uid).then_some(through_uid),
            _ => cursor.rebased_through_uid,
        };
        let unread = settled.iter().filter(|(_, outcome)| *outcome == Outcome::Quarantined);
        let unread = unread.map(|(uid, _)| (*uid, self.why_unread(*uid))).collect();
        let window = Window {
            mailbox: poller.mailbox.name.clone(),
            uid_validity: cursor.uid_validity,
            envelopes,
            settled,
            unread,
            through_uid: through_uid.max(cursor.last_uid),
            backfill_through_uid: cursor.backfill_through_uid,
            resets_in_row: cursor.resets_in_row,
            rebased_through_uid,
        };
        Ready { window, through_uid, permit: None }
    }

    fn why_unread(&self, uid: u32) -> &'static str {
        if self.care.refuses(self.plan.cursor.uid_validity, uid) {
            "the process died three times while it read this mail, so it was set aside unread"
        } else {
            "the server lists this mail, but it could not be fetched"
        }
    }

    /// Which of the listed UIDs are to be fetched, with their sizes.
    async fn sort_out<S: MailboxSink>(
        &self,
        poller: &Poller<'_, S>,
        session: Session,
        mut uids: Vec<u32>,
        suspect: Suspect,
    ) -> Result<(Session, VecDeque<Item>), PollError> {
        uids.retain(|uid| self.without.binary_search(uid).is_err());
        let mut settled: HashMap<u32, Outcome> = HashMap::new();
        let mut sizes: HashMap<u32, MailSize> = HashMap::new();
        for uid in &uids {
            if self.care.refuses(self.plan.cursor.uid_validity, *uid) {
                settled.insert(*uid, Outcome::Quarantined);
                continue;
            }
            match suspect.verdict(*uid) {
                Some(Verdict::Unfetchable) => {
                    settled.insert(*uid, Outcome::Quarantined);
                }
                Some(Verdict::Oversized(bytes)) => {
                    let bytes = bytes.max(poller.max_message_bytes.saturating_add(1));
                    sizes.insert(*uid, MailSize::Bytes(bytes));
                }
                None => {}
            }
        }
        let open = |settled: &HashMap<u32, Outcome>, sizes: &HashMap<u32, MailSize>| -> Vec<u32> {
            let is_open = |uid: &u32| !settled.contains_key(uid) && !sizes.contains_key(uid);
            uids.iter().copied().filter(is_open).collect()
        };
        let mut session = session;
        if self.plan.by_headers {
            let asked = open(&settled, &sizes);
            let (back, known) = recognize(poller, session, &asked).await?;
            session = back;
            settled.extend(known.into_iter().map(|uid| (uid, Outcome::Duplicate)));
        }
        let (back, skipped) = self.skipped(poller, session, &open(&settled, &sizes)).await?;
        settled.extend(skipped.into_iter().map(|uid| (uid, Outcome::Skipped)));
        let asked = open(&settled, &sizes);
        let (back, listed) = list_sizes(back, &asked).await?;
        session = back;
        let rule = rule(poller.mailbox);
        for uid in asked {
            let outcome = match listed.get(&uid) {
                None => Outcome::Vanished,
                Some(mail) if self.is_too_old(rule, mail) => Outcome::Skipped,
                Some(mail) => {
                    sizes.insert(uid, mail.size.map_or(MailSize::Unknown, MailSize::Bytes));
                    continue;
                }
            };
            settled.insert(uid, outcome);
        }
        let item = |uid: u32| match (settled.get(&uid), sizes.get(&uid)) {
            (Some(outcome), _) => Item::Settled(uid, *outcome),
            (None, size) => Item::Fetch(uid, size.copied().unwrap_or(MailSize::Unknown)),
        };
        Ok((session, uids.iter().copied().map(item).collect()))
    }

    /// Whether the backfill rule speaks about this UID.
    fn is_history(&self, uid: u32) -> bool {
        self.plan.by_headers || uid <= self.plan.cursor.backfill_through_uid
    }

    /// UIDs among `uids` that the backfill rule leaves out, as far as the server has to be asked.
    async fn skipped<S: MailboxSink>(
        &self,
        poller: &Poller<'_, S>,
        session: Session,
        uids: &[u32],
    ) -> Result<(Session, Vec<u32>), Error> {
        let mut history: Vec<u32> = uids.iter().copied().filter(|uid| self.is_history(*uid)).collect();
        let (Some(first), Some(last)) = (history.first().copied(), history.last().copied()) else {
            return Ok((session, history));
        };
        match rule(poller.mailbox) {
            Rule::All | Rule::NotBefore(_) => Ok((session, Vec::new())),
            Rule::Nothing => Ok((session, history)),
            Rule::Since(day) => {
                let (session, wanted) = session.search_since(first, last, day).await?;
                history.retain(|uid| wanted.binary_search(uid).is_err());
                Ok((session, history))
            }
        }
    }

    fn is_too_old(&self, rule: Rule, mail: &Listed) -> bool {
        let Rule::NotBefore(moment) = rule else { return false };
        self.is_history(mail.uid) && mail.internal_date.is_some_and(|arrived| arrived < moment)
    }
}

fn next_width(width: u64, was_empty: bool, exists: u32) -> u64 {
    let most = if exists <= LISTED_AT_ONCE { u64::from(u32::MAX) } else { u64::from(LISTED_AT_ONCE) };
    if was_empty { width.saturating_mul(2).min(most) } else { LISTING_UIDS }
}

/// The largest UID there is, for servers that do not know UIDNEXT; `known` if there is none above it.
pub(super) async fn find_top_uid(
    mut session: Session,
    known: u32,
    exists: u32,
) -> Result<(Session, u32), Error> {
    let (mut next, mut width, mut top) = (u64::from(known) + 1, LISTING_UIDS, known);
    while let Ok(first) = u32::try_from(next) {
        let last = u32::try_from(next + width - 1).unwrap_or(u32::MAX);
        let (open, uids) = session.search_uids(first, last).await?;
        session = open;
        top = uids.last().copied().unwrap_or(top);
        width = next_width(width, uids.is_empty(), exists);
        next = u64::from(last) + 1;
    }
    Ok((session, top))
}

/// Sizes and dates. What the server leaves out of its answer but still lists gets an unknown size; what is absent
/// from the answer is gone.
async fn list_sizes(session: Session, uids: &[u32]) -> Result<(Session, HashMap<u32, Listed>), Error> {
    let (Some(first), Some(last)) = (uids.first().copied(), uids.last().copied()) else {
        return Ok((session, HashMap::new()));
    };
    let (mut session, rows) = session.fetch_sizes(uids).await?;
    let mut listed: HashMap<u32, Listed> = rows.into_iter().map(|row| (row.uid, row)).collect();
    if listed.len() < uids.len() {
        let (open, present) = session.search_uids(first, last).await?;
        session = open;
        for uid in present.into_iter().filter(|uid| uids.binary_search(uid).is_ok()) {
            listed.entry(uid).or_insert(Listed { uid, size: None, internal_date: None });
        }
    }
    Ok((session, listed))
}

/// UIDs among `uids` whose mail is stored already, by its header.
async fn recognize<S: MailboxSink>(
    poller: &Poller<'_, S>,
    mut session: Session,
    uids: &[u32],
) -> Result<(Session, Vec<u32>), PollError> {
    let mut known = Vec::new();
    for part in uids.chunks(HEADERS_AT_ONCE) {
        let permit = poller.in_flight.reserve(HEADERS_BYTES).await?;
        let mut headers: Vec<(u32, Bytes)> = Vec::new();
        let mut kept: u64 = 0;
        session = session
            .fetch_headers(part, &mut |row| {
                // One that finds no room here is fetched whole, which is as right.
                kept += row.body.len() as u64;
                if kept <= HEADERS_BYTES && !row.body.is_empty() {
                    headers.push((row.uid, row.body));
                }
            })
            .await?;
        let (uids, headers): (Vec<u32>, Vec<Bytes>) = headers.into_iter().unzip();
        let answers = poller.sink.known(headers).await?;
        known.extend(uids.into_iter().zip(answers).filter_map(|(uid, is_known)| is_known.then_some(uid)));
        drop(permit);
    }
    Ok((session, known))
}
