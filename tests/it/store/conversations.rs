//! Conversations as the API reads and changes them.

use super::world::{World, json, key};
use inlet::model::conversation::{AgentMode, ConversationStatus, Participant, Takeover};
use inlet::model::message::Direction;
use inlet::store::conversations::ConversationFilter;
use inlet::store::ingest::ThreadKey;
use inlet::store::messages::{MessageCursor, MessageOrder};
use jiff::ToSpan as _;

on_both_engines! {
    a_conversation_is_read_as_it_was_stored,
    an_update_changes_everything_but_where_it_came_from,
    a_take_over_is_kept_and_let_go,
    another_tenant_sees_nothing,
    a_deleted_conversation_is_gone_with_all_it_holds_and_its_messages_stay_known,
    deleting_what_is_not_there_says_so,
    messages_are_paged_both_ways_by_time_then_id,
    messages_that_were_ours_become_outbound_once,
    updates_of_one_conversation_wait_for_each_other,
}

async fn a_conversation_is_read_as_it_was_stored(world: World) {
    let full = world.store_conversation(|_| {}).await;
    let bare = world
        .store_conversation(|c| {
            c.external_thread_id = None;
            c.external_participant_id = None;
            c.participant_name = None;
            c.participant_email = None;
            c.subject = None;
            c.timezone = None;
            c.context = json("{}");
            c.last_message_at = None;
            c.last_direction = None;
            c.message_count = 0;
        })
        .await;
    assert_eq!(world.store.get_conversation(world.tenant, full.id).await.unwrap(), Some(full));
    assert_eq!(world.store.get_conversation(world.tenant, bare.id).await.unwrap(), Some(bare));
    assert_eq!(world.store.get_conversation(world.tenant, world.ids.next()).await.unwrap(), None);
}

