//! The stored settings of an email surface in their own types. Reads what `/start` has checked and stored; the
//! secrets are already opened.

use super::schedule::{Cadence, Schedule, ScheduleError};
use crate::ids::{SurfaceId, TenantId};
use crate::imap::poll::Mailbox;
use crate::imap::{Auth, Security, Target};
use crate::model::JsonMap;
use crate::model::imap::Backfill;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use std::time::Duration;

/// Mailboxes of one surface, the sent one included.
pub const MAX_MAILBOXES: usize = 20;

/// Everything polling a surface needs.
#[derive(Debug, Clone)]
pub struct Account {
    /// Where and as whom to log in.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether TLS is spoken from the first byte; else STARTTLS.
    pub security: Security,
    /// The login name.
    pub username: String,
    /// How the account proves itself.
    pub proof: Proof,
    /// What is read; the first one is the surface's main mailbox.
    pub mailboxes: Vec<Mailbox>,
    /// When.
    pub cadence: Cadence,
    /// Whether the server may tell us at once.
    pub idle: bool,
    /// What is done to mail on the server once it is stored.
    pub on_stored: Option<OnStored>,
}

/// What is done to mail on the server once it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OnStored {
    /// It gets the flag \Seen.
    pub seen: bool,
    /// It gets this keyword.
    pub keyword: Option<String>,
    /// It is moved to this mailbox, after the flags.
    pub move_to: Option<String>,
}

/// How an account proves itself. No `Debug` shows a secret.
#[derive(Debug, Clone)]
pub enum Proof {
    /// A password.
    Password(SecretString),
    /// OAuth 2 with a refresh token.
    OAuth2(OAuth2),
}

/// What an access token is got with (RFC 6749 section 6).
#[derive(Debug, Clone)]
pub struct OAuth2 {
    /// The token endpoint, `https://`.
    pub token_url: String,
    /// The client.
    pub client_id: String,
    /// Its secret, where it has one.
    pub client_secret: Option<SecretString>,
    /// The refresh token.
    pub refresh_token: SecretString,
    /// The scope to ask for.
    pub scope: Option<String>,
}

/// Why stored settings cannot be used, in words for their owner.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A field is missing or of another type.
    #[error("the stored mailbox settings cannot be read ({0}); call start again")]
    Unreadable(String),
    /// The schedule.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    imap_host: String,
    imap_port: u16,
    imap_username: String,
    #[serde(default)]
    imap_password: Option<String>,
    imap_secure: bool,
    #[serde(default)]
    auth: Option<StoredAuth>,
    mailbox: String,
    #[serde(default)]
    mailboxes: Vec<String>,
    #[serde(default)]
    sent_mailbox: Option<String>,
    poll_interval_minutes: u64,
    #[serde(default)]
    schedule: Option<String>,
    idle: bool,
    #[serde(default)]
    on_stored: Option<OnStored>,
    #[serde(default)]
    backfill: Option<String>,
    #[serde(default)]
    first_started_at: Option<Timestamp>,
    #[serde(default)]
    account_since: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredAuth {
    token_url: String,
    client_id: String,
    #[serde(default)]
    client_secret: Option<String>,
    refresh_token: String,
    #[serde(default)]
    scope: Option<String>,
}

impl Account {
    /// Reads opened settings.
    ///
    /// # Errors
    /// [`SettingsError`]; its words hold no value of a field.
    pub fn read(
        tenant_id: TenantId,
        surface_id: SurfaceId,
        settings: JsonMap,
    ) -> Result<Self, SettingsError> {
        // The error of serde_json names field and type, and for wrong types the value: only its kind is kept.
        let stored: Stored =
            serde_json::from_value(serde_json::Value::Object(settings)).map_err(|error| {
                let text = error.to_string();
                let field = text.split('`').nth(1).filter(|_| text.starts_with("missing field"));
                SettingsError::Unreadable(
                    field.map_or("a field has another type".into(), |name| format!("{name} is missing")),
                )
            })?;
        let cadence = match &stored.schedule {
            Some(expression) => Cadence::At(Box::new(Schedule::parse(expression)?)),
            None => Cadence::Every(Duration::from_mins(stored.poll_interval_minutes.clamp(1, 60))),
        };
        let unreadable = |what: &str| SettingsError::Unreadable(what.to_owned());
        let backfill = stored.backfill.as_deref().map_or(Some(Backfill::All), Backfill::parse);
        let backfill = backfill.ok_or_else(|| unreadable("backfill is neither all, none nor since a day"))?;
        let mailboxes = mailboxes(tenant_id, surface_id, &stored, backfill);
        let proof = match (stored.auth, stored.imap_password) {
            (Some(auth), _) => Proof::OAuth2(OAuth2 {
                token_url: auth.token_url,
                client_id: auth.client_id,
                client_secret: auth.client_secret.map(SecretString::from),
                refresh_token: auth.refresh_token.into(),
                scope: auth.scope,
            }),
            (None, Some(password)) => Proof::Password(password.into()),
            (None, None) => return Err(unreadable("there is neither a password nor auth")),
        };
        Ok(Self {
            host: stored.imap_host,
            port: stored.imap_port,
            security: if stored.imap_secure { Security::ImplicitTls } else { Security::StartTls },
            username: stored.imap_username,
            proof,
            mailboxes,
            cadence,
            idle: stored.idle,
            on_stored: stored.on_stored.filter(|wish| *wish != OnStored::default()),
        })
    }

