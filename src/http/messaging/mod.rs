//! The messaging view (api.md 1): one endpoint a file. What they share stands here: who may see a
//! conversation, and which matching keys one made by a client has.

pub mod create;
pub mod delete;
pub mod download;
mod joining;
pub mod list;
pub mod list_messages;
pub mod post_message;
pub mod read;
pub mod release;
pub mod reply_address;
pub mod takeover;
pub mod update;
mod views;

pub use views::{ConversationDetail, ConversationSummary, MessageView, message_views};

use super::{ApiError, AppState, Caller};
use crate::ids::{ConversationId, EventId, SurfaceId};
use crate::inbound::SurfaceSettings;
use crate::matching::keys;
use crate::model::conversation::Conversation;
use crate::model::key::KeyHash;
use crate::model::surface::Surface;
use crate::store::outbox::{Event, EventKind};

/// A conversation that the caller may see; the id of a merged one gives its survivor.
async fn visible_conversation(
    state: &AppState,
    caller: &Caller,
    id: ConversationId,
) -> Result<Conversation, ApiError> {
    let not_found = || ApiError::not_found("Conversation");
    let conversation = state.store.get_conversation(caller.tenant_id, id).await?.ok_or_else(not_found)?;
    if caller.workspace_id.is_some() {
        visible_surface(state, caller, conversation.surface_id).await.map_err(|_| not_found())?;
    }
    Ok(conversation)
}

/// A surface that the caller may see.
async fn visible_surface(state: &AppState, caller: &Caller, id: SurfaceId) -> Result<Surface, ApiError> {
    let surface = state.store.get_surface(caller.tenant_id, id).await?;
    surface
        .filter(|surface| caller.sees_workspace(surface.workspace_id.as_deref()))
        .ok_or_else(|| ApiError::not_found("Surface"))
}

/// The key under which a conversation with that thread and participant is found again.
fn thread_key(surface: &Surface, thread_id: Option<&str>, participant_id: Option<&str>) -> Option<KeyHash> {
    let joins = SurfaceSettings::of(surface, None).joins_strangers;
    keys::thread(&surface.kind, joins, thread_id, participant_id)
}

/// A channel's id as `inbound` keeps it too: no control characters, no blanks around it, on email
/// surfaces no angle brackets, nowhere empty.
fn external_id(surface: &Surface, id: Option<String>) -> Option<String> {
    let id = plain_id(id)?;
    if surface.kind != keys::EMAIL {
        return Some(id);
    }
    let bare = id.trim_start_matches('<').trim_end_matches('>');
    (!bare.is_empty()).then(|| bare.to_owned())
}

/// The same for an id that is never a Message-ID.
fn plain_id(id: Option<String>) -> Option<String> {
    let plain: String = id?.trim().chars().filter(|c| !c.is_control()).collect();
    let plain = plain.trim();
    (!plain.is_empty()).then(|| plain.to_owned())
}

/// An event about a conversation.
fn conversation_event(state: &AppState, kind: EventKind, conversation: &Conversation) -> Event {
    Event {
        id: state.ids.next::<EventId>(),
        kind,
        surface_id: conversation.surface_id,
        conversation_id: Some(conversation.id),
        message_id: None,
        merged_conversation_id: None,
        backfill: false,
        created_at: state.now(),
    }
}
