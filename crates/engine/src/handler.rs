//! What Rust users write: handlers, the one context they get, the errors they return, and the worker that runs them.

use crate::agent::{Agent, AgentOptions, Asked, Ended, Executor, Run, Signals};
use async_trait::async_trait;
use futures_util::FutureExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use warrener_backend::Broker;
use warrener_model::decision::Answer;
use warrener_model::json::Json;
use warrener_model::message::{Failure, Invite, Offer};
use warrener_model::name::NameError;
use warrener_model::{Class, Kind, Lane, TaskId};

/// Why a handler failed. The class decides what happens next (contracts.md section 2).
#[derive(Clone, Debug, PartialEq)]
pub struct TaskError {
    /// What kind.
    pub class: Class,
    /// In words.
    pub message: String,
    /// More, as JSON.
    pub detail: serde_json::Value,
    /// When to try again at the earliest.
    pub retry_after: Option<Duration>,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident $class:ident),*) => {
        $(
            $(#[$doc])*
            pub fn $name(message: impl fmt::Display) -> Self {
                Self::new(Class::$class, message)
            }
        )*
    };
}

impl TaskError {
    /// Of any class.
    pub fn new(class: Class, message: impl fmt::Display) -> Self {
        let message = message.to_string();
        TaskError {
            class,
            message,
            detail: serde_json::Value::Null,
            retry_after: None,
        }
    }

    constructors! {
        /// Something outside did not answer: tried again soon.
        network Network,
        /// It took too long: tried again.
        timeout Timeout,
        /// The input can never work: dead at once.
        invalid Invalid,
        /// Not enough of something here: tried again, and more of it is asked for.
        resource Resource,
        /// The answer is no: failed, unless the task says to try again.
        business Business,
        /// Stop and tell a person: dead at once, with an alert.
        critical Critical
    }

    /// Somebody asked us to slow down, for this long.
    pub fn rate_limit(message: impl fmt::Display, retry_after: Duration) -> Self {
        TaskError {
            retry_after: Some(retry_after),
            ..Self::new(Class::RateLimit, message)
        }
    }

    /// With more to look at.
    #[must_use]
    pub fn with_detail(self, detail: serde_json::Value) -> Self {
        TaskError { detail, ..self }
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class, self.message)
    }
}

impl std::error::Error for TaskError {}

/// What a handler knows of its task, and what it can say while it runs.
#[derive(Clone, Debug)]
pub struct TaskContext {
    run: Arc<Run>,
    signals: Signals,
    stop: CancellationToken,
}

impl TaskContext {
    /// The task; stable over attempts and replays: pass it on as idempotency key.
    pub fn task_id(&self) -> TaskId {
        self.run.offer.task_id
    }

    /// The attempt, from 1.
    pub fn attempt(&self) -> u32 {
        self.run.grant.attempt
    }

    /// The fencing token: grows with each start.
    pub fn epoch(&self) -> u64 {
        self.run.grant.epoch
    }

    /// Everything that was asked for.
    pub fn task(&self) -> &Offer {
        &self.run.offer
    }

    /// Adds a line to the task's log.
    pub async fn log(&self, line: impl fmt::Display) {
        self.signals.log("stderr", format!("{line}\n")).await;
    }

    /// Says how far it is: 0 to 1, and in words.
    pub async fn progress(&self, fraction: f64, message: impl fmt::Display) {
        self.signals
            .progress(Some(fraction), Some(message.to_string()))
            .await;
    }

    /// Ends when the run shall stop: cancelled, superseded, over time. The handler is dropped soon after.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }
}

type Boxed = Pin<Box<dyn Future<Output = Result<Json, TaskError>> + Send>>;
type Thought = Pin<Box<dyn Future<Output = Result<Answer, TaskError>> + Send>>;
type Asks = Arc<dyn Fn(Invite) -> Thought + Send + Sync>;
type Handler = Arc<dyn Fn(TaskContext, Json) -> Boxed + Send + Sync>;

/// Runs handlers, by kind, in this process.
///
/// ```no_run
/// # use warrener_engine::{TaskContext, TaskError, Worker};
/// # async fn review(ctx: TaskContext, input: String) -> Result<usize, TaskError> { Ok(input.len()) }
/// # async fn example(broker: std::sync::Arc<dyn warrener_backend::Broker>) -> Result<(), Box<dyn std::error::Error>> {
/// let worker = Worker::builder(broker, "reviewer").lane("reviews")?.handle("review", review)?.build();
/// worker.run(tokio_util::sync::CancellationToken::new()).await;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Worker {
    agent: Agent,
}

/// Collects what a [`Worker`] needs.
pub struct WorkerBuilder {
    broker: Arc<dyn Broker>,
    options: AgentOptions,
    handlers: BTreeMap<Kind, Handler>,
    asks: Option<Asks>,
}

impl Worker {
    /// A worker of this name. It serves the lane `default` unless told otherwise.
    pub fn builder(broker: Arc<dyn Broker>, name: &str) -> WorkerBuilder {
        let options = AgentOptions {
            name: name.into(),
            lanes: vec![],
            ..AgentOptions::default()
        };
        WorkerBuilder {
            broker,
            options,
            handlers: BTreeMap::new(),
            asks: None,
        }
    }

