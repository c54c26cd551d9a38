//! `POST /v1/messaging/conversations`.

use super::{ConversationDetail, conversation_event, external_id, plain_id, thread_key, visible_surface};
use crate::http::extract::{Body, read_id};
use crate::http::fields::{Fields, FromFields};
use crate::http::{ApiError, AppState, Caller, Scope, retry};
use crate::ids::{ConversationId, SurfaceId};
use crate::limits::{EXTERNAL_ID_CHARS, NAME_CHARS, SUBJECT_CHARS};
use crate::matching::keys;
use crate::model::JsonMap;
use crate::model::conversation::{AgentMode, Conversation, ConversationStatus, Participant};
use crate::model::key::KeyHash;
use crate::model::surface::Surface;
use crate::store::ingest::ThreadKey;
use crate::store::outbox::EventKind;
use crate::store::{StoreError, Tx};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa::ToSchema;

/// A conversation to be made.
#[derive(Debug, Clone, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct NewConversation {
    /// The surface it lives on.
    #[schema(value_type = String, min_length = 1)]
    surface_id: String,
    /// The channel's id of the thread.
    #[schema(max_length = 500, nullable)]
    external_thread_id: Option<String>,
    /// The channel's id of the other party.
    #[schema(max_length = 500, nullable)]
    external_participant_id: Option<String>,
    /// The other party's name.
    #[schema(max_length = 255, nullable)]
    participant_name: Option<String>,
    /// The other party's address.
    #[schema(format = Email, min_length = 3, max_length = 320, nullable)]
    participant_email: Option<String>,
    /// A subject.
    #[schema(max_length = 1000, nullable)]
    subject: Option<String>,
    /// The other party's IANA time zone.
    #[schema(min_length = 1, max_length = 64, nullable, example = "Europe/Berlin")]
    timezone: Option<String>,
    /// `open` when absent.
    #[schema(nullable)]
    status: Option<ConversationStatus>,
    /// What the caller keeps on it.
    #[schema(value_type = Option<Object>, nullable)]
    context: JsonMap,
    /// What is known of the other party.
    #[schema(value_type = Option<Object>, nullable)]
    participant_metadata: JsonMap,
}

impl FromFields for NewConversation {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            surface_id: fields.required_text("surfaceId", usize::MAX),
            external_thread_id: fields.text("externalThreadId", EXTERNAL_ID_CHARS),
            external_participant_id: fields.text("externalParticipantId", EXTERNAL_ID_CHARS),
            participant_name: fields.text("participantName", NAME_CHARS),
            participant_email: fields.email("participantEmail"),
            subject: fields.text("subject", SUBJECT_CHARS),
            timezone: fields.timezone("timezone"),
            status: fields.choice("status", ConversationStatus::ALL),
            context: fields.map("context").unwrap_or_default(),
            participant_metadata: fields.map("participantMetadata").unwrap_or_default(),
        }
    }
}

/// Makes a conversation, or gives the one with the same surface, thread and participant.
#[utoipa::path(
    post, path = "/v1/messaging/conversations", tag = "messaging", request_body = NewConversation,
    responses(
        (status = 201, description = "Made", body = ConversationDetail),
        (status = 200, description = "It was there already", body = ConversationDetail),
        (status = 404, description = "No such surface", body = crate::http::error::ErrorBody),
    ),
)]
pub async fn create(
    State(state): State<AppState>,
    caller: Caller,
    body: Body,
) -> Result<(StatusCode, Json<ConversationDetail>), ApiError> {
    caller.require(Scope::MessagingWrite)?;
    let input: NewConversation = body.read()?;
    let surface_id = read_id(&input.surface_id).ok_or_else(|| ApiError::not_found("Surface"))?;
    let surface = visible_surface(&state, &caller, SurfaceId(surface_id)).await?;
    let wanted = input.into_conversation(&state, &surface);
    let (status, conversation) = retry(|| find_or_make(&state, &caller, &surface, &wanted)).await?;
    let detail = ConversationDetail::with_surface(&state, &caller, conversation, surface).await?;
    Ok((status, Json(detail)))
}

impl NewConversation {
    fn into_conversation(self, state: &AppState, surface: &Surface) -> Conversation {
        let now = state.now();
        Conversation {
            id: state.ids.next(),
            surface_id: surface.id,
            external_thread_id: external_id(surface, self.external_thread_id),
            external_participant_id: plain_id(self.external_participant_id),
            participant_name: self.participant_name,
            participant_email: self.participant_email,
            subject: self.subject,
            timezone: self.timezone,
            status: self.status.unwrap_or(ConversationStatus::Open),
            context: self.context,
            participant_metadata: self.participant_metadata,
            agent_mode: AgentMode::Agent,
            takeover: None,
            message_count: 0,
            last_message_at: None,
            last_direction: None,
            merged_from: Vec::new(),
            created_at: now,
            updated_at: now,
        }
    }
}

async fn find_or_make(
    state: &AppState,
    caller: &Caller,
    surface: &Surface,
    wanted: &Conversation,
) -> Result<(StatusCode, Conversation), ApiError> {
    let tenant = caller.tenant_id;
    let participant = wanted.external_participant_id.as_deref();
    let mut tx = state.store.begin().await?;
    match thread_key(surface, wanted.external_thread_id.as_deref(), participant) {
        Some(key) => {
            let found = tx.find_thread_keys(tenant, &[(surface.id, key)]).await?;
            if let Some(found) = found.first() {
                // The row may be deleted between the two statements: then the unit starts over.
                let existing = tx.lock_conversation(tenant, found.conversation_id).await?;
                return Ok((StatusCode::OK, existing.ok_or(StoreError::Stale)?));
            }
            tx.insert_conversations(tenant, std::slice::from_ref(wanted)).await?;
            tx.insert_thread_keys(tenant, &[lead(surface.id, key, wanted.id)]).await?;
        }
        None => {
            tx.insert_conversations(tenant, std::slice::from_ref(wanted)).await?;
            if let Some(participant) = participant.filter(|_| surface.kind != keys::EMAIL) {
                lead_participant(&mut tx, caller, surface.id, participant, wanted.id).await?;
            }
        }
    }
    if let Some(external_id) = &wanted.external_participant_id {
        let person = Participant {
            external_id: external_id.clone(),
            name: wanted.participant_name.clone(),
            email: wanted.participant_email.clone(),
        };
        tx.insert_participants(tenant, &[(wanted.id, person)], wanted.created_at).await?;
    }
    let event = conversation_event(state, EventKind::ConversationCreated, wanted);
    tx.insert_events(tenant, &[event]).await?;
    tx.commit().await?;
    state.services.wake.ring();
    Ok((StatusCode::CREATED, wanted.clone()))
}

/// Messages of this participant that name no thread go to the newest conversation: this one.
async fn lead_participant(
    tx: &mut Tx,
    caller: &Caller,
    surface: SurfaceId,
    participant: &str,
    conversation: ConversationId,
) -> Result<(), ApiError> {
    let tenant = caller.tenant_id;
    let key = keys::participant(participant);
    let before = tx.find_thread_keys(tenant, &[(surface, key)]).await?;
    let lead = lead(surface, key, conversation);
    match before.first() {
        Some(before) => {
            tx.lock_conversations(tenant, &[before.conversation_id]).await?;
            tx.point_thread_keys(tenant, &[lead]).await?;
        }
        None => tx.insert_thread_keys(tenant, &[lead]).await?,
    }
    Ok(())
}

fn lead(surface_id: SurfaceId, key: KeyHash, conversation_id: ConversationId) -> ThreadKey {
    ThreadKey { surface_id, key, conversation_id }
}
