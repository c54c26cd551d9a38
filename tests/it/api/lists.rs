//! The list of conversations: order, pages both ways, filters.

use super::world::{World, path_of};
use serde_json::{Value, json};
use std::time::Duration;

const PATH: &str = "/v1/messaging/conversations";

const ROW_KEYS: &[&str] = &[
    "createdAt",
    "externalParticipantId",
    "externalThreadId",
    "id",
    "lastMessageAt",
    "messageCount",
    "participantEmail",
    "participantName",
    "status",
    "subject",
    "surfaceId",
    "timezone",
    "updatedAt",
];
const PAGINATION_KEYS: &[&str] = &[
    "currentOffset",
    "currentPage",
    "hasMore",
    "hasPrev",
    "limit",
    "nextCursor",
    "prevCursor",
    "totalCount",
    "totalPages",
];

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

fn subjects(page: &Value) -> Vec<String> {
    let rows = page["data"].as_array().expect("rows").iter();
    rows.map(|row| row["subject"].as_str().expect("a subject").to_owned()).collect()
}

/// Conversations `0` to `count - 1`; those below `with_messages` have one, each later than the one before.
async fn fill(world: &World, surface: &str, count: usize, with_messages: usize) {
    for number in 0..count {
        let body = json!({"surfaceId": surface, "subject": number.to_string()});
        let made = world.post(PATH, &body).await.expect(201);
        world.clock.advance(Duration::from_secs(1));
        if number < with_messages {
            let message = json!({"role": "user", "content": "x"});
            world.post(&format!("{}/messages", path_of(&made)), &message).await.expect(201);
        }
    }
}

#[tokio::test]
async fn rows_and_pagination_have_every_field() {
    for world in World::each().await {
        let empty = world.get(PATH).await.expect(200);
        assert_eq!(empty["data"], json!([]));
        let pagination = json!({
            "currentOffset": 0, "hasMore": false, "hasPrev": false, "limit": 50, "nextCursor": null, "prevCursor": null,
            "currentPage": 1, "totalCount": 0, "totalPages": 0,
        });
        assert_eq!(empty["pagination"], pagination);
        let surface = world.surface("chat").await;
        fill(&world, &surface, 1, 1).await;
        let page = world.get(PATH).await.expect(200);
        assert_eq!(keys(&page), ["data", "pagination"]);
        assert_eq!(keys(&page["pagination"]), PAGINATION_KEYS);
        assert_eq!(keys(&page["data"][0]), ROW_KEYS);
        assert_eq!(page["data"][0]["messageCount"], 1);
    }
}

#[tokio::test]
async fn pages_walk_both_ways_over_rows_with_and_without_messages() {
    for world in World::each().await {
        let surface = world.surface("chat").await;
        fill(&world, &surface, 11, 6).await;
        // Newest message first; those without any last, newest id first.
        let order = ["5", "4", "3", "2", "1", "0", "10", "9", "8", "7", "6"];
        let mut seen = Vec::new();
        let mut pages = Vec::new();
        let mut next = Some(format!("{PATH}?limit=4"));
        while let Some(path) = next {
            let page = world.get(&path).await.expect(200);
            seen.extend(subjects(&page));
            let pagination = &page["pagination"];
            let number = i64::try_from(pages.len()).unwrap();
            assert_eq!(pagination["currentOffset"], number * 4);
            assert_eq!(pagination["currentPage"], number + 1);
            assert_eq!(pagination["totalCount"], 11);
            assert_eq!(pagination["totalPages"], 3);
            assert_eq!(pagination["limit"], 4);
            assert_eq!(pagination["hasPrev"], number > 0);
            assert_eq!(pagination["hasMore"], pagination["nextCursor"].is_string());
            assert_eq!(pagination["hasPrev"], pagination["prevCursor"].is_string());
            next = pagination["nextCursor"].as_str().map(|cursor| format!("{PATH}?limit=4&cursor={cursor}"));
            pages.push(page);
        }
        assert_eq!(seen, order);
        assert_eq!(pages.len(), 3);
        for number in (1..3).rev() {
            let cursor = pages[number]["pagination"]["prevCursor"].as_str().unwrap();
            let back = world.get(&format!("{PATH}?limit=4&cursor={cursor}")).await.expect(200);
            assert_eq!(back["data"], pages[number - 1]["data"]);
            assert_eq!(back["pagination"]["hasMore"], true);
            assert_eq!(back["pagination"]["currentOffset"], pages[number - 1]["pagination"]["currentOffset"]);
        }
    }
}

