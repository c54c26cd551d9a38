//! Keys: where they are taken from, what they may do, when they stop.

use super::world::{SCOPES, World};
use inlet::clock::Clock as _;
use reqwest::Method;
use serde_json::json;
use std::time::Duration;

const LIST: &str = "/v1/messaging/conversations";

#[tokio::test]
async fn a_key_works_in_each_documented_place_and_nothing_else_does() {
    let world = World::new().await;
    let key = world.key.clone();
    for (name, value) in [
        ("authorization", format!("Bearer {key}")),
        ("authorization", format!("bearer {key}")),
        ("authorization", key.clone()),
        ("x-api-key", key.clone()),
    ] {
        world.get_with(LIST, name, &value).await.expect(200);
    }
    for (name, value) in [
        ("authorization", "Bearer wrong".to_owned()),
        ("authorization", "Bearer".to_owned()),
        ("authorization", format!("Basic {key}")),
        ("x-api-key", "wrong".to_owned()),
        ("cookie", key.clone()),
    ] {
        let answer = world.get_with(LIST, name, &value).await;
        assert_eq!(answer.expect_error(401), "UNAUTHORIZED", "{name}: {value}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
}

#[tokio::test]
async fn a_get_may_carry_the_content_type_of_json_without_a_body() {
    let world = World::new().await;
    world.get(LIST).await.expect(200);
}

#[tokio::test]
async fn a_key_ends_at_its_time_and_when_it_is_revoked() {
    let world = World::new().await;
    let end = world.clock.now() + Duration::from_secs(60);
    let key = world.key_with(world.tenant, SCOPES, |key| key.expires_at = Some(end)).await;
    let list = || world.request(Method::GET, LIST, Some(&key), None);
    list().await.expect(200);
    world.clock.advance(Duration::from_secs(60));
    list().await.expect_error(401);

    let mut id = None;
    let key = world.key_with(world.tenant, SCOPES, |key| id = Some(key.id)).await;
    let list = || world.request(Method::GET, LIST, Some(&key), None);
    list().await.expect(200);
    let mut tx = world.store.begin().await.unwrap();
    assert!(tx.revoke_key(id.unwrap(), world.clock.now()).await.unwrap());
    tx.commit().await.unwrap();
    world.clock.advance(Duration::from_millis(250));
    list().await.expect_error(401);
}

#[tokio::test]
async fn each_scope_opens_its_own_endpoints_and_admin_opens_all() {
    let world = World::new().await;
    let surface = world.surface("chat").await;
    let body = || Some(json!({"surfaceId": surface}).to_string().into_bytes());
    let only = async |scope| world.key_of(world.tenant, &[scope]).await;
    for (scope, read, write) in [
        ("messaging:read", 200, 403),
        ("messaging:write", 403, 201),
        ("surfaces:read", 403, 403),
        ("conversations:read", 403, 403),
        ("unheard:of", 403, 403),
        ("admin", 200, 201),
    ] {
        let key = only(scope).await;
        let answer = world.request(Method::GET, LIST, Some(&key), None).await;
        assert_eq!(answer.status, read, "{scope} reads");
        let answer = world.request(Method::POST, LIST, Some(&key), body()).await;
        assert_eq!(answer.status, write, "{scope} writes");
        if write == 403 {
            assert_eq!(answer.expect_error(403), "MISSING_SCOPE");
        }
    }
}

#[tokio::test]
async fn a_key_of_one_workspace_sees_that_workspace_alone() {
    let world = World::new().await;
    let own = world.surface_with(world.tenant, "chat", |s| s.workspace_id = Some("own".to_owned())).await;
    let other = world.surface_with(world.tenant, "chat", |s| s.workspace_id = Some("other".to_owned())).await;
    let inside = world.conversation(&own.to_string()).await;
    let outside = world.conversation(&other.to_string()).await;
    let key = world.key_with(world.tenant, SCOPES, |key| key.workspace_id = Some("own".to_owned())).await;
    let send = |method, path: String, body: &str| {
        let body = body.as_bytes().to_vec();
        let (world, key) = (&world, &key);
        async move { world.request(method, &path, Some(key), Some(body)).await }
    };
    let list = send(Method::GET, LIST.to_owned(), "").await.expect(200);
    assert_eq!(list["pagination"]["totalCount"], 1);
    assert_eq!(list["data"][0]["id"], inside["id"]);
    let outside = super::world::path_of(&outside);
    let message = r#"{"role": "user", "content": "x"}"#;
    for (method, tail, body) in [
        (Method::GET, "", ""),
        (Method::PUT, "", "{}"),
        (Method::DELETE, "", ""),
        (Method::GET, "/messages", ""),
        (Method::POST, "/messages", message),
        (Method::POST, "/takeover", ""),
        (Method::POST, "/release", ""),
    ] {
        send(method, format!("{outside}{tail}"), body).await.expect_error(404);
    }
    let create = format!(r#"{{"surfaceId": "{other}"}}"#);
    send(Method::POST, LIST.to_owned(), &create).await.expect_error(404);
    send(Method::GET, super::world::path_of(&inside), "").await.expect(200);
}
