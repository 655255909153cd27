//! One method a route of HTTP version 1, in the order of the contract.

use super::sse::Events;
use super::{Call, Client, Result, call, encoded, with_query};
use crate::agent::AgentObject;
use crate::batch::BatchAnswer;
use crate::books::Books;
use crate::breaker::BreakerObject;
use crate::dead::{DeadAnswer, DeadGroup};
use crate::event::TaskEvent;
use crate::health::Health;
use crate::lane::LaneObject;
use crate::log::LogPiece;
use crate::login::LoginCode;
use crate::page::Page;
use crate::refused::RefusedObject;
use crate::requests::{
    AgentRequest, AnswerRequest, ApproveRequest, CancelRequest, DiscardRequest, PauseRequest,
    ReassignRequest, RejectRequest, RequeueRequest, ResetRequest, RetryRequest,
    SessionAnswerRequest, WaitRequest,
};
use crate::run::{RunObject, RunRequest};
use crate::session::{SessionObject, SessionRequest};
use crate::stream::Topic;
use crate::submit::SubmitRequest;
use crate::task::TaskObject;
use crate::wait::WaitAnswer;
use std::time::Duration;
use ureq::http::Method;
use warrener_model::id::RunId;
use warrener_model::time::format_span;
use warrener_model::{SessionId, TaskId};

/// Which page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Only what matches.
    pub filter: Option<String>,
    /// What it is sorted by; `-` in front turns it round.
    pub sort: Option<String>,
    /// At most so many, 1 to 1,000.
    pub limit: Option<usize>,
    /// After the page before: its `next`.
    pub cursor: Option<String>,
    /// Fields that lists leave out unless named.
    pub fields: Option<String>,
}

/// A task that was accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Submitted {
    /// The task.
    pub task: TaskObject,
    /// It was there before, under the same key and request.
    pub duplicate: bool,
}

/// What can be asked of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentAct {
    /// Finish, take nothing new.
    Drain,
    /// Take work again.
    Resume,
    /// Finish, then end.
    Stop,
}

/// # Errors
/// Every method answers with the errors of [`super::ClientError`]; `Problem` is what the server says.
#[allow(
    clippy::missing_errors_doc,
    reason = "the errors of all methods are the same, and said once"
)]
impl Client {
    /// `POST /api/v1/tasks`.
    pub fn submit(&self, request: &SubmitRequest, key: Option<&str>) -> Result<Submitted> {
        let call = Call {
            key,
            ..call(Method::POST, "/api/v1/tasks".into()).json(request)
        };
        let response = self.send(call)?;
        let duplicate = response.status().as_u16() == 200;
        let task = self.read(response)?;
        Ok(Submitted { task, duplicate })
    }

    /// `POST /api/v1/tasks/batch`, as JSON lines.
    pub fn submit_batch(&self, lines: Vec<u8>) -> Result<BatchAnswer> {
        let call = Call {
            body: Some(lines),
            content_type: "application/x-ndjson",
            ..call(Method::POST, "/api/v1/tasks/batch".into())
        };
        self.read(self.send(call)?)
    }

    /// `GET /api/v1/tasks`.
    pub fn tasks(&self, query: &ListQuery) -> Result<Page<TaskObject>> {
        self.get(list("/api/v1/tasks", query))
    }

    /// `GET /api/v1/tasks/{id}`; with `wait`, once it is final or that time is over.
    pub fn task(&self, id: TaskId, wait: Option<Duration>) -> Result<TaskObject> {
        let path = format!("/api/v1/tasks/{id}");
        let call = Call {
            wait: wait.unwrap_or_default(),
            ..call(
                Method::GET,
                with_query(&path, [("wait", wait.map(format_span))]),
            )
        };
        self.read(self.send(call)?)
    }

    /// `GET /api/v1/tasks/{id}/events`.
    pub fn events(&self, id: TaskId, query: &ListQuery) -> Result<Page<TaskEvent>> {
        self.get(list(&format!("/api/v1/tasks/{id}/events"), query))
    }

    /// `GET /api/v1/tasks/{id}/logs`: a page, oldest first, after the piece with this number.
    pub fn logs(
        &self,
        id: TaskId,
        attempt: Option<u32>,
        after: Option<&str>,
    ) -> Result<Page<LogPiece>> {
        self.get(logs(id, attempt, after, None))
    }

    /// `GET /api/v1/tasks/{id}/logs?follow=true`: every piece as it comes, until the task has ended.
    pub fn follow_logs(&self, id: TaskId, attempt: Option<u32>) -> Result<Events> {
        self.listen(logs(id, attempt, None, Some("true".into())), None)
    }

    /// `POST /api/v1/runs`.
    pub fn start_run(&self, request: &RunRequest, key: Option<&str>) -> Result<RunObject> {
        let call = Call {
            key,
            ..call(Method::POST, "/api/v1/runs".into()).json(request)
        };
        self.read(self.send(call)?)
    }

    /// `GET /api/v1/runs`.
    pub fn runs(&self, query: &ListQuery) -> Result<Page<RunObject>> {
        self.get(list("/api/v1/runs", query))
    }

