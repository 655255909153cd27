//! The words of the contract as they are known now: for the OpenAPI document, and for who wants the list.
//!
//! The objects carry them as text ([`Word`]), because each list may grow.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utoipa::ToSchema;

/// A word out of a list that may grow.
pub type Word = Cow<'static, str>;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($word:ident),* $(,)? })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
            #[serde(rename_all = "snake_case")]
            #[allow(missing_docs, reason = "the words are explained where the model defines them")]
            pub enum $name { $($word),* }

            impl $name {
                /// Every word of the list.
                pub const ALL: &[$name] = &[$($name::$word),*];
            }
        )*
    };
}

words! {
    /// Where a task is in its life. May grow: an unknown state is not final unless `final` says so.
    State { Blocked, Scheduled, Ready, Running, Retrying, Parked, Succeeded, Failed, Dead, Cancelled, Expired }
    /// Where a run of a workflow is. May grow: an unknown state is not final unless `final` says so.
    RunState { Running, Parked, Succeeded, Failed, Cancelled }
    /// Where a step of a run is. May grow.
    StepState { Pending, Blocked, Running, Succeeded, Failed, Skipped, Cancelled }
    /// Why a key of shared state has a version. May grow.
    StateCause { Set, Deleted, Expired, Restored }
    /// What becomes of a slot while the task of the one before has not ended. May grow.
    Overlap { Skip, Queue, Cancel }
    /// What becomes of slots that were missed. May grow.
    CatchUp { None, Last, All }
    /// Why a slot came. May grow.
    SlotCause { Time, Hand }
    /// What became of a slot. May grow.
    SlotOutcome { Started, Skipped, Missed, Refused }
    /// What goes first.
    Priority { Low, Normal, High, Critical }
    /// What a task that has not ended waits for. May grow.
    WaitingFor {
        Dependencies, NotBefore, Agent, NoCapableAgent, Running, Retry, Approval, Input, Budget, Paused, CircuitOpen,
    }
    /// What kind of failure ended an attempt. May grow.
    Class { Network, Timeout, Invalid, RateLimit, Resource, Business, Critical, Lost, Crash, Interrupted }
    /// Why a task is dead. May grow.
    DeadReason { Invalid, Exhausted, Critical, Poison, Rejected }
    /// What happened to a task. May grow.
    EventKind {
        Submitted, Scheduled, Ready, Offered, Unoffered, Decomposed, Started, Superseded, Lost, Released, Retrying, Parked,
        Reassigned, Retried, Succeeded, Failed, Dead, Cancelled, Expired,
    }
    /// What an agent may do.
    Role { Leader, Coordinator, Worker, Collaborator, Monitor }
    /// How an agent is seen. May grow.
    Presence { Up, Draining, Lost, Left }
    /// How the tasks of a lane start: claimed first, or at once. May grow.
    Start { Claim, Fast }
    /// How the delay before a retry grows.
    Backoff { Exponential, Linear, Fixed }
    /// How much of that delay is left to chance.
    Jitter { Full, None }
    /// How a circuit breaker stands. May grow.
    BreakerState { Closed, Open, HalfOpen }
    /// How a session is decided.
    Method { Majority, Expertise, Quadratic, Ranked, Unanimity }
    /// What happens when two options are equal at the end.
    Tie { None, First }
    /// Where a session is. May grow.
    SessionState { Open, Decided, NoDecision, Cancelled }
    /// What a round of a session asks for.
    Phase { Propose, Critique, Vote }
    /// What an alert is about. May grow.
    AlertKind { DeadLetters, BrokerBlocked, AgentLost, CircuitOpen, NoCapableAgent }
    /// How much an alert matters.
    Severity { Warning, Critical }
}

/// What a waiting task waits for, as a word.
pub(crate) fn waiting_for(why: warrener_model::waiting::WaitingFor) -> Word {
    use warrener_model::waiting::WaitingFor as Why;
    Cow::Borrowed(match why {
        Why::Dependencies => "dependencies",
        Why::NotBefore => "not_before",
        Why::Agent => "agent",
        Why::NoCapableAgent => "no_capable_agent",
        Why::Running => "running",
        Why::Retry => "retry",
        Why::Approval => "approval",
        Why::Input => "input",
        Why::Budget => "budget",
        Why::Paused => "paused",
        Why::CircuitOpen => "circuit_open",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::DeserializeOwned;
    use warrener_model::waiting::WaitingFor as Why;

    /// The words of a list of this module, as JSON has them.
    fn of<T: Serialize>(all: &[T]) -> Vec<String> {
        let value = serde_json::to_value(all).unwrap();
        serde_json::from_value(value).unwrap()
    }

    /// Each of these words is one of the model's.
    fn known<T: DeserializeOwned>(words: &[String]) {
        for word in words {
            serde_json::from_value::<T>(word.as_str().into()).unwrap_or_else(|e| panic!("{e}"));
        }
    }

    #[test]
    fn the_lists_are_those_of_the_model() {
        use warrener_model as model;
        let states: Vec<&str> = model::State::ALL.iter().map(|s| s.as_str()).collect();
        assert_eq!(of(State::ALL), states);
        let priorities: Vec<&str> = model::Priority::ALL.iter().map(|p| p.as_str()).collect();
        assert_eq!(of(Priority::ALL), priorities);
        let classes: Vec<&str> = model::Class::ALL.iter().map(|c| c.as_str()).collect();
        assert_eq!(of(Class::ALL), classes);
        let kinds = model::event::EventKind::ALL.iter().map(|k| k.as_str());
        assert_eq!(of(EventKind::ALL), kinds.collect::<Vec<&str>>());
        known::<model::failure::DeadReason>(&of(DeadReason::ALL));
        known::<model::agent::Role>(&of(Role::ALL));
        known::<model::agent::Presence>(&of(Presence::ALL));
        known::<model::retry::Backoff>(&of(Backoff::ALL));
        known::<model::retry::Jitter>(&of(Jitter::ALL));
        let methods: Vec<&str> = model::decision::Method::ALL
            .iter()
            .map(|m| m.as_str())
            .collect();
        assert_eq!(of(Method::ALL), methods);
        let sessions: Vec<&str> = model::session::SessionState::ALL
            .iter()
            .map(|s| s.as_str())
            .collect();
        assert_eq!(of(SessionState::ALL), sessions);
        known::<model::decision::Tie>(&of(Tie::ALL));
        known::<model::session::Phase>(&of(Phase::ALL));
        for word in of(Start::ALL) {
            assert_eq!(word.parse::<model::life::Start>().unwrap().as_str(), word);
        }
        known::<Why>(&of(WaitingFor::ALL));
    }

    #[test]
    fn what_a_task_waits_for_has_one_spelling() {
        for word in of(WaitingFor::ALL) {
            let why: Why = serde_json::from_value(word.as_str().into()).unwrap();
            assert_eq!(waiting_for(why), word);
        }
    }
}
