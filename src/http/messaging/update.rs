//! `PUT /v1/messaging/conversations/{conversationId}`.

use super::{ConversationDetail, conversation_event, external_id, plain_id, thread_key, visible_surface};
use crate::http::extract::{Body, Id};
use crate::http::fields::{Fields, FromFields};
use crate::http::{ApiError, AppState, Caller, Scope, retry};
use crate::ids::ConversationId;
use crate::limits::{EXTERNAL_ID_CHARS, NAME_CHARS, SUBJECT_CHARS};
use crate::model::JsonMap;
use crate::model::conversation::{Conversation, ConversationStatus, Participant};
use crate::model::surface::Surface;
use crate::store::Tx;
use crate::store::ingest::ThreadKey;
use crate::store::outbox::EventKind;
use axum::Json;
use axum::extract::State;
use utoipa::ToSchema;

/// What is to change: a field that is absent stays, one that is null is emptied (a status stays).
#[derive(Debug, Clone, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ConversationPatch {
    /// Whether it takes new messages.
    #[schema(nullable)]
    status: Option<ConversationStatus>,
    /// A subject.
    #[schema(value_type = Option<String>, max_length = 1000)]
    subject: Option<Option<String>>,
    /// The other party's name.
    #[schema(value_type = Option<String>, max_length = 255)]
    participant_name: Option<Option<String>>,
    /// The other party's address.
    #[schema(value_type = Option<String>, format = Email)]
    participant_email: Option<Option<String>>,
    /// The other party's IANA time zone.
    #[schema(value_type = Option<String>)]
    timezone: Option<Option<String>>,
    /// Replaces what callers keep on it.
    #[schema(value_type = Option<Object>)]
    context: Option<JsonMap>,
    /// Replaces what is known of the other party.
    #[schema(value_type = Option<Object>)]
    participant_metadata: Option<JsonMap>,
    /// The channel's id of the thread.
    #[schema(value_type = Option<String>, max_length = 500)]
    external_thread_id: Option<Option<String>>,
    /// The channel's id of the other party.
    #[schema(value_type = Option<String>, max_length = 500)]
    external_participant_id: Option<Option<String>>,
}

impl FromFields for ConversationPatch {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            status: fields.choice("status", ConversationStatus::ALL),
            subject: fields.nullable_text("subject", SUBJECT_CHARS),
            participant_name: fields.nullable_text("participantName", NAME_CHARS),
            participant_email: fields.nullable("participantEmail", Fields::email),
            timezone: fields.nullable("timezone", Fields::timezone),
            context: fields.nullable("context", Fields::map).map(Option::unwrap_or_default),
            participant_metadata: fields
                .nullable("participantMetadata", Fields::map)
                .map(Option::unwrap_or_default),
            external_thread_id: fields.nullable_text("externalThreadId", EXTERNAL_ID_CHARS),
            external_participant_id: fields.nullable_text("externalParticipantId", EXTERNAL_ID_CHARS),
        }
    }
}

/// Changes a conversation.
#[utoipa::path(
    put, path = "/v1/messaging/conversations/{conversationId}", tag = "messaging",
    params(("conversationId" = String, Path, description = "The conversation")),
    request_body = ConversationPatch,
    responses(
        (status = 200, body = ConversationDetail),
        (status = 404, description = "No such conversation", body = crate::http::error::ErrorBody),
        (status = 409, description = "Another conversation has this thread id", body = crate::http::error::ErrorBody),
    ),
)]
pub async fn update(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ConversationId>,
    body: Body,
) -> Result<Json<ConversationDetail>, ApiError> {
    caller.require(Scope::MessagingWrite)?;
    let before = super::visible_conversation(&state, &caller, id).await?;
    let patch: ConversationPatch = body.read()?;
    let surface = visible_surface(&state, &caller, before.surface_id).await?;
    let conversation = retry(|| change(&state, &caller, &surface, id, &patch)).await?;
    ConversationDetail::with_surface(&state, &caller, conversation, surface).await.map(Json)
}

async fn change(
    state: &AppState,
    caller: &Caller,
    surface: &Surface,
    id: ConversationId,
    patch: &ConversationPatch,
) -> Result<Conversation, ApiError> {
    let tenant = caller.tenant_id;
    let mut tx = state.store.begin().await?;
    let before =
        tx.lock_conversation(tenant, id).await?.ok_or_else(|| ApiError::not_found("Conversation"))?;
    let after = Conversation { updated_at: state.now(), ..patch.apply(surface, before.clone()) };
    move_thread(&mut tx, caller, surface, &before, &after).await?;
    if after.external_participant_id != before.external_participant_id
        && let Some(external_id) = after.external_participant_id.clone()
    {
        let person = Participant {
            external_id,
            name: after.participant_name.clone(),
            email: after.participant_email.clone(),
        };
        tx.insert_participants(tenant, &[(after.id, person)], after.updated_at).await?;
    }
    tx.update_conversation(tenant, &after).await?;
    let event = conversation_event(state, EventKind::ConversationUpdated, &after);
    tx.insert_events(tenant, &[event]).await?;
    tx.commit().await?;
    state.services.wake.ring();
    Ok(after)
}

impl ConversationPatch {
    fn apply(&self, surface: &Surface, mut conversation: Conversation) -> Conversation {
        fn set<T: Clone>(to: &mut T, from: Option<&T>) {
            if let Some(value) = from {
                to.clone_from(value);
            }
        }
        set(&mut conversation.status, self.status.as_ref());
        set(&mut conversation.subject, self.subject.as_ref());
        set(&mut conversation.participant_name, self.participant_name.as_ref());
        set(&mut conversation.participant_email, self.participant_email.as_ref());
        set(&mut conversation.timezone, self.timezone.as_ref());
        set(&mut conversation.context, self.context.as_ref());
        set(&mut conversation.participant_metadata, self.participant_metadata.as_ref());
        if let Some(thread) = &self.external_thread_id {
            conversation.external_thread_id = external_id(surface, thread.clone());
        }
        if let Some(participant) = &self.external_participant_id {
            conversation.external_participant_id = plain_id(participant.clone());
        }
        conversation
    }
}

/// Lets the new thread id lead here. The old one goes on doing so: what is under way still carries it.
async fn move_thread(
    tx: &mut Tx,
    caller: &Caller,
    surface: &Surface,
    before: &Conversation,
    after: &Conversation,
) -> Result<(), ApiError> {
    let key = |conversation: &Conversation| {
        let thread = conversation.external_thread_id.as_deref();
        thread_key(surface, thread, conversation.external_participant_id.as_deref())
    };
    let Some(key) = key(after).filter(|new| key(before) != Some(*new)) else { return Ok(()) };
    let found = tx.find_thread_keys(caller.tenant_id, &[(surface.id, key)]).await?;
    match found.first() {
        None => {
            let lead = ThreadKey { surface_id: surface.id, key, conversation_id: after.id };
            Ok(tx.insert_thread_keys(caller.tenant_id, &[lead]).await?)
        }
        Some(found) if found.conversation_id == after.id => Ok(()),
        Some(_) => Err(ApiError::conflict(
            "THREAD_TAKEN",
            "Another conversation of this surface has this externalThreadId and participant.",
        )),
    }
}
