//! Nothing crosses the border of a tenant: a table of every operation of the document.

use super::document::operations;
use super::world::{SCOPES, World, path_of};
use reqwest::Method;
use serde_json::json;

/// A path with its parameters filled in by `value`.
fn fill(path: &str, value: impl Fn(&str) -> String) -> String {
    path.split('/')
        .map(|part| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name) => value(name),
            None => part.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("/")
}

#[tokio::test]
async fn without_a_key_every_operation_is_401_and_without_its_scope_403() {
    let world = World::new().await;
    let keyless = world.key_of(world.tenant, &[]).await;
    let document = serde_json::to_value(inlet::http::openapi()).unwrap();
    for (path, method, operation) in operations(&document) {
        if operation["security"].is_array() {
            continue;
        }
        let path = fill(&path, |_| world.ids.next::<uuid::Uuid>().to_string());
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let body = Some(b"{}".to_vec());
        let answer = world.request(method.clone(), &path, None, body.clone()).await;
        assert_eq!(answer.expect_error(401), "UNAUTHORIZED", "{method} {path}");
        let answer = world.request(method.clone(), &path, Some(&keyless), body).await;
        assert_eq!(answer.expect_error(403), "MISSING_SCOPE", "{method} {path}");
    }
}

#[tokio::test]
async fn another_tenants_ids_answer_exactly_as_ids_that_nobody_has() {
    for world in World::each().await {
        let surface = world.surface("chat").await;
        let conversation = world.conversation(&surface).await;
        let message = json!({"content": "x", "role": "user", "externalMessageId": "m"});
        let message = world.post(&format!("{}/messages", path_of(&conversation)), &message).await.expect(201);
        let theirs = |name: &str| match name {
            "surfaceId" => surface.clone(),
            "messageId" => message["id"].as_str().unwrap().to_owned(),
            _ => conversation["id"].as_str().unwrap().to_owned(),
        };
        let other = world.tenant_named("second").await;
        let mut scopes = SCOPES.to_vec();
        scopes.push("admin");
        let other = world.key_of(other, &scopes).await;
        let document = serde_json::to_value(inlet::http::openapi()).unwrap();
        for (path, method, _) in operations(&document).into_iter().filter(|(path, _, _)| path.contains('{')) {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let send = async |path: String| {
                world.request(method.clone(), &path, Some(&other), Some(b"{}".to_vec())).await
            };
            let answer = send(fill(&path, theirs)).await;
            let nobodys = send(fill(&path, |_| world.ids.next::<uuid::Uuid>().to_string())).await;
            assert!((400..500).contains(&answer.status), "{method} {path}: {}", answer.status);
            assert_eq!((answer.status, &answer.body), (nobodys.status, &nobodys.body), "{method} {path}");
        }
        // Nothing of it was changed.
        assert_eq!(world.get(&path_of(&conversation)).await.expect(200)["messageCount"], 1);
        let theirs =
            world.request(Method::GET, "/v1/messaging/conversations", Some(&other), None).await.expect(200);
        assert_eq!(theirs["pagination"]["totalCount"], 0);
        let body = json!({"surfaceId": surface}).to_string().into_bytes();
        world
            .request(Method::POST, "/v1/messaging/conversations", Some(&other), Some(body))
            .await
            .expect_error(404);
        let filtered = format!("/v1/messaging/conversations?surfaceId={surface}");
        world.request(Method::GET, &filtered, Some(&other), None).await.expect_error(404);
    }
}
