//! A mail posted by hand whose Message-ID already leads to another conversation connects the two: they become one
//! (matching.md 2).

use super::conversation_event;
use crate::http::{ApiError, AppState, Caller};
use crate::matching::keys;
use crate::model::conversation::{Conversation, ConversationStatus, Merge};
use crate::model::surface::Surface;
use crate::store::Tx;
use crate::store::ingest::ThreadKey;
use crate::store::outbox::{Event, EventKind};

/// Makes `external_id` lead to `conversation`, which is locked; where it leads to another one already, the younger of
/// the two is merged into the older. Gives the conversation that is left, with the counters of both, still to be
/// written; and what is to be told.
pub(super) async fn lead_here(
    tx: &mut Tx,
    state: &AppState,
    caller: &Caller,
    surface: &Surface,
    conversation: Conversation,
    external_id: &str,
) -> Result<(Conversation, Option<Event>), ApiError> {
    if surface.kind != keys::EMAIL {
        return Ok((conversation, None));
    }
    let tenant = caller.tenant_id;
    let key = keys::mail(external_id);
    let leads = tx.find_thread_keys(tenant, &[(surface.id, key)]).await?;
    let here = ThreadKey { surface_id: surface.id, key, conversation_id: conversation.id };
    let Some(lead) = leads.first() else {
        tx.insert_thread_keys(tenant, &[here]).await?;
        return Ok((conversation, None));
    };
    let other = if lead.conversation_id == conversation.id {
        None
    } else {
        tx.lock_conversation(tenant, lead.conversation_id).await?.filter(|other| other.id != conversation.id)
    };
    let Some(other) = other else {
        // It leads here, or to a conversation that is gone.
        tx.point_thread_keys(tenant, &[here]).await?;
        return Ok((conversation, None));
    };
    let age = |it: &Conversation| (it.created_at, it.id);
    let (mut survivor, loser) =
        if age(&other) < age(&conversation) { (other, conversation) } else { (conversation, other) };
    let merge = Merge { survivor: survivor.id, loser: loser.id };
    tx.merge_conversations(tenant, &[merge], state.now()).await?;
    absorb(&mut survivor, &loser);
    let told = conversation_event(state, EventKind::ConversationMerged, &survivor);
    Ok((survivor, Some(Event { merged_conversation_id: Some(loser.id), ..told })))
}

/// The counters of both; it stays open if one of the two is.
fn absorb(survivor: &mut Conversation, loser: &Conversation) {
    survivor.message_count += loser.message_count;
    if loser.last_message_at > survivor.last_message_at {
        survivor.last_message_at = loser.last_message_at;
        survivor.last_direction = loser.last_direction;
    }
    if loser.status == ConversationStatus::Open {
        survivor.status = ConversationStatus::Open;
    }
}
