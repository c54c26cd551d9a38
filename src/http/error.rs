//! The one shape of every error answer: a sentence, a code, and where a request's fields are at fault
//! their paths. What went wrong inside goes to the log and to nobody else.

use crate::store::StoreError;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::borrow::Cow;
use utoipa::ToSchema;

/// One field that is at fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Where: names joined by dots, positions in brackets (`attachments[0].url`); empty for the whole body.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}

/// The body of every error answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub struct ErrorBody {
    /// A sentence that a person can act on.
    pub error: Cow<'static, str>,
    /// A word that a program can act on.
    pub code: &'static str,
    /// Every field at fault; only on a failed validation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub details: Vec<Problem>,
}

/// An answer other than success.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    sentence: Cow<'static, str>,
    details: Vec<Problem>,
    retry_after_seconds: Option<u32>,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    may_retry: bool,
}

impl ApiError {
    /// An error answer; `sentence` is shown to the client.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, sentence: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code,
            sentence: sentence.into(),
            details: Vec::new(),
            retry_after_seconds: None,
            cause: None,
            may_retry: false,
        }
    }

    /// 400 with every field at fault.
    #[must_use]
    pub fn invalid(details: Vec<Problem>) -> Self {
        let sentence = match details.as_slice() {
            [only] if only.path.is_empty() => format!("The request is not valid: it {}.", only.message),
            [only] => format!("The request is not valid: {} {}.", only.path, only.message),
            several => {
                format!("The request is not valid: {} fields are at fault, see details.", several.len())
            }
        };
        Self { details, ..Self::new(StatusCode::BAD_REQUEST, "VALIDATION_FAILED", sentence) }
    }

    /// 400 with one field at fault.
    #[must_use]
    pub fn invalid_field(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid(vec![Problem { path: path.into(), message: message.into() }])
    }

    /// 401: no key, or one that does not work.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "UNAUTHORIZED",
            "A valid API key is required: send it as \"Authorization: Bearer KEY\" or \"X-API-Key: KEY\".",
        )
    }

    /// 403: the key works but may not do this.
    #[must_use]
    pub fn missing_scope(scope: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "MISSING_SCOPE",
            format!("This API key lacks the scope {scope}; use a key that has it."),
        )
    }

    /// 404: `what` (a noun with a capital: `Conversation`) is not there, or not this tenant's.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", format!("{what} not found"))
    }

    /// 409: the request does not fit the state of what it names.
    #[must_use]
    pub fn conflict(code: &'static str, sentence: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, code, sentence)
    }

    /// 413: the body is above `limit_bytes`.
    #[must_use]
    pub fn too_large(limit_bytes: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "PAYLOAD_TOO_LARGE",
            format!("The request body is larger than the {limit_bytes} bytes allowed here."),
        )
    }

    /// 429: come back after `retry_after_seconds`.
    #[must_use]
    pub fn rate_limited(retry_after_seconds: u32) -> Self {
        Self {
            retry_after_seconds: Some(retry_after_seconds),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "RATE_LIMITED",
                "Too many requests; try again after the time in Retry-After.",
            )
        }
    }

    /// 503: the same request may work after `retry_after_seconds`.
    #[must_use]
    pub fn unavailable(retry_after_seconds: u32) -> Self {
        Self {
            retry_after_seconds: Some(retry_after_seconds),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "UNAVAILABLE",
                "The service cannot do this now; try again after the time in Retry-After.",
            )
        }
    }

    /// 500 for something that should not be possible; `cause` is logged.
    #[must_use]
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            cause: Some(cause.into()),
            ..Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "INTERNAL_ERROR",
                "Something went wrong inside the service; the request id in X-Request-Id finds it in the log.",
            )
        }
    }

    /// The same answer naming every field at fault.
    #[must_use]
    pub fn with_details(mut self, details: Vec<Problem>) -> Self {
        self.details = details;
        self
    }

    /// The same answer with a cause for the log.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Every field at fault.
    #[must_use]
    pub fn details(&self) -> &[Problem] {
        &self.details
    }

    /// The status it answers with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Whether the idempotent unit that failed with it may be tried again at once.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        self.may_retry
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let may_retry = error.may_retry();
        let answer = match &error {
            StoreError::Stale | StoreError::Busy(_) | StoreError::Fenced => Self::unavailable(1),
            StoreError::Unavailable { .. } | StoreError::Schema(_) => Self::unavailable(5),
            StoreError::Inconsistent { .. } => return Self::internal(error),
        };
        Self { may_retry, ..answer.caused_by(error) }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Some(cause) = &self.cause {
            let status = self.status.as_u16();
            tracing::error!(status, code = self.code, cause = %Chain(cause.as_ref()), "request failed");
        }
        let body = ErrorBody { error: self.sentence, code: self.code, details: self.details };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Writes an error with its sources, outermost first.
struct Chain<'a>(&'a (dyn std::error::Error + 'static));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(error) = next {
            write!(f, ": {error}")?;
            next = error.source();
        }
        Ok(())
    }
}
