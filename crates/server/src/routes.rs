//! Every route on one screen, and the OpenAPI document that is made from them.

use crate::auth::auth;
use crate::envelope::envelope;
use crate::failure::{Answer, Failure};
use crate::guard::guard;
use crate::http::{
    acts, agents, batch, books, breakers, dead, health, history, lanes, link, list, live, locks,
    login, metrics, own, refused, runs, schedules, sessions, state, tasks,
};
use crate::page;
use crate::reading::Params;
use crate::state::App;
use axum::Router;
use axum::extract::Request;
use axum::http::header;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, ResponseBuilder};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use warrener_api::Problem;
use warrener_api::log::LogPiece;
use warrener_api::stream::{AgentChange, Alert, LaneChange, Resync, TaskChange};

fn api() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(tasks::submit, list::tasks))
        .routes(routes!(batch::submit))
        .routes(routes!(tasks::wait))
        .routes(routes!(tasks::get))
        .routes(routes!(history::events))
        .routes(routes!(history::logs, own::log))
        .routes(routes!(own::progress))
        .routes(routes!(acts::cancel))
        .routes(routes!(acts::retry))
        .routes(routes!(acts::reassign))
        .routes(routes!(acts::approve))
        .routes(routes!(acts::reject))
        .routes(routes!(acts::answer))
        .routes(routes!(agents::list))
        .routes(routes!(agents::get))
        .routes(routes!(agents::drain))
        .routes(routes!(agents::resume))
        .routes(routes!(agents::stop))
        .routes(routes!(lanes::list))
        .routes(routes!(lanes::get))
        .routes(routes!(lanes::pause))
        .routes(routes!(lanes::resume))
        .routes(routes!(breakers::list))
        .routes(routes!(breakers::reset))
        .routes(routes!(schedules::create, schedules::list))
        .routes(routes!(schedules::get, schedules::delete))
        .routes(routes!(schedules::pause))
        .routes(routes!(schedules::resume))
        .routes(routes!(schedules::run))
        .routes(routes!(schedules::firings))
        .routes(routes!(dead::groups))
        .routes(routes!(dead::requeue))
        .routes(routes!(dead::discard))
        .routes(routes!(sessions::open, sessions::list))
        .routes(routes!(sessions::get))
        .routes(routes!(sessions::answer))
        .routes(routes!(sessions::cancel))
        .routes(routes!(refused::list))
        .routes(routes!(runs::start, runs::list))
        .routes(routes!(runs::get))
        .routes(routes!(runs::cancel))
        .routes(routes!(runs::retry_failed))
        .routes(routes!(state::get, state::set, state::delete))
        .routes(routes!(state::history))
        .routes(routes!(state::list, state::restore))
        .routes(routes!(
            locks::get,
            locks::take,
            locks::keep,
            locks::release
        ))
        .routes(routes!(books::get))
        .routes(routes!(login::login))
        .routes(routes!(login::codes))
        .routes(routes!(login::logout))
        .routes(routes!(live::stream))
        .routes(routes!(link::open))
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(metrics::get))
        .routes(routes!(document))
}

/// The service: the routes within what every answer has in common.
pub(crate) fn router(app: App) -> Router {
    let router: Router<App> = api().into();
    router
        .merge(page::routes())
        .fallback(async |request: Request| Failure::no_route(&request))
        .method_not_allowed_fallback(async |request: Request| Failure::wrong_method(&request))
        .layer(from_fn_with_state(app.clone(), auth))
        .layer(from_fn_with_state(app.clone(), guard))
        .layer(from_fn(envelope))
        .with_state(app)
}

/// The OpenAPI document of this version.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = api().into_openapi();
    Problems.modify(&mut document);
    document
}

/// Read this document
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "openapi", tag = "server",
    responses((status = 200, description = "OpenAPI 3.1", body = Object))
)]
async fn document(params: Params) -> Answer<impl IntoResponse> {
    params.only(&[])?;
    let kind = [(header::CONTENT_TYPE, "application/json")];
    let text = openapi().to_json();
    Ok((kind, text.expect("the document has string keys only")))
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Warrener",
        description = "Tasks for agents: accepted durably, done once, explained. Every error is an `application/problem+json` with a code and what to do.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    components(schemas(Problem, LogPiece, TaskChange, LaneChange, AgentChange, Alert, Resync)),
    modifiers(&Bearer),
    tags(
        (name = "tasks", description = "Submit, follow and steer tasks"),
        (name = "runs", description = "Workflows, run"),
        (name = "state", description = "Shared state: keys with versions, locks"),
        (name = "dead", description = "What Warrener gave up, and what to do about it"),
        (name = "lanes", description = "Where tasks wait"),
        (name = "breakers", description = "Kinds that rest while what they need does not work"),
        (name = "sessions", description = "Questions that agents decide together"),
        (name = "schedules", description = "Tasks, and runs of workflows, that begin at their times"),
        (name = "agents", description = "Who does them"),
        (name = "server", description = "The server itself"),
    )
)]
struct Document;

/// Everything needs the token, unless an operation says otherwise.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", scheme);
        document.security = Some(vec![SecurityRequirement::new(
            "token",
            Vec::<String>::new(),
        )]);
    }
}

/// Any operation may answer with a problem instead.
struct Problems;

impl Modify for Problems {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name("Problem")))
            .build();
        let problem = ResponseBuilder::new()
            .description("A problem: the status is that of its code")
            .content("application/problem+json", content)
            .build();
        for item in document.paths.paths.values_mut() {
            let operations = [
                &mut item.get,
                &mut item.put,
                &mut item.post,
                &mut item.delete,
            ];
            for operation in operations.into_iter().flatten() {
                let operation: &mut Operation = operation;
                let responses = &mut operation.responses.responses;
                responses.insert("default".into(), problem.clone().into());
            }
        }
    }
}
