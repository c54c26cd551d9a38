//! What is forgotten, and what is not.

use super::world::World;
use inlet::ids::{ConversationId, TenantId};
use inlet::model::attachment::{Attachment, AttachmentState};
use inlet::model::imap::{Cursor, LedgerRow, Outcome};
use inlet::store::Store;
use inlet::store::blobs::BlobPlace;
use inlet::store::outbox::{Event, EventKind};
use jiff::ToSpan as _;
use std::time::Duration;

on_both_engines! {
    old_events_are_forgotten_in_batches_and_new_ones_stay,
    outcomes_of_another_uid_validity_are_forgotten_once_the_mailbox_is_calm,
    bytes_that_nothing_points_at_are_forgotten_after_a_while,
}

const DAY: Duration = Duration::from_hours(24);

async fn old_events_are_forgotten_in_batches_and_new_ones_stay(world: World) {
    let keep = async |count: usize| {
        let now = world.now();
        let mut tx = world.store.begin().await.unwrap();
        let event = |_| Event {
            id: world.ids.next(),
            kind: EventKind::SurfaceError,
            surface_id: world.surface,
            conversation_id: None,
            message_id: None,
            merged_conversation_id: None,
            backfill: false,
            created_at: now,
        };
        tx.insert_events(world.tenant, &(0..count).map(event).collect::<Vec<_>>()).await.unwrap();
        tx.commit().await.unwrap();
    };
    keep(25).await;
    let oldest = world.store.list_events(world.tenant, None, 1).await.unwrap()[0].id;
    world.clock.advance(DAY);
    keep(3).await;
    let (store, tenant, middle) = (&world.store, world.tenant, world.now() - 1.hour());
    let mut counts = Vec::new();
    for _ in 0..3 {
        counts.push(store.prune_events(tenant, middle, 20).await.unwrap());
    }
    assert_eq!(counts, [20, 5, 0]);
    assert_eq!(store.list_events(tenant, None, 100).await.unwrap().len(), 3);
    let after_the_forgotten = store.list_events(tenant, Some(oldest), 100).await.unwrap();
    assert_eq!(after_the_forgotten.len(), 3, "who was away for long goes on with what there is");
    assert!(store.list_events(tenant, Some(world.ids.next()), 100).await.unwrap().is_empty());
    assert_eq!(store.list_tenants().await.unwrap(), [tenant]);
}

async fn outcomes_of_another_uid_validity_are_forgotten_once_the_mailbox_is_calm(world: World) {
    let keep = async |mailbox: &str, uid_validity, resets_in_row| {
        let rows: Vec<LedgerRow> =
            (1..=30).map(|uid| LedgerRow { uid, outcome: Outcome::Skipped, message_id: None }).collect();
        let mut tx = world.store.begin().await.unwrap();
        tx.insert_ledger(world.tenant, world.surface, mailbox, uid_validity, &rows).await.unwrap();
        let cursor = Cursor {
            surface_id: world.surface,
            mailbox: mailbox.to_owned(),
            uid_validity,
            last_uid: 30,
            backfill_through_uid: 0,
            resets_in_row,
            rebased_through_uid: None,
            acted_through_uid: 0,
            updated_at: world.now(),
        };
        tx.save_cursor(world.tenant, &cursor).await.unwrap();
        tx.commit().await.unwrap();
    };
    keep("INBOX", 7, 0).await;
    keep("Work", 7, 0).await;
    keep("INBOX", 9, 1).await;
    let prune = async || world.store.prune_ledger(world.tenant, 20).await.unwrap();
    assert_eq!(prune().await, 0, "the new ones are not all found yet");
    keep("INBOX", 9, 0).await;
    assert_eq!((prune().await, prune().await, prune().await), (20, 10, 0));
    let count = async |mailbox, uid_validity| {
        let rows = world.store.list_ledger(world.tenant, world.surface, mailbox, uid_validity, 1, 99, 99);
        rows.await.unwrap().len()
    };
    assert_eq!((count("INBOX", 7).await, count("INBOX", 9).await, count("Work", 7).await), (0, 30, 30));
}