#[tokio::test]
async fn the_limit_is_brought_into_its_bounds() {
    let world = World::new().await;
    for (given, used) in [
        ("", 50),
        ("limit=0", 1),
        ("limit=-7", 1),
        ("limit=1000", 100),
        ("limit=99999999999999999999", 100),
        ("limit=7", 7),
        ("limit=", 50),
    ] {
        let page = world.get(&format!("{PATH}?{given}")).await.expect(200);
        assert_eq!(page["pagination"]["limit"], used, "{given}");
    }
    assert_eq!(world.get(&format!("{PATH}?limit=ten")).await.fields_at_fault(), ["limit"]);
}

#[tokio::test]
async fn a_damaged_cursor_is_400() {
    let world = World::new().await;
    let surface = world.surface("chat").await;
    fill(&world, &surface, 2, 2).await;
    let page = world.get(&format!("{PATH}?limit=1")).await.expect(200);
    let cursor = page["pagination"]["nextCursor"].as_str().unwrap();
    for damaged in [&cursor[1..], &format!("{cursor}A"), "x", "%00", "null", &"A".repeat(4000)] {
        let answer = world.get(&format!("{PATH}?cursor={damaged}")).await;
        assert_eq!(answer.fields_at_fault(), ["cursor"], "{damaged}");
    }
}

#[tokio::test]
async fn filters_narrow_the_list() {
    for world in World::each().await {
        let first = world.surface("chat").await;
        let second = world.surface("email").await;
        for (surface, status, subject) in [
            (&first, "open", "a"),
            (&first, "closed", "b"),
            (&second, "archived", "c"),
            (&second, "open", "d"),
        ] {
            world
                .post(PATH, &json!({"surfaceId": surface, "status": status, "subject": subject}))
                .await
                .expect(201);
        }
        let find = async |query: &str| {
            let page = world.get(&format!("{PATH}?{query}")).await.expect(200);
            let found = subjects(&page);
            assert_eq!(page["pagination"]["totalCount"], found.len(), "{query}");
            found
        };
        assert_eq!(find(&format!("surfaceId={first}")).await, ["b", "a"]);
        assert_eq!(find("status=open").await, ["d", "a"]);
        assert_eq!(find("status=closed").await, ["b"]);
        assert_eq!(find("status=archived").await, ["c"]);
        assert_eq!(find("status=all").await, ["d", "c", "b", "a"]);
        assert_eq!(find(&format!("surfaceId={second}&status=open")).await, ["d"]);
        assert_eq!(world.get(&format!("{PATH}?status=ajar")).await.fields_at_fault(), ["status"]);
    }
}

#[tokio::test]
async fn search_knows_no_case_and_no_wildcards() {
    for world in World::each().await {
        let surface = world.surface("chat").await;
        for (subject, name, email) in [
            ("100% sure", "Ann", "ann@example.org"),
            ("100 times", "B_b", "bob@example.org"),
            ("back\\slash", "Bxb", "eve@example.com"),
            ("Ümlaut ÄÖ", "Zoë", "z@example.net"),
        ] {
            let body = json!({"surfaceId": surface, "subject": subject, "participantName": name, "participantEmail": email});
            world.post(PATH, &body).await.expect(201);
        }
        let find = async |text: &str| {
            let text: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let page = world.get(&format!("{PATH}?search={text}")).await.expect(200);
            let mut found = subjects(&page);
            found.sort();
            found
        };
        assert_eq!(find("SURE").await, ["100% sure"]);
        assert_eq!(find("100%").await, ["100% sure"]);
        assert_eq!(find("100").await, ["100 times", "100% sure"]);
        assert_eq!(find("b_b").await, ["100 times"]);
        assert_eq!(find("\\").await, ["back\\slash"]);
        assert_eq!(find("EXAMPLE.ORG").await, ["100 times", "100% sure"]);
        assert_eq!(find("ümlaut äö").await, ["Ümlaut ÄÖ"]);
        assert_eq!(find("ZOË").await, ["Ümlaut ÄÖ"]);
        assert_eq!(find("' OR 1=1 --").await, Vec::<String>::new());
        assert_eq!(find("%").await, ["100% sure"]);
    }
}
