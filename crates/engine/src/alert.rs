//! Alerts: what a person should know now. Goes to the stream and to the sink of the configuration. Of events of one
//! subject one is told at once, and those that follow together when it has been quiet for long enough; a condition is told
//! when it begins, and again while it lasts, far apart.

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

/// What lasts is told again after so many spans of quiet.
const REMIND: u32 = 60;

/// What was told of a subject.
#[derive(Debug)]
struct Told {
    at: Instant,
    /// It lasts, until somebody says that it is over.
    lasts: bool,
    /// Not told yet: how many, since when, and the newest.
    left_out: Option<(u64, Alert)>,
}

#[derive(Debug)]
pub(crate) struct Alerts {
    stream: broadcast::Sender<Alert>,
    sink: Option<Arc<dyn AlertSink>>,
    quiet: Duration,
    told: Mutex<HashMap<(String, String), Told>>,
}

impl Alerts {
    /// Events of one subject are told at most once in `quiet`.
    pub(crate) fn new(sink: Option<Arc<dyn AlertSink>>, quiet: Duration) -> Self {
        Alerts {
            stream: broadcast::channel(256).0,
            sink,
            quiet,
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
        let key = (alert.to_owned(), subject.clone());
        let alert = Alert {
            v: 1,
            alert: alert.into(),
            severity: severity.into(),
            subject,
            message,
            since,
        };
        let lasts = [NO_CAPABLE_AGENT, CIRCUIT_OPEN, BROKER_BLOCKED].contains(&&*alert.alert);
        {
            let mut told = self.told.lock().expect("a map does not panic");
            match told.get_mut(&key) {
                Some(before) if lasts && before.at.elapsed() < self.quiet * REMIND => return,
                Some(before) if !lasts && before.at.elapsed() < self.quiet => {
                    let (count, since) = match &before.left_out {
                        None => (1, alert.since),
                        Some((count, first)) => (count + 1, first.since),
                    };
                    before.left_out = Some((count, Alert { since, ..alert }));
                    return;
                }
                _ => {}
            }
            let at = Instant::now();
            let now = Told {
                at,
                lasts,
                left_out: None,
            };
            told.insert(key, now);
        }
        self.send(alert);
    }

    /// Tells what was left out of subjects that have been quiet for long enough; forgets those of which nothing was.
    pub(crate) fn catch_up(&self) {
        let mut late = vec![];
        {
            let mut told = self.told.lock().expect("a map does not panic");
            told.retain(|_, told| {
                if told.lasts || told.at.elapsed() < self.quiet {
                    return true;
                }
                let Some(left_out) = told.left_out.take() else {
                    return false;
                };
                told.at = Instant::now();
                late.push(left_out);
                true
            });
        }
        for (count, alert) in late {
            let message = match count {
                1 => alert.message,
                _ => format!("{count} more; the newest: {}", alert.message),
            };
            self.send(Alert { message, ..alert });
        }
    }

    fn send(&self, alert: Alert) {
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