    /// Works until `shutdown` is cancelled, then drains.
    pub async fn run(self, shutdown: CancellationToken) -> crate::agent::Stopped {
        self.agent.run(shutdown).await
    }
}

impl WorkerBuilder {
    /// Serves this lane.
    ///
    /// # Errors
    /// When the name breaks the rules.
    pub fn lane(mut self, lane: &str) -> Result<Self, NameError> {
        self.options.lanes.push(Lane::new(lane)?);
        Ok(self)
    }

    /// Runs so many tasks at once (4 unless said).
    #[must_use]
    pub fn concurrency(mut self, slots: u32) -> Self {
        self.options.slots = slots;
        self
    }

    /// Anything else that an agent can be told.
    #[must_use]
    pub fn options(mut self, change: impl FnOnce(&mut AgentOptions)) -> Self {
        change(&mut self.options);
        self
    }

    /// Runs tasks of this kind with this function. Input and output are any types that JSON can carry.
    ///
    /// # Errors
    /// When the name breaks the rules.
    pub fn handle<F, R, I, O>(mut self, kind: &str, handler: F) -> Result<Self, NameError>
    where
        F: Fn(TaskContext, I) -> R + Send + Sync + 'static,
        R: Future<Output = Result<O, TaskError>> + Send + 'static,
        I: DeserializeOwned + Send + 'static,
        O: Serialize + 'static,
    {
        let handler = Arc::new(handler);
        let boxed: Handler = Arc::new(move |context, input| {
            let handler = handler.clone();
            Box::pin(async move {
                let input = serde_json::from_str(input.as_str())
                    .map_err(|e| TaskError::invalid(format!("the input does not fit: {e}")))?;
                let output = handler(context, input).await?;
                Json::of(&output)
                    .map_err(|e| TaskError::invalid(format!("the output is no JSON: {e}")))
            })
        });
        self.handlers.insert(Kind::new(kind)?, boxed);
        Ok(self)
    }

    /// Answers the questions of sessions with this function; a failure is silence in that round.
    #[must_use]
    pub fn on_invite<F, R>(mut self, asked: F) -> Self
    where
        F: Fn(Invite) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Answer, TaskError>> + Send + 'static,
    {
        self.asks = Some(Arc::new(move |invite| Box::pin(asked(invite))));
        self
    }

    /// The worker; it serves `default` if no lane was named.
    pub fn build(mut self) -> Worker {
        if self.options.lanes.is_empty() {
            self.options.lanes.push(Lane::default());
        }
        self.options.kinds = self.handlers.keys().map(|kind| kind.to_string()).collect();
        let executor = Arc::new(Handlers {
            by_kind: self.handlers,
            asks: self.asks,
        });
        Worker {
            agent: Agent::new(self.broker, executor, self.options),
        }
    }
}

impl fmt::Debug for WorkerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerBuilder")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

struct Handlers {
    by_kind: BTreeMap<Kind, Handler>,
    asks: Option<Asks>,
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_kind.keys()).finish()
    }
}

#[async_trait]
impl Executor for Handlers {
    async fn answer(&self, asked: Asked, stop: CancellationToken) -> Result<Answer, String> {
        let asks = self.asks.as_ref().ok_or("no handler answers questions")?;
        tokio::select! {
            answer = asks(asked.invite) => answer.map_err(|error| error.to_string()),
            () = stop.cancelled() => Err("it was stopped".into()),
        }
    }

    async fn execute(&self, run: Run, signals: Signals, stop: CancellationToken) -> Ended {
        let Some(handler) = self.by_kind.get(&run.offer.kind) else {
            return Ended::UnknownKind;
        };
        let (timeout, input) = (run.timeout(), run.offer.input.clone());
        let context = TaskContext {
            run: Arc::new(run),
            signals,
            stop: stop.clone(),
        };
        let work = AssertUnwindSafe(handler(context, input)).catch_unwind();
        let over = async {
            match timeout {
                Some(timeout) => tokio::time::sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            result = work => match result {
                Ok(Ok(output)) => Ended::Succeeded(output),
                Ok(Err(error)) => Ended::Failed(failure(error)),
                Err(panic) => Ended::Failed(crashed(&*panic)),
            },
            () = over => {
                let after = timeout.unwrap_or_default();
                let message = format!("ran longer than {}", warrener_model::time::format_span(after));
                Ended::Failed(failure(TaskError::timeout(message)))
            }
            () = stop.cancelled() => Ended::Stopped,
        }
    }
}

fn failure(error: TaskError) -> Failure {
    Failure {
        class: error.class,
        message: error.message,
        detail: error.detail,
        retry_after_ms: error.retry_after.map(crate::control::millis),
    }
}

pub(crate) fn crashed(panic: &(dyn std::any::Any + Send)) -> Failure {
    let text = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "the handler panicked".into());
    failure(TaskError::new(Class::Crash, format!("panic: {text}")))
}
