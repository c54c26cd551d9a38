//! Writing what was decided: each table once, whatever the size of the batch.

use super::changes::DELETED_AT;
use super::prepare::Prepared;
use super::tally::Tally;
use super::unit::{Fate, Fresh, Unit};
use super::{Receipt, prepare::Read};
use crate::ids::{AttachmentId, ConversationId, MessageId, SurfaceId};
use crate::matching::decide::{Decision, Found, Opening, Placement};
use crate::model::JsonMap;
use crate::model::attachment::{Attachment, AttachmentState};
use crate::model::conversation::{AgentMode, Conversation, ConversationStatus, Participant};
use crate::model::imap::{LedgerRow, Outcome};
use crate::model::key::KeyHash;
use crate::model::message::{Direction, Message, Role};
use crate::store::deliveries::{DeadLetter, Delivery};
use crate::store::ingest::{ConversationChange, Identity, NewMessage, ThreadKey};
use crate::store::outbox::{Event, EventKind};
use crate::store::taken_back::TakenBack;
use crate::store::{StoreError, Tx};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};

pub(super) struct Writing<'a> {
    pub unit: &'a Unit<'a>,
    pub reads: &'a [&'a Read],
    pub fates: &'a [Fate],
    pub fresh: &'a [Fresh<'a>],
    /// Messages that were taken back and have not come.
    pub taken_back: &'a [TakenBack],
    pub found: &'a Found,
    pub decision: &'a Decision,
    /// People known in conversations: they are not written again.
    pub met: &'a HashSet<(ConversationId, String)>,
}

type Result<T> = std::result::Result<T, StoreError>;

