//! `POST /v1/messaging/imap/{surfaceId}/test-send`.

use super::body::{host, port, required_email};
use super::email_surface;
use super::smtp::{self, Draft, Server};
use crate::http::extract::{Body, Id};
use crate::http::fields::{Fields, FromFields};
use crate::http::{ApiError, AppState, Caller, Scope};
use crate::ids::SurfaceId;
use crate::limits::NAME_CHARS;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

/// What to send with, and to whom.
#[derive(Debug, Clone, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct TestSendBody {
    /// The sender.
    #[schema(format = Email)]
    from_address: String,
    /// The sender's name.
    #[schema(nullable, max_length = 255)]
    from_name: Option<String>,
    /// The recipient.
    #[schema(format = Email)]
    to: String,
    /// Host name or address.
    #[schema(min_length = 1, max_length = 253)]
    smtp_host: String,
    /// The port; 587 by default.
    #[schema(nullable, minimum = 1, maximum = 65535)]
    smtp_port: Option<u16>,
    /// Login name.
    #[schema(min_length = 1)]
    smtp_username: String,
    /// Password.
    #[schema(min_length = 1)]
    smtp_password: String,
    /// TLS from the first byte; by default for port 465. Else STARTTLS.
    #[schema(nullable)]
    smtp_secure: Option<bool>,
}

impl FromFields for TestSendBody {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            from_address: required_email(fields, "fromAddress"),
            from_name: fields.text("fromName", NAME_CHARS),
            to: required_email(fields, "to"),
            smtp_host: host(fields, "smtpHost", true).unwrap_or_default(),
            smtp_port: port(fields, "smtpPort"),
            smtp_username: fields.required_text("smtpUsername", 4_096),
            smtp_password: fields.required_text("smtpPassword", 4_096),
            smtp_secure: fields.boolean("smtpSecure"),
        }
    }
}

/// The mail was taken by the server.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sent {
    /// Always true.
    success: bool,
    /// Its Message-ID, without angle brackets.
    message_id: String,
}

/// Sends a test mail.
#[utoipa::path(
    post, path = "/v1/messaging/imap/{surfaceId}/test-send", tag = "imap",
    params(("surfaceId" = String, Path, description = "A surface of type email")),
    request_body = TestSendBody,
    responses(
        (status = 200, body = Sent),
        (status = 404, description = "No such surface", body = crate::http::error::ErrorBody),
        (status = 502, description = "The server did not take it", body = crate::http::error::ErrorBody),
    ),
)]
pub async fn test_send(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<SurfaceId>,
    body: Body,
) -> Result<Json<Sent>, ApiError> {
    caller.require(Scope::MessagingWrite)?;
    email_surface(&state, &caller, id).await?;
    let body: TestSendBody = body.read()?;
    let port = body.smtp_port.unwrap_or(587);
    let server = Server {
        host: body.smtp_host,
        port,
        is_secure: body.smtp_secure.unwrap_or(port == 465),
        username: body.smtp_username,
        proof: smtp::Proof::Password(body.smtp_password.into()),
    };
    let domain = body.from_address.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
    let message_id = format!("{}@{domain}", state.ids.next::<uuid::Uuid>());
    let draft = Draft {
        from_address: &body.from_address,
        from_name: body.from_name.as_deref(),
        to: &body.to,
        message_id: &message_id,
        sent_at: state.now(),
    };
    smtp::send(&server, &state.smtp, &draft)
        .await
        .map_err(|error| ApiError::new(StatusCode::BAD_GATEWAY, "SMTP_FAILED", error.to_string()))?;
    Ok(Json(Sent { success: true, message_id }))
}
