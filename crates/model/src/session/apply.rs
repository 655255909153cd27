//! The one function that moves a session. What is refused is counted in it, and changes nothing else.

use super::{
    Contribution, Phase, RoundEnd, Session, SessionRound, SessionState, close, text, word,
};
use crate::decision::{Answer, Undecided, Vote};
use crate::limits;
use crate::name::AgentId;
use crate::submission::Mistake;
use crate::time::Timestamp;
use std::time::Duration;

/// What happened to a session.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An agent answered; who it is was made sure of.
    Answer {
        /// Whose answer.
        agent: AgentId,
        /// To which round.
        round: u32,
        /// What.
        answer: Answer,
    },
    /// Look at the time.
    Due,
    /// Somebody calls it off.
    Cancel {
        /// In words.
        reason: String,
    },
}

/// What has to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A round began: ask everybody who is silent.
    Invite,
    /// It ended.
    Closed,
}

/// Why an answer was not taken, or nothing was cancelled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Its round is over, or the whole session.
    #[error("it comes too late: the round is over")]
    Late,
    /// Its round has not begun.
    #[error("there is no such round yet")]
    NoRound,
    /// This agent was not asked.
    #[error("this agent is not asked in this session")]
    NotInvited,
    /// It has answered in this round.
    #[error("this agent has answered in this round already")]
    Duplicate,
    /// What it says cannot be counted.
    #[error("{} {}", .0.pointer, .0.message)]
    Invalid(Mistake),
}

impl Refused {
    /// In one word, for counts.
    pub fn as_str(&self) -> &'static str {
        match self {
            Refused::Late => "late",
            Refused::NoRound => "no_round",
            Refused::NotInvited => "not_invited",
            Refused::Duplicate => "duplicate",
            Refused::Invalid(_) => "invalid",
        }
    }
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The session now. Its version has grown if anything of it changed.
    pub session: Session,
    /// To be done once that is durable.
    pub effects: Vec<Effect>,
    /// Why the event was refused, if it was.
    pub refused: Option<Refused>,
}

/// Moves a session. `now` is the store's clock.
pub fn apply(session: &Session, event: Event, now: Timestamp) -> Step {
    let mut next = session.clone();
    let mut effects = vec![];
    let Some(round) = session.round().cloned() else {
        return match event {
            Event::Due => step(session, next, effects, None),
            _ => step(session, next, effects, Some(Refused::Late)),
        };
    };
    // Whoever looks first ends the round: an answer that comes behind its deadline is late, timer or not.
    let over = now >= round.deadline;
    if over {
        end_round(&mut next, RoundEnd::Deadline, now, &mut effects);
    }
    let refused = match event {
        Event::Due => None,
        Event::Cancel { .. } if next.state.is_final() => Some(Refused::Late),
        Event::Cancel { mut reason } => {
            // It goes into what waits for the session.
            reason.truncate(reason.floor_char_boundary(limits::ERROR_MESSAGE_BYTES));
            mark(&mut next, RoundEnd::Cancelled, now);
            end(&mut next, SessionState::Cancelled, Some(reason), now);
            effects = vec![Effect::Closed];
            None
        }
        Event::Answer { round: number, .. } if over && number <= round.round => Some(Refused::Late),
        Event::Answer {
            agent,
            round: number,
            answer,
        } => match take(&mut next, agent, number, answer, now) {
            Ok(()) => {
                if is_complete(&next) {
                    end_round(&mut next, RoundEnd::Answers, now, &mut effects);
                }
                None
            }
            Err(refused) => Some(refused),
        },
    };
    step(session, next, effects, refused)
}

fn step(
    before: &Session,
    mut session: Session,
    effects: Vec<Effect>,
    refused: Option<Refused>,
) -> Step {
    if let Some(refused) = &refused
        && before.state == SessionState::Open
        && session.refused.values().sum::<u32>() < limits::SESSION_REFUSALS
    {
        *session.refused.entry(refused.as_str().into()).or_default() += 1;
    }
    if session != *before {
        session.version += 1;
    }
    Step {
        session,
        effects,
        refused,
    }
}

