//! `GET /v1/messaging/imap/{surfaceId}/audit`.

use super::email_surface;
use super::poll::refuse;
use crate::http::extract::Id;
use crate::http::{ApiError, AppState, Caller, Scope};
use crate::ids::SurfaceId;
use crate::supervisor::MailboxAudit;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What the server lists, compared with the outcome ledger.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditAnswer {
    /// Whether every mail that the server lists up to the cursor has its outcome, in every mailbox.
    clean: bool,
    /// Each mailbox.
    mailboxes: Vec<AuditedMailbox>,
}

/// One mailbox of an audit.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditedMailbox {
    /// Its name.
    mailbox: String,
    /// Whether every mail that the server lists up to the cursor has its outcome.
    clean: bool,
    /// UIDVALIDITY of the UIDs.
    uid_validity: u32,
    /// The first UID that was compared.
    first_uid: u32,
    /// The last one: how far the mailbox has been read.
    last_uid: u32,
    /// Mails that the server lists there.
    listed: u64,
    /// Those of them that have an outcome.
    accounted: u64,
    /// How many have none.
    missing_count: u64,
    /// Their UIDs, at most a thousand.
    missing: Vec<u32>,
    /// How many UIDs had which outcome, also of mail that is no longer on the server.
    outcomes: BTreeMap<String, i64>,
    /// Why the comparison could not be made.
    #[schema(required)]
    obstacle: Option<String>,
}

/// Proves that no mail was skipped: lists the mailboxes on the server and compares them with the outcome ledger.
#[utoipa::path(
    get, path = "/v1/messaging/imap/{surfaceId}/audit", tag = "imap",
    params(("surfaceId" = String, Path, description = "A surface of type email")),
    responses(
        (status = 200, body = AuditAnswer),
        (status = 404, description = "No such surface", body = crate::http::error::ErrorBody),
        (status = 502, description = "The server could not be read", body = crate::http::error::ErrorBody),
    ),
)]
pub async fn audit(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<SurfaceId>,
) -> Result<Json<AuditAnswer>, ApiError> {
    caller.require(Scope::MessagingRead)?;
    email_surface(&state, &caller, id).await?;
    let audits = state.supervisor.audit(caller.tenant_id, id).await.map_err(refuse)?;
    let mailboxes: Vec<AuditedMailbox> = audits.into_iter().map(AuditedMailbox::of).collect();
    Ok(Json(AuditAnswer { clean: mailboxes.iter().all(|mailbox| mailbox.clean), mailboxes }))
}

impl AuditedMailbox {
    fn of(audit: MailboxAudit) -> Self {
        let clean = audit.is_clean();
        let outcomes = audit.outcomes.into_iter();
        Self {
            clean,
            mailbox: audit.mailbox,
            uid_validity: audit.uid_validity,
            first_uid: audit.first_uid,
            last_uid: audit.last_uid,
            listed: audit.listed,
            accounted: audit.accounted,
            missing_count: audit.missing_count,
            missing: audit.missing,
            outcomes: outcomes.map(|(outcome, count)| (outcome.to_string(), count)).collect(),
            obstacle: audit.obstacle,
        }
    }
}
