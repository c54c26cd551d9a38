//! What is known of single mail services, as data in one table. Every difference between hosts stands here; the code
//! asks for a property and never for a name.

use std::time::Duration;

/// What is known of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provider {
    /// As `/status` shows it.
    pub name: &'static str,
    /// Domains of its servers; a host belongs to one if it is that domain or below it.
    domains: &'static [&'static str],
    /// How long an IDLE may last before it is given anew. Servers that end silent connections earlier than the 29
    /// minutes of RFC 2177 section 3 have their own; 9 minutes suits the rest, Gmail (10) included.
    pub idle_limit: Duration,
    /// Where access tokens come from.
    pub oauth: Option<OAuthPreset>,
    /// What usually helps when it rejects a password.
    pub password_hint: Option<&'static str>,
}

/// Where access tokens of a service come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OAuthPreset {
    /// The token endpoint.
    pub token_url: &'static str,
    /// The scope that reading mail takes.
    pub scope: &'static str,
    /// The scope that reading and sending take.
    pub sending_scope: &'static str,
}

const NINE_MINUTES: Duration = Duration::from_mins(9);
const APP_PASSWORD: Option<&str> =
    Some("It takes an app password made in the account's security settings, not the account's own one");

const CUSTOM: Provider =
    Provider { name: "custom", domains: &[], idle_limit: NINE_MINUTES, oauth: None, password_hint: None };

const TABLE: &[Provider] = &[
    Provider {
        name: "gmail",
        domains: &["gmail.com", "googlemail.com"],
        oauth: Some(OAuthPreset {
            token_url: "https://oauth2.googleapis.com/token",
            scope: "https://mail.google.com/",
            sending_scope: "https://mail.google.com/",
        }),
        password_hint: APP_PASSWORD,
        ..CUSTOM
    },
    Provider {
        name: "microsoft",
        domains: &["outlook.com", "office365.com", "hotmail.com"],
        oauth: Some(OAuthPreset {
            token_url: "https://login.microsoftonline.com/common/oauth2/v2.0/token",
            scope: "https://outlook.office.com/IMAP.AccessAsUser.All offline_access",
            // Microsoft, "Authenticate an IMAP, POP or SMTP connection using OAuth".
            sending_scope: "https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send offline_access",
        }),
        password_hint: Some("Microsoft takes no passwords for IMAP any more; use auth with OAuth 2"),
        ..CUSTOM
    },
    // Both end an IDLE without a word after a few minutes.
    Provider {
        name: "yahoo",
        domains: &["yahoo.com", "ymail.com"],
        idle_limit: Duration::from_mins(3),
        password_hint: APP_PASSWORD,
        ..CUSTOM
    },
    Provider {
        name: "aol",
        domains: &["aol.com"],
        idle_limit: Duration::from_mins(3),
        password_hint: APP_PASSWORD,
        ..CUSTOM
    },
    Provider { name: "rambler", domains: &["rambler.ru"], idle_limit: Duration::from_secs(55), ..CUSTOM },
    // Gives bodies only for BODY[], which is all that is ever asked for.
    Provider { name: "icloud", domains: &["me.com", "icloud.com"], password_hint: APP_PASSWORD, ..CUSTOM },
    Provider { name: "fastmail", domains: &["fastmail.com"], password_hint: APP_PASSWORD, ..CUSTOM },
    Provider { name: "zoho", domains: &["zoho.com", "zoho.eu"], password_hint: APP_PASSWORD, ..CUSTOM },
    Provider { name: "gmx", domains: &["gmx.net", "gmx.com"], ..CUSTOM },
    Provider { name: "web.de", domains: &["web.de"], ..CUSTOM },
    Provider { name: "yandex", domains: &["yandex.com", "yandex.ru"], password_hint: APP_PASSWORD, ..CUSTOM },
    // Refuse mailboxes to clients that do not send ID, which every session does; end silent connections after a minute.
    Provider {
        name: "netease",
        domains: &["163.com", "126.com", "yeah.net"],
        idle_limit: Duration::from_secs(55),
        password_hint: Some("It takes an authorization code made in the web mail's settings"),
        ..CUSTOM
    },
];

/// What is known of `host`.
#[must_use]
pub fn of(host: &str) -> &'static Provider {
    let host = host.to_ascii_lowercase();
    let is_of =
        |domain: &&str| host.strip_suffix(*domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    TABLE.iter().find(|provider| provider.domains.iter().any(is_of)).unwrap_or(&CUSTOM)
}

/// The service of that name, where it is one that gives tokens.
#[must_use]
pub fn oauth_preset(name: &str) -> Option<OAuthPreset> {
    TABLE.iter().find(|provider| provider.name == name)?.oauth
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b02_idle_is_given_anew_before_the_server_ends_it() {
        let limit = |host| of(host).idle_limit;
        assert_eq!(limit("imap.gmail.com"), Duration::from_mins(9));
        assert_eq!(limit("imap.mail.yahoo.com"), Duration::from_mins(3));
        assert_eq!(limit("imap.Rambler.ru"), Duration::from_secs(55));
        assert_eq!(limit("imap.163.com"), Duration::from_secs(55));
        assert_eq!(limit("notyahoo.com"), Duration::from_mins(9));
        assert!(TABLE.iter().all(|provider| provider.idle_limit <= Duration::from_mins(9)));
    }

    #[test]
    fn known_services_are_named() {
        assert_eq!(of("imap.gmail.com").name, "gmail");
        assert_eq!(of("outlook.office365.com").name, "microsoft");
        assert_eq!(of("mail.example.com").name, "custom");
    }

    #[test]
    fn services_with_oauth_bring_their_endpoint() {
        assert!(oauth_preset("gmail").unwrap().token_url.starts_with("https://"));
        assert!(oauth_preset("microsoft").unwrap().scope.contains("IMAP.AccessAsUser.All"));
        assert_eq!(oauth_preset("gmx"), None);
        assert_eq!(oauth_preset("nobody"), None);
    }
}
