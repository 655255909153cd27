//! Shared state: read and write keys, list and watch spaces, restore them.

use crate::auth::ACTOR;
use crate::cursor::{ListId, no};
use crate::failure::{Answer, Failure};
use crate::http::list::limit;
use crate::http::tasks::key as request_id;
use crate::reading::{Act, At, Params, Text, json};
use crate::state::App;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use warrener_api::requests::RestoreRequest;
use warrener_api::state::{Restored, StateObject, StatePage, StateWritten};
use warrener_backend::state::StateQuery;
use warrener_engine::orchestrator::{StateWrite, Written};
use warrener_model::event::Cursor;
use warrener_model::name::{Space, StateKey};
use warrener_model::{Json as Value, limits};

/// Rows of a page, unless said.
const ROWS: usize = 100;

/// Read a key
///
/// The ETag is its version.
#[utoipa::path(
    get, path = "/api/v1/state/{space}/{key}", operation_id = "get_state", tag = "state",
    params(("space" = String, Path, description = "the space"), ("key" = String, Path, description = "the key")),
    responses((status = 200, description = "The newest version", body = StateObject))
)]
pub(crate) async fn get(
    State(app): State<App>,
    At((space, key)): At<(Space, StateKey)>,
    params: Params,
) -> Answer<impl IntoResponse> {
    params.only(&[])?;
    let found = app.orchestrator.state(&space, &key).await?;
    let tag = [(header::ETAG, format!("\"{}\"", found.version))];
    Ok((tag, Json(StateObject::from(found))))
}

/// Set a key
///
/// The body is the value: any JSON, up to 256 KiB. With `If-Match: "N"` only if the key is at version N, with
/// `If-None-Match: *` only if it has no value; 409 `version_conflict` says in `version` where it is (0: no value).
#[utoipa::path(
    put, path = "/api/v1/state/{space}/{key}", operation_id = "set_state", tag = "state",
    request_body = serde_json::Value,
    params(
        ("space" = String, Path, description = "the space"), ("key" = String, Path, description = "the key"),
        ("If-Match" = Option<String>, Header, description = "the version that the key must have, in quotes"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: the key must have no value"),
        ("Idempotency-Key" = Option<String>, Header, description = "the same once more writes nothing and has the first answer"),
        ("ttl" = Option<String>, Query, description = "how long the value stays, such as 30s"),
        ("lock" = Option<String>, Query, description = "the lock that guards it; with `token`"),
        ("token" = Option<u64>, Query, description = "the token of that lock: refused once somebody had it after"),
    ),
    responses((status = 200, description = "Written", body = StateWritten))
)]
pub(crate) async fn set(
    State(app): State<App>,
    At(place): At<(Space, StateKey)>,
    params: Params,
    headers: HeaderMap,
    Text(text): Text,
) -> Answer<impl IntoResponse> {
    params.only(&["ttl", "lock", "token"])?;
    json(&text)?;
    let value = Value::parse(text.trim().into());
    let value = value.map_err(|error| Failure::bad_request(format!("not JSON: {error}")))?;
    let write = StateWrite {
        value: Some(value),
        ttl: params.span("ttl", limits::HORIZON)?,
        ..wanted(place, &params, &headers)?
    };
    Ok(written(app.orchestrator.write_state(write, ACTOR).await?))
}

/// Delete a key
///
/// Makes a version without a value. The headers are those of a set.
#[utoipa::path(
    delete, path = "/api/v1/state/{space}/{key}", operation_id = "delete_state", tag = "state",
    params(
        ("space" = String, Path, description = "the space"), ("key" = String, Path, description = "the key"),
        ("If-Match" = Option<String>, Header, description = "the version that the key must have, in quotes"),
        ("Idempotency-Key" = Option<String>, Header, description = "the same once more writes nothing and has the first answer"),
        ("lock" = Option<String>, Query, description = "the lock that guards it; with `token`"),
        ("token" = Option<u64>, Query, description = "the token of that lock: refused once somebody had it after"),
    ),
    responses((status = 200, description = "Written", body = StateWritten))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    At(place): At<(Space, StateKey)>,
    params: Params,
    headers: HeaderMap,
) -> Answer<impl IntoResponse> {
    params.only(&["lock", "token"])?;
    let write = wanted(place, &params, &headers)?;
    Ok(written(app.orchestrator.write_state(write, ACTOR).await?))
}

