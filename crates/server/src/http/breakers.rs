//! Circuit breakers: how they stand; a person's word that it works again.

use crate::failure::Answer;
use crate::http::list::by_name;
use crate::reading::{Act, At, Params};
use crate::state::App;
use axum::Json;
use axum::extract::State;
use warrener_api::Page;
use warrener_api::breaker::BreakerObject;
use warrener_api::requests::ResetRequest;
use warrener_engine::orchestrator::BreakerView;
use warrener_model::{Kind, Timestamp};

/// List circuit breakers
///
/// By kind: those with a setting of their own, and those of which something started since the server did.
#[utoipa::path(
    get, path = "/api/v1/breakers", operation_id = "list_breakers", tag = "breakers",
    params(
        ("filter" = Option<String>, Query, description = "FIELD:VALUE[,VALUE…] with spaces between; fields: kind state"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; 1000 unless said"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, description = "A page", body = Page<BreakerObject>))
)]
pub(crate) async fn list(
    State(app): State<App>,
    params: Params,
) -> Answer<Json<Page<BreakerObject>>> {
    let now = app.orchestrator.now().await?;
    let views = app.orchestrator.breakers();
    let breakers = views.into_iter().map(|view| shown(view, now)).collect();
    by_name(
        "breakers",
        &["kind", "state"],
        &params,
        breakers,
        |one: &BreakerObject| &one.kind,
    )
    .map(Json)
}

/// Close a circuit breaker
///
/// Tasks of the kind are started at once; what runs now does not count.
#[utoipa::path(
    post, path = "/api/v1/breakers/{kind}/reset", operation_id = "reset_breaker", tag = "breakers",
    params(("kind" = String, Path, description = "the kind")),
    request_body = ResetRequest,
    responses((status = 200, description = "The breaker", body = BreakerObject))
)]
pub(crate) async fn reset(
    State(app): State<App>,
    At(kind): At<Kind>,
    params: Params,
    Act(request): Act<ResetRequest>,
) -> Answer<Json<BreakerObject>> {
    params.only(&[])?;
    let now = app.orchestrator.now().await?;
    let reason = request.reason.as_deref();
    let view = app.orchestrator.reset_breaker(&kind, reason).await?;
    Ok(Json(shown(view, now)))
}

fn shown(view: BreakerView, now: Timestamp) -> BreakerObject {
    BreakerObject {
        kind: view.kind.to_string(),
        state: view.phase.as_str().into(),
        since: view.since,
        probe_at: view.wait.map(|wait| now.plus(wait)),
        failures: view.failures,
        error: view.error,
    }
}
