//! One batch, one transaction: find, decide, write. Begun and ended in [`Unit::run`].

use super::early::Early;
use super::prepare::{Prepared, Read};
use super::sources::Kept;
use super::write::Writing;
use super::{Progress, Receipt};
use crate::ids::{ConversationId, Ids, SurfaceId, TenantId};
use crate::matching::decide::{Candidate, Decision, Found, decide};
use crate::matching::keys;
use crate::model::conversation::ConversationState;
use crate::model::imap::Outcome;
use crate::model::key::KeyHash;
use crate::model::message::Direction;
use crate::store::ingest::{Identity, ThreadKey};
use crate::store::looking::Wanted;
use crate::store::taken_back::TakenBack;
use crate::store::{Store, StoreError, Tx};
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};

/// How often a conversation may point on to another before the batch starts over.
const POINTER_HOPS: usize = 16;

pub(super) struct Unit<'a> {
    pub tenant: TenantId,
    pub items: &'a [Prepared],
    pub progress: Option<&'a Progress>,
    pub kept: &'a Kept,
    pub ids: &'a Ids,
    pub now: Timestamp,
}

/// A message that is new, and under which identity.
pub(super) struct Fresh<'a> {
    pub read: &'a Read,
    pub identity: KeyHash,
    pub external_message_id: String,
    /// When its author took it back, before it came; and whether its identity is stored already for that.
    pub taken_back: Option<(Timestamp, bool)>,
    /// Its external id was taken by a different message.
    pub is_second: bool,
    /// A copy of it was found among what we sent.
    pub outbound: bool,
    /// Whether its keys lead to a conversation.
    pub met: bool,
    /// The conversation it refers to and was kept out of.
    pub related: Option<ConversationId>,
    /// Whether its author was not yet a participant of the conversation it joins.
    pub new_participant: bool,
}

/// What became of each message of the batch, by position.
pub(super) enum Fate {
    /// Stored: the position among the new ones.
    New(usize),
    /// A copy of a message of this very batch: the position among the new ones.
    CopyOfNew(usize),
    /// A copy of what is stored.
    Known(Identity),
    /// It takes a message back that is not here yet.
    Early,
}

/// The messages of a batch, told apart.
struct Triage<'r> {
    fates: Vec<Fate>,
    fresh: Vec<Fresh<'r>>,
    /// What was taken back and has not come.
    taken_back: Vec<TakenBack>,
}

