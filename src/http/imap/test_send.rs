//! `POST /v1/messaging/imap/{surfaceId}/test-send`.

use super::body::{host, port, required_email};
use super::email_surface;
use super::smtp::{self, Draft, Server};
use crate::http::extract::{Body, Id};
use crate::http::fields::{Fields, FromFields};
use crate::http::{ApiError, AppState, Caller, Scope};
use crate::ids::SurfaceId;
use crate::limits::NAME_CHARS;
use crate::secret::MASK;
use crate::supervisor::settings::{Account, Proof};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Message submission (RFC 6409 section 3.1).
const DEFAULT_PORT: u16 = 587;

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
    /// Password. Left out or masked: what is stored for the surface, where `smtpHost`, `smtpPort` and `smtpUsername` are the stored ones;
    /// where that is no password but `auth`, its access token.
    #[schema(nullable, min_length = 1)]
    smtp_password: Option<String>,
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
            smtp_password: fields.text("smtpPassword", 4_096).filter(|text| !text.is_empty() && text != MASK),
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
    let port = body.smtp_port.unwrap_or(DEFAULT_PORT);
    let proof = match &body.smtp_password {
        Some(password) => smtp::Proof::Password(password.as_str().into()),
        None => stored_proof(&state, &caller, id, &body).await?,
    };
    let server = Server {
        host: body.smtp_host,
        port,
        is_secure: body.smtp_secure.unwrap_or(port == 465),
        username: body.smtp_username,
        proof,
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
    smtp::send(&server, &state.smtp, &draft).await.map_err(|error| failed(error.to_string()))?;
    Ok(Json(Sent { success: true, message_id }))
}

/// What is stored for the surface; shown to no other server than the stored one.
async fn stored_proof(
    state: &AppState,
    caller: &Caller,
    id: SurfaceId,
    body: &TestSendBody,
) -> Result<smtp::Proof, ApiError> {
    let missing = || {
        let why = "is required: none is stored for this smtpHost, smtpPort and smtpUsername";
        ApiError::invalid_field("smtpPassword", why)
    };
    let tenant = caller.tenant_id;
    let stored = state.store.get_mailbox(tenant, id).await?.ok_or_else(missing)?;
    let settings = state.sealer.open_map(&stored.settings, tenant, id).map_err(ApiError::internal)?;
    let is = |name: &str, given: Value| settings.get(name) == Some(&given);
    let port = body.smtp_port.unwrap_or(DEFAULT_PORT);
    let is_stored = is("smtpHost", body.smtp_host.as_str().into()) && is("smtpPort", port.into());
    if !is_stored || !is("smtpUsername", body.smtp_username.as_str().into()) {
        return Err(missing());
    }
    if let Some(password) = settings.get("smtpPassword").and_then(Value::as_str) {
        return Ok(smtp::Proof::Password(password.into()));
    }
    let account = Account::read(tenant, id, settings).map_err(ApiError::internal)?;
    let Proof::OAuth2(oauth) = &account.proof else { return Err(missing()) };
    let access = state.supervisor.access(tenant, id, oauth).await;
    let token = access.token().await.map_err(|failure| failed(failure.words))?;
    Ok(smtp::Proof::Token(token))
}

fn failed(words: String) -> ApiError {
    ApiError::new(StatusCode::BAD_GATEWAY, "SMTP_FAILED", words)
}
