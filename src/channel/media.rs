//! Where the bytes of a provider's attachments are, and what has to be shown to get them. Pure: it says
//! which request to make; making it is the `media` room's.
//!
//! A preset's `[[media]]` tables say it as data. `ref` names the references of its attachments
//! (`telegram-file:ID`); `lookup` is a URL whose JSON answer names the place at `take`; `fetch` is
//! the URL of the bytes. With `completes` they are a mail, and its message is read from it. A table without `ref` is about attachments that come with a URL of their
//! own. The token is shown to `hosts` only, whatever URL a payload names.

use super::error::Fault;
use super::form;
use super::settings::Table;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

/// What a surface knows of fetching attachments.
#[derive(Debug, Default)]
pub struct Media {
    rules: Vec<Rule>,
    token: Option<SecretString>,
    /// Instead of the provider's own scheme and host: a mirror, or a server of one's own.
    api: Option<String>,
}

#[derive(Debug)]
struct Rule {
    reference: Option<String>,
    lookup: Option<String>,
    take: Option<String>,
    fetch: Option<String>,
    hosts: Vec<String>,
    send: Send,
    /// The segment in front of the user's name in the path.
    user_behind: Option<String>,
    redirects: bool,
    /// What is fetched is the whole of a mail of which the message has only the announcement.
    completes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Send {
    Nothing,
    Bearer,
    Basic,
}

/// One request to make.
#[derive(Debug)]
pub struct MediaRequest {
    /// Where to. It may hold a token: it is not for logs.
    pub url: String,
    /// The Authorization header.
    pub authorization: Option<SecretString>,
    /// Whether redirects are part of how this provider gives out bytes.
    pub redirects: bool,
}

/// How to come by the bytes of one attachment.
#[derive(Debug)]
pub enum MediaPlan {
    /// They are there.
    Fetch(MediaRequest),
    /// That answers where they are: see [`Media::after_lookup`].
    Lookup(MediaRequest),
    /// The surface has no `mediaToken`, and without it nothing is given.
    NoToken,
    /// A reference of a kind that this surface's provider does not have.
    Unknown,
}

impl Media {
    pub(super) fn compile(table: &Table<'_>, base: &Table<'_>, secret: Option<&str>) -> Result<Self, Fault> {
        let rules: Vec<Rule> = base.tables("media")?.iter().map(Rule::compile).collect::<Result<_, _>>()?;
        let mut token = table.text("mediaToken")?.filter(|token| !token.is_empty());
        if rules.iter().any(|rule| rule.send == Send::Basic) {
            token = token.or(secret);
        }
        let api = table.text("mediaApi")?.map(|url| url.trim_end_matches('/').to_owned());
        if api.as_ref().is_some_and(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
            return Err(table.fault("mediaApi", "must begin with https:// or http://"));
        }
        Ok(Self { rules, token: token.map(SecretString::from), api })
    }

    /// What to do for the source of an attachment: a URL, or a reference.
    #[must_use]
    pub fn plan(&self, source: &str) -> MediaPlan {
        for rule in &self.rules {
            let Some(reference) = &rule.reference else { continue };
            let Some(id) = source.strip_prefix(reference.as_str()).and_then(|rest| rest.strip_prefix(':'))
            else {
                continue;
            };
            let Some(template) = rule.lookup.as_ref().or(rule.fetch.as_ref()) else { continue };
            let Some(token) = &self.token else { return MediaPlan::NoToken };
            let url = self.fill(template, token, &[("{ref}", &form::encode(&undo(id)))]);
            let request = self.request(rule, url);
            return if rule.lookup.is_some() {
                MediaPlan::Lookup(request)
            } else {
                MediaPlan::Fetch(request)
            };
        }
        if !source.starts_with("https://") && !source.starts_with("http://") {
            return MediaPlan::Unknown;
        }
        let own = self.rules.iter().find(|rule| rule.reference.is_none() && self.is_trusted(rule, source));
        MediaPlan::Fetch(match own {
            Some(rule) => self.request(rule, source.to_owned()),
            None => MediaRequest { url: source.to_owned(), authorization: None, redirects: false },
        })
    }

    /// Where the bytes are, by the JSON that a lookup answered for `source`.
    #[must_use]
    pub fn after_lookup(&self, source: &str, answer: &Value) -> Option<MediaRequest> {
        let kind = source.split(':').next()?;
        let rule = self.rules.iter().find(|rule| rule.reference.as_deref() == Some(kind))?;
        let taken = answer.pointer(rule.take.as_deref()?)?.as_str()?;
        let url = match &rule.fetch {
            None => taken.to_owned(),
            Some(template) => {
                let path: Vec<String> = taken.split('/').map(form::encode).collect();
                self.fill(template, self.token.as_ref()?, &[("{taken}", &path.join("/"))])
            }
        };
        Some(self.request(rule, url))
    }

