//! The settings of a mailbox as clients send them: read, checked, defaults filled in.

use crate::http::fields::{Fields, FromFields};
use crate::model::JsonMap;
use crate::model::imap::Backfill;
use crate::supervisor::providers;
use crate::supervisor::schedule::Schedule;
use crate::supervisor::settings::MAX_MAILBOXES;
use serde_json::Value;
use utoipa::ToSchema;

/// The longest host name (RFC 1035 section 2.3.4, written with dots).
const HOST_CHARS: usize = 253;
/// The longest login name, password, token or secret.
const SECRET_CHARS: usize = 4_096;
/// The longest mailbox name.
const MAILBOX_CHARS: usize = 255;
/// The longest URL.
const URL_CHARS: usize = 2_048;

/// Where mail is read and sent, and how it is polled. Every smtp field may be left out together.
#[derive(Debug, Clone, PartialEq, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct MailboxBody {
    /// The mailbox's own address.
    #[schema(format = Email)]
    pub from_address: String,
    /// The name mails are sent under.
    #[schema(nullable, max_length = 255)]
    pub from_name: Option<String>,
    /// Everything but the address and the name.
    #[schema(inline)]
    #[serde(flatten)]
    pub servers: ServersBody,
}

/// The servers of a mailbox and how it is polled.
#[derive(Debug, Clone, PartialEq, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ServersBody {
    /// Host name or address.
    #[schema(min_length = 1, max_length = 253)]
    pub imap_host: String,
    /// The port; usually 993.
    #[schema(minimum = 1, maximum = 65535)]
    pub imap_port: u16,
    /// Login name.
    #[schema(min_length = 1)]
    pub imap_username: String,
    /// Password; may be left out where `auth` is given.
    #[schema(nullable, min_length = 1)]
    pub imap_password: Option<String>,
    /// TLS from the first byte; by default for port 993. Else STARTTLS.
    #[schema(nullable)]
    pub imap_secure: Option<bool>,
    /// OAuth 2 in place of a password.
    #[schema(nullable)]
    pub auth: Option<AuthBody>,
    /// Host name or address.
    #[schema(nullable, max_length = 253)]
    pub smtp_host: Option<String>,
    /// The port; usually 465 or 587.
    #[schema(nullable, minimum = 1, maximum = 65535)]
    pub smtp_port: Option<u16>,
    /// Login name.
    #[schema(nullable)]
    pub smtp_username: Option<String>,
    /// Password; may be left out where `auth` is given, whose access token is shown then.
    #[schema(nullable, min_length = 1)]
    pub smtp_password: Option<String>,
    /// TLS from the first byte; by default for port 465. Else STARTTLS.
    #[schema(nullable)]
    pub smtp_secure: Option<bool>,
    /// The main mailbox; INBOX by default.
    #[schema(nullable, max_length = 255)]
    pub mailbox: Option<String>,
    /// More mailboxes.
    #[schema(nullable, max_items = 20)]
    pub mailboxes: Option<Vec<String>>,
    /// The mailbox that holds what was sent; `auto` for the one that the server says is it.
    #[schema(nullable, max_length = 255)]
    pub sent_mailbox: Option<String>,
    /// How often the mailbox is polled; 5 by default.
    #[schema(nullable, minimum = 1, maximum = 60)]
    pub poll_interval_minutes: Option<u8>,
    /// A five-field cron expression (UTC) in place of the interval.
    #[schema(nullable, max_length = 200)]
    pub schedule: Option<String>,
    /// Whether the server is asked to announce mail; true by default.
    #[schema(nullable)]
    pub idle: Option<bool>,
    /// `all` (the default), `none` or `since YYYY-MM-DD`.
    #[schema(nullable)]
    pub backfill: Option<String>,
    /// What is done to mail on the server once it is stored; nothing by default.
    #[schema(nullable)]
    pub on_stored: Option<OnStoredBody>,
}

/// What is done to mail on the server once it is stored.
#[derive(Debug, Clone, PartialEq, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct OnStoredBody {
    /// It is marked as read.
    #[schema(nullable)]
    pub seen: Option<bool>,
    /// It gets this keyword (an IMAP flag).
    #[schema(nullable, max_length = 100)]
    pub keyword: Option<String>,
    /// It is moved to this mailbox.
    #[schema(nullable, max_length = 255)]
    pub move_to: Option<String>,
}

