//! Sessions: open, read, list, answer, cancel.

use crate::cursor::{ListId, no};
use crate::failure::{Answer, Failure};
use crate::http::list::limit;
use crate::reading::{Act, At, Params, Text, json};
use crate::state::App;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use std::time::Duration;
use warrener_api::requests::{CancelRequest, SessionAnswerRequest};
use warrener_api::session::{SessionObject, SessionRequest};
use warrener_api::{Page, Problem};
use warrener_model::session::{OpenSession, SessionState};
use warrener_model::{AgentId, Mistake, SessionId, decision, limits};

/// Rows of a page, unless said.
const ROWS: usize = 100;

/// Open a session
///
/// Asks the agents that live now; the answer comes at once, with who is asked.
#[utoipa::path(
    post, path = "/api/v1/sessions", operation_id = "open_session", tag = "sessions",
    request_body = SessionRequest,
    responses((status = 201, description = "Opened; with nobody to ask it has ended already", body = SessionObject))
)]
pub(crate) async fn open(
    State(app): State<App>,
    params: Params,
    Text(text): Text,
) -> Answer<(StatusCode, Json<SessionObject>)> {
    params.only(&[])?;
    json(&text)?;
    let request = OpenSession::read(&text).map_err(Failure::invalid)?;
    let session = app.orchestrator.open_session(&request).await?;
    Ok((StatusCode::CREATED, Json(SessionObject::of(&session))))
}

/// List sessions
///
/// The newest first, each with everything that was said.
#[utoipa::path(
    get, path = "/api/v1/sessions", operation_id = "list_sessions", tag = "sessions",
    params(
        ("filter" = Option<String>, Query, description = "state:open, state:decided, state:no_decision or state:cancelled"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; 100 unless said"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, description = "A page", body = Page<SessionObject>))
)]
pub(crate) async fn list(
    State(app): State<App>,
    params: Params,
) -> Answer<Json<Page<SessionObject>>> {
    params.only(&["filter", "limit", "cursor"])?;
    let filter = params.text("filter").unwrap_or_default();
    let state = state(filter)?;
    let list = ListId::of(&["sessions", filter]);
    let before = match params.text("cursor") {
        None => None,
        Some(cursor) => {
            let place = list.open(cursor)?.try_into();
            Some(SessionId::from_bytes(
                place.map_err(|_| no("this is no cursor of this list"))?,
            ))
        }
    };
    let limit = limit(&params, ROWS)?;
    let rows = app.orchestrator.sessions(state, before, limit).await?;
    let last = rows.last().filter(|_| rows.len() == limit);
    Ok(Json(Page {
        next: last.map(|row| list.seal(row.id.as_bytes())),
        items: rows.iter().map(SessionObject::of).collect(),
    }))
}

fn state(filter: &str) -> Answer<Option<SessionState>> {
    if filter.is_empty() {
        return Ok(None);
    }
    let word = filter.strip_prefix("state:");
    let mut known = SessionState::ALL.into_iter();
    let state = known.find(|state| Some(state.as_str()) == word);
    state.map(Some).ok_or_else(|| {
        let detail = format!("\"{filter:.60}\" is no filter of sessions");
        let hint = "give one of state:open, state:decided, state:no_decision, state:cancelled";
        Problem::new("filter_invalid", detail).hint(hint).into()
    })
}

/// Read a session
///
/// With `wait`, once it has ended or that time is over; 200 either way.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}", operation_id = "get_session", tag = "sessions",
    params(
        ("id" = String, Path, description = "the session"),
        ("wait" = Option<String>, Query, description = "such as 30s, up to 60s"),
    ),
    responses((status = 200, description = "The session", body = SessionObject))
)]
pub(crate) async fn get(
    State(app): State<App>,
    At(id): At<SessionId>,
    params: Params,
) -> Answer<Json<SessionObject>> {
    params.only(&["wait"])?;
    let within = params.span("wait", limits::WAIT)?.unwrap_or(Duration::ZERO);
    let session = tokio::select! {
        session = app.orchestrator.wait_session(id, within) => session?,
        () = app.stop.cancelled() => app.orchestrator.session(id).await?,
    };
    Ok(Json(SessionObject::of(&session)))
}

/// Answer in a session
///
/// In the place of one of those who are asked, for people who take part without a program. The same again is no second
/// answer.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/answer", operation_id = "answer_session", tag = "sessions",
    params(("id" = String, Path, description = "the session")),
    request_body = SessionAnswerRequest,
    responses((status = 200, description = "Taken; the session as it is now", body = SessionObject))
)]
pub(crate) async fn answer(
    State(app): State<App>,
    At(id): At<SessionId>,
    params: Params,
    Act(request): Act<SessionAnswerRequest>,
) -> Answer<Json<SessionObject>> {
    params.only(&[])?;
    let agent = AgentId::new(&request.agent_id)
        .map_err(|error| Failure::invalid(vec![Mistake::at("/agent_id", error.to_string())]))?;
    let round = request.round;
    let answer = decision::Answer {
        suggestion: request.suggestion,
        rationale: request.rationale,
        confidence: request.confidence,
        choice: request.choice,
        ranking: request.ranking,
        credits: request.credits,
    };
    let orchestrator = &app.orchestrator;
    let session = orchestrator.answer_session(id, agent, round, answer);
    Ok(Json(SessionObject::of(&session.await?)))
}

/// Cancel a session
///
/// Nothing is decided; what was said is kept.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/cancel", operation_id = "cancel_session", tag = "sessions",
    params(("id" = String, Path, description = "the session")),
    request_body = CancelRequest,
    responses((status = 200, description = "The session", body = SessionObject))
)]
pub(crate) async fn cancel(
    State(app): State<App>,
    At(id): At<SessionId>,
    params: Params,
    Act(request): Act<CancelRequest>,
) -> Answer<Json<SessionObject>> {
    params.only(&[])?;
    let session = app.orchestrator.cancel_session(id, request.reason).await?;
    Ok(Json(SessionObject::of(&session)))
}
