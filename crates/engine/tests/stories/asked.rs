//! Steps of workflows that ask agents: opened with the step, ended with the session, also by another server.

use crate::harness::{ANY, CLAIMED, World};
use crate::puppet::Puppet;
use crate::runs::{end, output, start, witness};
use serde_json::json;
use std::time::Duration;
use warrener_backend::Inbox;
use warrener_model::decision::Answer;
use warrener_model::id::RunId;
use warrener_model::message::{Invite, SessionAnswer};
use warrener_model::run::{RunState, StepState};
use warrener_model::session::{Origin, Session, SessionState};

const FILE: &str = r#"
name: asked
inputs: { first: { type: string, default: red } }
steps:
  - { id: look, kind: work, input: "{{ inputs.first }}" }
  - id: ask
    needs: [look]
    session: { question: "{{ steps.look.output }} or blue?", options: ["{{ steps.look.output }}", blue], context: { seen: "{{ steps.look.output }}" }, required: ["agent:ann"], deadline: 60s }
  - { id: use, kind: work, needs: [ask], input: "{{ steps.ask.output.decision }}" }
output: { chosen: "{{ steps.use.output }}", by: "{{ steps.ask.output.participants }}" }
"#;

/// What the only session of this run is.
async fn session(world: &World, run: RunId) -> Session {
    let all = world.orchestrator.sessions(None, None, 10).await.unwrap();
    let mut all = all
        .into_iter()
        .filter(|one| matches!(one.origin, Some(Origin::Step { run: of, .. }) if of == run));
    let session = all.next().unwrap();
    assert!(all.next().is_none(), "a step opens one session");
    session
}

pub(crate) async fn vote(puppet: &Puppet, invite: &Invite, choice: &str) {
    let answer = SessionAnswer {
        session_id: invite.session_id,
        round: invite.round,
        agent_id: Some(puppet.who.agent.clone()),
        instance: Some(puppet.who.instance.clone()),
        answer: Answer {
            choice: Some(choice.into()),
            ..Answer::default()
        },
    };
    puppet.say(Inbox::Results, &answer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_asks_agents_and_leaves_their_decision() {
    for mode in CLAIMED {
        let world = World::new(mode).await;
        let mut ann = Puppet::adviser(&world, "ann").await;
        let (_worker, starts) = witness(&world, "w");
        let run = start(&world, FILE, json!({})).await;
        let invite: Invite = ann.hear().await;
        assert_eq!(invite.question, "red or blue?");
        assert_eq!(invite.context.value(), json!({ "seen": "red" }));
        assert_eq!(
            (invite.topic.as_str(), &invite.options[..]),
            ("ask", &["red".into(), "blue".into()][..])
        );
        vote(&ann, &invite, "blue").await;
        let view = end(&world, run).await;
        assert_eq!(
            output(&view),
            json!({ "chosen": "blue", "by": ["ann"] }),
            "{view:#?}"
        );
        assert_eq!(starts.lock().unwrap().len(), 2);
        let session = session(&world, run).await;
        assert_eq!(
            (session.id, session.state),
            (invite.session_id, SessionState::Decided)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_goes_on_with_the_session_of_a_step() {
    let world = World::new(ANY).await;
    let mut ann = Puppet::adviser(&world, "ann").await;
    let (worker, _) = witness(&world, "w");
    let run = start(&world, FILE, json!({})).await;
    ann.hear::<Invite>().await;
    drop(worker);
    let world = world.restart().await;
    let (_worker, _) = witness(&world, "w2");
    let mut ann = ann.back(&world).await;
    let invite: Invite = ann.hear().await;
    vote(&ann, &invite, "red").await;
    let view = end(&world, run).await;
    assert_eq!(output(&view), json!({ "chosen": "red", "by": ["ann"] }));
    session(&world, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_decision_fails_the_step_which_can_be_asked_again_or_be_done_without() {
    let world = World::new(ANY).await;
    let (_worker, _) = witness(&world, "w");
    let file = FILE.replace("agent:ann", "cap:nobody");
    let run = start(&world, &file, json!({})).await;
    let view = end(&world, run).await;
    assert_eq!(view.run.head.state, RunState::Failed);
    let error = view.steps[1].error.clone().unwrap();
    assert!(error.contains("no_decision: no_answers"), "{error}");
    assert_eq!(view.steps[2].state, StepState::Pending);
    world
        .orchestrator
        .retry_failed(run, "somebody")
        .await
        .unwrap();
    let view = end(&world, run).await;
    assert_eq!(view.run.head.state, RunState::Failed);
    let all = world.orchestrator.sessions(None, None, 10).await.unwrap();
    assert_eq!(all.len(), 2, "a retry asks anew");

    let file = file.replace("id: ask", "id: ask\n    on_failure: continue");
    let run = start(&world, &file, json!({})).await;
    let view = end(&world, run).await;
    assert_eq!(view.run.head.state, RunState::Succeeded, "{view:#?}");
    assert_eq!(output(&view)["chosen"], json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_of_a_run_that_is_cancelled_is_called_off() {
    let world = World::new(ANY).await;
    let mut ann = Puppet::adviser(&world, "ann").await;
    let (_worker, _) = witness(&world, "w");
    let run = start(&world, FILE, json!({})).await;
    ann.hear::<Invite>().await;
    world
        .orchestrator
        .cancel_run(run, "not needed")
        .await
        .unwrap();
    let view = end(&world, run).await;
    assert_eq!(view.run.head.state, RunState::Cancelled);
    assert_eq!(view.steps[1].state, StepState::Cancelled);
    let session = session(&world, run).await;
    assert_eq!(session.state, SessionState::Cancelled);
    assert_eq!(session.reason.as_deref(), Some("not needed"));
    // Asked again by hand, it is a new question.
    world
        .orchestrator
        .retry_failed(run, "somebody")
        .await
        .unwrap();
    let invite: Invite = ann.hear().await;
    assert_ne!(invite.session_id, session.id);
    vote(&ann, &invite, "blue").await;
    let within = Duration::from_secs(30);
    let view = world
        .orchestrator
        .wait_run(run, None, within)
        .await
        .unwrap();
    assert_eq!(view.run.head.state, RunState::Succeeded, "{view:#?}");
}
