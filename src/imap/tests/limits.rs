//! What a hostile or broken server may not cost: memory, time, the process.

use super::server::{FETCH, Server, exchange, fetch, session};
use crate::imap::{Error, ErrorClass, Session};
use proptest::prelude::*;
use std::time::Instant;

/// Resident memory of this process in KiB.
fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

async fn fetch_seven(session: Session, server: &mut Server, answer: &str) -> Error {
    let (result, mails) =
        exchange(fetch(session, &[7]), server, &format!("UID FETCH 7 {FETCH}"), answer).await;
    assert!(mails.is_empty());
    result.unwrap_err()
}

/// D01, D03, faults 18 and 19: refused when announced, on a hundred connections at once.
#[tokio::test]
async fn d01_d03_announced_literals_cost_no_memory() {
    let before = resident_kib();
    let mut open = Vec::new();
    for size in ["500000000", "2000000000", "99999999999"].iter().cycle().take(100) {
        let (session, mut server) = session().await;
        let answer = format!("* 1 FETCH (UID 7 RFC822.SIZE 3 BODY[] {{{size}}}\r\nabc");
        let error = fetch_seven(session, &mut server, &answer).await;
        assert_eq!(error.oversized_literal(), size.parse().ok());
        assert_eq!(error.class(), ErrorClass::Protocol);
        open.push(server);
    }
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB");
}

/// Fault 20.
#[tokio::test]
async fn an_endless_line_is_refused_early() {
    for start in ["* SEARCH", "* OK ", "* 1 FETCH (UID 7 X "] {
        let (session, mut server) = session().await;
        let line = format!("{start}{}", " 1".repeat(1024 * 1024));
        let begun = Instant::now();
        let error = tokio::select! {
            error = session.search_uids(1, 9) => error.unwrap_err(),
            () = async { server.hear().await; server.say(&line).await; std::future::pending().await } => unreachable!(),
        };
        assert_eq!(error.class(), ErrorClass::Protocol);
        assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    }
}

/// Fault 21, I9: the parser would overflow the stack and abort the process.
#[tokio::test]
async fn deep_nesting_is_refused() {
    for start in ["* 1 FETCH (UID 7 BODYSTRUCTURE ", "* 9 FETCH (FLAGS () BODY ", "* LIST "] {
        let (session, mut server) = session().await;
        let error = fetch_seven(session, &mut server, &format!("{start}{}", "(".repeat(50_000))).await;
        assert_eq!(error.class(), ErrorClass::Protocol);
    }
}

/// Fault 22: as many as a batch may hold; memory does not grow with them.
#[tokio::test]
async fn d12_a_flood_of_announcements_costs_no_memory() {
    let (session, mut server) = session().await;
    let before = resident_kib();
    let script = async {
        server.hear().await;
        let lines = "* 5 EXISTS\r\n* 1 EXPUNGE\r\n".repeat(1_000);
        for _ in 0..100 {
            server.say(&lines).await;
        }
        server.say("i1 OK\r\n").await;
    };
    let (session, ()) = tokio::join!(session.noop(), script);
    assert!(session.unwrap().is_announced());
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB");
}

/// Bodies that look like IMAP are bodies; sizes that lie change nothing.
#[tokio::test]
async fn what_stands_in_a_body_is_not_read() {
    let body = "x {999999999}\r\n* BYE\r\ni1 OK done\r\n((((((((\"\0\u{fffd}";
    let (session, mut server) = session().await;
    let answer =
        format!("* 1 FETCH (UID 7 RFC822.SIZE 4294967295 BODY[] {{{}}}\r\n{body})\r\n$ OK\r\n", body.len());
    let (result, mails) =
        exchange(fetch(session, &[7]), &mut server, &format!("UID FETCH 7 {FETCH}"), &answer).await;
    result.unwrap();
    assert_eq!(mails[0].body, body);
}

/// T9, B20, D14, fault 17: that session dies; what it held appears in no text.
#[tokio::test]
async fn b20_d14_e17_unreadable_answers_end_the_session_without_quoting_it() {
    for line in [
        "* X-WHATEVER secret content\r\n",
        "* ESEARCH (TAG \"x\") UID ALL 1:3 secret\r\n",
        "* 1 FETCH (UID 7 BODY[] {6}\r\nsecret\r\n",
        "* 1 FETCH (UID 7 BODY[] secret)\n",
        "* 1 FETCH (BINARY[1] ~{6}\r\nsecret)\r\n",
        "* METADATA \"\" (secret\r\n",
        "+ secret\r\n",
        "\r\n",
        "\0\r\n",
    ] {
        let (session, mut server) = session().await;
        let error = fetch_seven(session, &mut server, line).await;
        assert_eq!(error.class(), ErrorClass::Protocol, "{line:?} {error:?}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Fault 17.
    #[test]
    fn random_answers_never_panic(pieces in proptest::collection::vec(
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            "(\\* [0-9]{1,3} FETCH \\(UID 7 )|(\\{[0-9]{1,3}\\}\r\n)|(BODY\\[\\] )|(\\* (OK|NO|BYE|LIST) )|(i1 (OK|NO)\r\n)|\r\n|[ ()\"]"
                .prop_map(String::into_bytes),
        ],
        0..30,
    )) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (session, mut server) = session().await;
            let script = async move {
                server.hear().await;
                server.say(pieces.concat()).await;
            };
            let ((result, mails), ()) = tokio::join!(fetch(session, &[7]), script);
            drop(result);
            assert!(mails.len() <= 1);
        });
    }
}
