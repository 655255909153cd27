//! Tasks: submit, read, wait.

use crate::auth::ACTOR;
use crate::failure::{Answer, Failure};
use crate::reading::{Act, At, Params, Text, json};
use crate::rights::ByRun;
use crate::state::App;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use std::collections::HashMap;
use std::time::Duration;
use warrener_api::requests::WaitRequest;
use warrener_api::wait::WaitAnswer;
use warrener_api::{SubmitRequest, TaskObject};
use warrener_engine::orchestrator::View;
use warrener_model::{Mistake, Submission, TaskId, limits};

/// The header that makes a submission happen once.
pub(crate) const KEY: &str = "idempotency-key";

/// Submit a task
///
/// 201 says that it is durable and will be done. With an `Idempotency-Key` the same request is accepted once. With a task
/// token it is a child of that token's task, where the task's kind may open children (`may_spawn`).
#[utoipa::path(
    post, path = "/api/v1/tasks", operation_id = "submit_task", tag = "tasks",
    request_body = SubmitRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "up to 200 printable characters; kept as long as the task and at least 7 days")),
    responses(
        (status = 201, description = "Accepted", body = TaskObject),
        (status = 200, description = "Accepted before, under the same key", body = TaskObject),
    )
)]
pub(crate) async fn submit(
    State(app): State<App>,
    params: Params,
    ByRun(right): ByRun,
    headers: HeaderMap,
    Text(text): Text,
) -> Answer<(StatusCode, Json<TaskObject>)> {
    params.only(&[])?;
    let key = key(&headers)?;
    json(&text)?;
    let submission = Submission::read(&text).map_err(Failure::invalid)?;
    let submitted = match right {
        None => app.orchestrator.submit(submission, key, ACTOR).await?,
        Some(right) => {
            let spawner = app.orchestrator.spawner(right).await?;
            app.orchestrator.spawn(spawner, submission, key).await?
        }
    };
    let status = if submitted.existing {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok((status, Json(whole(&submitted.view))))
}

/// Read a task
///
/// With `wait`, once it is final or that time is over; 200 either way.
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}", operation_id = "get_task", tag = "tasks",
    params(
        ("id" = String, Path, description = "the task"),
        ("wait" = Option<String>, Query, description = "such as 30s, up to 60s"),
    ),
    responses((status = 200, description = "The task", body = TaskObject))
)]
pub(crate) async fn get(
    State(app): State<App>,
    At(id): At<TaskId>,
    params: Params,
) -> Answer<Json<TaskObject>> {
    params.only(&["wait"])?;
    if let Some(within) = params.span("wait", limits::WAIT)? {
        wait_or_stop(&app, &[id], false, within).await?;
    }
    Ok(Json(whole(&app.orchestrator.task(id).await?)))
}

/// Wait for several tasks
///
/// Answers when all of them have ended (with `any`: one of them), or the time is over.
#[utoipa::path(
    post, path = "/api/v1/tasks/wait", operation_id = "wait_for_tasks", tag = "tasks",
    request_body = WaitRequest,
    responses((status = 200, description = "What has ended, and what has not", body = WaitAnswer))
)]
pub(crate) async fn wait(
    State(app): State<App>,
    params: Params,
    ByRun(right): ByRun,
    Act(request): Act<WaitRequest>,
) -> Answer<Json<WaitAnswer>> {
    params.only(&[])?;
    if let Some(right) = right {
        app.orchestrator.may_read(right, &request.ids).await?;
    }
    let within = Duration::from_millis(request.wait_ms);
    if within > limits::WAIT {
        return Err(Failure::invalid(vec![Mistake::at(
            "/wait_ms",
            "is more than 60000",
        )]));
    }
    let (mut done, pending) = wait_or_stop(&app, &request.ids, request.any, within).await?;
    let order: HashMap<&TaskId, usize> = request.ids.iter().zip(0..).collect();
    done.sort_by_key(|view| order.get(&view.task.id).copied());
    let done = done
        .iter()
        .map(|view| TaskObject::of(&view.task, view.waiting_for, false));
    Ok(Json(WaitAnswer {
        done: done.collect(),
        pending,
    }))
}

/// A server that stops answers with what is known by then.
async fn wait_or_stop(
    app: &App,
    ids: &[TaskId],
    any: bool,
    within: Duration,
) -> Answer<(Vec<View>, Vec<TaskId>)> {
    tokio::select! {
        waited = app.orchestrator.wait(ids, any, within) => Ok(waited?),
        () = app.stop.cancelled() => Ok(app.orchestrator.wait(ids, any, Duration::ZERO).await?),
    }
}

/// A task with everything.
pub(crate) fn whole(view: &View) -> TaskObject {
    TaskObject::of(&view.task, view.waiting_for, true)
}

pub(crate) fn key(headers: &HeaderMap) -> Answer<Option<String>> {
    let mut values = headers.get_all(KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let key = std::str::from_utf8(value.as_bytes()).map(Into::into);
    match (key, values.next()) {
        (Ok(key), None) => Ok(Some(key)),
        _ => Err(Failure::parameter(
            "Idempotency-Key",
            "must be one text of printable characters",
        )),
    }
}