fn take(
    session: &mut Session,
    agent: AgentId,
    number: u32,
    answer: Answer,
    now: Timestamp,
) -> Result<(), Refused> {
    let Some(round) = session.round().cloned() else {
        return Err(Refused::Late);
    };
    if !session.members.iter().any(|member| member.agent == agent) {
        return Err(Refused::NotInvited);
    }
    if number < round.round {
        return Err(Refused::Late);
    }
    if number > round.round {
        return Err(Refused::NoRound);
    }
    if session.answered(number).contains(&agent) {
        return Err(Refused::Duplicate);
    }
    check(session, round.phase, &answer).map_err(Refused::Invalid)?;
    session.contributions.push(Contribution {
        round: number,
        phase: round.phase,
        agent,
        at: now,
        answer,
    });
    Ok(())
}

fn check(session: &Session, phase: Phase, answer: &Answer) -> Result<(), Mistake> {
    Vote::confidence(answer)?;
    let size = |pointer: &str, text: &Option<String>, limit: usize| match text {
        Some(text) if text.len() > limit => Err(Mistake::at(
            pointer,
            format!("has {} bytes; at most {limit} are taken", text.len()),
        )),
        _ => Ok(()),
    };
    size("/suggestion", &answer.suggestion, limits::SUGGESTION_BYTES)?;
    size("/rationale", &answer.rationale, limits::RATIONALE_BYTES)?;
    let says = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
    match phase {
        Phase::Vote => {
            let method = session.rules.method;
            Vote::read(method, session.budget, &session.ballot, answer).map(drop)
        }
        Phase::Propose if !says(&answer.suggestion) => Err(Mistake::at(
            "/suggestion",
            "is missing: say what you would do",
        )),
        Phase::Critique if !says(&answer.suggestion) && !says(&answer.rationale) => {
            Err(Mistake::at(
                "/rationale",
                "is missing: say what you think of the ideas so far",
            ))
        }
        Phase::Propose | Phase::Critique => Ok(()),
    }
}

/// Whether nobody has to be waited for any more.
fn is_complete(session: &Session) -> bool {
    let Some(round) = session.round() else {
        return false;
    };
    let answered = session.answered(round.round);
    if answered.len() >= session.members.len() {
        return true;
    }
    let mut needed = session.members.iter().filter(|member| member.needed);
    let named = session.members.iter().any(|member| member.needed);
    let enough = session
        .count
        .is_none_or(|count| answered.len() >= count as usize);
    (named || session.count.is_some())
        && enough
        && needed.all(|member| answered.contains(&member.agent))
}

fn mark(session: &mut Session, by: RoundEnd, now: Timestamp) {
    if let Some(round) = session.rounds.last_mut() {
        round.ended_at = Some(now);
        round.ended_by = Some(by);
    }
}

/// Ends the round under way; another one begins, or all is counted.
fn end_round(session: &mut Session, by: RoundEnd, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(number) = session.round().map(|round| round.round) else {
        return;
    };
    mark(session, by, now);
    if number < session.last_round {
        let phase = session.phase_of(number + 1);
        if phase == Phase::Vote && session.options.is_empty() {
            session.ballot = ideas(session);
        }
        if phase != Phase::Vote || !session.ballot.is_empty() {
            begin(session, number + 1, now);
            effects.push(Effect::Invite);
            return;
        }
        let why = word(Undecided::NoAnswers).to_owned();
        end(session, SessionState::NoDecision, Some(why), now);
    } else {
        close::decided(session);
        let (state, why) = match &session.verdict.decision {
            Some(_) => (SessionState::Decided, None),
            None => (SessionState::NoDecision, session.reason.take()),
        };
        end(session, state, why, now);
    }
    effects.push(Effect::Closed);
}

/// Begins a round.
pub(super) fn begin(session: &mut Session, number: u32, now: Timestamp) {
    let phase = session.phase_of(number);
    session.rounds.push(SessionRound {
        round: number,
        phase,
        opened_at: now,
        deadline: now.plus(Duration::from_millis(session.round_ms)),
        ended_at: None,
        ended_by: None,
    });
}

/// Ends the session.
pub(super) fn end(
    session: &mut Session,
    state: SessionState,
    reason: Option<String>,
    now: Timestamp,
) {
    session.state = state;
    session.reason = reason;
    session.closed_at = Some(now);
    session.verdict.themes = text::themes(&session.contributions);
}

/// The newest idea of each agent, alike ones put together, those with the most behind them first.
fn ideas(session: &Session) -> Vec<String> {
    let groups = text::groups(&close::newest(session));
    let ideas = groups.into_iter().map(|group| group.name);
    ideas.take(limits::SESSION_OPTIONS).collect()
}
