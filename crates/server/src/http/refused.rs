//! Messages that were refused.

use crate::cursor::{ListId, no};
use crate::failure::{Answer, Failure};
use crate::http::list::limit;
use crate::reading::Params;
use crate::state::App;
use axum::Json;
use axum::extract::State;
use warrener_api::Page;
use warrener_api::refused::{FIELDS, RefusedObject};
use warrener_backend::refused::RefusedRow;
use warrener_model::submission::unknown;

/// Rows of a page, unless said.
const ROWS: usize = 100;

/// List refused messages
///
/// Malformed, foreign and forged messages, and submissions that broke a rule; the newest first. The newest 10,000 are
/// kept. Items come without their bodies, unless `fields` names them.
#[utoipa::path(
    get, path = "/api/v1/refused", operation_id = "list_refused", tag = "server",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 1000; 100 unless said"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("fields" = Option<String>, Query, description = "names of fields; `body` brings the bodies"),
    ),
    responses((status = 200, description = "A page", body = Page<RefusedObject>))
)]
pub(crate) async fn list(
    State(app): State<App>,
    params: Params,
) -> Answer<Json<Page<RefusedObject>>> {
    params.only(&["limit", "cursor", "fields"])?;
    let list = ListId::of(&["refused"]);
    let before = match params.text("cursor") {
        None => None,
        Some(cursor) => {
            let place = list.open(cursor)?.try_into();
            let place = place.map_err(|_| no("this is no cursor of this list"))?;
            Some(u64::from_be_bytes(place))
        }
    };
    let bodies = bodies(params.text("fields").unwrap_or_default())?;
    let limit = limit(&params, ROWS)?;
    let rows = app.orchestrator.refused(before, limit, bodies).await?;
    let last = rows.last().filter(|_| rows.len() == limit);
    Ok(Json(Page {
        next: last.map(|row| list.seal(&row.n.to_be_bytes())),
        items: rows.into_iter().map(|row| shown(row, bodies)).collect(),
    }))
}

/// Whether the bodies are wanted.
fn bodies(fields: &str) -> Answer<bool> {
    let named = fields.split(',').map(str::trim);
    let mut wanted = false;
    for name in named.filter(|name| !name.is_empty()) {
        if !FIELDS.contains(&name) {
            return Err(Failure::parameter("fields", unknown(name, &FIELDS)));
        }
        wanted |= name == "body";
    }
    Ok(wanted)
}

fn shown(row: RefusedRow, body: bool) -> RefusedObject {
    let message = row.message;
    RefusedObject {
        n: row.n,
        at: message.at,
        inbox: message.inbox,
        class: message.class,
        reason: message.reason,
        sender: message.sender.map(|sender| sender.to_string()),
        kind: message.kind,
        message_id: message.message.to_string(),
        size: message.size,
        body: body.then(|| String::from_utf8_lossy(&message.body).into_owned()),
    }
}
