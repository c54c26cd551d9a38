//! Deliveries, dead letters and where blobs lie.

use super::world::World;
use bytes::Bytes;
use inlet::store::blobs::BlobPlace;
use inlet::store::deliveries::{DeadLetter, DeadLetterStatus, Delivery};

on_both_engines! {
    a_delivery_keeps_its_bytes,
    dead_letters_are_paged_newest_first_without_bodies,
    a_settled_dead_letter_counts_its_attempts,
    requests_go_when_their_time_is_over_and_open_letters_stay,
    a_delivery_and_its_letter_that_come_twice_are_kept_once,
    a_blob_stays_where_it_was_first_put,
}

async fn a_delivery_keeps_its_bytes(world: World) {
    let deliveries: Vec<_> = [Bytes::new(), (0..=255_u8).collect(), vec![0; 3_000_000].into()]
        .into_iter()
        .map(|body| Delivery {
            id: world.ids.next(),
            surface_id: world.surface,
            received_at: world.now(),
            headers: r#"{"content-type": "application/json"}"#.to_owned(),
            body,
        })
        .collect();
    let mut tx = world.store.begin().await.unwrap();
    tx.insert_deliveries(world.tenant, &deliveries).await.unwrap();
    tx.commit().await.unwrap();
    for delivery in deliveries {
        let read = world.store.get_delivery(world.tenant, delivery.surface_id, delivery.id).await.unwrap();
        assert!(read == Some(delivery.clone()));
        assert_eq!(
            world.store.get_delivery(world.ids.next(), delivery.surface_id, delivery.id).await.unwrap(),
            None
        );
    }
}

fn letter(world: &World, status: DeadLetterStatus) -> DeadLetter {
    DeadLetter {
        id: world.ids.next(),
        surface_id: world.surface,
        reason: "no sender".to_owned(),
        status,
        attempts: 1,
        origin: r#"{"delivery": 1}"#.to_owned(),
        body: Bytes::from_static(b"\0raw\xff"),
        created_at: world.now(),
    }
}

async fn dead_letters_are_paged_newest_first_without_bodies(world: World) {
    let letters: Vec<_> = (0..5)
        .map(|n| letter(&world, if n == 2 { DeadLetterStatus::Replayed } else { DeadLetterStatus::Open }))
        .collect();
    let mut tx = world.store.begin().await.unwrap();
    tx.insert_dead_letters(world.tenant, &letters).await.unwrap();
    tx.commit().await.unwrap();
    let list = async |status, cursor, limit| {
        world.store.list_dead_letters(world.tenant, world.surface, status, cursor, limit).await.unwrap()
    };
    let bare = |position: usize| DeadLetter { body: Bytes::new(), ..letters[position].clone() };
    let first = list(None, None, 2).await;
    assert_eq!(first.rows, [bare(4), bare(3)]);
    assert_eq!((first.total, first.offset, first.has_previous, first.has_next), (5, 0, false, true));
    let last = list(None, Some(letters[2].id), 2).await;
    assert_eq!(last.rows, [bare(1), bare(0)]);
    assert_eq!((last.total, last.offset, last.has_previous, last.has_next), (5, 3, true, false));
    let replayed = list(Some(DeadLetterStatus::Replayed), None, 2).await;
    assert_eq!((replayed.rows, replayed.total), (vec![bare(2)], 1));
    let whole = world.store.get_dead_letter(world.tenant, letters[0].id).await.unwrap();
    assert_eq!(whole, Some(letters[0].clone()));
}

