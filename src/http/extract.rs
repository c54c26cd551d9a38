//! What handlers take from a request: ids, query parameters, bodies. Bodies and parameters are read
//! only when the handler asks, after it has checked scope and existence.

use super::AppState;
use super::error::ApiError;
use super::fields::{Fields, FromFields};
use crate::ids::{
    AttachmentId, AttentionId, ConversationId, DeadLetterId, DeliveryId, EventId, KeyId, MessageId, SurfaceId,
};
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// Something that a path names by an id.
pub trait Resource: From<uuid::Uuid> {
    /// What a 404 calls it.
    const NOUN: &'static str;
    /// What the path template calls its id.
    const PARAMETER: &'static str;
}

macro_rules! resources {
    ($($id:ty: $noun:literal, $parameter:literal;)+) => {$(
        impl Resource for $id {
            const NOUN: &'static str = $noun;
            const PARAMETER: &'static str = $parameter;
        }
    )+};
}

resources! {
    SurfaceId: "Surface", "surfaceId";
    ConversationId: "Conversation", "conversationId";
    MessageId: "Message", "messageId";
    AttachmentId: "Attachment", "attachmentId";
    DeliveryId: "Delivery", "deliveryId";
    AttentionId: "Attention item", "itemId";
    DeadLetterId: "Dead letter", "deadLetterId";
    EventId: "Event", "eventId";
    KeyId: "API key", "keyId";
}

/// The id that the path names as [`Resource::PARAMETER`]. Any text that is no id is a 404.
#[derive(Debug, Clone, Copy)]
pub struct Id<T>(pub T);

impl<T: Resource, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let not_found = || ApiError::not_found(T::NOUN);
        let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| not_found())?;
        let text = params.iter().find(|(name, _)| *name == T::PARAMETER).map(|(_, value)| value);
        let id = text.and_then(read_id).ok_or_else(not_found)?;
        Ok(Self(T::from(id)))
    }
}

/// Reads the hyphenated form of a UUID; the other forms that the `uuid` crate knows are no ids here.
#[must_use]
pub fn read_id(text: &str) -> Option<uuid::Uuid> {
    (text.len() == uuid::fmt::Hyphenated::LENGTH).then(|| uuid::Uuid::try_parse(text).ok()).flatten()
}

/// Query parameters. The last of several with one name counts.
#[derive(Debug)]
pub struct Query(Fields);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let pairs = axum::extract::Query::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::invalid_field("", "has a query string that cannot be read"))?;
        // An empty parameter (`?cursor=`) is one that is absent: forms send them.
        let present = pairs.0.into_iter().filter(|(_, value)| !value.is_empty());
        Ok(Self(Fields::new(present.map(|(name, value)| (name, Value::String(value))).collect())))
    }
}

/// How the document describes [`Query::limit`]: any whole number, since each is brought into its bounds.
#[derive(Debug)]
pub struct PageSize;

impl utoipa::PartialSchema for PageSize {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::Type::Integer).into()
    }
}

impl utoipa::ToSchema for PageSize {}

impl Query {
    /// The fields, all of them text.
    pub fn fields(&mut self) -> &mut Fields {
        &mut self.0
    }

    /// A page size: `default` when absent, else brought into 1 to `most`.
    pub fn limit(&mut self, default: usize, most: usize) -> usize {
        let Some(text) = self.0.text("limit", 40) else { return default };
        match text.parse::<i128>() {
            Ok(number) => usize::try_from(number.clamp(1, i128::try_from(most).unwrap_or(1))).unwrap_or(most),
            Err(_) => {
                self.0.problem("limit", "must be a whole number");
                default
            }
        }
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, name: &str) -> Option<bool> {
        match self.0.text(name, 5)?.as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => {
                self.0.problem(name, "must be true or false");
                None
            }
        }
    }

    /// Ends reading.
    ///
    /// # Errors
    /// 400 with every parameter at fault.
    pub fn finish(self) -> Result<(), ApiError> {
        self.0.finish()
    }
}

/// A request body, whole and within the limit of the API, not yet read as JSON.
#[derive(Debug)]
pub struct Body(Bytes);

impl Body {
    /// Reads the body as `T`.
    ///
    /// # Errors
    /// 400 for what is not JSON, or with every field at fault.
    pub fn read<T: FromFields>(&self) -> Result<T, ApiError> {
        Fields::read(self.json()?)
    }

