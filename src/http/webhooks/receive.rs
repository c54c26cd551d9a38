//! `POST /v1/webhooks/{surfaceId}`.

use super::keeping::Keeping;
use super::outage::{self, Kept};
use super::proving::{confirm, prove};
use super::{Address, HeaderView, Receiver, decode, unverified};
use crate::channel::{Answer, Challenge, Detail, Headers, Received, Refused, Unreadable};
use crate::http::error::Problem;
use crate::http::extract::read_stream;
use crate::http::server::Peer;
use crate::http::{ApiError, AppState};
use crate::ids::{ConversationId, MessageId, SurfaceId};
use crate::ingest::{IntakeError, Receipt};
use crate::model::imap::Outcome;
use crate::model::key::KeyHash;
use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use std::net::IpAddr;
use std::sync::Arc;
use utoipa::ToSchema;

/// What became of a request's messages. No field of the payload is in it.
#[derive(Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct WebhookReport {
    /// New messages.
    pub accepted: u32,
    /// Messages that were here already.
    pub duplicates: u32,
    /// Entries that are no messages: receipts, typing, pings.
    pub ignored: u32,
    /// Entries that could not be read, kept as dead letters.
    pub quarantined: u32,
    /// The messages, in the order of the body; a duplicate names the one stored first.
    pub messages: Vec<StoredMessage>,
}

/// A stored message.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoredMessage {
    /// Its id.
    #[schema(value_type = String)]
    pub id: MessageId,
    /// Its conversation.
    #[schema(value_type = Option<String>)]
    pub conversation_id: Option<ConversationId>,
}

/// Receives a webhook. Its sender is known by the proof that the surface's `inbound` asks for.
#[utoipa::path(
    post, path = "/v1/webhooks/{surfaceId}", tag = "webhooks", security(()),
    params(("surfaceId" = String, Path, description = "The surface")),
    request_body(content = Object, description = "What the surface's provider sends: JSON, a form, multipart or a mail"),
    responses(
        (status = 200, description = "Durable; the provider's own answer where it needs one", body = WebhookReport),
        (status = 401, description = "Not verified, or no such surface", body = crate::http::error::ErrorBody),
        (status = 404, description = "The surface is paused", body = crate::http::error::ErrorBody),
        (status = 415, description = "A media type or coding that is not taken", body = crate::http::error::ErrorBody),
        (status = 422, description = "A generic body that cannot be read; nothing was stored", body = crate::http::error::ErrorBody),
        (status = 429, description = "Above the surface's rate limit", body = crate::http::error::ErrorBody),
        (status = 503, description = "Could not be made durable", body = crate::http::error::ErrorBody),
    ),
)]
pub async fn receive(State(state): State<AppState>, address: Address, request: Request) -> Response {
    answer(&state, address.0, request).await.unwrap_or_else(IntoResponse::into_response)
}

/// The same at the address that client libraries know.
#[utoipa::path(
    post, path = "/v1/products/{productId}/surfaces/{surfaceId}/webhook", tag = "webhooks", security(()),
    params(("productId" = String, Path, description = "Not looked at"), ("surfaceId" = String, Path, description = "The surface")),
    request_body(content = Object, description = "What the surface's provider sends: JSON, a form, multipart or a mail"),
    responses(
        (status = 200, description = "Durable; the provider's own answer where it needs one", body = WebhookReport),
        (status = 401, description = "Not verified, or no such surface", body = crate::http::error::ErrorBody),
        (status = 404, description = "The surface is paused", body = crate::http::error::ErrorBody),
        (status = 415, description = "A media type or coding that is not taken", body = crate::http::error::ErrorBody),
        (status = 422, description = "A generic body that cannot be read; nothing was stored", body = crate::http::error::ErrorBody),
        (status = 429, description = "Above the surface's rate limit", body = crate::http::error::ErrorBody),
        (status = 503, description = "Could not be made durable", body = crate::http::error::ErrorBody),
    ),
)]
pub async fn receive_at_product(state: State<AppState>, address: Address, request: Request) -> Response {
    receive(state, address, request).await
}

