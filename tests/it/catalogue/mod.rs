//! The catalogue of mailbox misfortunes: every case has a test that bears its number, or a line in docs/faults.md that says
//! why not. What needs only the reader of mailboxes is tested beside it, in src/imap and src/supervisor; here is what needs
//! the store, on both engines, and what needs the whole daemon before a server that misbehaves.

/// Makes a test on each engine of each `async fn name(desk: Desk)`.
macro_rules! on_both_desks {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let world = crate::store::world::World::on_sqlite().await;
                super::$name(crate::catalogue::desk::Desk::of(world)).await;
            }
        )+}
        mod postgres {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(world) = crate::store::world::World::on_postgres().await {
                    super::$name(crate::catalogue::desk::Desk::of(world)).await;
                }
            }
        )+}
    };
}

mod automatic;
mod commands;
mod content;
mod crowded;
mod daemon;
mod deaths;
mod desk;
mod duplicates;
mod evidence;
mod listing;
mod office;
mod operation;
mod outages;
mod threads;
mod tokens;
