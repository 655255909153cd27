//! Schedules: make, look at, pause, resume, run now, delete; what became of their slots.

use crate::auth::ACTOR;
use crate::cursor::{ListId, no};
use crate::failure::{Answer, Failure};
use crate::http::list::{by_name, limit};
use crate::reading::{Act, At, Params, Text, json};
use crate::state::App;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use warrener_api::requests::PauseRequest;
use warrener_api::schedule::{FiringObject, ScheduleObject, ScheduleRequest};
use warrener_api::{Page, SubmitRequest};
use warrener_backend::schedule::FiringRow;
use warrener_model::name::ScheduleName;
use warrener_model::schedule::{self, Schedule, Target, When, Work};

/// Rows of a page of firings, unless said.
const ROWS: usize = 100;

/// Make a schedule
///
/// 201 says that it is durable: from now on each of its slots starts its task or run, once, whichever server is there.
#[utoipa::path(
    post, path = "/api/v1/schedules", operation_id = "create_schedule", tag = "schedules",
    request_body = ScheduleRequest,
    responses((status = 201, description = "The schedule", body = ScheduleObject))
)]
pub(crate) async fn create(
    State(app): State<App>,
    params: Params,
    Text(text): Text,
) -> Answer<(StatusCode, Json<ScheduleObject>)> {
    params.only(&[])?;
    json(&text)?;
    let request = schedule::ScheduleRequest::read(&text).map_err(Failure::invalid)?;
    let made = app.orchestrator.create_schedule(&request).await?;
    Ok((StatusCode::CREATED, Json(shown(&made))))
}

/// List schedules
///
/// By name. Their tasks come without description and input, their workflows without file and inputs.
#[utoipa::path(
    get, path = "/api/v1/schedules", operation_id = "list_schedules", tag = "schedules",
    params(
        ("filter" = Option<String>, Query, description = "FIELD:VALUE[,VALUE…] with spaces between; fields: name paused"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; 1000 unless said"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, description = "A page", body = Page<ScheduleObject>))
)]
pub(crate) async fn list(
    State(app): State<App>,
    params: Params,
) -> Answer<Json<Page<ScheduleObject>>> {
    let rows = app.orchestrator.schedules().await?;
    let rows: Vec<&Schedule> = rows.iter().collect();
    let page = by_name("schedules", &["name", "paused"], &params, rows, |row| {
        row.name.as_str()
    })?;
    let bare = |row: &Schedule| {
        let mut object = shown(row);
        if let Some(task) = &mut object.task {
            (task.description, task.input) = (None, None);
        }
        (object.workflow, object.inputs) = (None, None);
        object
    };
    Ok(Json(Page {
        items: page.items.into_iter().map(bare).collect(),
        next: page.next,
    }))
}

/// Read a schedule
#[utoipa::path(
    get, path = "/api/v1/schedules/{name}", operation_id = "get_schedule", tag = "schedules",
    params(("name" = String, Path, description = "the schedule")),
    responses((status = 200, description = "The schedule", body = ScheduleObject))
)]
pub(crate) async fn get(
    State(app): State<App>,
    At(name): At<ScheduleName>,
    params: Params,
) -> Answer<Json<ScheduleObject>> {
    params.only(&[])?;
    Ok(Json(shown(&app.orchestrator.schedule(&name).await?)))
}

/// Delete a schedule
///
/// With the history of its slots. What it started is as it was. Answers with what it was.
#[utoipa::path(
    delete, path = "/api/v1/schedules/{name}", operation_id = "delete_schedule", tag = "schedules",
    params(("name" = String, Path, description = "the schedule")),
    responses((status = 200, description = "The schedule", body = ScheduleObject))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    At(name): At<ScheduleName>,
    params: Params,
) -> Answer<Json<ScheduleObject>> {
    params.only(&[])?;
    Ok(Json(shown(&app.orchestrator.delete_schedule(&name).await?)))
}

/// Pause a schedule
///
/// It starts nothing any more; what runs goes on, what waits goes on waiting.
#[utoipa::path(
    post, path = "/api/v1/schedules/{name}/pause", operation_id = "pause_schedule", tag = "schedules",
    params(("name" = String, Path, description = "the schedule")),
    request_body = PauseRequest,
    responses((status = 200, description = "The schedule", body = ScheduleObject))
)]
pub(crate) async fn pause(
    State(app): State<App>,
    At(name): At<ScheduleName>,
    params: Params,
    Act(request): Act<PauseRequest>,
) -> Answer<Json<ScheduleObject>> {
    params.only(&[])?;
    let PauseRequest { reason: _ } = request;
    Ok(Json(shown(&app.orchestrator.pause_schedule(&name).await?)))
}

