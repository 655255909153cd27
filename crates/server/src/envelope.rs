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

    /// Serves two routes on a thread of one, asks `paths` in turn, and gives the answers.
    async fn ask(paths: &'static [&'static str]) -> Vec<(u16, String, String)> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new()
            .route("/boom/{n}", get(boom))
            .layer(axum::middleware::from_fn(envelope));
        let server = axum::serve(listener, app).into_future();
        let client = tokio::task::spawn_blocking(move || {
            let agent: ureq::Agent = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .build()
                .into();
            let ask = |path: &&str| {
                let request = agent.get(format!("{url}{path}")).header(REQUEST_ID, "r-1");
                let mut response = request.call().unwrap();
                let kind = response.headers()["content-type"]
                    .to_str()
                    .unwrap()
                    .to_owned();
                let text = response.body_mut().read_to_string().unwrap();
                (response.status().as_u16(), kind, text)
            };
            paths.iter().map(ask).collect()
        });
        tokio::select! {
            _ = server => panic!("the server ended"),
            done = client => done.unwrap(),
        }
    }

    #[derive(Clone, Default)]
    struct Lines(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// One test for both: what a thread logs can be caught for sure only while no other logs from the same place.
    #[tokio::test]
    async fn a_panic_is_a_problem_and_each_request_one_line_of_log_with_its_route() {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let guard = tracing::subscriber::set_default(log);
        let answers = ask(&["/boom/7", "/boom/8", "/nothing"]).await;
        drop(guard);
        for ((status, kind, text), code) in
            answers.iter().zip(["internal", "internal", "not_found"])
        {
            assert_eq!(kind, "application/problem+json");
            let problem: Problem = serde_json::from_str(text).unwrap();
            assert_eq!((problem.code.as_str(), problem.status), (code, *status));
            assert_eq!(problem.request_id.as_deref(), Some("r-1"));
        }
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let found = text
            .lines()
            .filter(|line| line.contains("DEBUG warrener_server"));
        let found: Vec<&str> = found.collect();
        assert_eq!(found.len(), 3, "{text}");
        for part in [
            "method=GET",
            "route=\"/boom/{n}\"",
            "status=500",
            "ms=",
            "request_id=\"r-1\"",
        ] {
            assert!(found[0].contains(part), "{part} in {}", found[0]);
        }
        assert!(found[2].contains("route=\"-\" status=404"), "{}", found[2]);
    }
}
