//! FETCH and SEARCH.

use super::server::{FETCH, brief, exchange, fetch, last_exchange, session, session_with};
use crate::envelope::GmailIds;
use crate::imap::{ErrorClass, Listed};

#[tokio::test]
async fn mails_come_with_size_and_date() {
    let (session, mut server) = session().await;
    let answer = "* 1 FETCH (UID 7 RFC822.SIZE 3 INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" BODY[] {3}\r\nabc)\r\n\
                  * 2 FETCH (BODY[] \"de\" UID 8)\r\n$ OK done\r\n";
    let (result, mails) =
        exchange(fetch(session, &[8, 7]), &mut server, &format!("UID FETCH 7:8 {FETCH}"), answer).await;
    result.unwrap();
    assert_eq!(brief(&mails), [(7, b"abc".as_slice()), (8, b"de")]);
    assert_eq!(mails[0].size, Some(3));
    assert_eq!(mails[0].internal_date.unwrap().to_string(), "1996-07-17T09:44:25Z");
}

/// T1, B14, A15, fault 3.
#[tokio::test]
async fn a15_b14_a_refused_fetch_is_an_error_and_keeps_the_rows_before_it() {
    for (answer, class) in [
        ("$ NO [UNAVAILABLE] busy\r\n", ErrorClass::Transient),
        ("$ BAD nope\r\n", ErrorClass::Protocol),
        ("$ BAD\r\n", ErrorClass::Protocol),
    ] {
        let (session, mut server) = session().await;
        let answer = format!("* 1 FETCH (UID 7 BODY[] {{3}}\r\nabc)\r\n{answer}");
        let (result, mails) =
            exchange(fetch(session, &[7, 8]), &mut server, &format!("UID FETCH 7:8 {FETCH}"), &answer).await;
        assert_eq!(result.unwrap_err().class(), class);
        assert_eq!(brief(&mails), [(7, b"abc".as_slice())]);
    }
}

/// T2, B13, B07, fault 2.
#[tokio::test]
async fn b13_b07_a_connection_that_ends_behind_complete_rows_is_an_error() {
    for (end, class) in [
        ("", ErrorClass::Transient),
        ("* BYE Too many connections\r\n", ErrorClass::Throttle),
        ("* BYE Session invalidated - AccessTokenExpired\r\n", ErrorClass::Token),
    ] {
        let (session, server) = session().await;
        let answer = format!("* 1 FETCH (UID 7 BODY[] {{3}}\r\nabc)\r\n{end}");
        let (result, mails) =
            last_exchange(fetch(session, &[7]), server, &format!("UID FETCH 7 {FETCH}"), &answer).await;
        assert_eq!(result.unwrap_err().class(), class, "{end}");
        assert_eq!(brief(&mails), [(7, b"abc".as_slice())]);
    }
}

/// Fault 1: the connection ends at every byte of an answer. No mail is ever cut, and nothing but the whole is success.
#[tokio::test]
async fn b13_a_connection_cut_at_any_byte_gives_whole_mails_and_an_error() {
    let body = "Subject: x\r\n\r\n".repeat(20);
    let answer = format!(
        "* 1 FETCH (UID 7 RFC822.SIZE {0} BODY[] {{{0}}}\r\n{body})\r\n* 2 FETCH (UID 8 BODY[] {{{0}}}\r\n{body})\r\n$ OK x\r\n",
        body.len()
    );
    let first_end = answer.find("* 2").unwrap();
    let second_end = answer.find("$ OK").unwrap();
    for cut in 0..answer.len() {
        let (session, server) = session().await;
        let (result, mails) = last_exchange(
            fetch(session, &[7, 8]),
            server,
            &format!("UID FETCH 7:8 {FETCH}"),
            answer.get(..cut).unwrap(),
        )
        .await;
        assert_eq!(result.unwrap_err().class(), ErrorClass::Transient, "cut at {cut}");
        let whole = usize::from(cut >= first_end) + usize::from(cut >= second_end);
        assert_eq!(mails.len(), whole, "cut at {cut}");
        assert!(mails.iter().all(|mail| mail.body == body.as_bytes()), "cut at {cut}");
    }
}

