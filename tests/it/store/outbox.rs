//! Events.

use super::world::World;
use inlet::ids::EventId;
use inlet::store::outbox::{Event, EventKind};

on_both_engines! {
    events_are_read_in_order_after_a_cursor,
    an_event_of_a_dropped_transaction_never_happened,
    a_reader_who_follows_many_writers_misses_nothing,
}

fn event(world: &World, kind: EventKind) -> Event {
    Event {
        id: world.ids.next(),
        kind,
        surface_id: world.surface,
        conversation_id: Some(world.ids.next()),
        message_id: None,
        merged_conversation_id: None,
        backfill: kind == EventKind::MessageCreated,
        created_at: world.now(),
    }
}

async fn events_are_read_in_order_after_a_cursor(world: World) {
    let events: Vec<_> = EventKind::ALL.iter().map(|kind| event(&world, *kind)).collect();
    for part in events.chunks(2) {
        let mut tx = world.store.begin().await.unwrap();
        tx.insert_events(world.tenant, part).await.unwrap();
        tx.commit().await.unwrap();
    }
    let list = async |cursor, limit| world.store.list_events(world.tenant, cursor, limit).await.unwrap();
    assert_eq!(list(None, 100).await, events);
    assert_eq!(list(None, 2).await, events[..2]);
    assert_eq!(list(Some(events[1].id), 2).await, events[2..4]);
    assert_eq!(list(Some(events[4].id), 2).await, []);
    assert_eq!(world.store.list_events(world.ids.next(), None, 10).await.unwrap(), []);
}

async fn an_event_of_a_dropped_transaction_never_happened(world: World) {
    let mut tx = world.store.begin().await.unwrap();
    tx.insert_events(world.tenant, &[event(&world, EventKind::SurfaceError)]).await.unwrap();
    drop(tx);
    assert_eq!(world.store.list_events(world.tenant, None, 10).await.unwrap(), []);
}

/// Ids are made long before the commit, so that the order of ids is not that of commits.
async fn a_reader_who_follows_many_writers_misses_nothing(world: World) {
    const WRITERS: usize = 6;
    const EACH: usize = 15;
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..WRITERS {
        let (store, tenant) = (world.store.clone(), world.tenant);
        let events: Vec<_> = (0..EACH).map(|_| event(&world, EventKind::MessageCreated)).collect();
        writers.spawn(async move {
            for event in events.into_iter().rev() {
                let mut tx = store.begin().await.unwrap();
                tx.insert_events(tenant, &[event]).await.unwrap();
                tx.commit().await.unwrap();
            }
        });
    }
    let mut seen: Vec<EventId> = Vec::new();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while seen.len() < WRITERS * EACH && std::time::Instant::now() < deadline {
        let next = world.store.list_events(world.tenant, seen.last().copied(), 7).await.unwrap();
        seen.extend(next.iter().map(|event| event.id));
    }
    writers.join_all().await;
    let all = world.store.list_events(world.tenant, None, 1000).await.unwrap();
    assert_eq!(all.len(), WRITERS * EACH);
    assert_eq!(seen, all.iter().map(|event| event.id).collect::<Vec<_>>());
}
