//! `GET /v1/messaging/imap/{surfaceId}/status`.

use super::email_surface;
use crate::http::extract::Id;
use crate::http::{ApiError, AppState, Caller, Scope};
use crate::ids::SurfaceId;
use crate::model::JsonMap;
use crate::model::imap::{Cursor, PollStatus};
use crate::store::imap::{MailboxHealth, MailboxSettings};
use crate::supervisor::explanation::{Known, explain, is_late};
use crate::supervisor::providers;
use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// How polling goes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Whether the mailbox is polled.
    active: bool,
    /// The settings, without secrets.
    config: StatusConfig,
    /// Failures since the last success.
    consecutive_errors: i64,
    /// The last failure in words; null after a success.
    #[schema(required)]
    last_error: Option<String>,
    /// When the last poll ended.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    last_poll_at: Option<Timestamp>,
    /// How far the main mailbox has been read.
    last_uid: u32,
    /// The main mailbox.
    mailbox: String,
    /// Messages taken since the first start.
    messages_processed: i64,
    /// When the next poll is due.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    next_poll_at: Option<Timestamp>,
    /// How often it is polled.
    poll_interval_minutes: i64,
    /// What the poller is doing.
    #[schema(value_type = String)]
    poll_status: PollStatus,
    /// Which worker polls.
    #[schema(required)]
    worker: Option<String>,
    /// `idle`, `polling`, `backoff` or `closed`.
    connection: String,
    /// How many mails there are at most that are not yet read.
    backlog: i64,
    /// The class of the last failure.
    #[schema(required)]
    error_class: Option<String>,
    /// In a sentence: why mail is late, if it is, and what happens next.
    explanation: String,
    /// Whether no poll has succeeded for two intervals.
    late: bool,
    /// When a poll of every mailbox last succeeded.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    last_success_at: Option<Timestamp>,
    /// Each mailbox by its name.
    #[schema(value_type = std::collections::BTreeMap<String, MailboxStatus>)]
    mailboxes: JsonMap,
}

/// How polling one mailbox goes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MailboxStatus {
    /// `idle`, `polling`, `backoff` or `closed`.
    connection: String,
    /// `announcement`, or why there is none: `idle_off`, `idle_not_offered`, `idle_refused`, `idle_misses_mail`,
    /// `few_connections`.
    waits_for: String,
    /// When the last poll ended.
    last_poll_at: Option<String>,
    /// When a poll last succeeded.
    last_success_at: Option<String>,
    /// When the next one is due.
    next_poll_at: Option<String>,
    /// The last failure in words.
    last_error: Option<String>,
    /// Its class.
    error_class: Option<String>,
    /// Failures since the last success.
    consecutive_errors: u32,
    /// How many mails there are at most that are not yet read.
    backlog: u32,
    /// Something to know although polling goes well.
    remark: Option<String>,
    /// How far it has been read.
    last_uid: u32,
}

/// The settings, without secrets; null where nothing is configured.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusConfig {
    /// IMAP host.
    #[schema(required)]
    host: Option<String>,
    /// The main mailbox.
    #[schema(required)]
    mailbox: Option<String>,
    /// How often it is polled.
    #[schema(required)]
    poll_interval_minutes: Option<i64>,
    /// Whether it is polled.
    polling_enabled: bool,
    /// IMAP port.
    #[schema(required)]
    port: Option<i64>,
    /// Which known service the host belongs to, or `custom`.
    #[schema(required)]
    provider: Option<String>,
    /// TLS from the first byte.
    #[schema(required)]
    secure: Option<bool>,
    /// IMAP login name.
    #[schema(required)]
    username: Option<String>,
}