impl Unit<'_> {
    /// Runs the unit. Idempotent: running it again changes nothing and gives the same ids.
    pub async fn run(&self, store: &Store) -> Result<Vec<Vec<Receipt>>, StoreError> {
        let mut tx = store.begin().await?;
        if let Some(progress) = self.progress {
            tx.fence(progress.lease).await?;
        }
        let reads: Vec<&Read> =
            self.items.iter().flat_map(|item| &item.messages).map(AsRef::as_ref).collect();
        let looked = tx.look(self.tenant, &wanted(&reads)).await?;
        let Triage { fates, mut fresh, taken_back } = self.triage(&mut tx, &reads, looked.identities).await?;
        let found = self.find(&mut tx, &fresh, &looked.keys, looked.states).await?;
        let met = self.met(&mut tx, &fresh, &found, &looked.keys, looked.known).await?;
        let candidates = candidates(&mut fresh, &found, &met);
        let decision = decide(&candidates, &found);
        mark_new_participants(&mut fresh, &decision, &found);
        let writing = Writing {
            unit: self,
            reads: &reads,
            fates: &fates,
            fresh: &fresh,
            taken_back: &taken_back,
            found: &found,
            decision: &decision,
            met: &met,
        };
        let receipts = writing.write(&mut tx).await?;
        tx.commit().await?;
        Ok(self.regroup(receipts))
    }

    /// Tells new messages from copies, in the batch and in the store (matching.md 1).
    async fn triage<'r>(
        &self,
        tx: &mut Tx,
        reads: &[&'r Read],
        identities: Vec<Identity>,
    ) -> Result<Triage<'r>, StoreError> {
        let mut known = by_place(identities);
        let seconds = seconds(reads, &known);
        if !seconds.is_empty() {
            known.extend(by_place(tx.find_identities(self.tenant, &seconds).await?));
        }
        let mut early = Early::among(&mut known);
        let mut fates = Vec::with_capacity(reads.len());
        let mut fresh: Vec<Fresh<'r>> = Vec::new();
        let mut in_batch: HashMap<(SurfaceId, KeyHash), usize> = HashMap::new();
        for read in reads {
            let fate = place(read, &known, &mut early, &mut in_batch, &mut fresh);
            if let Fate::CopyOfNew(position) = fate
                && let Some(first) = fresh.get_mut(position)
            {
                first.outbound |= read.message.sent_copy;
            }
            fates.push(fate);
        }
        Ok(Triage { fates, fresh, taken_back: early.left() })
    }

    /// Everything the new messages' keys lead to, locked.
    async fn find(
        &self,
        tx: &mut Tx,
        fresh: &[Fresh<'_>],
        keys: &[ThreadKey],
        mut states: HashMap<ConversationId, ConversationState>,
    ) -> Result<Found, StoreError> {
        let wanted: HashSet<(SurfaceId, KeyHash)> =
            fresh.iter().flat_map(|it| ways(it).map(|key| (it.read.message.surface_id, key))).collect();
        let leads: HashMap<_, _> = keys
            .iter()
            .map(|key| ((key.surface_id, key.key), key.conversation_id))
            .filter(|(place, _)| wanted.contains(place))
            .collect();
        let led: HashSet<ConversationId> = leads.values().copied().collect();
        states.retain(|id, _| led.contains(id));
        let mut found = Found { leads, states };
        for message in fresh.iter().map(|it| &it.read.message) {
            for id in &message.tokens {
                found.leads.entry((message.surface_id, keys::conversation(*id))).or_insert(*id);
            }
        }
        for _ in 0..POINTER_HOPS {
            let missing = found.missing();
            if missing.is_empty() {
                found.follow_merges();
                return Ok(found);
            }
            let states = tx.lock_conversations(self.tenant, &missing).await?;
            if states.is_empty() {
                // Keys that lead to conversations which are gone: matching treats them as free.
                return Ok(found);
            }
            found.states.extend(states.into_iter().map(|state| (state.id, state)));
        }
        Err(StoreError::Stale)
    }

    /// Who of the authors is known in which conversation: beside what was looked for, in conversations that a
    /// merge or a token leads to.
    async fn met(
        &self,
        tx: &mut Tx,
        fresh: &[Fresh<'_>],
        found: &Found,
        keys: &[ThreadKey],
        mut known: HashSet<(ConversationId, String)>,
    ) -> Result<HashSet<(ConversationId, String)>, StoreError> {
        let direct: HashSet<(SurfaceId, KeyHash, ConversationId)> =
            keys.iter().map(|key| (key.surface_id, key.key, key.conversation_id)).collect();
        let unknown = |it: &Fresh<'_>| {
            let (conversation, surface) = (nearest(it, found)?.id, it.read.message.surface_id);
            let was_looked_at = ways(it).any(|key| direct.contains(&(surface, key, conversation)));
            if was_looked_at { None } else { Some((conversation, author_id(it)?.to_owned())) }
        };
        let pairs: Vec<_> = fresh.iter().filter_map(unknown).collect();
        if !pairs.is_empty() {
            known.extend(tx.known_participants(self.tenant, &pairs).await?);
        }
        Ok(known)
    }

    fn regroup(&self, receipts: Vec<Receipt>) -> Vec<Vec<Receipt>> {
        let mut receipts = receipts.into_iter();
        self.items.iter().map(|item| receipts.by_ref().take(item.messages.len()).collect()).collect()
    }
}

/// What has to be known of a batch: whether its messages are here, and where their keys lead.
fn wanted<'r>(reads: &[&'r Read]) -> Vec<Wanted<'r>> {
    let of_one = |read: &&'r Read| {
        let message = &read.message;
        let surface = message.surface_id;
        let identities = [Some(message.identity), message.earlier].into_iter().flatten();
        let author = message.author.as_ref().filter(|_| message.direction == Some(Direction::Inbound));
        let author = author.map(|author| author.external_id.as_str());
        let ways = message.keys.iter().copied().chain(message.hint.map(|hint| hint.key));
        let keys = ways.map(move |key| Wanted::Key(surface, key, author));
        identities.map(move |key| Wanted::Identity(surface, key)).chain(keys)
    };
    reads.iter().flat_map(of_one).collect()
}

