//! D and I, as far as they are the store's and the pipeline's: deaths over a mail, leases, fences, contention.

use super::desk::{Desk, Place, VALIDITY, mail, pipeline, window};
use inlet::envelope::{MailboxSink as _, SinkError};
use inlet::ingest::Item;
use inlet::model::imap::{Outcome, Reading};
use std::time::Duration;

const LEASE: Duration = Duration::from_mins(1);

on_both_desks! {
    d04_a_mail_that_is_no_mail_does_not_hold_up_the_next,
    d05_a_mark_outlives_the_process_and_goes_with_the_poll,
    d05_d16_a_mail_set_aside_unread_waits_among_the_dead_letters,
    d06_d07_nested_parts_and_floods_are_read_within_bounds,
    d08_a_hundred_thousand_recipients_are_bounded,
    i01_i05_whoever_has_lost_the_lease_stores_nothing,
    i02_a_holder_renews_although_it_wants_no_more,
    i04_clocks_that_differ_do_not_share_a_lease,
    i10_batches_that_collide_are_stored_all_the_same,
}

async fn d04_a_mail_that_is_no_mail_does_not_hold_up_the_next(desk: Desk) {
    let surface = desk.world.surface;
    let sink = desk.sink(surface).await;
    let good = mail("ann@example.com", "d04@x", "", "good").replace('\n', "\r\n").into_bytes();
    let mails = [
        (1, vec![0, 159, 146, 150, 0]),
        (2, b"Content-Type: multipart/mixed; boundary=\r\n\r\n--\r\n----\r\n".to_vec()),
        (3, vec![b'('; 50_000]),
        (4, good),
    ];
    let tally = desk.window(&sink, surface, Place::default(), &mails).await.unwrap();
    assert_eq!((tally.stored, tally.quarantined), (4, 0), "what can be read of them is a message");
    for (uid, _) in &mails {
        let id = desk.row(surface, "INBOX", *uid).await.message_id.unwrap();
        let source = desk.world.store.get_source(desk.world.tenant, id).await.unwrap();
        assert!(source.is_some(), "the raw bytes of {uid} are kept");
    }
}

async fn d05_a_mark_outlives_the_process_and_goes_with_the_poll(desk: Desk) {
    let (surface, tenant) = (desk.world.surface, desk.world.tenant);
    let sink = desk.sink(surface).await;
    let store = &desk.world.store;
    assert_eq!(store.get_reading(tenant, surface, "INBOX").await.unwrap(), None);
    let mark = Reading { uid_validity: VALIDITY, uid: u32::MAX, is_alone: false, deaths: 0 };
    sink.begin_reading("INBOX", mark).await.unwrap();
    let alone = Reading { uid: 3, is_alone: true, deaths: 2, ..mark };
    sink.begin_reading("INBOX", alone).await.unwrap();
    assert_eq!(store.get_reading(tenant, surface, "INBOX").await.unwrap(), Some(alone));
    assert_eq!(store.get_reading(tenant, surface, "Sent").await.unwrap(), None);
    sink.end_reading("INBOX").await.unwrap();
    assert_eq!(store.get_reading(tenant, surface, "INBOX").await.unwrap(), None);
}

async fn d05_d16_a_mail_set_aside_unread_waits_among_the_dead_letters(desk: Desk) {
    let (surface, tenant) = (desk.world.surface, desk.world.tenant);
    let sink = desk.sink(surface).await;
    let mut aside = window("INBOX", Vec::new(), 9);
    aside.settled = vec![(8, Outcome::Vanished), (9, Outcome::Quarantined)];
    aside.unread = vec![(9, "it was not read")];
    sink.store(aside).await.unwrap();
    assert_eq!(desk.row(surface, "INBOX", 9).await.outcome, Outcome::Quarantined);
    let page = desk.world.store.list_dead_letters(tenant, surface, None, None, 10).await.unwrap();
    assert_eq!(page.rows.len(), 1, "one letter for the one mail");
    assert_eq!(page.rows[0].reason, "it was not read");
    let origin: serde_json::Value = serde_json::from_str(&page.rows[0].origin).unwrap();
    assert_eq!((&origin["mailbox"], &origin["uid"]), (&"INBOX".into(), &9.into()));
}

