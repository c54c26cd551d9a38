//! `GET /v1/messaging/conversations/{conversationId}/messages`.

use super::{MessageView, message_views, visible_conversation};
use crate::http::cursor::{self, Position};
use crate::http::extract::{Id, PageSize, Query};
use crate::http::{ApiError, AppState, Caller, Scope};
use crate::ids::{ConversationId, MessageId};
use crate::limits::PAGE_ROWS;
use crate::model::message::text_enum;
use crate::store::messages::{MessageCursor, MessageOrder};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// One page of messages.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessagePage {
    /// The messages, by `sentAt`, then id.
    pub data: Vec<MessageView>,
    /// Messages of the whole conversation.
    pub total_count: i64,
    /// Gives the page after this one, in the same order.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

/// Lists the messages of a conversation.
#[utoipa::path(
    get, path = "/v1/messaging/conversations/{conversationId}/messages", tag = "messaging",
    params(
        ("conversationId" = String, Path, description = "The conversation"),
        ("limit" = inline(Option<PageSize>), Query, description = "Rows of a page, brought into 1 to 100; 100 when absent"),
        ("order" = inline(Option<Order>), Query, description = "`asc` when absent"),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of another page of the same order"),
    ),
    responses(
        (status = 200, body = MessagePage),
        (status = 404, description = "No such conversation", body = crate::http::error::ErrorBody),
    ),
)]
pub async fn list_messages(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ConversationId>,
    mut query: Query,
) -> Result<Json<MessagePage>, ApiError> {
    caller.require(Scope::MessagingRead)?;
    let conversation = visible_conversation(&state, &caller, id).await?;
    let limit = query.limit(PAGE_ROWS, PAGE_ROWS);
    let order = read_order(&mut query);
    let cursor = query.fields().text("cursor", usize::MAX);
    query.finish()?;

    let list = list_name(conversation.id, order);
    let cursor = cursor.map(|text| read_cursor(&list, &caller, &text)).transpose()?;
    let (messages, more) =
        state.store.list_messages(caller.tenant_id, conversation.id, order, cursor, limit).await?;
    let next_cursor = messages.last().filter(|_| more).map(|last| {
        let position = Position { backward: false, at: Some(last.sent_at), id: last.id.0 };
        cursor::seal(&list, caller.tenant_id, position)
    });
    let data = message_views(&state, &caller, messages).await?;
    Ok(Json(MessagePage { data, total_count: conversation.message_count, next_cursor }))
}

fn list_name(conversation: ConversationId, order: MessageOrder) -> String {
    let order = match order {
        MessageOrder::OldestFirst => "asc",
        MessageOrder::NewestFirst => "desc",
    };
    format!("messages {order} {conversation}")
}

fn read_cursor(list: &str, caller: &Caller, text: &str) -> Result<MessageCursor, ApiError> {
    let position = cursor::open(list, caller.tenant_id, text)?;
    let sent_at = position.at.ok_or_else(|| ApiError::invalid_field("cursor", "is not of this list"))?;
    Ok(MessageCursor { sent_at, id: MessageId(position.id) })
}

text_enum! {
    /// Which end of the conversation comes first.
    Order {
        /// The oldest message.
        Asc = "asc",
        /// The newest.
        Desc = "desc",
    }
}

fn read_order(query: &mut Query) -> MessageOrder {
    let Some(text) = query.fields().text("order", 40) else { return MessageOrder::OldestFirst };
    match Order::parse(&text) {
        Some(Order::Asc) => MessageOrder::OldestFirst,
        Some(Order::Desc) => MessageOrder::NewestFirst,
        None => {
            query.fields().problem("order", "must be asc or desc");
            MessageOrder::OldestFirst
        }
    }
}