/// Versions of a key
///
/// Newest first, tombstones too, as far as they are kept.
#[utoipa::path(
    get, path = "/api/v1/state/{space}/{key}/history", operation_id = "state_history", tag = "state",
    params(
        ("space" = String, Path, description = "the space"), ("key" = String, Path, description = "the key"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; 100 unless said"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, description = "A page", body = StatePage))
)]
pub(crate) async fn history(
    State(app): State<App>,
    At((space, key)): At<(Space, StateKey)>,
    params: Params,
) -> Answer<Json<StatePage>> {
    params.only(&["limit", "cursor"])?;
    let limit = limit(&params, ROWS)?;
    let query = StateQuery::History {
        space,
        key,
        before: params.text("cursor").map(cursor).transpose()?,
        limit,
    };
    let page = app.orchestrator.state_page(query).await?;
    let last = page.items.last().filter(|_| page.items.len() == limit);
    let next = last.map(|last| last.cursor.0.to_string());
    Ok(Json(shown(page, next)))
}

/// List or watch a space
///
/// The keys with values, by name; `cursor` of the answer says of which moment, and all pages are of the same one. With
/// `watch`, changes after that cursor in their order, none left out: at once if there are some, else as soon as there are,
/// or an empty page after `wait`. Go on with `cursor` of the answer. A list, then a watch from its cursor, miss nothing.
#[utoipa::path(
    get, path = "/api/v1/state/{space}", operation_id = "list_state", tag = "state",
    params(
        ("space" = String, Path, description = "the space"),
        ("prefix" = Option<String>, Query, description = "only keys that begin so"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; 100 unless said"),
        ("cursor" = Option<String>, Query, description = "of a list: `next` of the page before"),
        ("at" = Option<String>, Query, description = "of a list: as it was at this cursor"),
        ("watch" = Option<String>, Query, description = "the cursor that changes are wanted after; 0: from the beginning"),
        ("wait" = Option<String>, Query, description = "of a watch: such as 30s, up to 60s; 30s unless said"),
    ),
    responses((status = 200, description = "A page", body = StatePage))
)]
pub(crate) async fn list(
    State(app): State<App>,
    At(space): At<Space>,
    params: Params,
) -> Answer<Json<StatePage>> {
    params.only(&["prefix", "limit", "cursor", "at", "watch", "wait"])?;
    let limit = limit(&params, ROWS)?;
    let prefix = params.text("prefix").unwrap_or_default().to_owned();
    let Some(after) = params.text("watch") else {
        return page(&app, space, prefix, limit, &params).await.map(Json);
    };
    if let Some(name) = ["cursor", "at"]
        .into_iter()
        .find(|name| params.text(name).is_some())
    {
        return Err(Failure::parameter(name, "goes with a list, not with watch"));
    }
    let within = params
        .span("wait", limits::WAIT)?
        .unwrap_or(limits::WAIT / 2);
    let query = StateQuery::Changes {
        space: Some(space),
        prefix,
        after: cursor(after)?,
        limit,
    };
    let found = tokio::select! {
        found = app.orchestrator.watch_state(query.clone(), within) => found?,
        () = app.stop.cancelled() => app.orchestrator.state_page(query).await?,
    };
    Ok(Json(shown(found, None)))
}

async fn page(
    app: &App,
    space: Space,
    prefix: String,
    limit: usize,
    params: &Params,
) -> Answer<StatePage> {
    if params.text("wait").is_some() {
        return Err(Failure::parameter("wait", "goes with watch"));
    }
    let list = ListId::of(&["state", space.as_str(), &prefix]);
    let (then, after) = match params.text("cursor") {
        None => (params.text("at").map(cursor).transpose()?, None),
        Some(place) => {
            let (then, after) = read_place(&list.open(place)?)?;
            (Some(then), Some(after))
        }
    };
    let query = StateQuery::List {
        space,
        prefix,
        after,
        then,
        limit,
    };
    let page = app.orchestrator.state_page(query).await?;
    let at = then.unwrap_or(page.at);
    let last = page.items.last().filter(|_| page.items.len() == limit);
    let next = last.map(|last| {
        let place = [&at.0.to_be_bytes()[..], last.key.as_str().as_bytes()].concat();
        list.seal(&place)
    });
    Ok(StatePage {
        cursor: at.0.to_string(),
        ..shown(page, next)
    })
}

