//! Surfaces.

use super::world::{World, json, key};
use inlet::ids::SurfaceId;
use inlet::model::imap::{Cursor, LedgerRow, Outcome};
use inlet::model::page::Walk;
use inlet::model::surface::{Surface, SurfaceStatus};
use inlet::store::conversations::ConversationFilter;
use inlet::store::deliveries::{DeadLetter, DeadLetterStatus, Delivery};
use inlet::store::imap::MailboxSettings;
use inlet::store::ingest::ThreadKey;
use inlet::store::surfaces::{SurfaceCursor, SurfaceFilter};

on_both_engines! {
    a_surface_is_found_by_id_with_its_tenant_and_by_name,
    an_update_replaces_every_column,
    surfaces_are_filtered_and_paged_both_ways,
    a_deleted_surface_takes_everything_with_it,
}

async fn a_surface_is_found_by_id_with_its_tenant_and_by_name(world: World) {
    let stored = world.new_surface("mail", world.surface);
    let store = &world.store;
    assert_eq!(store.get_surface(world.tenant, world.surface).await.unwrap(), Some(stored.clone()));
    assert_eq!(store.get_surface(world.ids.next(), world.surface).await.unwrap(), None);
    assert_eq!(store.find_surface(world.surface).await.unwrap(), Some((world.tenant, stored.clone())));
    assert_eq!(store.find_surface(world.ids.next()).await.unwrap(), None);
    let mut tx = store.begin().await.unwrap();
    let mut younger = world.new_surface("mail", world.ids.next());
    younger.created_at = world.at_minute(1);
    tx.insert_surface(world.tenant, &younger).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.find_surface_by_name(world.tenant, "mail").await.unwrap(), Some(stored));
    assert_eq!(store.find_surface_by_name(world.tenant, "Mail").await.unwrap(), None);
}

