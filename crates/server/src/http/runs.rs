//! Runs of workflows: start, read, list, cancel, try again what failed.

use crate::auth::ACTOR;
use crate::cursor::{ListId, read_task_place, task_place};
use crate::failure::{Answer, Failure};
use crate::http::list::limit;
use crate::http::tasks::key;
use crate::reading::{Act, At, Params, Text, json};
use crate::state::App;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use warrener_api::Page;
use warrener_api::requests::CancelRequest;
use warrener_api::run::{RunObject, RunRequest, RunStep, Steps};
use warrener_engine::orchestrator::{RunMistakes, RunView};
use warrener_model::id::{RunId, TaskId};
use warrener_model::run::{Run, RunState, StepRow, StepState};
use warrener_model::{Mistake, Timestamp, limits};

/// Rows of a page, unless said.
const ROWS: usize = 100;

/// Start a run
///
/// 201 says that it is durable and its first steps have begun. With an `Idempotency-Key` the same request is accepted once.
/// Every mistake of the file is answered at once, each with its line and column.
#[utoipa::path(
    post, path = "/api/v1/runs", operation_id = "start_run", tag = "runs",
    request_body = RunRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "up to 200 printable characters; kept as long as the run")),
    responses(
        (status = 201, description = "Accepted", body = RunObject),
        (status = 200, description = "Accepted before, under the same key", body = RunObject),
    )
)]
pub(crate) async fn start(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
    Text(text): Text,
) -> Answer<(StatusCode, Json<RunObject>)> {
    params.only(&[])?;
    let key = key(&headers)?;
    json(&text)?;
    let request: RunRequest = serde_json::from_str(&text)
        .map_err(|error| Failure::invalid(vec![Mistake::at("", error.to_string())]))?;
    let started = app
        .orchestrator
        .start_run(request.workflow, request.inputs, key);
    let started = started.await?;
    let status = match started.existing {
        true => StatusCode::OK,
        false => StatusCode::CREATED,
    };
    let shown = RunObject {
        duplicate: started.existing,
        ..whole(started.view)
    };
    Ok((status, Json(shown)))
}

/// Read a run
///
/// With `wait`, once it is final or that time is over; 200 either way.
#[utoipa::path(
    get, path = "/api/v1/runs/{id}", operation_id = "get_run", tag = "runs",
    params(
        ("id" = String, Path, description = "the run"),
        ("wait" = Option<String>, Query, description = "such as 30s, up to 60s"),
        ("progress" = Option<String>, Query, description = "with `wait` and `true`: also once anything of it changed"),
    ),
    responses((status = 200, description = "The run", body = RunObject))
)]
pub(crate) async fn get(
    State(app): State<App>,
    At(id): At<RunId>,
    params: Params,
) -> Answer<Json<RunObject>> {
    params.only(&["wait", "progress"])?;
    let progress = match params.text("progress") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Failure::parameter("progress", "must be true or false")),
    };
    let view = app.orchestrator.run(id).await?;
    let Some(within) = params.span("wait", limits::WAIT)? else {
        return Ok(Json(whole(view)));
    };
    let seen = progress.then_some(&view);
    let view = tokio::select! {
        waited = app.orchestrator.wait_run(id, seen, within) => waited?,
        () = app.stop.cancelled() => app.orchestrator.run(id).await?,
    };
    Ok(Json(whole(view)))
}

/// List runs
///
/// Newest first. Items come without inputs, output and steps.
#[utoipa::path(
    get, path = "/api/v1/runs", operation_id = "list_runs", tag = "runs",
    params(
        ("filter" = Option<String>, Query, description = "`state:running,failed`"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; 100 unless said"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, description = "A page", body = Page<RunObject>))
)]
pub(crate) async fn list(State(app): State<App>, params: Params) -> Answer<Json<Page<RunObject>>> {
    params.only(&["filter", "limit", "cursor"])?;
    let filter = params.text("filter").unwrap_or_default().trim();
    let list = ListId::of(&["runs", filter]);
    let before = match params.text("cursor") {
        None => None,
        Some(cursor) => {
            let (at, id) = read_task_place(&list.open(cursor)?)?;
            let id = RunId::from_bytes(*id.as_bytes());
            Some((Timestamp::from_millis(at), id))
        }
    };
    let limit = limit(&params, ROWS)?;
    let runs = app
        .orchestrator
        .runs(states(filter)?, before, limit)
        .await?;
    let last = runs.last().filter(|_| runs.len() == limit).map(|run| {
        let id = TaskId::from_bytes(*run.spec.id.as_bytes());
        list.seal(&task_place((run.spec.created_at.as_millis(), id)))
    });
    let items = runs.into_iter().map(|run| RunObject {
        inputs: None,
        ..shown(run, vec![], false)
    });
    Ok(Json(Page {
        items: items.collect(),
        next: last,
    }))
}

