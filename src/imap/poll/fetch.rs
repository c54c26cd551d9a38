//! Fetching one batch: bodies, the headers of oversized mails, and what to do about mails that do not come.

use super::batch::{Batch, Item};
use super::walk::{HEADER_BYTES, Ready, Step, Walk};
use super::{MailSize, PollError, Poller};
use crate::envelope::{Envelope, MailboxSink, Origin, Payload};
use crate::imap::{Error, Fetched, Session};
use crate::model::imap::Outcome;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;

/// Pauses before a mail that is there but does not come is asked for again: 1 s, growing by 1.7.
const PAUSES: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_millis(1_700), Duration::from_millis(2_890)];
/// What a batch may take above its announced sizes before it counts as lied about: sizes of virtual headers and line
/// ends are often wrong by little.
const SLACK_BYTES: u64 = 64 * 1024;

/// What has come of a batch.
#[derive(Default)]
struct Harvest {
    envelopes: BTreeMap<u32, Envelope>,
    settled: BTreeMap<u32, Outcome>,
    kept_bytes: u64,
    /// The first mail for which there was no room, since sizes were lied about.
    no_room_at: Option<u32>,
}

impl Walk {
    /// Fetches `batch` and makes a window of it.
    pub(super) async fn fetch<S: MailboxSink>(
        &mut self,
        poller: &Poller<'_, S>,
        session: Session,
        batch: Batch,
    ) -> Step {
        let mut harvest = Harvest { settled: batch.settled.iter().copied().collect(), ..Harvest::default() };
        let permit = match batch.first_fetched() {
            None => None,
            Some(_) => match poller.in_flight.reserve(batch.bytes).await {
                Ok(permit) => Some(permit),
                Err(error) => return Step::broken(error),
            },
        };
        let fetched = self.harvest(poller, session, &batch, &mut harvest).await;
        let mut ready = match &fetched {
            Ok(_) => self.cut(poller, harvest, &batch, None),
            Err(_) => {
                let missing = first_missing(&batch, &harvest);
                self.cut(poller, harvest, &batch, missing)
            }
        };
        ready.permit = permit;
        match fetched {
            Ok(session) => Step::Ready(session, ready),
            Err(error) => {
                let at = Some(ready.through_uid.saturating_add(1)).and_then(|next| {
                    let asked =
                        batch.bodies.iter().copied().chain(batch.oversized.iter().map(|(uid, _)| *uid));
                    asked.filter(|uid| *uid >= next).min()
                });
                let asked = batch.bodies.len() + batch.oversized.len();
                Step::Broken { partial: Some(ready), at, asked, error: error.into() }
            }
        }
    }

    /// A window of what came, up to the first UID that did not.
    fn cut<S: MailboxSink>(
        &mut self,
        poller: &Poller<'_, S>,
        harvest: Harvest,
        batch: &Batch,
        missing: Option<u32>,
    ) -> Ready {
        let gap = missing.into_iter().chain(harvest.no_room_at).min();
        let through_uid = gap.map_or(batch.through_uid, |uid| uid - 1);
        if let Some(gap) = gap {
            self.put_back(batch, gap);
        }
        let is_before = |uid: u32| gap.is_none_or(|gap| uid < gap);
        let envelopes =
            harvest.envelopes.into_iter().filter_map(|(uid, mail)| is_before(uid).then_some(mail)).collect();
        let settled = harvest.settled.into_iter().filter(|(uid, _)| is_before(*uid)).collect();
        self.window(poller, envelopes, settled, through_uid)
    }

    /// Lists `gap` and what follows it in the batch again, the sizes as unknown.
    fn put_back(&mut self, batch: &Batch, gap: u32) {
        let mut items: Vec<(u32, Item)> = Vec::new();
        items.extend(batch.bodies.iter().map(|uid| (*uid, Item::Fetch(*uid, MailSize::Unknown))));
        items.extend(
            batch.oversized.iter().map(|(uid, size)| (*uid, Item::Fetch(*uid, MailSize::Bytes(*size)))),
        );
        items.extend(batch.settled.iter().map(|(uid, outcome)| (*uid, Item::Settled(*uid, *outcome))));
        items.retain(|(uid, _)| *uid >= gap);
        items.sort_unstable_by_key(|(uid, _)| std::cmp::Reverse(*uid));
        for (_, item) in items {
            self.items.push_front(item);
        }
    }