/// OAuth 2 with a refresh token.
#[derive(Debug, Clone, PartialEq, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct AuthBody {
    /// `oauth2`.
    #[schema(rename = "type")]
    pub kind: String,
    /// `gmail` or `microsoft`: brings token endpoint and scope. By default told from `imapHost`.
    #[schema(nullable)]
    pub provider: Option<String>,
    /// The token endpoint; may be left out for a known provider.
    #[schema(nullable)]
    pub token_url: Option<String>,
    /// The client.
    pub client_id: String,
    /// Its secret, where it has one.
    #[schema(nullable)]
    pub client_secret: Option<String>,
    /// The refresh token.
    pub refresh_token: String,
    /// The scope to ask for.
    #[schema(nullable)]
    pub scope: Option<String>,
}

impl FromFields for MailboxBody {
    fn from_fields(fields: &mut Fields) -> Self {
        let from_address = required_email(fields, "fromAddress");
        let from_name = fields.text("fromName", crate::limits::NAME_CHARS);
        Self { from_address, from_name, servers: ServersBody::from_fields(fields) }
    }
}

impl FromFields for ServersBody {
    fn from_fields(fields: &mut Fields) -> Self {
        let imap_host = host(fields, "imapHost", true).unwrap_or_default();
        let imap_port = required_port(fields, "imapPort");
        let imap_username = fields.required_text("imapUsername", SECRET_CHARS);
        let wants_smtp = ["smtpHost", "smtpPort", "smtpUsername", "smtpPassword"]
            .iter()
            .any(|name| is_given(fields, name));
        let auth: Option<AuthBody> = fields.object("auth");
        let auth = auth.map(|auth| {
            let sends = wants_smtp && !is_given(fields, "smtpPassword");
            auth.completed(&imap_host, sends)
        });
        if auth.as_ref().is_some_and(|auth| auth.token_url.is_none()) {
            fields
                .problem("auth.tokenUrl", "is required, as neither provider nor imapHost is a known service");
        }
        let imap_password = match &auth {
            None => Some(fields.required_text("imapPassword", SECRET_CHARS)),
            Some(_) => fields.text("imapPassword", SECRET_CHARS).filter(|password| !password.is_empty()),
        };
        let needs_smtp_password = wants_smtp && auth.is_none();
        let smtp_port = if wants_smtp { Some(required_port(fields, "smtpPort")) } else { None };
        Self {
            imap_host,
            imap_port,
            imap_username,
            imap_password,
            imap_secure: fields.boolean("imapSecure"),
            auth,
            smtp_host: host(fields, "smtpHost", wants_smtp),
            smtp_port,
            smtp_username: wants_smtp.then(|| fields.required_text("smtpUsername", SECRET_CHARS)),
            smtp_password: if needs_smtp_password {
                Some(fields.required_text("smtpPassword", SECRET_CHARS))
            } else {
                fields.text("smtpPassword", SECRET_CHARS).filter(|password| !password.is_empty())
            },
            smtp_secure: fields.boolean("smtpSecure"),
            mailbox: mailbox_name(fields, "mailbox"),
            mailboxes: mailbox_names(fields),
            sent_mailbox: mailbox_name(fields, "sentMailbox"),
            poll_interval_minutes: fields
                .integer("pollIntervalMinutes", 1..=60)
                .and_then(|minutes| u8::try_from(minutes).ok()),
            schedule: schedule(fields),
            idle: fields.boolean("idle"),
            backfill: backfill(fields),
            on_stored: fields.object("onStored"),
        }
    }
}

impl FromFields for AuthBody {
    fn from_fields(fields: &mut Fields) -> Self {
        let token_url = fields.text("tokenUrl", URL_CHARS).filter(|url| !url.is_empty());
        let is_url = |url: &String| url.starts_with("https://") || url.starts_with("http://");
        if token_url.as_ref().is_some_and(|url| !is_url(url)) {
            fields.problem("tokenUrl", "must be a URL that begins with https://");
        }
        Self {
            kind: fields.choice("type", &["oauth2"]).unwrap_or("oauth2").to_owned(),
            provider: fields.choice("provider", &["gmail", "microsoft"]).map(str::to_owned),
            token_url,
            client_id: fields.required_text("clientId", SECRET_CHARS),
            client_secret: fields.text("clientSecret", SECRET_CHARS).filter(|secret| !secret.is_empty()),
            refresh_token: fields.required_text("refreshToken", SECRET_CHARS),
            scope: fields.text("scope", SECRET_CHARS).filter(|scope| !scope.is_empty()),
        }
    }
}

