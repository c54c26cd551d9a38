//! The spool against restarts, torn writes, its bound, and removal while it is written to.

use super::*;
use std::io::Write as _;
use uuid::Uuid;

const MIB: u64 = 1024 * 1024;

fn entry(surface: u128, number: usize) -> Entry {
    Entry {
        tenant_id: TenantId(Uuid::from_u128(7)),
        surface_id: SurfaceId(Uuid::from_u128(surface)),
        head: format!("{{\"number\":{number}}}"),
        body: Bytes::from(format!("body {number}")),
    }
}

async fn heads(spool: &Spool) -> Vec<String> {
    spool.oldest(1_000_000, usize::MAX).await.unwrap().entries.into_iter().map(|it| it.head).collect()
}

fn numbered(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("{{\"number\":{number}}}")).collect()
}

fn files(root: &Path) -> usize {
    segment::numbers(&root.join("0")).unwrap().len()
}

#[tokio::test]
async fn what_was_appended_comes_back_in_order_after_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let spool = Spool::open(root.path(), MIB).unwrap();
    for number in 0..20 {
        spool.append(&entry(1 + (number % 2) as u128, number)).await.unwrap();
    }
    assert_eq!(spool.oldest(1, usize::MAX).await.unwrap().entries, [entry(1, 0)]);
    drop(spool);
    let spool = Spool::open(root.path(), MIB).unwrap();
    assert_eq!(heads(&spool).await, numbered(0..20));
    assert!(spool.holds(entry(1, 0).surface_id) && spool.holds(entry(2, 0).surface_id));
    assert!(!spool.holds(entry(3, 0).surface_id));
    assert_eq!(spool.figures().requests, 20);
    spool.arrival().await;
}

#[tokio::test]
async fn removed_requests_are_gone_and_an_empty_spool_takes_no_room() {
    let root = tempfile::tempdir().unwrap();
    let spool = Spool::open(root.path(), MIB).unwrap();
    for number in 0..10 {
        spool.append(&entry(1, number)).await.unwrap();
    }
    let first = spool.oldest(4, usize::MAX).await.unwrap();
    assert!(!first.is_last);
    spool.remove(&first);
    assert_eq!(heads(&spool).await, numbered(4..10));
    spool.append(&entry(2, 10)).await.unwrap();
    let rest = spool.oldest(100, usize::MAX).await.unwrap();
    assert!(rest.is_last);
    spool.remove(&rest);
    assert_eq!(spool.figures(), Figures { requests: 0, bytes: 0 });
    assert!(!spool.holds(entry(1, 0).surface_id));
    assert_eq!(files(root.path()), 0);
    // The file that was removed is not written to again.
    spool.append(&entry(1, 11)).await.unwrap();
    assert_eq!(heads(&spool).await, numbered(11..12));
    drop(spool);
    assert_eq!(heads(&Spool::open(root.path(), MIB).unwrap()).await, numbered(11..12));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_share_writes_and_none_is_lost_while_others_are_removed() {
    let root = tempfile::tempdir().unwrap();
    let spool = Spool::open(root.path(), 64 * MIB).unwrap();
    let appends = (0..500).map(|number| {
        let spool = spool.clone();
        tokio::spawn(async move { spool.append(&entry(1, number)).await.unwrap() })
    });
    let appends: Vec<_> = appends.collect();
    let mut seen = Vec::new();
    while seen.len() < 500 {
        let batch = spool.oldest(7, usize::MAX).await.unwrap();
        seen.extend(batch.entries.iter().map(|entry| entry.head.clone()));
        spool.remove(&batch);
        tokio::task::yield_now().await;
    }
    for append in appends {
        append.await.unwrap();
    }
    seen.sort();
    let mut all = numbered(0..500);
    all.sort();
    assert_eq!(seen, all);
    assert_eq!(spool.figures(), Figures { requests: 0, bytes: 0 });
}

#[tokio::test]
async fn a_full_spool_refuses_and_takes_again_after_a_removal() {
    let root = tempfile::tempdir().unwrap();
    let spool = Spool::open(root.path(), 400).unwrap();
    let mut kept = 0;
    while spool.append(&entry(1, kept)).await.is_ok() {
        kept += 1;
    }
    assert!((2..10).contains(&kept), "{kept}");
    assert!(matches!(spool.append(&entry(2, 0)).await, Err(SpoolError::Full)));
    assert!(!spool.holds(entry(2, 0).surface_id));
    assert_eq!(spool.figures().requests, kept as u64);
    spool.remove(&spool.oldest(100, usize::MAX).await.unwrap());
    spool.append(&entry(2, 0)).await.unwrap();
}

#[tokio::test]
async fn a_torn_write_is_left_out_and_damage_is_kept_beside() {
    let root = tempfile::tempdir().unwrap();
    let spool = Spool::open(root.path(), MIB).unwrap();
    for number in 0..3 {
        spool.append(&entry(1, number)).await.unwrap();
    }
    drop(spool);
    let path = segment::path(&root.path().join("0"), 0);
    let whole = std::fs::read(&path).unwrap();
    for cut in 1..whole.len() / 3 {
        std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        assert_eq!(heads(&Spool::open(root.path(), MIB).unwrap()).await, numbered(0..2), "cut by {cut}");
    }
    // An announced length that no memory has.
    let mut long = whole.clone();
    long.extend_from_slice(&[0xff; 40]);
    std::fs::write(&path, &long).unwrap();
    assert_eq!(heads(&Spool::open(root.path(), MIB).unwrap()).await, numbered(0..3));
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    std::fs::write(&path, &flipped).unwrap();
    assert_eq!(heads(&Spool::open(root.path(), MIB).unwrap()).await, numbered(0..1));
    assert_eq!(std::fs::read(path.with_extension("damaged")).unwrap(), flipped);
}

#[tokio::test]
async fn segments_follow_each_other_and_go_one_by_one() {
    let root = tempfile::tempdir().unwrap();
    let spool = Spool::open(root.path(), 256 * MIB).unwrap();
    let large = |number| Entry { body: Bytes::from(vec![b'x'; 3 << 20]), ..entry(1, number) };
    for number in 0..6 {
        spool.append(&large(number)).await.unwrap();
    }
    let before = files(root.path());
    assert!(before >= 3, "{before}");
    let some = spool.oldest(100, 7 << 20).await.unwrap();
    assert_eq!(some.entries.len(), 3);
    spool.remove(&some);
    assert!(files(root.path()) < before);
    assert_eq!(heads(&spool).await, numbered(3..6));
}

#[tokio::test]
async fn workers_on_one_directory_have_their_own_folders_and_inherit_from_the_dead() {
    let root = tempfile::tempdir().unwrap();
    let first = Spool::open(root.path(), MIB).unwrap();
    let second = Spool::open(root.path(), MIB).unwrap();
    first.append(&entry(1, 0)).await.unwrap();
    second.append(&entry(1, 1)).await.unwrap();
    assert_eq!(heads(&first).await, numbered(0..1));
    assert_eq!(heads(&second).await, numbered(1..2));
    drop((first, second));
    let next = Spool::open(root.path(), MIB).unwrap();
    assert_eq!(heads(&next).await, numbered(0..2));
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_at_once() {
    // Expectation 37.
    let root = tempfile::NamedTempFile::new().unwrap();
    root.as_file().write_all(b"a file").unwrap();
    assert!(matches!(Spool::open(&root.path().join("spool"), MIB), Err(SpoolError::Io { .. })));
}