async fn d06_d07_nested_parts_and_floods_are_read_within_bounds(desk: Desk) {
    let head = |kind: &str| mail("ann@example.com", "d07@x", &format!("Content-Type: {kind}\n"), "");
    let parts: String =
        (0..10_000).map(|n| format!("--b\nContent-Type: text/plain; name={n}.txt\n\npart {n}\n")).collect();
    let many = head("multipart/mixed; boundary=b") + &parts + "--b--\n";
    let nested: String = (0..3_000)
        .map(|n| format!("--b{n}\nContent-Type: multipart/mixed; boundary=b{}\n\n", n + 1))
        .collect();
    let deep = head("multipart/mixed; boundary=b0").replace("d07@x", "d07.2@x") + &nested;
    let brackets = head("text/html").replace("d07@x", "d07.3@x") + &"<div>".repeat(200_000);
    let quotes = head("text/plain").replace("d07@x", "d07.4@x") + &"> ".repeat(500_000);
    for text in [many, deep, brackets, quotes] {
        let reading = tokio::time::timeout(Duration::from_secs(60), desk.mail(text));
        let arrived = reading.await.expect("it ends");
        assert_eq!(arrived.outcome, Outcome::Stored);
        assert!(arrived.attachments.len() <= 1_000, "{}", arrived.attachments.len());
    }
}

async fn d08_a_hundred_thousand_recipients_are_bounded(desk: Desk) {
    let many: Vec<String> = (0..100_000).map(|n| format!("p{n}@example.com")).collect();
    let text = mail("ann@example.com", "d08@x", &format!("Cc: {}\n", many.join(",\n ")), "kept");
    let arrived = desk.mail(text).await;
    assert_eq!(arrived.message().content, "kept");
    let copied = arrived.message().metadata["cc"].as_array().unwrap().len();
    assert!(copied < 10_000, "{copied}");
}

async fn i01_i05_whoever_has_lost_the_lease_stores_nothing(desk: Desk) {
    let surface = desk.world.surface;
    let sink = desk.sink(surface).await;
    let text = mail("ann@example.com", "i01@x", "", "x").replace('\n', "\r\n").into_bytes();
    // In the middle of its work the lease goes to another worker, however long the work takes.
    desk.world.store.release_leases(desk.worker).await.unwrap();
    let other = desk.world.ids.next();
    assert!(desk.lease(other, surface).await.is_some());
    let stored = desk.window(&sink, surface, Place::default(), &[(1, text)]).await;
    assert!(matches!(stored, Err(SinkError::Fenced)), "{stored:?}");
    let marked =
        sink.begin_reading("INBOX", Reading { uid_validity: 7, uid: 1, is_alone: false, deaths: 0 }).await;
    assert!(matches!(marked, Err(SinkError::Fenced)), "{marked:?}");
    assert_eq!(desk.count(surface).await, 0);
    assert_eq!(desk.world.store.list_cursors(desk.world.tenant, surface).await.unwrap(), []);
}

async fn i02_a_holder_renews_although_it_wants_no_more(desk: Desk) {
    let store = &desk.world.store;
    let held = store.acquire_leases(desk.worker, 5, LEASE, desk.world.now()).await.unwrap();
    let renewed = store.acquire_leases(desk.worker, 0, LEASE, desk.world.now()).await.unwrap();
    assert_eq!(renewed, held, "the same buckets and epochs");
    let other = store.acquire_leases(desk.world.ids.next(), 64, LEASE, desk.world.now()).await.unwrap();
    assert_eq!(other.len(), 64 - held.len());
}

async fn i04_clocks_that_differ_do_not_share_a_lease(desk: Desk) {
    let store = &desk.world.store;
    let held = store.acquire_leases(desk.worker, 64, LEASE, desk.world.now()).await.unwrap();
    assert_eq!(held.len(), 64);
    // On PostgreSQL the time is the store's; on SQLite, where one process owns the file, a lease that is still good by
    // the process's clock is not taken.
    let minutes = if desk.world.url.starts_with("postgres") { 5 } else { 0 };
    let ahead =
        store.acquire_leases(desk.world.ids.next(), 64, LEASE, desk.world.at_minute(minutes)).await.unwrap();
    assert_eq!(ahead, []);
}

async fn i10_batches_that_collide_are_stored_all_the_same(desk: Desk) {
    let surface = desk.world.surface;
    let folder = tempfile::tempdir().unwrap();
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..4 {
        let pipeline = pipeline(&desk.world, folder.path());
        let tenant = desk.world.tenant;
        // Every batch touches the same conversations, in another order.
        let mut numbers: Vec<u32> = (0..40).collect();
        if worker % 2 == 1 {
            numbers.reverse();
        }
        let items: Vec<Item> = numbers
            .iter()
            .map(|n| {
                let refer = format!("References: <thread.{}@x>\n", n % 5);
                let text = mail("ann@example.com", &format!("i10.{worker}.{n}@x"), &refer, "x");
                let text = text.replace('\n', "\r\n");
                Item {
                    envelopes: vec![desk.envelope(surface, Place::default(), *n + 1, text.as_bytes())],
                    ..Item::default()
                }
            })
            .collect();
        workers.spawn(async move { pipeline.take(tenant, items).await });
    }
    for taken in workers.join_all().await {
        assert!(taken.unwrap().iter().flatten().all(|it| it.outcome == Outcome::Stored));
    }
    assert_eq!(desk.count(surface).await, 5);
}