    /// `GET /api/v1/runs/{id}`; with `wait`, once anything of it changed, it is final, or that time is over.
    pub fn run(&self, id: RunId, wait: Option<Duration>) -> Result<RunObject> {
        let path = format!("/api/v1/runs/{id}");
        let progress = wait.map(|_| "true".to_owned());
        let query = [("wait", wait.map(format_span)), ("progress", progress)];
        let call = Call {
            wait: wait.unwrap_or_default(),
            ..call(Method::GET, with_query(&path, query))
        };
        self.read(self.send(call)?)
    }

    /// `POST /api/v1/runs/{id}/cancel`.
    pub fn cancel_run(&self, id: RunId, request: &CancelRequest) -> Result<RunObject> {
        self.post(format!("/api/v1/runs/{id}/cancel"), request)
    }

    /// `POST /api/v1/runs/{id}/retry-failed`.
    pub fn retry_failed(&self, id: RunId) -> Result<RunObject> {
        let path = format!("/api/v1/runs/{id}/retry-failed");
        self.read(self.send(call(Method::POST, path))?)
    }

    /// `POST /api/v1/tasks/{id}/cancel`.
    pub fn cancel(&self, id: TaskId, request: &CancelRequest) -> Result<TaskObject> {
        self.post(act(id, "cancel"), request)
    }

    /// `POST /api/v1/tasks/{id}/retry`.
    pub fn retry(&self, id: TaskId, request: &RetryRequest) -> Result<TaskObject> {
        self.post(act(id, "retry"), request)
    }

    /// `POST /api/v1/tasks/{id}/reassign`.
    pub fn reassign(&self, id: TaskId, request: &ReassignRequest) -> Result<TaskObject> {
        self.post(act(id, "reassign"), request)
    }

    /// `POST /api/v1/tasks/{id}/approve`.
    pub fn approve(&self, id: TaskId, request: &ApproveRequest) -> Result<TaskObject> {
        self.post(act(id, "approve"), request)
    }

    /// `POST /api/v1/tasks/{id}/reject`.
    pub fn reject(&self, id: TaskId, request: &RejectRequest) -> Result<TaskObject> {
        self.post(act(id, "reject"), request)
    }

    /// `POST /api/v1/tasks/{id}/answer`.
    pub fn answer(&self, id: TaskId, request: &AnswerRequest) -> Result<TaskObject> {
        self.post(act(id, "answer"), request)
    }

    /// `POST /api/v1/tasks/wait`.
    pub fn wait(&self, request: &WaitRequest) -> Result<WaitAnswer> {
        let call = Call {
            wait: Duration::from_millis(request.wait_ms),
            ..call(Method::POST, "/api/v1/tasks/wait".into()).json(request)
        };
        self.read(self.send(call)?)
    }

    /// `GET /api/v1/agents`.
    pub fn agents(&self, query: &ListQuery) -> Result<Page<AgentObject>> {
        self.get(list("/api/v1/agents", query))
    }

    /// `GET /api/v1/agents/{id}`.
    pub fn agent(&self, id: &str) -> Result<AgentObject> {
        self.get(format!("/api/v1/agents/{}", encoded(id)))
    }

    /// `POST /api/v1/agents/{id}/drain`, `/resume` or `/stop`.
    pub fn agent_act(
        &self,
        id: &str,
        act: AgentAct,
        request: &AgentRequest,
    ) -> Result<AgentObject> {
        let verb = match act {
            AgentAct::Drain => "drain",
            AgentAct::Resume => "resume",
            AgentAct::Stop => "stop",
        };
        self.post(format!("/api/v1/agents/{}/{verb}", encoded(id)), request)
    }

    /// `GET /api/v1/lanes`.
    pub fn lanes(&self, query: &ListQuery) -> Result<Page<LaneObject>> {
        self.get(list("/api/v1/lanes", query))
    }

    /// `GET /api/v1/lanes/{lane}`.
    pub fn lane(&self, lane: &str) -> Result<LaneObject> {
        self.get(format!("/api/v1/lanes/{}", encoded(lane)))
    }

    /// `POST /api/v1/lanes/{lane}/pause`.
    pub fn pause_lane(&self, lane: &str, request: &PauseRequest) -> Result<LaneObject> {
        self.post(format!("/api/v1/lanes/{}/pause", encoded(lane)), request)
    }

    /// `POST /api/v1/lanes/{lane}/resume`.
    pub fn resume_lane(&self, lane: &str, request: &PauseRequest) -> Result<LaneObject> {
        self.post(format!("/api/v1/lanes/{}/resume", encoded(lane)), request)
    }

    /// `GET /api/v1/breakers`.
    pub fn breakers(&self, query: &ListQuery) -> Result<Page<BreakerObject>> {
        self.get(list("/api/v1/breakers", query))
    }

    /// `POST /api/v1/breakers/{kind}/reset`.
    pub fn reset_breaker(&self, kind: &str, request: &ResetRequest) -> Result<BreakerObject> {
        self.post(format!("/api/v1/breakers/{}/reset", encoded(kind)), request)
    }

