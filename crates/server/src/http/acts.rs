//! Acts on a task: cancel, retry, reassign, approve, reject, answer.

use crate::auth::ACTOR;
use crate::failure::{Answer, Failure};
use crate::http::tasks::whole;
use crate::reading::{Act, At, Params};
use crate::state::App;
use axum::Json;
use axum::extract::State;
use warrener_api::TaskObject;
use warrener_api::requests::{
    AnswerRequest, ApproveRequest, CancelRequest, ReassignRequest, RejectRequest, RetryRequest,
};
use warrener_model::{AgentId, Mistake, TaskId};

/// Cancel a task
///
/// Once this answers nothing of it is started any more; `stopping` says that a run granted before is being stopped.
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}/cancel", operation_id = "cancel_task", tag = "tasks",
    params(("id" = String, Path, description = "the task")),
    request_body = CancelRequest,
    responses((status = 200, description = "Cancelled", body = TaskObject))
)]
pub(crate) async fn cancel(
    State(app): State<App>,
    At(id): At<TaskId>,
    params: Params,
    Act(request): Act<CancelRequest>,
) -> Answer<Json<TaskObject>> {
    params.only(&[])?;
    let reason = request.reason.unwrap_or_default();
    let cancelled = app.orchestrator.cancel(id, &reason, ACTOR).await?;
    let mut task = whole(&cancelled.view);
    task.stopping = Some(cancelled.stopping);
    Ok(Json(task))
}

/// Retry a task
///
/// That failed, is dead, was cancelled or expired.
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}/retry", operation_id = "retry_task", tag = "tasks",
    params(("id" = String, Path, description = "the task")),
    request_body = RetryRequest,
    responses((status = 200, description = "Will be tried again", body = TaskObject))
)]
pub(crate) async fn retry(
    State(app): State<App>,
    At(id): At<TaskId>,
    params: Params,
    Act(request): Act<RetryRequest>,
) -> Answer<Json<TaskObject>> {
    params.only(&[])?;
    let RetryRequest {
        input,
        reset_attempts,
    } = request;
    let view = app
        .orchestrator
        .retry(id, input, reset_attempts, ACTOR)
        .await?;
    Ok(Json(whole(&view)))
}

/// Give a task to another agent
///
/// A run elsewhere is stopped, and not counted.
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}/reassign", operation_id = "reassign_task", tag = "tasks",
    params(("id" = String, Path, description = "the task")),
    request_body = ReassignRequest,
    responses((status = 200, description = "Reassigned", body = TaskObject))
)]
pub(crate) async fn reassign(
    State(app): State<App>,
    At(id): At<TaskId>,
    params: Params,
    Act(request): Act<ReassignRequest>,
) -> Answer<Json<TaskObject>> {
    params.only(&[])?;
    let agent = AgentId::new(&request.agent)
        .map_err(|error| Failure::invalid(vec![Mistake::at("/agent", error.to_string())]))?;
    let view = app.orchestrator.reassign(id, agent, ACTOR).await?;
    Ok(Json(whole(&view)))
}

/// Say yes to a task that waits for an approval
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}/approve", operation_id = "approve_task", tag = "tasks",
    params(("id" = String, Path, description = "the task")),
    request_body = ApproveRequest,
    responses((status = 200, description = "Approved", body = TaskObject))
)]
pub(crate) async fn approve(
    State(app): State<App>,
    At(id): At<TaskId>,
    params: Params,
    Act(request): Act<ApproveRequest>,
) -> Answer<Json<TaskObject>> {
    params.only(&[])?;
    let reason = request.reason.unwrap_or_default();
    let view = app.orchestrator.approve(id, &reason, ACTOR).await?;
    Ok(Json(whole(&view)))
}

/// Say no to a task that waits for an approval: it failed
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}/reject", operation_id = "reject_task", tag = "tasks",
    params(("id" = String, Path, description = "the task")),
    request_body = RejectRequest,
    responses((status = 200, description = "Rejected", body = TaskObject))
)]
pub(crate) async fn reject(
    State(app): State<App>,
    At(id): At<TaskId>,
    params: Params,
    Act(request): Act<RejectRequest>,
) -> Answer<Json<TaskObject>> {
    params.only(&[])?;
    let reason = request.reason.unwrap_or_default();
    let view = app.orchestrator.reject(id, &reason, ACTOR).await?;
    Ok(Json(whole(&view)))
}

/// Give a task the input that it waits for
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}/answer", operation_id = "answer_task", tag = "tasks",
    params(("id" = String, Path, description = "the task")),
    request_body = AnswerRequest,
    responses((status = 200, description = "Answered", body = TaskObject))
)]
pub(crate) async fn answer(
    State(app): State<App>,
    At(id): At<TaskId>,
    params: Params,
    Act(request): Act<AnswerRequest>,
) -> Answer<Json<TaskObject>> {
    params.only(&[])?;
    let view = app.orchestrator.answer(id, request.answer, ACTOR).await?;
    Ok(Json(whole(&view)))
}