/// What matching looks at, messages that must stand alone having no keys (matching.md 3). `known` tells who of the
/// authors is known in which conversation.
fn candidates(
    fresh: &mut [Fresh<'_>],
    found: &Found,
    known: &HashSet<(ConversationId, String)>,
) -> Vec<Candidate> {
    for it in fresh.iter_mut() {
        let Some(author) = author_id(it) else { continue };
        let Some(conversation) = nearest(it, found).map(|state| state.id) else { continue };
        let is_known = known.contains(&(conversation, author.to_owned()));
        let stranger = !is_known && it.read.message.separates_strangers;
        it.met = true;
        if (it.read.message.disowned && is_known) || stranger {
            it.related = Some(conversation);
        }
        it.new_participant = !is_known && it.related.is_none();
    }
    let mut candidates: Vec<Candidate> = fresh.iter().map(candidate).collect();
    keep_disowned_apart(fresh, &mut candidates);
    candidates
}

fn by_place(identities: Vec<Identity>) -> HashMap<(SurfaceId, KeyHash), Identity> {
    identities.into_iter().map(|it| ((it.surface_id, it.key), it)).collect()
}

/// Second identities to be looked for: of messages whose id is taken by another, stored or in the batch.
fn seconds(reads: &[&Read], known: &HashMap<(SurfaceId, KeyHash), Identity>) -> Vec<(SurfaceId, KeyHash)> {
    let mut first: HashMap<(SurfaceId, KeyHash), KeyHash> =
        known.iter().map(|(place, identity)| (*place, identity.fingerprint)).collect();
    let mut wanted = Vec::new();
    for read in reads {
        let message = &read.message;
        let place = (message.surface_id, message.identity);
        let taken_by = *first.entry(place).or_insert(message.fingerprint);
        if !keys::same_message(taken_by, message.fingerprint) {
            wanted.push((message.surface_id, second(read).0));
        }
    }
    wanted
}

fn second(read: &Read) -> (KeyHash, String) {
    keys::second_identity(keys::EMAIL, &read.message.external_message_id, read.message.fingerprint)
}

/// An identity that a message claims.
struct Claim {
    identity: KeyHash,
    external_message_id: String,
    is_second: bool,
}

impl Claim {
    fn own(read: &Read) -> Self {
        let message = &read.message;
        Self {
            identity: message.identity,
            external_message_id: message.external_message_id.clone(),
            is_second: false,
        }
    }

    fn second(read: &Read) -> Self {
        let (identity, external_message_id) = second(read);
        Self { identity, external_message_id, is_second: true }
    }
}

/// The fate of one message: under its own identity, or, where a different message has that, under a second one.
fn place<'r>(
    read: &'r Read,
    known: &HashMap<(SurfaceId, KeyHash), Identity>,
    early: &mut Early,
    in_batch: &mut HashMap<(SurfaceId, KeyHash), usize>,
    fresh: &mut Vec<Fresh<'r>>,
) -> Fate {
    if let Some(earlier) = read.message.earlier.map(|key| (read.message.surface_id, key)) {
        if let Some(stored) = known.get(&earlier) {
            return Fate::Known(stored.clone());
        }
        if let Some(position) = in_batch.get(&earlier) {
            return Fate::CopyOfNew(*position);
        }
    }
    for claim in [Claim::own(read), Claim::second(read)] {
        let place = (read.message.surface_id, claim.identity);
        let same = |other| claim.is_second || keys::same_message(other, read.message.fingerprint);
        if let Some(stored) = known.get(&place) {
            if same(stored.fingerprint) {
                return Fate::Known(stored.clone());
            }
        } else if let Some((position, first)) =
            in_batch.get(&place).and_then(|at| Some((*at, fresh.get(*at)?)))
        {
            if same(first.read.message.fingerprint) {
                return Fate::CopyOfNew(position);
            }
        } else if let Some(change) = read.message.change.filter(|_| read.message.deletes()) {
            early.note(place, read.message.fingerprint, change.at.min(read.message.received_at));
            return Fate::Early;
        } else {
            in_batch.insert(place, fresh.len());
            fresh.push(Fresh { taken_back: early.take(place), ..Fresh::of(read, claim) });
            return Fate::New(fresh.len() - 1);
        }
    }
    // Not reached: a second claim is free, stored or in the batch, and then it is the same message.
    Fate::CopyOfNew(0)
}

