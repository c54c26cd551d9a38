//! Access tokens: a scripted token endpoint beside a scripted mail server.

use super::office::{Office, mail};
use crate::servers::scripted::{Act, Heard, TokenServer};
use crate::servers::smtp::mail_sink;
use crate::servers::worker::Engine;
use base64::Engine as _;
use inlet::imap::{Limits, Network, tls_config};
use inlet::supervisor::Tokens;
use inlet::supervisor::settings::OAuth2;
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

fn granted(token: &str) -> String {
    json!({"access_token": token, "expires_in": 3600, "token_type": "Bearer"}).to_string()
}

fn oauth(tokens: &TokenServer) -> Value {
    let auth = json!({
        "type": "oauth2", "tokenUrl": tokens.url, "clientId": "client-1", "clientSecret": "client-secret",
        "refreshToken": "refresh-1", "scope": "mail",
    });
    json!({"imapPassword": null, "auth": auth})
}

async fn office_with(tokens: &[&str]) -> Office {
    let office = Office::open(Engine::Sqlite).await.unwrap();
    office.server.state().secrets = tokens.iter().map(|token| format!("auth=Bearer {token}\u{1}")).collect();
    office
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_is_read_with_a_token_by_either_mechanism() {
    for mechanism in ["XOAUTH2", "OAUTHBEARER"] {
        let tokens = TokenServer::start(&[(200, &granted("t1"))]).await;
        let office = office_with(&["t1"]).await;
        office.server.state().capabilities = format!("IMAP4rev1 IDLE SASL-IR AUTH={mechanism}");
        office.server.put("INBOX", mail(1));
        office.start(oauth(&tokens)).await;
        office.wait_for(1).await;
        let asked = tokens.requests();
        for part in
            ["grant_type=refresh_token", "refresh_token=refresh-1", "client_id=client-1", "scope=mail"]
        {
            assert!(asked[0].contains(part), "{asked:?}");
        }
        let verb = format!("AUTHENTICATE {mechanism} ");
        assert!(office.server.commands().iter().any(|command| command.starts_with(&verb)));
        let shown = office.status().await.to_string();
        assert!(!shown.contains("refresh-1") && !shown.contains("client-secret"), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c01_a_token_that_runs_out_in_idle_is_replaced_and_no_failure() {
    let tokens = TokenServer::start(&[(200, &granted("t1")), (200, &granted("t2"))]).await;
    let office = office_with(&["t1", "t2"]).await;
    office.server.hook(|heard: &Heard| {
        let goodbye = "+ idling\r\n* BYE Session invalidated - AccessTokenExpired\r\n".to_owned();
        (heard.command == "IDLE" && heard.connection == 0).then_some(Act::SayAndClose(goodbye))
    });
    office.start(oauth(&tokens)).await;
    office.server.wait_until("a second login", |state| state.logins.len() == 2).await;
    office.server.deliver("INBOX", mail(1));
    office.wait_for(1).await;
    assert_eq!(tokens.requests().len(), 2, "the old token was not shown again");
    let status = office.status().await;
    assert_eq!((&status["consecutiveErrors"], &status["errorClass"]), (&json!(0), &json!(null)), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c01_a_token_that_runs_out_during_a_poll_is_replaced_at_once() {
    let tokens = TokenServer::start(&[(200, &granted("t1")), (200, &granted("t2"))]).await;
    let office = office_with(&["t1", "t2"]).await;
    office.start(oauth(&tokens)).await;
    office.wait_until("IDLE", |status| status["connection"] == "idle").await;
    office.server.hook(|heard: &Heard| {
        let goodbye = "* BYE Session invalidated - AccessTokenExpired\r\n".to_owned();
        (heard.command.starts_with("EXAMINE") && heard.connection == 0).then_some(Act::SayAndClose(goodbye))
    });
    office.server.put("INBOX", mail(1));
    assert_eq!(office.poll().await, 1, "the same poll goes on with another token");
    assert_eq!(tokens.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_mail_server_refuses_is_renewed_once_and_then_rarely() {
    let tokens = TokenServer::start(&[(200, &granted("bad")), (200, &granted("good"))]).await;
    let office = office_with(&["good"]).await;
    office.server.put("INBOX", mail(1));
    office.start(oauth(&tokens)).await;
    office.wait_for(1).await;
    assert_eq!(tokens.requests().len(), 2);
    assert_eq!(office.status().await["consecutiveErrors"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn c03_a_token_endpoint_that_fails_is_no_wrong_password_and_a_refusal_is() {
    let tokens = TokenServer::start(&[(503, "busy")]).await;
    let office = office_with(&["t1"]).await;
    office.start(oauth(&tokens)).await;
    let failed = |status: &Value| status["errorClass"].is_string();
    let status = office.wait_until("a failure", failed).await;
    assert_eq!(status["errorClass"], "transient", "{status}");
    tokens.answers(&[(400, r#"{"error": "invalid_grant"}"#)]);
    let answer = office.poll_in_vain().await;
    assert_eq!(answer["code"], "IMAP_LOGIN_REFUSED", "{answer}");
    assert!(answer["error"].as_str().unwrap().contains("authorize"), "{answer}");
    assert_eq!(office.status().await["errorClass"], "auth");
    assert_eq!(office.server.logins(), 0, "nothing was shown to the mail server");
    tokens.answers(&[(200, &granted("t1"))]);
    office.poll().await;
    assert_eq!(office.status().await["errorClass"], json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_is_replaced_is_kept_over_a_new_start() {
    let rotated = json!({"access_token": "t1", "expires_in": 3600, "refresh_token": "refresh-2"}).to_string();
    let tokens = TokenServer::start(&[(200, &rotated), (200, &granted("t1"))]).await;
    let office = office_with(&["t1"]).await;
    office.start(oauth(&tokens)).await;
    office.poll().await;
    let stop = office.call(Method::POST, "stop", Some(&json!({}))).await;
    assert_eq!(stop.0, 200);
    office.server.wait_until("the end", |state| state.open == 0).await;
    // A masked secret keeps the stored one, which is the one that took the first one's place.
    let mut again = oauth(&tokens);
    again["auth"]["refreshToken"] = json!("********");
    again["auth"]["clientSecret"] = json!("********");
    office.start(again).await;
    office.poll().await;
    assert!(tokens.requests().last().unwrap().contains("refresh_token=refresh-2"), "{:?}", tokens.requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_is_replaced_while_verifying_is_kept() {
    let rotated = json!({"access_token": "t1", "expires_in": 3600, "refresh_token": "refresh-2"}).to_string();
    let tokens = TokenServer::start(&[(200, &granted("t1")), (200, &rotated), (200, &granted("t1"))]).await;
    let office = office_with(&["t1"]).await;
    office.start(oauth(&tokens)).await;
    office.poll().await;
    assert_eq!(office.call(Method::POST, "stop", Some(&json!({}))).await.0, 200);
    office.server.wait_until("the end", |state| state.open == 0).await;
    let mut masked = oauth(&tokens);
    masked["auth"]["refreshToken"] = json!("********");
    masked["auth"]["clientSecret"] = json!("********");
    let verified = office.call(Method::POST, "verify", Some(&office.settings(masked.clone()))).await.1;
    assert_eq!((&verified["imap"]["success"], tokens.requests().len()), (&json!(true), 2), "{verified}");
    office.start(masked).await;
    office.poll().await;
    let asked = tokens.requests();
    assert!(asked[1].contains("refresh_token=refresh-1"), "{asked:?}");
    assert!(
        asked[2].contains("refresh_token=refresh-2"),
        "the first one is worth nothing any more: {asked:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn verifying_stored_settings_takes_the_token_that_the_mailbox_has() {
    let tokens = TokenServer::start(&[(200, &granted("t1"))]).await;
    let office = office_with(&["t1"]).await;
    office.start(oauth(&tokens)).await;
    office.poll().await;
    let verified = office.call(Method::POST, "verify", Some(&office.settings(oauth(&tokens)))).await.1;
    assert_eq!(verified["imap"]["success"], true, "{verified}");
    assert_eq!(tokens.requests().len(), 1, "an endpoint may take a refresh token only once");
    let mut others = oauth(&tokens);
    others["auth"]["refreshToken"] = json!("another");
    office.call(Method::POST, "verify", Some(&office.settings(others))).await;
    assert!(tokens.requests()[1].contains("refresh_token=another"), "what is given counts");
    office.poll().await;
    assert_eq!(tokens.requests().len(), 2, "and changes nothing for the mailbox");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_mail_is_sent_with_the_stored_password_or_token_but_only_to_the_stored_server() {
    let tokens = TokenServer::start(&[(200, &granted("t1"))]).await;
    let office = office_with(&["t1"]).await;
    let (port, heard) = mail_sink("250-AUTH PLAIN XOAUTH2\r\n");
    let body = |port: u16| {
        json!({"fromAddress": "desk@example.org", "to": "ann@example.org", "smtpHost": "127.0.0.1", "smtpPort": port,
            "smtpUsername": "desk"})
    };
    let (status, refused) = office.call(Method::POST, "test-send", Some(&body(port))).await;
    assert_eq!((status, &refused["details"][0]["path"]), (400, &json!("smtpPassword")), "{refused}");

    let smtp = json!({"smtpHost": "127.0.0.1", "smtpPort": port, "smtpUsername": "desk"});
    let mut settings = oauth(&tokens);
    settings.as_object_mut().unwrap().extend(smtp.as_object().unwrap().clone());
    office.start(settings).await;
    let (status, sent) = office.call(Method::POST, "test-send", Some(&body(port))).await;
    assert_eq!((status, &sent["success"]), (200, &json!(true)), "{sent}");
    let heard = heard.recv_timeout(Duration::from_secs(10)).unwrap();
    let shown = heard.split("AUTH XOAUTH2 ").nth(1).unwrap().split_whitespace().next().unwrap();
    let shown = base64::engine::general_purpose::STANDARD.decode(shown).unwrap();
    assert_eq!(shown, b"user=desk\x01auth=Bearer t1\x01\x01");
    assert!(heard.contains("RCPT TO:<ann@example.org>"), "{heard}");

    let (elsewhere, stolen) = mail_sink("250-AUTH PLAIN XOAUTH2\r\n");
    let (status, refused) = office.call(Method::POST, "test-send", Some(&body(elsewhere))).await;
    assert_eq!((status, &refused["details"][0]["path"]), (400, &json!("smtpPassword")), "{refused}");
    stolen.recv_timeout(Duration::from_millis(100)).unwrap_err();

    let (port, heard) = mail_sink("250-AUTH PLAIN\r\n");
    office.start(json!({"smtpHost": "127.0.0.1", "smtpPort": port, "smtpUsername": "desk", "smtpPassword": "secret"})).await;
    let mut masked = body(port);
    masked["smtpPassword"] = json!("********");
    assert_eq!(office.call(Method::POST, "test-send", Some(&masked)).await.0, 200);
    let heard = heard.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(heard.contains("AUTH PLAIN AGRlc2sAc2VjcmV0"), "{heard}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_takes_the_token_of_the_mailbox_and_no_password() {
    let tokens = TokenServer::start(&[(200, &granted("t1")), (400, r#"{"error": "invalid_grant"}"#)]).await;
    let office = office_with(&["t1"]).await;
    let (port, heard) = mail_sink("250-AUTH PLAIN XOAUTH2\r\n");
    let mut settings = oauth(&tokens);
    let smtp = json!({"smtpHost": "127.0.0.1", "smtpPort": port, "smtpUsername": "desk"});
    settings.as_object_mut().unwrap().extend(smtp.as_object().unwrap().clone());
    let settings = office.settings(settings);
    let (status, verified) = office.call(Method::POST, "verify", Some(&settings)).await;
    let good = json!({"success": true, "error": null});
    assert_eq!((status, &verified["imap"], &verified["smtp"]), (200, &good, &good), "{verified}");
    assert_eq!(tokens.requests().len(), 1, "one token for both logins");
    let heard = heard.recv_timeout(Duration::from_secs(10)).unwrap();
    let shown = heard.split("AUTH XOAUTH2 ").nth(1).unwrap().split_whitespace().next().unwrap();
    let shown = base64::engine::general_purpose::STANDARD.decode(shown).unwrap();
    assert_eq!(shown, b"user=desk\x01auth=Bearer t1\x01\x01");
    assert_eq!(office.call(Method::POST, "start", Some(&settings)).await.0, 200, "nor does start want one");
    let (port, _) = mail_sink("250-AUTH PLAIN\r\n");
    tokens.answers(&[(200, &granted("t1"))]);
    let mut other = settings.clone();
    other["smtpPort"] = json!(port);
    let (_, refused) = office.call(Method::POST, "verify", Some(&other)).await;
    assert!(refused["smtp"]["error"].as_str().unwrap().contains("XOAUTH2"), "{refused}");
}

fn to_this_machine() -> Network {
    crate::mailbox::world::provide_tls();
    Network {
        allow_private_hosts: true,
        allow_plaintext: false,
        tls: tls_config(&[]).unwrap_or_else(|_| panic!("this machine has no certificates")),
        limits: Limits::default(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c02_c16_a_token_is_used_until_five_minutes_before_its_end() {
    let network = to_this_machine();
    let endpoint = TokenServer::start(&[(200, &granted("t1"))]).await;
    let tokens = Tokens::new(OAuth2 {
        token_url: endpoint.url.clone(),
        client_id: "c".to_owned(),
        client_secret: None,
        refresh_token: "r".into(),
        scope: None,
    });
    let fresh = tokens.fresh(&network).await.unwrap();
    let left = fresh.until.saturating_duration_since(Instant::now());
    assert!(left <= Duration::from_mins(55) && left > Duration::from_mins(54), "{left:?}");
    tokens.fresh(&network).await.unwrap();
    assert_eq!(endpoint.requests().len(), 1, "kept while it is good");
    tokens.forget().await;
    tokens.fresh(&network).await.unwrap();
    assert_eq!(endpoint.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_refresh_token_is_told_until_it_is_kept_and_a_stored_one_is_followed() {
    let network = to_this_machine();
    let rotated = json!({"access_token": "t1", "expires_in": 3600, "refresh_token": "r2"}).to_string();
    let endpoint = TokenServer::start(&[(200, &rotated), (200, &granted("t2"))]).await;
    let tokens = Tokens::new(OAuth2 {
        token_url: endpoint.url.clone(),
        client_id: "c".to_owned(),
        client_secret: None,
        refresh_token: "r1".into(),
        scope: None,
    });
    let next = async || tokens.fresh(&network).await.unwrap().rotated.map(|it| it.expose_secret().to_owned());
    assert_eq!(next().await.as_deref(), Some("r2"));
    tokens.follow("r1".into()).await;
    assert_eq!(next().await.as_deref(), Some("r2"), "a store that was away is told again");
    tokens.kept(&"r2".into()).await;
    assert_eq!(next().await, None);
    tokens.follow("r3".into()).await;
    tokens.forget().await;
    assert_eq!(next().await, None);
    assert!(endpoint.requests()[1].contains("refresh_token=r3"), "{:?}", endpoint.requests());
}
