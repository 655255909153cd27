//! Agents: who is there; drain, resume, stop.

use crate::failure::{Answer, Failure};
use crate::http::list::by_name;
use crate::reading::{Act, At, Params};
use crate::state::App;
use axum::Json;
use axum::extract::State;
use std::time::Duration;
use warrener_api::Page;
use warrener_api::agent::AgentObject;
use warrener_api::requests::AgentRequest;
use warrener_engine::orchestrator::AgentView;
use warrener_model::{AgentId, Mistake, limits};

/// List agents
///
/// Everybody that is known, by name; also those that left or were lost.
#[utoipa::path(
    get, path = "/api/v1/agents", operation_id = "list_agents", tag = "agents",
    params(
        ("filter" = Option<String>, Query, description = "FIELD:VALUE[,VALUE…] with spaces between; fields: id role presence drain lanes kinds capabilities host"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; 1000 unless said"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, description = "A page", body = Page<AgentObject>))
)]
pub(crate) async fn list(
    State(app): State<App>,
    params: Params,
) -> Answer<Json<Page<AgentObject>>> {
    let agents = app.orchestrator.agents().into_iter().map(shown).collect();
    by_name(
        "agents",
        &[
            "id",
            "role",
            "presence",
            "drain",
            "lanes",
            "kinds",
            "capabilities",
            "host",
        ],
        &params,
        agents,
        |agent: &AgentObject| &agent.id,
    )
    .map(Json)
}

/// Read an agent
#[utoipa::path(
    get, path = "/api/v1/agents/{id}", operation_id = "get_agent", tag = "agents",
    params(("id" = String, Path, description = "the agent")),
    responses((status = 200, description = "The agent", body = AgentObject))
)]
pub(crate) async fn get(
    State(app): State<App>,
    At(id): At<AgentId>,
    params: Params,
) -> Answer<Json<AgentObject>> {
    params.only(&[])?;
    Ok(Json(shown(app.orchestrator.agent(&id)?)))
}

/// Drain an agent
///
/// It takes nothing new and finishes what it has; it stays so, over its restarts, until it is resumed.
#[utoipa::path(
    post, path = "/api/v1/agents/{id}/drain", operation_id = "drain_agent", tag = "agents",
    params(("id" = String, Path, description = "the agent")),
    request_body = AgentRequest,
    responses((status = 200, description = "The agent", body = AgentObject))
)]
pub(crate) async fn drain(
    State(app): State<App>,
    At(id): At<AgentId>,
    params: Params,
    Act(request): Act<AgentRequest>,
) -> Answer<Json<AgentObject>> {
    params.only(&[])?;
    no_deadline(&request)?;
    Ok(Json(shown(
        app.orchestrator.drain_agent(&id, request.reason).await?,
    )))
}

/// Let an agent take work again
#[utoipa::path(
    post, path = "/api/v1/agents/{id}/resume", operation_id = "resume_agent", tag = "agents",
    params(("id" = String, Path, description = "the agent")),
    request_body = AgentRequest,
    responses((status = 200, description = "The agent", body = AgentObject))
)]
pub(crate) async fn resume(
    State(app): State<App>,
    At(id): At<AgentId>,
    params: Params,
    Act(request): Act<AgentRequest>,
) -> Answer<Json<AgentObject>> {
    params.only(&[])?;
    no_deadline(&request)?;
    Ok(Json(shown(
        app.orchestrator.resume_agent(&id, request.reason).await?,
    )))
}

/// Stop an agent
///
/// It finishes what it has within `deadline_ms` (everything, unless said), gives back the rest, and leaves.
#[utoipa::path(
    post, path = "/api/v1/agents/{id}/stop", operation_id = "stop_agent", tag = "agents",
    params(("id" = String, Path, description = "the agent")),
    request_body = AgentRequest,
    responses((status = 200, description = "The agent", body = AgentObject))
)]
pub(crate) async fn stop(
    State(app): State<App>,
    At(id): At<AgentId>,
    params: Params,
    Act(request): Act<AgentRequest>,
) -> Answer<Json<AgentObject>> {
    params.only(&[])?;
    let within = request
        .deadline_ms
        .map_or(limits::HORIZON, Duration::from_millis);
    if within > limits::HORIZON {
        let mistake = Mistake::at("/deadline_ms", "is more than 10 years");
        return Err(Failure::invalid(vec![mistake]));
    }
    let stopping = app
        .orchestrator
        .stop_agent(&id, within, request.reason)
        .await?;
    Ok(Json(shown(stopping)))
}

/// Draining by request has no end of its own: ignoring a deadline would be a promise broken silently.
fn no_deadline(request: &AgentRequest) -> Answer<()> {
    match request.deadline_ms {
        None => Ok(()),
        Some(_) => {
            let mistake = Mistake::at("/deadline_ms", "only stop takes a deadline");
            Err(Failure::invalid(vec![mistake]))
        }
    }
}

fn shown(view: AgentView) -> AgentObject {
    AgentObject::of(&view.agent, view.holds)
}