/// Restore a space
///
/// Every key gets the value again that it had at that cursor, or none, by a new version where that is another one than
/// now. All of it in one moment; what would have expired meanwhile does not come back.
#[utoipa::path(
    post, path = "/api/v1/state/{space}", operation_id = "restore_state", tag = "state",
    request_body = RestoreRequest,
    params(("space" = String, Path, description = "the space")),
    responses((status = 200, description = "Done", body = Restored))
)]
pub(crate) async fn restore(
    State(app): State<App>,
    At(space): At<Space>,
    params: Params,
    Act(request): Act<RestoreRequest>,
) -> Answer<Json<Restored>> {
    params.only(&[])?;
    let then = cursor(&request.cursor)?;
    let changed = app.orchestrator.restore_state(&space, then, ACTOR).await?;
    Ok(Json(Restored {
        changed: changed as u64,
    }))
}

/// A deletion, as the headers and parameters want it.
fn wanted(place: (Space, StateKey), params: &Params, headers: &HeaderMap) -> Answer<StateWrite> {
    let (space, key) = place;
    let token = params.number("token", 1..=u64::MAX)?;
    let lock = params.text("lock").map(StateKey::new).transpose();
    let lock = lock.map_err(|error| Failure::parameter("lock", error.to_string()))?;
    if lock.is_some() != token.is_some() {
        return Err(Failure::parameter("lock", "goes with token"));
    }
    Ok(StateWrite {
        space,
        key,
        value: None,
        ttl: None,
        expect: expected(headers)?,
        fence: lock.zip(token),
        request: request_id(headers)?,
    })
}

/// The version that a key must have.
fn expected(headers: &HeaderMap) -> Answer<Option<u64>> {
    let text = |name: header::HeaderName| headers.get(name).map(|text| text.to_str());
    match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
        (None, None) => Ok(None),
        (None, Some(Ok("*"))) => Ok(Some(0)),
        (None, Some(_)) => Err(Failure::parameter("If-None-Match", "must be *")),
        (Some(Ok(tag)), None) => {
            let number = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            let number = number.and_then(|number| number.parse().ok());
            let wrong =
                || Failure::parameter("If-Match", "must be one version in quotes, such as \"3\"");
            number.map(Some).ok_or_else(wrong)
        }
        (Some(_), _) => Err(Failure::parameter(
            "If-Match",
            "must be one version in quotes, and without If-None-Match",
        )),
    }
}

fn written(written: Written) -> impl IntoResponse {
    let tag = [(header::ETAG, format!("\"{}\"", written.version))];
    let body = StateWritten {
        version: written.version,
        cursor: written.cursor.0.to_string(),
        expires_at: written.expires_at,
    };
    (StatusCode::OK, tag, Json(body))
}

fn shown(page: warrener_backend::state::StatePage, next: Option<String>) -> StatePage {
    StatePage {
        items: page.items.into_iter().map(StateObject::from).collect(),
        cursor: page.at.0.to_string(),
        next,
    }
}

fn cursor(text: &str) -> Answer<Cursor> {
    let number = text.parse().ok().filter(|n| i64::try_from(*n).is_ok());
    number
        .map(Cursor)
        .ok_or_else(|| no("this is no cursor of shared state"))
}

/// Where a page of a list ended: of which moment it is, and the last key.
fn read_place(place: &[u8]) -> Answer<(Cursor, StateKey)> {
    let parts = place.split_at_checked(8).and_then(|(then, key)| {
        let then = u64::from_be_bytes(then.try_into().ok()?);
        let key = StateKey::new(std::str::from_utf8(key).ok()?).ok()?;
        i64::try_from(then).is_ok().then_some((Cursor(then), key))
    });
    parts.ok_or_else(|| no("this is no cursor of this list"))
}