/// Cancel a run
///
/// No step of it begins any more, and what is open is cancelled; what runs is being stopped.
#[utoipa::path(
    post, path = "/api/v1/runs/{id}/cancel", operation_id = "cancel_run", tag = "runs",
    params(("id" = String, Path, description = "the run")),
    request_body = CancelRequest,
    responses((status = 200, description = "The run", body = RunObject))
)]
pub(crate) async fn cancel(
    State(app): State<App>,
    At(id): At<RunId>,
    params: Params,
    Act(request): Act<CancelRequest>,
) -> Answer<Json<RunObject>> {
    params.only(&[])?;
    let reason = request.reason.unwrap_or_default();
    Ok(Json(whole(app.orchestrator.cancel_run(id, &reason).await?)))
}

/// Try again what failed of a run
///
/// Every task of it that failed, died, expired or was cancelled, and steps that could not be made; what succeeded is not
/// repeated.
#[utoipa::path(
    post, path = "/api/v1/runs/{id}/retry-failed", operation_id = "retry_failed", tag = "runs",
    params(("id" = String, Path, description = "the run")),
    responses((status = 200, description = "The run", body = RunObject))
)]
pub(crate) async fn retry_failed(
    State(app): State<App>,
    At(id): At<RunId>,
    params: Params,
) -> Answer<Json<RunObject>> {
    params.only(&[])?;
    Ok(Json(whole(app.orchestrator.retry_failed(id, ACTOR).await?)))
}

/// The states that a filter asks for.
fn states(filter: &str) -> Answer<Vec<RunState>> {
    let wrong = |message: String| Err(Failure::parameter("filter", message));
    let mut states = vec![];
    for term in filter.split_whitespace() {
        let Some(words) = term.strip_prefix("state:") else {
            return wrong(format!("\"{term}\" is not state:WORD[,WORD…]"));
        };
        for word in words.split(',') {
            match word.parse() {
                Ok(state) => states.push(state),
                Err(_) => {
                    let known: Vec<&str> =
                        RunState::ALL.iter().map(|state| state.as_str()).collect();
                    let known = known.join(", ");
                    return wrong(format!(
                        "\"{word}\" is no state of a run; known are {known}"
                    ));
                }
            }
        }
    }
    Ok(states)
}

/// A run with everything.
pub(crate) fn whole(view: RunView) -> RunObject {
    let waits = view.waiting;
    let parked = waits.open > 0 && waits.open == waits.parked;
    shown(view.run, view.steps, parked)
}

fn shown(run: Run, steps: Vec<StepRow>, parked: bool) -> RunObject {
    let Run { spec, head } = run;
    let state = if parked {
        "parked"
    } else {
        head.state.as_str()
    };
    let goes_on = head.goes_on();
    let step = |row: StepRow| {
        let state = match row.state {
            StepState::Pending if !goes_on => "blocked",
            state => state.as_str(),
        };
        let step = RunStep {
            state: state.into(),
            done: row.done,
            failed: row.failed,
            total: row.total,
            error: row.error,
        };
        (row.id, step)
    };
    RunObject {
        id: spec.id,
        name: spec.name.to_string(),
        state: state.into(),
        is_final: head.state.is_final(),
        inputs: Some(spec.inputs),
        output: head.output,
        steps: Steps(steps.into_iter().map(step).collect()),
        error: head.error,
        cancelled: head.cancel,
        parent_id: spec.parent,
        created_at: spec.created_at,
        started_at: spec.created_at,
        finished_at: head.finished_at,
        duplicate: false,
    }
}

impl From<RunMistakes> for Failure {
    fn from(mistakes: RunMistakes) -> Self {
        match mistakes {
            RunMistakes::File(mistakes) => Failure::invalid(RunMistakes::of_file(mistakes)),
            RunMistakes::KeyTaken(_) => {
                warrener_api::Problem::new("idempotency_conflict", mistakes.to_string()).into()
            }
            RunMistakes::Other(error) => error.into(),
        }
    }
}
