//! IDLE.

use super::server::{exchange, session, session_with};
use crate::imap::{ErrorClass, IdleEnd};
use std::future::pending;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

const NINE_MINUTES: Duration = Duration::from_mins(9);

#[tokio::test(start_paused = true)]
async fn an_announcement_ends_idle_and_the_session_goes_on() {
    let (session, mut server) = session().await;
    let script = async {
        server.serve("IDLE", "+ idling\r\n").await;
        tokio::time::sleep(Duration::from_mins(2)).await;
        server.say("* OK Still here\r\n").await;
        tokio::time::sleep(Duration::from_mins(4)).await;
        server.say("* 4 EXISTS\r\n* 1 RECENT\r\n").await;
        assert_eq!(server.hear().await, "DONE");
        server.say("* 5 EXISTS\r\ni1 OK\r\n").await;
        server.serve("NOOP", "$ OK\r\n").await;
    };
    let client = async {
        let (session, end) = session.idle(NINE_MINUTES, pending()).await.unwrap();
        assert_eq!(end, IdleEnd::Announced);
        session.noop().await.unwrap()
    };
    assert!(!tokio::join!(client, script).0.is_announced());
}

/// Flags and expunges by other clients are no new mail.
#[tokio::test(start_paused = true)]
async fn the_callers_future_ends_idle() {
    let (session, mut server) = session().await;
    let (wake, woken) = oneshot::channel::<()>();
    let script = async {
        server.serve("IDLE", "+\r\n").await;
        server.say("* 2 EXPUNGE\r\n* 1 FETCH (FLAGS (\\Seen))\r\n").await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        wake.send(()).unwrap();
        assert_eq!(server.hear().await, "DONE");
        server.say("i1 OK\r\n").await;
    };
    let client = session.idle(NINE_MINUTES, async { woken.await.unwrap() });
    assert_eq!(tokio::join!(client, script).0.unwrap().1, IdleEnd::Interrupted);
}

/// B01: five silent minutes, then DONE shows whether the link lives. B02: the caller's limit is kept.
#[tokio::test(start_paused = true)]
async fn b01_b02_silence_and_the_limit_end_idle() {
    for (limit, keepalive, expected) in
        [(NINE_MINUTES, false, 300), (NINE_MINUTES, true, 540), (Duration::from_secs(55), false, 55)]
    {
        let (session, mut server) = session().await;
        let script = async {
            server.serve("IDLE", "+ idling\r\n").await;
            for _ in 0..4 {
                if keepalive {
                    tokio::time::sleep(Duration::from_mins(2)).await;
                    server.say("* OK Still here\r\n").await;
                }
            }
            assert_eq!(server.hear().await, "DONE");
            server.say("i1 OK\r\n").await;
        };
        let start = Instant::now();
        let client = session.idle(limit, pending());
        assert_eq!(tokio::join!(client, script).0.unwrap().1, IdleEnd::TimedOut);
        assert_eq!(start.elapsed().as_secs(), expected);
    }
}

/// T6d, B03: announced before the `+`; A12: announced during an earlier command.
#[tokio::test(start_paused = true)]
async fn b03_a12_mail_announced_too_early_is_not_missed() {
    let (session, mut server) = session().await;
    let script = async {
        server.serve("IDLE", "* 4 EXISTS\r\n+ idling\r\n").await;
        assert_eq!(server.hear().await, "DONE");
        server.say("i1 OK\r\n").await;
        server.serve("NOOP", "* 5 EXISTS\r\n$ OK\r\n").await;
    };
    let start = Instant::now();
    let client = async {
        let (session, end) = session.idle(NINE_MINUTES, pending()).await.unwrap();
        assert_eq!(end, IdleEnd::Announced);
        let session = session.noop().await.unwrap();
        let (session, end) = session.idle(NINE_MINUTES, pending()).await.unwrap();
        assert_eq!(end, IdleEnd::Announced);
        session
    };
    let (session, ()) = tokio::join!(client, script);
    assert!(!session.is_announced());
    assert_eq!(start.elapsed(), Duration::ZERO);
}

/// T4, T5, T5d, B04, B05.
#[tokio::test(start_paused = true)]
async fn b04_b05_a_server_that_does_not_want_idle_is_polled_on_the_same_session() {
    for answer in
        ["$ NO not now\r\n", "$ BAD\r\n", "$ BAD \r\n", "$ OK idle is over\r\n", "+ idling\r\n$ OK over\r\n"]
    {
        let (session, mut server) = session().await;
        let client = session.idle(NINE_MINUTES, pending());
        let (session, end) = exchange(client, &mut server, "IDLE", answer).await.unwrap();
        assert_eq!(end, IdleEnd::Refused, "{answer}");
        exchange(session.noop(), &mut server, "NOOP", "$ OK\r\n").await.unwrap();
    }
    let (session, _server) = session_with("IMAP4rev1").await;
    assert_eq!(session.idle(NINE_MINUTES, pending()).await.unwrap().1, IdleEnd::Refused);
}

/// T4 (no answer at all), B08.
#[tokio::test(start_paused = true)]
async fn b04_b08_a_server_that_goes_silent_around_idle_is_given_fifteen_seconds() {
    let (unstarted, mut server) = session().await;
    let start = Instant::now();
    let error = exchange(unstarted.idle(NINE_MINUTES, pending()), &mut server, "IDLE", "").await.unwrap_err();
    assert_eq!((error.class(), start.elapsed().as_secs()), (ErrorClass::Transient, 15));

    let (unended, mut server) = session().await;
    let start = Instant::now();
    let client = unended.idle(NINE_MINUTES, async {});
    let error = exchange(client, &mut server, "IDLE", "+ idling\r\n* OK hm\r\n").await.unwrap_err();
    assert_eq!((error.class(), start.elapsed().as_secs()), (ErrorClass::Transient, 15));
}

/// T6, T6b, B06, B07.
#[tokio::test(start_paused = true)]
async fn b06_b07_the_end_of_the_connection_during_idle_is_an_error() {
    for (farewell, class) in [
        ("", ErrorClass::Transient),
        ("* BYE Autologout; idle for too long\r\n", ErrorClass::Transient),
        ("* BYE Session invalidated - AccessTokenExpired\r\n", ErrorClass::Token),
        ("* BYE Too many simultaneous connections\r\n", ErrorClass::Throttle),
    ] {
        let (session, mut server) = session().await;
        let script = async move {
            server.serve("IDLE", "+ idling\r\n").await;
            tokio::time::sleep(Duration::from_secs(20)).await;
            server.say(farewell).await;
        };
        let client = session.idle(NINE_MINUTES, pending());
        assert_eq!(tokio::join!(client, script).0.unwrap_err().class(), class, "{farewell}");
    }
}