/// T13, B18, T16, fault 7.
#[tokio::test]
async fn b18_rows_that_were_not_asked_for_are_dropped() {
    let (session, mut server) = session().await;
    let answer = "* 4 EXISTS\r\n* 9 FETCH (FLAGS (\\Seen) UID 7)\r\n* 9 FETCH (FLAGS ())\r\n* 2 EXPUNGE\r\n\
                  * 3 FETCH (UID 99 BODY[] {1}\r\nx)\r\n* 2 FETCH (UID 9 BODY[] {1}\r\nc)\r\n\
                  * OK still here\r\n* 1 FETCH (UID 7 BODY[] {1}\r\na)\r\nold9 NO late\r\n$ OK done\r\n";
    let (result, mails) =
        exchange(fetch(session, &[7, 9]), &mut server, &format!("UID FETCH 7,9 {FETCH}"), answer).await;
    assert!(result.unwrap().is_announced());
    assert_eq!(brief(&mails), [(9, b"c".as_slice()), (7, b"a")]);
}

/// D09, T9w, D11.
#[tokio::test]
async fn d09_d11_nil_and_empty_bodies_and_rows_without_date_are_mails() {
    let (session, mut server) = session().await;
    let answer = "* 1 FETCH (UID 7 BODY[] NIL)\r\n* 2 FETCH (UID 8 BODY[] {0}\r\n)\r\n\
                  * 3 FETCH (UID 9 BODY[] \"\" INTERNALDATE \"99-Foo-2026 00:00:00 +0000\")\r\n$ OK done\r\n";
    let (result, mails) =
        exchange(fetch(session, &[7, 8, 9]), &mut server, &format!("UID FETCH 7:9 {FETCH}"), answer).await;
    result.unwrap();
    assert_eq!(brief(&mails), [(7, b"".as_slice()), (8, b""), (9, b"")]);
    assert!(mails.iter().all(|mail| mail.internal_date.is_none() && mail.size.is_none()));
}

/// Fault 5.
#[tokio::test]
async fn two_mails_under_one_uid_and_numbers_that_are_no_uids_are_errors_or_nothing() {
    for answer in [
        "* 1 FETCH (UID 7 BODY[] {1}\r\na)\r\n* 2 FETCH (UID 7 BODY[] {1}\r\nb)\r\n$ OK\r\n",
        "* 1 FETCH (UID 4294967296 BODY[] {1}\r\na)\r\n$ OK\r\n",
    ] {
        let (session, mut server) = session().await;
        let (result, _) =
            exchange(fetch(session, &[7]), &mut server, &format!("UID FETCH 7 {FETCH}"), answer).await;
        // A UID that is none is read as an unknown attribute: the row belongs to nobody.
        if let Err(error) = result {
            assert_eq!(error.class(), ErrorClass::Protocol, "{answer}");
        } else {
            assert!(answer.contains("4294967296"));
        }
    }
    let (session, mut server) = session().await;
    let answer = "* 1 FETCH (UID 0 BODY[] {1}\r\na)\r\n$ OK\r\n";
    let (result, mails) =
        exchange(fetch(session, &[0, 7]), &mut server, &format!("UID FETCH 7 {FETCH}"), answer).await;
    assert!(result.is_ok() && mails.is_empty());
}

#[tokio::test]
async fn c13_gmail_ids_are_asked_for_where_they_are_offered() {
    let (session, mut server) = session_with("IMAP4rev1 X-GM-EXT-1").await;
    let answer = "* 1 FETCH (X-GM-THRID 11 X-GM-MSGID 12 UID 7 BODY[] {1}\r\na)\r\n$ OK\r\n";
    let expected = "UID FETCH 7 (UID RFC822.SIZE INTERNALDATE X-GM-MSGID X-GM-THRID BODY.PEEK[])";
    let (result, mails) = exchange(fetch(session, &[7]), &mut server, expected, answer).await;
    result.unwrap();
    assert_eq!(mails[0].gmail, Some(GmailIds { message_id: 12, thread_id: 11 }));
}

/// C14: Exchange takes no command lines much over 1,000 characters.
#[tokio::test]
async fn c14_long_sets_are_split_into_several_commands() {
    let uids: Vec<u32> = (1..400).map(|n| n * 1_000).collect();
    let (session, mut server) = session().await;
    let script = async {
        let mut commands = 0;
        loop {
            let line = server.hear().await;
            if line.is_empty() {
                return commands;
            }
            assert!(line.len() < 1_100);
            commands += 1;
            server.say(format!("{} OK\r\n", line.split(' ').next().unwrap())).await;
        }
    };
    let client = async {
        fetch(session, &uids).await.0.unwrap();
    };
    let ((), commands) = tokio::join!(client, script);
    assert_eq!(commands, 3);
}