    /// `GET /api/v1/dead/groups`.
    pub fn dead_groups(&self, query: &ListQuery) -> Result<Page<DeadGroup>> {
        self.get(list("/api/v1/dead/groups", query))
    }

    /// `POST /api/v1/dead/requeue`; takes as long as `rate` makes it.
    pub fn requeue(&self, request: &RequeueRequest) -> Result<DeadAnswer> {
        let wait = request.rate.map_or(Duration::ZERO, |_| UNHURRIED);
        let call = call(Method::POST, "/api/v1/dead/requeue".into()).json(request);
        self.read(self.send(Call { wait, ..call })?)
    }

    /// `POST /api/v1/dead/discard`; takes as long as `rate` makes it.
    pub fn discard(&self, request: &DiscardRequest) -> Result<DeadAnswer> {
        let wait = request.rate.map_or(Duration::ZERO, |_| UNHURRIED);
        let call = call(Method::POST, "/api/v1/dead/discard".into()).json(request);
        self.read(self.send(Call { wait, ..call })?)
    }

    /// `POST /api/v1/sessions`.
    pub fn open_session(&self, request: &SessionRequest) -> Result<SessionObject> {
        self.post("/api/v1/sessions".into(), request)
    }

    /// `GET /api/v1/sessions/{id}`; with `wait`, once it has ended or that time is over.
    pub fn session(&self, id: SessionId, wait: Option<Duration>) -> Result<SessionObject> {
        let path = format!("/api/v1/sessions/{id}");
        let path = with_query(&path, [("wait", wait.map(format_span))]);
        let wait = wait.unwrap_or_default();
        self.read(self.send(Call {
            wait,
            ..call(Method::GET, path)
        })?)
    }

    /// `GET /api/v1/sessions`.
    pub fn sessions(&self, query: &ListQuery) -> Result<Page<SessionObject>> {
        self.get(list("/api/v1/sessions", query))
    }

    /// `POST /api/v1/sessions/{id}/answer`.
    pub fn answer_session(
        &self,
        id: SessionId,
        request: &SessionAnswerRequest,
    ) -> Result<SessionObject> {
        self.post(format!("/api/v1/sessions/{id}/answer"), request)
    }

    /// `POST /api/v1/sessions/{id}/cancel`.
    pub fn cancel_session(&self, id: SessionId, request: &CancelRequest) -> Result<SessionObject> {
        self.post(format!("/api/v1/sessions/{id}/cancel"), request)
    }

    /// `GET /api/v1/refused`.
    pub fn refused(&self, query: &ListQuery) -> Result<Page<RefusedObject>> {
        self.get(list("/api/v1/refused", query))
    }

    /// `POST /api/v1/login/codes`.
    pub fn login_code(&self) -> Result<LoginCode> {
        self.post("/api/v1/login/codes".into(), &())
    }

    /// `GET /api/v1/books`.
    pub fn books(&self) -> Result<Books> {
        self.get("/api/v1/books".into())
    }

    /// `GET /api/v1/stream`; after `last`, the cursor of the last event that was seen.
    pub fn stream(&self, topics: &[Topic], last: Option<&str>) -> Result<Events> {
        let topics: Vec<String> = topics.iter().map(ToString::to_string).collect();
        let pairs = [("topics", Some(topics.join(",")))];
        self.listen(with_query("/api/v1/stream", pairs), last)
    }

    /// `GET /livez`: whether the process lives.
    pub fn livez(&self) -> Result<Health> {
        self.get("/livez".into())
    }

    /// `GET /readyz`: whether it can work. 503 is an answer, too.
    pub fn readyz(&self) -> Result<Health> {
        let response = self.open(call(Method::GET, "/readyz".into()), Some(self.timeout))?;
        match response.status().as_u16() {
            200 | 503 => self.read(response),
            _ => Err(self.refusal(response)),
        }
    }

    /// `GET /openapi.json`.
    pub fn openapi(&self) -> Result<serde_json::Value> {
        self.get("/openapi.json".into())
    }
}

/// Bounds a request whose length the caller chose with a rate.
const UNHURRIED: Duration = Duration::from_secs(86_400);

fn act(id: TaskId, verb: &str) -> String {
    format!("/api/v1/tasks/{id}/{verb}")
}

pub(super) fn list(path: &str, query: &ListQuery) -> String {
    with_query(
        path,
        [
            ("filter", query.filter.clone()),
            ("sort", query.sort.clone()),
            ("limit", query.limit.map(|n| n.to_string())),
            ("cursor", query.cursor.clone()),
            ("fields", query.fields.clone()),
        ],
    )
}

fn logs(id: TaskId, attempt: Option<u32>, after: Option<&str>, follow: Option<String>) -> String {
    with_query(
        &format!("/api/v1/tasks/{id}/logs"),
        [
            ("attempt", attempt.map(|n| n.to_string())),
            ("after", after.map(Into::into)),
            ("follow", follow),
        ],
    )
}
