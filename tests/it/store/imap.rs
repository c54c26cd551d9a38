//! Mailboxes, cursors and the outcome ledger.

use super::world::{World, json};
use inlet::ids::SurfaceId;
use inlet::model::imap::{Cursor, LedgerRow, Outcome};
use inlet::model::surface::SurfaceStatus;
use inlet::store::imap::{Lease, MailboxHealth, MailboxSettings};

on_both_engines! {
    settings_are_replaced,
    only_enabled_mailboxes_of_surfaces_that_take_messages_are_polled,
    health_is_empty_at_first_and_then_as_saved,
    a_cursor_never_moves_back_under_one_uidvalidity,
    another_uidvalidity_replaces_the_cursor_whole,
    cursors_of_mailboxes_with_long_names_are_kept_apart,
    the_ledger_keeps_the_last_outcome_of_each_uid,
}

fn settings(world: &World, surface_id: SurfaceId, enabled: bool) -> MailboxSettings {
    MailboxSettings {
        tenant_id: world.tenant,
        surface_id,
        settings: json(r#"{"imapHost": "mail.example.org"}"#),
        enabled,
        revision: 1,
        updated_at: world.now(),
    }
}

async fn settings_are_replaced(world: World) {
    assert_eq!(world.store.get_mailbox(world.tenant, world.surface).await.unwrap(), None);
    let mut mailbox = settings(&world, world.surface, true);
    for revision in 1..3 {
        mailbox.revision = revision;
        mailbox.enabled = revision == 1;
        mailbox.settings.insert("revision".to_owned(), revision.into());
        let mut tx = world.store.begin().await.unwrap();
        tx.save_mailbox(&mailbox).await.unwrap();
        tx.commit().await.unwrap();
        let read = world.store.get_mailbox(world.tenant, world.surface).await.unwrap();
        assert_eq!(read, Some(mailbox.clone()));
    }
}

async fn only_enabled_mailboxes_of_surfaces_that_take_messages_are_polled(world: World) {
    let mut expected = Vec::new();
    let mut tx = world.store.begin().await.unwrap();
    for status in SurfaceStatus::ALL {
        for enabled in [true, false] {
            let id: SurfaceId = world.ids.next();
            let mut surface = world.new_surface("s", id);
            surface.status = *status;
            tx.insert_surface(world.tenant, &surface).await.unwrap();
            tx.save_mailbox(&settings(&world, id, enabled)).await.unwrap();
            if enabled && status.takes_messages() {
                expected.push(id);
            }
        }
    }
    tx.commit().await.unwrap();
    let every: Vec<u16> = (0..inlet::limits::LEASE_BUCKETS).collect();
    let mut found: Vec<_> =
        world.store.list_enabled_mailboxes(&every).await.unwrap().into_iter().map(|m| m.surface_id).collect();
    found.sort();
    assert_eq!(found, expected);
    let bucket = Lease::bucket_of(expected[0]);
    let of_bucket = world.store.list_enabled_mailboxes(&[bucket]).await.unwrap();
    assert!(of_bucket.iter().any(|mailbox| mailbox.surface_id == expected[0]));
    assert!(of_bucket.iter().all(|mailbox| Lease::bucket_of(mailbox.surface_id) == bucket));
    assert_eq!(world.store.list_enabled_mailboxes(&[]).await.unwrap(), []);
    let revisions = world.store.list_enabled_revisions(&[bucket]).await.unwrap();
    let expected: Vec<_> = of_bucket.iter().map(|m| (m.tenant_id, m.surface_id, m.revision)).collect();
    assert_eq!(revisions, expected);
}

async fn health_is_empty_at_first_and_then_as_saved(world: World) {
    let empty = world.store.get_mailbox_health(world.tenant, world.surface).await.unwrap();
    assert_eq!(empty, MailboxHealth::default());
    let ill = MailboxHealth {
        last_poll_at: Some(world.now()),
        next_poll_at: Some(world.at_minute(5)),
        last_error: Some("no".to_owned()),
        error_class: Some("auth".to_owned()),
        consecutive_errors: 3,
        messages_processed: 5_000_000_000,
        connection: "backoff".to_owned(),
        backlog: 7,
        worker: Some("w".to_owned()),
        last_success_at: Some(world.at_minute(-5)),
        mailboxes: json(r#"{"INBOX": {"connection": "backoff"}}"#),
    };
    for health in [ill.clone(), MailboxHealth { last_error: None, worker: None, ..ill }] {
        world.store.save_mailbox_health(world.tenant, world.surface, &health).await.unwrap();
        let read = world.store.get_mailbox_health(world.tenant, world.surface).await.unwrap();
        assert_eq!(read, health);
    }
}

fn cursor(world: &World, uid_validity: u32, last_uid: u32) -> Cursor {
    Cursor {
        surface_id: world.surface,
        mailbox: "INBOX".to_owned(),
        uid_validity,
        last_uid,
        backfill_through_uid: last_uid / 2,
        resets_in_row: i64::from(last_uid % 3),
        rebased_through_uid: last_uid.is_multiple_of(2).then_some(last_uid / 2),
        acted_through_uid: 0,
        updated_at: world.now(),
    }
}

async fn save(world: &World, cursor: &Cursor) -> Vec<Cursor> {
    let mut tx = world.store.begin().await.unwrap();
    tx.save_cursor(world.tenant, cursor).await.unwrap();
    tx.commit().await.unwrap();
    world.store.list_cursors(world.tenant, world.surface).await.unwrap()
}

async fn a_cursor_never_moves_back_under_one_uidvalidity(world: World) {
    assert_eq!(save(&world, &cursor(&world, 7, 10)).await, [cursor(&world, 7, 10)]);
    assert_eq!(save(&world, &cursor(&world, 7, u32::MAX)).await, [cursor(&world, 7, u32::MAX)]);
    let back = cursor(&world, 7, 5);
    assert_eq!(save(&world, &back).await, [Cursor { last_uid: u32::MAX, ..back }]);
}

async fn another_uidvalidity_replaces_the_cursor_whole(world: World) {
    save(&world, &cursor(&world, 7, 1000)).await;
    assert_eq!(save(&world, &cursor(&world, 6, 3)).await, [cursor(&world, 6, 3)]);
    assert_eq!(save(&world, &cursor(&world, u32::MAX, 0)).await, [cursor(&world, u32::MAX, 0)]);
}

async fn cursors_of_mailboxes_with_long_names_are_kept_apart(world: World) {
    let named = |mailbox: String| Cursor { mailbox, ..cursor(&world, 1, 1) };
    save(&world, &named("ä".repeat(3_000))).await;
    save(&world, &named("ä".repeat(2_999))).await;
    let saved = save(&world, &named("inbox".to_owned())).await;
    assert_eq!(saved.len(), 3);
}

async fn the_ledger_keeps_the_last_outcome_of_each_uid(world: World) {
    let row = |uid, outcome| LedgerRow { uid, outcome, message_id: None };
    let message = LedgerRow { uid: u32::MAX, outcome: Outcome::Stored, message_id: Some(world.ids.next()) };
    let mut tx = world.store.begin().await.unwrap();
    let rows =
        [row(3, Outcome::Vanished), message.clone(), row(1, Outcome::Skipped), row(3, Outcome::Duplicate)];
    tx.insert_ledger(world.tenant, world.surface, "INBOX", 9, &rows).await.unwrap();
    tx.insert_ledger(world.tenant, world.surface, "INBOX", 9, &[row(1, Outcome::Oversized)]).await.unwrap();
    tx.insert_ledger(world.tenant, world.surface, "INBOX", 8, &[row(2, Outcome::Stored)]).await.unwrap();
    tx.insert_ledger(world.tenant, world.surface, "Sent", 9, &[row(2, Outcome::Stored)]).await.unwrap();
    tx.commit().await.unwrap();
    let list = async |first, last, limit| {
        world.store.list_ledger(world.tenant, world.surface, "INBOX", 9, first, last, limit).await.unwrap()
    };
    let (one, three) = (row(1, Outcome::Oversized), row(3, Outcome::Duplicate));
    assert_eq!(list(0, u32::MAX, 10).await, [one.clone(), three.clone(), message]);
    assert_eq!(list(1, 3, 10).await, [one.clone(), three.clone()]);
    assert_eq!(list(2, 3, 10).await, [three]);
    assert_eq!(list(0, 9, 1).await, [one]);
}