async fn answer(state: &AppState, id: Option<SurfaceId>, request: Request) -> Result<Response, ApiError> {
    let receiver = match id {
        Some(id) => state.services.receivers.find(state, id).await?,
        None => None,
    };
    let limits = receiver.as_ref().map(|receiver| receiver.channel.limits());
    let most_bytes = state.settings.webhook_body_bytes;
    let limit_bytes = limits.map_or(most_bytes, |limits| limits.body_bytes.min(most_bytes));
    let (parts, body) = request.into_parts();
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0.ip());
    let mut share = state.services.receivers.bodies.share();
    let patience = state.settings.body_timeout;
    let wire =
        read_stream(&parts.headers, body, limit_bytes, patience, &mut |total| share.grow(total)).await?;
    let Some(receiver) = receiver else { return Ok(refuse(None, "unknown_surface")) };
    if !lets_in(&receiver, peer) {
        return Ok(refuse(Some(&receiver), "address"));
    }
    let coding = parts.headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    if coding.is_some_and(|coding| !coding.trim().eq_ignore_ascii_case("identity")) {
        share.grow(wire.len() + limit_bytes.min(wire.len() * decode::WIDEST_RATIO))?;
    }
    let body = decode::decode(coding, &wire, limit_bytes).await?;
    let request = Received {
        method: parts.method.as_str(),
        target: parts.uri.path_and_query().map_or("/", |target| target.as_str()),
        headers: &HeaderView(&parts.headers),
        wire: &wire,
        body: &body,
        received_at: state.now(),
    };
    verified(state, &receiver, &request).await
}

fn lets_in(receiver: &Receiver, peer: Option<IpAddr>) -> bool {
    let allow = &receiver.channel.limits().allow;
    allow.is_empty() || peer.is_some_and(|peer| allow.iter().any(|network| network.contains(peer)))
}

/// Headers of a request whose form is in its query.
struct AsForm<'a>(HeaderView<'a>);

impl Headers for AsForm<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let is_type = name.eq_ignore_ascii_case("content-type");
        if is_type { Some("application/x-www-form-urlencoded") } else { self.0.get(name) }
    }
}

/// A message that comes by GET: its query is taken like a form. Without any it only asks whether somebody is here.
pub(super) async fn receive_query(
    state: &AppState,
    receiver: &Arc<Receiver>,
    parts: &Parts,
) -> Result<Response, ApiError> {
    let Some(query) = parts.uri.query().filter(|query| !query.is_empty()) else {
        return Ok(StatusCode::OK.into_response());
    };
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0.ip());
    if !lets_in(receiver, peer) {
        return Ok(refuse(Some(receiver), "address"));
    }
    let body = Bytes::copy_from_slice(query.as_bytes());
    let request = Received {
        method: parts.method.as_str(),
        target: parts.uri.path_and_query().map_or("/", |target| target.as_str()),
        headers: &AsForm(HeaderView(&parts.headers)),
        wire: &body,
        body: &body,
        received_at: state.now(),
    };
    verified(state, receiver, &request).await
}

async fn verified(
    state: &AppState,
    receiver: &Arc<Receiver>,
    request: &Received<'_>,
) -> Result<Response, ApiError> {
    let channel = &receiver.channel;
    let proof = match prove(state, channel, request).await? {
        Ok(proof) => proof,
        Err(Refused::Missing) if channel.asks_again() => {
            count(receiver, "unsigned", 1);
            return Err(ApiError::unavailable(5));
        }
        Err(reason) => return Ok(refuse(Some(receiver), reason.label())),
    };
    tracing::debug!(surface.id = %receiver.surface_id, secret = proof.key, "a webhook request was proved");
    let once = proof.once.clone().map(|token| (token, KeyHash::of(&[request.body]).0));
    if once.as_ref().is_some_and(|(token, body)| receiver.admission.is_reused(token, *body)) {
        return Ok(refuse(Some(receiver), Refused::Reused.label()));
    }
    let later = |error: ApiError, seconds| {
        if channel.answer().refuses_for_now { ApiError::unavailable(seconds) } else { error }
    };
    if !receiver.takes_messages {
        let paused =
            ApiError::new(StatusCode::NOT_FOUND, "SURFACE_PAUSED", "This surface takes no messages now.");
        return Err(later(paused, 300));
    }
    if let Some(per_minute) = channel.limits().requests_per_minute {
        let taken = receiver.admission.take(per_minute, request.received_at);
        taken.map_err(|seconds| later(ApiError::rate_limited(seconds), seconds))?;
    }
    let read = channel.read(request, proof);
    if let Ok(document) = &read
        && let Some(challenge) = channel.ping(request, document)
    {
        count(receiver, "handshake", 1);
        return Ok(answer_challenge(&challenge));
    }
    if let Some(url) = read.as_ref().ok().and_then(|document| channel.confirmation(document)) {
        confirm(state, receiver.surface_id, url);
    }
    let delivery_id = state.ids.next();
    let intake = match read.and_then(|document| channel.normalize(request, document)) {
        Ok(normalized) => Keeping::of(receiver, request, delivery_id, normalized),
        Err(Unreadable::ContentType) => return Err(unsupported_type()),
        Err(Unreadable::Malformed(details)) if channel.answers_mistakes() => {
            count(receiver, "malformed", 1);
            return Err(unprocessable(details));
        }
        Err(Unreadable::Malformed(details)) => Keeping::unreadable(receiver, request, delivery_id, details),
    };
    let report = keep(state, receiver, intake).await?;
    if let Some((token, body)) = once {
        receiver.admission.remember(token, body, request.received_at);
    }
    Ok(respond(channel.answer(), &report))
}

