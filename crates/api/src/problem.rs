//! The error body (`application/problem+json`), and the one table of error codes.
//!
//! Each code has its page in `docs/errors/`, its one HTTP status, and a hint that says what to do next.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Deref, DerefMut};
use utoipa::ToSchema;
use warrener_model::TaskId;
use warrener_model::submission::Mistake;

/// One row of the table of codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The code: what programs look at.
    pub code: &'static str,
    /// The HTTP status; 0 for what only the command line says.
    pub status: u16,
    /// What it means, in a few words.
    pub title: &'static str,
    /// What to do, unless the problem itself knows better.
    pub hint: &'static str,
}

/// Every code there is.
#[rustfmt::skip]
pub const CODES: &[Code] = &[
    Code { code: "bad_request", status: 400, title: "the request cannot be read", hint: "see `warrener spec openapi` for the form of each request" },
    Code { code: "cursor_invalid", status: 400, title: "the cursor is not of this list", hint: "start again without a cursor; use `next` of a page with the same filter and sort" },
    Code { code: "filter_invalid", status: 400, title: "the filter cannot be read", hint: "terms are key:value, such as state:failed,dead label.batch:42 age:>1h" },
    Code { code: "unauthenticated", status: 401, title: "no valid token", hint: "set WARRENER_TOKEN, or --data-dir to the folder of the server, which holds the token" },
    Code { code: "not_allowed", status: 403, title: "this token may not do that", hint: "use a token whose role allows it" },
    Code { code: "not_found", status: 404, title: "there is no such thing", hint: "check the id; what ended long ago is purged" },
    Code { code: "idempotency_conflict", status: 409, title: "the key belongs to another request", hint: "use a new key for a new request, or send the first request again unchanged" },
    Code { code: "illegal_state", status: 409, title: "not possible in this state", hint: "look at the state with `warrener task get ID`" },
    Code { code: "version_conflict", status: 409, title: "it has changed meanwhile", hint: "read it again and decide again" },
    Code { code: "locked", status: 409, title: "somebody else has the lock", hint: "try again after the time that is named, or when it is given back" },
    Code { code: "lock_lost", status: 409, title: "the lock is not held any more", hint: "stop what it guards; take the lock again and read what it guards before writing" },
    Code { code: "name_taken", status: 409, title: "there is one of this name already", hint: "choose another name, or delete the one that is there" },
    Code { code: "not_waiting", status: 409, title: "the task does not wait for this", hint: "`warrener task get ID` says in waiting_for what it waits for" },
    Code { code: "too_large", status: 413, title: "over a limit", hint: "send less; large inputs belong in a file that the input names" },
    Code { code: "invalid", status: 422, title: "the request has mistakes", hint: "correct what `errors` lists; nothing was accepted" },
    Code { code: "rate_limited", status: 429, title: "too many requests", hint: "try again after the time in Retry-After" },
    Code { code: "overloaded", status: 503, title: "the server has no room", hint: "try again after the time in Retry-After; nothing was accepted" },
    Code { code: "unavailable", status: 503, title: "the store cannot be reached", hint: "try again with the same Idempotency-Key; /readyz says what is missing" },
    Code { code: "draining", status: 503, title: "the server is stopping", hint: "try again when it is back, or ask another server" },
    Code { code: "internal", status: 500, title: "a fault in Warrener", hint: "report it with the request id and the server's log" },
    Code { code: "usage", status: 0, title: "the command is not right", hint: "see `warrener --help`" },
    Code { code: "server_unreachable", status: 0, title: "no server answers", hint: "start one with `warrener up` or `warrener server run`" },
    Code { code: "server_untrusted", status: 0, title: "the server's certificate is not trusted", hint: "check the address; name the certificate of an authority of your own with --ca FILE or WARRENER_CA" },
    Code { code: "config_invalid", status: 0, title: "the configuration has mistakes", hint: "see `warrener config schema`" },
    Code { code: "workflow_invalid", status: 0, title: "the workflow file has mistakes", hint: "correct what is listed; docs/workflow.md says what each field means" },
    Code { code: "namespace_taken", status: 0, title: "the namespace belongs to another store", hint: "set namespace in warrener.toml or WARRENER_NAMESPACE, or name another vhost in the broker's URL" },
    Code { code: "broker_unreachable", status: 0, title: "no broker answers", hint: "see that the broker runs, and that host, port and scheme of broker.url are right" },
    Code { code: "broker_untrusted", status: 0, title: "the broker's certificate is not trusted, or this end's is not", hint: "name the authority that signed the broker's certificate with ca under [broker], and connect by a name that is in the certificate" },
    Code { code: "broker_refused", status: 0, title: "the broker refuses the login", hint: "check user, password and vhost of broker.url, and that this user may configure, write and read in the vhost" },
    Code { code: "broker_unusable", status: 0, title: "the broker's queues are not as they should be", hint: "do what the text says about the queue that it names" },
    Code { code: "data_dir_taken", status: 0, title: "another server uses the data folder", hint: "stop the other server, or choose another folder with --data-dir" },
    Code { code: "data_dir_unusable", status: 0, title: "the data folder cannot be used", hint: "check its owner, mode and free space, or choose another with --data-dir" },
    Code { code: "store_damaged", status: 0, title: "the store is damaged", hint: "stop the server, keep a copy of the folder, restore a backup" },
    Code { code: "store_newer", status: 0, title: "the store was written by a newer Warrener", hint: "install that version or a newer one" },
    Code { code: "command_missing", status: 0, title: "the agent's command cannot be started", hint: "check the command after `--` and PATH" },
    Code { code: "wait_timeout", status: 0, title: "the time is over", hint: "wait longer with --timeout; the work goes on" },
    Code { code: "interrupted", status: 0, title: "interrupted", hint: "what was accepted goes on; see `warrener task list`" },
    Code { code: "output_failed", status: 0, title: "the output cannot be written", hint: "check the file and the free space" },
];

