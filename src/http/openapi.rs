//! The OpenAPI 3.1 document: made from the handlers' own declarations, plus the answers that every
//! endpoint can give, which stand here once.

use super::error::ErrorBody;
use axum::Json;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{Modify, OpenApi as _};

/// What the document says before any endpoint.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Inlet", description = "Inbound messages of mailboxes and webhooks as conversations."),
    components(schemas(ErrorBody)),
    security(("bearer" = []), ("apiKey" = [])),
    tags(
        (name = "messaging", description = "Conversations and their messages"),
        (name = "inbox", description = "What people should look at"),
        (name = "imap", description = "Mailboxes"),
        (name = "surfaces", description = "Configured channels"),
        (name = "webhooks", description = "Receivers"),
        (name = "events", description = "What happened"),
        (name = "health", description = "State of the process"),
    ),
    modifiers(&SecuritySchemes),
)]
struct Base;

struct SecuritySchemes;

impl Modify for SecuritySchemes {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let header = ApiKey::Header(ApiKeyValue::new("X-API-Key"));
        components.add_security_scheme("apiKey", SecurityScheme::ApiKey(header));
    }
}

/// The document without endpoints.
#[must_use]
pub fn base() -> OpenApi {
    Base::openapi()
}

/// Adds the answers that do not depend on the endpoint.
pub fn complete(document: &mut OpenApi) {
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        operations.into_iter().flatten().for_each(complete_operation);
    }
}

fn complete_operation(operation: &mut Operation) {
    // `security(())` marks what is open to everybody.
    let open = operation.security.is_some();
    if !open {
        add(operation, "401", "No API key, or one that does not work");
        add(operation, "403", "The API key lacks the scope");
        add(operation, "429", "Too many requests; Retry-After says when to come back");
        add(operation, "503", "Not now; Retry-After says when to come back");
    }
    if operation.request_body.is_some() {
        add(operation, "408", "The body came too slowly");
        add(operation, "413", "The body is too large");
    }
    let takes_input = operation.request_body.is_some() || operation.parameters.is_some();
    if takes_input {
        add(operation, "400", "The request is not valid; details names the fields");
    }
    add(operation, "500", "Something went wrong inside");
}

fn add(operation: &mut Operation, status: &str, description: &str) {
    let answer = || -> RefOr<Response> {
        let content = Content::new(Some(Ref::from_schema_name("Error")));
        ResponseBuilder::new().description(description).content("application/json", content).build().into()
    };
    operation.responses.responses.entry(status.to_owned()).or_insert_with(answer);
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "health", security(()), responses(
    (status = 200, description = "OpenAPI 3.1", body = Object),
))]
pub async fn openapi() -> Json<OpenApi> {
    Json(super::openapi())
}
