//! The calls about shared state.

use super::{Call, Client, Result, call, encoded, with_query};
use crate::requests::{LockRequest, RenewRequest, RestoreRequest};
use crate::state::{LockObject, Restored, StateObject, StatePage, StateWritten};
use std::time::Duration;
use ureq::http::Method;
use warrener_model::Json;
use warrener_model::time::format_span;

/// How a key is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions<'a> {
    /// The version it must have, 0 for no value.
    pub if_version: Option<u64>,
    /// How long the value stays.
    pub ttl: Option<Duration>,
    /// The lock that guards it, and its token.
    pub lock: Option<(&'a str, u64)>,
    /// The id of the request: the same once more writes nothing.
    pub request_id: Option<&'a str>,
}

/// Which part of a list, a history or the changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateRange<'a> {
    /// Only keys that begin so.
    pub prefix: Option<&'a str>,
    /// At most so many, 1 to 1,000.
    pub limit: Option<usize>,
    /// After the page before: its `next`.
    pub cursor: Option<&'a str>,
    /// As it was at this cursor.
    pub at: Option<&'a str>,
}

fn place(space: &str, key: &str) -> String {
    format!("/api/v1/state/{}/{}", encoded(space), encoded(key))
}

/// # Errors
/// As those of the other routes.
#[allow(
    clippy::missing_errors_doc,
    reason = "the errors of all methods are the same, and said once"
)]
impl Client {
    /// `GET /api/v1/state/{space}/{key}`.
    pub fn state(&self, space: &str, key: &str) -> Result<StateObject> {
        self.get(place(space, key))
    }

    /// `PUT /api/v1/state/{space}/{key}`.
    pub fn set_state(
        &self,
        space: &str,
        key: &str,
        value: &Json,
        options: &WriteOptions<'_>,
    ) -> Result<StateWritten> {
        let put = write(Method::PUT, space, key, options).json(value);
        self.read(self.send(put)?)
    }

    /// `DELETE /api/v1/state/{space}/{key}`.
    pub fn delete_state(
        &self,
        space: &str,
        key: &str,
        options: &WriteOptions<'_>,
    ) -> Result<StateWritten> {
        self.read(self.send(write(Method::DELETE, space, key, options))?)
    }

    /// `GET /api/v1/state/{space}`.
    pub fn states(&self, space: &str, range: &StateRange<'_>) -> Result<StatePage> {
        self.get(with_query(
            &format!("/api/v1/state/{}", encoded(space)),
            [
                ("prefix", range.prefix.map(Into::into)),
                ("limit", range.limit.map(|limit| limit.to_string())),
                ("cursor", range.cursor.map(Into::into)),
                ("at", range.at.map(Into::into)),
            ],
        ))
    }

    /// `GET /api/v1/state/{space}?watch=`: changes after a cursor, or none after that time.
    pub fn watch_state(
        &self,
        space: &str,
        prefix: Option<&str>,
        after: &str,
        wait: Duration,
    ) -> Result<StatePage> {
        let path = with_query(
            &format!("/api/v1/state/{}", encoded(space)),
            [
                ("prefix", prefix.map(Into::into)),
                ("watch", Some(after.into())),
                ("wait", Some(format_span(wait))),
                ("limit", Some("200".into())),
            ],
        );
        let call = Call {
            wait,
            ..call(Method::GET, path)
        };
        self.read(self.send(call)?)
    }

    /// `GET /api/v1/state/{space}/{key}/history`, newest first.
    pub fn state_history(
        &self,
        space: &str,
        key: &str,
        range: &StateRange<'_>,
    ) -> Result<StatePage> {
        self.get(with_query(
            &format!("{}/history", place(space, key)),
            [
                ("limit", range.limit.map(|limit| limit.to_string())),
                ("cursor", range.cursor.map(Into::into)),
            ],
        ))
    }

    /// `POST /api/v1/state/{space}`: makes of a space what it was at that cursor.
    pub fn restore_state(&self, space: &str, request: &RestoreRequest) -> Result<Restored> {
        self.post(format!("/api/v1/state/{}", encoded(space)), request)
    }

    /// `GET /api/v1/state/{space}/{key}/lock`.
    pub fn lock(&self, space: &str, key: &str) -> Result<LockObject> {
        self.get(format!("{}/lock", place(space, key)))
    }

    /// `POST /api/v1/state/{space}/{key}/lock`.
    pub fn take_lock(&self, space: &str, key: &str, request: &LockRequest) -> Result<LockObject> {
        self.post(format!("{}/lock", place(space, key)), request)
    }

    /// `PUT /api/v1/state/{space}/{key}/lock`.
    pub fn keep_lock(&self, space: &str, key: &str, request: &RenewRequest) -> Result<LockObject> {
        let call = call(Method::PUT, format!("{}/lock", place(space, key)));
        self.read(self.send(call.json(request))?)
    }

    /// `DELETE /api/v1/state/{space}/{key}/lock?token=`.
    pub fn release_lock(&self, space: &str, key: &str, token: u64) -> Result<LockObject> {
        let path = format!("{}/lock?token={token}", place(space, key));
        self.read(self.send(call(Method::DELETE, path))?)
    }
}

fn write<'a>(method: Method, space: &str, key: &str, options: &WriteOptions<'a>) -> Call<'a> {
    let (lock, token) = options.lock.unzip();
    let path = with_query(
        &place(space, key),
        [
            ("ttl", options.ttl.map(format_span)),
            ("lock", lock.map(Into::into)),
            ("token", token.map(|token| token.to_string())),
        ],
    );
    Call {
        key: options.request_id,
        if_version: options.if_version,
        ..call(method, path)
    }
}
