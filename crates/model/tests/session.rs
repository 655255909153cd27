//! Sessions: how they run, end, and what they refuse.

use std::collections::BTreeSet;
use std::time::Duration;
use warrener_model::decision::{Answer, Method};
use warrener_model::name::Capability;
use warrener_model::session::{
    Effect, Event, Living, OpenSession, Phase, Refused, RoundEnd, Session, SessionState, Step,
    apply, open,
};
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

fn choice(option: &str) -> Answer {
    Answer {
        choice: Some(option.into()),
        ..Answer::default()
    }
}

fn idea(text: &str) -> Answer {
    Answer {
        suggestion: Some(text.into()),
        ..Answer::default()
    }
}

fn answer(session: &Session, name: &str, round: u32, answer: Answer, ms: i64) -> Step {
    let agent = agent(name);
    apply(
        session,
        Event::Answer {
            agent,
            round,
            answer,
        },
        at(ms),
    )
}

#[test]
fn a_round_ends_when_everybody_has_answered_and_dissent_is_kept() {
    let session = opened(&request(), &["ann", "bob", "cleo"]);
    let session = answer(&session, "ann", 1, choice("red"), 1).session;
    let session = answer(&session, "bob", 1, choice("blue"), 2).session;
    let step = answer(&session, "cleo", 1, choice("red"), 3);
    assert_eq!(step.effects, [Effect::Closed]);
    let session = step.session;
    assert_eq!(session.state, SessionState::Decided);
    assert_eq!(session.verdict.decision.as_deref(), Some("red"));
    assert_eq!(session.verdict.dissent[0].agent, agent("bob"));
    assert_eq!(session.verdict.alternatives[0].suggestion, "blue");
    assert_eq!(session.verdict.alternatives[0].supporters, [agent("bob")]);
    assert_eq!(session.rounds[0].ended_by, Some(RoundEnd::Answers));
    assert!(session.missing().is_empty());
}

#[test]
fn at_the_deadline_it_ends_with_what_there_is() {
    let session = opened(&request(), &["ann", "bob", "cleo"]);
    let session = answer(&session, "ann", 1, choice("red"), 1).session;
    let session = answer(&session, "bob", 1, choice("red"), 2).session;
    assert_eq!(
        apply(&session, Event::Due, at(999)).session,
        session,
        "it is not due yet"
    );
    let closed = apply(&session, Event::Due, at(1_000)).session;
    assert_eq!(closed.verdict.decision.as_deref(), Some("red"));
    assert_eq!(closed.missing(), [&agent("cleo")]);
    let late = answer(&session, "cleo", 1, choice("blue"), 1_000);
    assert_eq!(
        late.refused,
        Some(Refused::Late),
        "timer or not, its time was over"
    );
    assert_eq!(late.session.state, SessionState::Decided);
    assert_eq!(late.session.refused["late"], 1);
}

#[test]
fn too_few_answers_are_no_quorum_and_none_are_said_to_be_none() {
    let session = opened(&request(), &["ann", "bob", "cleo"]);
    let one = answer(&session, "ann", 1, choice("red"), 1).session;
    for (session, reason) in [(session, "no_answers"), (one, "no_quorum")] {
        let closed = apply(&session, Event::Due, at(5_000)).session;
        assert_eq!(closed.state, SessionState::NoDecision);
        assert_eq!(closed.reason.as_deref(), Some(reason));
        assert_eq!(closed.verdict.decision, None);
    }
}

#[test]
fn what_may_not_count_is_refused_and_counted() {
    let session = opened(&request(), &["ann", "bob", "cleo"]);
    let session = answer(&session, "ann", 1, choice("red"), 1).session;
    let odd = Answer {
        confidence: Some(1.5),
        ..choice("red")
    };
    let cases = [
        ("ann", 1, choice("blue"), "duplicate"),
        ("eve", 1, choice("blue"), "not_invited"),
        ("bob", 2, choice("blue"), "no_round"),
        ("bob", 0, choice("blue"), "late"),
        ("bob", 1, choice("green"), "invalid"),
        ("bob", 1, odd, "invalid"),
        ("bob", 1, idea("blue"), "invalid"),
    ];
    let mut now = session.clone();
    for (name, round, what, word) in cases {
        let step = answer(&now, name, round, what, 2);
        assert_eq!(step.refused.map(|why| why.as_str()), Some(word));
        assert_eq!(step.session.contributions, session.contributions);
        now = step.session;
    }
    assert_eq!(now.refused["invalid"], 3);
}

