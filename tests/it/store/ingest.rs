//! What a batch of the pipeline reads and writes.

use super::world::{World, json, key};
use inlet::ids::MessageId;
use inlet::model::attachment::{Attachment, AttachmentState};
use inlet::model::conversation::{ConversationStatus, Participant};
use inlet::model::message::Direction;
use inlet::store::StoreError;
use inlet::store::ingest::{ConversationChange, Identity, SourceRef, ThreadKey};
use inlet::store::taken_back::TakenBack;
use std::collections::{HashMap, HashSet};

on_both_engines! {
    a_message_is_read_as_it_was_stored,
    an_identity_is_found_with_its_message,
    an_identity_inserted_twice_is_stale,
    a_commit_that_is_stale_stores_nothing_and_frees_the_writer,
    of_many_writers_of_one_identity_exactly_one_wins,
    writers_of_the_same_keys_in_opposite_order_do_not_deadlock,
    what_is_taken_back_first_waits_for_its_message_and_not_for_ever,
    a_key_that_stands_twice_in_a_batch_blames_the_batch,
    thread_keys_lead_to_conversations_and_can_be_pointed_elsewhere,
    a_thread_key_inserted_twice_is_stale,
    locked_conversations_show_their_state,
    a_change_sets_counters_and_never_unsets_the_successor,
    participants_are_known_by_long_ids_too,
    attachments_keep_their_order,
    a_source_is_found_again,
    a_batch_of_every_size_is_stored_whole,
    empty_batches_do_nothing,
    a_dropped_transaction_leaves_nothing,
    a_cancelled_transaction_leaves_nothing_and_frees_the_writer,
    nul_characters_blame_the_data,
    text_keeps_every_character,
}

async fn a_message_is_read_as_it_was_stored(world: World) {
    let conversation = world.store_conversation(|_| {}).await;
    let mut new = world.new_message(conversation.id);
    new.message.flow_step_result_id = Some("step-1".to_owned());
    let mut bare = world.new_message(conversation.id);
    bare.message.external_message_id = None;
    bare.message.direction = None;
    bare.message.content_html = None;
    bare.message.in_reply_to = None;
    bare.message.metadata = json("{}");
    let mut tx = world.store.begin().await.unwrap();
    tx.insert_messages(world.tenant, &[new.clone(), bare.clone()]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.store.get_message(world.tenant, new.message.id).await.unwrap(), Some(new.message));
    assert_eq!(
        world.store.get_message(world.tenant, bare.message.id).await.unwrap(),
        Some(bare.message.clone())
    );
    assert_eq!(world.store.get_message(world.ids.next(), bare.message.id).await.unwrap(), None);
}

async fn an_identity_is_found_with_its_message(world: World) {
    let conversation = world.store_conversation(|_| {}).await;
    let message = world.store_message(conversation.id, "a").await;
    let wanted = [(world.surface, key("a")), (world.surface, key("b")), (world.ids.next(), key("a"))];
    let found = world.store.find_identities(world.tenant, &wanted).await.unwrap();
    let expected = Identity { conversation_id: Some(conversation.id), ..world.identity("a", message) };
    assert_eq!(found, std::slice::from_ref(&expected));
    let mut tx = world.store.begin().await.unwrap();
    assert_eq!(tx.find_identities(world.tenant, &wanted).await.unwrap(), [expected]);
    let stored = world.store.find_message(world.tenant, world.surface, key("a")).await.unwrap();
    assert_eq!(stored.map(|stored| stored.id), Some(message));
    assert_eq!(world.store.find_message(world.tenant, world.surface, key("b")).await.unwrap(), None);
}

async fn an_identity_inserted_twice_is_stale(world: World) {
    let conversation = world.store_conversation(|_| {}).await;
    world.store_message(conversation.id, "a").await;
    let mut tx = world.store.begin().await.unwrap();
    let again = [world.identity("new", world.ids.next()), world.identity("a", world.ids.next())];
    let refused = match tx.insert_identities(world.tenant, &again).await {
        Ok(()) => tx.flush().await,
        refused => refused,
    };
    assert!(matches!(refused, Err(StoreError::Stale)), "{refused:?}");
    drop(tx);
    let found = world.store.find_identities(world.tenant, &[(world.surface, key("new"))]).await.unwrap();
    assert_eq!(found, []);
}