    /// Whether the bytes of `source` are the whole of the mail that its message announces.
    #[must_use]
    pub fn completes(&self, source: &str) -> bool {
        let kind = source.split_once(':').map(|(kind, _)| kind);
        self.rules.iter().any(|rule| rule.completes && rule.reference.as_deref() == kind)
    }

    fn fill(&self, template: &str, token: &SecretString, values: &[(&str, &str)]) -> String {
        let mut url = template.replace("{token}", token.expose_secret());
        for (name, value) in values {
            url = url.replace(name, value);
        }
        match (&self.api, url.split_once("://")) {
            (Some(api), Some((_, rest))) => {
                let path = rest.split_once('/').map_or("", |(_, path)| path);
                format!("{api}/{path}")
            }
            _ => url,
        }
    }

    fn request(&self, rule: &Rule, url: String) -> MediaRequest {
        let trusted = self.is_trusted(rule, &url);
        let token = self.token.as_ref().filter(|_| trusted).map(SecretString::expose_secret);
        let authorization = token.and_then(|token| match rule.send {
            Send::Nothing => None,
            Send::Bearer => Some(format!("Bearer {token}")),
            Send::Basic => {
                let user = rule.user_behind.as_deref().and_then(|before| segment_behind(&url, before))?;
                Some(format!("Basic {}", STANDARD.encode(format!("{user}:{token}"))))
            }
        });
        MediaRequest {
            authorization: authorization.map(Into::into),
            redirects: trusted && rule.redirects,
            url,
        }
    }

    /// Whether the token may be shown to whom `url` names.
    fn is_trusted(&self, rule: &Rule, url: &str) -> bool {
        let Some((scheme, rest)) = url.split_once("://") else { return false };
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let Some((authority, _)) = rest.split_at_checked(end) else { return false };
        // A name in front of the host is a way to look like another.
        if authority.contains('@') {
            return false;
        }
        if self.api.as_deref().is_some_and(|api| api.split_once("://") == Some((scheme, authority))) {
            return true;
        }
        let host = authority.to_ascii_lowercase();
        scheme == "https" && rule.hosts.contains(&host)
    }
}

/// What `join` did to an id that holds its separator.
fn undo(id: &str) -> String {
    id.replace("%3A", ":").replace("%25", "%")
}

fn segment_behind<'u>(url: &'u str, before: &str) -> Option<&'u str> {
    let mut segments = url.split(['/', '?', '#']);
    segments.find(|segment| *segment == before)?;
    segments.next().filter(|user| !user.is_empty())
}

