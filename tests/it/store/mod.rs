//! The store's contract, every test on both engines: `sqlite::...` and `postgres::...`. Where there
//! is no PostgreSQL its half prints why and passes.

pub mod world;

/// Makes a test on each engine of each `async fn name(world: World)`.
macro_rules! on_both_engines {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::store::world::World::on_sqlite().await).await;
            }
        )+}
        mod postgres {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(world) = crate::store::world::World::on_postgres().await {
                    super::$name(world).await;
                }
            }
        )+}
    };
}

mod conversations;
mod engine;
mod imap;
mod ingest;
mod leases;
mod lists;
mod merges;
mod outbox;
mod people;
mod retention;
mod surfaces;
mod webhooks;
