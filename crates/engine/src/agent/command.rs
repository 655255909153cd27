//! Runs each task as a program of its own (contracts.md section 4): makes what the program gets, hands it to
//! [`crate::command`], and turns how it ended into how the run ended.

use super::{Asked, Ended, Executor, Run, Signals};
use crate::command::{self, Program, Signal, Start};
use crate::control::trace_id;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use warrener_model::decision::Answer;
use warrener_model::message::{self, Failure, Invite};
use warrener_model::session::Phase;
use warrener_model::{ClaimId, Json};

/// Runs one program for every task.
#[derive(Debug)]
pub struct CommandExecutor {
    program: Program,
    /// The URL of the server, for programs that talk to it; nothing where nobody told.
    server: Option<String>,
    /// Given to each program beside what the contract names.
    env: Vec<(String, String)>,
}

impl CommandExecutor {
    /// For this program; `server` is what `WARRENER_SERVER` says, which is not set without it.
    pub fn new(program: Program, server: Option<String>, env: Vec<(String, String)>) -> Self {
        CommandExecutor {
            program,
            server,
            env,
        }
    }

    fn env(&self, run: &Run) -> Vec<(String, String)> {
        let id = run.offer.task_id.to_string();
        let mut span = [0; 8];
        span.copy_from_slice(&run.claim.as_bytes()[8..]);
        let traceparent = format!(
            "00-{}-{:016x}-01",
            trace_id(run.offer.task_id),
            u64::from_be_bytes(span)
        );
        let mut env = self.env.clone();
        let mut set = |name: &str, value: String| env.push((name.into(), value));
        set("WARRENER_IDEMPOTENCY_KEY", id.clone());
        set("WARRENER_TASK_ID", id);
        set("WARRENER_EPOCH", run.grant.epoch.to_string());
        set("WARRENER_ATTEMPT", run.grant.attempt.to_string());
        set(
            "WARRENER_DEADLINE",
            run.offer
                .deadline
                .map(|at| at.to_string())
                .unwrap_or_default(),
        );
        if let Some(server) = &self.server {
            set("WARRENER_SERVER", server.clone());
        }
        set(
            "WARRENER_TASK_TOKEN",
            run.grant.task_token.clone().unwrap_or_default(),
        );
        set("WARRENER_INSTANCE", run.who.instance.to_string());
        set("TRACEPARENT", traceparent);
        env
    }
}

/// The task object of contracts.md section 0 at the start of this run, as `GET /api/v1/tasks/{id}` shows it then.
fn object(run: &Run) -> impl Serialize {
    #[derive(Serialize)]
    struct Object {
        #[serde(flatten)]
        known: serde_json::Value,
        /// As it came: numbers keep their digits.
        input: Json,
    }
    let (offer, grant) = (&run.offer, &run.grant);
    let progress = offer
        .progress
        .as_ref()
        .map(|p| json!({ "fraction": p.fraction, "message": p.message }));
    let usage = offer.usage.as_ref().map(|u| {
        json!({
            "input_tokens": u.input_tokens, "output_tokens": u.output_tokens, "cost_usd": u.cost_usd,
        })
    });
    let known = json!({
        "id": offer.task_id, "kind": offer.kind, "lane": offer.lane, "priority": offer.priority,
        "title": offer.title, "description": offer.description, "state": "running", "final": false,
        "waiting_for": "running", "waiting_since": grant.started_at, "attempt": grant.attempt,
        "epoch": grant.epoch, "max_attempts": offer.max_attempts, "agent": run.who.agent,
        "output": null, "error": offer.error, "dead_reason": null,
        "labels": offer.labels, "run_id": offer.run_id, "step": offer.step,
        "parent_id": offer.parent_id, "created_at": offer.created_at,
        "not_before": offer.not_before, "ready_at": offer.ready_at,
        "started_at": grant.started_at, "finished_at": null, "retry_at": null,
        "deadline": offer.deadline, "timeout_ms": offer.timeout_ms, "progress": progress,
        "usage": usage, "replays": offer.replays, "version": grant.version,
    });
    Object {
        known,
        input: offer.input.clone(),
    }
}

/// What a program says to a question: the fields of an answer, or plain text for the one that the phase asks for.
fn read_answer(invite: &Invite, output: &Json) -> Result<Answer, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Plain {
        text: String,
    }
    if let Ok(Plain { text }) = serde_json::from_str(output.as_str()) {
        let text = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let text = text.ok_or("it said nothing")?;
        return Ok(match invite.phase {
            Phase::Vote => Answer {
                choice: Some(text),
                ..Answer::default()
            },
            Phase::Propose => Answer {
                suggestion: Some(text),
                ..Answer::default()
            },
            Phase::Critique => Answer {
                rationale: Some(text),
                ..Answer::default()
            },
        });
    }
    serde_json::from_str(output.as_str())
        .map_err(|error| format!("its answer cannot be read: {error}"))
}

#[async_trait]
impl Executor for CommandExecutor {
    async fn answer(&self, asked: Asked, stop: CancellationToken) -> Result<Answer, String> {
        let Asked {
            invite,
            who,
            within,
        } = asked;
        let mut env = self.env.clone();
        env.push(("WARRENER_SESSION_ID".into(), invite.session_id.to_string()));
        env.push(("WARRENER_INSTANCE".into(), who.instance.to_string()));
        env.extend(
            self.server
                .clone()
                .map(|url| ("WARRENER_SERVER".into(), url)),
        );
        let start = Start {
            stdin: message::encode(&invite),
            env,
            marker: ClaimId::new(crate::clock::wall(), crate::core::random()).to_string(),
            timeout: within,
        };
        let (said, mut heard) = mpsc::channel(64);
        let id = invite.session_id;
        let listen = async {
            while let Some(signal) = heard.recv().await {
                tracing::debug!(session_id = %id, ?signal, "the program that answers");
            }
        };
        let (ended, ()) = tokio::join!(command::run(&self.program, start, said, stop), listen);
        match ended {
            command::Ended::Succeeded(output) => read_answer(&invite, &output),
            command::Ended::Failed { message, .. } => Err(message),
            command::Ended::Stopped => Err("it was stopped".into()),
        }
    }

    async fn execute(&self, run: Run, signals: Signals, stop: CancellationToken) -> Ended {
        let stdin = serde_json::to_vec(&object(&run)).expect("the object has string keys only");
        let start = Start {
            stdin,
            env: self.env(&run),
            marker: run.claim.to_string(),
            timeout: run.timeout(),
        };
        let (said, mut heard) = mpsc::channel(64);
        let pass_on = async {
            while let Some(signal) = heard.recv().await {
                match signal {
                    Signal::Log { stream, text } => signals.log(stream, text).await,
                    Signal::Progress { fraction, message } => {
                        signals.progress(fraction, message).await;
                    }
                }
            }
        };
        let (ended, ()) = tokio::join!(command::run(&self.program, start, said, stop), pass_on);
        match ended {
            command::Ended::Succeeded(output) => Ended::Succeeded(output),
            command::Ended::Failed {
                class,
                message,
                detail,
                retry_after_ms,
            } => Ended::Failed(Failure {
                class,
                message,
                detail,
                retry_after_ms,
            }),
            command::Ended::Stopped => Ended::Stopped,
        }
    }
}
