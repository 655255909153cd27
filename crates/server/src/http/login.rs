//! How browsers come in and go.

use crate::failure::{Answer, Failure};
use crate::login::{Redeemed, shown};
use crate::reading::{Params, act, body};
use crate::state::App;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{AppendHeaders, IntoResponse};
use std::time::Duration;
use warrener_api::Problem;
use warrener_api::login::{LoggedIn, LoggedOut, LoginCode};
use warrener_api::requests::LoginRequest;

/// Whoever has shown nothing yet gets no more read than a code needs.
const BODY_BYTES: usize = 4 * 1024;

/// Exchange a one-time code for a session
///
/// For browsers: the session is in the cookie `warrener_PORT` (`__Host-warrener_PORT` under TLS), `HttpOnly` and
/// `SameSite=Strict`, and is taken wherever the token is. A request with it that changes something needs an `Origin`.
#[utoipa::path(
    post, path = "/api/v1/login", operation_id = "login", tag = "server", security(()),
    request_body = LoginRequest,
    responses((status = 200, description = "The cookie is set", body = LoggedIn))
)]
pub(crate) async fn login(
    State(app): State<App>,
    params: Params,
    request: Request,
) -> Answer<impl IntoResponse> {
    params.only(&[])?;
    let text = body(request, BODY_BYTES, &app).await?;
    let request: LoginRequest = act(&text)?;
    let logins = &app.options.logins;
    let session = match logins.redeem(&request.code) {
        Redeemed::Session(session) => session,
        Redeemed::No => {
            let detail = "the code is unknown, was used already, or is too old";
            let hint = "`warrener server login` prints a fresh address for the browser";
            return Err(Problem::new("unauthenticated", detail).hint(hint).into());
        }
        Redeemed::TooMany => {
            let detail = "too many wrong codes were tried";
            return Err(Failure::from(Problem::new("rate_limited", detail)));
        }
    };
    let life = logins.session_life();
    let answer = LoggedIn {
        expires_in_ms: millis(life),
    };
    Ok((cookie(&app, &session, life.as_secs()), Json(answer)))
}

/// Make a one-time code
///
/// For the address that a browser opens: `/#code=…`.
#[utoipa::path(
    post, path = "/api/v1/login/codes", operation_id = "make_login_code", tag = "server",
    responses((status = 200, description = "The code", body = LoginCode))
)]
pub(crate) async fn codes(State(app): State<App>, params: Params) -> Answer<Json<LoginCode>> {
    params.only(&[])?;
    let logins = &app.options.logins;
    Ok(Json(LoginCode {
        code: logins.code(),
        expires_in_ms: millis(logins.code_life()),
    }))
}

/// End a browser's session
///
/// Streams and links that it opened end with it.
#[utoipa::path(
    post, path = "/api/v1/logout", operation_id = "logout", tag = "server",
    responses((status = 200, description = "The cookie is taken back", body = LoggedOut))
)]
pub(crate) async fn logout(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
) -> Answer<impl IntoResponse> {
    params.only(&[])?;
    let session = shown(&headers, &app.cookie);
    let ended = session.is_some_and(|session| app.options.logins.end(session));
    Ok((cookie(&app, "", 0), Json(LoggedOut { ended })))
}

fn cookie(
    app: &App,
    session: &str,
    seconds: u64,
) -> AppendHeaders<[(header::HeaderName, String); 1]> {
    let secure = if app.options.is_secure() {
        "; Secure"
    } else {
        ""
    };
    let name = &app.cookie;
    let text =
        format!("{name}={session}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    AppendHeaders([(header::SET_COOKIE, text)])
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
