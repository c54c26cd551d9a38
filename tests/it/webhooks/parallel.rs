//! Many requests at once: one conversation a thread, one row a message.

use super::*;
use std::sync::Arc;

const CLIENTS: usize = 64;
const THREADS: usize = 100;
const MESSAGES: usize = 10_000;

#[tokio::test(flavor = "multi_thread")]
async fn first_messages_of_new_threads_at_once_make_one_conversation_each() {
    // Expectations 45, 46 and 54.
    for world in World::each().await {
        let world = Arc::new(world);
        let id = Arc::new(inlet(&world).await);
        let mut clients = Vec::new();
        for client in 0..CLIENTS {
            let (world, id) = (world.clone(), id.clone());
            clients.push(tokio::spawn(async move {
                let mut accepted = 0;
                for number in (client..MESSAGES).step_by(CLIENTS) {
                    // Neighbours in time are first messages of the same threads.
                    let thread = number / CLIENTS % THREADS;
                    let body = json!({"externalThreadId": format!("thread-{thread}"), "externalMessageId": format!("m-{number}"),
                        "externalParticipantId": format!("visitor-{thread}"), "content": format!("message {number}")});
                    accepted += signed(&world, &id, &body).await.expect(200)["accepted"].as_u64().unwrap();
                }
                accepted
            }));
        }
        let mut accepted = 0;
        for client in clients {
            accepted += client.await.unwrap();
        }
        assert_eq!(accepted, MESSAGES as u64);
        assert_eq!(totals(&world, &id).await, (THREADS as i64, MESSAGES as i64));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_first_messages_of_a_new_contact_at_once_open_one_conversation() {
    // Expectation 54, with a thread id and without one.
    for world in World::each().await {
        let world = Arc::new(world);
        for thread in [Some("t"), None] {
            let id = Arc::new(inlet(&world).await);
            let posts = (0..50).map(|number| {
                let (world, id) = (world.clone(), id.clone());
                tokio::spawn(async move {
                    let mut body = json!({"externalParticipantId": "ann", "externalMessageId": number.to_string(), "content": "x"});
                    if let Some(thread) = thread {
                        body["externalThreadId"] = thread.into();
                    }
                    signed(&world, &id, &body).await.expect(200)
                })
            });
            let (mut accepted, mut conversations) = (0, std::collections::HashSet::new());
            for post in posts.collect::<Vec<_>>() {
                let answer = post.await.unwrap();
                accepted += answer["accepted"].as_u64().unwrap();
                conversations.insert(answer["messages"][0]["conversationId"].to_string());
            }
            assert_eq!((accepted, conversations.len()), (50, 1), "{thread:?}");
            assert_eq!(totals(&world, &id).await, (1, 50), "{thread:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_delivered_fifty_times_at_once_is_stored_once() {
    for world in World::each().await {
        let world = Arc::new(world);
        let id = Arc::new(inlet(&world).await);
        let posts = (0..50).map(|_| {
            let (world, id) = (world.clone(), id.clone());
            tokio::spawn(async move {
                let body = json!({"externalThreadId": "t", "externalMessageId": "m", "content": "x"});
                signed(&world, &id, &body).await.expect(200)
            })
        });
        let mut answers = Vec::new();
        for post in posts.collect::<Vec<_>>() {
            answers.push(post.await.unwrap());
        }
        let accepted: u64 = answers.iter().map(|answer| answer["accepted"].as_u64().unwrap()).sum();
        let duplicates: u64 = answers.iter().map(|answer| answer["duplicates"].as_u64().unwrap()).sum();
        assert_eq!((accepted, duplicates), (1, 49));
        assert!(answers.iter().all(|answer| answer["messages"] == answers[0]["messages"]));
        assert_eq!(totals(&world, &id).await, (1, 1));
    }
}
