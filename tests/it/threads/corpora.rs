//! Whole corpora: the partition equals what other engines agree on.

use super::World;
use super::truth::{Score, Truth, shared};
use crate::servers::dovecot::read_mbox;
use std::path::Path;

/// Mails in the order of the corpus.
fn mails(corpus: &Path) -> Vec<Vec<u8>> {
    let plain = corpus.join("mbox");
    read_mbox(&if plain.exists() { plain } else { corpus.join("mbox.gz") })
}

/// Reproducible disorder.
fn shuffled(count: usize, mut seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for at in (1..count).rev() {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        order.swap(at, usize::try_from(seed % (at as u64 + 1)).unwrap());
    }
    order
}

async fn score(world: &World, corpus: &Path, order: &[usize], batch: usize, mails: &[Vec<u8>]) -> Score {
    let mut receipts = vec![None; mails.len()];
    for part in order.chunks(batch) {
        let batch: Vec<&Vec<u8>> = part.iter().map(|at| &mails[*at]).collect();
        for (at, receipt) in part.iter().zip(world.take_mails(&batch).await) {
            receipts[*at] = Some(receipt);
        }
    }
    let receipts: Vec<_> = receipts.into_iter().map(Option::unwrap).collect();
    let labels = world.labels(&receipts).await;
    Truth::read(corpus, mails.len()).compare(&labels)
}

/// `reported` is how many pairs a bounce makes with the mail that it reports on: the engines read
/// only headers, we attach a bounce to what it reports.
async fn check(name: &str, worlds: Vec<World>, shuffle: bool, batch: usize, reported: u64) {
    let Some(corpus) = shared(&format!("threading/{name}")) else { return };
    let mails = mails(&corpus);
    let order = if shuffle { shuffled(mails.len(), 0x5eed) } else { (0..mails.len()).collect() };
    for world in worlds {
        let score = score(&world, &corpus, &order, batch, &mails).await;
        println!("{name} on {}: {score:?}", world.store.engine());
        assert!(score.recall() >= 0.999 && score.precision() >= 0.999, "{name}: {score:?}");
        assert_eq!(score.found, score.together, "{name} on {}: pairs lost", world.store.engine());
        assert_eq!(score.invented, reported, "{name} on {}: pairs invented", world.store.engine());
    }
}

async fn both() -> Vec<World> {
    std::iter::once(World::sqlite().await).chain(World::postgres().await).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn small_corpora_are_threaded_as_other_engines_agree() {
    let names = [
        "mailkit-jwz-references-at",
        "notmuch-default",
        "notmuch-duplicate",
        "notmuch-ghost-root",
        "notmuch-lkml",
        "notmuch-loop",
        "notmuch-parent-priority",
    ];
    for name in names {
        check(name, both().await, false, 100, 0).await;
        check(name, both().await, true, 7, 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mixed_lists_of_2002_are_threaded_as_other_engines_agree() {
    check("spamassassin-easyham", both().await, false, 500, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_in_disorder_is_threaded_as_other_engines_agree() {
    check("open-iscsi", both().await, true, 200, 0).await;
    check("util-linux", vec![World::sqlite().await], true, 300, 0).await;
}
