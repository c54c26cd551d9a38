//! Leases and the fence.

use super::world::World;
use inlet::ids::WorkerId;
use inlet::limits::LEASE_BUCKETS;
use inlet::store::StoreError;
use inlet::store::imap::Lease;
use std::collections::HashSet;
use std::time::Duration;

const TERM: Duration = Duration::from_secs(40);

on_both_engines! {
    every_bucket_has_one_holder,
    a_worker_keeps_what_it_holds_and_takes_up_to_the_limit_more,
    a_released_bucket_gets_a_new_epoch_and_fences_the_old_holder,
    a_lost_lease_fences_and_an_unknown_one_too,
    nobody_takes_a_bucket_over_from_a_fenced_transaction_that_is_open,
    workers_that_live_are_counted_and_those_that_leave_are_not,
    some_buckets_are_given_back_and_the_others_kept,
}

async fn workers_that_live_are_counted_and_those_that_leave_are_not(world: World) {
    let (store, now) = (&world.store, world.now());
    let (first, second) = (world.ids.next::<WorkerId>(), world.ids.next::<WorkerId>());
    assert_eq!(store.announce_worker(first, TERM, now).await.unwrap(), 1);
    assert_eq!(store.announce_worker(first, TERM, now).await.unwrap(), 1);
    assert_eq!(store.announce_worker(second, TERM, now).await.unwrap(), 2);
    store.release_leases(first).await.unwrap();
    assert_eq!(store.announce_worker(second, TERM, now).await.unwrap(), 1);
    if store.engine() == "sqlite" {
        store.announce_worker(first, TERM, now).await.unwrap();
        world.clock.advance(TERM + Duration::from_secs(1));
        assert_eq!(
            store.announce_worker(second, TERM, world.now()).await.unwrap(),
            1,
            "the first is not heard of"
        );
        world.clock.advance(Duration::from_hours(2));
        assert_eq!(store.announce_worker(second, TERM, world.now()).await.unwrap(), 1);
    }
}

async fn some_buckets_are_given_back_and_the_others_kept(world: World) {
    let (ours, theirs) = (world.ids.next::<WorkerId>(), world.ids.next::<WorkerId>());
    let held = world.store.acquire_leases(ours, 10, TERM, world.now()).await.unwrap();
    let given: Vec<u16> = held[6..].iter().map(|lease| lease.bucket).collect();
    world.store.give_back_leases(theirs, &given).await.unwrap();
    assert_eq!(
        world.store.acquire_leases(ours, 0, TERM, world.now()).await.unwrap(),
        held,
        "not theirs to give"
    );
    world.store.give_back_leases(ours, &given).await.unwrap();
    assert_eq!(world.store.acquire_leases(ours, 0, TERM, world.now()).await.unwrap(), held[..6]);
    assert!(matches!(fence(&world, held[9]).await, Err(StoreError::Fenced)));
}

async fn every_bucket_has_one_holder(world: World) {
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let (store, worker, now) = (world.store.clone(), world.ids.next::<WorkerId>(), world.now());
        workers.spawn(async move {
            let mut held = store.acquire_leases(worker, 20, TERM, now).await.unwrap();
            held.retain(|lease| lease.worker == worker);
            held
        });
    }
    let held: Vec<_> = workers.join_all().await.into_iter().flatten().collect();
    let buckets: HashSet<_> = held.iter().map(|lease| lease.bucket).collect();
    assert_eq!(buckets.len(), held.len(), "no bucket is held twice");
    assert!(held.len() >= 60, "{} of 64 are held", held.len());
    assert!(buckets.iter().all(|bucket| *bucket < LEASE_BUCKETS));
}

async fn a_worker_keeps_what_it_holds_and_takes_up_to_the_limit_more(world: World) {
    let worker = world.ids.next();
    let first = world.store.acquire_leases(worker, 5, TERM, world.now()).await.unwrap();
    assert_eq!(first.len(), 5);
    let same = world.store.acquire_leases(worker, 0, TERM, world.now()).await.unwrap();
    assert_eq!(same, first);
    let more = world.store.acquire_leases(worker, 3, TERM, world.now()).await.unwrap();
    assert_eq!(more.len(), 8);
    assert_eq!(more[..5], first);
    let rest = world.store.acquire_leases(world.ids.next(), 1000, TERM, world.now()).await.unwrap();
    assert_eq!(rest.len(), usize::from(LEASE_BUCKETS) - 8);
    assert_eq!(world.store.acquire_leases(world.ids.next(), 1000, TERM, world.now()).await.unwrap(), []);
}

async fn fence(world: &World, lease: Lease) -> Result<(), StoreError> {
    let mut tx = world.store.begin().await?;
    tx.fence(lease).await?;
    tx.commit().await
}

async fn a_released_bucket_gets_a_new_epoch_and_fences_the_old_holder(world: World) {
    let worker = world.ids.next();
    let old = world.store.acquire_leases(worker, 1, TERM, world.now()).await.unwrap()[0];
    fence(&world, old).await.unwrap();
    world.store.release_leases(worker).await.unwrap();
    assert!(matches!(fence(&world, old).await, Err(StoreError::Fenced)));
    // The same worker again: the epoch is new all the same.
    let new = world.store.acquire_leases(worker, 1, TERM, world.now()).await.unwrap()[0];
    assert_eq!((new.bucket, new.epoch > old.epoch), (old.bucket, true));
    assert!(matches!(fence(&world, old).await, Err(StoreError::Fenced)));
    fence(&world, new).await.unwrap();
}

async fn a_lost_lease_fences_and_an_unknown_one_too(world: World) {
    let (worker, other) = (world.ids.next(), world.ids.next());
    let old = world.store.acquire_leases(worker, 1, TERM, world.now()).await.unwrap()[0];
    let unknown = Lease { bucket: old.bucket, worker: other, epoch: old.epoch };
    assert!(matches!(fence(&world, unknown).await, Err(StoreError::Fenced)));
    if world.store.engine() == "postgres" {
        // PostgreSQL's own clock counts, and it does not stand at our command.
        return;
    }
    world.clock.advance(TERM - Duration::from_secs(1));
    let before = world.store.acquire_leases(other, 100, TERM, world.now()).await.unwrap();
    assert!(before.iter().all(|lease| lease.bucket != old.bucket));
    world.clock.advance(Duration::from_secs(2));
    fence(&world, old).await.expect("expired, but nobody has taken it");
    let after = world.store.acquire_leases(other, 100, TERM, world.now()).await.unwrap();
    assert!(after.iter().any(|lease| lease.bucket == old.bucket));
    assert!(matches!(fence(&world, old).await, Err(StoreError::Fenced)));
}

async fn nobody_takes_a_bucket_over_from_a_fenced_transaction_that_is_open(world: World) {
    let worker = world.ids.next();
    let lease = world.store.acquire_leases(worker, 1, TERM, world.now()).await.unwrap()[0];
    let mut tx = world.store.begin().await.unwrap();
    tx.fence(lease).await.unwrap();
    let store = world.store.clone();
    let release = tokio::spawn(async move { store.release_leases(worker).await });
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    assert!(!release.is_finished());
    tx.commit().await.unwrap();
    release.await.unwrap().unwrap();
    assert!(matches!(fence(&world, lease).await, Err(StoreError::Fenced)));
}
