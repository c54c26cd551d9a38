//! What is special about an engine: opening, locking, failing.

use super::world::World;
use crate::servers::postgres::{Durability, Server};
use inlet::ids::{SurfaceId, TenantId};
use inlet::store::conversations::ConversationFilter;
use inlet::store::{Store, StoreError, StoreOptions};

on_both_engines! {
    a_schema_is_brought_up_to_date_by_many_processes_at_once,
    a_closed_store_is_unavailable,
    a_second_process_sees_what_the_first_has_committed,
    more_readers_than_connections_wait_for_their_turn,
}

async fn a_schema_is_brought_up_to_date_by_many_processes_at_once(world: World) {
    let mut starting = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let store = world.second_store(|_| {}).await;
        starting.spawn(async move { store.migrate().await });
    }
    assert!(starting.join_all().await.iter().all(Result::is_ok));
    world.store.ping().await.unwrap();
    assert!(world.store.get_surface(world.tenant, world.surface).await.unwrap().is_some());
}

async fn a_closed_store_is_unavailable(world: World) {
    world.store.close().await;
    assert!(world.store.ping().await.unwrap_err().is_outage());
    assert!(world.store.begin().await.unwrap_err().is_outage());
}

async fn a_second_process_sees_what_the_first_has_committed(world: World) {
    let other = world.second_store(|_| {}).await;
    let conversation = world.store_conversation(|_| {}).await;
    assert_eq!(other.get_conversation(world.tenant, conversation.id).await.unwrap(), Some(conversation));
}

async fn more_readers_than_connections_wait_for_their_turn(world: World) {
    world.store_conversation(|_| {}).await;
    let store = world.second_store(|options| options.max_connections = 2).await;
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (store, tenant) = (store.clone(), world.tenant);
        readers.spawn(async move {
            store.list_conversations(tenant, &ConversationFilter::default(), None, 10).await.unwrap().total
        });
    }
    assert!(readers.join_all().await.into_iter().all(|total| total == 1));
}

#[tokio::test]
async fn a_sqlite_file_is_made_with_its_directory_and_only_its_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b/inlet.db");
    let store = Store::open(&StoreOptions::new(format!("sqlite://{}", path.display()))).await.unwrap();
    store.migrate().await.unwrap();
    for name in ["inlet.db", "inlet.db-wal", "inlet.db-shm"] {
        let mode = std::fs::metadata(path.with_file_name(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_writer_of_another_process_on_sqlite_makes_us_busy_and_then_lets_us_in() {
    let world = World::on_sqlite().await;
    let other = world.second_store(|options| options.acquire_timeout_millis = 50).await;
    let mut tx = world.store.begin().await.unwrap();
    tx.lock_conversations(world.tenant, &[world.ids.next()]).await.unwrap();
    let mut waiting = other.begin().await.unwrap();
    let refused = waiting.lock_conversations(world.tenant, &[world.ids.next()]).await.unwrap_err();
    drop(waiting);
    assert!(matches!(refused, StoreError::Busy(_)) && refused.may_retry(), "{refused:?}");
    // Reading goes on meanwhile.
    assert!(other.get_surface(world.tenant, world.surface).await.unwrap().is_some());
    tx.commit().await.unwrap();
    let mut next = other.begin().await.unwrap();
    next.lock_conversations(world.tenant, &[world.ids.next()]).await.unwrap();
    next.commit().await.unwrap();
}

#[tokio::test]
async fn a_writer_that_waits_too_long_in_our_own_process_is_busy() {
    let world = World::on_sqlite().await;
    let store = world.second_store(|options| options.acquire_timeout_millis = 50).await;
    let tx = store.begin().await.unwrap();
    assert!(matches!(store.begin().await, Err(StoreError::Busy(_))));
    drop(tx);
    store.begin().await.unwrap().commit().await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notes.txt");
    std::fs::write(&path, "not a database, but long enough to look like one".repeat(100)).unwrap();
    let refused = Store::open(&StoreOptions::new(format!("sqlite://{}", path.display()))).await.unwrap_err();
    assert!(refused.is_outage() && refused.to_string().contains("notes.txt"), "{refused}");
    let missing = Store::open(&StoreOptions::new("sqlite:///proc/nowhere/x.db")).await.unwrap_err();
    assert!(missing.is_outage() && missing.to_string().contains("/proc/nowhere/x.db"), "{missing}");
    let unknown = Store::open(&StoreOptions::new("mysql://localhost/x")).await.unwrap_err();
    assert!(unknown.to_string().contains("sqlite://"), "{unknown}");
}

#[tokio::test]
async fn a_postgres_that_is_not_there_is_named_without_its_password() {
    let mut options = StoreOptions::new("postgres://inlet:hunter2@127.0.0.1:1/inlet");
    options.acquire_timeout_millis = 500;
    let refused = Store::open(&options).await.unwrap_err();
    assert!(refused.is_outage() && refused.to_string().contains("127.0.0.1:1"), "{refused}");
    assert!(!format!("{refused:?}").contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_postgres_is_an_outage_and_reading_goes_on() {
    let Some(world) = World::on_postgres().await else { return };
    let database = world.url.split(['/', '?']).nth(3).unwrap().to_owned();
    let server = Server::shared().unwrap();
    server.sql("postgres", &format!("ALTER DATABASE {database} SET default_transaction_read_only = on"));
    let store = world.second_store(|_| {}).await;
    let mut tx = store.begin().await.unwrap();
    tx.insert_conversations(world.tenant, &[world.new_conversation()]).await.unwrap();
    let refused = tx.flush().await.unwrap_err();
    assert!(refused.is_outage(), "{refused:?}");
    drop(tx);
    assert!(store.get_surface(world.tenant, world.surface).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_not_given_in_time_makes_us_busy() {
    let Some(world) = World::on_postgres().await else { return };
    let conversation = world.store_conversation(|_| {}).await;
    let store = world.second_store(|options| options.statement_timeout_millis = 300).await;
    let mut holder = world.store.begin().await.unwrap();
    holder.lock_conversation(world.tenant, conversation.id).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let refused = tx.lock_conversation(world.tenant, conversation.id).await.unwrap_err();
    assert!(refused.may_retry(), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_was_killed_and_came_back_is_used_again() {
    let Some(server) = tokio::task::spawn_blocking(|| Server::start(Durability::Full)).await.unwrap() else {
        return;
    };
    let url = server.fresh_database();
    let store = Store::open(&StoreOptions::new(&url)).await.unwrap();
    store.migrate().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let server = tokio::task::spawn_blocking(move || {
        let mut server = server;
        server.crash_and_restart();
        server
    });
    let server = server.await.unwrap();
    let (tenant, surface) = (TenantId(uuid::Uuid::nil()), SurfaceId(uuid::Uuid::nil()));
    let lost = tx.find_thread_keys(tenant, &[(surface, super::world::key("x"))]).await.unwrap_err();
    assert!(lost.is_outage(), "{lost:?}");
    drop(tx);
    store.ping().await.expect("a fresh connection");
    store.begin().await.unwrap().commit().await.unwrap();
    tokio::task::spawn_blocking(move || drop(server)).await.unwrap();
}