async fn a_commit_that_is_stale_stores_nothing_and_frees_the_writer(world: World) {
    let conversation = world.store_conversation(|_| {}).await;
    world.store_message(conversation.id, "a").await;
    let refused = world.new_message(conversation.id);
    let mut tx = world.store.begin().await.unwrap();
    tx.insert_messages(world.tenant, std::slice::from_ref(&refused)).await.unwrap();
    // What goes with the commit is told from it by the check between them.
    tx.insert_identities(world.tenant, &[world.identity("a", world.ids.next())]).await.unwrap();
    let stale = tx.commit().await;
    assert!(matches!(stale, Err(StoreError::Stale)), "{stale:?}");
    assert_eq!(world.store.get_message(world.tenant, refused.message.id).await.unwrap(), None);
    let next = world.new_message(conversation.id);
    let mut tx = world.store.begin().await.unwrap();
    tx.insert_messages(world.tenant, std::slice::from_ref(&next)).await.unwrap();
    tx.insert_identities(world.tenant, &[world.identity("b", next.message.id)]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.store.get_message(world.tenant, next.message.id).await.unwrap(), Some(next.message));
}

async fn of_many_writers_of_one_identity_exactly_one_wins(world: World) {
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (store, tenant) = (world.store.clone(), world.tenant);
        let identity = world.identity("same", world.ids.next());
        writers.spawn(async move {
            let mut tx = store.begin().await?;
            tx.insert_identities(tenant, &[identity]).await?;
            tx.commit().await
        });
    }
    let outcomes = writers.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Err(StoreError::Stale))).count(), 7);
}

async fn writers_of_the_same_keys_in_opposite_order_do_not_deadlock(world: World) {
    let conversation = world.store_conversation(|_| {}).await;
    for round in 0..10 {
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..4 {
            let (store, tenant) = (world.store.clone(), world.tenant);
            let mut identities: Vec<_> =
                (0..40).map(|n| world.identity(&format!("{round}-{n}"), world.ids.next())).collect();
            let mut keys: Vec<_> = (0..40)
                .map(|n| ThreadKey {
                    surface_id: world.surface,
                    key: key(&format!("{round}-{n}")),
                    conversation_id: conversation.id,
                })
                .collect();
            if writer % 2 == 0 {
                identities.reverse();
                keys.reverse();
            }
            writers.spawn(async move {
                let mut tx = store.begin().await?;
                tx.insert_identities(tenant, &identities).await?;
                tx.insert_thread_keys(tenant, &keys).await?;
                tx.commit().await
            });
        }
        let outcomes = writers.join_all().await;
        let stale = outcomes.iter().filter(|outcome| matches!(outcome, Err(StoreError::Stale))).count();
        assert_eq!(stale, 3, "one writer wins, nobody deadlocks: {outcomes:?}");
    }
}

async fn what_is_taken_back_first_waits_for_its_message_and_not_for_ever(world: World) {
    let conversation = world.store_conversation(|_| {}).await;
    let at = |seconds: i64| jiff::Timestamp::from_second(1_760_000_000 + seconds).unwrap();
    let taken_back = |name: &str, seconds| TakenBack {
        surface_id: world.surface,
        key: key(name),
        fingerprint: key("fingerprint"),
        at: at(seconds),
    };
    let mut tx = world.store.begin().await.unwrap();
    tx.insert_takings_back(world.tenant, &[taken_back("b", 9), taken_back("a", 1), taken_back("c", 2)])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let wanted = [(world.surface, key("a"))];
    let waiting = world.store.find_identities(world.tenant, &wanted).await.unwrap();
    assert_eq!((waiting[0].message_id, waiting[0].taken_back_at), (None, Some(at(1))));
    // Its message comes: the identity is that message's, once.
    let new = world.new_message(conversation.id);
    let arrived = [world.identity("a", new.message.id)];
    let mut tx = world.store.begin().await.unwrap();
    tx.claim_taken_back(world.tenant, &arrived).await.unwrap();
    tx.insert_messages(world.tenant, &[new]).await.unwrap();
    tx.commit().await.unwrap();
    let found = world.store.find_identities(world.tenant, &wanted).await.unwrap();
    assert_eq!((found[0].message_id, found[0].taken_back_at), (arrived[0].message_id, None));
    let mut tx = world.store.begin().await.unwrap();
    assert!(matches!(tx.claim_taken_back(world.tenant, &arrived).await, Err(StoreError::Stale)));
    drop(tx);
    // Only what waits still is forgotten, and only what waits for long.
    assert_eq!(world.store.prune_taken_back(world.tenant, at(9), 10).await.unwrap(), 1);
    let mut all = Vec::new();
    for name in ["a", "b", "c"] {
        all.extend(world.store.find_identities(world.tenant, &[(world.surface, key(name))]).await.unwrap());
    }
    assert_eq!(all.len(), 2);
    let mut tx = world.store.begin().await.unwrap();
    let again = match tx.insert_takings_back(world.tenant, &[taken_back("b", 20)]).await {
        Ok(()) => tx.commit().await,
        refused => refused,
    };
    assert!(matches!(again, Err(StoreError::Stale)), "{again:?}");
}