impl Writing<'_> {
    /// Writes everything, and gives one receipt a message.
    pub async fn write(&self, tx: &mut Tx) -> Result<Vec<Receipt>> {
        let tallies = self.tallies();
        self.write_conversations(tx, &tallies).await?;
        self.write_keys(tx).await?;
        self.write_messages(tx).await?;
        self.write_attention(tx).await?;
        let mut changed = self.write_outbound_copies(tx).await?;
        changed.extend(self.write_changes(tx).await?);
        self.write_deliveries(tx).await?;
        tx.insert_events(self.unit.tenant, &self.events(&changed)).await?;
        let receipts: Vec<Receipt> =
            self.fates.iter().zip(self.reads).map(|(fate, read)| self.receipt(fate, read)).collect();
        self.write_progress(tx, &receipts).await?;
        Ok(receipts)
    }

    /// The counters of every conversation that the batch touches.
    fn tallies(&self) -> BTreeMap<ConversationId, Tally> {
        let mut tallies: BTreeMap<ConversationId, Tally> = BTreeMap::new();
        let start = |id: &ConversationId| self.found.states.get(id).map_or_else(Tally::empty, Tally::of);
        for merge in &self.decision.merges {
            let tally = tallies.entry(merge.survivor).or_insert_with_key(start);
            if let Some(loser) = self.found.states.get(&merge.loser) {
                tally.absorb(loser);
            }
        }
        for (it, placement) in self.placed() {
            let tally = tallies.entry(placement.conversation_id).or_insert_with_key(start);
            tally.add(it.read.message.sent_at, direction(it).0);
        }
        let losers: HashSet<_> = self.decision.merges.iter().map(|merge| merge.loser).collect();
        for id in self.decision.reopened.iter().filter(|id| !losers.contains(id)) {
            tallies.entry(*id).or_insert_with_key(start).status = ConversationStatus::Open;
        }
        for (refused, next) in &self.decision.continued {
            tallies.entry(*refused).or_insert_with_key(start).continued_by = Some(*next);
        }
        tallies
    }

    async fn write_conversations(
        &self,
        tx: &mut Tx,
        tallies: &BTreeMap<ConversationId, Tally>,
    ) -> Result<()> {
        let opened: Vec<Conversation> =
            self.decision.openings.iter().filter_map(|opening| self.open(opening, tallies)).collect();
        tx.insert_conversations(self.unit.tenant, &opened).await?;
        tx.merge_conversations(self.unit.tenant, &self.decision.merges, self.unit.now).await?;
        let stored = tallies.iter().filter(|(id, _)| self.found.states.contains_key(id));
        let changes: Vec<ConversationChange> =
            stored.map(|(id, tally)| tally.change(*id, self.unit.now)).collect();
        tx.change_conversations(self.unit.tenant, &changes).await
    }

    fn open(&self, opening: &Opening, tallies: &BTreeMap<ConversationId, Tally>) -> Option<Conversation> {
        let founder = self.fresh.get(opening.founder)?;
        let tally = tallies.get(&opening.id)?;
        let message = &founder.read.message;
        let who = message.counterpart.as_ref();
        let mut context = message.context.clone();
        let mut refer = |name: &str, id: Option<ConversationId>| {
            if let Some(id) = id {
                context.insert(name.to_owned(), json!(id));
            }
        };
        refer("previousConversationId", opening.continues);
        refer("relatedConversationId", founder.related);
        Some(Conversation {
            id: opening.id,
            surface_id: message.surface_id,
            external_thread_id: message.thread_id.clone(),
            external_participant_id: who.map(|who| who.external_id.clone()),
            participant_name: who.and_then(|who| who.name.clone()),
            participant_email: who.and_then(|who| who.email.clone()),
            subject: message.subject.clone(),
            timezone: None,
            status: ConversationStatus::Open,
            context,
            participant_metadata: message.participant_metadata.clone(),
            agent_mode: AgentMode::Agent,
            takeover: None,
            message_count: tally.message_count,
            last_message_at: tally.last_message_at,
            last_direction: tally.last_direction,
            merged_from: Vec::new(),
            created_at: self.unit.now,
            updated_at: self.unit.now,
        })
    }

    async fn write_keys(&self, tx: &mut Tx) -> Result<()> {
        let key = |&(surface_id, key, conversation_id): &(SurfaceId, KeyHash, ConversationId)| ThreadKey {
            surface_id,
            key,
            conversation_id,
        };
        let new: Vec<ThreadKey> = self.decision.new_keys.iter().map(key).collect();
        let mut moved: Vec<ThreadKey> = self.decision.moved_keys.iter().map(key).collect();
        let mut settled: HashSet<(SurfaceId, KeyHash)> =
            new.iter().chain(&moved).map(|key| (key.surface_id, key.key)).collect();
        // Whoever opens a conversation is found in it from now on when he names no thread.
        for opening in &self.decision.openings {
            let Some(founder) = self.fresh.get(opening.founder) else { continue };
            let surface_id = founder.read.message.surface_id;
            if let Some(key) = founder.read.message.participant_key
                && settled.insert((surface_id, key))
            {
                moved.push(ThreadKey { surface_id, key, conversation_id: opening.id });
            }
        }
        tx.insert_thread_keys(self.unit.tenant, &new).await?;
        tx.point_thread_keys(self.unit.tenant, &moved).await
    }

    async fn write_messages(&self, tx: &mut Tx) -> Result<()> {
        let tenant = self.unit.tenant;
        let mut identities = Vec::with_capacity(self.fresh.len());
        let mut waited = Vec::new();
        let mut messages = Vec::with_capacity(self.fresh.len());
        let mut people: BTreeMap<(ConversationId, String), Participant> = BTreeMap::new();
        let mut attachments: HashMap<MessageId, Vec<Attachment>> = HashMap::new();
        let mut media: Vec<(SurfaceId, AttachmentId)> = Vec::new();
        for (it, placement) in self.placed() {
            let message = &it.read.message;
            let waits = it.taken_back.is_some_and(|(_, is_stored)| is_stored);
            let of = if waits { &mut waited } else { &mut identities };
            of.push(Identity {
                surface_id: message.surface_id,
                key: it.identity,
                fingerprint: message.fingerprint,
                message_id: Some(it.read.id),
                conversation_id: Some(placement.conversation_id),
                taken_back_at: None,
            });
            messages.push(self.message(it, *placement));
            for who in message.author.iter().filter(|_| !it.outbound).chain(&message.counterpart) {
                people
                    .entry((placement.conversation_id, who.external_id.clone()))
                    .or_insert_with(|| who.clone());
            }
            if !it.read.attachments.is_empty() {
                let rows: Vec<Attachment> =
                    it.read.attachments.iter().map(|attachment| attachment.row.clone()).collect();
                let pending = rows.iter().filter(|row| row.state == AttachmentState::Pending);
                media.extend(pending.map(|row| (message.surface_id, row.id)));
                attachments.insert(it.read.id, rows);
            }
        }
        let newcomers = people.into_iter().filter(|(place, _)| !self.met.contains(place));
        let people: Vec<_> = newcomers.map(|((id, _), who)| (id, who)).collect();
        tx.insert_identities(tenant, &identities).await?;
        tx.claim_taken_back(tenant, &waited).await?;
        tx.insert_takings_back(tenant, self.taken_back).await?;
        tx.insert_messages(tenant, &messages).await?;
        tx.insert_participants(tenant, &people, self.unit.now).await?;
        tx.insert_attachments(tenant, &attachments).await?;
        tx.insert_media_jobs(tenant, &media, self.unit.now).await?;
        tx.insert_blobs(tenant, &self.unit.kept.blobs, self.unit.now).await
    }

    fn message(&self, it: &Fresh<'_>, placement: Placement) -> NewMessage {
        let read = &it.read.message;
        let (direction, role) = direction(it);
        NewMessage {
            message: Message {
                id: it.read.id,
                conversation_id: placement.conversation_id,
                surface_id: read.surface_id,
                external_message_id: Some(it.external_message_id.clone()),
                role,
                direction,
                content: read.content.clone(),
                content_html: read.content_html.clone(),
                metadata: metadata(it, placement),
                in_reply_to: read.in_reply_to.clone(),
                flow_step_result_id: None,
                sent_at: read.sent_at,
                created_at: self.unit.now,
            },
            author: read.author.clone(),
            source: self.unit.kept.sources.get(&it.read.id).copied(),
        }
    }

    /// Copies found among what we sent make stored messages outbound, whichever was read first.
    async fn write_outbound_copies(&self, tx: &mut Tx) -> Result<Vec<MessageId>> {
        let known = self.fates.iter().zip(self.reads).filter(|(_, read)| read.message.sent_copy);
        let copies: Vec<MessageId> = known
            .filter_map(|(fate, _)| match fate {
                Fate::Known(identity) => identity.message_id,
                Fate::New(_) | Fate::CopyOfNew(_) | Fate::Early => None,
            })
            .collect();
        if copies.is_empty() {
            return Ok(copies);
        }
        tx.mark_outbound(self.unit.tenant, &copies).await
    }

    async fn write_deliveries(&self, tx: &mut Tx) -> Result<()> {
        let items: &[Prepared] = self.unit.items;
        let deliveries: Vec<Delivery> = items.iter().filter_map(|item| item.delivery.clone()).collect();
        let letters: Vec<DeadLetter> = items.iter().flat_map(|item| item.dead_letters.clone()).collect();
        tx.insert_deliveries(self.unit.tenant, &deliveries).await?;
        tx.insert_dead_letters(self.unit.tenant, &letters).await
    }

    fn events(&self, changed: &[MessageId]) -> Vec<Event> {
        let mut events = Vec::new();
        let mut tell = |kind, surface_id, conversation_id, message_id, merged, backfill| {
            events.push(Event {
                id: self.unit.ids.next(),
                kind,
                surface_id,
                conversation_id: Some(conversation_id),
                message_id,
                merged_conversation_id: merged,
                backfill,
                created_at: self.unit.now,
            });
        };
        for opening in &self.decision.openings {
            if let Some(founder) = self.fresh.get(opening.founder) {
                let message = &founder.read.message;
                tell(
                    EventKind::ConversationCreated,
                    message.surface_id,
                    opening.id,
                    None,
                    None,
                    message.backfill,
                );
            }
        }
        for (it, placement) in self.placed() {
            let (message, conversation) = (&it.read.message, placement.conversation_id);
            let id = Some(it.read.id);
            tell(EventKind::MessageCreated, message.surface_id, conversation, id, None, message.backfill);
        }
        for merge in &self.decision.merges {
            if let Some(state) = self.found.states.get(&merge.survivor) {
                let merged = Some(merge.loser);
                tell(EventKind::ConversationMerged, state.surface_id, state.id, None, merged, false);
            }
        }
        for id in &self.decision.reopened {
            if let Some(state) = self.found.states.get(id) {
                tell(EventKind::ConversationUpdated, state.surface_id, state.id, None, None, false);
            }
        }
        for (fate, read) in self.fates.iter().zip(self.reads) {
            if let Fate::Known(Identity { message_id: Some(id), conversation_id: Some(conversation), .. }) =
                fate
                && changed.contains(id)
            {
                let surface = read.message.surface_id;
                tell(
                    EventKind::ConversationUpdated,
                    surface,
                    *conversation,
                    Some(*id),
                    None,
                    read.message.backfill,
                );
            }
        }
        events
    }

    async fn write_progress(&self, tx: &mut Tx, receipts: &[Receipt]) -> Result<()> {
        let Some(progress) = self.unit.progress else { return Ok(()) };
        let letters = progress.letters(self.unit.ids, self.unit.now);
        if !letters.is_empty() {
            tx.insert_dead_letters(self.unit.tenant, &letters).await?;
        }
        let settled = progress.settled.iter();
        let settled =
            settled.map(|(uid, outcome)| LedgerRow { uid: *uid, outcome: *outcome, message_id: None });
        let mails = self.reads.iter().zip(receipts).filter_map(|(read, receipt)| {
            Some(LedgerRow { uid: read.uid()?, outcome: receipt.outcome, message_id: receipt.message_id })
        });
        let rows: Vec<LedgerRow> = settled.chain(mails).collect();
        let (surface, mailbox) = (progress.surface_id, progress.mailbox.as_str());
        tx.insert_ledger(self.unit.tenant, surface, mailbox, progress.uid_validity, &rows).await?;
        tx.pass_reading(self.unit.tenant, surface, mailbox, progress.through_uid).await?;
        tx.save_cursor(self.unit.tenant, &progress.cursor(self.unit.now)).await
    }

    fn receipt(&self, fate: &Fate, read: &Read) -> Receipt {
        let copy = if read.message.sent_copy { Outcome::OutboundMatched } else { Outcome::Duplicate };
        let new = |position: usize, outcome: Outcome| Receipt {
            outcome,
            message_id: self.fresh.get(position).map(|it| it.read.id),
            conversation_id: self.decision.placements.get(position).map(|it| it.conversation_id),
        };
        match fate {
            Fate::New(position) => new(*position, read.outcome_when_new()),
            Fate::CopyOfNew(position) => new(*position, copy),
            Fate::Early => Receipt { outcome: copy, message_id: None, conversation_id: None },
            Fate::Known(identity) => Receipt {
                outcome: copy,
                message_id: identity.message_id,
                conversation_id: identity.conversation_id,
            },
        }
    }

    pub(super) fn placed(&self) -> impl Iterator<Item = (&Fresh<'_>, &Placement)> {
        self.fresh.iter().zip(&self.decision.placements)
    }
}

fn direction(it: &Fresh<'_>) -> (Option<Direction>, Role) {
    if it.outbound {
        (Some(Direction::Outbound), Role::Assistant)
    } else {
        (it.read.message.direction, it.read.message.role)
    }
}

fn metadata(it: &Fresh<'_>, placement: Placement) -> JsonMap {
    let mut metadata = it.read.message.metadata.clone();
    metadata.insert("matchedBy".to_owned(), json!(placement.rule.as_str()));
    if it.new_participant {
        metadata.insert("newParticipant".to_owned(), json!(true));
    }
    if let Some((at, _)) = it.taken_back {
        metadata.insert(DELETED_AT.to_owned(), at.to_string().into());
    }
    let mut raise = |flag: &str, on: bool| {
        if let (true, Some(Value::Object(flags))) = (on, metadata.get_mut("flags")) {
            flags.insert(flag.to_owned(), json!(true));
        }
    };
    raise("duplicateId", it.is_second);
    raise("spoofSuspected", it.claims_to_be_a_participant());
    metadata
}
