//! Conversations that become one.

use super::world::{World, key};
use inlet::ids::ConversationId;
use inlet::model::conversation::{Merge, Participant};
use inlet::store::StoreError;
use inlet::store::conversations::ConversationFilter;
use inlet::store::ingest::ThreadKey;
use inlet::store::messages::MessageOrder;

on_both_engines! {
    a_merge_moves_everything_and_the_old_id_keeps_answering,
    a_merge_of_a_merge_leads_to_the_last_survivor,
    a_chain_of_merges_in_one_batch_ends_at_its_last_survivor,
    a_merged_conversation_is_in_no_list_and_in_no_count,
    a_writer_who_waited_for_a_merge_sees_the_loser_as_merged,
    an_api_call_that_waited_for_a_merge_gets_the_survivor,
    deleting_by_a_merged_id_deletes_the_survivor_and_every_trace,
}

async fn merge(world: &World, pairs: &[(ConversationId, ConversationId)]) {
    let merges: Vec<_> =
        pairs.iter().map(|(survivor, loser)| Merge { survivor: *survivor, loser: *loser }).collect();
    let all: Vec<_> = pairs.iter().flat_map(|(survivor, loser)| [*survivor, *loser]).collect();
    let mut tx = world.store.begin().await.unwrap();
    tx.lock_conversations(world.tenant, &all).await.unwrap();
    tx.merge_conversations(world.tenant, &merges, world.now()).await.unwrap();
    tx.commit().await.unwrap();
}

fn person(external_id: &str) -> Participant {
    Participant { external_id: external_id.to_owned(), name: None, email: None }
}

async fn a_merge_moves_everything_and_the_old_id_keeps_answering(world: World) {
    let (survivor, loser) =
        (world.store_conversation(|_| {}).await.id, world.store_conversation(|_| {}).await.id);
    let (one, other) = (world.store_message(survivor, "1").await, world.store_message(loser, "2").await);
    let lead = ThreadKey { surface_id: world.surface, key: key("t"), conversation_id: loser };
    let people = [(survivor, person("ann")), (loser, person("ann")), (loser, person("bob"))];
    let mut tx = world.store.begin().await.unwrap();
    tx.insert_thread_keys(world.tenant, &[lead]).await.unwrap();
    tx.insert_participants(world.tenant, &people, world.now()).await.unwrap();
    tx.commit().await.unwrap();

    merge(&world, &[(survivor, loser)]).await;

    for id in [survivor, loser] {
        let read = world.store.get_conversation(world.tenant, id).await.unwrap().unwrap();
        assert_eq!((read.id, read.merged_from), (survivor, vec![loser]));
    }
    let order = MessageOrder::OldestFirst;
    let (messages, _) = world.store.list_messages(world.tenant, survivor, order, None, 10).await.unwrap();
    assert_eq!(messages.iter().map(|message| message.id).collect::<Vec<_>>(), [one, other]);
    assert!(messages.iter().all(|message| message.conversation_id == survivor));
    let found = world.store.find_identities(world.tenant, &[(world.surface, key("2"))]).await.unwrap();
    assert_eq!(found[0].conversation_id, Some(survivor));
    let listed = world.store.list_participants(world.tenant, survivor).await.unwrap();
    assert_eq!(listed, [person("ann"), person("bob")]);
    assert_eq!(world.store.list_participants(world.tenant, loser).await.unwrap(), []);
    let mut tx = world.store.begin().await.unwrap();
    let leads = tx.find_thread_keys(world.tenant, &[(world.surface, key("t"))]).await.unwrap();
    assert_eq!(leads[0].conversation_id, survivor);
    let states = tx.lock_conversations(world.tenant, &[loser]).await.unwrap();
    assert_eq!(states[0].merged_into, Some(survivor));
    assert_eq!(tx.lock_conversation(world.tenant, loser).await.unwrap().unwrap().id, survivor);
}

async fn a_merge_of_a_merge_leads_to_the_last_survivor(world: World) {
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(world.store_conversation(|_| {}).await.id);
    }
    merge(&world, &[(ids[1], ids[2])]).await;
    world.clock.advance(std::time::Duration::from_secs(1));
    merge(&world, &[(ids[0], ids[1])]).await;
    for id in &ids {
        let read = world.store.get_conversation(world.tenant, *id).await.unwrap().unwrap();
        assert_eq!(read.id, ids[0]);
        assert_eq!(read.merged_from, [ids[2], ids[1]], "oldest first");
    }
}

