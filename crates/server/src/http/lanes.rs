//! Lanes: what waits, who serves; pause and resume.

use crate::failure::Answer;
use crate::http::list::by_name;
use crate::reading::{Act, At, Params};
use crate::state::App;
use axum::Json;
use axum::extract::State;
use warrener_api::Page;
use warrener_api::lane::LaneObject;
use warrener_api::requests::PauseRequest;
use warrener_engine::orchestrator::{AgentView, LaneView};
use warrener_model::agent::{Operation, Presence};
use warrener_model::{Lane, State as TaskState};

/// List lanes
///
/// Every lane that has tasks, settings or agents, by name.
#[utoipa::path(
    get, path = "/api/v1/lanes", operation_id = "list_lanes", tag = "lanes",
    params(
        ("filter" = Option<String>, Query, description = "FIELD:VALUE[,VALUE…] with spaces between; fields: name start paused"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; 1000 unless said"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, description = "A page", body = Page<LaneObject>))
)]
pub(crate) async fn list(State(app): State<App>, params: Params) -> Answer<Json<Page<LaneObject>>> {
    let agents = app.orchestrator.agents();
    let views = app.orchestrator.lanes().await?;
    let lanes = views.iter().map(|view| shown(view, &agents)).collect();
    by_name(
        "lanes",
        &["name", "start", "paused"],
        &params,
        lanes,
        |lane: &LaneObject| &lane.name,
    )
    .map(Json)
}

/// Read a lane
#[utoipa::path(
    get, path = "/api/v1/lanes/{lane}", operation_id = "get_lane", tag = "lanes",
    params(("lane" = String, Path, description = "the lane")),
    responses((status = 200, description = "The lane", body = LaneObject))
)]
pub(crate) async fn get(
    State(app): State<App>,
    At(lane): At<Lane>,
    params: Params,
) -> Answer<Json<LaneObject>> {
    params.only(&[])?;
    let view = app.orchestrator.lane(&lane).await?;
    Ok(Json(shown(&view, &app.orchestrator.agents())))
}

/// Pause a lane
///
/// Nothing of it is started any more; what runs goes on. A lane may be paused before its first task.
#[utoipa::path(
    post, path = "/api/v1/lanes/{lane}/pause", operation_id = "pause_lane", tag = "lanes",
    params(("lane" = String, Path, description = "the lane")),
    request_body = PauseRequest,
    responses((status = 200, description = "The lane", body = LaneObject))
)]
pub(crate) async fn pause(
    State(app): State<App>,
    At(lane): At<Lane>,
    params: Params,
    Act(request): Act<PauseRequest>,
) -> Answer<Json<LaneObject>> {
    params.only(&[])?;
    let view = app.orchestrator.pause_lane(&lane, request.reason).await?;
    Ok(Json(shown(&view, &app.orchestrator.agents())))
}

/// Resume a lane
#[utoipa::path(
    post, path = "/api/v1/lanes/{lane}/resume", operation_id = "resume_lane", tag = "lanes",
    params(("lane" = String, Path, description = "the lane")),
    request_body = PauseRequest,
    responses((status = 200, description = "The lane", body = LaneObject))
)]
pub(crate) async fn resume(
    State(app): State<App>,
    At(lane): At<Lane>,
    params: Params,
    Act(request): Act<PauseRequest>,
) -> Answer<Json<LaneObject>> {
    params.only(&[])?;
    // A lane that is not paused has no reason to show.
    let PauseRequest { reason: _ } = request;
    let view = app.orchestrator.resume_lane(&lane).await?;
    Ok(Json(shown(&view, &app.orchestrator.agents())))
}

fn shown(view: &LaneView, agents: &[AgentView]) -> LaneObject {
    let mut lane = LaneObject::new(&view.settings.lane);
    lane.start = view.start.as_str().into();
    lane.paused = view.settings.paused;
    if lane.paused {
        lane.reason = view.settings.reason.clone();
        lane.paused_at = view.settings.since;
    }
    for (state, count) in &view.tasks {
        let oldest = view.oldest_ready.filter(|_| *state == TaskState::Ready);
        lane.count(*state, *count, oldest);
    }
    for AgentView { agent, holds } in agents {
        let there = matches!(agent.presence, Presence::Up | Presence::Draining);
        let serves = agent.card.role.may(Operation::Execute)
            && agent.card.lanes.contains(&view.settings.lane);
        if there && serves {
            lane.agents += 1;
            lane.slots = lane.slots.saturating_add(agent.card.slots);
            let holds = u32::try_from(holds.len()).unwrap_or(u32::MAX);
            lane.busy = lane.busy.saturating_add(holds);
        }
    }
    lane
}
