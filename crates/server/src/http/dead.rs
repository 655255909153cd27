//! Dead letters: groups that look alike, requeue, discard.

use crate::auth::ACTOR;
use crate::failure::{Answer, ERRORS, Failure};
use crate::http::list::{filter, limit};
use crate::reading::{Act, Params};
use crate::state::App;
use axum::Json;
use axum::extract::State;
use warrener_api::dead::{DeadAnswer, DeadGroup, Skipped};
use warrener_api::requests::{DiscardRequest, RequeueRequest};
use warrener_api::task::ErrorObject;
use warrener_api::{Page, Problem};
use warrener_backend::query;
use warrener_engine::Error;
use warrener_engine::orchestrator::{Requeue, Requeued, Which};
use warrener_model::filter::{Filter, Key, Op, Term};
use warrener_model::{Mistake, State as TaskState, TaskId};

/// Groups of a page, unless said.
const GROUPS: usize = 100;

/// Group dead tasks by what they died of
///
/// The largest group first.
#[utoipa::path(
    get, path = "/api/v1/dead/groups", operation_id = "list_dead_groups", tag = "dead",
    params(
        ("filter" = Option<String>, Query, description = "which dead tasks"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; 100 unless said"),
    ),
    responses((status = 200, description = "The largest groups", body = Page<DeadGroup>))
)]
pub(crate) async fn groups(
    State(app): State<App>,
    params: Params,
) -> Answer<Json<Page<DeadGroup>>> {
    params.only(&["filter", "limit"])?;
    let filter = filter(params.text("filter").unwrap_or_default())?;
    let groups = app
        .orchestrator
        .dead_groups(filter, limit(&params, GROUPS)?)
        .await?;
    Ok(Json(Page::whole(groups.into_iter().map(shown).collect())))
}

/// Try dead tasks again
///
/// Those that are dead when the request comes; with `dry_run` only says which and how many.
#[utoipa::path(
    post, path = "/api/v1/dead/requeue", operation_id = "requeue_dead", tag = "dead",
    request_body = RequeueRequest,
    responses((status = 200, description = "What was done", body = DeadAnswer))
)]
pub(crate) async fn requeue(
    State(app): State<App>,
    params: Params,
    Act(request): Act<RequeueRequest>,
) -> Answer<Json<DeadAnswer>> {
    params.only(&[])?;
    let order = Requeue {
        which: which(request.ids, request.filter, request.fingerprint)?,
        limit: most(request.limit),
        rate: rate(request.rate)?,
        anew: request.reset_attempts,
        dry_run: request.dry_run,
        reason: None,
    };
    let dry_run = order.dry_run;
    let done = unless_stopped(&app, app.orchestrator.requeue(order, ACTOR)).await?;
    Ok(Json(answer(&done, dry_run)))
}

/// End dead tasks for good
///
/// They are cancelled, and kept until they are purged.
#[utoipa::path(
    post, path = "/api/v1/dead/discard", operation_id = "discard_dead", tag = "dead",
    request_body = DiscardRequest,
    responses((status = 200, description = "What was done", body = DeadAnswer))
)]
pub(crate) async fn discard(
    State(app): State<App>,
    params: Params,
    Act(request): Act<DiscardRequest>,
) -> Answer<Json<DeadAnswer>> {
    params.only(&[])?;
    let order = Requeue {
        which: which(request.ids, request.filter, request.fingerprint)?,
        limit: most(request.limit),
        rate: rate(request.rate)?,
        anew: false,
        dry_run: request.dry_run,
        reason: request.reason,
    };
    let dry_run = order.dry_run;
    let done = unless_stopped(&app, app.orchestrator.discard(order, ACTOR)).await?;
    Ok(Json(answer(&done, dry_run)))
}

/// With a low rate it takes as long as the caller wants, which a server that stops does not have.
async fn unless_stopped(
    app: &App,
    work: impl Future<Output = Result<Requeued, Error>>,
) -> Answer<Requeued> {
    tokio::select! {
        done = work => Ok(done?),
        () = app.stop.cancelled() => {
            let detail = "the server stops; some of the tasks may have been moved already";
            Err(Problem::new("draining", detail).into())
        }
    }
}

/// Nothing said is not everything: exactly one of the three says which.
fn which(
    ids: Option<Vec<TaskId>>,
    words: Option<String>,
    fingerprint: Option<String>,
) -> Answer<Which> {
    match (ids, words, fingerprint) {
        (Some(ids), None, None) => Ok(Which::Ids(ids)),
        (None, Some(words), None) => Ok(Which::Filter(filter(&words)?)),
        (None, None, Some(fingerprint)) => {
            let term = Term {
                not: false,
                key: Key::Fingerprint,
                op: Op::Is,
                values: vec![fingerprint],
            };
            Ok(Which::Filter(Filter { terms: vec![term] }))
        }
        _ => {
            let message = "exactly one of ids, filter and fingerprint says which dead tasks";
            Err(Failure::invalid(vec![Mistake::at("", message)]))
        }
    }
}

fn most(limit: Option<u64>) -> usize {
    limit.map_or(usize::MAX, |limit| {
        usize::try_from(limit).unwrap_or(usize::MAX)
    })
}

fn rate(rate: Option<f64>) -> Answer<Option<f64>> {
    match rate {
        Some(rate) if !(rate.is_finite() && rate > 0.0) => {
            let mistake = Mistake::at("/rate", "must be more than 0");
            Err(Failure::invalid(vec![mistake]))
        }
        rate => Ok(rate),
    }
}

fn answer(done: &Requeued, dry_run: bool) -> DeadAnswer {
    let skipped = done.skipped.iter().take(ERRORS).map(|(id, state)| {
        let (code, reason) = match state {
            None => ("not_found", "there is no such task".to_owned()),
            Some(TaskState::Dead) => (
                "version_conflict",
                "was moved by others meanwhile".to_owned(),
            ),
            Some(state) => ("illegal_state", format!("is not dead: it is {state}")),
        };
        Skipped {
            id: *id,
            code: code.into(),
            reason,
        }
    });
    let contended = done.skipped.iter();
    let contended = contended.filter(|(_, state)| *state == Some(TaskState::Dead));
    DeadAnswer {
        dry_run,
        matched: (done.tasks.len() + contended.count()) as u64,
        done: done.tasks.len() as u64,
        skipped: skipped.collect(),
    }
}

fn shown(group: query::DeadGroup) -> DeadGroup {
    DeadGroup {
        fingerprint: group.fingerprint,
        count: group.count,
        kind: group.kind.to_string(),
        class: group.class.map(|class| class.as_str().into()),
        first_at: group.first,
        last_at: group.last,
        error: group.sample.as_ref().map(ErrorObject::of),
        task_id: group.task,
    }
}
