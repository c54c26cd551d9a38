//! Cutting a listing into batches that are fetched and stored at once. Pure.

use super::MailSize;
use crate::model::imap::Outcome;
use std::collections::VecDeque;

/// What one batch may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Mails and settled UIDs.
    pub messages: usize,
    /// Announced bytes; one mail alone may be larger.
    pub bytes: u64,
    /// A mail above this is not downloaded.
    pub max_message_bytes: u64,
}

/// What is fetched and stored at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Batch {
    /// Bodies to fetch, ascending.
    pub bodies: Vec<u32>,
    /// Only the header is fetched: UID and size, ascending.
    pub oversized: Vec<(u32, u64)>,
    /// Needs nothing.
    pub settled: Vec<(u32, Outcome)>,
    /// Memory to reserve for it.
    pub bytes: u64,
    /// Every listed UID up to here is in this batch or an earlier one.
    pub through_uid: u32,
}

impl Batch {
    fn len(&self) -> usize {
        self.bodies.len() + self.oversized.len() + self.settled.len()
    }

    /// The first UID that has to be fetched.
    pub fn first_fetched(&self) -> Option<u32> {
        let body = self.bodies.first().copied();
        let header = self.oversized.first().map(|(uid, _)| *uid);
        body.into_iter().chain(header).min()
    }
}

/// One listed UID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    /// To be fetched.
    Fetch(u32, MailSize),
    /// Known to need nothing.
    Settled(u32, Outcome),
}

/// How much memory a header block may take, for an oversized mail.
const HEADER_BYTES: u64 = 64 * 1024;

/// Takes the next batch off the front of `items`, which ascend; the last one reaches `through_uid`.
pub(super) fn next_batch(items: &mut VecDeque<Item>, bounds: Bounds, through_uid: u32) -> Option<Batch> {
    let mut batch = Batch::default();
    items.front()?;
    while let Some(item) = items.front().copied() {
        let cost = match item {
            Item::Settled(..) => 0,
            Item::Fetch(_, MailSize::Bytes(size)) if size > bounds.max_message_bytes => HEADER_BYTES,
            Item::Fetch(_, MailSize::Bytes(size)) => size,
            Item::Fetch(_, MailSize::Unknown) => bounds.max_message_bytes,
        };
        let is_full =
            batch.len() >= bounds.messages.max(1) || batch.bytes.saturating_add(cost) > bounds.bytes;
        if is_full && batch.len() > 0 {
            break;
        }
        items.pop_front();
        batch.bytes = batch.bytes.saturating_add(cost);
        batch.through_uid = match item {
            Item::Settled(uid, outcome) => {
                batch.settled.push((uid, outcome));
                uid
            }
            Item::Fetch(uid, MailSize::Bytes(size)) if size > bounds.max_message_bytes => {
                batch.oversized.push((uid, size));
                uid
            }
            Item::Fetch(uid, _) => {
                batch.bodies.push(uid);
                uid
            }
        };
    }
    if items.is_empty() {
        batch.through_uid = through_uid.max(batch.through_uid);
    }
    Some(batch)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { messages: 3, bytes: 100, max_message_bytes: 500 };

    fn cut(items: &[Item]) -> Vec<Batch> {
        let mut queue: VecDeque<Item> = items.iter().copied().collect();
        std::iter::from_fn(|| next_batch(&mut queue, BOUNDS, 99)).collect()
    }

    fn mail(uid: u32, bytes: u64) -> Item {
        Item::Fetch(uid, MailSize::Bytes(bytes))
    }

    #[test]
    fn batches_are_bounded_by_count_and_by_bytes() {
        let batches = cut(&[mail(1, 10), mail(2, 10), mail(3, 10), mail(4, 60), mail(5, 60), mail(6, 300)]);
        let bodies: Vec<_> = batches.iter().map(|batch| batch.bodies.clone()).collect();
        assert_eq!(bodies, [vec![1, 2, 3], vec![4], vec![5], vec![6]]);
        let reached: Vec<_> = batches.iter().map(|batch| batch.through_uid).collect();
        assert_eq!(reached, [3, 4, 5, 99], "the last batch reaches the end of the listing");
    }

    #[test]
    fn d02_an_oversized_mail_costs_a_header() {
        let batches = cut(&[mail(1, 501), mail(2, 500)]);
        assert_eq!(batches[0].oversized, [(1, 501)]);
        assert_eq!(batches[0].first_fetched(), Some(1));
        assert_eq!(batches[1].bodies, [2]);
    }

    #[test]
    fn d03_a_mail_of_unknown_size_stands_alone_and_reserves_the_most_it_may_have() {
        let batches = cut(&[mail(1, 10), Item::Fetch(2, MailSize::Unknown), mail(3, 10)]);
        assert_eq!(batches.len(), 3);
        assert_eq!(batches[1].bytes, 500);
    }

    proptest::proptest! {
        #[test]
        fn every_item_lands_in_exactly_one_batch_in_order(sizes in proptest::collection::vec(0_u64..700, 0..60)) {
            let items: Vec<Item> = (1..).zip(&sizes).map(|(uid, size)| match size % 7 {
                0 => Item::Settled(uid, Outcome::Skipped),
                1 => Item::Fetch(uid, MailSize::Unknown),
                _ => mail(uid, *size),
            }).collect();
            let mut taken = Vec::new();
            for batch in cut(&items) {
                let mut uids: Vec<u32> = batch.bodies.iter().copied().chain(batch.oversized.iter().map(|(uid, _)| *uid))
                    .chain(batch.settled.iter().map(|(uid, _)| *uid)).collect();
                uids.sort_unstable();
                proptest::prop_assert!(!uids.is_empty() && uids.len() <= BOUNDS.messages);
                proptest::prop_assert!(batch.bytes <= BOUNDS.bytes || uids.len() == 1);
                proptest::prop_assert!(batch.through_uid >= *uids.last().unwrap());
                taken.extend(uids);
            }
            proptest::prop_assert!(taken.iter().copied().eq(1..=u32::try_from(sizes.len()).unwrap()));
        }
    }
}