    /// Where to connect to, with a proof that is ready to be shown.
    #[must_use]
    pub fn target(&self, auth: Auth) -> Target {
        Target {
            host: self.host.clone(),
            port: self.port,
            security: self.security,
            username: self.username.clone(),
            auth,
        }
    }
}

/// Each mailbox once. INBOX is INBOX in any case (RFC 3501 section 5.1).
fn mailboxes(
    tenant_id: TenantId,
    surface_id: SurfaceId,
    stored: &Stored,
    backfill: Backfill,
) -> Vec<Mailbox> {
    let sent = stored.sent_mailbox.as_deref().map(mailbox_name);
    let mut names: Vec<String> = Vec::new();
    let written = std::iter::once(&stored.mailbox).chain(&stored.mailboxes).map(|name| mailbox_name(name));
    for name in written.chain(sent.clone()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.truncate(MAX_MAILBOXES);
    let mailbox = |name: String| Mailbox {
        tenant_id,
        surface_id,
        sent: sent.as_ref() == Some(&name),
        name,
        backfill,
        started_at: stored.first_started_at,
        account_since: stored.account_since,
    };
    names.into_iter().map(mailbox).collect()
}

fn mailbox_name(written: &str) -> String {
    if written.eq_ignore_ascii_case("INBOX") { "INBOX".to_owned() } else { written.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(change: Value) -> Result<Account, SettingsError> {
        let mut settings = json!({
            "imapHost": "imap.example.com", "imapPort": 993, "imapUsername": "desk", "imapPassword": "canary-1",
            "imapSecure": true, "mailbox": "inbox", "pollIntervalMinutes": 5, "idle": true, "backfill": "all",
        });
        let settings = settings.as_object_mut().unwrap();
        settings.extend(change.as_object().unwrap().clone());
        let ids = (TenantId(uuid::Uuid::nil()), SurfaceId(uuid::Uuid::nil()));
        Account::read(ids.0, ids.1, settings.clone())
    }

    #[test]
    fn each_mailbox_is_read_once_and_the_sent_one_is_marked() {
        let account = read(json!({"mailboxes": ["INBOX", "Work", "Sent"], "sentMailbox": "Sent"})).unwrap();
        let names: Vec<_> = account.mailboxes.iter().map(|it| (it.name.as_str(), it.sent)).collect();
        assert_eq!(names, [("INBOX", false), ("Work", false), ("Sent", true)]);
    }

    #[test]
    fn a_schedule_stands_in_for_the_interval() {
        let account = read(json!({"schedule": "0 9 * * mon-fri"})).unwrap();
        let next = account.cadence.next_after("2026-03-07T00:00:00Z".parse().unwrap());
        assert_eq!(next.to_string(), "2026-03-09T09:00:00Z");
        assert!(read(json!({"schedule": "nonsense"})).is_err());
    }

    #[test]
    fn unreadable_settings_are_told_without_their_values() {
        for change in
            [json!({"imapPort": "canary-2"}), json!({"imapPassword": null}), json!({"backfill": "canary-2"})]
        {
            let words = read(change).unwrap_err().to_string();
            assert!(!words.contains("canary"), "{words}");
        }
        assert!(!format!("{:?}", read(json!({})).unwrap()).contains("canary"));
    }
}
