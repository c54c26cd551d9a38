//! EXAMINE, STATUS, LIST, NOOP, LOGOUT.

use super::server::{exchange, last_exchange, session, session_with};
use crate::imap::{ErrorClass, Folder, FolderRole, MailboxStatus, Selected};

const OPENED: &str = "* FLAGS (\\Seen)\r\n* 3 EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY 42] ok\r\n\
                      * OK [UIDNEXT 9] next\r\n$ OK [READ-ONLY] done\r\n";

#[tokio::test]
async fn a_mailbox_is_opened_read_only() {
    let (session, mut server) = session().await;
    let client = session.examine("inbox");
    let (session, selected) = exchange(client, &mut server, r#"EXAMINE "INBOX""#, OPENED).await.unwrap();
    assert_eq!(selected, Selected { uid_validity: 42, uid_next: Some(9), exists: 3, highest_modseq: None });
    assert!(!session.is_announced());
}

#[tokio::test]
async fn modification_sequences_are_asked_for_where_they_are_kept() {
    let (session, mut server) = session_with("IMAP4rev1 CONDSTORE").await;
    let answer = "* 3 EXISTS\r\n* OK [UIDVALIDITY 42]\r\n* OK [HIGHESTMODSEQ 17 ]\r\n* OK [HIGHESTMODSEQ 18] x\r\n$ OK\r\n";
    let (_, selected) =
        exchange(session.examine("INBOX"), &mut server, r#"EXAMINE "INBOX" (CONDSTORE)"#, answer)
            .await
            .unwrap();
    assert_eq!(selected.highest_modseq, Some(18));
    assert_eq!(selected.uid_next, None);
}

/// T3, B15, A06, T7b, T18.
#[tokio::test]
async fn a06_b15_a_mailbox_without_a_valid_uidvalidity_is_not_opened() {
    for code in [
        "",
        "* OK [UIDVALIDITY 0] x\r\n",
        "* OK [UIDVALIDITY 4294967296] x\r\n",
        "* OK [UIDVALIDITY -1] x\r\n",
    ] {
        let (session, mut server) = session().await;
        let answer = format!("* 3 EXISTS\r\n{code}$ OK\r\n");
        let error =
            exchange(session.examine("INBOX"), &mut server, r#"EXAMINE "INBOX""#, &answer).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Protocol, "{code}");
    }
    for cut in [0, 20, 60, OPENED.len() - 3] {
        let (session, server) = session().await;
        let error =
            last_exchange(session.examine("INBOX"), server, r#"EXAMINE "INBOX""#, OPENED.get(..cut).unwrap())
                .await
                .unwrap_err();
        assert_eq!(error.class(), ErrorClass::Transient, "cut at {cut}");
    }
}

/// T18.
#[tokio::test]
async fn a_uidnext_that_is_none_is_treated_as_missing() {
    for next in ["0", "4294967296"] {
        let (session, mut server) = session().await;
        let answer = format!("* 3 EXISTS\r\n* OK [UIDVALIDITY 1]\r\n* OK [UIDNEXT {next}]\r\n$ OK\r\n");
        let (_, selected) =
            exchange(session.examine("INBOX"), &mut server, r#"EXAMINE "INBOX""#, &answer).await.unwrap();
        assert_eq!(selected.uid_next, None);
    }
}

/// T7, B16.
#[tokio::test]
async fn b16_a_warning_while_opening_does_no_harm() {
    let (session, mut server) = session().await;
    let answer = format!("* NO Mailbox is at 98% of quota\r\n* BAD eh?\r\n{OPENED}");
    let client = session.examine("INBOX");
    let (session, _) = exchange(client, &mut server, r#"EXAMINE "INBOX""#, &answer).await.unwrap();
    exchange(session.noop(), &mut server, "NOOP", "$ OK\r\n").await.unwrap();
}

/// A23, fault 23: the mailbox is at fault, not the account.
#[tokio::test]
async fn a23_a_missing_mailbox_is_named() {
    for words in
        ["[NONEXISTENT] gone", "[TRYCREATE] no", "Mailbox doesn't exist: Old", "Unknown Mailbox: Old"]
    {
        let (session, mut server) = session().await;
        let answer = format!("$ NO {words}\r\n");
        let error =
            exchange(session.examine("Old"), &mut server, r#"EXAMINE "Old""#, &answer).await.unwrap_err();
        assert_eq!((error.class(), error.mailbox()), (ErrorClass::Config, Some("Old")), "{words}");
    }
    let (session, mut server) = session().await;
    let error = exchange(session.examine("Old"), &mut server, r#"EXAMINE "Old""#, "$ NO [UNAVAILABLE] x\r\n")
        .await
        .unwrap_err();
    assert_eq!((error.class(), error.mailbox()), (ErrorClass::Transient, None));
}

/// C17, T18c.
#[tokio::test]
async fn c17_names_outside_ascii_go_over_the_wire_in_modified_utf_7() {
    let (session, mut server) = session().await;
    let client = session.examine("Entwürfe & \"mehr\"\\");
    let expected = r#"EXAMINE "Entw&APw-rfe &- \"mehr\"\\""#;
    exchange(client, &mut server, expected, OPENED).await.unwrap();
}

/// C18, fault 23: nothing is sent.
#[tokio::test]
async fn c18_names_that_could_inject_a_command_are_refused() {
    for name in ["", "a\r\nb1 DELETE INBOX", "a\nb", "a\rb", "a\0b", "a\u{7f}b", &"x".repeat(1_001)] {
        let (examined, mut server) = session().await;
        assert_eq!(examined.examine(name).await.unwrap_err().class(), ErrorClass::Config, "{name:?}");
        assert_eq!(server.hear().await, "");
    }
}

#[tokio::test]
async fn status_asks_without_opening() {
    let (session, mut server) = session().await;
    let expected = r#"STATUS "Sent" (MESSAGES UIDNEXT UIDVALIDITY)"#;
    let answer = "* STATUS Sent (MESSAGES 3 UIDNEXT 9 UIDVALIDITY 0)\r\n$ OK\r\n";
    let (_, status) = exchange(session.status("Sent"), &mut server, expected, answer).await.unwrap();
    assert_eq!(status, MailboxStatus { messages: Some(3), uid_next: Some(9), uid_validity: None });
}

#[tokio::test]
async fn folders_have_readable_names_and_roles() {
    let (session, mut server) = session().await;
    let answer = "* LIST (\\HasNoChildren) \"/\" INBOX\r\n* LIST (\\Sent) \"/\" \"Envoy&AOk-s\"\r\n\
                  * LIST (\\Noselect) NIL {3}\r\nTop\r\n* LIST () \"/\" \"A & B\"\r\n$ OK\r\n";
    let (_, folders) = exchange(session.list(), &mut server, r#"LIST "" "*""#, answer).await.unwrap();
    let folder = |name: &str, delimiter: Option<&str>, role, selectable| Folder {
        name: name.to_owned(),
        delimiter: delimiter.map(str::to_owned),
        role,
        selectable,
    };
    assert_eq!(
        folders,
        [
            folder("INBOX", Some("/"), None, true),
            folder("Envoyés", Some("/"), Some(FolderRole::Sent), true),
            folder("Top", None, None, false),
            folder("A & B", Some("/"), None, true),
        ]
    );
}

/// A24, T12e.
#[tokio::test]
async fn a24_a_failed_list_is_not_an_empty_one() {
    for answer in ["$ NO later\r\n", "* LIST () \"/\" INBOX\r\n"] {
        let (session, server) = session().await;
        assert!(last_exchange(session.list(), server, r#"LIST "" "*""#, answer).await.is_err());
    }
}

#[tokio::test]
async fn special_use_is_asked_for_where_it_must_be() {
    let (session, mut server) = session_with("IMAP4rev1 SPECIAL-USE LIST-EXTENDED").await;
    let expected = r#"LIST "" "*" RETURN (SPECIAL-USE)"#;
    exchange(session.list(), &mut server, expected, "$ OK\r\n").await.unwrap();
}

/// T12c, T12d, B21.
#[tokio::test]
async fn b21_noop_sees_a_dead_connection() {
    for answer in ["", "$ NO no\r\n", "* BYE idle for too long\r\n"] {
        let (session, server) = session().await;
        assert!(last_exchange(session.noop(), server, "NOOP", answer).await.is_err(), "{answer}");
    }
}

/// T11, B19: the first hundred are not what counts, but that there was one.
#[tokio::test]
async fn b19_a_burst_of_announcements_is_one_reason_to_look() {
    let (session, mut server) = session().await;
    let answer = format!("{}$ OK\r\n", (1..300).map(|n| format!("* {n} EXISTS\r\n")).collect::<String>());
    let session = exchange(session.noop(), &mut server, "NOOP", &answer).await.unwrap();
    assert!(session.is_announced());
    let (session, _) =
        exchange(session.examine("INBOX"), &mut server, r#"EXAMINE "INBOX""#, OPENED).await.unwrap();
    assert!(!session.is_announced());
}

#[tokio::test]
async fn logout_says_goodbye_and_does_not_insist() {
    for answer in ["* BYE see you\r\n$ OK\r\n", "* BYE see you\r\n", ""] {
        let (session, server) = session().await;
        last_exchange(session.logout(), server, "LOGOUT", answer).await;
    }
}
