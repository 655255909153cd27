//! Sessions: what must hold whatever agents and clocks do, in whatever order.

use proptest::prelude::*;
use std::collections::BTreeSet;
use warrener_model::decision::{Answer, Method};
use warrener_model::name::Capability;
use warrener_model::session::{Event, Living, OpenSession, Session, SessionState, apply, open};
use warrener_model::{AgentId, SessionId, Timestamp};

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + ms)
}

fn agent(name: &str) -> AgentId {
    AgentId::new(name).expect("a name")
}

fn living(names: &[&str]) -> Vec<Living> {
    let api = Capability::new("api").expect("a name");
    let one = |name: &&str| Living {
        agent: agent(name),
        capabilities: [(api.clone(), 0.5)].into(),
    };
    names.iter().map(one).collect()
}

fn request() -> OpenSession {
    OpenSession {
        question: "which?".into(),
        options: vec!["red".into(), "blue".into()],
        deadline_ms: 1_000,
        ..OpenSession::default()
    }
}

fn opened(request: &OpenSession, names: &[&str]) -> Session {
    open(
        SessionId::new(at(0), [1; 10]),
        request,
        &living(names),
        at(0),
    )
    .expect("a session")
}

fn step_of() -> impl Strategy<Value = (u8, usize, u32, usize, i64)> {
    (0u8..20, 0usize..5, 0u32..4, 0usize..4, 0i64..700)
}

const NAMES: [&str; 5] = ["ann", "bob", "cleo", "dan", "eve"];

proptest! {
    #[test]
    fn whatever_happens_rules_hold(
        steps in prop::collection::vec(step_of(), 0..40),
        rounds in 1u32..4, given in any::<bool>(), method in 0usize..5,
    ) {
        let options = if given { vec!["red".into(), "blue".into()] } else { vec![] };
        let method = if rounds == 1 && !given { Method::Majority } else { Method::ALL[method] };
        let asked = OpenSession { options, rounds, method, required: vec!["cap:api".into()], ..request() };
        // Eve is not asked.
        let mut session = opened(&asked, &NAMES[..4]);
        let mut now = 0;
        for (what, who, round, option, wait) in steps {
            now += wait;
            let event = match what {
                0 => Event::Cancel { reason: "enough".into() },
                1..4 => Event::Due,
                _ => {
                    let name = session.ballot.get(option).cloned();
                    let credits = name.iter().map(|name| (name.clone(), 4)).collect();
                    let answer = Answer {
                        suggestion: Some(format!("plan {option} of many")), choice: name, credits, ..Answer::default()
                    };
                    Event::Answer { agent: agent(NAMES[who]), round, answer }
                }
            };
            let step = apply(&session, event, at(now));
            prop_assert_eq!(step.session.version, session.version + u64::from(step.session != session));
            if session.state.is_final() {
                prop_assert_eq!(&step.session, &session, "what has ended stays as it is");
                prop_assert!(step.effects.is_empty());
            }
            prop_assert!(step.session.contributions.starts_with(&session.contributions));
            session = step.session;
            let mut once = BTreeSet::new();
            for one in &session.contributions {
                prop_assert!(once.insert((one.round, &one.agent)), "once per round");
                prop_assert!(one.agent.as_str() != "eve");
                let round = &session.rounds[one.round as usize - 1];
                prop_assert!(one.at < round.deadline && one.at >= round.opened_at);
            }
            prop_assert_eq!(session.due_at().is_none(), session.state.is_final());
            prop_assert_eq!(session.verdict.decision.is_some(), session.state == SessionState::Decided);
            prop_assert_eq!(session.reason.is_some(), matches!(session.state, SessionState::NoDecision | SessionState::Cancelled));
            let text = serde_json::to_string(&session).expect("JSON");
            prop_assert_eq!(&serde_json::from_str::<Session>(&text).expect("itself"), &session);
        }
        // Time alone ends it.
        for _ in 0..rounds {
            now += 1_000;
            session = apply(&session, Event::Due, at(now)).session;
        }
        prop_assert!(session.state.is_final());
    }

    #[test]
    fn the_order_of_answers_decides_nothing(
        order in Just((0..5usize).collect::<Vec<_>>()).prop_shuffle(),
        words in prop::collection::vec("(red|blue|green) (red|blue|green)", 5),
    ) {
        let asked = OpenSession { options: vec![], ..request() };
        let run = |order: &[usize]| {
            let mut session = opened(&asked, &NAMES);
            for n in order {
                let answer = Answer { suggestion: Some(words[*n].clone()), ..Answer::default() };
                let event = Event::Answer { agent: agent(NAMES[*n]), round: 1, answer };
                session = apply(&session, event, at(5)).session;
            }
            (session.state, session.reason, session.verdict)
        };
        prop_assert_eq!(run(&order), run(&[0, 1, 2, 3, 4]));
    }
}

fn vote(session: &Session, name: &str, choice: &str) -> Session {
    let event = Event::Answer {
        agent: agent(name),
        round: 1,
        answer: Answer {
            choice: Some(choice.into()),
            ..Answer::default()
        },
    };
    apply(session, event, at(10)).session
}

#[test]
fn who_came_later_fills_no_quorum_and_a_capability_that_nobody_has_is_named() {
    let request = OpenSession {
        quorum: 1.0,
        required: vec![
            "agent:ann".into(),
            "agent:bob".into(),
            "agent:late".into(),
            "cap:rare".into(),
        ],
        ..request()
    };
    let session = opened(&request, &["ann", "bob"]);
    let session = vote(&vote(&session, "ann", "red"), "late", "red");
    let over = apply(&session, Event::Due, at(2_000)).session;
    assert_eq!(
        (over.state, over.reason.as_deref()),
        (SessionState::NoDecision, Some("no_quorum"))
    );
    assert_eq!(over.missed(), ["bob", "cap:rare"]);
    let both = apply(&vote(&session, "bob", "red"), Event::Due, at(2_000)).session;
    assert_eq!(both.verdict.decision.as_deref(), Some("red"));
}
