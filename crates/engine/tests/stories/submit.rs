//! Acceptance: keys, batches, delays, deadlines.

use crate::harness::{ANY, MODES, World, echo};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use warrener_engine::Error;
use warrener_engine::orchestrator::BatchError;
use warrener_model::{State, Submission};

fn read(text: &str) -> Submission {
    Submission::read(text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_and_request_make_one_task_and_another_request_is_refused() {
    let world = World::new(ANY).await;
    let submit = |text: &str| {
        let (orchestrator, submission) = (world.orchestrator.clone(), read(text));
        async move {
            orchestrator
                .submit(submission, Some("k".into()), "user:test")
                .await
        }
    };
    let first = submit(r#"{"kind":"work","input":1}"#).await.unwrap();
    let again = submit(r#"{"kind":"work","input":1}"#).await.unwrap();
    assert!(!first.existing && again.existing);
    assert_eq!(first.view.task.id, again.view.task.id);
    let other = submit(r#"{"kind":"work","input":2}"#).await.unwrap_err();
    assert!(matches!(other, Error::KeyTaken(id) if id == first.view.task.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_any_size_are_part_of_what_makes_a_request_the_same() {
    let world = World::new(ANY).await;
    let submit = |input: &str| {
        let submission = read(&format!(r#"{{"kind":"work","input":{input}}}"#));
        let key = Some("k".into());
        world.orchestrator.submit(submission, key, "user:test")
    };
    let one = r#"{"n": 123456789012345678901234567890, "x": 1e400}"#;
    let first = submit(one).await.unwrap();
    assert_eq!(first.view.task.spec.input.as_str(), one);
    assert!(submit(one).await.unwrap().existing);
    let read = world.orchestrator.task(first.view.task.id).await.unwrap();
    assert_eq!(read.task.spec.input.as_str(), one);
    for other in [one.replace("890,", "891,"), one.replace("400", "401")] {
        let error = submit(&other).await.unwrap_err();
        assert!(matches!(error, Error::KeyTaken(_)), "{other}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_accepted_whole_or_not_at_all() {
    let world = World::new(ANY).await;
    let good = |n: u32| read(&format!(r#"{{"kind":"work","idempotency_key":"k{n}"}}"#));
    let accepted = world
        .orchestrator
        .submit_batch(vec![good(1), good(2)], "user:test")
        .await
        .unwrap();
    assert_eq!(accepted.len(), 2);
    let bad = vec![good(3), read(r#"{"kind":"NO"}"#)];
    let error = world
        .orchestrator
        .submit_batch(bad, "user:test")
        .await
        .unwrap_err();
    assert!(matches!(error, BatchError::Items(items) if items.len() == 1 && items[0].0 == 1));
    let taken = vec![good(4), read(r#"{"kind":"other","idempotency_key":"k1"}"#)];
    let error = world
        .orchestrator
        .submit_batch(taken, "user:test")
        .await
        .unwrap_err();
    assert!(matches!(error, BatchError::KeyTaken { index: 1, .. }));
    let again = world
        .orchestrator
        .submit_batch(vec![good(1), good(5)], "user:test")
        .await
        .unwrap();
    assert_eq!([again[0].existing, again[1].existing], [true, false]);
    assert_eq!(world.orchestrator.books().await.unwrap().accepted, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_task_does_not_start_early() {
    for mode in MODES {
        let world = World::new(mode).await;
        let _agent = world.agent("a", 1, echo);
        let id = world.submit(r#"{"kind":"work","delay_ms":300}"#).await;
        let view = world.end(id).await;
        let life = view.task.life;
        assert!(
            life.started_at.unwrap() >= life.not_before.unwrap(),
            "{mode:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_l_a_task_unclaimed_past_its_deadline_expires_with_an_event() {
    for mode in MODES {
        let world = World::new(mode).await;
        let id = world.submit(r#"{"kind":"work","deadline_ms":150}"#).await;
        let view = world.end(id).await;
        assert_eq!(view.task.life.state, State::Expired, "{mode:?}");
        let history = world.history(id).await;
        assert_eq!(
            history.last(),
            Some(&warrener_model::event::EventKind::Expired)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_task_whose_deadline_passes_is_stopped() {
    for mode in MODES {
        let world = World::new(mode).await;
        let (told, mut stopped) = tokio::sync::mpsc::unbounded_channel();
        let starts = Arc::new(AtomicU32::new(0));
        let count = starts.clone();
        let _agent = world.agent("a", 1, move |_, input| {
            let told = told.clone();
            count.fetch_add(1, Ordering::SeqCst);
            async move {
                let _guard = Guard(told);
                tokio::time::sleep(std::time::Duration::from_secs(3_600)).await;
                Ok(input)
            }
        });
        let mut deadline_ms = 400;
        // On a busy machine it expires before it runs; the next one has more time.
        while starts.load(Ordering::SeqCst) == 0 {
            let text = format!(r#"{{"kind":"work","deadline_ms":{deadline_ms}}}"#);
            let id = world.submit(&text).await;
            let life = world.end(id).await.task.life;
            assert_eq!(life.state, State::Expired, "{mode:?}");
            deadline_ms *= 2;
        }
        stopped.recv().await.expect("the handler is dropped");
    }
}

struct Guard(tokio::sync::mpsc::UnboundedSender<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_with_a_schema_refuses_what_does_not_fit() {
    let world = World::with(ANY, |options| {
        let schema = serde_json::json!({"type": "object", "required": ["url"]});
        let validator = jsonschema::validator_for(&schema).unwrap();
        options
            .schemas
            .insert("work".parse().unwrap(), std::sync::Arc::new(validator));
    })
    .await;
    let bad = read(r#"{"kind":"work","input":{}}"#);
    let error = world
        .orchestrator
        .submit(bad, None, "user:test")
        .await
        .unwrap_err();
    let Error::Invalid(mistakes) = error else {
        panic!("{error}")
    };
    assert!(mistakes[0].pointer.starts_with("/input"));
    world.submit(r#"{"kind":"work","input":{"url":"x"}}"#).await;
}
