//! What a task token may ask (contracts.md section 4): its own task and children, its own progress and log, new children.
//! Everything that is not named here is refused.

use crate::failure::{Answer, Failure};
use crate::state::App;
use axum::extract::{FromRequestParts, Request};
use axum::http::Method;
use axum::http::request::Parts;
use std::convert::Infallible;
use warrener_api::Problem;
use warrener_engine::token::TaskRight;
use warrener_model::TaskId;

/// Whose run asks: nothing for everybody who may everything. Put into the request by [`admit`] alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ByRun(pub(crate) Option<TaskRight>);

impl<S: Sync> FromRequestParts<S> for ByRun {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(ByRun(parts.extensions.get().copied()))
    }
}

/// Lets a request with a task token pass on to its handler, which then knows the right.
///
/// # Errors
/// A problem that says what the token is for.
pub(crate) async fn admit(app: &App, right: TaskRight, request: &mut Request) -> Answer<()> {
    match wish(right.task, request) {
        Some(Wish::Own) => {}
        Some(Wish::Read(task)) => app.orchestrator.may_read(right, &[task]).await?,
        // Before the body is read: who may not open children need not send them.
        Some(Wish::Spawn) => _ = app.orchestrator.spawner(right).await?,
        None => {
            let detail = format!(
                "this token is of task {}: it may read that task and its children, write its progress and log, and \
                 open children where its kind may",
                right.task
            );
            let hint = "use the operator's token for everything else";
            return Err(Failure::from(
                Problem::new("not_allowed", detail).hint(hint),
            ));
        }
    }
    request.extensions_mut().insert(right);
    Ok(())
}

/// What a run can ask for.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    /// What concerns only itself; or what the handler checks, since the body says whom it concerns.
    Own,
    /// Another task.
    Read(TaskId),
    /// New tasks.
    Spawn,
}

fn wish(own: TaskId, request: &Request) -> Option<Wish> {
    let rest = request.uri().path().strip_prefix("/api/v1/tasks")?;
    let read = matches!(*request.method(), Method::GET | Method::HEAD);
    let write = request.method() == Method::POST;
    let part = rest.strip_prefix('/').unwrap_or_default();
    match part {
        "" if write && rest.is_empty() => Some(Wish::Spawn),
        "batch" if write => Some(Wish::Spawn),
        "wait" if write => Some(Wish::Own),
        id if read => match id.parse().ok()? {
            id if id == own => Some(Wish::Own),
            other => Some(Wish::Read(other)),
        },
        path if write => {
            let (id, act) = path.split_once('/')?;
            let mine = id.parse() == Ok(own) && matches!(act, "progress" | "logs");
            mine.then_some(Wish::Own)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[test]
    fn a_task_token_is_for_what_is_named_and_nothing_else() {
        let (own, other) = (TaskId::from_bytes([1; 16]), TaskId::from_bytes([2; 16]));
        let ask = |method: &str, path: &str| {
            let path = path.replace("OWN", &own.to_string());
            let path = path.replace("OTHER", &other.to_string());
            let request = Request::builder().method(method).uri(path);
            wish(own, &request.body(Body::empty()).unwrap())
        };
        for (method, path, wanted) in [
            ("GET", "/api/v1/tasks/OWN", Wish::Own),
            ("HEAD", "/api/v1/tasks/OWN?wait=1s", Wish::Own),
            ("GET", "/api/v1/tasks/OTHER", Wish::Read(other)),
            ("POST", "/api/v1/tasks/wait", Wish::Own),
            ("POST", "/api/v1/tasks/OWN/progress", Wish::Own),
            ("POST", "/api/v1/tasks/OWN/logs", Wish::Own),
            ("POST", "/api/v1/tasks", Wish::Spawn),
            ("POST", "/api/v1/tasks/batch", Wish::Spawn),
        ] {
            assert_eq!(ask(method, path), Some(wanted), "{method} {path}");
        }
        for (method, path) in [
            ("GET", "/api/v1/tasks"),
            ("GET", "/api/v1/tasks/"),
            ("POST", "/api/v1/tasks/"),
            ("POST", "/api/v1/tasksOWN"),
            ("GET", "/api/v1/tasks/OWN/events"),
            ("GET", "/api/v1/tasks/OWN/logs"),
            ("GET", "/api/v1/tasks/OWN/"),
            ("POST", "/api/v1/tasks/OWN"),
            ("PUT", "/api/v1/tasks/OWN/progress"),
            ("POST", "/api/v1/tasks/OTHER/progress"),
            ("POST", "/api/v1/tasks/OTHER/logs"),
            ("POST", "/api/v1/tasks/OWN/cancel"),
            ("POST", "/api/v1/tasks/OWN/logs/"),
            ("GET", "/api/v1/link"),
            ("GET", "/openapi.json"),
        ] {
            assert_eq!(ask(method, path), None, "{method} {path}");
        }
    }
}
