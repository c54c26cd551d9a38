//! The poll algorithm against a real Dovecot. Tests are named by the case of the catalogue they prove.

use super::reader::{Reader, mail, uid_of};
use crate::servers::dovecot::read_mbox;
use inlet::envelope::{Origin, Payload, SinkError};
use inlet::imap::poll::{LookBack, PollError};
use inlet::model::imap::{Backfill, Outcome};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// The shared test data; `None`, with a message, where it is not there.
fn data(path: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("INLET_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let found = [shared.join(path), shared.join("data").join(path)].into_iter().find(|path| path.exists());
    if found.is_none() {
        println!("skipped: no test data {path} (INLET_SHARED)");
    }
    found
}

fn backfill_flags(reader: &Reader<'_>) -> Vec<(u32, bool)> {
    let flag = |origin: &Origin| matches!(origin, Origin::Imap { backfill: true, .. });
    reader.kept().messages.iter().map(|mail| (uid_of(mail), flag(&mail.origin))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mail_of_a_corpus_arrives_once_and_unchanged() {
    let Some(path) = data("threading/util-linux/mbox.gz") else { return };
    let Some(mut reader) = Reader::new() else { return };
    let mails = read_mbox(&path);
    assert_eq!(mails.len(), 3451);
    reader.user.deliver("INBOX", &mails);
    reader.user.connect().uids("INBOX");
    let started = std::time::Instant::now();
    let report = reader.poll().await;
    println!("{} mails polled in {:?}", mails.len(), started.elapsed());
    assert_eq!(report.tally.stored + report.tally.duplicates, 3451);
    assert_eq!((report.last_uid, report.backlog), (3451, 0));
    reader.assert_ledger_is_complete();
    for envelope in &reader.kept().messages {
        let Payload::Mail(raw) = &envelope.payload else { panic!("no mail is oversized") };
        let sent = &mails[uid_of(envelope) as usize - 1];
        let plain: Vec<u8> = raw.iter().copied().filter(|byte| *byte != b'\r').collect();
        let expected: Vec<u8> = sent.iter().copied().filter(|byte| *byte != b'\r').collect();
        assert!(plain == expected, "mail {} is not what was delivered", uid_of(envelope));
    }
    let windows = reader.kept().windows;
    let again = reader.poll().await;
    assert_eq!(again.tally, Default::default());
    assert_eq!(reader.kept().windows, windows, "a calm poll writes nothing");
}

#[tokio::test]
async fn a01_mail_that_another_client_has_read_is_taken() {
    let Some(mut reader) = Reader::new() else { return };
    reader.user.deliver("INBOX", &[mail(1), mail(2)]);
    let mut other = reader.user.connect();
    other.ask("SELECT INBOX");
    other.ask("UID STORE 1 +FLAGS (\\Seen)");
    assert_eq!(reader.poll().await.tally.stored, 2);
    let flags = other.ask("UID FETCH 1:2 FLAGS").join(" ");
    assert_eq!(flags.matches("\\Seen").count(), 1, "reading leaves flags as they are: {flags}");
}

#[tokio::test]
async fn a02_a03_mail_that_came_while_the_worker_was_down_is_taken_after_the_restart() {
    let Some(mut reader) = Reader::new() else { return };
    reader.user.deliver("INBOX", &[mail(1)]);
    reader.poll().await;
    reader.user.deliver("INBOX", &[mail(2), mail(3)]);
    reader.restart();
    assert_eq!(reader.poll().await.tally.stored, 2);
    assert_eq!(backfill_flags(&reader), [(1, true), (2, false), (3, false)]);
}

#[tokio::test]
async fn a05_after_a_uidvalidity_change_nothing_is_doubled_and_nothing_lost() {
    let Some(mut reader) = Reader::new() else { return };
    reader.user.deliver("INBOX", &(1..=30).map(mail).collect::<Vec<_>>());
    reader.poll().await;
    reader.user.deliver("INBOX", &[mail(31)]);
    reader.user.reset_uid_validity("INBOX", 4242);
    let report = reader.poll().await;
    assert!(report.was_reset);
    assert_eq!((report.recognized, report.tally.stored, report.tally.duplicates), (30, 1, 0));
    assert_eq!(reader.kept().messages.len(), 31);
    assert_eq!(backfill_flags(&reader)[30], (31, false));
    reader.assert_ledger_is_complete();
    assert_eq!(reader.kept().cursor.as_ref().unwrap().resets_in_row, 1);
    reader.poll().await;
    assert_eq!(reader.kept().cursor.as_ref().unwrap().resets_in_row, 0, "a calm poll ends the row");
}

#[tokio::test]
async fn a07_a_uidvalidity_that_never_holds_stops_the_mailbox_until_it_does() {
    let Some(mut reader) = Reader::new() else { return };
    reader.user.deliver("INBOX", &[mail(1)]);
    reader.poll().await;
    for validity in 101..=104 {
        reader.user.reset_uid_validity("INBOX", validity);
        assert!(reader.poll().await.was_reset);
    }
    reader.user.reset_uid_validity("INBOX", 105);
    let (_, end) = reader.try_poll(None).await;
    assert!(matches!(end, Err(PollError::UidValidityUnstable { times: 5, .. })), "{end:?}");
    let report = reader.poll().await;
    assert_eq!((report.was_reset, report.recognized), (true, 1), "the server has kept it since");
    assert_eq!(reader.kept().messages.len(), 1);
}

#[tokio::test]
async fn a10_a_mailbox_restored_from_a_backup_is_read_on() {
    let Some(mut reader) = Reader::new() else { return };
    reader.user.write_uid_list("INBOX", 77, 1);
    reader.user.deliver("INBOX", &(1..=20).map(mail).collect::<Vec<_>>());
    reader.poll().await;
    reader.user.remove_folder("INBOX");
    reader.user.create_folder("INBOX");
    reader.user.write_uid_list("INBOX", 77, 1);
    reader.user.deliver("INBOX", &(1..=10).chain(101..=103).map(mail).collect::<Vec<_>>());
    let report = reader.poll().await;
    assert!(report.was_rebased);
    assert_eq!((report.recognized, report.tally.stored), (10, 3));
    reader.user.deliver("INBOX", &(104..=113).map(mail).collect::<Vec<_>>());
    assert_eq!(reader.poll().await.tally.stored, 10, "UIDs that were used before the restore are read, too");
    assert_eq!(reader.kept().messages.len(), 33);
    reader.user.deliver("INBOX", &[mail(114)]);
    let report = reader.poll().await;
    assert_eq!((report.was_rebased, report.tally.stored, report.last_uid), (false, 1, 24));
}

#[tokio::test]
async fn a12_b25_mail_that_arrives_during_the_poll_is_found_by_the_same_poll() {
    let Some(mut reader) = Reader::new() else { return };
    let (user, done) = (reader.user.clone(), AtomicBool::new(false));
    user.deliver("INBOX", &[mail(1)]);
    reader.sink.before_store = Some(Box::new(move |_| {
        if !done.swap(true, Ordering::Relaxed) {
            user.deliver("INBOX", &[mail(2)]);
        }
        Ok(())
    }));
    assert_eq!(reader.poll().await.tally.stored, 2);
    assert_eq!(backfill_flags(&reader), [(1, true), (2, false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a13_a_worker_that_dies_midway_goes_on_where_it_committed() {
    let Some(mut reader) = Reader::new() else { return };
    let mails: Vec<String> = (1..=1_700).map(mail).collect();
    reader.user.deliver("INBOX", &mails);
    for failing in [1, 2, 4] {
        reader.sink.before_store = Some(Box::new(move |number| {
            if number >= failing { Err(SinkError::Store("the disk is full".into())) } else { Ok(()) }
        }));
        let (_, end) = reader.try_poll(None).await;
        assert!(matches!(end, Err(PollError::Store(_))), "{end:?}");
        reader.restart();
    }
    reader.sink.before_store = None;
    reader.poll().await;
    let kept = reader.kept();
    assert_eq!(kept.messages.len(), 1_700);
    assert!(kept.ledger.values().all(|outcome| *outcome == Outcome::Stored), "nothing was handed over twice");
    assert!(kept.messages.iter().map(uid_of).eq(1..=1_700));
    drop(kept);
    assert!(backfill_flags(&reader).iter().all(|(_, backfill)| *backfill));
}

#[tokio::test(flavor = "multi_thread")]
async fn a16_mail_that_is_expunged_before_it_can_be_fetched_gets_its_outcome() {
    let Some(mut reader) = Reader::new() else { return };
    let user = reader.user.clone();
    user.deliver("INBOX", &(1..=1_200).map(mail).collect::<Vec<_>>());
    reader.sink.before_store = Some(Box::new(move |number| {
        if number == 1 {
            user.connect().expunge("INBOX", 1_100);
        }
        Ok(())
    }));
    let report = reader.poll().await;
    assert_eq!((report.vanished, report.tally.stored), (1, 1_199));
    let validity = reader.kept().cursor.as_ref().unwrap().uid_validity;
    assert_eq!(reader.kept().ledger.get(&(validity, 1_100)), Some(&Outcome::Vanished));
}

#[tokio::test]
async fn a18_backfill_none_takes_only_what_comes_later_even_after_a_uidvalidity_change() {
    let Some(mut reader) = Reader::new() else { return };
    reader.user.deliver("INBOX", &[mail(1), mail(2)]);
    reader.mailbox.backfill = Backfill::None;
    reader.mailbox.started_at = Some("2099-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(reader.poll().await.tally.stored, 0);
    reader.restart();
    reader.user.deliver("INBOX", &[mail(3)]);
    assert_eq!(reader.poll().await.tally.stored, 1);
    assert_eq!(backfill_flags(&reader), [(3, false)]);
    reader.user.reset_uid_validity("INBOX", 9);
    let report = reader.poll().await;
    assert_eq!((report.recognized, report.skipped, report.tally.stored), (1, 2, 0));
}

#[tokio::test]
async fn backfill_since_takes_what_the_server_dates_on_or_after_the_day() {
    let Some(mut reader) = Reader::new() else { return };
    let mut wire = reader.user.connect();
    for (number, day) in [(1, "27-Feb-2026"), (2, "28-Feb-2026"), (3, "01-Mar-2026")] {
        wire.append_dated("INBOX", day, mail(number).as_bytes());
    }
    reader.mailbox.backfill = Backfill::parse("since 2026-02-28").unwrap();
    let report = reader.poll().await;
    assert_eq!((report.skipped, report.tally.stored), (1, 2));
    assert_eq!(backfill_flags(&reader), [(2, true), (3, true)]);
    wire.append_dated("INBOX", "01-Jan-2020", mail(4).as_bytes());
    assert_eq!(reader.poll().await.tally.stored, 1, "the rule speaks of what was there at the start");
    reader.assert_ledger_is_complete();
}

#[tokio::test]
async fn a23_a_mailbox_that_does_not_exist_is_named() {
    let Some(mut reader) = Reader::new() else { return };
    reader.mailbox.name = "Nowhere".into();
    let (_, end) = reader.try_poll(None).await;
    match end {
        Err(PollError::Imap(error)) => assert_eq!(error.mailbox(), Some("Nowhere"), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn c17_a_mailbox_with_letters_beyond_ascii_is_read() {
    let Some(mut reader) = Reader::new() else { return };
    reader.user.connect().ask("CREATE \"B&APw-ro\"");
    reader.user.connect().append("B&APw-ro", mail(1).as_bytes());
    reader.mailbox.name = "Büro".into();
    assert_eq!(reader.poll().await.tally.stored, 1);
}

#[tokio::test]
async fn d02_a_mail_over_the_limit_comes_as_its_header_and_the_rest_flows() {
    let Some(mut reader) = Reader::new() else { return };
    reader.max_message_bytes = 10_000;
    let large = mail(2) + &"x".repeat(20_000);
    reader.user.deliver("INBOX", &[mail(1), large, mail(3)]);
    assert_eq!(reader.poll().await.tally.stored, 3);
    let kept = reader.kept();
    let Payload::OversizedMail { header, size_bytes } = &kept.messages[1].payload else { panic!() };
    assert!(header.starts_with(b"Message-ID: <2@") && header.len() < 400);
    assert!(*size_bytes > 20_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn d13_i11_a_small_budget_for_mail_in_flight_slows_down_and_loses_nothing() {
    let Some(mut reader) = Reader::new() else { return };
    reader.in_flight = inlet::imap::poll::InFlight::new(64 * 1024);
    let filler = "x".repeat(9_000);
    let mails: Vec<String> = (1..=200).map(|number| mail(number) + &filler).collect();
    reader.user.deliver("INBOX", &mails);
    assert_eq!(reader.poll().await.tally.stored, 200);
    assert_eq!(reader.in_flight.free_bytes(), 64 * 1024);
}

#[tokio::test]
async fn b09_late_mail_below_the_cursor_is_found_by_the_look_back() {
    let Some(mut reader) = Reader::new() else { return };
    reader.user.deliver("INBOX", &(1..=5).map(mail).collect::<Vec<_>>());
    reader.poll().await;
    let first = reader.place.look_back_from().unwrap();
    let windows = reader.kept().windows;
    let (report, _) = reader.try_poll(Some(LookBack { first, settled: vec![1, 2, 3, 4, 5] })).await;
    assert_eq!((report.late, reader.kept().windows), (0, windows), "nothing is missing, nothing is written");
    let validity = {
        let mut kept = reader.sink.kept.lock().unwrap();
        let validity = kept.cursor.as_ref().unwrap().uid_validity;
        kept.ledger.remove(&(validity, 3));
        kept.messages.retain(|mail| uid_of(mail) != 3);
        kept.forget(mail(3).as_bytes());
        validity
    };
    let (report, end) = reader.try_poll(Some(LookBack { first, settled: vec![1, 2, 4, 5] })).await;
    end.unwrap();
    assert_eq!((report.late, report.last_uid), (1, 5));
    assert_eq!(reader.kept().ledger.get(&(validity, 3)), Some(&Outcome::Stored));
}

#[tokio::test(flavor = "multi_thread")]
async fn b26_a_poll_that_is_stopped_has_stored_what_it_was_storing() {
    let Some(mut reader) = Reader::new() else { return };
    reader.user.deliver("INBOX", &(1..=1_500).map(mail).collect::<Vec<_>>());
    let stop = reader.stop.clone();
    reader.sink.before_store = Some(Box::new(move |number| {
        if number == 1 {
            stop.cancel();
        }
        Ok(())
    }));
    let (report, end) = reader.try_poll(None).await;
    assert!(matches!(end, Err(PollError::Stopped)), "{end:?}");
    assert_eq!((report.tally.stored, report.last_uid), (500, 500));
}

#[tokio::test]
async fn d09_an_empty_mail_gets_an_outcome_and_the_rest_flows() {
    let Some(mut reader) = Reader::new() else { return };
    reader.user.deliver("INBOX", &[mail(1), String::new(), mail(3)]);
    reader.poll().await;
    reader.assert_ledger_is_complete();
    assert!(reader.kept().messages.iter().any(|mail| uid_of(mail) == 3));
}
