//! Runs that are too wide: what no server could hold in memory fails its step, with the reason.

use crate::harness::{ANY, World};
use crate::runs::{end, start};
use serde_json::json;
use std::time::Duration;
use warrener_model::run::RunState;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_for_one_step_fails_it_and_not_the_server() {
    // A build for tests takes longer to read so much than its heartbeats are apart otherwise, and each renews a lease.
    let world = World::with(ANY, |options| {
        options.timers.heartbeat = Duration::from_secs(5)
    })
    .await;
    let big = "x".repeat(1_000_000);
    let _worker = world.agent("w", 8, move |_, _| {
        let big = big.clone();
        async move { Ok(json!(big)) }
    });
    // More than one step may look at; without looking at it, it is none.
    let file = r#"
name: wide
steps:
  - { id: each, kind: work, for_each: "{{ range(40) }}" }
  - { id: join, kind: work, needs: [each], input: "{{ steps.each.outputs | length }}" }
"#;
    let run = start(&world, file, json!({})).await;
    let view = end(&world, run).await;
    assert_eq!(view.run.head.state, RunState::Failed);
    let error = view.steps[1].error.clone().unwrap_or_default();
    assert!(
        error.contains("bytes together; at most 33554432 can be looked at"),
        "{error}"
    );
    let file = file.replace("steps.each.outputs | length", "run.name");
    let run = start(&world, &file, json!({})).await;
    assert_eq!(end(&world, run).await.run.head.state, RunState::Succeeded);
    // Far more tasks than fit: found out before they are all made.
    let file = r#"
name: many
inputs: { text: { type: string } }
steps:
  - { id: each, kind: work, for_each: "{{ range(10000) }}", input: "{{ inputs.text }}" }
"#;
    for (bytes, says) in [
        (100_000, "more than"),
        (400_000, "item 0: its input has 400002 bytes"),
    ] {
        let text = "y".repeat(bytes);
        let run = start(&world, file, json!({ "text": text })).await;
        let view = end(&world, run).await;
        let error = view.steps[0].error.clone().unwrap_or_default();
        assert!(error.contains(says), "{error}");
    }
}
