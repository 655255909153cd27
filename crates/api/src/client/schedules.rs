//! The routes of schedules.

use super::routes::{ListQuery, list};
use super::{Client, Result, call, encoded};
use crate::page::Page;
use crate::schedule::{FiringObject, ScheduleObject, ScheduleRequest};
use ureq::http::Method;

/// # Errors
/// Every method answers with the errors of [`super::ClientError`]; `Problem` is what the server says.
#[allow(
    clippy::missing_errors_doc,
    reason = "the errors of all methods are the same, and said once"
)]
impl Client {
    /// `POST /api/v1/schedules`.
    pub fn create_schedule(&self, request: &ScheduleRequest) -> Result<ScheduleObject> {
        self.post("/api/v1/schedules".into(), request)
    }

    /// `GET /api/v1/schedules`.
    pub fn schedules(&self, query: &ListQuery) -> Result<Page<ScheduleObject>> {
        self.get(list("/api/v1/schedules", query))
    }

    /// `GET /api/v1/schedules/{name}`.
    pub fn schedule(&self, name: &str) -> Result<ScheduleObject> {
        self.get(path(name, ""))
    }

    /// `GET /api/v1/schedules/{name}/firings`.
    pub fn firings(&self, name: &str, query: &ListQuery) -> Result<Page<FiringObject>> {
        self.get(list(&path(name, "/firings"), query))
    }

    /// `POST /api/v1/schedules/{name}/pause`.
    pub fn pause_schedule(&self, name: &str) -> Result<ScheduleObject> {
        self.post(path(name, "/pause"), &serde_json::json!({}))
    }

    /// `POST /api/v1/schedules/{name}/resume`.
    pub fn resume_schedule(&self, name: &str) -> Result<ScheduleObject> {
        self.post(path(name, "/resume"), &serde_json::json!({}))
    }

    /// `POST /api/v1/schedules/{name}/run`.
    pub fn run_schedule(&self, name: &str) -> Result<ScheduleObject> {
        self.post(path(name, "/run"), &serde_json::json!({}))
    }

    /// `DELETE /api/v1/schedules/{name}`.
    pub fn delete_schedule(&self, name: &str) -> Result<ScheduleObject> {
        self.read(self.send(call(Method::DELETE, path(name, "")))?)
    }
}

fn path(name: &str, rest: &str) -> String {
    format!("/api/v1/schedules/{}{rest}", encoded(name))
}
