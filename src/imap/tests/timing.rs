//! Deadlines, in paused time.

use super::server::{FETCH, Server, enter, exchange, fetch, session, target};
use crate::imap::{Error, ErrorClass};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// B12.
#[tokio::test(start_paused = true)]
async fn b12_a_silent_greeting_and_a_silent_login_have_deadlines() {
    let start = Instant::now();
    let (wire, _server) = Server::pipe();
    let error = enter(wire, &target()).await.unwrap_err();
    assert_eq!((error.class(), start.elapsed().as_secs()), (ErrorClass::Transient, 16));

    let start = Instant::now();
    let (wire, mut server) = Server::pipe();
    server.say("* OK [CAPABILITY IMAP4rev1] x\r\n").await;
    let error = enter(wire, &target()).await.unwrap_err();
    assert_eq!((error.class(), start.elapsed().as_secs()), (ErrorClass::Transient, 30));
}

/// B10: promised more than sent.
#[tokio::test(start_paused = true)]
async fn b10_a_server_that_goes_silent_is_an_error_within_75_seconds() {
    for answer in ["", "* 1 FETCH (UID 7 BODY[] {10000}\r\nabc", "* 1 FETCH (UID 7 BODY[] {3}\r\nabc)\r\n"] {
        let (session, mut server) = session().await;
        let start = Instant::now();
        let (result, _) =
            exchange(fetch(session, &[7]), &mut server, &format!("UID FETCH 7 {FETCH}"), answer).await;
        assert!(matches!(result.unwrap_err(), Error::TimedOut { .. }));
        assert!(start.elapsed() <= Duration::from_secs(75));
    }
    let (session, mut server) = session().await;
    let start = Instant::now();
    exchange(session.noop(), &mut server, "NOOP", "* OK wait\r\n").await.unwrap_err();
    assert!(start.elapsed() <= Duration::from_secs(75));
}

/// B11: 1.6 KB/s over minutes.
#[tokio::test(start_paused = true)]
async fn b11_a_slow_line_that_moves_is_no_error() {
    let (session, mut server) = session().await;
    let body = "x".repeat(90_000);
    let script = async {
        server
            .serve(
                &format!("UID FETCH 7 {FETCH}"),
                &format!("* 1 FETCH (UID 7 BODY[] {{{}}}\r\n", body.len()),
            )
            .await;
        for piece in body.as_bytes().chunks(1_000) {
            sleep(Duration::from_millis(620)).await;
            server.say(piece).await;
        }
        server.say(")\r\ni1 OK\r\n").await;
    };
    let start = Instant::now();
    let ((result, mails), ()) = tokio::join!(fetch(session, &[7]), script);
    result.unwrap();
    assert_eq!(mails[0].body.len(), 90_000);
    assert!(start.elapsed() > Duration::from_secs(50));
}

/// Every mail takes the server half a minute to find; each is small. That is slow, not dead.
#[tokio::test(start_paused = true)]
async fn b11_a_slow_server_with_small_mails_is_no_error() {
    let (session, mut server) = session().await;
    let script = async {
        server.serve(&format!("UID FETCH 7:12 {FETCH}"), "").await;
        for uid in 7..=12 {
            sleep(Duration::from_secs(30)).await;
            server.say(format!("* 1 FETCH (UID {uid} BODY[] {{1}}\r\nx)\r\n")).await;
        }
        server.say("i1 OK\r\n").await;
    };
    let ((result, mails), ()) = tokio::join!(fetch(session, &[7, 8, 9, 10, 11, 12]), script);
    result.unwrap();
    assert_eq!(mails.len(), 6);
}

/// Fault 10: a byte now and then is no progress.
#[tokio::test(start_paused = true)]
async fn a_trickle_is_an_error() {
    let (fetching, mut server) = session().await;
    let script = async {
        server.serve(&format!("UID FETCH 7 {FETCH}"), "* 1 FETCH (UID 7 BODY[] {90000}\r\n").await;
        for _ in 0..30 {
            sleep(Duration::from_secs(10)).await;
            server.say("x").await;
        }
    };
    let start = Instant::now();
    let (result, _) = tokio::select! {
        ended = fetch(fetching, &[7]) => ended,
        () = script => panic!("the trickle was accepted"),
    };
    assert!(matches!(result.unwrap_err(), Error::TooSlow { .. }));
    assert!(start.elapsed() <= Duration::from_secs(75));

    let (searching, mut server) = session().await;
    let script = async {
        server.serve("UID SEARCH UID 1:9", "").await;
        loop {
            sleep(Duration::from_secs(10)).await;
            server.say("* OK searching\r\n").await;
        }
    };
    let start = Instant::now();
    let result = tokio::select! {
        ended = searching.search_uids(1, 9) => ended,
        () = script => unreachable!(),
    };
    assert!(matches!(result.unwrap_err(), Error::TimedOut { .. }));
    assert!(start.elapsed() <= Duration::from_secs(75));
}
