//! Every answer that is an error: one table maps a code to its status (`warrener_api::problem`), one place writes it.

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use warrener_api::Problem;
use warrener_engine::Error;
use warrener_engine::orchestrator::BatchError;
use warrener_model::Mistake;
use warrener_model::state::Refusal;

/// Errors of one answer at most (contracts.md section 3).
pub(crate) const ERRORS: usize = 100;

/// A request that came to nothing. The envelope adds the request id and writes the body.
#[derive(Clone, Debug)]
pub(crate) struct Failure(Box<Problem>);

/// What a handler answers.
pub(crate) type Answer<T> = Result<T, Failure>;

impl Failure {
    /// The request cannot be read.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Problem::new("bad_request", detail).into()
    }

    /// A parameter of the path or query that is none.
    pub(crate) fn parameter(name: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let detail = format!("{name}: {message}");
        Problem::new("bad_request", detail)
            .mistakes([Mistake::at(name, message)])
            .into()
    }

    /// The request has mistakes: all of them (of those that fit).
    pub(crate) fn invalid(mut mistakes: Vec<Mistake>) -> Self {
        let detail = match mistakes.as_slice() {
            [one] if one.pointer.is_empty() => one.message.clone(),
            [one] => format!("{}: {}", one.pointer, one.message),
            more => format!("{} mistakes", more.len()),
        };
        mistakes.truncate(ERRORS);
        Problem::new("invalid", detail).mistakes(mistakes).into()
    }

    /// Over a limit, which is named.
    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Problem::new("too_large", detail).into()
    }

    /// Nothing is served at this address.
    pub(crate) fn no_route(request: &Request) -> Self {
        let (method, path) = (request.method(), request.uri().path());
        Problem::new("not_found", format!("there is no {method} {path}"))
            .hint("/openapi.json lists every route")
            .into()
    }

    /// Something is served there, but not so.
    pub(crate) fn wrong_method(request: &Request) -> Self {
        let (method, path) = (request.method(), request.uri().path());
        let mut problem = Problem::new("bad_request", format!("{path} does not answer {method}"))
            .hint("the header Allow of this answer names the methods; /openapi.json lists every route");
        problem.status = StatusCode::METHOD_NOT_ALLOWED.as_u16();
        problem.into()
    }

    /// What is left of an answer of the framework that is an error: it knows only its status.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let code = match status.as_u16() {
            413 => "too_large",
            404 => "not_found",
            400..=499 => "bad_request",
            _ => "internal",
        };
        let mut problem = Problem::new(code, status.canonical_reason().unwrap_or("error"));
        problem.status = status.as_u16();
        problem.into()
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Failure(Box::new(problem))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = error.code();
        if code == "internal" {
            tracing::error!(%error, "a request failed");
        }
        match error {
            Error::Invalid(mistakes) => Failure::invalid(mistakes),
            Error::Filter(ref filter) => {
                let mistake = Mistake::at("filter", filter.to_string());
                Problem::new(code, filter.to_string())
                    .mistakes([mistake])
                    .into()
            }
            Error::NotAllowed { what, hint } => Problem::new(code, what).hint(hint).into(),
            Error::AttemptOver { .. } => Problem::new(code, error.to_string())
                .hint("end: another attempt has a token of its own; nothing that this one says counts any more")
                .into(),
            Error::ScheduleBusy { work, .. } => {
                let problem = Problem::new(code, error.to_string())
                    .hint("wait for its end, or cancel it; --overlap queue or cancel would have it wait or give way");
                match work.task() {
                    Some(task) => problem.task(task).into(),
                    None => problem.into(),
                }
            }
            Error::KeyTaken(task) => Problem::new(code, error.to_string()).task(task).into(),
            Error::State {
                why: Refusal::Version(version),
                ..
            } => Problem::new(code, error.to_string()).version(version).into(),
            other => Problem::new(code, other.to_string()).into(),
        }
    }
}

impl From<BatchError> for Failure {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Items(items) => {
                let all = items
                    .into_iter()
                    .flat_map(|(index, mistakes)| at_item(index, mistakes));
                Failure::invalid(all.collect())
            }
            BatchError::KeyTaken { index, task } => {
                let detail = error.to_string();
                let message = "belongs to another request";
                let mistake = Mistake::at(format!("/{index}/idempotency_key"), message);
                Problem::new("idempotency_conflict", detail)
                    .mistakes([mistake])
                    .task(task)
                    .into()
            }
            BatchError::Other(error) => error.into(),
        }
    }
}

/// Mistakes of one item of a list, with the place of the item in front.
pub(crate) fn at_item(index: usize, mistakes: Vec<Mistake>) -> impl Iterator<Item = Mistake> {
    mistakes.into_iter().map(move |mistake| {
        let pointer = format!("/{index}{}", mistake.pointer);
        Mistake::at(pointer, mistake.message)
    })
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = StatusCode::OK.into_response();
        self.write(&mut response, None);
        response.extensions_mut().insert(self);
        response
    }
}

impl Failure {
    /// Makes a response say this, for this request.
    pub(crate) fn write(&self, response: &mut Response, request: Option<&str>) {
        let mut problem = (*self.0).clone();
        problem.request_id = request.map(Into::into);
        *response.status_mut() =
            StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        headers.remove(header::CONTENT_LENGTH);
        if matches!(problem.status, 429 | 503) {
            // A server that drains or lost its store takes longer to come back than a burst to pass.
            let after = if problem.code == "overloaded" {
                "1"
            } else {
                "5"
            };
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(after));
        }
        if problem.status == 401 {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        let body = serde_json::to_vec(&problem).expect("a problem has string keys only");
        *response.body_mut() = body.into();
    }
}
