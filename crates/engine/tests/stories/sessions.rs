//! Sessions on the engine: answers that are doubled, late or forged, invitations that are said again, and a server that goes
//! on with what another began.

use crate::harness::{ANY, CLAIMED, World, boot, up};
use crate::puppet::Puppet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use warrener_backend::Inbox;
use warrener_engine::{TaskError, Worker};
use warrener_model::decision::Answer;
use warrener_model::message::{Invite, SessionAnswer};
use warrener_model::session::{OpenSession, Session, SessionState};
use warrener_model::{AgentId, SessionId};

const LONG: Duration = Duration::from_secs(30);

fn request(ms: u64) -> OpenSession {
    OpenSession {
        question: "which?".into(),
        options: vec!["red".into(), "blue".into()],
        deadline_ms: ms,
        ..OpenSession::default()
    }
}

fn answer(puppet: &Puppet, session_id: SessionId, choice: &str) -> SessionAnswer {
    SessionAnswer {
        session_id,
        round: 1,
        agent_id: Some(puppet.who.agent.clone()),
        instance: Some(puppet.who.instance.clone()),
        answer: Answer {
            choice: Some(choice.into()),
            ..Answer::default()
        },
    }
}

async fn until_refused(world: &World, what: &str, count: u64) {
    while world.orchestrator.refusals().get(what).copied() != Some(count) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn ended(world: &World, id: SessionId) -> Session {
    let session = world.orchestrator.wait_session(id, LONG).await.unwrap();
    assert!(session.state.is_final(), "{session:?}");
    session
}

#[tokio::test(flavor = "multi_thread")]
async fn each_agent_has_one_voice_whatever_it_or_others_send() {
    for mode in CLAIMED {
        let world = World::new(mode).await;
        let mut ann = Puppet::join(&world, "ann", 1).await;
        let mut bob = Puppet::join(&world, "bob", 1).await;
        let opened = world.orchestrator.open_session(&request(60_000)).await;
        let id = opened.unwrap().id;
        let invite: Invite = ann.hear().await;
        assert_eq!((invite.session_id, invite.round), (id, 1));
        assert_eq!(invite.options, ["red", "blue"]);
        bob.hear::<Invite>().await;
        let first = answer(&ann, id, "red");
        ann.say(Inbox::Results, &first).await;
        // The same again is none: its acknowledgement was lost. Other words are.
        ann.say(Inbox::Results, &first).await;
        ann.say(Inbox::Results, &answer(&ann, id, "blue")).await;
        until_refused(&world, "answer/duplicate", 1).await;
        // Somebody else's name, an option that there is not, a session that there is not.
        bob.say(Inbox::Results, &answer(&ann, id, "blue")).await;
        until_refused(&world, "answer/forged", 1).await;
        bob.say(Inbox::Results, &answer(&bob, id, "green")).await;
        until_refused(&world, "answer/invalid", 1).await;
        let nothing = SessionId::from_bytes([7; 16]);
        bob.say(Inbox::Results, &answer(&bob, nothing, "red")).await;
        until_refused(&world, "answer/unknown", 1).await;
        let open = world.orchestrator.session(id).await.unwrap();
        assert_eq!(
            (open.state, open.contributions.len()),
            (SessionState::Open, 1)
        );
        bob.say(Inbox::Results, &answer(&bob, id, "red")).await;
        let session = ended(&world, id).await;
        assert_eq!(session.verdict.decision.as_deref(), Some("red"));
        assert_eq!(session.refused["duplicate"], 1);
        assert_eq!(session.refused["invalid"], 1);
        bob.say(Inbox::Results, &answer(&bob, id, "blue")).await;
        until_refused(&world, "answer/late", 1).await;
        assert_eq!(world.orchestrator.session(id).await.unwrap(), session);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_goes_on_and_asks_again_who_is_silent() {
    let world = World::new(ANY).await;
    let mut ann = Puppet::join(&world, "ann", 1).await;
    let mut bob = Puppet::join(&world, "bob", 1).await;
    let id = world
        .orchestrator
        .open_session(&request(60_000))
        .await
        .unwrap()
        .id;
    ann.hear::<Invite>().await;
    ann.say(Inbox::Results, &answer(&ann, id, "blue")).await;
    while world
        .orchestrator
        .session(id)
        .await
        .unwrap()
        .contributions
        .is_empty()
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bob.hear::<Invite>().await;
    let world = world.restart().await;
    let mut bob = bob.back(&world).await;
    bob.hear::<Invite>().await;
    bob.say(Inbox::Results, &answer(&bob, id, "blue")).await;
    let session = ended(&world, id).await;
    assert_eq!(session.verdict.decision.as_deref(), Some("blue"));
    assert_eq!(session.contributions.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_passed_while_no_server_ran_is_kept_by_the_next() {
    let world = World::new(ANY).await;
    let mut ann = Puppet::join(&world, "ann", 1).await;
    let id = world
        .orchestrator
        .open_session(&request(200))
        .await
        .unwrap()
        .id;
    ann.hear::<Invite>().await;
    let world = world.restart().await;
    let session = ended(&world, id).await;
    assert_eq!(session.reason.as_deref(), Some("no_answers"));
    let missing: Vec<&AgentId> = session.missing();
    assert_eq!(missing, [&ann.who.agent]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_in_rust_is_asked_once_a_round() {
    let world = World::new(ANY).await;
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    let who = boot("ann");
    let broker = world.ground.agent(&who);
    up(&*broker).await;
    let worker = Worker::builder(broker, "ann")
        .options(|options| {
            options.instance = Some(who.instance.clone());
            options.timers = world.options.timers;
        })
        .on_invite(move |invite| {
            count.fetch_add(1, Ordering::SeqCst);
            async move {
                // Longer than the server waits before it asks again.
                tokio::time::sleep(Duration::from_millis(400)).await;
                match invite.round {
                    1 => Ok(Answer {
                        suggestion: Some("paint it red".into()),
                        ..Answer::default()
                    }),
                    _ => match invite.options.first() {
                        Some(option) => Ok(Answer {
                            choice: Some(option.clone()),
                            ..Answer::default()
                        }),
                        None => Err(TaskError::business("nothing to choose")),
                    },
                }
            }
        })
        .build();
    let stop = CancellationToken::new();
    let running = tokio::spawn(worker.run(stop.clone()));
    world.joined("ann").await;
    let ideas = OpenSession {
        options: vec![],
        rounds: 2,
        ..request(60_000)
    };
    let id = world.orchestrator.open_session(&ideas).await.unwrap().id;
    let session = ended(&world, id).await;
    assert_eq!(session.verdict.decision.as_deref(), Some("paint it red"));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_new_server_asks_before_anybody_is_back_is_asked_of_those_who_lived() {
    let world = World::new(ANY).await;
    let ann = Puppet::join(&world, "ann", 1).await;
    let bob = Puppet::join(&world, "bob", 1).await;
    let world = world.restart().await;
    let opened = world
        .orchestrator
        .open_session(&request(60_000))
        .await
        .unwrap();
    assert_eq!(
        (opened.state, opened.members.len()),
        (SessionState::Open, 2)
    );
    for puppet in [ann, bob] {
        let mut puppet = puppet.back(&world).await;
        let invite: Invite = puppet.hear().await;
        assert_eq!(invite.session_id, opened.id);
        puppet
            .say(Inbox::Results, &answer(&puppet, opened.id, "red"))
            .await;
    }
    assert_eq!(
        ended(&world, opened.id).await.verdict.decision.as_deref(),
        Some("red")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn more_questions_than_an_agent_thinks_of_at_once_wait_for_their_turn() {
    // Nobody is asked twice here.
    let world = World::with(ANY, |options| options.timers.hello = LONG).await;
    let who = boot("ann");
    let broker = world.ground.agent(&who);
    up(&*broker).await;
    let worker = Worker::builder(broker, "ann")
        .options(|options| {
            options.instance = Some(who.instance.clone());
            options.timers = world.options.timers;
        })
        .on_invite(|_| async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok(Answer {
                choice: Some("blue".into()),
                ..Answer::default()
            })
        })
        .build();
    let stop = CancellationToken::new();
    let running = tokio::spawn(worker.run(stop.clone()));
    world.joined("ann").await;
    let mut opened = vec![];
    for _ in 0..50 {
        let session = world.orchestrator.open_session(&request(20_000)).await;
        opened.push(session.unwrap().id);
    }
    for id in opened {
        assert_eq!(ended(&world, id).await.state, SessionState::Decided);
    }
    stop.cancel();
    running.await.unwrap();
}