    async fn harvest<S: MailboxSink>(
        &self,
        poller: &Poller<'_, S>,
        session: Session,
        batch: &Batch,
        harvest: &mut Harvest,
    ) -> Result<Session, Error> {
        let mut session = session;
        if !batch.oversized.is_empty() {
            session = self.oversized(poller, session, &batch.oversized, harvest).await?;
        }
        session = self.bodies(poller, session, &batch.bodies, batch.bytes, harvest).await?;
        for pause in PAUSES {
            let missing = harvest.missing(batch);
            if missing.is_empty() {
                return Ok(session);
            }
            let (open, present) = still_there(session, &missing).await?;
            session = open;
            let gone = missing.iter().filter(|uid| present.binary_search(uid).is_err());
            harvest.settled.extend(gone.map(|uid| (*uid, Outcome::Vanished)));
            if present.is_empty() {
                return Ok(session);
            }
            tokio::time::sleep(pause).await;
            let oversized: Vec<_> =
                batch.oversized.iter().copied().filter(|(uid, _)| present.contains(uid)).collect();
            if !oversized.is_empty() {
                session = self.oversized(poller, session, &oversized, harvest).await?;
            }
            let bodies: Vec<u32> =
                present.into_iter().filter(|uid| batch.bodies.binary_search(uid).is_ok()).collect();
            session = self.bodies(poller, session, &bodies, batch.bytes, harvest).await?;
        }
        let missing = harvest.missing(batch);
        if missing.is_empty() {
            return Ok(session);
        }
        let (session, present) = still_there(session, &missing).await?;
        for uid in missing {
            let is_there = present.binary_search(&uid).is_ok();
            harvest.settled.insert(uid, if is_there { Outcome::Quarantined } else { Outcome::Vanished });
        }
        Ok(session)
    }

    async fn bodies<S: MailboxSink>(
        &self,
        poller: &Poller<'_, S>,
        session: Session,
        uids: &[u32],
        reserved_bytes: u64,
        harvest: &mut Harvest,
    ) -> Result<Session, Error> {
        if uids.is_empty() {
            return Ok(session);
        }
        let room = reserved_bytes.saturating_add(reserved_bytes / 4).saturating_add(SLACK_BYTES);
        session
            .fetch_mails(uids, &mut |mail| {
                let bytes = mail.body.len() as u64;
                // A mail that is there has at least a byte; NIL for it is a server that cannot read it now.
                if mail.body.is_empty() && mail.size != Some(0) {
                    return;
                }
                if harvest.kept_bytes + bytes > room && !harvest.envelopes.is_empty() {
                    harvest.no_room_at =
                        Some(harvest.no_room_at.map_or(mail.uid, |first| first.min(mail.uid)));
                    return;
                }
                harvest.kept_bytes += bytes;
                let payload = Payload::Mail(mail.body.clone());
                harvest.envelopes.insert(mail.uid, self.envelope(poller, &mail, payload));
            })
            .await
    }

    async fn oversized<S: MailboxSink>(
        &self,
        poller: &Poller<'_, S>,
        session: Session,
        mails: &[(u32, u64)],
        harvest: &mut Harvest,
    ) -> Result<Session, Error> {
        let uids: Vec<u32> = mails.iter().map(|(uid, _)| *uid).collect();
        session
            .fetch_headers(&uids, &mut |mail| {
                let Some((_, size_bytes)) = mails.iter().copied().find(|(uid, _)| *uid == mail.uid) else {
                    return;
                };
                let header = match mail.body.get(..HEADER_BYTES) {
                    Some(beginning) => Bytes::copy_from_slice(beginning),
                    None => mail.body.clone(),
                };
                let payload = Payload::OversizedMail { header, size_bytes };
                harvest.envelopes.insert(mail.uid, self.envelope(poller, &mail, payload));
            })
            .await
    }

    fn envelope<S: MailboxSink>(&self, poller: &Poller<'_, S>, mail: &Fetched, payload: Payload) -> Envelope {
        let mailbox = poller.mailbox;
        let cursor = &self.plan().cursor;
        Envelope {
            tenant_id: mailbox.tenant_id,
            surface_id: mailbox.surface_id,
            origin: Origin::Imap {
                mailbox: mailbox.name.clone(),
                uid_validity: cursor.uid_validity,
                uid: mail.uid,
                internal_date: mail.internal_date,
                sent: mailbox.sent,
                backfill: mail.uid <= cursor.backfill_through_uid,
                gmail: mail.gmail,
            },
            received_at: poller.clock.now(),
            payload,
        }
    }
}

impl Harvest {
    /// Asked for, not come, not settled; ascending.
    fn missing(&self, batch: &Batch) -> Vec<u32> {
        let asked = batch.bodies.iter().copied().chain(batch.oversized.iter().map(|(uid, _)| *uid));
        let mut missing: Vec<u32> = asked
            .filter(|uid| !self.envelopes.contains_key(uid) && !self.settled.contains_key(uid))
            .filter(|uid| self.no_room_at.is_none_or(|first| *uid < first))
            .collect();
        missing.sort_unstable();
        missing
    }
}

fn first_missing(batch: &Batch, harvest: &Harvest) -> Option<u32> {
    harvest.missing(batch).first().copied()
}

/// Which of `uids`, which ascend, the server still lists.
async fn still_there(session: Session, uids: &[u32]) -> Result<(Session, Vec<u32>), Error> {
    let (Some(first), Some(last)) = (uids.first(), uids.last()) else { return Ok((session, Vec::new())) };
    let (session, mut present) = session.search_uids(*first, *last).await?;
    present.retain(|uid| uids.binary_search(uid).is_ok());
    Ok((session, present))
}

impl From<PollError> for Step {
    fn from(error: PollError) -> Self {
        Self::broken(error)
    }
}
