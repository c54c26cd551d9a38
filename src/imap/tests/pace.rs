//! How fast mails come through guard, parser and driver. Prints its figure; fails only where it is absurd.

use super::server::{FETCH, fetch, session};
use std::fmt::Write;

#[tokio::test]
async fn thousands_of_small_mails_come_through_in_a_moment() {
    const MAILS: u32 = 20_000;
    let body = format!("Subject: hello\r\n\r\n{}", "words and words\r\n".repeat(90));
    let mut answer = String::new();
    for uid in 1..=MAILS {
        let _ = write!(
            answer,
            "* {uid} FETCH (UID {uid} RFC822.SIZE {0} INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" BODY[] {{{0}}}\r\n{body})\r\n",
            body.len()
        );
    }
    answer.push_str("i1 OK done\r\n");
    let (session, mut server) = session().await;
    let script = tokio::spawn(async move {
        assert_eq!(server.hear().await, format!("i1 UID FETCH 1:{MAILS} {FETCH}"));
        server.say(&answer).await;
    });
    let uids: Vec<u32> = (1..=MAILS).collect();
    let begun = std::time::Instant::now();
    let (result, mails) = fetch(session, &uids).await;
    let seconds = begun.elapsed().as_secs_f64();
    result.unwrap();
    script.await.unwrap();
    assert_eq!(mails.len(), MAILS as usize);
    println!("{:.0} mails a second of {} bytes", f64::from(MAILS) / seconds, body.len());
    assert!(seconds < 60.0);
}