async fn a_key_that_stands_twice_in_a_batch_blames_the_batch(world: World) {
    let mut tx = world.store.begin().await.unwrap();
    let twice = [world.identity("a", world.ids.next()), world.identity("a", world.ids.next())];
    let refused = tx.insert_identities(world.tenant, &twice).await.unwrap_err();
    assert!(refused.blames_data(), "{refused:?}");
}

async fn thread_keys_lead_to_conversations_and_can_be_pointed_elsewhere(world: World) {
    let (one, other) = (world.store_conversation(|_| {}).await, world.store_conversation(|_| {}).await);
    let lead = |name: &str, conversation_id| ThreadKey {
        surface_id: world.surface,
        key: key(name),
        conversation_id,
    };
    let mut tx = world.store.begin().await.unwrap();
    tx.insert_thread_keys(world.tenant, &[lead("a", one.id), lead("b", one.id)]).await.unwrap();
    tx.point_thread_keys(world.tenant, &[lead("b", other.id), lead("c", other.id)]).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = world.store.begin().await.unwrap();
    let wanted = ["a", "b", "c", "d"].map(|name| (world.surface, key(name)));
    let found: HashSet<_> = tx
        .find_thread_keys(world.tenant, &wanted)
        .await
        .unwrap()
        .into_iter()
        .map(|k| (k.key, k.conversation_id))
        .collect();
    assert_eq!(found, HashSet::from([(key("a"), one.id), (key("b"), other.id), (key("c"), other.id)]));
}

async fn a_thread_key_inserted_twice_is_stale(world: World) {
    let conversation = world.store_conversation(|_| {}).await;
    let lead = ThreadKey { surface_id: world.surface, key: key("a"), conversation_id: conversation.id };
    let mut tx = world.store.begin().await.unwrap();
    tx.insert_thread_keys(world.tenant, &[lead]).await.unwrap();
    let refused = match tx.insert_thread_keys(world.tenant, &[lead]).await {
        Ok(()) => tx.flush().await,
        refused => refused,
    };
    assert!(matches!(refused, Err(StoreError::Stale)), "{refused:?}");
}

async fn locked_conversations_show_their_state(world: World) {
    let one = world.store_conversation(|c| c.status = ConversationStatus::Closed).await;
    let other = world.store_conversation(|c| c.last_message_at = None).await;
    let mut tx = world.store.begin().await.unwrap();
    let states =
        tx.lock_conversations(world.tenant, &[other.id, one.id, one.id, world.ids.next()]).await.unwrap();
    assert_eq!(states.iter().map(|state| state.id).collect::<Vec<_>>(), [one.id, other.id]);
    assert_eq!(states[0].status, ConversationStatus::Closed);
    assert_eq!(states[0].last_message_at, one.last_message_at);
    assert_eq!(states[0].last_direction, Some(Direction::Inbound));
    assert_eq!(states[0].surface_id, world.surface);
    assert_eq!(states[1].last_message_at, None);
    assert_eq!((states[1].merged_into, states[1].continued_by), (None, None));
}