impl FromFields for OnStoredBody {
    fn from_fields(fields: &mut Fields) -> Self {
        let keyword = fields.text("keyword", 100).filter(|keyword| !keyword.is_empty());
        if keyword.as_deref().is_some_and(|keyword| !crate::imap::is_flag(keyword)) {
            fields.problem("keyword", "must be an IMAP keyword: ASCII without blanks, quotes or brackets");
        }
        Self { seen: fields.boolean("seen"), keyword, move_to: mailbox_name(fields, "moveTo") }
    }
}

impl MailboxBody {
    /// The settings as they are stored, every default filled in; secrets not yet sealed.
    pub fn into_settings(self) -> JsonMap {
        let mut settings = self.servers.into_settings();
        settings.insert("fromAddress".into(), self.from_address.into());
        insert(&mut settings, "fromName", self.from_name);
        settings
    }
}

impl ServersBody {
    /// The settings as the supervisor reads them.
    pub fn into_settings(self) -> JsonMap {
        let mut settings = JsonMap::new();
        let imap_secure = self.imap_secure.unwrap_or(self.imap_port == 993);
        insert(&mut settings, "imapHost", Some(self.imap_host));
        insert(&mut settings, "imapPort", Some(self.imap_port));
        insert(&mut settings, "imapUsername", Some(self.imap_username));
        insert(&mut settings, "imapPassword", self.imap_password);
        insert(&mut settings, "imapSecure", Some(imap_secure));
        insert(&mut settings, "auth", self.auth.map(AuthBody::into_settings));
        if let Some(port) = self.smtp_port {
            insert(&mut settings, "smtpHost", self.smtp_host);
            insert(&mut settings, "smtpPort", Some(port));
            insert(&mut settings, "smtpUsername", self.smtp_username);
            insert(&mut settings, "smtpPassword", self.smtp_password);
            insert(&mut settings, "smtpSecure", Some(self.smtp_secure.unwrap_or(port == 465)));
        }
        insert(&mut settings, "mailbox", Some(self.mailbox.unwrap_or_else(|| "INBOX".to_owned())));
        insert(&mut settings, "mailboxes", self.mailboxes);
        insert(&mut settings, "sentMailbox", self.sent_mailbox);
        insert(&mut settings, "pollIntervalMinutes", Some(self.poll_interval_minutes.unwrap_or(5)));
        insert(&mut settings, "schedule", self.schedule);
        insert(&mut settings, "idle", Some(self.idle.unwrap_or(true)));
        insert(&mut settings, "onStored", self.on_stored.map(OnStoredBody::into_settings));
        insert(&mut settings, "backfill", Some(self.backfill.unwrap_or_else(|| "all".to_owned())));
        settings
    }
}

impl OnStoredBody {
    fn into_settings(self) -> JsonMap {
        let mut wish = JsonMap::new();
        insert(&mut wish, "seen", Some(self.seen.unwrap_or(false)));
        insert(&mut wish, "keyword", self.keyword);
        insert(&mut wish, "moveTo", self.move_to);
        wish
    }
}

impl AuthBody {
    /// With endpoint and scope of a service that is known by name or by its host; `sends` where SMTP is shown the token too.
    fn completed(mut self, imap_host: &str, sends: bool) -> Self {
        let preset = match &self.provider {
            Some(name) => providers::oauth_preset(name),
            None => providers::of(imap_host).oauth,
        };
        if let Some(preset) = preset.filter(|_| self.token_url.is_none()) {
            self.token_url = Some(preset.token_url.to_owned());
            let scope = if sends { preset.sending_scope } else { preset.scope };
            self.scope = self.scope.or_else(|| Some(scope.to_owned()));
        }
        self
    }

    fn into_settings(self) -> JsonMap {
        let mut auth = JsonMap::new();
        insert(&mut auth, "type", Some(self.kind));
        insert(&mut auth, "tokenUrl", self.token_url);
        insert(&mut auth, "clientId", Some(self.client_id));
        insert(&mut auth, "clientSecret", self.client_secret);
        insert(&mut auth, "refreshToken", Some(self.refresh_token));
        insert(&mut auth, "scope", self.scope);
        auth
    }
}