/// Tells how polling goes.
#[utoipa::path(
    get, path = "/v1/messaging/imap/{surfaceId}/status", tag = "imap",
    params(("surfaceId" = String, Path, description = "A surface of type email")),
    responses(
        (status = 200, body = Status),
        (status = 404, description = "No such surface", body = crate::http::error::ErrorBody),
    ),
)]
pub async fn status(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<SurfaceId>,
) -> Result<Json<Status>, ApiError> {
    caller.require(Scope::MessagingRead)?;
    email_surface(&state, &caller, id).await?;
    let tenant = caller.tenant_id;
    let settings = state.store.get_mailbox(tenant, id).await?;
    let cursors = state.store.list_cursors(tenant, id).await?;
    let kept = state.store.get_mailbox_health(tenant, id).await?;
    let health = match state.supervisor.live(id) {
        // What was not done since the last start is known from before it.
        Some(live) => MailboxHealth {
            last_poll_at: live.last_poll_at.or(kept.last_poll_at),
            last_success_at: live.last_success_at.or(kept.last_success_at),
            ..live
        },
        None => kept,
    };
    Ok(Json(Status::of(settings.as_ref(), &cursors, health, state.now())))
}

impl Status {
    fn of(
        settings: Option<&MailboxSettings>,
        cursors: &[Cursor],
        health: MailboxHealth,
        now: Timestamp,
    ) -> Self {
        let none = JsonMap::new();
        let map = settings.map_or(&none, |settings| &settings.settings);
        let text = |name: &str| map.get(name).and_then(Value::as_str).map(str::to_owned);
        let number = |name: &str| map.get(name).and_then(Value::as_i64);
        let active = settings.is_some_and(|settings| settings.enabled);
        let mailbox = text("mailbox").unwrap_or_else(|| "INBOX".to_owned());
        let cursor = cursors.iter().find(|cursor| cursor.mailbox.eq_ignore_ascii_case(&mailbox));
        let is_polling = health.connection == "polling";
        let poll_status = match (active, is_polling, &health.last_error) {
            (false, ..) => PollStatus::Stopped,
            (true, true, _) => PollStatus::Polling,
            (true, false, Some(_)) => PollStatus::Error,
            (true, false, None) => PollStatus::Idle,
        };
        let host = text("imapHost").unwrap_or_default();
        let known = Known {
            is_configured: settings.is_some(),
            is_active: active,
            health: &health,
            host: &host,
            interval_minutes: number("pollIntervalMinutes").filter(|_| !map.contains_key("schedule")),
            last_uid: cursor.map_or(0, |cursor| cursor.last_uid),
            now,
        };
        let (explanation, late) = (explain(known), is_late(known));
        let mailboxes = with_cursors(health.mailboxes, cursors);
        let connection =
            if active && !health.connection.is_empty() { health.connection } else { "closed".into() };
        Self {
            active,
            config: StatusConfig {
                host: text("imapHost"),
                mailbox: text("mailbox"),
                poll_interval_minutes: number("pollIntervalMinutes"),
                polling_enabled: active,
                port: number("imapPort"),
                provider: text("imapHost").map(|host| providers::of(&host).name.to_owned()),
                secure: map.get("imapSecure").and_then(Value::as_bool),
                username: text("imapUsername"),
            },
            consecutive_errors: health.consecutive_errors,
            last_error: health.last_error,
            last_poll_at: health.last_poll_at,
            last_uid: cursor.map_or(0, |cursor| cursor.last_uid),
            mailbox,
            messages_processed: health.messages_processed,
            next_poll_at: health.next_poll_at.filter(|_| active),
            poll_interval_minutes: number("pollIntervalMinutes").unwrap_or(5),
            poll_status,
            worker: health.worker.filter(|_| active),
            connection,
            backlog: health.backlog,
            error_class: health.error_class,
            explanation,
            late,
            last_success_at: health.last_success_at,
            mailboxes,
        }
    }
}

fn with_cursors(mut mailboxes: JsonMap, cursors: &[Cursor]) -> JsonMap {
    for (name, mailbox) in &mut mailboxes {
        let cursor = cursors.iter().find(|cursor| cursor.mailbox == *name);
        if let Some(map) = mailbox.as_object_mut() {
            map.insert("lastUid".to_owned(), cursor.map_or(0, |cursor| cursor.last_uid).into());
        }
    }
    mailboxes
}
