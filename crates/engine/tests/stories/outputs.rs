//! What a run makes of the outputs of its steps, and what it says when it cannot.

use crate::harness::{Mode, World};
use crate::runs::{end, output, start, witness};
use serde_json::json;
use warrener_model::run::RunState;

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