impl Rule {
    fn compile(table: &Table<'_>) -> Result<Self, Fault> {
        let text = |key| table.text(key).map(|text| text.map(str::to_owned));
        let made = Self {
            reference: text("ref")?,
            lookup: text("lookup")?,
            take: text("take")?,
            fetch: text("fetch")?,
            hosts: table.texts("hosts")?.into_iter().map(str::to_owned).collect(),
            send: table
                .word("send", &[("bearer", Send::Bearer), ("basic", Send::Basic)])?
                .unwrap_or(Send::Nothing),
            user_behind: text("userBehind")?,
            redirects: table.flag("redirects")?,
            completes: table.flag("completes")?,
        };
        table.finish()?;
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Channel;
    use serde_json::json;

    fn channel(inbound: Value) -> Channel {
        let Value::Object(map) = inbound else { unreachable!() };
        Channel::compile("S", &map).unwrap()
    }

    fn fetch(plan: MediaPlan) -> (String, Option<String>, bool) {
        let (MediaPlan::Fetch(it) | MediaPlan::Lookup(it)) = plan else { panic!("{plan:?}") };
        (it.url, it.authorization.map(|text| text.expose_secret().to_owned()), it.redirects)
    }

    #[test]
    fn whatsapp_ids_are_looked_up_and_fetched_with_the_token() {
        let whatsapp = channel(
            json!({"provider": "whatsapp", "secret": "app-secret", "verifyToken": "v", "mediaToken": "T"}),
        );
        let source = "whatsapp-media:12/3";
        assert!(matches!(whatsapp.media().plan(source), MediaPlan::Lookup(_)));
        let (url, authorization, _) = fetch(whatsapp.media().plan(source));
        assert_eq!(url, "https://graph.facebook.com/v23.0/12%2F3");
        assert_eq!(authorization.as_deref(), Some("Bearer T"));
        let answer = |url: &str| json!({"url": url, "mime_type": "image/jpeg"});
        let found =
            whatsapp.media().after_lookup(source, &answer("https://lookaside.fbsbx.com/x?mid=1")).unwrap();
        assert_eq!(found.authorization.unwrap().expose_secret(), "Bearer T");
        // The token goes to nobody else.
        for other in [
            "https://evil.example/x",
            "https://lookaside.fbsbx.com.evil.example/x",
            "https://lookaside.fbsbx.com@evil.example/x",
            "http://lookaside.fbsbx.com/x",
            "https://evil.example\\@lookaside.fbsbx.com/",
        ] {
            assert!(
                whatsapp.media().after_lookup(source, &answer(other)).unwrap().authorization.is_none(),
                "{other}"
            );
        }
        assert!(whatsapp.media().after_lookup(source, &json!({"error": {}})).is_none());
    }

    #[test]
    fn telegram_line_slack_and_twilio_each_in_their_way() {
        let telegram = channel(
            json!({"provider": "telegram", "secret": "s3cret", "mediaToken": "1:AB", "mediaApi": "http://127.0.0.1:9/"}),
        );
        let (url, none, _) = fetch(telegram.media().plan("telegram-file:F1"));
        assert_eq!((url.as_str(), none), ("http://127.0.0.1:9/bot1:AB/getFile?file_id=F1", None));
        let answer = json!({"ok": true, "result": {"file_path": "photos/file 1.jpg"}});
        let found = telegram.media().after_lookup("telegram-file:F1", &answer).unwrap();
        assert_eq!(found.url, "http://127.0.0.1:9/file/bot1:AB/photos/file%201.jpg");
        let line = channel(json!({"provider": "line", "secret": "channel-secret", "mediaToken": "L"}));
        let (url, authorization, _) = fetch(line.media().plan("line-content:55"));
        assert_eq!(url, "https://api-data.line.me/v2/bot/message/55/content");
        assert_eq!(authorization.as_deref(), Some("Bearer L"));
        let slack = channel(json!({"provider": "slack", "secret": "signing-secret", "mediaToken": "xoxb"}));
        let (_, authorization, _) =
            fetch(slack.media().plan("https://files.slack.com/files-pri/T1-F1/a.png"));
        assert_eq!(authorization.as_deref(), Some("Bearer xoxb"));
        assert_eq!(fetch(slack.media().plan("https://evil.example/a.png")).1, None);
        let twilio =
            channel(json!({"provider": "twilio", "secret": "auth-token", "publicUrl": "https://x.example/"}));
        let (_, authorization, redirects) = fetch(
            twilio.media().plan("https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1"),
        );
        assert_eq!(authorization.unwrap(), format!("Basic {}", STANDARD.encode("AC1:auth-token")));
        assert!(redirects);
        assert!(!fetch(twilio.media().plan("https://evil.example/")).2);
    }

    #[test]
    fn a_mail_of_resend_is_looked_up_with_the_key_and_fetched_without_it() {
        let resend =
            channel(json!({"provider": "resend", "secret": "fixture-secret-0123", "mediaToken": "re_1"}));
        let source = "resend-email:56761188";
        assert!(resend.media().completes(source) && !resend.media().completes("https://x.example/"));
        let (url, authorization, _) = fetch(resend.media().plan(source));
        assert_eq!(url, "https://api.resend.com/emails/receiving/56761188?html_format=cid");
        assert_eq!(authorization.as_deref(), Some("Bearer re_1"));
        let answer = json!({"text": "hi", "raw": {"download_url": "https://cdn.example/raw?signature=1", "expires_at": "x"}});
        let found = resend.media().after_lookup(source, &answer).unwrap();
        assert_eq!(
            (found.url.as_str(), found.authorization.is_none()),
            ("https://cdn.example/raw?signature=1", true)
        );
        assert!(resend.media().after_lookup(source, &json!({"raw": null})).is_none());
    }

    #[test]
    fn without_a_token_or_a_kind_there_is_nothing_to_ask() {
        let line = channel(json!({"provider": "line", "secret": "channel-secret"}));
        assert!(matches!(line.media().plan("line-content:5"), MediaPlan::NoToken));
        for source in
            ["telegram-file:1", "file:///etc/passwd", "data:text/plain,x", "ftp://x/", "", "gopher://x"]
        {
            assert!(matches!(line.media().plan(source), MediaPlan::Unknown), "{source}");
        }
    }
}