/// Makes it durable. Entries that are no messages cost no transaction.
pub(super) async fn keep(
    state: &AppState,
    receiver: &Receiver,
    keeping: Keeping,
) -> Result<WebhookReport, ApiError> {
    let Keeping { item, record, ignored, quarantined } = keeping;
    let mut report = WebhookReport { ignored, quarantined, ..WebhookReport::default() };
    if !item.envelopes.is_empty() || !item.dead_letters.is_empty() {
        let messages = u32::try_from(item.envelopes.len()).unwrap_or(u32::MAX);
        let kept = match receiver.admission.stand_in_line() {
            Some(_place) => outage::keep(state, receiver, item, &record).await,
            None => outage::keep_overrun(state, receiver, item, &record).await,
        };
        match kept.map_err(not_kept)? {
            Kept::Stored(receipts) => receipts.into_iter().for_each(|receipt| report.add(receipt)),
            // Which of them are repeats is known when the store is back.
            Kept::Spooled => report.accepted += messages,
        }
    }
    for (outcome, number) in [
        ("accepted", report.accepted),
        ("duplicate", report.duplicates),
        ("ignored", report.ignored),
        ("quarantined", report.quarantined),
    ] {
        count(receiver, outcome, number);
    }
    Ok(report)
}

impl WebhookReport {
    fn add(&mut self, receipt: Receipt) {
        match receipt.outcome {
            Outcome::Quarantined => self.quarantined += 1,
            _ if receipt.is_duplicate() => self.duplicates += 1,
            _ => self.accepted += 1,
        }
        if let Some(id) = receipt.message_id {
            self.messages.push(StoredMessage { id, conversation_id: receipt.conversation_id });
        }
    }
}

fn respond(answer: &Answer, report: &WebhookReport) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let Some(body) = &answer.body else { return (status, Json(report)).into_response() };
    text(status, &answer.content_type, body.clone())
}

/// A handshake's answer: plain text that no browser takes for anything else.
pub(super) fn answer_challenge(challenge: &Challenge) -> Response {
    let status = StatusCode::from_u16(challenge.status).unwrap_or(StatusCode::FORBIDDEN);
    text(status, "text/plain; charset=utf-8", challenge.body.clone())
}

fn text(status: StatusCode, content_type: &str, body: String) -> Response {
    let mut response = (status, Body::from(Bytes::from(body))).into_response();
    let headers = response.headers_mut();
    let plain = HeaderValue::from_static("text/plain");
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap_or(plain));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn refuse(receiver: Option<&Receiver>, reason: &'static str) -> Response {
    let provider = receiver.map_or("none", |receiver| receiver.channel.provider()).to_owned();
    let surface = receiver.map(|receiver| receiver.surface_id);
    tracing::info!(
        surface.id = surface.map(tracing::field::display),
        reason,
        "a webhook request was refused"
    );
    let kind = receiver.map_or("none", |receiver| receiver.kind.as_str()).to_owned();
    metrics::counter!(
        "inlet_webhook_refused_total", "provider" => provider, "type" => kind, "reason" => reason
    )
    .increment(1);
    unverified()
}

fn count(receiver: &Receiver, outcome: &'static str, number: u32) {
    if number > 0 {
        let provider = receiver.channel.provider().to_owned();
        let kind = receiver.kind.clone();
        metrics::counter!(
            "inlet_webhook_messages_total", "provider" => provider, "type" => kind, "outcome" => outcome
        )
        .increment(u64::from(number));
    }
}

fn not_kept(error: IntakeError) -> ApiError {
    match error {
        // It was deleted a moment ago: the same answer as to any unknown surface, but the sender is
        // known, so that there is nothing to hide.
        IntakeError::UnknownSurface => ApiError::not_found("Surface"),
        IntakeError::Full => ApiError::unavailable(1).caused_by(error),
        IntakeError::Store(_) => ApiError::unavailable(5).caused_by(error),
    }
}

fn unsupported_type() -> ApiError {
    ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "UNSUPPORTED_MEDIA_TYPE",
        "This content type is not taken here; send JSON, a form, multipart/form-data or message/rfc822.",
    )
}

fn unprocessable(details: Vec<Detail>) -> ApiError {
    let details = details.into_iter().map(|one| Problem { path: one.path, message: one.message }).collect();
    ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "UNPROCESSABLE_BODY",
        "The body is not a message in the generic form; details name what is wrong. Nothing was stored.",
    )
    .with_details(details)
}
