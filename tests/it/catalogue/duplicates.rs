//! F: the same mail twice, two mails as one. And cases of A that are about the same mail at several places.

use super::desk::{Desk, Place, SENT, VALIDITY, mail, pipeline, window};
use inlet::envelope::MailboxSink as _;
use inlet::ingest::Item;
use inlet::model::imap::Outcome;
use inlet::model::message::Direction;

on_both_desks! {
    a21_a22_the_same_mail_in_two_mailboxes_is_one_message,
    a25_one_mail_under_two_thousand_uids_is_one_message,
    f01_a_window_that_is_stored_again_after_a_crash_adds_nothing,
    f02_f08_f09_of_many_workers_with_one_mail_one_stores_it_and_all_learn_which,
    f03_a_mail_without_an_id_is_known_again,
    f04_two_mails_under_one_id_are_both_kept,
    f05_one_mail_to_two_surfaces_is_a_message_in_each,
    f06_a_mail_that_a_client_appends_again_is_no_new_message,
    f07_a_deleted_conversation_is_not_made_again,
    h03_our_own_mail_found_in_sent_is_outbound_whichever_copy_came_first,
}

async fn a21_a22_the_same_mail_in_two_mailboxes_is_one_message(desk: Desk) {
    let text = mail("ann@example.com", "a22@x", "", "moved about");
    let first = desk.mail(&text).await;
    let work = Place { mailbox: "Work", ..Place::default() };
    let moved = desk.mail_at(work, &text).await;
    assert_eq!((first.outcome, moved.outcome), (Outcome::Stored, Outcome::Duplicate));
    assert_eq!(moved.message().id, first.message().id);
    assert_eq!(desk.messages(first.conversation()).await.len(), 1);
}

async fn a25_one_mail_under_two_thousand_uids_is_one_message(desk: Desk) {
    let surface = desk.world.surface;
    let sink = desk.sink(surface).await;
    let text = mail("ann@example.com", "a25@x", "", "again and again").replace('\n', "\r\n").into_bytes();
    for part in 0..4 {
        let mails: Vec<(u32, Vec<u8>)> = (1..=500).map(|n| (part * 500 + n, text.clone())).collect();
        desk.window(&sink, surface, Place::default(), &mails).await.unwrap();
    }
    assert_eq!(desk.count(surface).await, 1);
    let counted = desk.world.store.count_ledger(desk.world.tenant, surface, "INBOX", VALIDITY).await.unwrap();
    assert_eq!(counted, [(Outcome::Duplicate, 1_999), (Outcome::Stored, 1)]);
}

async fn f01_a_window_that_is_stored_again_after_a_crash_adds_nothing(desk: Desk) {
    let surface = desk.world.surface;
    let sink = desk.sink(surface).await;
    let mails: Vec<(u32, Vec<u8>)> = (1..=20)
        .map(|n| {
            (n, mail("ann@example.com", &format!("f01.{n}@x"), "", "x").replace('\n', "\r\n").into_bytes())
        })
        .collect();
    let first = desk.window(&sink, surface, Place::default(), &mails).await.unwrap();
    let again = desk.window(&sink, surface, Place::default(), &mails).await.unwrap();
    assert_eq!((first.stored, again.stored, again.duplicates), (20, 0, 20));
    assert_eq!(desk.count(surface).await, 20);
}

async fn f02_f08_f09_of_many_workers_with_one_mail_one_stores_it_and_all_learn_which(desk: Desk) {
    let surface = desk.world.surface;
    let text = mail("ann@example.com", "f02@x", "", "raced for").replace('\n', "\r\n");
    let mut workers = tokio::task::JoinSet::new();
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..8 {
        let pipeline = pipeline(&desk.world, folder.path());
        let envelope = desk.envelope(surface, Place::default(), 1, text.as_bytes());
        let tenant = desk.world.tenant;
        workers.spawn(async move {
            let item = Item { envelopes: vec![envelope], ..Item::default() };
            pipeline.take(tenant, vec![item]).await.unwrap().remove(0).remove(0)
        });
    }
    let receipts = workers.join_all().await;
    assert_eq!(receipts.iter().filter(|it| it.outcome == Outcome::Stored).count(), 1, "{receipts:?}");
    let winner = receipts.iter().find(|it| it.outcome == Outcome::Stored).unwrap();
    assert!(receipts.iter().all(|it| it.message_id == winner.message_id), "the losers read the winner's");
    assert_eq!(desk.count(surface).await, 1);
}