fn insert(settings: &mut JsonMap, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        settings.insert(name.to_owned(), value.into());
    }
}

/// Whether the field is there with a value.
fn is_given(fields: &Fields, name: &str) -> bool {
    fields.has(name) && !fields.is_null(name)
}

/// A mail address that has to be there.
pub fn required_email(fields: &mut Fields, name: &str) -> String {
    if !is_given(fields, name) {
        fields.problem(name, "is required and must be a mail address");
        return String::new();
    }
    fields.email(name).unwrap_or_default()
}

/// A host name or address: no blanks, controls, slashes or user parts.
pub fn host(fields: &mut Fields, name: &str, is_required: bool) -> Option<String> {
    if !is_required && !is_given(fields, name) {
        return None;
    }
    let text = fields.required_text(name, HOST_CHARS);
    let is_bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '@' | '\\' | '?' | '#');
    if text.contains(is_bad) {
        fields.problem(name, "must be a host name like imap.example.com, without a scheme or a path");
    }
    Some(text)
}

fn required_port(fields: &mut Fields, name: &str) -> u16 {
    if !is_given(fields, name) {
        fields.problem(name, "is required and must be a port from 1 to 65535");
    }
    port(fields, name).unwrap_or_default()
}

/// A port, if it is there.
pub fn port(fields: &mut Fields, name: &str) -> Option<u16> {
    fields.integer(name, 1..=65_535).and_then(|port| u16::try_from(port).ok())
}

fn mailbox_name(fields: &mut Fields, name: &str) -> Option<String> {
    let text = fields.text(name, MAILBOX_CHARS)?;
    if text.is_empty() {
        return None;
    }
    if text.contains(char::is_control) {
        fields.problem(name, "may not hold a line break or another control character");
    }
    Some(text)
}

fn mailbox_names(fields: &mut Fields) -> Option<Vec<String>> {
    let names = fields.texts("mailboxes", MAX_MAILBOXES - 2, MAILBOX_CHARS)?;
    if names.iter().any(|name| name.contains(char::is_control)) {
        fields.problem("mailboxes", "may not hold a line break or another control character");
    }
    Some(names)
}

fn schedule(fields: &mut Fields) -> Option<String> {
    let text = fields.text("schedule", 200)?;
    if text.trim().is_empty() {
        return None;
    }
    if let Err(error) = Schedule::parse(&text) {
        fields.problem("schedule", format!("cannot be used: {error}"));
    }
    Some(text)
}

