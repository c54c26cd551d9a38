//! Reading with an eye on the clock. What is read is bounded in size and structure, so that reading ends soon; should it not,
//! because of a fault that nobody knows of, the item is given up and those behind it go on (D06).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

/// How long one item may take. The worst mails that are known take seconds at the largest size
/// (`d06_the_worst_large_mails_are_read_within_seconds`); the rest is for a machine that is busy with other things.
pub(super) const LIMIT: Duration = Duration::from_secs(60);
/// Looks at what was read within [`LIMIT`].
const LOOKS: u32 = 12;

/// How items are read, and what is made of one that takes too long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Readers<F, G> {
    pub read: F,
    pub give_up: G,
}

struct Progress<R> {
    results: Mutex<Vec<R>>,
    is_given_up: AtomicBool,
}

/// Reads all, in order, on the blocking pool. A thread cannot be ended from outside: the one that is given up is left
/// behind and ends when its item does, if ever. `None` when the process stops.
pub(super) async fn read_all<T, R, F, G>(
    items: Vec<T>,
    limit: Duration,
    readers: Readers<F, G>,
) -> Option<Vec<R>>
where
    T: Clone + Send + Sync + 'static,
    R: Send + 'static,
    F: Fn(T) -> R + Clone + Send + 'static,
    G: Fn(T) -> R,
{
    let items = Arc::new(items);
    let mut done: Vec<R> = Vec::with_capacity(items.len());
    loop {
        let read = read_from(Arc::clone(&items), done.len(), limit, readers.read.clone()).await?;
        done.extend(read);
        let Some(stuck) = items.get(done.len()) else { return Some(done) };
        tracing::error!(
            seconds = limit.as_secs(),
            "reading a message takes too long; it is kept with its headers alone"
        );
        metrics::counter!("inlet_reading_given_up_total").increment(1);
        done.push((readers.give_up)(stuck.clone()));
    }
}

/// Reads from `first` to the end, or up to the item that takes too long.
async fn read_from<T, R, F>(items: Arc<Vec<T>>, first: usize, limit: Duration, read: F) -> Option<Vec<R>>
where
    T: Clone + Send + Sync + 'static,
    R: Send + 'static,
    F: Fn(T) -> R + Send + 'static,
{
    let progress = Arc::new(Progress { results: Mutex::default(), is_given_up: AtomicBool::new(false) });
    let shown = Arc::clone(&progress);
    let mut reading = tokio::task::spawn_blocking(move || {
        for item in items.iter().skip(first) {
            let result = read(item.clone());
            if shown.is_given_up.load(Ordering::Acquire) {
                return;
            }
            shown.results.lock().unwrap_or_else(PoisonError::into_inner).push(result);
        }
    });
    let (mut count, mut still) = (0, 0);
    loop {
        match timeout(limit / LOOKS, &mut reading).await {
            Ok(Ok(())) => break,
            Ok(Err(_)) => return None,
            Err(_) => {
                // Under the lock, so that nothing comes in between a look and giving up.
                let results = progress.results.lock().unwrap_or_else(PoisonError::into_inner);
                still = if results.len() == count { still + 1 } else { 0 };
                count = results.len();
                if still >= LOOKS {
                    progress.is_given_up.store(true, Ordering::Release);
                    break;
                }
            }
        }
    }
    Some(std::mem::take(&mut *progress.results.lock().unwrap_or_else(PoisonError::into_inner)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn d06_a_mail_that_is_read_without_end_is_given_up_and_those_behind_it_are_read() {
        let (release, stuck) = mpsc::channel::<()>();
        let stuck = Arc::new(Mutex::new(stuck));
        let read = move |number: u32| {
            if number == 3 {
                // For ever, until the test is over.
                let _ = stuck.lock().unwrap().recv();
            }
            (number, "read")
        };
        let give_up = |number: u32| (number, "given up");
        let limit = Duration::from_millis(240);
        let results = read_all((1..=5).collect(), limit, Readers { read, give_up }).await.unwrap();
        assert_eq!(results, [(1, "read"), (2, "read"), (3, "given up"), (4, "read"), (5, "read")]);
        drop(release);
    }

    #[tokio::test]
    async fn many_that_take_a_while_are_no_one_that_takes_too_long() {
        let read = |number: u32| {
            std::thread::sleep(Duration::from_millis(10));
            number
        };
        let readers = Readers { read, give_up: |_| 0 };
        let results = read_all((1..=60).collect(), Duration::from_millis(300), readers).await.unwrap();
        assert!(results.into_iter().eq(1..=60), "600 ms in all, and never 300 for one");
    }
}
