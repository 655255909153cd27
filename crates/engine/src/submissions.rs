//! Reads what leaders ask for over the broker: tasks, and cancels of them (contracts.md section 5).
//!
//! Exactly once is between here and the store: a message is acknowledged after the commit of its task, or of its refusal,
//! and its id is the idempotency key, so one that comes again is answered and makes nothing (H25).

use crate::away::Away;
use crate::core::Core;
use crate::error::Error;
use crate::notices;
use crate::orchestrator::Orchestrator;
use crate::refused::{self, Refusal};
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use warrener_backend::broker::Subscribe;
use warrener_backend::{Address, Delivery, Inbox, Message};
use warrener_model::agent::Operation;
use warrener_model::message::{
    self, Body, Heard, Named, NotRead, Problem, Submit, SubmitAccepted, SubmitCancel,
    SubmitRefused, named,
};
use warrener_model::{Mistake, State, Submission};

const CREDIT: u32 = 256;
/// Submissions worked on at once: they share a commit.
const BATCH: usize = 64;
/// Mistakes of one answer at most, as over HTTP.
const ERRORS: usize = 100;

/// Runs until told to stop; subscribes again whenever the broker was away.
pub(crate) async fn run(orchestrator: Orchestrator, core: Arc<Core>, stop: CancellationToken) {
    let mut away = Away::default();
    while !stop.is_cancelled() {
        let from = Address::Inbox(Inbox::Submit);
        let subscribe = Subscribe {
            from,
            credit: CREDIT,
            will: None,
        };
        match core.broker.subscribe(subscribe).await {
            Ok(mut submissions) => {
                away.is_back();
                let read = async {
                    while let Some(first) = submissions.next().await {
                        let mut batch = vec![first];
                        while batch.len() < BATCH
                            && let Some(next) = submissions.try_next()
                        {
                            batch.push(next);
                        }
                        join_all(batch.into_iter().map(|one| take(&orchestrator, &core, one)))
                            .await;
                    }
                };
                tokio::select! {
                    () = read => {}
                    // What is held is dropped unsettled: it comes again.
                    () = stop.cancelled() => {}
                }
            }
            Err(error) => away.says("the reader of submissions", &error),
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// What a leader asks for.
enum Order {
    Submit(Box<Submission>),
    Cancel(SubmitCancel),
}

/// What it is told when that cannot be.
struct No {
    why: Refusal,
    problem: Box<Problem>,
}

async fn take(orchestrator: &Orchestrator, core: &Core, delivery: Delivery) {
    let message = &delivery.message;
    if &*message.kind == Heard::TYPE {
        let taken = match may_speak(core, message) {
            Ok(()) => notices::heard(core, message).await,
            Err(why) => Err(why),
        };
        match taken {
            Ok(()) => delivery.ack(),
            Err(why) => {
                core.keep_surely(refused::SUBMIT, message, &why).await;
                refused::bury(delivery, &why);
            }
        }
        return;
    }
    let done = match read(core, message) {
        Ok(order) => act(orchestrator, message, order).await,
        Err(no) => Err(no),
    };
    match done {
        Ok(accepted) => {
            tell(core, message, &accepted).await;
            delivery.ack();
        }
        Err(No { why, problem }) => {
            core.keep_surely(refused::SUBMIT, message, &why).await;
            let message_id = message.id;
            let refused = SubmitRefused {
                message_id,
                problem: *problem,
            };
            tell(core, message, &refused).await;
            refused::bury(delivery, &why);
        }
    }
}

/// Answers whoever sent it, on the control address that it names. One that names none hears nothing.
async fn tell<B: Body>(core: &Core, message: &Message, answer: &B) {
    if let Named::Somebody(who) = named(&message.body)
        && refused::sent_by(message, &who).is_ok()
        && let Ok(now) = core.now().await
    {
        core.send(vec![core.letter(&who, answer, now)]).await;
    }
}

/// Whether it comes from who it says, for this store, and from a leader, who is heard of with it.
fn may_speak(core: &Core, message: &Message) -> Result<(), Refusal> {
    core.is_ours(message)?;
    let named = named(&message.body);
    if let Named::Somebody(who) = &named {
        refused::sent_by(message, who)?;
    }
    // One that has not said hello is no agent; the broker let it write here.
    let role = message.sender.as_ref().map(|id| core.registry.role(id));
    if let Some(Some(role)) = role
        && !role.may(Operation::Submit)
    {
        return Err(Refusal::role(role, Operation::Submit));
    }
    if let Named::Somebody(who) = &named {
        core.notices.spoke(who);
    }
    Ok(())
}

fn read(core: &Core, message: &Message) -> Result<Order, No> {
    may_speak(core, message)?;
    match &*message.kind {
        Submit::TYPE => match Submit::read(&message.body) {
            Ok(submission) => Ok(Order::Submit(submission.into())),
            Err(NotRead::Body(error)) => Err(Refusal::from(error).into()),
            Err(NotRead::Mistakes(mistakes)) => Err(Error::Invalid(mistakes).into()),
        },
        SubmitCancel::TYPE => {
            let cancel = message::decode(&message.body).map_err(Refusal::from)?;
            Ok(Order::Cancel(cancel))
        }
        other => Err(Refusal::no_such_type(other, "submit, cancel or heard").into()),
    }
}

/// Does it, however long the store takes: a broker gives up on what is given back again and again.
async fn act(
    orchestrator: &Orchestrator,
    message: &Message,
    order: Order,
) -> Result<SubmitAccepted, No> {
    let actor = match &message.sender {
        Some(agent) => format!("agent:{agent}"),
        // A client of role leader that has no name.
        None => "leader".to_owned(),
    };
    loop {
        match once(orchestrator, message, &order, &actor).await {
            Err(error) if passes(&error) => {
                tracing::warn!(%error, "a submission waits");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            done => return Ok(done?),
        }
    }
}

async fn once(
    orchestrator: &Orchestrator,
    message: &Message,
    order: &Order,
    actor: &str,
) -> crate::error::Result<SubmitAccepted> {
    let (task_id, duplicate) = match order {
        Order::Submit(submission) => {
            let key = Some(message.id.to_string());
            let submission = (**submission).clone();
            let done = orchestrator.submit(submission, key, actor).await?;
            (done.view.task.id, done.existing)
        }
        Order::Cancel(SubmitCancel { task_id, reason }) => {
            match orchestrator.cancel(*task_id, reason, actor).await {
                Ok(_) => (*task_id, false),
                // By this message, delivered before, or by somebody else: it is what was asked for.
                Err(Error::IllegalState {
                    state: State::Cancelled,
                    ..
                }) => (*task_id, true),
                Err(error) => return Err(error),
            }
        }
    };
    Ok(SubmitAccepted {
        message_id: message.id,
        task_id,
        duplicate,
    })
}

/// Whether the same submission may be accepted later.
fn passes(error: &Error) -> bool {
    match error {
        Error::Backend(error) => error.is_passing(),
        Error::Overloaded | Error::Draining | Error::Contended(_) => true,
        _ => false,
    }
}

impl From<Refusal> for No {
    fn from(why: Refusal) -> Self {
        let code = match why.class {
            "malformed" | "version" => "bad_request",
            _ => "not_allowed",
        };
        let problem = Problem {
            code: code.into(),
            detail: why.reason.clone(),
            ..Problem::default()
        };
        let problem = Box::new(problem);
        No { why, problem }
    }
}

impl From<Error> for No {
    fn from(error: Error) -> Self {
        let class = error.code();
        let mut problem = Problem {
            code: class.into(),
            detail: error.to_string(),
            ..Problem::default()
        };
        match error {
            Error::Invalid(mut mistakes) => {
                mistakes.truncate(ERRORS);
                let told = |m: &Mistake| format!("{}: {}", m.pointer, m.message);
                let first: Vec<String> = mistakes.iter().take(3).map(told).collect();
                problem.detail = first.join("; ");
                problem.errors = mistakes;
            }
            Error::KeyTaken(task) | Error::IllegalState { task, .. } => {
                problem.task_id = Some(task);
            }
            _ => {}
        }
        let reason = problem.detail.clone();
        No {
            why: Refusal { class, reason },
            problem: Box::new(problem),
        }
    }
}
