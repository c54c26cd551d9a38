//! The decision against a store in memory: whole histories, in any order and any batches.

use super::decide::{Candidate, Found, Hint, Policy, Rule, decide};
use super::keys;
use crate::ids::{ConversationId, SurfaceId};
use crate::model::conversation::{ConversationState, ConversationStatus};
use crate::model::key::KeyHash;
use jiff::Timestamp;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use uuid::Uuid;

const SURFACE: SurfaceId = SurfaceId(Uuid::from_u128(1));

/// What a store does with decisions, without the store.
#[derive(Default)]
struct World {
    leads: HashMap<(SurfaceId, KeyHash), ConversationId>,
    states: HashMap<ConversationId, ConversationState>,
    placed: BTreeMap<u128, ConversationId>,
    clock: i64,
}

/// A mail: its number, and the numbers it refers to.
type Mail = (u128, Vec<u128>);

fn id(number: u128) -> String {
    format!("{number}@example.org")
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn mail(number: u128, references: &[u128]) -> Candidate {
    let own = std::iter::once(number);
    Candidate {
        surface_id: SURFACE,
        fresh: ConversationId(Uuid::from_u128(1_000 + number)),
        keys: own.chain(references.iter().rev().copied()).map(|n| keys::mail(&id(n))).collect(),
        identity: keys::mail(&id(number)),
        hint: None,
        rule: Rule::References,
        reopens: true,
        inbound: true,
        sent_at: at(0),
        received_at: at(0),
        policy: Policy::default(),
    }
}

impl World {
    fn take(&mut self, batch: &[(u128, Candidate)]) {
        let candidates: Vec<Candidate> = batch.iter().map(|(_, candidate)| candidate.clone()).collect();
        let found = Found { leads: self.leads.clone(), states: self.states.clone() };
        assert!(found.missing().is_empty());
        let decision = decide(&candidates, &found);
        for opening in &decision.openings {
            self.clock += 1;
            self.states.insert(opening.id, self.state(opening.id));
        }
        for (refused, next) in &decision.continued {
            self.states.get_mut(refused).unwrap().continued_by = Some(*next);
        }
        for (surface, key, to) in decision.new_keys.iter().chain(&decision.moved_keys) {
            self.leads.insert((*surface, *key), *to);
        }
        for merge in &decision.merges {
            self.states.get_mut(&merge.loser).unwrap().merged_into = Some(merge.survivor);
            let all = self.leads.values_mut().chain(self.placed.values_mut());
            all.filter(|to| **to == merge.loser).for_each(|to| *to = merge.survivor);
        }
        for ((number, candidate), placement) in batch.iter().zip(&decision.placements) {
            self.placed.insert(*number, placement.conversation_id);
            let state = self.states.get_mut(&placement.conversation_id).unwrap();
            assert_eq!(state.merged_into, None, "a message is never placed in a conversation that is gone");
            state.message_count += 1;
            state.last_message_at = state.last_message_at.max(Some(candidate.sent_at));
        }
        for id in decision.reopened {
            self.states.get_mut(&id).unwrap().status = ConversationStatus::Open;
        }
    }

    fn state(&self, id: ConversationId) -> ConversationState {
        ConversationState {
            id,
            surface_id: SURFACE,
            status: ConversationStatus::Open,
            message_count: 0,
            last_message_at: None,
            last_direction: None,
            created_at: at(self.clock),
            merged_into: None,
            continued_by: None,
        }
    }

    fn home(&self, number: u128) -> ConversationId {
        self.placed[&number]
    }

    fn close(&mut self, id: ConversationId, status: ConversationStatus) {
        self.states.get_mut(&id).unwrap().status = status;
    }

    fn partition(&self) -> BTreeSet<BTreeSet<u128>> {
        let mut groups: BTreeMap<ConversationId, BTreeSet<u128>> = BTreeMap::new();
        for (number, home) in &self.placed {
            groups.entry(*home).or_default().insert(*number);
        }
        groups.into_values().collect()
    }
}

fn history(mails: &[Mail], batch: usize) -> BTreeSet<BTreeSet<u128>> {
    let mut world = World::default();
    for batch in mails.chunks(batch.max(1)) {
        let batch: Vec<_> =
            batch.iter().map(|(number, references)| (*number, mail(*number, references))).collect();
        world.take(&batch);
    }
    world.partition()
}

#[test]
fn a_parent_that_arrives_after_its_reply_joins_it() {
    assert_eq!(history(&[(2, vec![1]), (1, vec![])], 1).len(), 1);
}

#[test]
fn two_replies_to_a_mail_we_never_had_meet() {
    assert_eq!(history(&[(2, vec![1]), (3, vec![1])], 1).len(), 1);
}

#[test]
fn a_message_that_connects_two_conversations_merges_them_into_the_older() {
    let mut world = World::default();
    world.take(&[(1, mail(1, &[]))]);
    world.take(&[(2, mail(2, &[]))]);
    let older = world.home(1);
    world.take(&[(3, mail(3, &[2, 1]))]);
    assert_eq!((world.home(1), world.home(2), world.home(3)), (older, older, older));
}

#[test]
fn unrelated_mails_stay_apart() {
    assert_eq!(history(&[(1, vec![]), (2, vec![])], 2).len(), 2);
}

#[test]
fn an_archived_conversation_is_followed_by_one_new_one() {
    let mut world = World::default();
    world.take(&[(1, mail(1, &[]))]);
    world.close(world.home(1), ConversationStatus::Archived);
    world.take(&[(2, mail(2, &[1])), (3, mail(3, &[1]))]);
    world.take(&[(4, mail(4, &[1]))]);
    assert_ne!(world.home(1), world.home(2));
    assert_eq!((world.home(2), world.home(2)), (world.home(3), world.home(4)));
}

#[test]
fn a_closed_conversation_is_reopened_within_its_window_and_followed_after_it() {
    for (days, reopened) in [(29, true), (31, false)] {
        let mut world = World::default();
        world.take(&[(1, mail(1, &[]))]);
        world.close(world.home(1), ConversationStatus::Closed);
        let late = Candidate { received_at: at(days * 86_400), ..mail(2, &[1]) };
        world.take(&[(2, late)]);
        assert_eq!(world.home(1) == world.home(2), reopened, "{days} days");
        assert_eq!(world.states[&world.home(1)].status == ConversationStatus::Open, reopened);
    }
}

#[test]
fn what_we_sent_joins_an_archived_conversation_and_reopens_nothing() {
    let mut world = World::default();
    world.take(&[(1, mail(1, &[]))]);
    world.close(world.home(1), ConversationStatus::Archived);
    world.take(&[(2, Candidate { inbound: false, reopens: false, ..mail(2, &[1]) })]);
    assert_eq!(world.home(1), world.home(2));
    assert_eq!(world.states[&world.home(1)].status, ConversationStatus::Archived);
}

#[test]
fn a_participant_alone_finds_the_latest_conversation_within_the_window() {
    let flat = |number: u128, days: i64| Candidate {
        keys: vec![keys::participant("ann")],
        rule: Rule::Participant,
        sent_at: at(days * 86_400),
        received_at: at(days * 86_400),
        ..mail(number, &[])
    };
    let mut world = World::default();
    for (number, days) in [(1, 0), (2, 20), (3, 49), (4, 90), (5, 91)] {
        world.take(&[(number, flat(number, days))]);
    }
    let expected: BTreeSet<BTreeSet<u128>> = [[1, 2, 3].into(), [4, 5].into()].into();
    assert_eq!(world.partition(), expected);
}

/// A mail in a thread that something else than its references names.
fn hinted(number: u128, references: &[u128], begins: bool) -> Candidate {
    let hint = Hint { key: keys::gmail_thread(7, "ann", "desk"), begins };
    Candidate { hint: Some(hint), ..mail(number, references) }
}

/// The partition after each order of these mails, one a batch and all in one.
fn in_any_order(mails: &[(u128, Candidate)]) -> Vec<BTreeSet<BTreeSet<u128>>> {
    let mut found = Vec::new();
    for turn in 0..mails.len() {
        for size in [1, mails.len()] {
            let mut turned = mails.to_vec();
            turned.rotate_left(turn);
            let mut world = World::default();
            turned.chunks(size).for_each(|batch| world.take(batch));
            found.push(world.partition());
        }
    }
    found
}

#[test]
fn a_hint_joins_what_names_only_unknown_ids_to_what_begins_it() {
    let mails = [(1, hinted(1, &[], true)), (2, hinted(2, &[50], false)), (3, hinted(3, &[51], false))];
    for partition in in_any_order(&mails) {
        assert_eq!(partition, BTreeSet::from([[1, 2, 3].into()]));
    }
}

#[test]
fn a_hint_never_joins_a_conversation_that_the_mails_own_ids_do_not_lead_to() {
    let (root, parent, answer) = ((1, hinted(1, &[], true)), (2, mail(2, &[])), (3, hinted(3, &[2], false)));
    let apart = BTreeSet::from([[1].into(), [2, 3].into()]);
    for batches in [
        vec![vec![root.clone()], vec![parent.clone()], vec![answer.clone()]],
        vec![vec![parent.clone()], vec![answer.clone()], vec![root.clone()]],
        vec![vec![parent.clone()], vec![root.clone(), answer.clone()]],
        vec![vec![answer, root, parent.clone()]],
    ] {
        let mut world = World::default();
        batches.iter().for_each(|batch| world.take(batch));
        assert_eq!(world.partition(), apart);
    }
    // A root that its own ids place gives the hint and follows none.
    let mut world = World::default();
    world.take(&[parent, (4, hinted(4, &[2], true))]);
    world.take(&[(5, hinted(5, &[60], false))]);
    assert_eq!(world.partition(), BTreeSet::from([[2, 4, 5].into()]));
    let mut world = World::default();
    world.take(&[(6, hinted(6, &[61], false)), (2, mail(2, &[]))]);
    world.take(&[(4, hinted(4, &[2], true))]);
    assert_eq!(world.partition(), BTreeSet::from([[6].into(), [2, 4].into()]));
}

fn plain_components(mails: &[Mail]) -> BTreeSet<BTreeSet<u128>> {
    let mut label: HashMap<u128, u128> = HashMap::new();
    for (number, references) in mails {
        for node in references.iter().chain([number]) {
            label.entry(*node).or_insert(*node);
        }
    }
    for _ in 0..label.len() {
        for (number, references) in mails {
            let lowest = references.iter().chain([number]).map(|node| label[node]).min().unwrap();
            for node in references.iter().chain([number]) {
                label.insert(*node, lowest);
            }
        }
    }
    let mut groups: BTreeMap<u128, BTreeSet<u128>> = BTreeMap::new();
    for (number, _) in mails {
        groups.entry(label[number]).or_default().insert(*number);
    }
    groups.into_values().collect()
}

fn mailbox() -> impl Strategy<Value = Vec<Mail>> {
    prop::collection::vec(prop::collection::vec(0..60u128, 0..4), 1..40)
        .prop_map(|lists| lists.into_iter().enumerate().map(|(n, refs)| (n as u128, refs)).collect())
}

proptest! {
    #[test]
    fn order_and_batch_size_never_change_the_partition(
        (mails, shuffled) in mailbox().prop_flat_map(|mails| (Just(mails.clone()), Just(mails).prop_shuffle())),
        batch in 1..20usize,
    ) {
        let expected = plain_components(&mails);
        prop_assert_eq!(&history(&mails, 1), &expected);
        prop_assert_eq!(&history(&shuffled, batch), &expected);
    }
}
