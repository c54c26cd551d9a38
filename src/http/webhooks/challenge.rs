//! `GET` and `HEAD /v1/webhooks/{surfaceId}`: what providers ask before they send anything.

use super::receive::{answer_challenge, receive_query};
use super::{Address, HeaderView};
use crate::channel::{Challenge, Received};
use crate::http::{ApiError, AppState};
use crate::ids::SurfaceId;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

/// Answers a provider's challenge. HEAD asks whether the address is there, and is always told so.
#[utoipa::path(
    get, path = "/v1/webhooks/{surfaceId}", tag = "webhooks", security(()),
    params(("surfaceId" = String, Path, description = "The surface")),
    responses(
        (status = 200, description = "The challenge, as plain text", body = String, content_type = "text/plain"),
        (status = 403, description = "A wrong verify token, or no such surface"),
        (status = 405, description = "Not a handshake", body = crate::http::error::ErrorBody),
        (status = 503, description = "Not now", body = crate::http::error::ErrorBody),
    ),
)]
pub async fn challenge(State(state): State<AppState>, address: Address, parts: Parts) -> Response {
    if parts.method == Method::HEAD {
        return StatusCode::OK.into_response();
    }
    answer(&state, address.0, &parts).await.unwrap_or_else(IntoResponse::into_response)
}

/// The same at the address that client libraries know.
#[utoipa::path(
    get, path = "/v1/products/{productId}/surfaces/{surfaceId}/webhook", tag = "webhooks", security(()),
    params(("productId" = String, Path, description = "Not looked at"), ("surfaceId" = String, Path, description = "The surface")),
    responses(
        (status = 200, description = "The challenge, as plain text", body = String, content_type = "text/plain"),
        (status = 403, description = "A wrong verify token, or no such surface"),
        (status = 405, description = "Not a handshake", body = crate::http::error::ErrorBody),
        (status = 503, description = "Not now", body = crate::http::error::ErrorBody),
    ),
)]
pub async fn challenge_at_product(state: State<AppState>, address: Address, parts: Parts) -> Response {
    challenge(state, address, parts).await
}

async fn answer(state: &AppState, id: Option<SurfaceId>, parts: &Parts) -> Result<Response, ApiError> {
    let receiver = match id {
        Some(id) => state.services.receivers.find(state, id).await?,
        None => None,
    };
    let nothing = Bytes::new();
    let request = Received {
        method: "GET",
        target: parts.uri.path_and_query().map_or("/", |target| target.as_str()),
        headers: &HeaderView(&parts.headers),
        wire: &nothing,
        body: &nothing,
        received_at: state.now(),
    };
    if let Some(receiver) = &receiver {
        if let Some(challenge) = receiver.channel.challenge(&request) {
            return Ok(answer_challenge(&challenge));
        }
        if receiver.channel.takes_query() {
            return receive_query(state, receiver, parts).await;
        }
    }
    // Whoever asks as Meta does learns nothing about which surfaces there are.
    if request.query_value("hub.mode").is_some() {
        return Ok(answer_challenge(&Challenge { status: 403, body: String::new() }));
    }
    let error = ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "METHOD_NOT_ALLOWED",
        "Webhooks are sent here by POST.",
    );
    let mut response = error.into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST, HEAD"));
    Ok(response)
}