/// Resume a schedule
///
/// Slots of the time of the pause are gone: they were not missed, they were not wanted.
#[utoipa::path(
    post, path = "/api/v1/schedules/{name}/resume", operation_id = "resume_schedule", tag = "schedules",
    params(("name" = String, Path, description = "the schedule")),
    request_body = PauseRequest,
    responses((status = 200, description = "The schedule", body = ScheduleObject))
)]
pub(crate) async fn resume(
    State(app): State<App>,
    At(name): At<ScheduleName>,
    params: Params,
    Act(request): Act<PauseRequest>,
) -> Answer<Json<ScheduleObject>> {
    params.only(&[])?;
    let PauseRequest { reason: _ } = request;
    Ok(Json(shown(&app.orchestrator.resume_schedule(&name).await?)))
}

/// Run a schedule now
///
/// Starts its task or run now, paused or not, and uses up no slot. While the one before has not ended its overlap policy holds:
/// with `skip` the answer is 409, with `queue` it waits, with `cancel` the other one is cancelled.
#[utoipa::path(
    post, path = "/api/v1/schedules/{name}/run", operation_id = "run_schedule", tag = "schedules",
    params(("name" = String, Path, description = "the schedule")),
    request_body = PauseRequest,
    responses((status = 200, description = "The schedule; last_task_id is the task, last_run_id the run", body = ScheduleObject))
)]
pub(crate) async fn run(
    State(app): State<App>,
    At(name): At<ScheduleName>,
    params: Params,
    Act(request): Act<PauseRequest>,
) -> Answer<Json<ScheduleObject>> {
    params.only(&[])?;
    let PauseRequest { reason: _ } = request;
    let row = app.orchestrator.run_schedule(&name, ACTOR).await?;
    Ok(Json(shown(&row)))
}

/// List what became of a schedule's slots
///
/// The newest first; the newest 1,000 are kept.
#[utoipa::path(
    get, path = "/api/v1/schedules/{name}/firings", operation_id = "list_firings", tag = "schedules",
    params(
        ("name" = String, Path, description = "the schedule"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; 100 unless said"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, description = "A page", body = Page<FiringObject>))
)]
pub(crate) async fn firings(
    State(app): State<App>,
    At(name): At<ScheduleName>,
    params: Params,
) -> Answer<Json<Page<FiringObject>>> {
    params.only(&["limit", "cursor"])?;
    let list = ListId::of(&["firings", name.as_str()]);
    let before = match params.text("cursor") {
        None => None,
        Some(cursor) => {
            let place = list.open(cursor)?.try_into();
            let place = place.map_err(|_| no("this is no cursor of this list"))?;
            Some(u64::from_be_bytes(place))
        }
    };
    let limit = limit(&params, ROWS)?;
    let rows = app.orchestrator.firings(&name, before, limit).await?;
    let last = rows.last().filter(|_| rows.len() == limit);
    Ok(Json(Page {
        next: last.map(|row| list.seal(&row.n.to_be_bytes())),
        items: rows.into_iter().map(firing).collect(),
    }))
}

fn shown(row: &Schedule) -> ScheduleObject {
    let mut object = ScheduleObject {
        name: row.name.to_string(),
        overlap: row.overlap.as_str().into(),
        catch_up: row.catch_up.as_str().into(),
        catch_up_max: u32::try_from(row.catch_up_max).unwrap_or(u32::MAX),
        late_ms: u64::try_from(row.late.as_millis()).unwrap_or(u64::MAX),
        paused: row.paused_since.is_some(),
        paused_at: row.paused_since,
        next: row.upcoming(),
        waiting: u32::try_from(row.waiting.len()).unwrap_or(u32::MAX),
        last_slot: row.last_slot,
        last_task_id: row.last.and_then(Work::task),
        last_run_id: row.last.and_then(Work::run),
        created_at: row.created_at,
        version: row.version,
        ..ScheduleObject::default()
    };
    match &row.target {
        Target::Task(task) => object.task = Some(SubmitRequest::of(task)),
        Target::Workflow(flow) => {
            object.workflow = Some(flow.file.clone());
            object.inputs = Some(flow.inputs.clone());
        }
    }
    match &row.when {
        When::Cron { pattern, time_zone } => {
            object.cron = Some(pattern.clone());
            object.time_zone = Some(time_zone.clone());
        }
        When::Every { from, every_ms } => {
            (object.from, object.every_ms) = (Some(*from), Some(*every_ms));
        }
        When::Once { at } => object.at = Some(*at),
    }
    object
}

fn firing(row: FiringRow) -> FiringObject {
    let firing = row.firing;
    FiringObject {
        n: row.n,
        slot: firing.slot.at,
        cause: firing.slot.cause.as_str().into(),
        outcome: firing.outcome.as_str().into(),
        count: firing.count,
        task_id: firing.work.and_then(Work::task),
        run_id: firing.work.and_then(Work::run),
        reason: firing.reason,
        at: firing.at,
    }
}
