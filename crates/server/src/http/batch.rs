//! Batches: accepted whole or not at all.

use crate::auth::ACTOR;
use crate::failure::{Answer, ERRORS, Failure, at_item};
use crate::http::tasks::KEY;
use crate::reading::{Params, body};
use crate::rights::ByRun;
use crate::state::App;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use warrener_api::SubmitRequest;
use warrener_api::batch::{BatchAnswer, BatchItem};
use warrener_model::{Json as Value, Mistake, Submission, TaskId, Timestamp, limits};

/// The media type of JSON lines.
const LINES: &str = "application/x-ndjson";

/// Submit a batch
///
/// A JSON array, or JSON lines (`application/x-ndjson`): up to 10,000 items and 32 MiB. All of it is accepted, or
/// nothing; mistakes are told with the place of their item, the first 100. With a task token its items are children of that
/// token's task, where the task's kind may open children (`may_spawn`).
#[utoipa::path(
    post, path = "/api/v1/tasks/batch", operation_id = "submit_batch", tag = "tasks",
    request_body(content(
        (Vec<SubmitRequest> = "application/json"),
        (String = "application/x-ndjson"),
    )),
    responses((status = 201, description = "Accepted, in order", body = BatchAnswer))
)]
pub(crate) async fn submit(
    State(app): State<App>,
    params: Params,
    ByRun(right): ByRun,
    request: Request,
) -> Answer<(StatusCode, Json<BatchAnswer>)> {
    params.only(&[])?;
    if request.headers().contains_key(KEY) {
        let detail = "a batch has no Idempotency-Key: its items have one each, as idempotency_key";
        return Err(Failure::bad_request(detail));
    }
    let lines = is_lines(request.headers());
    let text = body(request, app.options.batch_bytes, &app).await?;
    let items = if lines {
        by_line(&text)?
    } else {
        by_array(&text)?
    };
    let submissions = match read(&items) {
        Ok(submissions) => submissions,
        Err(Unread { read, mistakes }) => {
            // What can be read may break rules, too; all is told at once.
            let now = app.orchestrator.now().await?;
            return Err(Failure::invalid(checked(&read, mistakes, now)));
        }
    };
    let accepted = match right {
        None => app.orchestrator.submit_batch(submissions, ACTOR).await?,
        Some(right) => {
            let spawner = app.orchestrator.spawner(right).await?;
            app.orchestrator.spawn_batch(spawner, submissions).await?
        }
    };
    let items = accepted
        .iter()
        .enumerate()
        .map(|(index, accepted)| BatchItem {
            index,
            id: accepted.task,
            duplicate: accepted.existing,
        });
    Ok((
        StatusCode::CREATED,
        Json(BatchAnswer {
            items: items.collect(),
        }),
    ))
}

fn is_lines(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind
        .and_then(|kind| kind.split(';').next())
        .unwrap_or_default();
    kind.trim().eq_ignore_ascii_case(LINES)
}

fn by_array(text: &str) -> Answer<Vec<String>> {
    let items: Vec<Value> = serde_json::from_str(text).map_err(|error| {
        let detail = format!("the body is not a JSON array: {error}");
        Failure::bad_request(detail)
    })?;
    within(items.len())?;
    Ok(items.iter().map(|item| item.as_str().to_owned()).collect())
}

/// Empty lines are nothing; items are counted without them.
fn by_line(text: &str) -> Answer<Vec<String>> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let lines: Vec<String> = lines
        .take(limits::BATCH_ITEMS + 1)
        .map(Into::into)
        .collect();
    within(lines.len())?;
    Ok(lines)
}

fn within(items: usize) -> Answer<()> {
    if items > limits::BATCH_ITEMS {
        let detail = format!("a batch has at most {} items", limits::BATCH_ITEMS);
        return Err(Failure::too_large(detail));
    }
    Ok(())
}

/// Items of which some cannot be read.
struct Unread {
    read: Vec<(usize, Submission)>,
    mistakes: Vec<(usize, Vec<Mistake>)>,
}

fn read(items: &[String]) -> Result<Vec<Submission>, Unread> {
    let (mut read, mut mistakes) = (vec![], vec![]);
    for (index, item) in items.iter().enumerate() {
        match Submission::read(item) {
            Ok(submission) => read.push((index, submission)),
            Err(found) if mistakes.len() < ERRORS => mistakes.push((index, found)),
            Err(_) => {}
        }
    }
    if mistakes.is_empty() {
        return Ok(read.into_iter().map(|(_, submission)| submission).collect());
    }
    Err(Unread { read, mistakes })
}

/// The mistakes of shape with those against the rules, in the order of the items.
fn checked(
    read: &[(usize, Submission)],
    mut mistakes: Vec<(usize, Vec<Mistake>)>,
    now: Timestamp,
) -> Vec<Mistake> {
    let id = TaskId::new(now, [0; 10]);
    let broken = read
        .iter()
        .filter_map(|(index, submission)| Some((*index, submission.check(id, now).err()?)));
    mistakes.extend(broken.take(ERRORS));
    mistakes.sort_by_key(|(index, _)| *index);
    mistakes
        .into_iter()
        .flat_map(|(index, found)| at_item(index, found))
        .collect()
}