async fn an_update_replaces_every_column(world: World) {
    let mut tx = world.store.begin().await.unwrap();
    let mut surface = tx.lock_surface(world.tenant, world.surface).await.unwrap().unwrap();
    surface.name = "neu ☃".to_owned();
    surface.kind = "webhook".to_owned();
    surface.status = SurfaceStatus::Archived;
    surface.environment = "staging".to_owned();
    surface.workspace_id = Some("w".to_owned());
    surface.config = json("{}");
    surface.inbound = json(r#"{"provider": "slack"}"#);
    surface.outbound = json(r#"{"x": 1}"#);
    surface.updated_at = world.at_minute(3);
    tx.update_surface(world.tenant, &surface).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.store.get_surface(world.tenant, world.surface).await.unwrap(), Some(surface));
}

async fn surfaces_are_filtered_and_paged_both_ways(world: World) {
    let mut all: Vec<Surface> = vec![world.new_surface("mail", world.surface)];
    let mut tx = world.store.begin().await.unwrap();
    for number in 0..6 {
        let mut surface = world.new_surface("more", world.ids.next());
        surface.created_at = world.at_minute(number / 2);
        surface.kind = if number % 2 == 0 { "chat" } else { "email" }.to_owned();
        surface.workspace_id = (number == 3).then(|| "team".to_owned());
        surface.status = if number == 5 { SurfaceStatus::Paused } else { SurfaceStatus::Active };
        tx.insert_surface(world.tenant, &surface).await.unwrap();
        all.push(surface);
    }
    tx.commit().await.unwrap();
    all.sort_by_key(|surface| std::cmp::Reverse((surface.created_at, surface.id)));
    let list = async |filter: &SurfaceFilter, cursor, limit| {
        world.store.list_surfaces(world.tenant, filter, cursor, limit).await.unwrap()
    };
    let by = SurfaceFilter::default();
    let place =
        |surface: &Surface, walk| SurfaceCursor { walk, created_at: surface.created_at, id: surface.id };
    let first = list(&by, None, 3).await;
    assert_eq!((first.rows.as_slice(), first.total, first.offset), (&all[..3], 7, 0));
    assert_eq!((first.has_previous, first.has_next), (false, true));
    let second = list(&by, Some(place(&all[2], Walk::Forward)), 3).await;
    assert_eq!((second.rows.as_slice(), second.offset), (&all[3..6], 3));
    let third = list(&by, Some(place(&all[5], Walk::Forward)), 3).await;
    assert_eq!((third.rows.as_slice(), third.has_previous, third.has_next), (&all[6..], true, false));
    let back = list(&by, Some(place(&all[6], Walk::Backward)), 3).await;
    assert_eq!((back.rows.as_slice(), back.offset), (&all[3..6], 3));
    assert_eq!((back.has_previous, back.has_next), (true, true));

    let chats = list(&SurfaceFilter { kind: Some("chat".to_owned()), ..Default::default() }, None, 100).await;
    assert_eq!((chats.total, chats.rows.len()), (3, 3));
    let team = SurfaceFilter { workspace_id: Some("team".to_owned()), ..Default::default() };
    assert_eq!(list(&team, None, 100).await.total, 1);
    let paused = SurfaceFilter { status: Some(SurfaceStatus::Paused), ..Default::default() };
    assert_eq!(list(&paused, None, 100).await.total, 1);
    let nowhere = SurfaceFilter { environment: Some("staging".to_owned()), ..Default::default() };
    assert_eq!(list(&nowhere, None, 100).await.total, 0);
}

/// Puts one of everything on a surface.
async fn fill(world: &World, surface: SurfaceId) -> inlet::ids::DeliveryId {
    let mut conversation = world.new_conversation();
    conversation.surface_id = surface;
    let new = world.new_message(conversation.id);
    let mut identity = world.identity("a", new.message.id);
    identity.surface_id = surface;
    let lead = ThreadKey { surface_id: surface, key: key("a"), conversation_id: conversation.id };
    let delivery = Delivery {
        id: world.ids.next(),
        surface_id: surface,
        received_at: world.now(),
        headers: "{}".to_owned(),
        body: vec![0, 255].into(),
    };
    let letter = DeadLetter {
        id: world.ids.next(),
        surface_id: surface,
        reason: "why".to_owned(),
        status: DeadLetterStatus::Open,
        attempts: 0,
        origin: "{}".to_owned(),
        body: vec![1].into(),
        created_at: world.now(),
    };
    let mailbox = MailboxSettings {
        tenant_id: world.tenant,
        surface_id: surface,
        settings: json("{}"),
        enabled: true,
        revision: 1,
        updated_at: world.now(),
    };
    let cursor = Cursor {
        surface_id: surface,
        mailbox: "INBOX".to_owned(),
        uid_validity: 1,
        last_uid: 1,
        backfill_through_uid: 0,
        resets_in_row: 0,
        rebased_through_uid: None,
        acted_through_uid: 0,
        updated_at: world.now(),
    };
    let row = LedgerRow { uid: 1, outcome: Outcome::Stored, message_id: None };
    let mut tx = world.store.begin().await.unwrap();
    tx.insert_conversations(world.tenant, &[conversation]).await.unwrap();
    tx.insert_identities(world.tenant, &[identity]).await.unwrap();
    tx.insert_thread_keys(world.tenant, &[lead]).await.unwrap();
    tx.insert_messages(world.tenant, &[new]).await.unwrap();
    tx.insert_deliveries(world.tenant, std::slice::from_ref(&delivery)).await.unwrap();
    tx.insert_dead_letters(world.tenant, &[letter]).await.unwrap();
    tx.save_mailbox(&mailbox).await.unwrap();
    tx.save_cursor(world.tenant, &cursor).await.unwrap();
    tx.insert_ledger(world.tenant, surface, "INBOX", 1, &[row]).await.unwrap();
    tx.commit().await.unwrap();
    delivery.id
}

async fn a_deleted_surface_takes_everything_with_it(world: World) {
    let other = world.ids.next();
    let mut tx = world.store.begin().await.unwrap();
    tx.insert_surface(world.tenant, &world.new_surface("other", other)).await.unwrap();
    tx.commit().await.unwrap();
    let (gone, kept) = (fill(&world, world.surface).await, fill(&world, other).await);

    let mut tx = world.store.begin().await.unwrap();
    assert!(tx.delete_surface(world.tenant, world.surface).await.unwrap());
    tx.commit().await.unwrap();

    for (surface, delivery, left) in [(world.surface, gone, 0), (other, kept, 1)] {
        let (store, tenant) = (&world.store, world.tenant);
        let filter = ConversationFilter { surface_id: Some(surface), ..Default::default() };
        let page = store.list_conversations(tenant, &filter, None, 10).await.unwrap();
        assert_eq!((page.rows.len(), page.total), (left, left as i64));
        assert_eq!(store.find_identities(tenant, &[(surface, key("a"))]).await.unwrap().len(), left);
        let letters = store.list_dead_letters(tenant, surface, None, None, 10).await.unwrap();
        assert_eq!(letters.rows.len(), left);
        assert_eq!(store.get_delivery(tenant, surface, delivery).await.unwrap().is_some(), left == 1);
        assert_eq!(store.get_mailbox(tenant, surface).await.unwrap().is_some(), left == 1);
        assert_eq!(store.list_cursors(tenant, surface).await.unwrap().len(), left);
        assert_eq!(store.list_ledger(tenant, surface, "INBOX", 1, 0, 9, 9).await.unwrap().len(), left);
        assert_eq!(store.get_surface(tenant, surface).await.unwrap().is_some(), left == 1);
        let mut tx = store.begin().await.unwrap();
        assert_eq!(tx.find_thread_keys(tenant, &[(surface, key("a"))]).await.unwrap().len(), left);
    }
}
