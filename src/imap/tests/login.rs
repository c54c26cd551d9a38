//! Greeting, login, ID.

use super::server::{CAPABILITIES, Server, enter, target};
use crate::imap::{Auth, Error, ErrorClass, Mechanism, Session, Target};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

/// Logs in against `script`.
async fn log_in(target: Target, script: impl AsyncFnOnce(Server)) -> Result<Session, Error> {
    let (wire, server) = Server::pipe();
    tokio::join!(enter(wire, &target), script(server)).0
}

fn bearer(mechanism: Mechanism) -> Target {
    Target { auth: Auth::Bearer { token: "t0ken".into(), mechanism: Some(mechanism) }, ..target() }
}

#[tokio::test]
async fn capabilities_are_asked_for_where_the_server_does_not_volunteer_them() {
    let session = log_in(target(), async |mut server| {
        server.say("* OK hello\r\n").await;
        server.serve("CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n$ OK\r\n").await;
        server.serve(r#"LOGIN "ann" "s3cret word""#, "$ OK in\r\n").await;
        server.serve("CAPABILITY", "* CAPABILITY IMAP4rev1 IDLE\r\n$ OK\r\n").await;
    });
    assert!(session.await.unwrap().capabilities().idle);
}

/// T12f.
#[tokio::test]
async fn a_refused_capability_is_an_error() {
    let result = log_in(target(), async |mut server| {
        server.say("* OK hello\r\n").await;
        server.serve("CAPABILITY", "$ NO\r\n").await;
    });
    assert_eq!(result.await.unwrap_err().class(), ErrorClass::Transient);
}

#[tokio::test]
async fn odd_greetings_are_errors_with_words() {
    for (greeting, class, words) in [
        ("", ErrorClass::Transient, "lost"),
        ("220 smtp ESMTP\r\n", ErrorClass::Protocol, "does not speak IMAP"),
        ("* PREAUTH you are root\r\n", ErrorClass::Protocol, "PREAUTH"),
        ("* BYE Too many connections\r\n", ErrorClass::Throttle, "Too many connections"),
        ("* BYE down for maintenance\r\n", ErrorClass::Transient, "maintenance"),
    ] {
        let error = log_in(target(), async |mut server| server.say(greeting).await).await.unwrap_err();
        assert_eq!(error.class(), class, "{greeting}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let long = format!("* OK {}", "x".repeat(20_000));
    let error = log_in(target(), async |mut server| server.say(&long).await).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Protocol);
}

/// B28: a proxy's answer to somebody else.
#[tokio::test]
async fn b28_a_late_no_before_our_answer_is_not_a_wrong_password() {
    let session = log_in(target(), async |mut server| {
        server
            .say(format!("* OK [CAPABILITY {CAPABILITIES}] x\r\nA001 NO [AUTHENTICATIONFAILED] stale\r\n"))
            .await;
        server
            .serve(r#"LOGIN "ann" "s3cret word""#, "p9 BAD stale\r\n$ OK [CAPABILITY IMAP4rev1] in\r\n")
            .await;
    });
    session.await.unwrap();
}

/// C07, C09, C15, c.7.
#[tokio::test]
async fn c07_c09_c15_a_refused_login_is_judged_by_its_words() {
    for (answer, class) in [
        ("$ NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)\r\n", ErrorClass::Auth),
        ("$ NO LOGIN failed.\r\n", ErrorClass::Auth),
        ("$ NO [UNAVAILABLE] Temporary authentication failure\r\n", ErrorClass::Transient),
        ("$ NO Server Unavailable. 15\r\n", ErrorClass::Transient),
        ("$ BAD User is authenticated but not connected.\r\n", ErrorClass::Transient),
        ("$ NO [ALERT] Too many simultaneous connections. (Failure)\r\n", ErrorClass::Throttle),
        ("$ NO [ALERT] Your account is not enabled for IMAP use.\r\n", ErrorClass::Config),
        ("* BYE Too many login attempts\r\n", ErrorClass::Throttle),
        ("* BYE\r\n", ErrorClass::Transient),
        ("$ BAD what?\r\n", ErrorClass::Protocol),
        ("", ErrorClass::Transient),
    ] {
        let result = log_in(target(), async |mut server| {
            server.say("* OK [CAPABILITY IMAP4rev1] x\r\n").await;
            server.serve(r#"LOGIN "ann" "s3cret word""#, answer).await;
        });
        assert_eq!(result.await.unwrap_err().class(), class, "{answer}");
    }
}

#[tokio::test]
async fn a_server_that_repeats_the_password_is_not_quoted() {
    for text in ["NO bad password s3cret word", "BAD LOGIN \"ann\" \"s3cret word\""] {
        let result = log_in(target(), async |mut server| {
            server.say("* OK [CAPABILITY IMAP4rev1] x\r\n").await;
            server.serve(r#"LOGIN "ann" "s3cret word""#, &format!("$ {text}\r\n")).await;
        });
        let error = result.await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
    assert!(!format!("{:?} {:?}", target(), bearer(Mechanism::XOAuth2)).contains("t0ken"));
}

/// C18: refused before anything is sent.
#[tokio::test]
async fn c18_names_and_passwords_that_could_inject_a_command_are_refused() {
    let evil = ["a\r\nx1 DELETE INBOX", "a\n", "a\0", ""];
    let users = evil.iter().map(|user| Target { username: (*user).to_owned(), ..target() });
    let passwords = evil.iter().map(|word| Target { auth: Auth::Password((*word).into()), ..target() });
    for target in users.chain(passwords) {
        let result = log_in(target, async |mut server| {
            server.say("* OK [CAPABILITY IMAP4rev1] x\r\n").await;
            assert_eq!(server.hear().await, "");
        });
        assert_eq!(result.await.unwrap_err().class(), ErrorClass::Config);
    }
}

#[tokio::test]
async fn quotes_and_backslashes_are_part_of_the_password() {
    let target =
        Target { username: r"dom\ann".to_owned(), auth: Auth::Password(r#"a"b\c"#.into()), ..target() };
    log_in(target, async |mut server| {
        server.say("* OK [CAPABILITY IMAP4rev1] x\r\n").await;
        server.serve(r#"LOGIN "dom\\ann" "a\"b\\c""#, "$ OK [CAPABILITY IMAP4rev1]\r\n").await;
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn plain_is_used_where_login_is_off_or_the_password_is_not_ascii() {
    for (capabilities, password) in [("LOGINDISABLED AUTH=PLAIN", "pw"), ("AUTH=PLAIN SASL-IR", "pässword")]
    {
        let target = Target { auth: Auth::Password(password.into()), ..target() };
        let initial = BASE64.encode(format!("\0ann\0{password}"));
        log_in(target, async |mut server| {
            server.say(format!("* OK [CAPABILITY IMAP4rev1 {capabilities}] x\r\n")).await;
            if capabilities.contains("SASL-IR") {
                let command = format!("AUTHENTICATE PLAIN {initial}");
                server.serve(&command, "$ OK [CAPABILITY IMAP4rev1]\r\n").await;
            } else {
                server.serve("AUTHENTICATE PLAIN", "+\r\n").await;
                assert_eq!(server.hear().await, initial);
                server.say("h1 OK [CAPABILITY IMAP4rev1]\r\n").await;
            }
        })
        .await
        .unwrap();
    }
    let result = log_in(target(), async |mut server| {
        server.say("* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] x\r\n").await;
        assert_eq!(server.hear().await, "");
    });
    assert_eq!(result.await.unwrap_err().class(), ErrorClass::Config);
}

/// C06, T10: the answer to an error challenge makes the server send its tagged NO, and does not show the token again.
#[tokio::test]
async fn c06_a_rejected_token_is_a_matter_of_the_token() {
    let challenge = BASE64.encode(r#"{"status":"401","schemes":"bearer","scope":"mail"}"#);
    for (mechanism, on_error) in [(Mechanism::XOAuth2, ""), (Mechanism::OAuthBearer, "AQ==")] {
        for challenge in [challenge.as_str(), "not base64!", ""] {
            let result = log_in(bearer(mechanism), async |mut server| {
                let name = mechanism.name();
                server.say(format!("* OK [CAPABILITY IMAP4rev1 AUTH={name}] x\r\n")).await;
                server.serve(&format!("AUTHENTICATE {name}"), "* OK hm\r\n+ \r\n").await;
                let shown = String::from_utf8(BASE64.decode(server.hear().await).unwrap()).unwrap();
                assert!(shown.contains("auth=Bearer t0ken\u{1}"), "{shown}");
                server.say(format!("+ {challenge}\r\n")).await;
                assert_eq!(server.hear().await, on_error);
                server.say("h1 NO [AUTHENTICATIONFAILED] Invalid credentials\r\n").await;
            });
            let error = result.await.unwrap_err();
            assert_eq!(error.class(), ErrorClass::Token);
            assert!(!error.to_string().contains("t0ken"));
        }
    }
}

#[tokio::test]
async fn a_token_goes_with_the_command_where_the_server_takes_it() {
    let initial = BASE64.encode("user=ann\u{1}auth=Bearer t0ken\u{1}\u{1}");
    let target = bearer(Mechanism::XOAuth2);
    log_in(target, async |mut server| {
        server.say("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] x\r\n").await;
        server.serve(&format!("AUTHENTICATE XOAUTH2 {initial}"), "$ OK [CAPABILITY IMAP4rev1]\r\n").await;
    })
    .await
    .unwrap();
    let target = bearer(Mechanism::OAuthBearer);
    let result = log_in(target, async |mut server| {
        server.say("* OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2] x\r\n").await;
        assert_eq!(server.hear().await, "");
    });
    assert_eq!(result.await.unwrap_err().class(), ErrorClass::Config);
}

/// C10: the answer to ID may be anything, as long as it ends.
#[tokio::test]
async fn c10_id_is_sent_where_it_is_offered_and_may_be_refused() {
    for answer in [
        "$ NO\r\n",
        "$ BAD no\r\n",
        "* ID NIL\r\n$ OK\r\n",
        "* ID (\"a\" {3}\r\nb\"c \"d\" \"\")\r\n$ OK\r\n",
    ] {
        log_in(target(), async |mut server| {
            server.say("* OK [CAPABILITY IMAP4rev1 ID] x\r\n").await;
            server.serve(r#"LOGIN "ann" "s3cret word""#, "$ OK [CAPABILITY IMAP4rev1 ID]\r\n").await;
            let id = concat!(r#"ID ("name" "inlet" "version" ""#, env!("CARGO_PKG_VERSION"), r#"")"#);
            server.serve(id, answer).await;
        })
        .await
        .unwrap();
    }
}
