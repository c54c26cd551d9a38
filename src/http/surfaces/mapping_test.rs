//! `POST /v1/surfaces/{surfaceId}/mapping/test`.

use super::update::merge;
use super::visible_surface;
use crate::channel::{self, Channel, HeaderList, SpecError, Trial};
use crate::http::error::{ErrorBody, Problem};
use crate::http::extract::{Body, Id};
use crate::http::fields::{Fields, FromFields};
use crate::http::webhooks::with_public_url;
use crate::http::{ApiError, AppState, Caller, Scope};
use crate::ids::SurfaceId;
use crate::model::JsonMap;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A payload to be read as if it had come.
#[derive(Debug, Clone, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct MappingTrial {
    /// The body: JSON, or a string with the `Content-Type` of a form or a mail.
    #[schema(value_type = Value)]
    payload: Value,
    /// Request headers.
    #[schema(value_type = Option<Object>)]
    headers: Option<JsonMap>,
    /// In place of the surface's own `inbound.map`: an object, or a list of objects.
    #[schema(value_type = Option<Value>)]
    map: Option<Value>,
    /// In place of keys of the surface's `inbound`, by the rules of PUT. Nothing is kept of it.
    #[schema(value_type = Option<Object>)]
    inbound: Option<JsonMap>,
}

impl FromFields for MappingTrial {
    fn from_fields(fields: &mut Fields) -> Self {
        if !fields.has("payload") {
            fields.problem("payload", "is required");
        }
        Self {
            payload: fields.value("payload").unwrap_or(Value::Null),
            headers: fields.map("headers"),
            map: fields.value("map"),
            inbound: fields.map("inbound"),
        }
    }
}

/// What the payload would become.
#[derive(Debug, Serialize, ToSchema)]
pub struct MappingOutcome {
    /// The messages, in the names of the generic body.
    #[schema(value_type = Vec<Object>)]
    pub envelopes: Vec<Value>,
    /// Entries that are no messages.
    pub ignored: u32,
}

/// Shows what a payload would become, without a proof and without writing anything.
#[utoipa::path(
    post, path = "/v1/surfaces/{surfaceId}/mapping/test", tag = "surfaces",
    params(("surfaceId" = String, Path, description = "The surface")),
    request_body = MappingTrial,
    responses(
        (status = 200, body = MappingOutcome),
        (status = 404, description = "No such surface", body = ErrorBody),
        (status = 422, description = "The payload cannot be read, or the mapping cannot be used", body = ErrorBody),
    ),
)]
pub async fn mapping_test(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<SurfaceId>,
    body: Body,
) -> Result<Json<MappingOutcome>, ApiError> {
    caller.require(Scope::SurfacesRead)?;
    let surface = visible_surface(&state, &caller, id).await?;
    let trial: MappingTrial = body.read()?;
    let merged = merge("inbound", &surface.inbound, trial.inbound.as_ref())?;
    let opened = state.sealer.open_map(&merged, caller.tenant_id, id).map_err(ApiError::internal)?;
    let mut inbound = with_public_url(opened, &state, id);
    if let Some(map) = &trial.map {
        inbound.insert("map".to_owned(), map.clone());
    }
    let channel = Channel::compile_for_trial(&surface.name, &inbound).map_err(unusable)?;
    read(&channel, &trial, state.now()).map(Json)
}

fn read(channel: &Channel, trial: &MappingTrial, now: jiff::Timestamp) -> Result<MappingOutcome, ApiError> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let headers = trial.headers.iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect();
    match channel::trial(channel, &trial.payload, HeaderList(headers), now) {
        Ok(Trial { envelopes, ignored }) => Ok(MappingOutcome { envelopes, ignored }),
        Err(details) => Err(unreadable(
            details.into_iter().map(|one| Problem { path: one.path, message: one.message }).collect(),
        )),
    }
}

fn unusable(error: SpecError) -> ApiError {
    let sentence = format!("The settings cannot be used: {error}.");
    let details = vec![Problem { path: error.key, message: error.problem }];
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "MAPPING_FAILED", sentence).with_details(details)
}

fn unreadable(details: Vec<Problem>) -> ApiError {
    let sentence = match details.first() {
        Some(first) => format!("The payload does not become a message: {} {}.", first.path, first.message),
        None => "The payload does not become a message.".to_owned(),
    };
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "MAPPING_FAILED", sentence).with_details(details)
}
