//! The OpenAPI document is whole: every operation, every status, one error shape.

use super::world::World;
use serde_json::Value;

#[tokio::test]
async fn the_document_is_served_and_is_openapi_3_1() {
    let world = World::new().await;
    let document = world.get("/openapi.json").await.expect(200);
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    assert_eq!(document, serde_json::to_value(inlet::http::openapi()).unwrap());
}

#[test]
fn every_operation_documents_the_answers_it_can_give() {
    let document = serde_json::to_value(inlet::http::openapi()).unwrap();
    for (path, method, operation) in operations(&document) {
        let responses = operation["responses"].as_object().expect("responses");
        let success = responses.keys().filter(|status| status.starts_with('2')).count();
        assert!(success > 0, "{method} {path} has a success");
        let is_open = operation["security"].is_array();
        let mut wanted = vec!["500"];
        if !is_open {
            wanted.extend(["401", "403", "503"]);
        }
        // What is open to everybody does not tell which ids there are.
        if path.contains('{') && !is_open {
            wanted.push("404");
        }
        if operation.get("requestBody").is_some() {
            wanted.extend(["400", "408", "413"]);
        }
        for status in wanted {
            assert!(responses.contains_key(status), "{method} {path} documents {status}");
        }
    }
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    let document = serde_json::to_value(inlet::http::openapi()).unwrap();
    let mut stack = vec![&document];
    while let Some(value) = stack.pop() {
        match value {
            Value::Object(object) => {
                if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
                    let pointer = reference.strip_prefix('#').expect("a local reference");
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                }
                stack.extend(object.values());
            }
            Value::Array(items) => stack.extend(items),
            _ => {}
        }
    }
}

/// Every operation: path, method, description.
pub fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("a path item") {
            if ["get", "post", "put", "patch", "delete"].contains(&method.as_str()) {
                found.push((path.clone(), method.to_uppercase(), operation.clone()));
            }
        }
    }
    found
}