async fn an_update_changes_everything_but_where_it_came_from(world: World) {
    let mut conversation = world.store_conversation(|_| {}).await;
    conversation.external_thread_id = Some("t".repeat(3_000));
    conversation.external_participant_id = None;
    conversation.participant_name = Some("Bob".to_owned());
    conversation.participant_email = Some("bob@example.org".to_owned());
    conversation.subject = Some("Ünlike before".to_owned());
    conversation.timezone = None;
    conversation.status = ConversationStatus::Archived;
    conversation.context = json(r#"{"a": [1, {"b": null}]}"#);
    conversation.participant_metadata = json("{}");
    conversation.message_count = 12;
    conversation.last_message_at = None;
    conversation.last_direction = Some(Direction::Outbound);
    conversation.updated_at = world.at_minute(9);
    let mut tx = world.store.begin().await.unwrap();
    tx.update_conversation(world.tenant, &conversation).await.unwrap();
    tx.commit().await.unwrap();
    let read = world.store.get_conversation(world.tenant, conversation.id).await.unwrap();
    assert_eq!(read, Some(conversation.clone()));
    let by_search = ConversationFilter { search: Some("üNLIKE".to_owned()), ..Default::default() };
    let page = world.store.list_conversations(world.tenant, &by_search, None, 10).await.unwrap();
    assert_eq!(page.rows, [conversation]);
}

async fn a_take_over_is_kept_and_let_go(world: World) {
    let mut conversation = world.store_conversation(|_| {}).await;
    conversation.agent_mode = AgentMode::Human;
    conversation.takeover = Some(Takeover {
        at: world.at_minute(1),
        actor_id: "key-1".to_owned(),
        actor_type: "api_key".to_owned(),
        reason: None,
    });
    let mut tx = world.store.begin().await.unwrap();
    tx.update_conversation(world.tenant, &conversation).await.unwrap();
    assert_eq!(
        tx.lock_conversation(world.tenant, conversation.id).await.unwrap(),
        Some(conversation.clone())
    );
    conversation.agent_mode = AgentMode::Agent;
    conversation.takeover = None;
    tx.update_conversation(world.tenant, &conversation).await.unwrap();
    tx.commit().await.unwrap();
    let read = world.store.get_conversation(world.tenant, conversation.id).await.unwrap();
    assert_eq!(read, Some(conversation));
}

async fn another_tenant_sees_nothing(world: World) {
    let conversation = world.store_conversation(|_| {}).await;
    let message = world.store_message(conversation.id, "a").await;
    let stranger = world.ids.next();
    let all = ConversationFilter::default();
    let store = &world.store;
    assert_eq!(store.get_conversation(stranger, conversation.id).await.unwrap(), None);
    assert_eq!(store.get_message(stranger, message).await.unwrap(), None);
    assert_eq!(store.list_conversations(stranger, &all, None, 10).await.unwrap().total, 0);
    let order = MessageOrder::OldestFirst;
    assert_eq!(
        store.list_messages(stranger, conversation.id, order, None, 10).await.unwrap(),
        (vec![], false)
    );
    let mut tx = store.begin().await.unwrap();
    assert_eq!(tx.lock_conversation(stranger, conversation.id).await.unwrap(), None);
    assert_eq!(tx.lock_conversations(stranger, &[conversation.id]).await.unwrap(), []);
    assert!(!tx.delete_conversation(stranger, conversation.id, world.now()).await.unwrap());
    assert!(!tx.delete_surface(stranger, world.surface).await.unwrap());
    assert_eq!(tx.mark_outbound(stranger, &[message]).await.unwrap(), []);
    tx.commit().await.unwrap();
    assert!(store.get_conversation(world.tenant, conversation.id).await.unwrap().is_some());
}

async fn a_deleted_conversation_is_gone_with_all_it_holds_and_its_messages_stay_known(world: World) {
    let (gone, kept) = (world.store_conversation(|_| {}).await.id, world.store_conversation(|_| {}).await.id);
    let message = world.store_message(gone, "gone").await;
    world.store_message(kept, "kept").await;
    let lead = ThreadKey { surface_id: world.surface, key: key("thread"), conversation_id: gone };
    let person = Participant { external_id: "ann".to_owned(), name: None, email: None };
    let mut tx = world.store.begin().await.unwrap();
    tx.insert_thread_keys(world.tenant, &[lead]).await.unwrap();
    tx.insert_participants(world.tenant, &[(gone, person)], world.now()).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = world.store.begin().await.unwrap();
    assert!(tx.delete_conversation(world.tenant, gone, world.now()).await.unwrap());
    tx.commit().await.unwrap();

    let store = &world.store;
    assert_eq!(store.get_conversation(world.tenant, gone).await.unwrap(), None);
    assert_eq!(store.get_message(world.tenant, message).await.unwrap(), None);
    assert_eq!(store.list_participants(world.tenant, gone).await.unwrap(), []);
    let wanted = [(world.surface, key("gone")), (world.surface, key("kept"))];
    let mut found = store.find_identities(world.tenant, &wanted).await.unwrap();
    found.sort_by_key(|identity| identity.message_id);
    assert_eq!((found[0].key, found[0].message_id, found[0].conversation_id), (key("gone"), None, None));
    assert_eq!(found[1].conversation_id, Some(kept));
    assert_eq!(store.find_message(world.tenant, world.surface, key("gone")).await.unwrap(), None);
    // The thread is free to be opened again, the identity is not.
    let mut tx = store.begin().await.unwrap();
    let again = ThreadKey { conversation_id: kept, ..lead };
    tx.insert_thread_keys(world.tenant, &[again]).await.unwrap();
    tx.flush().await.unwrap();
    let again = tx.insert_identities(world.tenant, &[world.identity("gone", message)]).await;
    assert!(again.is_err() || tx.flush().await.is_err());
    drop(tx);
    let page =
        store.list_conversations(world.tenant, &ConversationFilter::default(), None, 10).await.unwrap();
    assert_eq!((page.rows.len(), page.total), (1, 1));
}

async fn deleting_what_is_not_there_says_so(world: World) {
    let mut tx = world.store.begin().await.unwrap();
    assert!(!tx.delete_conversation(world.tenant, world.ids.next(), world.now()).await.unwrap());
    assert!(!tx.delete_surface(world.tenant, world.ids.next()).await.unwrap());
    assert!(!tx.revoke_key(world.ids.next(), world.now()).await.unwrap());
}

async fn messages_are_paged_both_ways_by_time_then_id(world: World) {
    let conversation = world.store_conversation(|_| {}).await.id;
    let mut messages: Vec<_> = (0..7).map(|_| world.new_message(conversation)).collect();
    for (position, new) in messages.iter_mut().enumerate() {
        // Pairs share a time.
        new.message.sent_at = world.at_minute((10 - position as i64) / 2);
    }
    let mut tx = world.store.begin().await.unwrap();
    tx.insert_messages(world.tenant, &messages).await.unwrap();
    tx.commit().await.unwrap();
    let mut expected: Vec<_> = messages.into_iter().map(|new| new.message).collect();
    expected.sort_by_key(|message| (message.sent_at, message.id));
    for order in [MessageOrder::OldestFirst, MessageOrder::NewestFirst] {
        let mut read = Vec::new();
        let mut cursor = None;
        loop {
            let page = world.store.list_messages(world.tenant, conversation, order, cursor, 3).await.unwrap();
            let last = page.0.last().cloned();
            cursor = last.map(|message| MessageCursor { sent_at: message.sent_at, id: message.id });
            read.extend(page.0);
            if !page.1 {
                break;
            }
        }
        assert_eq!(read, expected);
        expected.reverse();
    }
}

async fn messages_that_were_ours_become_outbound_once(world: World) {
    let conversation = world.store_conversation(|_| {}).await.id;
    let (one, other) =
        (world.store_message(conversation, "1").await, world.store_message(conversation, "2").await);
    let mut tx = world.store.begin().await.unwrap();
    assert_eq!(tx.mark_outbound(world.tenant, &[one, world.ids.next()]).await.unwrap(), [one]);
    assert_eq!(tx.mark_outbound(world.tenant, &[one, one, other]).await.unwrap(), [other]);
    tx.commit().await.unwrap();
    let read = world.store.get_message(world.tenant, one).await.unwrap().unwrap();
    assert_eq!((read.direction, read.role.as_str()), (Some(Direction::Outbound), "assistant"));
}

async fn updates_of_one_conversation_wait_for_each_other(world: World) {
    let id = world.store_conversation(|c| c.message_count = 0).await.id;
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let (store, tenant) = (world.store.clone(), world.tenant);
        writers.spawn(async move {
            let mut tx = store.begin().await.unwrap();
            let mut conversation = tx.lock_conversation(tenant, id).await.unwrap().unwrap();
            conversation.message_count += 1;
            conversation.updated_at += 1.second();
            tx.update_conversation(tenant, &conversation).await.unwrap();
            tx.commit().await.unwrap();
        });
    }
    writers.join_all().await;
    assert_eq!(world.store.get_conversation(world.tenant, id).await.unwrap().unwrap().message_count, 10);
}