fn backfill(fields: &mut Fields) -> Option<String> {
    let text = fields.text("backfill", 40)?;
    let Some(backfill) = Backfill::parse(&text) else {
        fields.problem("backfill", "must be all, none or since YYYY-MM-DD");
        return None;
    };
    Some(backfill.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn minimal() -> Value {
        json!({
            "fromAddress": "Desk@Example.com", "imapHost": "imap.example.com", "imapPort": 993,
            "imapUsername": "desk", "imapPassword": "p",
        })
    }

    fn with(change: &Value) -> Value {
        let mut body = minimal();
        let map = body.as_object_mut().unwrap();
        map.extend(change.as_object().unwrap().clone());
        map.retain(|_, value| *value != json!("absent"));
        body
    }

    fn settings(change: &Value) -> Value {
        Value::Object(Fields::read::<MailboxBody>(with(change)).unwrap().into_settings())
    }

    fn faults(change: &Value) -> Vec<String> {
        let error = Fields::read::<MailboxBody>(with(change)).unwrap_err();
        error.details().iter().map(|problem| problem.path.clone()).collect()
    }

    #[test]
    fn defaults_are_filled_in() {
        assert_eq!(
            settings(&json!({})),
            json!({
                "fromAddress": "desk@example.com", "imapHost": "imap.example.com", "imapPort": 993,
                "imapUsername": "desk", "imapPassword": "p", "imapSecure": true, "mailbox": "INBOX",
                "pollIntervalMinutes": 5, "idle": true, "backfill": "all",
            })
        );
        let sending = json!({"imapPort": 143, "smtpHost": "s", "smtpPort": 465, "smtpUsername": "u", "smtpPassword": "p"});
        let stored = settings(&sending);
        assert_eq!((&stored["imapSecure"], &stored["smtpSecure"]), (&json!(false), &json!(true)));
    }

    #[test]
    fn every_missing_or_wrong_field_is_named() {
        let nothing: Vec<String> = {
            let error = Fields::read::<MailboxBody>(json!({})).unwrap_err();
            error.details().iter().map(|problem| problem.path.clone()).collect()
        };
        assert_eq!(nothing, ["fromAddress", "imapHost", "imapPort", "imapUsername", "imapPassword"]);
        assert_eq!(faults(&json!({"smtpHost": "s"})), ["smtpPort", "smtpUsername", "smtpPassword"]);
        assert_eq!(faults(&json!({"imapPort": 0})), ["imapPort"]);
        assert_eq!(faults(&json!({"imapPort": 65_536})), ["imapPort"]);
        assert_eq!(faults(&json!({"imapPassword": ""})), ["imapPassword"]);
        assert_eq!(faults(&json!({"pollIntervalMinutes": 61})), ["pollIntervalMinutes"]);
        assert_eq!(faults(&json!({"schedule": "every minute"})), ["schedule"]);
        assert_eq!(faults(&json!({"backfill": "since yesterday"})), ["backfill"]);
        assert_eq!(faults(&json!({"imapHost": "https://imap.example.com/"})), ["imapHost"]);
        assert_eq!(faults(&json!({"mailbox": "a\r\nb LOGOUT"})), ["mailbox"]);
        assert_eq!(faults(&json!({"fromAddress": 5})), ["fromAddress"]);
    }

    #[test]
    fn what_follows_storing_is_checked() {
        let stored = settings(&json!({"onStored": {"seen": true, "keyword": "$Inlet", "moveTo": "Done"}}));
        assert_eq!(stored["onStored"], json!({"seen": true, "keyword": "$Inlet", "moveTo": "Done"}));
        assert_eq!(faults(&json!({"onStored": {"keyword": "a) LOGOUT"}})), ["onStored.keyword"]);
        assert_eq!(faults(&json!({"onStored": {"moveTo": "a\r\nb"}})), ["onStored.moveTo"]);
    }

    #[test]
    fn oauth_stands_in_for_the_password() {
        let auth = json!({"type": "oauth2", "tokenUrl": "https://t", "clientId": "c", "refreshToken": "r"});
        let stored = settings(&json!({"imapPassword": "absent", "auth": auth}));
        assert_eq!(stored["auth"]["tokenUrl"], "https://t");
        let preset = |host: &str, more: Value| {
            let mut auth = json!({"type": "oauth2", "clientId": "c", "refreshToken": "r"});
            auth.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({"imapPassword": "absent", "imapHost": host, "auth": auth})
        };
        let gmail = settings(&preset("imap.gmail.com", json!({})));
        assert_eq!(gmail["auth"]["tokenUrl"], "https://oauth2.googleapis.com/token");
        assert_eq!(gmail["auth"]["scope"], "https://mail.google.com/");
        let microsoft = settings(&preset("mail.example.com", json!({"provider": "microsoft"})));
        assert!(microsoft["auth"]["tokenUrl"].as_str().unwrap().contains("microsoftonline"));
        assert!(
            !microsoft["auth"]["scope"].as_str().unwrap().contains("SMTP"),
            "consent to read is enough to read"
        );
        let mut sending = preset("outlook.office365.com", json!({}));
        let smtp = json!({"smtpHost": "smtp.office365.com", "smtpPort": 587, "smtpUsername": "u"});
        sending.as_object_mut().unwrap().extend(smtp.as_object().unwrap().clone());
        let sending = settings(&sending);
        assert!(sending["auth"]["scope"].as_str().unwrap().contains("SMTP.Send"));
        assert_eq!((&sending["smtpPort"], sending.get("smtpPassword")), (&json!(587), None));
        assert_eq!(faults(&preset("mail.example.com", json!({}))), ["auth.tokenUrl"]);
        assert_eq!(
            faults(&json!({"auth": {"type": "kerberos", "tokenUrl": "ftp://t"}})),
            ["auth.tokenUrl", "auth.type", "auth.clientId", "auth.refreshToken"]
        );
    }
}
