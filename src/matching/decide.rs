//! The decision: over a batch of messages and what the store found under their keys, which
//! conversation each message belongs to, which conversations are new, and which become one.
//!
//! Messages, conversations and keys that nobody has seen yet are nodes; "is known by" and "refers
//! to" are edges; a conversation is a connected component. That is the partition that linking by
//! Message-ID, In-Reply-To and References implies (RFC 5256 REFERENCES without its merging by
//! subject), and because a component does not depend on the order in which its edges were drawn,
//! neither does the result depend on arrival order, batch size or the number of workers.
//!
//! Two things cut an edge: a conversation that takes no more messages (archived, or closed longer
//! than the reopen window), whose place a new one takes, and a message that must stand alone.

use super::entrance::entrance;
use super::union::Components;
use crate::ids::{ConversationId, SurfaceId};
use crate::model::conversation::{ConversationState, Merge};
use crate::model::key::KeyHash;
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet};

/// How the conversation of a message was found, as `metadata.matchedBy` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// By Message-ID, In-Reply-To or References.
    References,
    /// By the channel's thread id.
    Thread,
    /// By the participant alone.
    Participant,
    /// Not at all: it opened its own.
    Opened,
}

impl Rule {
    /// The word in `metadata.matchedBy`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::References => "references",
            Self::Thread => "thread",
            Self::Participant => "participant",
            Self::Opened => "new",
        }
    }
}

/// What a surface says about matching.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How long after its last message a closed conversation is reopened by an inbound one, in days.
    pub reopen_days: i64,
    /// How long after its last message a participant's conversation takes messages that name no
    /// thread, in days.
    pub window_days: i64,
}

impl Default for Policy {
    fn default() -> Self {
        Self { reopen_days: 30, window_days: 30 }
    }
}

/// One message, as far as matching looks at it.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The surface: matching never leaves it.
    pub surface_id: SurfaceId,
    /// The conversation it opens if it belongs to none. Distinct for each candidate.
    pub fresh: ConversationId,
    /// Keys that lead to its conversation and will from now on, nearest first.
    pub keys: Vec<KeyHash>,
    /// The key that names this message itself, and that others refer to it by.
    pub identity: KeyHash,
    /// What leads to its conversation where none of the ids that it names does.
    pub hint: Option<Hint>,
    /// By which rule those keys match.
    pub rule: Rule,
    /// Whether the other party wrote it, so that it may reopen a closed conversation.
    pub reopens: bool,
    /// Whether it must not join a conversation that takes no more messages. What we sent ourselves
    /// joins any.
    pub inbound: bool,
    /// When it was sent: the earliest of a new conversation is its founder.
    pub sent_at: Timestamp,
    /// When it was received: what the windows are measured at.
    pub received_at: Timestamp,
    /// What its surface says.
    pub policy: Policy,
}

/// Evidence that is weaker than an id: it adds a link where the ids that a message names lead nowhere, and never joins
/// what they keep apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hint {
    /// The key, which leads to one conversation of the surface.
    pub key: KeyHash,
    /// Whether this message begins what the key names, so that it gives the key even where its ids lead somewhere.
    pub begins: bool,
}

/// What the store found.
#[derive(Debug, Default)]
pub struct Found {
    /// Where keys lead.
    pub leads: HashMap<(SurfaceId, KeyHash), ConversationId>,
    /// The state of every conversation that is led to, and of those that they point on to.
    pub states: HashMap<ConversationId, ConversationState>,
}

impl Found {
    /// Ids that a known state points on to and whose own state is still missing.
    #[must_use]
    pub fn missing(&self) -> Vec<ConversationId> {
        let pointed = self.states.values().flat_map(|state| [state.merged_into, state.continued_by]);
        let led = self.leads.values().copied();
        let wanted: HashSet<_> = pointed.flatten().chain(led).collect();
        wanted.into_iter().filter(|id| !self.states.contains_key(id)).collect()
    }