#[test]
fn required_agents_capabilities_and_counts_say_who_is_waited_for() {
    let with = |required: &[&str]| OpenSession {
        required: required.iter().map(ToString::to_string).collect(),
        ..request()
    };
    let two = opened(&with(&["2"]), &["ann", "bob", "cleo"]);
    let one = answer(&two, "cleo", 1, choice("red"), 1).session;
    assert_eq!(one.state, SessionState::Open);
    assert!(
        answer(&one, "ann", 1, choice("red"), 2)
            .session
            .state
            .is_final()
    );

    let named = opened(&with(&["agent:bob", "agent:zoe"]), &["ann", "bob"]);
    let asked: Vec<&str> = named.members.iter().map(|m| m.agent.as_str()).collect();
    assert_eq!(asked, ["bob", "zoe"], "zoe is asked when she comes");
    let bob = answer(&named, "bob", 1, choice("red"), 1).session;
    assert_eq!(bob.state, SessionState::Open, "zoe is waited for");
    let closed = apply(&bob, Event::Due, at(1_000)).session;
    assert_eq!(
        closed.verdict.decision.as_deref(),
        Some("red"),
        "she lived not, and is in no quorum"
    );

    let able = opened(&with(&["cap:api"]), &["ann", "bob"]);
    assert_eq!(able.members.len(), 2);
    let nobody = opened(&with(&["cap:sql"]), &["ann", "bob"]);
    assert_eq!(nobody.state, SessionState::NoDecision);
    let initiated = OpenSession {
        initiator: Some(agent("ann")),
        ..request()
    };
    assert_eq!(opened(&initiated, &["ann", "bob"]).members.len(), 1);
    let included = OpenSession {
        include_initiator: true,
        ..initiated
    };
    assert_eq!(opened(&included, &["ann", "bob"]).members.len(), 2);
}

#[test]
fn ideas_are_criticised_blind_and_then_voted_on() {
    let asked = OpenSession {
        options: vec![],
        rounds: 3,
        ..request()
    };
    let mut session = opened(&asked, &["ann", "bob", "cleo"]);
    for (name, text) in [
        ("ann", "cache the results"),
        ("bob", "caching results"),
        ("cleo", "buy a server"),
    ] {
        session = answer(&session, name, 1, idea(text), 1).session;
    }
    assert_eq!(
        session.round().map(|r| (r.round, r.phase)),
        Some((2, Phase::Critique))
    );
    let previous = session.previous();
    assert_eq!(previous.len(), 3);
    assert!(
        !serde_json::to_string(&previous)
            .expect("JSON")
            .contains("ann"),
        "names are not said"
    );
    for name in ["ann", "bob", "cleo"] {
        session = answer(
            &session,
            name,
            2,
            Answer {
                rationale: Some("fine".into()),
                ..Answer::default()
            },
            2,
        )
        .session;
    }
    assert_eq!(
        session.round().map(|r| (r.round, r.phase)),
        Some((3, Phase::Vote))
    );
    assert_eq!(session.ballot, ["caching results", "buy a server"]);
    for (name, option) in [("ann", 1), ("bob", 1), ("cleo", 0)] {
        let option = session.ballot[option].clone();
        session = answer(&session, name, 3, choice(&option), 3).session;
    }
    assert_eq!(session.verdict.decision.as_deref(), Some("buy a server"));
    assert_eq!(session.contributions.len(), 9, "everything is kept");
}

#[test]
fn ideas_alone_are_votes_for_what_they_are_like() {
    let asked = OpenSession {
        options: vec![],
        ..request()
    };
    let mut session = opened(&asked, &["ann", "bob", "cleo"]);
    for (name, text) in [
        ("ann", "cache the results"),
        ("bob", "caching results"),
        ("cleo", "buy a server"),
    ] {
        session = answer(&session, name, 1, idea(text), 1).session;
    }
    assert_eq!(session.verdict.decision.as_deref(), Some("caching results"));
    let themes: Vec<(&str, u32)> = session
        .verdict
        .themes
        .iter()
        .map(|t| (&*t.theme, t.count))
        .collect();
    assert_eq!(themes.len(), 1);
    assert_eq!(themes[0].1, 2);
}

#[test]
fn every_mistake_of_a_request_is_named_with_its_place() {
    let text = r#"{"question":1,"optins":["a"],"rounds":-1}"#;
    let found = OpenSession::read(text).expect_err("mistakes");
    let places: Vec<&str> = found.iter().map(|m| &*m.pointer).collect();
    assert_eq!(places, ["/optins", "/question", "/rounds"]);
    assert!(found[0].message.contains("did you mean \"options\""));
    let bad = OpenSession {
        question: " ".into(),
        options: vec!["a".into()],
        required: vec!["some".into()],
        method: Method::Expertise,
        quorum: 2.0,
        rounds: 0,
        ..OpenSession::default()
    };
    let found = open(SessionId::new(at(0), [1; 10]), &bad, &[], at(0)).expect_err("mistakes");
    let places: BTreeSet<&str> = found.iter().map(|m| &*m.pointer).collect();
    assert_eq!(
        places,
        [
            "/question",
            "/options",
            "/required/0",
            "/expertise",
            "/quorum",
            "/rounds"
        ]
        .into()
    );
}

#[test]
fn a_session_that_nobody_looks_at_for_long_still_ends_right() {
    let asked = OpenSession {
        rounds: 2,
        ..request()
    };
    let session = opened(&asked, &["ann"]);
    let later = at(0).plus(Duration::from_secs(3_600));
    let next = apply(&session, Event::Due, later);
    assert_eq!(next.effects, [Effect::Invite]);
    let deadline = next.session.due_at().expect("a deadline");
    assert_eq!(
        deadline,
        later.plus(Duration::from_secs(1)),
        "the next round has its whole time"
    );
}
