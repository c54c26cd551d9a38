//! Several workers on one PostgreSQL: mailboxes are shared evenly, and a worker that is killed is replaced by the
//! others, with nothing lost and nothing doubled.

use super::{Fleet, mail, wait_for};
use crate::servers::worker::{Engine, Worker};
use std::collections::HashMap;
use std::time::Duration;

const MAILBOXES: usize = 48;
const HISTORY: u32 = 30;
/// Far above the lease of the tests.
const PATIENCE: Duration = Duration::from_secs(40);

/// Mailboxes by the worker that polls them, once every one is in IDLE.
async fn settled(fleet: &Fleet, ask: &Worker, workers: usize, least: usize) {
    let took = wait_for(PATIENCE, async || {
        let mut by_worker: HashMap<String, usize> = HashMap::new();
        for surface in &fleet.surfaces {
            let status = fleet.status(ask, surface).await;
            *by_worker.entry(status["worker"].to_string()).or_default() += 1;
        }
        let idling = fleet.crowd.idling();
        let is_even = by_worker.len() == workers && by_worker.values().all(|count| *count >= least);
        (is_even && idling == MAILBOXES).then_some(()).ok_or(format!("{by_worker:?}, {idling} in IDLE"))
    });
    println!("{workers} workers share the mailboxes after {:?}", took.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn i03_workers_share_mailboxes_and_take_over_from_one_that_is_killed() {
    let Some(mut fleet) = Fleet::new(Engine::Postgres, |_| HISTORY).await else { return };
    let mut first = fleet.worker("first");
    let names: Vec<String> = (0..MAILBOXES).map(|number| format!("box{number}")).collect();
    fleet.start(&first, &names).await;
    let mut number = 0;
    let mut deliver = |fleet: &Fleet| {
        for name in &names {
            number += 1;
            fleet.crowd.deliver(name, mail(number));
        }
        number
    };
    // One joins while the first is still reading history.
    let second = fleet.worker("second");
    deliver(&fleet);
    settled(&fleet, &second, 2, MAILBOXES / 5).await;
    deliver(&fleet);
    first.kill();
    let delivered = deliver(&fleet);
    settled(&fleet, &second, 1, MAILBOXES).await;
    let expected = u64::from(HISTORY) * MAILBOXES as u64 + u64::from(delivered);
    let stored = async || {
        let messages = fleet.totals(&second).await.1;
        (messages == expected).then_some(()).ok_or(format!("{messages} of {expected} messages"))
    };
    wait_for(PATIENCE, stored).await;
    // The killed one comes back, and a stop gives its mailboxes back at once.
    let third = fleet.worker("third");
    settled(&fleet, &second, 2, MAILBOXES / 5).await;
    let delivered = deliver(&fleet);
    let expected = u64::from(HISTORY) * MAILBOXES as u64 + u64::from(delivered);
    wait_for(PATIENCE, async || {
        let messages = fleet.totals(&third).await.1;
        (messages == expected).then_some(()).ok_or(format!("{messages} of {expected} messages"))
    })
    .await;
    for surface in &fleet.surfaces {
        let status = fleet.status(&third, surface).await;
        assert_eq!(status["lastUid"], HISTORY + delivered / u32::try_from(MAILBOXES).unwrap(), "{status}");
    }
}
