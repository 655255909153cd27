//! What every answer has in common: a request id, errors as problems, a caught panic, one line of log.

use crate::failure::Failure;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::time::Instant;
use warrener_api::Problem;

/// The header that carries the request id both ways.
pub(crate) const REQUEST_ID: &str = "x-request-id";
/// The longest id that is taken over from a request.
const ID_CHARS: usize = 128;

/// Wraps every request, also those that nothing serves.
pub(crate) async fn envelope(request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let started = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let mut response = answer.unwrap_or_else(|_| {
        // The panic hook has written what and where.
        tracing::error!(request_id = id, "a handler panicked");
        let detail = "a handler panicked; the server goes on";
        Failure::from(Problem::new("internal", detail)).into_response()
    });
    finish(&mut response, &id);
    tracing::debug!(
        %method,
        route = route.as_ref().map_or("-", MatchedPath::as_str),
        status = response.status().as_u16(),
        ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        request_id = id,
        "request"
    );
    response
}

/// The id that the request brings, if it can be shown; else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let brought = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let fine = |id: &&str| {
        !id.is_empty() && id.len() <= ID_CHARS && id.bytes().all(|b| b.is_ascii_graphic())
    };
    match brought.filter(fine) {
        Some(id) => id.to_owned(),
        None => format!("{:016x}", fastrand::u64(..)),
    }
}

fn finish(response: &mut Response, id: &str) {
    if let Some(failure) = response.extensions_mut().remove::<Failure>() {
        failure.write(response, Some(id));
    } else if response.status().is_client_error() || response.status().is_server_error() {
        let ours = response.headers().get(header::CONTENT_TYPE);
        let ours = ours.is_some_and(|kind| kind == "application/json");
        if !ours {
            Failure::of_status(response.status()).write(response, Some(id));
        }
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(
        "x-content-type-options",
        HeaderValue::from_static("nosniff"),
    );
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::routing::get;

    async fn boom() {
        panic!("as the test wants it");
    }

    #[tokio::test]
    async fn a_panic_is_a_problem_with_the_request_id_and_the_server_goes_on() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new()
            .route("/boom", get(boom))
            .layer(axum::middleware::from_fn(envelope));
        let server = axum::serve(listener, app).into_future();
        let client = tokio::task::spawn_blocking(move || {
            let agent: ureq::Agent = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .build()
                .into();
            for id in ["r-1", "r-2"] {
                let request = agent.get(format!("{url}/boom")).header(REQUEST_ID, id);
                let mut response = request.call().unwrap();
                assert_eq!(response.status(), 500);
                assert_eq!(
                    response.headers()["content-type"],
                    "application/problem+json"
                );
                let text = response.body_mut().read_to_string().unwrap();
                let problem: Problem = serde_json::from_str(&text).unwrap();
                assert_eq!(problem.code, "internal");
                assert_eq!(problem.request_id.as_deref(), Some(id));
            }
        });
        tokio::select! {
            _ = server => panic!("the server ended"),
            done = client => done.unwrap(),
        }
    }
}
