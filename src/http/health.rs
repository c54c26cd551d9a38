//! Whether the process lives, whether it can work, and its figures. Open to everybody: they tell
//! nothing of any tenant.

use super::AppState;
use super::error::ApiError;
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// How long the store may take to answer: whoever asks for readiness waits a few seconds at most.
const ANSWER: Duration = Duration::from_secs(2);

/// All is well.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// Always `ok`.
    pub status: &'static str,
}

const WELL: Health = Health { status: "ok" };

/// The process answers.
#[utoipa::path(get, path = "/healthz", tag = "health", security(()), responses((status = 200, body = Health)))]
pub async fn healthz() -> Json<Health> {
    Json(WELL)
}

/// The store answers, and its schema is up to date (the daemon listens only after migrations).
#[utoipa::path(get, path = "/readyz", tag = "health", security(()), responses(
    (status = 200, body = Health),
    (status = 503, description = "The store cannot be reached", body = super::error::ErrorBody),
))]
pub async fn readyz(State(state): State<AppState>) -> Result<Json<Health>, ApiError> {
    if state.services.outage.is_away() {
        return Err(ApiError::unavailable(5));
    }
    match tokio::time::timeout(ANSWER, state.store.ping()).await {
        Ok(Ok(())) => Ok(Json(WELL)),
        Ok(Err(error)) => Err(ApiError::unavailable(5).caused_by(error)),
        Err(elapsed) => Err(ApiError::unavailable(5).caused_by(elapsed)),
    }
}

/// The figures, in the text form of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "health", security(()), responses(
    (status = 200, content_type = "text/plain", body = String),
))]
pub async fn metrics(State(state): State<AppState>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], state.metrics.render())
}
