//! Whether a conversation takes a message, and which one goes on for it where it does not.

use super::decide::{Candidate, Found, Node, Rule};
use crate::model::conversation::{ConversationState, ConversationStatus};
use jiff::{Timestamp, ToSpan as _};

/// The node at which a message enters, when a key of its leads to `state`; and whether it reopens it.
pub(super) fn entrance(candidate: &Candidate, state: &ConversationState, found: &Found) -> (Node, bool) {
    let mut state = state;
    for _ in 0..=found.states.len() {
        match verdict(candidate, state) {
            Verdict::Joins => return (Node::Conversation(state.id), false),
            Verdict::Reopens => return (Node::Conversation(state.id), true),
            Verdict::Refuses => {}
        }
        let next = state.continued_by.and_then(|id| found.survivor(id));
        match next {
            Some(next) if next.id != state.id => state = next,
            _ => break,
        }
    }
    (Node::Successor(state.id), false)
}

enum Verdict {
    Joins,
    Reopens,
    Refuses,
}

fn verdict(candidate: &Candidate, state: &ConversationState) -> Verdict {
    if !candidate.inbound {
        return Verdict::Joins;
    }
    let quiet_for = |days: i64| {
        let Some(last) = state.last_message_at else { return false };
        let edge = last.checked_add((days.saturating_mul(24)).hours()).unwrap_or(Timestamp::MAX);
        candidate.received_at > edge
    };
    match state.status {
        ConversationStatus::Archived => Verdict::Refuses,
        ConversationStatus::Closed if quiet_for(candidate.policy.reopen_days) => Verdict::Refuses,
        _ if candidate.rule == Rule::Participant && quiet_for(candidate.policy.window_days) => {
            Verdict::Refuses
        }
        ConversationStatus::Closed if candidate.reopens => Verdict::Reopens,
        ConversationStatus::Closed | ConversationStatus::Open => Verdict::Joins,
    }
}
