//! Pages of conversations.

use super::world::World;
use inlet::ids::{ConversationId, SurfaceId};
use inlet::model::conversation::{Conversation, ConversationStatus};
use inlet::model::page::{Page, Walk};
use inlet::store::conversations::{ConversationCursor, ConversationFilter};

on_both_engines! {
    pages_go_both_ways_over_rows_without_a_time,
    every_filter_counts_and_shows_the_same_rows,
    a_search_takes_percent_and_underscore_as_they_are,
    a_search_knows_no_case_in_any_script,
    counts_follow_every_change,
    a_page_past_the_end_is_empty_and_says_what_lies_before,
}

fn place(row: &Conversation, walk: Walk) -> ConversationCursor {
    ConversationCursor { walk, last_message_at: row.last_message_at, id: row.id }
}

fn ids(page: &Page<Conversation>) -> Vec<ConversationId> {
    page.rows.iter().map(|row| row.id).collect()
}

/// Eleven conversations of every status, some at one time, some without.
async fn eleven(world: &World) -> Vec<Conversation> {
    let mut all = Vec::new();
    for (number, status) in (0..11_i64).zip(ConversationStatus::ALL.iter().cycle()) {
        let conversation = world.store_conversation(|c| {
            c.last_message_at = (number % 4 != 0).then(|| world.at_minute(number / 3));
            c.status = *status;
        });
        all.push(conversation.await);
    }
    all.sort_by_key(|c| std::cmp::Reverse((c.last_message_at, c.id)));
    all
}

async fn pages_go_both_ways_over_rows_without_a_time(world: World) {
    let all = eleven(&world).await;
    let filter = ConversationFilter::default();
    let list = async |cursor, limit| {
        world.store.list_conversations(world.tenant, &filter, cursor, limit).await.unwrap()
    };
    for limit in [1, 2, 3, 4, 10, 11, 12] {
        let mut read = Vec::new();
        let mut cursor = None;
        let last = loop {
            let page = list(cursor, limit).await;
            assert_eq!((page.total, page.offset), (11, read.len() as i64));
            assert_eq!(page.has_previous, !read.is_empty());
            read.extend(page.rows.clone());
            assert_eq!(page.has_next, read.len() < 11);
            if !page.has_next {
                break page;
            }
            cursor = page.rows.last().map(|row| place(row, Walk::Forward));
        };
        assert_eq!(read, all);
        let mut front = last.rows[0].clone();
        let mut before = read.len() - last.rows.len();
        while before > 0 {
            let page = list(Some(place(&front, Walk::Backward)), limit).await;
            let first = before.saturating_sub(limit);
            assert_eq!(page.rows, all[first..before]);
            assert_eq!((page.offset, page.total), (first as i64, 11));
            assert_eq!((page.has_previous, page.has_next), (first > 0, true));
            front = page.rows[0].clone();
            before = first;
        }
    }
}

async fn every_filter_counts_and_shows_the_same_rows(world: World) {
    let all = eleven(&world).await;
    let (other_surface, workspace): (SurfaceId, _) = (world.ids.next(), Some("team".to_owned()));
    let mut surface = world.new_surface("other", other_surface);
    surface.workspace_id.clone_from(&workspace);
    let mut tx = world.store.begin().await.unwrap();
    tx.insert_surface(world.tenant, &surface).await.unwrap();
    tx.commit().await.unwrap();
    let elsewhere = world.store_conversation(|c| c.surface_id = other_surface).await;

    for status in ConversationStatus::ALL {
        for surface_id in [None, Some(world.surface), Some(other_surface)] {
            let filter = ConversationFilter { status: Some(*status), surface_id, ..Default::default() };
            let page = world.store.list_conversations(world.tenant, &filter, None, 100).await.unwrap();
            let mut expected: Vec<_> =
                all.iter().chain([&elsewhere]).filter(|c| c.status == *status).collect();
            expected.retain(|c| surface_id.is_none_or(|surface| c.surface_id == surface));
            expected.sort_by_key(|c| std::cmp::Reverse((c.last_message_at, c.id)));
            assert_eq!(ids(&page), expected.iter().map(|c| c.id).collect::<Vec<_>>());
            assert_eq!(page.total, expected.len() as i64);
        }
    }
    let of_team = ConversationFilter { workspace_id: workspace, ..Default::default() };
    let page = world.store.list_conversations(world.tenant, &of_team, None, 100).await.unwrap();
    assert_eq!((ids(&page), page.total), (vec![elsewhere.id], 1));
}

