//! Made-up histories: shuffled arrival, any batch size and two ingesters at once give one partition.

use super::World;
use inlet::ingest::Receipt;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use std::collections::{BTreeMap, BTreeSet};

/// A mail's number and those it refers to.
type History = Vec<(usize, Vec<usize>)>;

fn text((number, references): &(usize, Vec<usize>), salt: usize) -> String {
    let ids: Vec<String> = references.iter().map(|n| format!("<{salt}.{n}@example.org>")).collect();
    format!(
        "From: person{number}@example.org\r\nTo: us@example.com\r\nMessage-ID: <{salt}.{number}@example.org>\r\n\
         References: {}\r\nSubject: {number}\r\nDate: Fri, 20 Nov 2026 09:{:02}:00 +0000\r\n\r\nbody {number}\r\n",
        ids.join(" "),
        number % 60,
    )
}

fn components(history: &History) -> BTreeSet<BTreeSet<usize>> {
    let mut label: BTreeMap<usize, usize> = BTreeMap::new();
    for (number, references) in history {
        for node in references.iter().chain([number]) {
            label.entry(*node).or_insert(*node);
        }
    }
    for _ in 0..label.len() {
        for (number, references) in history {
            let lowest = references.iter().chain([number]).map(|node| label[node]).min().unwrap();
            for node in references.iter().chain([number]) {
                label.insert(*node, lowest);
            }
        }
    }
    let mut groups: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for (number, _) in history {
        groups.entry(label[number]).or_default().insert(*number);
    }
    groups.into_values().collect()
}

fn history() -> impl Strategy<Value = (History, History, usize)> {
    let mails = prop::collection::vec(prop::collection::vec(0..60usize, 0..3), 20..60);
    let numbered = mails.prop_map(|lists| lists.into_iter().enumerate().collect::<History>());
    numbered.prop_flat_map(|mails| (Just(mails.clone()), Just(mails).prop_shuffle(), 1..25usize))
}

async fn feed(
    world: &World,
    history: &[(usize, Vec<usize>)],
    batch: usize,
    salt: usize,
) -> Vec<(usize, Receipt)> {
    let mut receipts = Vec::new();
    for part in history.chunks(batch) {
        let mails: Vec<String> = part.iter().map(|mail| text(mail, salt)).collect();
        let numbers = part.iter().map(|(number, _)| *number);
        receipts.extend(numbers.zip(world.take_mails(&mails).await));
    }
    receipts
}

async fn partition(world: &World, receipts: &[(usize, Receipt)]) -> BTreeSet<BTreeSet<usize>> {
    let plain: Vec<Receipt> = receipts.iter().map(|(_, receipt)| *receipt).collect();
    let mut groups: BTreeMap<u64, BTreeSet<usize>> = BTreeMap::new();
    for (label, (number, _)) in world.labels(&plain).await.into_iter().zip(receipts) {
        groups.entry(label).or_default().insert(*number);
    }
    groups.into_values().collect()
}

/// Several histories, each under ids of its own, in one store: shuffled, in batches, by two at once,
/// with half of the mails given to both.
async fn shuffles_agree(world: World, rounds: usize) {
    let mut runner = TestRunner::deterministic();
    for salt in 0..rounds {
        let (mails, shuffled, batch) = history().new_tree(&mut runner).unwrap().current();
        let (left, right) = shuffled.split_at(shuffled.len() / 3);
        let overlap: History = left.iter().chain(right).take(shuffled.len() / 2).cloned().collect();
        let right: History = overlap.iter().chain(right).cloned().collect();
        let (one, two) =
            tokio::join!(feed(&world, left, batch, salt), feed(&world, &right, batch / 2 + 1, salt));
        let receipts: Vec<_> = one.into_iter().chain(two).collect();
        assert_eq!(partition(&world, &receipts).await, components(&mails), "history {salt}, batch {batch}");
        let total: BTreeSet<_> = receipts.iter().map(|(_, receipt)| receipt.message_id).collect();
        assert_eq!(total.len(), mails.len(), "every mail is one message");
        let new = receipts.iter().filter(|(_, receipt)| !receipt.is_duplicate()).count();
        assert_eq!(new, mails.len(), "and was new once");
        counters_agree(&world, &receipts).await;
    }
}

/// What the conversations count is what lies in them.
async fn counters_agree(world: &World, receipts: &[(usize, Receipt)]) {
    let mut held: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (_, receipt) in receipts {
        let id = receipt.message_id.unwrap();
        let message = world.store.get_message(world.tenant, id).await.unwrap().unwrap();
        held.entry(message.conversation_id.to_string()).or_default().insert(id.to_string());
    }
    for (id, messages) in held {
        let id = inlet::ids::ConversationId::parse(&id).unwrap();
        let conversation = world.store.get_conversation(world.tenant, id).await.unwrap().unwrap();
        assert_eq!(conversation.message_count, i64::try_from(messages.len()).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn arrival_order_batch_size_and_two_ingesters_never_change_the_partition_on_sqlite() {
    Box::pin(shuffles_agree(World::sqlite().await, 40)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn arrival_order_batch_size_and_two_ingesters_never_change_the_partition_on_postgres() {
    let Some(world) = World::postgres().await else { return };
    Box::pin(shuffles_agree(world, 40)).await;
}