    /// Lets every key lead to the conversation that answers now: a reply token names one that may have been merged away.
    pub fn follow_merges(&mut self) {
        let moved = self.leads.iter().filter_map(|(place, id)| {
            let survivor = self.survivor(*id)?;
            (survivor.id != *id).then_some((*place, survivor.id))
        });
        let moved: Vec<_> = moved.collect();
        self.leads.extend(moved);
    }

    /// The conversation that answers for `id` now: merges are followed.
    pub(super) fn survivor(&self, id: ConversationId) -> Option<&ConversationState> {
        let mut state = self.states.get(&id)?;
        for _ in 0..self.states.len() {
            match state.merged_into {
                Some(next) => state = self.states.get(&next)?,
                None => return Some(state),
            }
        }
        None
    }
}

/// Where one message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// Its conversation.
    pub conversation_id: ConversationId,
    /// How that was found.
    pub rule: Rule,
}

/// A conversation to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Its id.
    pub id: ConversationId,
    /// The candidate (by position) that it takes subject, thread id and participant from.
    pub founder: usize,
    /// The conversation in whose place it goes on.
    pub continues: Option<ConversationId>,
}

/// The decision on a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Where each candidate goes, by position.
    pub placements: Vec<Placement>,
    /// Conversations to be made.
    pub openings: Vec<Opening>,
    /// Conversations that become one.
    pub merges: Vec<Merge>,
    /// Keys that lead nowhere yet, and where they lead from now on.
    pub new_keys: Vec<(SurfaceId, KeyHash, ConversationId)>,
    /// Keys that lead elsewhere from now on, because what they led to takes no more messages.
    pub moved_keys: Vec<(SurfaceId, KeyHash, ConversationId)>,
    /// Closed conversations that an inbound message reopens.
    pub reopened: HashSet<ConversationId>,
    /// Conversations that take no more messages, and who goes on for each.
    pub continued: Vec<(ConversationId, ConversationId)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Node {
    Message(usize),
    Conversation(ConversationId),
    Key(SurfaceId, KeyHash),
    /// Whoever goes on for a conversation that takes no more messages.
    Successor(ConversationId),
}

/// Decides on a batch. Total: whatever the store found, every candidate gets a place.
#[must_use]
pub fn decide(candidates: &[Candidate], found: &Found) -> Decision {
    let mut graph = Graph::default();
    for (position, candidate) in candidates.iter().enumerate() {
        graph.draw(position, candidate, found);
    }
    graph.draw_hints(candidates, found);
    graph.read(candidates, found)
}

#[derive(Default)]
struct Graph {
    components: Components<Node>,
    reopened: HashSet<ConversationId>,
    /// Keys in the order they were first seen, and whether they have to move.
    keys: BTreeMap<(SurfaceId, KeyHash), Keyed>,
    /// By which rule a message met a conversation that exists or another message's key.
    known: Vec<bool>,
}

#[derive(Clone, Copy)]
struct Keyed {
    node: Node,
    is_new: bool,
    moves: bool,
}

impl Graph {
    fn draw(&mut self, position: usize, candidate: &Candidate, found: &Found) {
        self.components.add(Node::Message(position));
        let mut met = false;
        for &key in &candidate.keys {
            met |= self.link(position, candidate, key, found);
        }
        self.known.push(met);
    }

    /// Ties a message to what `key` leads to; whether that was known.
    fn link(&mut self, position: usize, candidate: &Candidate, key: KeyHash, found: &Found) -> bool {
        let place = (candidate.surface_id, key);
        let node = Node::Key(place.0, place.1);
        let mut met = false;
        let keyed = match found.leads.get(&place).map(|id| found.survivor(*id)) {
            None => {
                met = self.keys.contains_key(&place);
                Keyed { node, is_new: true, moves: false }
            }
            // It leads to a conversation that is no more.
            Some(None) => Keyed { node, is_new: false, moves: true },
            Some(Some(state)) => {
                met = true;
                let (node, reopens) = entrance(candidate, state, found);
                if let (true, Node::Conversation(id)) = (reopens, node) {
                    self.reopened.insert(id);
                }
                // Mails stay where they are, and so do the keys that name them; a thread's or a
                // participant's key goes on to the conversation that takes messages now.
                let moves = node != Node::Conversation(state.id) && candidate.rule != Rule::References;
                Keyed { node, is_new: false, moves }
            }
        };
        self.components.join(Node::Message(position), keyed.node);
        self.keys.entry(place).or_insert(keyed);
        met
    }

