//! Every route, on one screen.

use super::error::ApiError;
use super::observe::{observe, panicked};
use super::{AppState, events, health, imap, inbox, messaging, openapi, surfaces, webhooks};
use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::middleware;
use axum::routing::post;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes with their description. Endpoints of one path stand in one `routes!`.
fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .routes(routes!(openapi::openapi))
        .routes(routes!(messaging::list::list, messaging::create::create))
        .routes(routes!(messaging::read::read, messaging::update::update, messaging::delete::delete))
        .routes(routes!(messaging::list_messages::list_messages, messaging::post_message::post_message))
        .routes(routes!(messaging::takeover::takeover))
        .routes(routes!(messaging::takeover::take_over))
        .routes(routes!(messaging::release::release))
        .routes(routes!(messaging::reply_address::reply_address))
        .routes(routes!(messaging::download::download))
        .routes(routes!(imap::start::start))
        .routes(routes!(imap::poll::poll))
        .routes(routes!(imap::status::status))
        .routes(routes!(imap::stop::stop))
        .routes(routes!(imap::verify::verify))
        .routes(routes!(imap::test_send::test_send))
        .routes(routes!(imap::audit::audit))
        .routes(routes!(imap::fetch::fetch))
        .routes(routes!(events::events))
        .routes(routes!(inbox::attention_items::attention_items))
        .routes(routes!(inbox::resolve_attention_item::resolve_attention_item))
        .routes(routes!(surfaces::list::list, surfaces::create::create))
        .routes(routes!(surfaces::read::read, surfaces::update::update, surfaces::delete::delete))
        .routes(routes!(surfaces::dead_letters::dead_letters))
        .routes(routes!(surfaces::replay::replay))
        .routes(routes!(surfaces::replay_all::replay_all))
        .routes(routes!(surfaces::replay_since::replay_since))
        .routes(routes!(surfaces::dead_letter::dead_letter))
        .routes(routes!(surfaces::discard::discard))
        .routes(routes!(surfaces::mapping_test::mapping_test))
        .routes(routes!(webhooks::receive::receive, webhooks::challenge::challenge))
        .routes(routes!(webhooks::receive::receive_at_product, webhooks::challenge::challenge_at_product))
}

/// The service.
pub fn router(state: AppState) -> Router {
    let (router, _) = routes().split_for_parts();
    router
        // Some providers put a slash behind every address.
        .route(
            "/v1/webhooks/{surfaceId}/",
            post(webhooks::receive::receive).get(webhooks::challenge::challenge),
        )
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(state.clone(), observe))
        .with_state(state)
}

/// The description.
#[must_use]
pub fn document() -> OpenApi {
    let mut document = routes().into_openapi();
    openapi::complete(&mut document);
    document
}

async fn unknown_route(_: Uri) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "UNKNOWN_ROUTE", "There is no such route; see /openapi.json.")
}

async fn wrong_method() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "METHOD_NOT_ALLOWED",
        "This route does not take this method; Allow names the ones it takes.",
    )
}