impl Code {
    /// The row of a code; `internal` for one that is not in the table.
    pub fn of(code: &str) -> &'static Code {
        let row = CODES.iter().find(|row| row.code == code);
        row.unwrap_or_else(|| Code::of("internal"))
    }

    /// The address of its page.
    pub fn page(&self) -> String {
        format!("https://warrener.dev/errors/{}", self.code)
    }
}

/// The body of every answer that is an error, and what the command line says with `-o json`. As small as a pointer, so
/// that it can be the error of any function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Problem(#[schema(inline)] Box<Body>);

/// What went wrong, where, and what to do next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Body {
    /// The address of the code's page.
    #[serde(default, rename = "type")]
    #[schema(required = true, example = "https://warrener.dev/errors/not_found")]
    pub page: String,
    /// What it means, in a few words.
    #[serde(default)]
    #[schema(required = true)]
    pub title: String,
    /// The HTTP status; 0 when there was no answer.
    #[serde(default)]
    #[schema(required = true)]
    pub status: u16,
    /// What happened here.
    #[serde(default)]
    #[schema(required = true)]
    pub detail: String,
    /// The code: what programs look at.
    #[serde(default)]
    #[schema(required = true)]
    pub code: String,
    /// What to do next.
    #[serde(default)]
    #[schema(required = true)]
    pub hint: String,
    /// The request, to find it in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Each mistake with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Of a conflict: the task that is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    pub task_id: Option<TaskId>,
    /// Of a conflict about a key of shared state: the version it is at, 0 without a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

/// A mistake in a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct FieldError {
    /// Where: a JSON pointer, or the name of a parameter.
    pub pointer: String,
    /// What, and what would be right.
    pub message: String,
}

impl Problem {
    /// A problem with this code (one of [`CODES`]) and what happened here.
    pub fn new(code: &str, detail: impl Into<String>) -> Self {
        let row = Code::of(code);
        Problem(Box::new(Body {
            page: row.page(),
            title: row.title.into(),
            status: row.status,
            detail: detail.into(),
            code: row.code.into(),
            hint: row.hint.into(),
            request_id: None,
            errors: vec![],
            task_id: None,
            version: None,
        }))
    }

    /// What a body says, if it is a problem and whole.
    pub fn read(body: &[u8]) -> Option<Problem> {
        let problem: Problem = serde_json::from_slice(body).ok()?;
        (!problem.title.is_empty() && !problem.code.is_empty()).then_some(problem)
    }

    /// The same with another hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// The same with the mistakes of a request.
    #[must_use]
    pub fn mistakes(mut self, mistakes: impl IntoIterator<Item = Mistake>) -> Self {
        self.errors
            .extend(mistakes.into_iter().map(|mistake| FieldError {
                pointer: mistake.pointer,
                message: mistake.message,
            }));
        self
    }

    /// The same with the task that stands in the way.
    #[must_use]
    pub fn task(mut self, id: TaskId) -> Self {
        self.task_id = Some(id);
        self
    }

    /// The same with the version that stands in the way.
    #[must_use]
    pub fn version(mut self, version: u64) -> Self {
        self.version = Some(version);
        self
    }

    /// The same with the request it answers.
    #[must_use]
    pub fn request(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }
}

impl Deref for Problem {
    type Target = Body;
    fn deref(&self) -> &Body {
        &self.0
    }
}

impl DerefMut for Problem {
    fn deref_mut(&mut self) -> &mut Body {
        &mut self.0
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = if self.detail.is_empty() {
            &self.title
        } else {
            &self.detail
        };
        write!(f, "{words} ({})", self.code)
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_code_is_there_once_and_says_what_to_do() {
        let codes: BTreeSet<&str> = CODES.iter().map(|row| row.code).collect();
        assert_eq!(codes.len(), CODES.len());
        for row in CODES {
            assert!(
                !row.title.is_empty() && !row.hint.is_empty(),
                "{}",
                row.code
            );
            assert!(
                row.status == 0 || (400..=599).contains(&row.status),
                "{}",
                row.code
            );
        }
    }

    #[test]
    fn a_problem_is_the_object_of_the_contract() {
        let mistakes = [Mistake::at("/kind", "must not be empty")];
        let problem = Problem::new("invalid", "1 mistake")
            .mistakes(mistakes)
            .request("r-1");
        let text = serde_json::to_string(&problem).unwrap();
        let wanted = r#"{"type":"https://warrener.dev/errors/invalid","title":"the request has mistakes","status":422,"detail":"1 mistake","code":"invalid","hint":"correct what `errors` lists; nothing was accepted","request_id":"r-1","errors":[{"pointer":"/kind","message":"must not be empty"}]}"#;
        assert_eq!(text, wanted);
        assert_eq!(serde_json::from_str::<Problem>(&text).unwrap(), problem);
    }

    #[test]
    fn only_a_whole_problem_is_read() {
        let problem = Problem::new("not_allowed", "d");
        let body = serde_json::to_vec(&problem).unwrap();
        assert_eq!(Problem::read(&body), Some(problem));
        assert_eq!(Problem::read(&body[..body.len() - 1]), None);
        assert_eq!(Problem::read(b"{}"), None);
        assert_eq!(Problem::read(b"<html>"), None);
    }

    #[test]
    fn a_code_of_a_later_server_is_kept() {
        let later = r#"{"code":"too_strange","status":418,"detail":"d","colour":"red"}"#;
        let problem: Problem = serde_json::from_str(later).unwrap();
        assert_eq!(
            (problem.code.as_str(), problem.status),
            ("too_strange", 418)
        );
    }
}
