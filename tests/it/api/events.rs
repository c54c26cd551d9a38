//! The live feed of events.

use super::world::{World, path_of};
use serde_json::{Value, json};
use std::time::Duration;

/// Reads a stream of events frame by frame.
struct Feed {
    response: reqwest::Response,
    text: String,
}

impl Feed {
    async fn open(world: &World, query: &str, last_event_id: Option<&str>) -> Self {
        let mut request = reqwest::Client::builder()
            .no_proxy()
            .build()
            .unwrap()
            .get(format!("http://{}/v1/events{query}", world.address))
            .bearer_auth(&world.key);
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next event: its id, its type and its data.
    async fn next(&mut self) -> (String, String, Value) {
        loop {
            if let Some((frame, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    frame
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .map(|value| value.trim().to_owned())
                };
                let read = field("data:").map(|data| {
                    let data: Value = serde_json::from_str(&data).unwrap();
                    (field("id:").unwrap(), field("event:").unwrap(), data)
                });
                self.text = rest.to_owned();
                match read {
                    Some(event) => return event,
                    None => continue,
                }
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.response.chunk()).await;
            let chunk = chunk.expect("an event in time").unwrap().expect("the stream goes on");
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

#[tokio::test]
async fn events_come_as_they_happen_and_resume_after_any_of_them() {
    for world in World::each().await {
        let surface = world.surface("chat").await;
        let mut feed = Feed::open(&world, "", None).await;
        let made = world.conversation(&surface).await;
        let (created, kind, body) = feed.next().await;
        assert_eq!(kind, "conversation.created");
        assert_eq!(body["id"], created);
        assert_eq!(body["type"], kind);
        assert_eq!(body["timestamp"], made["createdAt"]);
        assert_eq!(body["data"]["conversation"]["id"], made["id"]);

        let message = json!({"content": "x", "role": "user"});
        let posted = world.post(&format!("{}/messages", path_of(&made)), &message).await.expect(201);
        let (told, kind, body) = feed.next().await;
        assert_eq!(kind, "message.created");
        assert_eq!(body["data"], json!({ "message": posted }));

        world.put(&path_of(&made), &json!({"subject": "S"})).await.expect(200);
        let (_, kind, body) = feed.next().await;
        assert_eq!(kind, "conversation.updated");
        assert_eq!(body["data"]["conversation"]["subject"], "S");

        let (resumed, ..) = Feed::open(&world, &format!("?after={created}"), None).await.next().await;
        assert_eq!(resumed, told);
        let (resumed, ..) = Feed::open(&world, "", Some(&created)).await.next().await;
        assert_eq!(resumed, told);
        let (first, ..) = Feed::open(&world, "", None).await.next().await;
        assert_eq!(first, created);
    }
}

#[tokio::test]
async fn a_cursor_that_is_none_is_400() {
    let world = World::new().await;
    assert_eq!(world.get("/v1/events?after=x").await.fields_at_fault(), ["after"]);
}

#[tokio::test]
async fn the_feed_ends_when_the_process_stops() {
    let world = World::new().await;
    let mut feed = Feed::open(&world, "", None).await;
    world.shut_down();
    let end = tokio::time::timeout(Duration::from_secs(10), feed.response.chunk()).await;
    assert!(matches!(end.expect("an end in time"), Ok(None)));
}