async fn find(world: &World, search: &str) -> Vec<ConversationId> {
    let filter = ConversationFilter { search: Some(search.to_owned()), ..Default::default() };
    let page = world.store.list_conversations(world.tenant, &filter, None, 100).await.unwrap();
    assert_eq!(page.total, page.rows.len() as i64);
    ids(&page)
}

async fn a_search_takes_percent_and_underscore_as_they_are(world: World) {
    let percent = world.store_conversation(|c| c.subject = Some("100% sure! a\\b".to_owned())).await.id;
    let underscore =
        world.store_conversation(|c| c.participant_name = Some("snake_case".to_owned())).await.id;
    assert_eq!(find(&world, "0%").await, [percent]);
    assert_eq!(find(&world, "% s").await, [percent]);
    assert_eq!(find(&world, "e!").await, [percent]);
    assert_eq!(find(&world, "a\\b").await, [percent]);
    assert_eq!(find(&world, "e_c").await, [underscore]);
    assert_eq!(find(&world, "1_0").await, []);
    assert_eq!(find(&world, "100 %").await, []);
    assert_eq!(find(&world, "").await.len(), 2);
    assert_eq!(find(&world, &"long".repeat(5_000)).await, []);
}

async fn a_search_knows_no_case_in_any_script(world: World) {
    let id = world
        .store_conversation(|c| {
            c.subject = Some("GRÖSSE und Straße".to_owned());
            c.participant_name = Some("ΟΔΥΣΣΕΎΣ Иванов".to_owned());
            c.participant_email = Some("Mixed@Example.Org".to_owned());
        })
        .await
        .id;
    for search in ["größe", "GRÖSSE", "STRASSE", "straße", "иВАНОВ", "mixed@EXAMPLE", "οδυσ"] {
        let expected = if ["größe", "STRASSE"].contains(&search) { vec![] } else { vec![id] };
        assert_eq!(find(&world, search).await, expected, "{search}");
    }
}

async fn counts_follow_every_change(world: World) {
    let total = async |status| {
        let filter = ConversationFilter { status, ..Default::default() };
        world.store.list_conversations(world.tenant, &filter, None, 1).await.unwrap().total
    };
    let (open, closed) = (Some(ConversationStatus::Open), Some(ConversationStatus::Closed));
    let one = world.store_conversation(|_| {}).await;
    let mut other = world.store_conversation(|_| {}).await;
    assert_eq!((total(None).await, total(open).await, total(closed).await), (2, 2, 0));

    other.status = ConversationStatus::Closed;
    let mut tx = world.store.begin().await.unwrap();
    tx.update_conversation(world.tenant, &other).await.unwrap();
    tx.update_conversation(world.tenant, &other).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((total(None).await, total(open).await, total(closed).await), (2, 1, 1));

    let mut tx = world.store.begin().await.unwrap();
    tx.delete_conversation(world.tenant, other.id, world.now()).await.unwrap();
    drop(tx);
    assert_eq!(total(None).await, 2);

    let mut tx = world.store.begin().await.unwrap();
    tx.delete_conversation(world.tenant, other.id, world.now()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((total(None).await, total(closed).await), (1, 0));

    let mut tx = world.store.begin().await.unwrap();
    assert!(tx.delete_surface(world.tenant, one.surface_id).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(total(None).await, 0);
}

async fn a_page_past_the_end_is_empty_and_says_what_lies_before(world: World) {
    let all = eleven(&world).await;
    let filter = ConversationFilter::default();
    let last = place(&all[10], Walk::Forward);
    let page = world.store.list_conversations(world.tenant, &filter, Some(last), 5).await.unwrap();
    assert_eq!((page.rows.len(), page.total, page.offset), (0, 11, 11));
    assert_eq!((page.has_previous, page.has_next), (true, false));
    let first = place(&all[0], Walk::Backward);
    let page = world.store.list_conversations(world.tenant, &filter, Some(first), 5).await.unwrap();
    assert_eq!((page.rows.len(), page.total, page.offset), (0, 11, 0));
    assert_eq!((page.has_previous, page.has_next), (false, true));
}