fn place(number: u8, pack_id: uuid::Uuid) -> BlobPlace {
    BlobPlace { sha256: [number; 32], pack_id, offset: 0, stored_bytes: 5, size_bytes: 5 }
}

/// A message with one attachment of these bytes.
async fn attach(world: &World, name: &str, number: u8) -> ConversationId {
    let conversation = world.store_conversation(|conversation| {
        conversation.id = world.ids.next();
        conversation.external_thread_id = Some(name.to_owned());
    });
    let conversation = conversation.await.id;
    let message = world.store_message(conversation, name).await;
    let attachment = Attachment {
        id: world.ids.next(),
        message_id: message,

        filename: Some("a.txt".to_owned()),
        content_type: "text/plain".to_owned(),
        size_bytes: 5,
        sha256: Some([number; 32]),
        content_id: None,
        inline: false,
        state: AttachmentState::Stored,
        source_url: None,
    };
    let mut tx = world.store.begin().await.unwrap();
    tx.insert_attachments(world.tenant, &[(message, vec![attachment])].into()).await.unwrap();
    tx.commit().await.unwrap();
    conversation
}

async fn mark(store: &Store, tenant: TenantId, now: jiff::Timestamp) {
    let mut after = None;
    loop {
        after = store.mark_unused_blobs(tenant, after, 2, now).await.unwrap();
        if after.is_none() {
            return;
        }
    }
}

async fn bytes_that_nothing_points_at_are_forgotten_after_a_while(world: World) {
    let (store, tenant) = (&world.store, world.tenant);
    let packs: [uuid::Uuid; 3] = [world.ids.next(), world.ids.next(), world.ids.next()];
    let mut tx = store.begin().await.unwrap();
    let places: Vec<BlobPlace> =
        (1..=5).map(|number| place(number, packs[usize::from(number % 2)])).collect();
    tx.insert_blobs(tenant, &places, world.now()).await.unwrap();
    tx.commit().await.unwrap();
    let mut threads = Vec::new();
    for number in 1..=5 {
        threads.push(attach(&world, &format!("thread {number}"), number).await);
    }
    let all: Vec<[u8; 32]> = (1..=5).map(|number| [number; 32]).collect();
    let lasting = async || store.find_lasting_blobs(tenant, &all).await.unwrap().len();
    mark(store, tenant, world.now()).await;
    assert_eq!(lasting().await, 5);
    // The second and the fourth lose their messages; the fourth's bytes come again.
    let second_of_the_first = attach(&world, "six", 1).await;
    for conversation in [second_of_the_first, threads[1], threads[3]] {
        let mut tx = store.begin().await.unwrap();
        assert!(tx.delete_conversation(tenant, conversation, world.now()).await.unwrap());
        tx.commit().await.unwrap();
    }
    mark(store, tenant, world.now()).await;
    assert_eq!(lasting().await, 3);
    assert_eq!(store.find_blobs(tenant, &all).await.unwrap().len(), 5, "and still readable");
    let mut tx = store.begin().await.unwrap();
    tx.insert_blobs(tenant, &[place(4, packs[2]), place(1, packs[2])], world.now()).await.unwrap();
    tx.commit().await.unwrap();
    attach(&world, "again", 4).await;
    let of = |number: u8, places: &[BlobPlace]| {
        places.iter().find(|it| it.sha256 == [number; 32]).map(|it| it.pack_id)
    };
    let places = store.find_lasting_blobs(tenant, &all).await.unwrap();
    assert_eq!(
        (of(4, &places), of(1, &places)),
        (Some(packs[2]), Some(packs[1])),
        "only what was unused moves"
    );
    assert_eq!(store.prune_unused_blobs(tenant, world.now() - 1.hour(), 9).await.unwrap(), 0, "too early");
    assert_eq!(store.prune_unused_blobs(tenant, world.now() + 1.hour(), 9).await.unwrap(), 1);
    let mut used = store.find_used_packs(&packs).await.unwrap();
    used.sort();
    let mut expected = vec![packs[1], packs[2]];
    expected.sort();
    assert_eq!(used, expected, "nothing is left in the first");
}
