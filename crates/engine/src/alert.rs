//! Alerts: what a person should know now. Goes to the stream and to the sink of the configuration, each subject at
//! most once a minute.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::time::Instant;
use warrener_model::name::{Kind, Lane};
use warrener_model::task::Task;
use warrener_model::{AgentId, Timestamp};

/// One alert, as sinks get it (contracts.md section 2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// 1.
    pub v: u32,
    /// `dead_letters broker_blocked agent_lost circuit_open no_capable_agent`.
    pub alert: String,
    /// `warning` or `critical`.
    pub severity: String,
    /// What it is about: a lane, a kind, an agent, a task.
    pub subject: String,
    /// In words.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
}

/// Where alerts go: a command, a webhook.
pub trait AlertSink: fmt::Debug + Send + Sync {
    /// Takes one; must not block (it is called from within the engine).
    fn send(&self, alert: &Alert);
}

const NO_CAPABLE_AGENT: &str = "no_capable_agent";
const CIRCUIT_OPEN: &str = "circuit_open";
const BROKER_BLOCKED: &str = "broker_blocked";

/// The same subject is not told again within this.
const QUIET: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Alerts {
    stream: broadcast::Sender<Alert>,
    sink: Option<Arc<dyn AlertSink>>,
    told: Mutex<HashMap<(String, String), Instant>>,
}

impl Alerts {
    pub(crate) fn new(sink: Option<Arc<dyn AlertSink>>) -> Self {
        Alerts {
            stream: broadcast::channel(256).0,
            sink,
            told: Mutex::default(),
        }
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Alert> {
        self.stream.subscribe()
    }

    pub(crate) fn dead(&self, task: &Task) {
        let error = task
            .error
            .as_ref()
            .map_or("no error recorded", |e| e.message.as_str());
        let reason = task.life.dead_reason.map_or("", |r| r.as_str());
        let subject = format!("{}/{}", task.spec.lane, task.spec.kind);
        let message = format!("task {} is dead ({reason}): {error}", task.id);
        self.tell(
            "dead_letters",
            "critical",
            subject,
            message,
            task.life.since,
        );
    }

    pub(crate) fn agent_lost(&self, agent: &AgentId, now: Timestamp) {
        let message = format!("agent {agent} is gone without a word");
        self.tell("agent_lost", "warning", agent.to_string(), message, now);
    }

    pub(crate) fn no_capable_agent(&self, lane: &Lane, kind: &Kind, count: u64, since: Timestamp) {
        let message =
            format!("{count} task(s) of kind {kind} wait in lane {lane}, and no agent serves them");
        let subject = format!("{lane}/{kind}");
        self.tell(NO_CAPABLE_AGENT, "warning", subject, message, since);
    }

    /// The next time this kind waits for nobody it is told at once.
    pub(crate) fn served_again(&self, lane: &Lane, kind: &Kind) {
        self.over(NO_CAPABLE_AGENT, format!("{lane}/{kind}"));
    }

    pub(crate) fn circuit_open(&self, kind: &Kind, why: &str, since: Timestamp) {
        let message = format!("nothing more of kind {kind} is started for now: {why}");
        self.tell(CIRCUIT_OPEN, "critical", kind.to_string(), message, since);
    }

    pub(crate) fn circuit_closed(&self, kind: &Kind) {
        self.over(CIRCUIT_OPEN, kind.to_string());
    }

    pub(crate) fn broker_blocked(&self, why: &str, since: Timestamp) {
        let message = format!("the broker takes nothing: {why}");
        let subject = "broker".into();
        self.tell(BROKER_BLOCKED, "critical", subject, message, since);
    }

    pub(crate) fn broker_takes_again(&self) {
        self.over(BROKER_BLOCKED, "broker".into());
    }

    fn over(&self, alert: &str, subject: String) {
        let mut told = self.told.lock().expect("a map does not panic");
        if told.remove(&(alert.to_owned(), subject.clone())).is_some() {
            tracing::info!(alert, subject, "over");
        }
    }

    fn tell(
        &self,
        alert: &str,
        severity: &str,
        subject: String,
        message: String,
        since: Timestamp,
    ) {
        {
            let mut told = self.told.lock().expect("a map does not panic");
            let key = (alert.to_owned(), subject.clone());
            if told.get(&key).is_some_and(|at| at.elapsed() < QUIET) {
                return;
            }
            // Bounded: subjects that are quiet again are forgotten.
            told.retain(|_, at| at.elapsed() < QUIET);
            told.insert(key, Instant::now());
        }
        let (alert, severity) = (alert.into(), severity.into());
        let alert = Alert {
            v: 1,
            alert,
            severity,
            subject,
            message,
            since,
        };
        tracing::warn!(
            alert = alert.alert,
            subject = alert.subject,
            "{}",
            alert.message
        );
        if let Some(sink) = &self.sink {
            sink.send(&alert);
        }
        // Nobody listening is no error.
        let _ = self.stream.send(alert);
    }
}
