//! Webhooks over real HTTP: what is answered, what is stored, what survives.

mod bad_input;
mod commands;
mod crash;
mod daemon;
mod dead_letters;
mod expectations;
mod identity;
mod keys;
mod language;
mod media;
mod outage;
mod parallel;
mod proxies;
mod queries;
mod receive;
mod simulator;
mod surfaces;
mod workers;

use crate::api::world::{Answer, World};
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use ring::hmac;
use serde_json::{Value, json};

const SECRET: &str = "a-secret-of-the-tests";

/// A surface of the API, its `inbound` as given; its id.
async fn surface(world: &World, kind: &str, inbound: Value) -> String {
    let made = world.post("/v1/surfaces", &json!({"name": "Widget", "type": kind, "inbound": inbound})).await;
    made.expect(201)["id"].as_str().unwrap().to_owned()
}

/// A surface for the generic body with [`SECRET`].
async fn inlet(world: &World) -> String {
    surface(world, "webhook", json!({"provider": "inlet", "secret": SECRET})).await
}

/// The HMAC-SHA256 of a body in hex.
fn proof(body: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), body);
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn send(world: &World, surface: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        map.append(name, HeaderValue::from_str(value).unwrap());
    }
    if !map.contains_key("content-type") {
        map.insert("content-type", HeaderValue::from_static("application/json"));
    }
    world.send(Method::POST, &format!("/v1/webhooks/{surface}"), map, Some(body.into())).await
}

/// Sends a JSON body with its proof.
async fn signed(world: &World, surface: &str, body: &Value) -> Answer {
    let body = body.to_string();
    let header = format!("sha256={}", proof(body.as_bytes()));
    send(world, surface, &[("X-Inlet-Signature", &header)], body).await
}

/// How many conversations and messages a surface has.
async fn totals(world: &World, surface: &str) -> (i64, i64) {
    let (mut conversations, mut messages, mut cursor) = (0, 0, String::new());
    loop {
        let path = format!("/v1/messaging/conversations?limit=100&surfaceId={surface}&cursor={cursor}");
        let page = world.get(&path).await.expect(200);
        for row in page["data"].as_array().unwrap() {
            conversations += 1;
            messages += row["messageCount"].as_i64().unwrap();
        }
        match page["pagination"]["nextCursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return (conversations, messages),
        }
    }
}