async fn a_chain_of_merges_in_one_batch_ends_at_its_last_survivor(world: World) {
    let mut ids = Vec::new();
    for number in 0..4 {
        ids.push(world.store_conversation(|_| {}).await.id);
        world.store_message(ids[number], &number.to_string()).await;
    }
    merge(&world, &[(ids[2], ids[3]), (ids[1], ids[2]), (ids[0], ids[1])]).await;
    let order = MessageOrder::NewestFirst;
    let (messages, _) = world.store.list_messages(world.tenant, ids[0], order, None, 10).await.unwrap();
    assert_eq!(messages.len(), 4);
    let read = world.store.get_conversation(world.tenant, ids[3]).await.unwrap().unwrap();
    assert_eq!((read.id, read.merged_from.len()), (ids[0], 3));
}

async fn a_merged_conversation_is_in_no_list_and_in_no_count(world: World) {
    let (survivor, loser) =
        (world.store_conversation(|_| {}).await.id, world.store_conversation(|_| {}).await.id);
    merge(&world, &[(survivor, loser)]).await;
    let page =
        world.store.list_conversations(world.tenant, &ConversationFilter::default(), None, 10).await.unwrap();
    assert_eq!((page.rows.len(), page.total), (1, 1));
    assert_eq!((page.rows[0].id, &page.rows[0].merged_from), (survivor, &vec![loser]));
    let by_search = ConversationFilter { search: Some("order".to_owned()), ..Default::default() };
    let page = world.store.list_conversations(world.tenant, &by_search, None, 10).await.unwrap();
    assert_eq!((page.rows.len(), page.total), (1, 1));
}

/// The second writer begins while the first holds the locks of both conversations.
async fn a_writer_who_waited_for_a_merge_sees_the_loser_as_merged(world: World) {
    let (survivor, loser) =
        (world.store_conversation(|_| {}).await.id, world.store_conversation(|_| {}).await.id);
    let lead = |name: &str, conversation_id| ThreadKey {
        surface_id: world.surface,
        key: key(name),
        conversation_id,
    };
    let mut first = world.store.begin().await.unwrap();
    first.lock_conversations(world.tenant, &[survivor, loser]).await.unwrap();
    let (store, tenant) = (world.store.clone(), world.tenant);
    let (waiting, started) = tokio::sync::oneshot::channel();
    let second = tokio::spawn(async move {
        waiting.send(()).unwrap();
        let mut tx = store.begin().await.unwrap();
        let states = tx.lock_conversations(tenant, &[loser]).await.unwrap();
        tx.commit().await.unwrap();
        states
    });
    started.await.unwrap();
    first.insert_thread_keys(world.tenant, &[lead("late", loser)]).await.unwrap();
    let merges = [Merge { survivor, loser }];
    first.merge_conversations(world.tenant, &merges, world.now()).await.unwrap();
    assert!(!second.is_finished());
    first.commit().await.unwrap();
    assert_eq!(second.await.unwrap()[0].merged_into, Some(survivor));
    let mut tx = world.store.begin().await.unwrap();
    let leads = tx.find_thread_keys(world.tenant, &[(world.surface, key("late"))]).await.unwrap();
    assert_eq!(leads[0].conversation_id, survivor);
    let again = match tx.insert_thread_keys(world.tenant, &[lead("late", survivor)]).await {
        Ok(()) => tx.flush().await,
        refused => refused,
    };
    assert!(matches!(again, Err(StoreError::Stale)));
}

async fn an_api_call_that_waited_for_a_merge_gets_the_survivor(world: World) {
    let (survivor, loser) =
        (world.store_conversation(|_| {}).await.id, world.store_conversation(|_| {}).await.id);
    let mut first = world.store.begin().await.unwrap();
    first.lock_conversations(world.tenant, &[survivor, loser]).await.unwrap();
    let merges = [Merge { survivor, loser }];
    first.merge_conversations(world.tenant, &merges, world.now()).await.unwrap();
    let (store, tenant) = (world.store.clone(), world.tenant);
    let second = tokio::spawn(async move {
        let mut tx = store.begin().await.unwrap();
        tx.lock_conversation(tenant, loser).await.unwrap()
    });
    // Lets the other one reach the lock; whether it has does not change the outcome.
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    first.commit().await.unwrap();
    assert_eq!(second.await.unwrap().map(|conversation| conversation.id), Some(survivor));
}

async fn deleting_by_a_merged_id_deletes_the_survivor_and_every_trace(world: World) {
    let (survivor, loser) =
        (world.store_conversation(|_| {}).await.id, world.store_conversation(|_| {}).await.id);
    world.store_message(loser, "m").await;
    merge(&world, &[(survivor, loser)]).await;
    let mut tx = world.store.begin().await.unwrap();
    assert!(tx.delete_conversation(world.tenant, loser, world.now()).await.unwrap());
    assert_eq!(tx.lock_conversations(world.tenant, &[survivor, loser]).await.unwrap(), []);
    tx.commit().await.unwrap();
    assert_eq!(world.store.get_conversation(world.tenant, loser).await.unwrap(), None);
    let found = world.store.find_identities(world.tenant, &[(world.surface, key("m"))]).await.unwrap();
    assert_eq!(found[0].message_id, None);
}
