//! `GET /v1/events`: what happened, as server-sent events. The data is read from the outbox; a wake-up
//! only shortens the wait, so that a second worker's events come as well, a moment later.

use super::extract::{Query, read_id};
use super::messaging::{ConversationSummary, message_views};
use super::{ApiError, AppState, Caller, Scope};
use crate::ids::EventId;
use crate::notify::Listener;
use crate::store::outbox::{Event, EventKind};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as Frame, KeepAlive, Sse};
use futures_util::stream::{self, Stream, StreamExt as _};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

/// Events read at once.
const BATCH: usize = 100;
/// How long events of other workers may lie before they are seen.
const POLL: Duration = Duration::from_secs(1);
/// How often an idle stream shows that it lives.
const PING: Duration = Duration::from_secs(15);

/// Streams events after a cursor, without one from the first that is kept; then goes on as they happen.
///
/// Each frame has the event's id, its type, and `{id, type, timestamp, data}` as JSON; with `backfill: true` where it tells of
/// history: mail that was there before the mailbox was started, which nobody should answer.
#[utoipa::path(
    get, path = "/v1/events", tag = "events",
    params(
        ("after" = Option<String>, Query, description = "The id of the last event that was seen"),
        ("Last-Event-ID" = Option<String>, Header, description = "The same, as browsers send it; it wins"),
    ),
    responses((status = 200, description = "A stream that does not end", content_type = "text/event-stream", body = String)),
)]
pub async fn events(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    mut query: Query,
) -> Result<Sse<impl Stream<Item = Result<Frame, Infallible>>>, ApiError> {
    caller.require(Scope::MessagingRead)?;
    let after = query.fields().text("after", 100);
    query.finish()?;
    let resumed = headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let cursor = match resumed.filter(|text| !text.is_empty()).or(after) {
        None => None,
        Some(text) => Some(
            read_id(&text)
                .map(EventId)
                .ok_or_else(|| ApiError::invalid_field("after", "is not the id of an event"))?,
        ),
    };
    let stopping = state.services.stopping.clone();
    let feed = Feed { wake: state.services.wake.listen(), state, caller, cursor, ready: VecDeque::new() };
    let frames = stream::unfold(feed, async |mut feed| {
        let frame = feed.next().await;
        Some((Ok(frame), feed))
    });
    let frames = frames.take_until(stopping.cancelled_owned());
    Ok(Sse::new(frames).keep_alive(KeepAlive::new().interval(PING)))
}

/// One reader's place in the outbox.
struct Feed {
    state: AppState,
    caller: Caller,
    wake: Listener,
    cursor: Option<EventId>,
    ready: VecDeque<Frame>,
}

impl Feed {
    /// The next frame, as soon as there is one.
    async fn next(&mut self) -> Frame {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return frame;
            }
            match self.read().await {
                Ok(true) => {}
                Ok(false) => {
                    // Whichever comes first, the outbox tells what happened.
                    let _ = tokio::time::timeout(POLL, self.wake.heard()).await;
                }
                Err(error) => {
                    tracing::warn!(?error, "events cannot be read now");
                    tokio::time::sleep(POLL).await;
                }
            }
        }
    }

    /// Reads on; `false` at the end.
    async fn read(&mut self) -> Result<bool, ApiError> {
        let events = self.state.store.list_events(self.caller.tenant_id, self.cursor, BATCH).await?;
        let Some(last) = events.last() else { return Ok(false) };
        let cursor = last.id;
        let mut ready = VecDeque::with_capacity(events.len());
        for event in &events {
            if let Some(body) = body_of(&self.state, &self.caller, event).await? {
                let frame = Frame::default().id(event.id.to_string()).event(event.kind.as_str());
                ready.push_back(frame.data(body.to_string()));
            }
        }
        self.cursor = Some(cursor);
        self.ready = ready;
        Ok(true)
    }
}

/// The event as clients see it: what changed as it looks now. `None` when it is gone or belongs to
/// another workspace.
async fn body_of(state: &AppState, caller: &Caller, event: &Event) -> Result<Option<Value>, ApiError> {
    let tenant = caller.tenant_id;
    if caller.workspace_id.is_some() {
        let surface = state.store.get_surface(tenant, event.surface_id).await?;
        if !surface.is_some_and(|surface| caller.sees_workspace(surface.workspace_id.as_deref())) {
            return Ok(None);
        }
    }
    let conversation = async || -> Result<Option<ConversationSummary>, ApiError> {
        let Some(id) = event.conversation_id else { return Ok(None) };
        Ok(state.store.get_conversation(tenant, id).await?.map(ConversationSummary::from))
    };
    let data = match event.kind {
        EventKind::MessageCreated => {
            let Some(id) = event.message_id else { return Ok(None) };
            let message = state.store.get_message(tenant, id).await?;
            let views = message_views(state, caller, message.into_iter().collect()).await?;
            views.into_iter().next().map(|view| json!({ "message": view }))
        }
        EventKind::ConversationCreated | EventKind::ConversationUpdated => {
            conversation().await?.map(|view| json!({ "conversation": view }))
        }
        EventKind::ConversationMerged => conversation().await?.map(
            |view| json!({ "conversation": view, "mergedConversationId": event.merged_conversation_id }),
        ),
        EventKind::SurfaceError => Some(json!({ "surface": { "id": event.surface_id } })),
    };
    let body = |data| {
        let mut body = json!({ "id": event.id, "type": event.kind.as_str(), "timestamp": event.created_at, "data": data });
        if let Some(body) = body.as_object_mut().filter(|_| event.backfill) {
            body.insert("backfill".to_owned(), true.into());
        }
        body
    };
    Ok(data.map(body))
}
