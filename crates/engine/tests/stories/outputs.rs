//! What a run makes of the outputs of its steps, what it says when it cannot, and a run that was cancelled between two steps.

use crate::harness::{Mode, World};
use crate::runs::{count, end, output, start, witness};
use serde_json::json;
use warrener_model::id::RunId;
use warrener_model::run::{RunState, StepState};

#[tokio::test(flavor = "multi_thread")]
async fn outputs_are_aggregated_and_a_template_that_cannot_be_filled_in_is_told() {
    let world = World::new(Mode::Claim).await;
    let (_agent, _) = witness(&world, "a");
    let file = r#"
name: votes
inputs: { votes: { type: array, required: true }, at: { type: integer, default: 0 } }
steps:
  - { id: vote, kind: work, for_each: "{{ inputs.votes }}", input: "{{ item }}" }
  - { id: all, aggregate: { of: vote, how: collect } }
  - { id: most, aggregate: { of: vote, how: majority } }
  - { id: pick, kind: work, needs: [all], input: "{{ steps.all.output[inputs.at] }}" }
output: { most: "{{ steps.most.output }}", all: "{{ steps.all.output }}", pick: "{{ steps.pick.output }}" }
"#;
    let run = start(&world, file, json!({ "votes": ["a", "b", "a"] })).await;
    let view = end(&world, run).await;
    assert_eq!(
        output(&view),
        json!({ "most": "a", "all": ["a", "b", "a"], "pick": "a" })
    );
    let run = start(&world, file, json!({ "votes": ["a", "b"] })).await;
    let view = end(&world, run).await;
    assert_eq!(view.run.head.state, RunState::Failed);
    assert!(
        view.run.head.error.clone().unwrap().contains("no majority"),
        "{view:#?}"
    );
    let run = start(&world, file, json!({ "votes": ["a"], "at": 5 })).await;
    let view = end(&world, run).await;
    let error = view.run.head.error.unwrap();
    assert!(
        error.contains("\"pick\": 8:") && error.contains("input"),
        "{error}"
    );
    // It cannot be made again either: its inputs are what they are.
    world
        .orchestrator
        .retry_failed(run, "user:test")
        .await
        .unwrap();
    assert_eq!(end(&world, run).await.run.head.state, RunState::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_cancelled_between_two_steps_goes_on_when_it_is_tried_again() {
    let world = World::new(Mode::Claim).await;
    let (_agent, starts) = witness(&world, "a");
    // As a kill leaves it that comes between the cancel and what was still open: that succeeded.
    let file = "name: two\nsteps:\n  - { id: a, kind: work }\n  - { id: b, kind: work, needs: [a], input: 7 }\n";
    let step = |n: u32, id: &str, state| warrener_model::run::StepRow {
        n,
        id: id.into(),
        state,
        left: 0,
        total: 0,
        done: 0,
        failed: 0,
        error: None,
        value: (n == 0).then(warrener_model::Json::null),
    };
    let steps = vec![
        step(0, "a", StepState::Succeeded),
        step(1, "b", StepState::Pending),
    ];
    let id = start(
        &world,
        "name: other\nsteps: [{ id: x, kind: work }]",
        json!({}),
    )
    .await;
    let mut run = end(&world, id).await.run;
    run.spec.id = RunId::from_bytes([3; 16]);
    run.spec.file = file.into();
    run.head = warrener_model::run::RunHead::new(run.spec.id);
    run.head.state = RunState::Cancelled;
    run.head.cancel = Some("enough".into());
    let run_id = run.spec.id;
    let insert = warrener_backend::run::RunOp::Insert(Box::new(run), steps);
    let change = warrener_backend::Change::from(warrener_backend::store::Op::Run(insert));
    let committed = world.store.commit(vec![change]).await.unwrap();
    assert!(matches!(
        committed[0],
        warrener_backend::Committed::Done { .. }
    ));
    let again = world.orchestrator.retry_failed(run_id, "user:test").await;
    assert_eq!(again.unwrap().run.head.cancel, None);
    let view = end(&world, run_id).await;
    assert_eq!(view.run.head.state, RunState::Succeeded);
    assert_eq!((count(&starts, "a"), count(&starts, "b")), (0, 1));
}