async fn a_settled_dead_letter_counts_its_attempts(world: World) {
    let letter = letter(&world, DeadLetterStatus::Open);
    let mut tx = world.store.begin().await.unwrap();
    tx.insert_dead_letters(world.tenant, std::slice::from_ref(&letter)).await.unwrap();
    let settled = DeadLetterStatus::Replayed;
    tx.settle_dead_letter(world.ids.next(), letter.id, settled, "a stranger").await.unwrap();
    tx.settle_dead_letter(world.tenant, letter.id, settled, "done").await.unwrap();
    tx.commit().await.unwrap();
    let read = world.store.get_dead_letter(world.tenant, letter.id).await.unwrap().unwrap();
    assert_eq!((read.status, read.reason.as_str(), read.attempts), (settled, "done", 2));
}

async fn a_blob_stays_where_it_was_first_put(world: World) {
    let place = |byte: u8, offset| BlobPlace {
        sha256: [byte; 32],
        pack_id: uuid::Uuid::from_u128(1),
        offset,
        stored_bytes: 3,
        size_bytes: 9,
    };
    let mut tx = world.store.begin().await.unwrap();
    tx.insert_blobs(world.tenant, &[place(1, 0), place(2, 3), place(1, 6)], world.now()).await.unwrap();
    tx.insert_blobs(world.tenant, &[place(2, 99)], world.now()).await.unwrap();
    tx.commit().await.unwrap();
    let hashes = [[2; 32], [1; 32], [3; 32], [2; 32]];
    let mut found = world.store.find_blobs(world.tenant, &hashes).await.unwrap();
    found.sort_by_key(|place| place.sha256);
    assert_eq!(found, [place(1, 0), place(2, 3)]);
    assert_eq!(world.store.find_blobs(world.ids.next(), &hashes).await.unwrap(), []);
}

fn delivery(world: &World, body: &'static str) -> Delivery {
    Delivery {
        id: world.ids.next(),
        surface_id: world.surface,
        received_at: world.now(),
        headers: "{}".to_owned(),
        body: Bytes::from_static(body.as_bytes()),
    }
}

async fn requests_go_when_their_time_is_over_and_open_letters_stay(world: World) {
    // Expectation 88.
    let old: Vec<_> = (0..2_500).map(|_| delivery(&world, "old")).collect();
    let letters = [letter(&world, DeadLetterStatus::Open), letter(&world, DeadLetterStatus::Replayed)];
    world.clock.advance(std::time::Duration::from_hours(24));
    let border = world.now();
    let new = [delivery(&world, "new")];
    let mut tx = world.store.begin().await.unwrap();
    tx.insert_deliveries(world.tenant, &old).await.unwrap();
    tx.insert_deliveries(world.tenant, &new).await.unwrap();
    tx.insert_dead_letters(world.tenant, &letters).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.store.drop_requests_before(border).await.unwrap(), 2_501);
    assert_eq!(world.store.drop_requests_before(border).await.unwrap(), 0);
    assert_eq!(world.store.get_delivery(world.tenant, world.surface, old[0].id).await.unwrap(), None);
    assert!(world.store.get_delivery(world.tenant, world.surface, new[0].id).await.unwrap().is_some());
    assert!(world.store.get_dead_letter(world.tenant, letters[0].id).await.unwrap().is_some());
    assert_eq!(world.store.get_dead_letter(world.tenant, letters[1].id).await.unwrap(), None);
}

async fn a_delivery_and_its_letter_that_come_twice_are_kept_once(world: World) {
    let (delivery, letter) = (delivery(&world, "x"), letter(&world, DeadLetterStatus::Open));
    for _ in 0..2 {
        let mut tx = world.store.begin().await.unwrap();
        tx.insert_deliveries(world.tenant, std::slice::from_ref(&delivery)).await.unwrap();
        tx.insert_dead_letters(world.tenant, std::slice::from_ref(&letter)).await.unwrap();
        tx.commit().await.unwrap();
    }
    let page = world.store.list_dead_letters(world.tenant, world.surface, None, None, 10).await.unwrap();
    assert_eq!(page.rows.len(), 1);
    assert_eq!(
        world.store.get_delivery(world.tenant, world.surface, delivery.id).await.unwrap(),
        Some(delivery)
    );
}