    /// Reads the body as `T`; no body and `null` are an empty object.
    ///
    /// # Errors
    /// As [`Body::read`].
    pub fn read_optional<T: FromFields>(&self) -> Result<T, ApiError> {
        let json = if self.0.trim_ascii().is_empty() { Value::Null } else { self.json()? };
        Fields::read(if json.is_null() { Value::Object(serde_json::Map::new()) } else { json })
    }

    /// The body as JSON. Depth is bounded by the reader (128).
    ///
    /// # Errors
    /// 400 naming line and column.
    pub fn json(&self) -> Result<Value, ApiError> {
        if self.0.trim_ascii().is_empty() {
            return Err(malformed("The request body is empty; it must be a JSON object.".to_owned()));
        }
        serde_json::from_slice(&self.0).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            malformed(format!("The request body is not valid JSON (line {line}, column {column})."))
        })
    }
}

fn malformed(sentence: String) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "MALFORMED_JSON", sentence)
}

impl FromRequest<AppState> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        read_body(request, state.settings.api_body_bytes, state.settings.body_timeout).await.map(Self)
    }
}

/// Reads a whole body of at most `limit_bytes`. A sender may take `patience`, and a second more
/// for each 64 KiB sent: a large body on a slow line passes, a dribble does not.
///
/// # Errors
/// 413 above the limit, 408 for a sender that is too slow, 400 for one that breaks off.
pub async fn read_body(request: Request, limit_bytes: usize, patience: Duration) -> Result<Bytes, ApiError> {
    let (parts, body) = request.into_parts();
    read_stream(&parts.headers, body, limit_bytes, patience, &mut |_| Ok(())).await
}

/// The same for a request that is taken apart already; `hold` is asked with the size to come before
/// the body grows to it.
///
/// # Errors
/// As [`read_body`], and what `hold` refuses with.
pub async fn read_stream(
    headers: &HeaderMap,
    mut body: axum::body::Body,
    limit_bytes: usize,
    patience: Duration,
    hold: &mut (dyn FnMut(usize) -> Result<(), ApiError> + Send),
) -> Result<Bytes, ApiError> {
    let announced = announced_bytes(headers);
    if announced.is_some_and(|bytes| bytes > limit_bytes) {
        // A sender that waits for `100 Continue` learns it before it sends anything.
        if !headers.contains_key(header::EXPECT) {
            discard(body).await;
        }
        return Err(ApiError::too_large(limit_bytes));
    }
    let started = Instant::now();
    let mut read = Vec::with_capacity(announced.unwrap_or(0).min(FIRST_ALLOCATION_BYTES));
    loop {
        let deadline = started + patience + Duration::from_secs(read.len() as u64 / SLOWEST_BYTES_PER_SECOND);
        let Ok(frame) = tokio::time::timeout_at(deadline, body.frame()).await else {
            return Err(ApiError::new(
                StatusCode::REQUEST_TIMEOUT,
                "REQUEST_TIMEOUT",
                "The request body came too slowly; send it again.",
            ));
        };
        let Some(frame) = frame else { return Ok(read.into()) };
        let frame = frame.map_err(|_| {
            ApiError::new(
                StatusCode::BAD_REQUEST,
                "INCOMPLETE_BODY",
                "The request body broke off before its end.",
            )
        })?;
        let Some(data) = frame.data_ref() else { continue };
        if read.len() + data.len() > limit_bytes {
            drop(read);
            discard(body).await;
            return Err(ApiError::too_large(limit_bytes));
        }
        hold(read.len() + data.len())?;
        read.extend_from_slice(data);
    }
}

const SLOWEST_BYTES_PER_SECOND: u64 = 64 * 1024;
const FIRST_ALLOCATION_BYTES: usize = 64 * 1024;

fn announced_bytes(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads on for a while without keeping anything: a client that is still sending when the connection
/// closes gets a reset instead of the answer (RFC 9112 section 9.6).
async fn discard(mut body: axum::body::Body) {
    const MOST_BYTES: usize = 64 * 1024 * 1024;
    let reading = async {
        let mut seen = 0;
        while let Some(Ok(frame)) = body.frame().await {
            seen += frame.data_ref().map_or(0, Bytes::len);
            if seen > MOST_BYTES {
                break;
            }
        }
    };
    // However it ends, the answer is the same.
    let _ = tokio::time::timeout(Duration::from_secs(10), reading).await;
}
