//! Four real daemons on one PostgreSQL: which of them takes a request makes no difference.

use super::daemon::Daemon;
use crate::servers::postgres::Server;
use serde_json::{Value, json};
use std::sync::Arc;

/// Four workers with directories of their own.
fn four() -> Option<Vec<(Daemon, tempfile::TempDir)>> {
    let url = Server::shared()?.fresh_database();
    let start = |_| {
        let directory = tempfile::tempdir().unwrap();
        (Daemon::start(directory.path(), Some(&url), &[]), directory)
    };
    Some((0..4).map(start).collect())
}

/// Posts every body at once, one after the other worker; what was answered.
async fn post_at_once(
    workers: &Arc<Vec<(Daemon, tempfile::TempDir)>>,
    surface: &str,
    bodies: Vec<Value>,
) -> Vec<Value> {
    let posts = bodies.into_iter().enumerate().map(|(number, body)| {
        let (workers, surface) = (workers.clone(), surface.to_owned());
        tokio::spawn(async move {
            let (status, answer) = workers[number % 4].0.post(&surface, &body).await.unwrap();
            assert_eq!(status, 200, "{answer}");
            answer
        })
    });
    let mut answers = Vec::new();
    for post in posts.collect::<Vec<_>>() {
        answers.push(post.await.unwrap());
    }
    answers
}

fn sum(answers: &[Value], name: &str) -> u64 {
    answers.iter().map(|answer| answer[name].as_u64().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_posts_of_one_message_at_four_workers_are_one_message() {
    // Expectations 45, 46 and 90.
    let Some(workers) = four() else { return };
    let workers = Arc::new(workers);
    let surface = workers[0].0.inlet_surface().await;
    let body = json!({"externalThreadId": "t", "externalMessageId": "m", "content": "x"});
    let answers = post_at_once(&workers, &surface, vec![body; 50]).await;
    assert_eq!((sum(&answers, "accepted"), sum(&answers, "duplicates")), (1, 49));
    assert!(answers.iter().all(|answer| answer["messages"] == answers[0]["messages"]));
    let stored = workers[3].0.conversations(&surface).await;
    assert_eq!(stored.iter().map(|(_, messages)| messages.len()).collect::<Vec<_>>(), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_first_messages_of_a_new_contact_at_four_workers_open_one_conversation() {
    // Expectation 54, with a thread id and without one.
    let Some(workers) = four() else { return };
    let workers = Arc::new(workers);
    for thread in [Some("t"), None] {
        let surface = workers[1].0.inlet_surface().await;
        let bodies = (0..50).map(|number| {
            let mut body = json!({"externalParticipantId": "ann", "externalMessageId": number.to_string(), "content": "x"});
            if let Some(thread) = thread {
                body["externalThreadId"] = thread.into();
            }
            body
        });
        let answers = post_at_once(&workers, &surface, bodies.collect()).await;
        assert_eq!(sum(&answers, "accepted"), 50);
        let stored = workers[2].0.conversations(&surface).await;
        assert_eq!(stored.iter().map(|(_, messages)| messages.len()).collect::<Vec<_>>(), [50], "{thread:?}");
    }
}