impl<'r> Fresh<'r> {
    fn of(read: &'r Read, claim: Claim) -> Self {
        Self {
            read,
            identity: claim.identity,
            external_message_id: claim.external_message_id,
            taken_back: None,
            is_second: claim.is_second,
            outbound: read.message.sent_copy,
            met: false,
            related: None,
            new_participant: false,
        }
    }

    /// Whether it was kept out of a conversation because it is disowned by the domain of the participant it claims to
    /// come from.
    pub fn claims_to_be_a_participant(&self) -> bool {
        self.related.is_some() && self.read.message.disowned
    }
}

fn author_id<'a>(it: &'a Fresh<'_>) -> Option<&'a str> {
    let inbound = it.read.message.direction == Some(Direction::Inbound) && !it.outbound;
    it.read.message.author.as_ref().filter(|_| inbound).map(|author| author.external_id.as_str())
}

/// The keys that may lead to a message's conversation, the hint last.
fn ways(it: &Fresh<'_>) -> impl Iterator<Item = KeyHash> {
    let message = &it.read.message;
    message.keys.iter().copied().chain(message.hint.map(|hint| hint.key))
}

/// The conversation that a message's nearest known key leads to.
fn nearest<'f>(it: &Fresh<'_>, found: &'f Found) -> Option<&'f ConversationState> {
    let message = &it.read.message;
    ways(it).find_map(|key| {
        let id = found.leads.get(&(message.surface_id, key))?;
        found.states.get(id).filter(|state| state.merged_into.is_none())
    })
}

fn candidate(it: &Fresh<'_>) -> Candidate {
    let message = &it.read.message;
    let alone = it.related.is_some();
    Candidate {
        surface_id: message.surface_id,
        fresh: it.read.fresh,
        keys: if alone { Vec::new() } else { message.keys.clone() },
        identity: message.identity,
        hint: message.hint.filter(|_| !alone),
        rule: message.rule,
        reopens: message.reopens && !it.outbound,
        inbound: message.direction == Some(Direction::Inbound) && !it.outbound,
        sent_at: message.sent_at,
        received_at: message.received_at,
        policy: message.policy,
    }
}

/// A mail that its author's domain disowns must not lie in wait for the thread that it names, until that arrives: it
/// keeps the key of its own id, so that an answer finds it, and gives up the others; in a batch with mails that have
/// that id or name it, this one too.
fn keep_disowned_apart(fresh: &[Fresh<'_>], candidates: &mut [Candidate]) {
    let waits = |it: &Fresh<'_>| it.read.message.disowned && !it.met && !it.outbound;
    if !fresh.iter().any(waits) {
        return;
    }
    let trusted = fresh.iter().filter(|it| !waits(it)).flat_map(|it| &it.read.message.keys);
    let trusted: HashSet<KeyHash> = trusted.copied().collect();
    for (it, candidate) in fresh.iter().zip(candidates) {
        if waits(it) {
            let own = it.read.message.identity;
            candidate.keys.retain(|key| *key == own && !trusted.contains(key));
            candidate.hint = None;
        }
    }
}

/// Whoever opens a conversation is no newcomer to it.
fn mark_new_participants(fresh: &mut [Fresh<'_>], decision: &Decision, found: &Found) {
    for (it, placement) in fresh.iter_mut().zip(&decision.placements) {
        it.new_participant &= found.states.contains_key(&placement.conversation_id);
    }
}

impl Read {
    /// The UID in its mailbox, for the ledger.
    pub(super) fn uid(&self) -> Option<u32> {
        match self.message.origin {
            crate::envelope::Origin::Imap { uid, .. } => Some(uid),
            _ => None,
        }
    }

    /// What the ledger says of it when it is new.
    pub(super) fn outcome_when_new(&self) -> Outcome {
        if self.message.oversized { Outcome::Oversized } else { Outcome::Stored }
    }
}
