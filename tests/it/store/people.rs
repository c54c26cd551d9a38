//! Tenants and API keys.

use super::world::World;
use inlet::ids::TenantId;
use inlet::store::keys::ApiKey;

on_both_engines! {
    a_tenant_is_made_once_for_each_name,
    of_many_processes_that_make_a_tenant_all_get_the_same,
    a_key_is_found_by_its_hash_until_it_is_revoked,
    keys_are_listed_by_tenant_oldest_first,
}

async fn ensure(world: &World, name: &str, fresh: TenantId) -> TenantId {
    let mut tx = world.store.begin().await.unwrap();
    let id = tx.ensure_tenant(name, fresh, world.now()).await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn a_tenant_is_made_once_for_each_name(world: World) {
    let (one, other) = (world.ids.next(), world.ids.next());
    let long = "n".repeat(5_000);
    assert_eq!(ensure(&world, &long, one).await, one);
    assert_eq!(ensure(&world, &long, other).await, one);
    assert_eq!(ensure(&world, "First", other).await, other);
    assert_eq!(world.store.find_tenant(&long).await.unwrap(), Some(one));
    assert_eq!(world.store.find_tenant("first").await.unwrap(), Some(world.tenant));
    assert_eq!(world.store.find_tenant("nobody").await.unwrap(), None);
}

async fn of_many_processes_that_make_a_tenant_all_get_the_same(world: World) {
    let mut makers = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let (store, fresh, now) = (world.store.clone(), world.ids.next(), world.now());
        makers.spawn(async move {
            let mut tx = store.begin().await.unwrap();
            let id = tx.ensure_tenant("same", fresh, now).await.unwrap();
            tx.commit().await.unwrap();
            id
        });
    }
    let made = makers.join_all().await;
    assert!(made.iter().all(|id| *id == made[0]), "{made:?}");
}

fn new_key(world: &World, byte: u8) -> ApiKey {
    ApiKey {
        id: world.ids.next(),
        tenant_id: world.tenant,
        workspace_id: Some("team".to_owned()),
        name: "a key".to_owned(),
        hash: [byte; 32],
        scopes: vec!["messaging:read".to_owned(), "admin".to_owned()],
        expires_at: Some(world.at_minute(60)),
        revoked_at: None,
        created_at: world.now(),
    }
}

async fn a_key_is_found_by_its_hash_until_it_is_revoked(world: World) {
    let key = new_key(&world, 1);
    let mut tx = world.store.begin().await.unwrap();
    tx.insert_key(&key).await.unwrap();
    let twin = ApiKey { id: world.ids.next(), name: "twin".to_owned(), ..key.clone() };
    tx.insert_key(&twin).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.store.find_key(&[1; 32]).await.unwrap(), Some(key.clone()));
    assert_eq!(world.store.find_key(&[2; 32]).await.unwrap(), None);
    let mut tx = world.store.begin().await.unwrap();
    assert!(tx.revoke_key(key.id, world.at_minute(2)).await.unwrap());
    assert!(!tx.revoke_key(key.id, world.at_minute(3)).await.unwrap());
    tx.commit().await.unwrap();
    let revoked = ApiKey { revoked_at: Some(world.at_minute(2)), ..key };
    assert_eq!(world.store.find_key(&[1; 32]).await.unwrap(), Some(revoked));
}

async fn keys_are_listed_by_tenant_oldest_first(world: World) {
    let stranger = ensure(&world, "stranger", world.ids.next()).await;
    let mut older = new_key(&world, 1);
    older.created_at = world.at_minute(-5);
    older.scopes = Vec::new();
    older.workspace_id = None;
    older.expires_at = None;
    let (younger, foreign) = (new_key(&world, 2), ApiKey { tenant_id: stranger, ..new_key(&world, 3) });
    let mut tx = world.store.begin().await.unwrap();
    for key in [&younger, &older, &foreign] {
        tx.insert_key(key).await.unwrap();
    }
    tx.commit().await.unwrap();
    let ours = world.store.list_keys(Some(world.tenant)).await.unwrap();
    assert_eq!(ours, [older.clone(), younger.clone()]);
    let all = world.store.list_keys(None).await.unwrap();
    assert_eq!(all, [older, younger, foreign]);
}
