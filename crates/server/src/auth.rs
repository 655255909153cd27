//! Tokens. The operator's may everything; a task's, while its attempt runs, what [`crate::rights`] names. A browser's
//! session stands for the operator's token.

use crate::failure::Failure;
use crate::rights::admit;
use crate::state::App;
use crate::{login, page};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use warrener_api::Problem;

/// Who causes what is asked with the operator's token, in histories.
pub(crate) const ACTOR: &str = "user:operator";

/// Health is for machines without secrets.
const OPEN: [&str; 2] = ["/livez", "/readyz"];
/// A browser that wants to come in has nothing to show yet.
const LOGIN: &str = "/api/v1/login";

/// Lets a request pass, or says why not.
pub(crate) async fn auth(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if OPEN.contains(&path) || path == LOGIN || page::has(path) {
        return next.run(request).await;
    }
    match login::session(&app, &request) {
        Some(Ok(session)) => {
            request.extensions_mut().insert(session.clone());
            return session.bound(next.run(request).await);
        }
        Some(Err(problem)) => return Failure::from(problem).into_response(),
        None => {}
    }
    let token = match bearer(request.headers()) {
        Ok(token) if same(token.as_bytes(), app.options.token.as_bytes()) => {
            return next.run(request).await;
        }
        Ok(token) => token.to_owned(),
        Err(problem) => return Failure::from(problem).into_response(),
    };
    let failure = match app.orchestrator.task_right(&token).await {
        Ok(Some(right)) => match admit(&app, right, &mut request).await {
            Ok(()) => return next.run(request).await,
            Err(failure) => failure,
        },
        Ok(None) => {
            let detail = "this token is not of this server";
            Problem::new("unauthenticated", detail).into()
        }
        Err(error) => Failure::from(error),
    };
    failure.into_response()
}

fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let no = |detail: &str| Problem::new("unauthenticated", detail);
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(no(
            "the request has no token, or several; it needs `Authorization: Bearer TOKEN`",
        ));
    };
    let text = value.to_str().unwrap_or_default();
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(no("the token must come as `Authorization: Bearer TOKEN`")),
    }
}

/// Compares in a time that says nothing of where the two differ.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    let differ = a
        .iter()
        .zip(b)
        .fold(0, |differ, (a, b)| std::hint::black_box(differ | (a ^ b)));
    a.len() == b.len() && differ == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_the_token() {
        assert!(same(b"secret", b"secret"));
        for other in ["", "secre", "secret1", "Secret", "secreT"] {
            assert!(!same(other.as_bytes(), b"secret"), "{other}");
        }
    }

    #[test]
    fn a_token_comes_once_and_as_bearer() {
        let header = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            bearer(&headers).map(Into::into)
        };
        let ok: Result<String, Problem> = header(&["bearer t"]);
        assert_eq!(ok.unwrap(), "t");
        for bad in [&[][..], &["t"], &["Basic t"], &["Bearer a", "Bearer b"]] {
            assert_eq!(header(bad).unwrap_err().code, "unauthenticated");
        }
    }
}
