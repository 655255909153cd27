//! Locks of shared state, each named after a key.

use crate::failure::{Answer, Failure};
use crate::reading::{Act, At, Params};
use crate::state::App;
use axum::Json;
use axum::extract::State;
use std::time::Duration;
use warrener_api::requests::{LockRequest, RenewRequest};
use warrener_api::state::LockObject;
use warrener_model::name::{Space, StateKey};
use warrener_model::state::lock::{Lock, Want};

/// Look at a lock
#[utoipa::path(
    get, path = "/api/v1/state/{space}/{key}/lock", operation_id = "get_lock", tag = "state",
    params(("space" = String, Path, description = "the space"), ("key" = String, Path, description = "the key")),
    responses((status = 200, description = "The lock", body = LockObject))
)]
pub(crate) async fn get(
    State(app): State<App>,
    At(place): At<(Space, StateKey)>,
    params: Params,
) -> Answer<Json<LockObject>> {
    params.only(&[])?;
    let lock = app.orchestrator.state_lock(&place.0, &place.1).await?;
    Ok(Json(shown(place, lock)))
}

/// Take a lock
///
/// 409 `locked` while somebody else has it. The same holder again keeps its token and has it longer, so that an answer that
/// was lost can be asked for again: no two may use the same name. The lock guards writes that name it with its token.
#[utoipa::path(
    post, path = "/api/v1/state/{space}/{key}/lock", operation_id = "take_lock", tag = "state",
    request_body = LockRequest,
    params(("space" = String, Path, description = "the space"), ("key" = String, Path, description = "the key")),
    responses((status = 200, description = "The lock", body = LockObject))
)]
pub(crate) async fn take(
    State(app): State<App>,
    At(place): At<(Space, StateKey)>,
    params: Params,
    Act(request): Act<LockRequest>,
) -> Answer<Json<LockObject>> {
    params.only(&[])?;
    let want = Want::Acquire {
        holder: request.holder,
        lease: Duration::from_millis(request.lease_ms),
    };
    change(app, place, want).await
}

/// Keep a lock
///
/// 409 `lock_lost` once the lease ended or somebody else has it.
#[utoipa::path(
    put, path = "/api/v1/state/{space}/{key}/lock", operation_id = "keep_lock", tag = "state",
    request_body = RenewRequest,
    params(("space" = String, Path, description = "the space"), ("key" = String, Path, description = "the key")),
    responses((status = 200, description = "The lock", body = LockObject))
)]
pub(crate) async fn keep(
    State(app): State<App>,
    At(place): At<(Space, StateKey)>,
    params: Params,
    Act(request): Act<RenewRequest>,
) -> Answer<Json<LockObject>> {
    params.only(&[])?;
    let want = Want::Renew {
        token: request.token,
        lease: Duration::from_millis(request.lease_ms),
    };
    change(app, place, want).await
}

/// Give a lock back
#[utoipa::path(
    delete, path = "/api/v1/state/{space}/{key}/lock", operation_id = "release_lock", tag = "state",
    params(
        ("space" = String, Path, description = "the space"), ("key" = String, Path, description = "the key"),
        ("token" = u64, Query, description = "its token"),
    ),
    responses((status = 200, description = "The lock", body = LockObject))
)]
pub(crate) async fn release(
    State(app): State<App>,
    At(place): At<(Space, StateKey)>,
    params: Params,
) -> Answer<Json<LockObject>> {
    params.only(&["token"])?;
    let token = params.number("token", 1..=u64::MAX)?;
    let missing = || {
        Failure::parameter(
            "token",
            "is missing: the number that the lock was taken under",
        )
    };
    let token = token.ok_or_else(missing)?;
    change(app, place, Want::Release { token }).await
}

async fn change(app: App, place: (Space, StateKey), want: Want) -> Answer<Json<LockObject>> {
    let lock = app
        .orchestrator
        .lock_state(&place.0, &place.1, want)
        .await?;
    Ok(Json(shown(place, lock)))
}

fn shown((space, key): (Space, StateKey), lock: Lock) -> LockObject {
    let (holder, until) = lock.held.map(|hold| (hold.holder, hold.until)).unzip();
    LockObject {
        space: space.to_string(),
        key: key.to_string(),
        token: lock.token,
        holder,
        until,
    }
}
