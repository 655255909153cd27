//! The stream of changes (SSE). It is pulled: nothing is read for a client that does not take, so a slow one costs no
//! memory, and one that takes nothing at all is cut by the connection (`socket`).
//!
//! Tasks come from the history in the store, after a cursor, so a client that comes again with `Last-Event-ID` misses
//! nothing. Lanes and agents have no history: their present is compared with what was sent last, at most four times a
//! second.

mod feed;

use crate::cursor::no;
use crate::failure::{Answer, Failure};
use crate::reading::Params;
use crate::state::App;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{KeepAlive, Sse};
use feed::Feed;
use warrener_api::stream::topics;
use warrener_model::event::Cursor;

/// The header with the last cursor that a client has seen.
const LAST: &str = "last-event-id";

/// Listen to changes
///
/// Server-sent events `task`, `lane`, `agent`, `alert` and `resync`; the `id:` of a task event is its cursor. With
/// `Last-Event-ID` it goes on after that event without gaps, else from now on. `resync` means: read the lists again.
#[utoipa::path(
    get, path = "/api/v1/stream", operation_id = "stream", tag = "server",
    params(
        ("topics" = Option<String>, Query, description = "some of task:<id> tasks lanes agents dead alerts, with commas; tasks unless said"),
        ("Last-Event-ID" = Option<String>, Header, description = "go on after this event"),
    ),
    responses((status = 200, description = "The stream", body = String, content_type = "text/event-stream"))
)]
pub(crate) async fn stream(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
) -> Answer<impl IntoResponse> {
    params.only(&["topics"])?;
    let topics = topics(params.text("topics").unwrap_or_default());
    let topics = topics.map_err(|error| Failure::parameter("topics", error.to_string()))?;
    let last = match headers.get(LAST).filter(|last| !last.is_empty()) {
        None => None,
        Some(last) => {
            let number = last.to_str().ok().and_then(|text| text.parse().ok());
            Some(Cursor(number.ok_or_else(|| {
                no("Last-Event-ID is no cursor of this server")
            })?))
        }
    };
    let alive = KeepAlive::new().interval(app.options.keep_alive);
    let feed = Feed::open(app, topics, last).await?;
    Ok(Sse::new(feed.stream()).keep_alive(alive))
}