#[tokio::test]
async fn headers_alone_can_be_fetched() {
    let (session, mut server) = session().await;
    let mut mails = Vec::new();
    let mut each = |mail| mails.push(mail);
    let client = session.fetch_headers(&[7], &mut each);
    let answer = "* 1 FETCH (UID 7 BODY[HEADER] {4}\r\na: b)\r\n$ OK\r\n";
    let expected = "UID FETCH 7 (UID RFC822.SIZE INTERNALDATE BODY.PEEK[HEADER])";
    exchange(client, &mut server, expected, answer).await.unwrap();
    assert_eq!(brief(&mails), [(7, b"a: b".as_slice())]);
}

#[tokio::test]
async fn sizes_survive_flags_pushed_in_between() {
    let (session, mut server) = session().await;
    let answer = "* 2 FETCH (UID 9 RFC822.SIZE 4000000000)\r\n* 1 FETCH (UID 7 FLAGS (\\Seen))\r\n\
                  * 1 FETCH (UID 7 RFC822.SIZE 5 INTERNALDATE \" 1-Jan-2026 00:00:00 +0000\")\r\n\
                  * 5 FETCH (UID 50 RFC822.SIZE 1)\r\n$ OK\r\n";
    let expected = "UID FETCH 7:9 (UID RFC822.SIZE INTERNALDATE)";
    let (_, listed) = exchange(session.fetch_sizes(&[7, 8, 9]), &mut server, expected, answer).await.unwrap();
    let date = "2026-01-01T00:00:00Z".parse().ok();
    assert_eq!(
        listed,
        [
            Listed { uid: 7, size: Some(5), internal_date: date },
            Listed { uid: 9, size: Some(4_000_000_000), internal_date: None },
        ]
    );
}

/// A04, T14: a server may answer with its last message when the range is empty.
#[tokio::test]
async fn a04_searches_are_sorted_and_kept_to_their_range() {
    let (session, mut server) = session().await;
    let answer = "* SEARCH 30 12 0 12\r\n* SEARCH 11 9 21 20 \r\n$ OK\r\n";
    let (_, uids) =
        exchange(session.search_uids(10, 20), &mut server, "UID SEARCH UID 10:20", answer).await.unwrap();
    assert_eq!(uids, [11, 12, 20]);
}

#[tokio::test]
async fn a_day_narrows_the_search() {
    let (session, mut server) = session().await;
    let day = jiff::civil::date(2026, 2, 7);
    let client = session.search_since(1, 500, day);
    let (_, uids) =
        exchange(client, &mut server, "UID SEARCH UID 1:500 SINCE 7-Feb-2026", "* SEARCH\r\n$ OK\r\n")
            .await
            .unwrap();
    assert!(uids.is_empty());
}

/// A14: an empty, descending or zero range is never sent.
#[tokio::test]
async fn a14_impossible_ranges_are_not_asked_for() {
    let (session, mut server) = session().await;
    let (session, uids) = session.search_uids(20, 10).await.unwrap();
    assert!(uids.is_empty());
    let (result, _) = fetch(session, &[]).await;
    let client = result.unwrap().search_uids(0, 5);
    exchange(client, &mut server, "UID SEARCH UID 1:5", "$ OK\r\n").await.unwrap();
}

/// T12: NO, BAD and the end of the stream are no empty result.
#[tokio::test]
async fn a15_a_failed_search_is_not_an_empty_one() {
    for answer in ["$ NO [UNAVAILABLE] later\r\n", "$ BAD syntax\r\n", "* SEARCH 1 2\r\n", ""] {
        let (session, server) = session().await;
        let result = last_exchange(session.search_uids(1, 9), server, "UID SEARCH UID 1:9", answer).await;
        assert!(result.is_err(), "{answer}");
    }
}

/// T16: the rest of a broken answer would be taken for the answer to the next command. A session is a value that its
/// commands consume, so one that was cut short is gone; the server sees its connection end.
#[tokio::test(start_paused = true)]
async fn b17_a_fetch_that_is_cut_short_takes_its_connection_with_it() {
    let (session, mut server) = session().await;
    let client = async {
        let fetching = fetch(session, &[7, 8]);
        tokio::time::timeout(std::time::Duration::from_secs(1), fetching).await.is_err()
    };
    let script = async {
        server.hear().await;
        server.say("* 1 FETCH (UID 7 BODY[] {100}\r\nthe beginning").await;
        server.hear().await
    };
    let (is_cut, heard) = tokio::join!(client, script);
    assert!(is_cut);
    assert_eq!(heard, "", "the end of the connection");
}
