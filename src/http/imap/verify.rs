//! `POST /v1/messaging/imap/{surfaceId}/verify`.

use super::body::ServersBody;
use super::email_surface;
use super::smtp::{self, Server};
use crate::http::extract::{Body, Id};
use crate::http::{ApiError, AppState, Caller, Scope};
use crate::ids::SurfaceId;
use crate::imap;
use crate::model::JsonMap;
use crate::secret::keep_masked;
use crate::supervisor::Access;
use crate::supervisor::settings::{Account, Proof};
use axum::Json;
use axum::extract::State;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;
use utoipa::ToSchema;

/// How long both logins may take.
const LIMIT: Duration = Duration::from_secs(75);

/// How the logins went.
#[derive(Debug, Serialize, ToSchema)]
pub struct Verified {
    /// Login, and each mailbox opened.
    imap: Verdict,
    /// Login.
    smtp: Verdict,
}

/// How one login went.
#[derive(Debug, Serialize, ToSchema)]
pub struct Verdict {
    /// Whether it works. True as well where no server was named: there is nothing that does not work.
    success: bool,
    /// What to change, where it does not.
    #[schema(required)]
    error: Option<String>,
}

impl Verdict {
    fn of(result: Result<(), String>) -> Self {
        Self { success: result.is_ok(), error: result.err() }
    }
}

/// Tries the logins. A masked secret stands for the stored one. A refresh token that the token endpoint replaces is kept where
/// it is the stored one; of one that is not, the old one is all there is.
#[utoipa::path(
    post, path = "/v1/messaging/imap/{surfaceId}/verify", tag = "imap",
    params(("surfaceId" = String, Path, description = "A surface of type email")),
    request_body = ServersBody,
    responses(
        (status = 200, body = Verified),
        (status = 404, description = "No such surface", body = crate::http::error::ErrorBody),
    ),
)]
pub async fn verify(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<SurfaceId>,
    body: Body,
) -> Result<Json<Verified>, ApiError> {
    caller.require(Scope::MessagingWrite)?;
    email_surface(&state, &caller, id).await?;
    let mut settings = body.read::<ServersBody>()?.into_settings();
    let stored = state.store.get_mailbox(caller.tenant_id, id).await?;
    let stored = stored.map_or_else(JsonMap::new, |stored| stored.settings);
    if let Err(error) = keep_masked(&mut settings, &stored) {
        return Err(ApiError::invalid_field("", error.to_string()));
    }
    let settings = state.sealer.open_map(&settings, caller.tenant_id, id).map_err(ApiError::internal)?;
    let account = Account::read(caller.tenant_id, id, settings.clone()).map_err(ApiError::internal)?;
    // One for both: an endpoint may take a refresh token only once.
    let access = match &account.proof {
        Proof::OAuth2(oauth) => Some(state.supervisor.access(caller.tenant_id, id, oauth).await),
        Proof::Password(_) => None,
    };
    let (imap, smtp) = tokio::join!(
        within_limit(verify_imap(&state, &account, access.as_ref())),
        within_limit(verify_smtp(&state, &settings, access.as_ref())),
    );
    Ok(Json(Verified { imap: Verdict::of(imap), smtp: Verdict::of(smtp) }))
}

async fn within_limit(trying: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    let late = || Err(format!("The server did not answer within {} seconds.", LIMIT.as_secs()));
    timeout(LIMIT, trying).await.unwrap_or_else(|_| late())
}

async fn verify_imap(state: &AppState, account: &Account, access: Option<&Access>) -> Result<(), String> {
    let network = &state.supervisor.parts().network;
    let auth = match &account.proof {
        Proof::Password(password) => imap::Auth::Password(password.clone()),
        Proof::OAuth2(_) => imap::Auth::Bearer { token: fresh_token(access).await?, mechanism: None },
    };
    let opened = imap::Session::open(&account.target(auth), network).await;
    let mut session = opened.map_err(|error| error.to_string())?;
    for mailbox in &account.mailboxes {
        if mailbox.is_to_be_found() {
            let (open, found) = session.find_sent().await.map_err(|error| error.to_string())?;
            session = open;
            if found.is_none() {
                return Err(
                    "No folder of this account is marked as the one for sent mail; name it.".to_owned()
                );
            }
            continue;
        }
        let examined = session.examine(&mailbox.name).await;
        (session, _) = examined.map_err(|error| format!("Mailbox {}: {error}", mailbox.name))?;
    }
    session.logout().await;
    Ok(())
}

async fn verify_smtp(state: &AppState, settings: &JsonMap, access: Option<&Access>) -> Result<(), String> {
    if !settings.contains_key("smtpHost") {
        return Ok(());
    }
    let password = settings.get("smtpPassword").and_then(Value::as_str);
    let proof = match password {
        Some(password) => smtp::Proof::Password(password.into()),
        None => smtp::Proof::Token(fresh_token(access).await?),
    };
    let server = Server::of_settings(settings, proof).ok_or("The SMTP settings are not complete.")?;
    smtp::verify(&server, &state.smtp).await.map_err(|error| error.to_string())
}

async fn fresh_token(access: Option<&Access>) -> Result<SecretString, String> {
    let access = access.ok_or("There is neither a password nor auth.")?;
    access.token().await.map_err(|failure| failure.words)
}
