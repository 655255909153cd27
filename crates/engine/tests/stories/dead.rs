//! Dead letters: groups, requeue with its count, discard, and the rule that requeues.

use crate::harness::{ANY, World};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use warrener_engine::TaskError;
use warrener_engine::options::AutoRequeue;
use warrener_engine::orchestrator::{Requeue, Which};
use warrener_model::filter::Filter;
use warrener_model::{Class, State, Submission};

fn all(dry_run: bool) -> Requeue {
    let which = Which::Filter(Filter::default());
    Requeue {
        which,
        limit: 100,
        rate: None,
        anew: true,
        dry_run,
        reason: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_grouped_requeued_and_counted() {
    let world = World::new(ANY).await;
    let works = Arc::new(AtomicBool::new(false));
    let flag = works.clone();
    let _agent = world.agent("a", 2, move |_, input| {
        let works = flag.load(Ordering::SeqCst);
        async move {
            if works {
                Ok(input)
            } else {
                Err(TaskError::invalid(format!("bad row {input}")))
            }
        }
    });
    let mut ids = vec![];
    for n in 0..5 {
        ids.push(
            world
                .submit(&format!(r#"{{"kind":"work","input":{n}}}"#))
                .await,
        );
    }
    for id in &ids {
        assert_eq!(world.end(*id).await.task.life.state, State::Dead);
    }
    let groups = world
        .orchestrator
        .dead_groups(Filter::default(), 10)
        .await
        .unwrap();
    assert_eq!(groups.len(), 1, "numbers do not make a difference");
    assert_eq!(groups[0].count, 5);
    let dry = world
        .orchestrator
        .requeue(all(true), "user:test")
        .await
        .unwrap();
    assert_eq!(dry.tasks.len(), 5);
    assert_eq!(world.orchestrator.books().await.unwrap().of(State::Dead), 5);
    works.store(true, Ordering::SeqCst);
    let done = world
        .orchestrator
        .requeue(all(false), "user:test")
        .await
        .unwrap();
    assert_eq!(done.tasks.len(), 5);
    for id in &ids {
        let life = world.end(*id).await.task.life;
        assert_eq!(
            (life.state, life.replays, life.attempt),
            (State::Succeeded, 1, 2)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discarded_dead_letter_is_not_dead_any_more() {
    let world = World::new(ANY).await;
    let _agent = world.agent("a", 2, |_, _| async { Err(TaskError::critical("stop")) });
    let id = world.submit(r#"{"kind":"work"}"#).await;
    assert_eq!(world.end(id).await.task.life.state, State::Dead);
    let which = Which::Ids(vec![id]);
    let discard = Requeue {
        which,
        ..all(false)
    };
    assert_eq!(
        world
            .orchestrator
            .discard(discard, "user:test")
            .await
            .unwrap()
            .tasks,
        [id]
    );
    let task = world.orchestrator.task(id).await.unwrap().task;
    assert_eq!(task.life.state, State::Cancelled);
    assert_eq!(
        task.error.unwrap().class,
        Class::Critical,
        "why it died is still known"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rule_requeues_each_dead_letter_so_many_times_and_no_more() {
    let world = World::with(ANY, |options| {
        let younger = Duration::from_secs(3_600);
        options.auto_requeue = Some(AutoRequeue {
            class: Class::Network,
            younger,
            times: 2,
        });
        options.retention.every = Duration::from_millis(50);
    })
    .await;
    let _agent = world.agent("a", 2, |_, _| async { Err(TaskError::network("down")) });
    let id = world
        .submit(r#"{"kind":"work","retry":{"network":{"retries":0}}}"#)
        .await;
    let mut replays = 0;
    for _ in 0..400 {
        let life = world.orchestrator.task(id).await.unwrap().task.life;
        replays = life.replays;
        if replays == 2 && life.state == State::Dead {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let life = world.orchestrator.task(id).await.unwrap().task.life;
    assert_eq!((replays, life.replays, life.attempt), (2, 2, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rule_finds_what_lies_behind_more_than_a_page_of_what_it_leaves_alone() {
    let world = World::with(ANY, |options| {
        options.auto_requeue = Some(AutoRequeue {
            class: Class::Critical,
            younger: Duration::from_secs(3_600),
            times: 1,
        });
        options.retention.every = Duration::from_millis(50);
    })
    .await;
    let _agent = world.agent("a", 32, |_, _| async { Err(TaskError::critical("no")) });
    let one = || Submission::read(r#"{"kind":"work"}"#).unwrap();
    let many = (0..510).map(|_| one()).collect();
    let many = world.orchestrator.submit_batch(many, "user:test").await;
    let last = many.unwrap().last().unwrap().task;
    let tried_again = async |id| {
        for _ in 0..3_000 {
            let life = world.orchestrator.task(id).await.unwrap().task.life;
            if life.replays == 1 && life.state == State::Dead {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{id} was not tried again");
    };
    tried_again(last).await;
    while world.orchestrator.books().await.unwrap().open > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // From now on the first page is full of those that had their turn.
    tried_again(world.submit(r#"{"kind":"work"}"#).await).await;
}