async fn a_change_sets_counters_and_never_unsets_the_successor(world: World) {
    let (old, new) = (world.store_conversation(|_| {}).await, world.store_conversation(|_| {}).await);
    let change = |continued_by| ConversationChange {
        id: old.id,
        status: ConversationStatus::Archived,
        message_count: 9,
        last_message_at: Some(world.at_minute(5)),
        last_direction: Some(Direction::Outbound),
        continued_by,
        updated_at: world.at_minute(6),
    };
    let mut tx = world.store.begin().await.unwrap();
    tx.lock_conversations(world.tenant, &[old.id]).await.unwrap();
    tx.change_conversations(world.tenant, &[change(Some(new.id))]).await.unwrap();
    tx.change_conversations(world.tenant, &[change(None)]).await.unwrap();
    let state = tx.lock_conversations(world.tenant, &[old.id]).await.unwrap().remove(0);
    assert_eq!(state.continued_by, Some(new.id));
    tx.commit().await.unwrap();
    let read = world.store.get_conversation(world.tenant, old.id).await.unwrap().unwrap();
    assert_eq!(read.message_count, 9);
    assert_eq!(read.last_message_at, Some(world.at_minute(5)));
    assert_eq!(read.updated_at, world.at_minute(6));
    assert_eq!(read.status, ConversationStatus::Archived);
    assert_eq!(read.subject, old.subject);
}

async fn participants_are_known_by_long_ids_too(world: World) {
    let conversation = world.store_conversation(|_| {}).await.id;
    let long = "ü".repeat(3_000);
    let person = |external_id: &str| Participant {
        external_id: external_id.to_owned(),
        name: Some(format!("Name of {}", external_id.len())),
        email: None,
    };
    let mut tx = world.store.begin().await.unwrap();
    let seen = [(conversation, person("zoe")), (conversation, person(&long)), (conversation, person("zoe"))];
    tx.insert_participants(world.tenant, &seen, world.now()).await.unwrap();
    let later = [(conversation, person(&long)), (conversation, person("adam"))];
    tx.insert_participants(world.tenant, &later, world.at_minute(1)).await.unwrap();
    let pairs = [long.as_str(), "eve", "adam"].map(|id| (conversation, id.to_owned()));
    let known = tx.known_participants(world.tenant, &pairs).await.unwrap();
    assert_eq!(known, HashSet::from([(conversation, long.clone()), (conversation, "adam".to_owned())]));
    tx.commit().await.unwrap();
    let listed = world.store.list_participants(world.tenant, conversation).await.unwrap();
    assert_eq!(listed, [person("zoe"), person(&long), person("adam")]);
}

fn attachment(world: &World, message_id: MessageId, filename: &str) -> Attachment {
    Attachment {
        id: world.ids.next(),
        message_id,
        filename: Some(filename.to_owned()),
        content_type: "image/png".to_owned(),
        size_bytes: 5_000_000_000,
        sha256: Some([9; 32]),
        content_id: Some("cid@example.org".to_owned()),
        inline: true,
        state: AttachmentState::Stored,
        source_url: None,
    }
}

async fn attachments_keep_their_order(world: World) {
    let conversation = world.store_conversation(|_| {}).await.id;
    let (one, other) =
        (world.store_message(conversation, "1").await, world.store_message(conversation, "2").await);
    let mut pending = attachment(&world, other, "later");
    pending.sha256 = None;
    pending.filename = None;
    pending.state = AttachmentState::Pending;
    pending.source_url = Some("https://example.org/file".to_owned());
    let given = HashMap::from([
        (one, vec![attachment(&world, one, "z"), attachment(&world, one, "a")]),
        (other, vec![pending.clone()]),
    ]);
    let mut tx = world.store.begin().await.unwrap();
    tx.insert_attachments(world.tenant, &given).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.store.list_attachments(world.tenant, &[one, other]).await.unwrap(), given);
    assert_eq!(world.store.get_attachment(world.tenant, pending.id).await.unwrap(), Some(pending.clone()));
    assert_eq!(world.store.get_attachment(world.ids.next(), pending.id).await.unwrap(), None);
}

async fn a_source_is_found_again(world: World) {
    let conversation = world.store_conversation(|_| {}).await.id;
    let source =
        SourceRef { pack_id: uuid::Uuid::from_u128(5), offset: 1 << 40, stored_bytes: 10, size_bytes: 30 };
    let (mut kept, not_kept) = (world.new_message(conversation), world.new_message(conversation));
    kept.source = Some(source);
    let mut tx = world.store.begin().await.unwrap();
    tx.insert_messages(world.tenant, &[kept.clone(), not_kept.clone()]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.store.get_source(world.tenant, kept.message.id).await.unwrap(), Some(source));
    assert_eq!(world.store.get_source(world.tenant, not_kept.message.id).await.unwrap(), None);
}