async fn f03_a_mail_without_an_id_is_known_again(desk: Desk) {
    let text = mail("ann@example.com", "gone@x", "", "no id").replace("Message-ID: <gone@x>\n", "");
    let first = desk.mail(&text).await;
    let again = desk.mail(&text).await;
    let empty = desk.mail(text.replace("Subject:", "Message-ID: <>\nSubject:")).await;
    assert_eq!((first.outcome, again.outcome), (Outcome::Stored, Outcome::Duplicate));
    assert_eq!(again.message().id, first.message().id);
    assert_eq!(empty.message().id, first.message().id, "an empty id is none");
    let other = desk.mail(text.replace("no id", "other words")).await;
    assert_eq!(other.outcome, Outcome::Stored);
}

async fn f04_two_mails_under_one_id_are_both_kept(desk: Desk) {
    let first = desk.mail(mail("scan@example.com", "same@scanner", "", "page one")).await;
    let other =
        mail("scan@example.com", "same@scanner", "", "page two").replace("A question", "Another scan");
    let second = desk.mail(&other).await;
    assert_eq!((first.outcome, second.outcome), (Outcome::Stored, Outcome::Stored));
    assert!(second.has_flag("duplicateId") && !first.has_flag("duplicateId"));
    assert_eq!(desk.mail(&other).await.outcome, Outcome::Duplicate, "the second one is known again as well");
}

async fn f05_one_mail_to_two_surfaces_is_a_message_in_each(desk: Desk) {
    let other = desk.surface("{}").await;
    let text = mail("ann@example.com", "f05@x", "", "to both");
    let here = desk.mail(&text).await;
    let there = desk.mail_on(other, Place::default(), &text).await;
    assert_eq!((here.outcome, there.outcome), (Outcome::Stored, Outcome::Stored));
    assert_ne!(here.conversation(), there.conversation());
}

async fn f06_a_mail_that_a_client_appends_again_is_no_new_message(desk: Desk) {
    let text = mail("ann@example.com", "f06@x", "", "appended");
    let first = desk.mail(&text).await;
    // A client adds headers of its own when it copies.
    let again = desk.mail(format!("X-Mozilla-Status: 0001\n{text}")).await;
    assert_eq!(again.outcome, Outcome::Duplicate);
    assert_eq!(again.message().id, first.message().id);
}

async fn f07_a_deleted_conversation_is_not_made_again(desk: Desk) {
    let text = mail("ann@example.com", "f07@x", "", "to be deleted");
    let first = desk.mail(&text).await;
    let mut tx = desk.world.store.begin().await.unwrap();
    assert!(tx.delete_conversation(desk.world.tenant, first.conversation(), desk.world.now()).await.unwrap());
    tx.commit().await.unwrap();
    let again = desk.mail(&text).await;
    assert_eq!(again.outcome, Outcome::Duplicate);
    assert!(again.message.is_none());
    // After a UIDVALIDITY change headers alone say that it is known.
    let sink = desk.sink(desk.world.surface).await;
    let header = text.split("\n\n").next().unwrap().replace('\n', "\r\n");
    assert_eq!(sink.known(vec![header.into_bytes().into()]).await.unwrap(), [true]);
    assert_eq!(desk.count(desk.world.surface).await, 0);
    sink.store(window("INBOX", Vec::new(), 0)).await.unwrap();
}

async fn h03_our_own_mail_found_in_sent_is_outbound_whichever_copy_came_first(desk: Desk) {
    let ours = |id: &str| mail("desk@example.org", id, "", "our words").replace("To: desk@", "To: ann@");
    let in_sent = desk.mail_at(SENT, ours("h03.sent@x")).await;
    assert_eq!(in_sent.message().direction, Some(Direction::Outbound));
    let in_inbox = desk.mail(ours("h03.both@x")).await;
    let copy = desk.mail_at(SENT, ours("h03.both@x")).await;
    assert_eq!(copy.outcome, Outcome::OutboundMatched);
    assert_eq!(copy.message().id, in_inbox.message().id);
    assert_eq!(copy.message().direction, Some(Direction::Outbound), "settled by the copy in Sent");
}
