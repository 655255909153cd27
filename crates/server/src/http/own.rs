//! What a running program says over HTTP instead of its file descriptors: progress and log.

use crate::failure::{Answer, Failure};
use crate::reading::{Act, At, Params, Text, json};
use crate::rights::ByRun;
use crate::state::App;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use warrener_api::requests::{self, LogRequest, ProgressRequest};
use warrener_model::name::LogStream;
use warrener_model::task::Progress;
use warrener_model::{Mistake, TaskId};

/// Say how far a task is
///
/// While it runs. For its task token and the operator's.
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}/progress", operation_id = "write_progress", tag = "tasks",
    params(("id" = String, Path, description = "the task")),
    request_body = ProgressRequest,
    responses((status = 204, description = "Written"))
)]
pub(crate) async fn progress(
    State(app): State<App>,
    At(id): At<TaskId>,
    params: Params,
    ByRun(right): ByRun,
    Act(request): Act<ProgressRequest>,
) -> Answer<StatusCode> {
    params.only(&[])?;
    let ProgressRequest { fraction, message } = request;
    let progress = Progress { fraction, message };
    app.orchestrator.progress(id, right, progress).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Write to the log of a task
///
/// While it runs; as JSON, or the text itself as `text/plain`. It stands in the log of the running attempt in the order
/// in which it came, under the same limit. For its task token and the operator's.
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}/logs", operation_id = "write_log", tag = "tasks",
    params(("id" = String, Path, description = "the task")),
    request_body(content((LogRequest = "application/json"), (String = "text/plain"))),
    responses((status = 204, description = "Written"))
)]
pub(crate) async fn log(
    State(app): State<App>,
    At(id): At<TaskId>,
    params: Params,
    ByRun(right): ByRun,
    headers: HeaderMap,
    Text(text): Text,
) -> Answer<StatusCode> {
    params.only(&[])?;
    let (text, stream) = if is_text(&headers) {
        (text, LogStream::default())
    } else {
        json(&text)?;
        let request: LogRequest = requests::read(&text).map_err(Failure::invalid)?;
        (request.text, stream(request.stream)?)
    };
    app.orchestrator.log(id, right, stream, &text).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn stream(name: Option<String>) -> Answer<LogStream> {
    let stream = name.map(|name| LogStream::new(&name)).transpose();
    let stream = stream.map_err(|e| Failure::invalid(vec![Mistake::at("/stream", e.to_string())]));
    Ok(stream?.unwrap_or_default())
}

fn is_text(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("text/plain")
}
