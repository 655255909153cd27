//! Reading requests: parts of the path, the query, the body. Whatever is wrong is said with its place.

use crate::failure::{Answer, Failure};
use crate::state::App;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use futures_util::StreamExt;
use serde::de::IgnoredAny;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;
use warrener_api::requests;
use warrener_model::id::RunId;
use warrener_model::name::{NameError, ScheduleName, Space, StateKey};
use warrener_model::submission::unknown;
use warrener_model::time::parse_span;
use warrener_model::{AgentId, Kind, Lane, TaskId};

/// Of a body that is too large, at most so many times its limit is read away, so that the client gets to see why.
const READ_AWAY: usize = 4;

/// A part of the path: a task's id, a name.
#[derive(Debug)]
pub(crate) struct At<T>(pub(crate) T);

/// What can stand in a path.
pub(crate) trait Part: Sized {
    fn read(text: &str) -> Result<Self, String>;
}

impl Part for TaskId {
    fn read(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|e: warrener_model::id::IdError| e.to_string())
    }
}

impl Part for RunId {
    fn read(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|e: warrener_model::id::IdError| e.to_string())
    }
}

impl Part for AgentId {
    fn read(text: &str) -> Result<Self, String> {
        AgentId::new(text).map_err(|e| e.to_string())
    }
}

impl Part for Lane {
    fn read(text: &str) -> Result<Self, String> {
        Lane::new(text).map_err(|e| e.to_string())
    }
}

impl Part for Kind {
    fn read(text: &str) -> Result<Self, String> {
        Kind::new(text).map_err(|e| e.to_string())
    }
}

impl Part for Space {
    fn read(text: &str) -> Result<Self, String> {
        Space::new(text).map_err(|e| e.to_string())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for At<(Space, StateKey)> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((space, key)) = path.map_err(|e| Failure::bad_request(e.body_text()))?;
        let wrong = |e: NameError| Failure::bad_request(e.to_string());
        let place = (
            Space::new(&space).map_err(wrong)?,
            StateKey::new(&key).map_err(wrong)?,
        );
        Ok(At(place))
    }
}

impl Part for ScheduleName {
    fn read(text: &str) -> Result<Self, String> {
        ScheduleName::new(text).map_err(|e| e.to_string())
    }
}

impl<S: Send + Sync, T: Part> FromRequestParts<S> for At<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = text.map_err(|e: PathRejection| Failure::bad_request(e.body_text()))?;
        T::read(&text).map(At).map_err(Failure::bad_request)
    }
}

/// The query: each parameter once.
#[derive(Debug)]
pub(crate) struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        let pairs = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(pairs) = pairs.map_err(|e| Failure::bad_request(e.body_text()))?;
        Ok(Params(pairs))
    }
}

impl Params {
    /// Refuses what this route does not know, and what is there twice.
    pub(crate) fn only(&self, known: &[&str]) -> Answer<()> {
        for (i, (name, _)) in self.0.iter().enumerate() {
            if known.is_empty() {
                return Err(Failure::parameter(name, "this route takes no parameters"));
            }
            if !known.contains(&name.as_str()) {
                let message = unknown(name, known).replacen("field", "parameter", 1);
                return Err(Failure::parameter(name, message));
            }
            if self.0[..i].iter().any(|(other, _)| other == name) {
                return Err(Failure::parameter(name, "is there twice"));
            }
        }
        Ok(())
    }

    /// A parameter as it is; an empty one counts as not there.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let pair = self.0.iter().find(|(key, _)| key == name)?;
        Some(pair.1.as_str()).filter(|text| !text.is_empty())
    }

    /// A whole number.
    pub(crate) fn number<N>(&self, name: &str, range: RangeInclusive<N>) -> Answer<Option<N>>
    where
        N: FromStr + PartialOrd + Display,
    {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let number = text.parse().ok().filter(|number| range.contains(number));
        let wanted = || {
            format!(
                "must be a whole number from {} to {}",
                range.start(),
                range.end()
            )
        };
        number
            .map(Some)
            .ok_or_else(|| Failure::parameter(name, wanted()))
    }

    /// A span such as `30s`, up to a limit.
    pub(crate) fn span(&self, name: &str, most: Duration) -> Answer<Option<Duration>> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let span = parse_span(text).map_err(|e| Failure::parameter(name, e.to_string()))?;
        if span > most {
            let message = format!("is more than {}", warrener_model::time::format_span(most));
            return Err(Failure::parameter(name, message));
        }
        Ok(Some(span))
    }

    /// `name`, `name=true`, or `name=false`.
    pub(crate) fn flag(&self, name: &str) -> Answer<bool> {
        match self
            .0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
        {
            None | Some("false") => Ok(false),
            Some("" | "true") => Ok(true),
            Some(_) => Err(Failure::parameter(name, "must be true or false")),
        }
    }
}

/// A body as text, within the limit of one request.
#[derive(Debug)]
pub(crate) struct Text(pub(crate) String);

impl FromRequest<App> for Text {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Answer<Self> {
        body(request, app.options.body_bytes, app).await.map(Text)
    }
}

/// A body as a request that acts on what exists.
#[derive(Debug)]
pub(crate) struct Act<R>(pub(crate) R);

impl<R: requests::Request> FromRequest<App> for Act<R> {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Answer<Self> {
        let Text(text) = Text::from_request(request, app).await?;
        act(&text).map(Act)
    }
}

/// Reads such a body.
pub(crate) fn act<R: requests::Request>(text: &str) -> Answer<R> {
    if !text.trim().is_empty() {
        json(text)?;
    }
    requests::read(text).map_err(Failure::invalid)
}

/// Whether a text is JSON at all, which is another question than whether it is a good request.
pub(crate) fn json(text: &str) -> Answer<()> {
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::bad_request(format!(
            "the body is not JSON: {error}"
        ))),
    }
}

/// Reads a body whole, as UTF-8, up to a limit and within the time for it.
pub(crate) async fn body(request: Request, limit: usize, app: &App) -> Answer<String> {
    let within = app.options.body_time;
    let (parts, body) = request.into_parts();
    let too_large = || Failure::too_large(format!("the body has more than {limit} bytes"));
    if over(&parts.headers, limit) && parts.headers.contains_key(header::EXPECT) {
        // The client waits for a yes before it sends anything.
        return Err(too_large());
    }
    let read = tokio::time::timeout(within, collect(body, limit)).await;
    let read = read.map_err(|_| {
        Failure::bad_request(format!(
            "the body did not come within {} ms",
            within.as_millis()
        ))
    })?;
    let bytes = read?.ok_or_else(too_large)?;
    String::from_utf8(bytes).map_err(|_| Failure::bad_request("the body is not UTF-8"))
}

fn over(headers: &HeaderMap, limit: usize) -> bool {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|n| n.to_str().ok());
    length
        .and_then(|n| n.parse().ok())
        .is_some_and(|n: usize| n > limit)
}

/// `None` when there is more than the limit.
async fn collect(body: Body, limit: usize) -> Answer<Option<Vec<u8>>> {
    let mut stream = body.into_data_stream();
    let (mut bytes, mut seen) = (vec![], 0usize);
    while let Some(part) = stream.next().await {
        let part = part.map_err(|_| Failure::bad_request("the body broke off"))?;
        seen = seen.saturating_add(part.len());
        if seen <= limit {
            bytes.extend_from_slice(&part);
        } else if seen > limit.saturating_mul(READ_AWAY) {
            break;
        } else {
            bytes = vec![];
        }
    }
    Ok((seen <= limit).then_some(bytes))
}