async fn a_batch_of_every_size_is_stored_whole(world: World) {
    for size in [1, 2, 5, 17, 64, 65, 200, 500] {
        let conversation = world.store_conversation(|_| {}).await.id;
        let messages: Vec<_> = (0..size).map(|_| world.new_message(conversation)).collect();
        let identities: Vec<_> =
            messages.iter().map(|new| world.identity(&new.message.id.to_string(), new.message.id)).collect();
        let mut tx = world.store.begin().await.unwrap();
        tx.insert_identities(world.tenant, &identities).await.unwrap();
        tx.insert_messages(world.tenant, &messages).await.unwrap();
        tx.commit().await.unwrap();
        let wanted: Vec<_> = identities.iter().map(|identity| (identity.surface_id, identity.key)).collect();
        let found = world.store.find_identities(world.tenant, &wanted).await.unwrap();
        let found: HashSet<_> = found.iter().filter_map(|identity| identity.message_id).collect();
        assert_eq!(found, messages.iter().map(|new| new.message.id).collect());
    }
}

async fn empty_batches_do_nothing(world: World) {
    let mut tx = world.store.begin().await.unwrap();
    assert_eq!(tx.find_identities(world.tenant, &[]).await.unwrap(), []);
    tx.insert_identities(world.tenant, &[]).await.unwrap();
    tx.insert_thread_keys(world.tenant, &[]).await.unwrap();
    tx.insert_messages(world.tenant, &[]).await.unwrap();
    tx.insert_attachments(world.tenant, &HashMap::new()).await.unwrap();
    assert_eq!(tx.lock_conversations(world.tenant, &[]).await.unwrap(), []);
    tx.merge_conversations(world.tenant, &[], world.now()).await.unwrap();
    tx.commit().await.unwrap();
}

async fn a_dropped_transaction_leaves_nothing(world: World) {
    let conversation = world.new_conversation();
    let mut tx = world.store.begin().await.unwrap();
    tx.insert_conversations(world.tenant, std::slice::from_ref(&conversation)).await.unwrap();
    drop(tx);
    let tx = world.store.begin().await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.store.get_conversation(world.tenant, conversation.id).await.unwrap(), None);
}

/// The future is dropped at every point it may wait at, in the middle of statements too.
async fn a_cancelled_transaction_leaves_nothing_and_frees_the_writer(world: World) {
    use std::future::Future as _;
    for polls in 1..12 {
        let conversation = world.new_conversation();
        let messages: Vec<_> = (0..50).map(|_| world.new_message(conversation.id)).collect();
        let mut unit = Box::pin(async {
            let mut tx = world.store.begin().await.unwrap();
            tx.insert_conversations(world.tenant, std::slice::from_ref(&conversation)).await.unwrap();
            tx.insert_messages(world.tenant, &messages).await.unwrap();
            std::future::pending::<()>().await;
            drop(tx);
        });
        let mut left = polls;
        std::future::poll_fn(|context| {
            left -= 1;
            let _ = unit.as_mut().poll(context);
            if left == 0 {
                std::task::Poll::Ready(())
            } else {
                context.waker().wake_by_ref();
                std::task::Poll::Pending
            }
        })
        .await;
        drop(unit);
        let tx = world.store.begin().await.expect("the writer is free again");
        tx.commit().await.unwrap();
        assert_eq!(world.store.get_conversation(world.tenant, conversation.id).await.unwrap(), None);
    }
}

async fn nul_characters_blame_the_data(world: World) {
    let mut conversation = world.new_conversation();
    conversation.subject = Some("a\0b".to_owned());
    let mut tx = world.store.begin().await.unwrap();
    let refused = tx.insert_conversations(world.tenant, &[conversation]).await.unwrap_err();
    assert!(refused.blames_data() && !refused.may_retry(), "{refused:?}");
}

async fn text_keeps_every_character(world: World) {
    let conversation = world.store_conversation(|_| {}).await.id;
    let mut new = world.new_message(conversation);
    new.message.content = "\u{1}\u{7f}\u{fffd}\u{feff}'\"\\%_$1{rows}\r\n\u{10ffff}".repeat(1000);
    new.message.external_message_id = Some("x".repeat(3_000));
    let mut tx = world.store.begin().await.unwrap();
    tx.insert_messages(world.tenant, std::slice::from_ref(&new)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.store.get_message(world.tenant, new.message.id).await.unwrap(), Some(new.message));
}
