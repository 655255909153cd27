//! Health: whether the process lives, whether it can work. Without a token; machines read the status.

use crate::failure::Answer;
use crate::reading::Params;
use crate::state::App;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use warrener_api::health::{Check, Health};

/// The version of this server's software.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Whether the process lives
///
/// Looks at nothing else: what store and broker do is no reason to restart it.
#[utoipa::path(
    get, path = "/livez", operation_id = "livez", tag = "server", security(()),
    params(("verbose" = Option<bool>, Query, description = "for symmetry with readyz")),
    responses((status = 200, description = "It does", body = Health))
)]
pub(crate) async fn livez(params: Params) -> Answer<Json<Health>> {
    params.only(&["verbose"])?;
    Ok(Json(Health::of(VERSION, vec![])))
}

/// Whether it can work
///
/// The store answers, the broker takes messages, and it is not draining. The checks are shown when one of them is not
/// ok, and with `verbose`.
#[utoipa::path(
    get, path = "/readyz", operation_id = "readyz", tag = "server", security(()),
    params(("verbose" = Option<bool>, Query, description = "show every check")),
    responses(
        (status = 200, description = "It can", body = Health),
        (status = 503, description = "It cannot", body = Health),
    )
)]
pub(crate) async fn readyz(
    State(app): State<App>,
    params: Params,
) -> Answer<(StatusCode, Json<Health>)> {
    params.only(&["verbose"])?;
    let verbose = params.flag("verbose")?;
    let ready = app.orchestrator.ready().await;
    let check = |name: &str, result: Result<(), String>| Check {
        name: name.into(),
        ok: result.is_ok(),
        detail: result.err(),
    };
    let draining = match ready.draining || app.stop.is_cancelled() {
        true => Err("it was told to stop".into()),
        false => Ok(()),
    };
    let checks = vec![
        check("store", ready.store),
        check("broker", ready.broker),
        check("draining", draining),
    ];
    let mut health = Health::of(VERSION, checks);
    if health.ok && !verbose {
        health.checks.clear();
    }
    let status = if health.ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    Ok((status, Json(health)))
}