    /// Follows hints where no id that a message names leads anywhere: neither to a conversation nor to another message
    /// of the batch. A message that begins what its hint names gives it even so, unless it leads elsewhere already.
    fn draw_hints(&mut self, candidates: &[Candidate], found: &Found) {
        if candidates.iter().all(|candidate| candidate.hint.is_none()) {
            return;
        }
        let here: HashSet<_> = candidates.iter().map(|it| (it.surface_id, it.identity)).collect();
        for (position, candidate) in candidates.iter().enumerate() {
            let Some(hint) = candidate.hint else { continue };
            let is_found = |key: KeyHash| {
                let lead = found.leads.get(&(candidate.surface_id, key));
                lead.is_some_and(|id| found.survivor(*id).is_some())
            };
            let is_known = |key: KeyHash| is_found(key) || here.contains(&(candidate.surface_id, key));
            let placed = candidate.keys.iter().any(|key| *key != candidate.identity && is_known(*key));
            if placed && (!hint.begins || is_found(hint.key)) {
                continue;
            }
            let met = self.link(position, candidate, hint.key, found);
            if let Some(known) = self.known.get_mut(position) {
                *known |= met;
            }
        }
    }

    fn read(mut self, candidates: &[Candidate], found: &Found) -> Decision {
        let mut decision = Decision { reopened: self.reopened.clone(), ..Decision::default() };
        let mut homes: HashMap<Node, ConversationId> = HashMap::new();
        for members in self.components.groups() {
            if let Some(home) = settle(&members, candidates, found, &mut decision) {
                homes.extend(members.into_iter().map(|node| (node, home)));
            }
        }
        for (position, candidate) in candidates.iter().enumerate() {
            let conversation_id = homes.get(&Node::Message(position)).copied().unwrap_or(candidate.fresh);
            let met = self.known.get(position).copied().unwrap_or(false);
            let rule = if met { candidate.rule } else { Rule::Opened };
            decision.placements.push(Placement { conversation_id, rule });
        }
        for ((surface, key), keyed) in &self.keys {
            let Some(&home) = homes.get(&keyed.node) else { continue };
            match (keyed.is_new, keyed.moves) {
                (true, _) => decision.new_keys.push((*surface, *key, home)),
                (false, true) => decision.moved_keys.push((*surface, *key, home)),
                (false, false) => {}
            }
        }
        decision
    }
}

/// Where one component lives: in its oldest conversation, or in a new one.
fn settle(
    members: &[Node],
    candidates: &[Candidate],
    found: &Found,
    decision: &mut Decision,
) -> Option<ConversationId> {
    let mut existing: Vec<&ConversationState> = members
        .iter()
        .filter_map(|node| match node {
            Node::Conversation(id) => found.states.get(id),
            _ => None,
        })
        .collect();
    existing.sort_by_key(|state| (state.created_at, state.id));
    let before = members.iter().filter_map(|node| match node {
        Node::Successor(id) => Some(*id),
        _ => None,
    });
    let home = if let Some((survivor, losers)) = existing.split_first() {
        let merges = losers.iter().map(|loser| Merge { survivor: survivor.id, loser: loser.id });
        decision.merges.extend(merges);
        if losers.iter().any(|loser| decision.reopened.contains(&loser.id)) {
            decision.reopened.insert(survivor.id);
        }
        survivor.id
    } else {
        let messages = members.iter().filter_map(|node| match node {
            Node::Message(position) => candidates.get(*position).map(|candidate| (*position, candidate)),
            _ => None,
        });
        let (founder, candidate) =
            messages.min_by_key(|(position, candidate)| (candidate.sent_at, *position))?;
        decision.openings.push(Opening { id: candidate.fresh, founder, continues: before.clone().min() });
        candidate.fresh
    };
    decision.continued.extend(before.map(|refused| (refused, home)));
    Some(home)
}
