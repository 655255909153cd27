//! What happened to a task, and what it wrote: events and logs.

use crate::cursor::{ListId, no};
use crate::failure::Answer;
use crate::http::list::limit;
use crate::reading::{At, Params};
use crate::state::App;
use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, stream};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};
use warrener_api::Page;
use warrener_api::event::TaskEvent;
use warrener_api::log::{EVENT_END, EVENT_LOG, LogPiece};
use warrener_backend::query::LogRow;
use warrener_model::TaskId;
use warrener_model::event::Cursor;

/// Rows of a page, unless said.
const ROWS: usize = 1_000;
/// Pieces of log that a stream reads at once.
const PIECES: usize = 64;
/// A stream looks at least this often, in case a wake-up was lost.
const LOOK: Duration = Duration::from_secs(2);
/// Logs and results come on different ways: what was written last may be stored this much after the end.
const SETTLE: Duration = Duration::from_millis(500);

/// Read the history of a task
///
/// Oldest first.
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}/events", operation_id = "list_events", tag = "tasks",
    params(
        ("id" = String, Path, description = "the task"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; 1000 unless said"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, description = "A page", body = Page<TaskEvent>))
)]
pub(crate) async fn events(
    State(app): State<App>,
    At(id): At<TaskId>,
    params: Params,
) -> Answer<Json<Page<TaskEvent>>> {
    params.only(&["limit", "cursor"])?;
    let list = ListId::of(&["events", &id.to_string()]);
    let after = match params.text("cursor") {
        None => Cursor::default(),
        Some(cursor) => {
            let place = list.open(cursor)?.try_into();
            let place = place.map_err(|_| no("this is no cursor of this list"))?;
            Cursor(u64::from_be_bytes(place))
        }
    };
    let limit = limit(&params, ROWS)?;
    let rows = app.orchestrator.events(after, Some(id), limit).await?;
    if rows.is_empty() {
        // Every task has a first row; none at all means that there is no task.
        app.orchestrator.task(id).await?;
    }
    let last = rows.last().filter(|_| rows.len() == limit);
    Ok(Json(Page {
        next: last.map(|row| list.seal(&row.cursor.0.to_be_bytes())),
        items: rows.iter().map(TaskEvent::of).collect(),
    }))
}

/// Read the log of a task
///
/// Oldest first, in pieces as they came. With `follow` the answer is a stream (SSE): `event: log` with a piece each,
/// and `event: end` once the task is final and everything was sent.
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}/logs", operation_id = "read_log", tag = "tasks",
    params(
        ("id" = String, Path, description = "the task"),
        ("attempt" = Option<u32>, Query, description = "only of this attempt"),
        ("after" = Option<u64>, Query, description = "`next` of the page before, or `n` of a piece"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; 1000 unless said"),
        ("follow" = Option<bool>, Query, description = "stream what comes, until the task has ended"),
    ),
    responses((status = 200, description = "A page, or a stream", content(
        (Page<LogPiece> = "application/json"),
        (String = "text/event-stream"),
    )))
)]
pub(crate) async fn logs(
    State(app): State<App>,
    At(id): At<TaskId>,
    params: Params,
) -> Answer<Response> {
    params.only(&["attempt", "after", "limit", "follow"])?;
    let attempt = params.number("attempt", 1..=u32::MAX)?;
    let after = params
        .number("after", 0..=i64::MAX.unsigned_abs())?
        .unwrap_or(0);
    if params.flag("follow")? {
        app.orchestrator.task(id).await?;
        let follow = Follow {
            _permit: app.stream()?,
            changed: app.orchestrator.changed(),
            app: app.clone(),
            id,
            attempt,
            after,
            pieces: VecDeque::new(),
            over: false,
        };
        let alive = KeepAlive::new().interval(app.options.keep_alive);
        return Ok(Sse::new(follow.stream()).keep_alive(alive).into_response());
    }
    let limit = limit(&params, ROWS)?;
    let rows = app.orchestrator.logs(id, attempt, after, limit).await?;
    if rows.is_empty() {
        app.orchestrator.task(id).await?;
    }
    let last = rows.last().filter(|_| rows.len() == limit);
    let page = Page {
        next: last.map(|row| row.n.to_string()),
        items: rows.into_iter().map(piece).collect(),
    };
    Ok(Json(page).into_response())
}

/// A log as it grows.
struct Follow {
    app: App,
    _permit: OwnedSemaphorePermit,
    changed: watch::Receiver<Cursor>,
    id: TaskId,
    attempt: Option<u32>,
    after: u64,
    pieces: VecDeque<LogPiece>,
    over: bool,
}

impl Follow {
    fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut follow| async {
            let event = follow.next().await?;
            Some((Ok(event), follow))
        })
    }

    /// Reads only as fast as the client does. A store that fails ends the stream; the client comes again with `after`.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(piece) = self.pieces.pop_front() {
                let data = serde_json::to_string(&piece).ok()?;
                let n = piece.n.to_string();
                return Some(Event::default().event(EVENT_LOG).id(n).data(data));
            }
            if self.over {
                return None;
            }
            self.changed.mark_unchanged();
            // The state first: what is written before the end is then in the log that is read after it.
            let task = self.app.orchestrator.task(self.id).await.ok()?.task;
            let (attempt, after) = (self.attempt, self.after);
            let rows = self
                .app
                .orchestrator
                .logs(self.id, attempt, after, PIECES)
                .await
                .ok()?;
            if let Some(last) = rows.last() {
                self.after = last.n;
                self.pieces = rows.into_iter().map(piece).collect();
                continue;
            }
            let mut look = LOOK;
            if let Some(at) = task.life.finished_at {
                let ago = self.app.orchestrator.now().await.ok()?.since(at);
                if ago >= SETTLE {
                    self.over = true;
                    return Some(Event::default().event(EVENT_END).data("{}"));
                }
                look = SETTLE - ago;
            }
            tokio::select! {
                _ = self.changed.changed() => {}
                () = tokio::time::sleep(look) => {}
                () = self.app.stop.cancelled() => return None,
            }
        }
    }
}

fn piece(row: LogRow) -> LogPiece {
    LogPiece {
        n: row.n,
        attempt: row.chunk.attempt,
        at: row.chunk.at,
        stream: row.chunk.stream,
        text: row.chunk.text,
    }
}
